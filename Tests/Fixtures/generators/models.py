"""The PyTorch classes of the models, by what a configuration calls them."""

import annotated_unet

CLASSES = {
    "annotated-unet": annotated_unet.Unet,
}
