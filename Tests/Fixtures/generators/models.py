"""The PyTorch classes of the models, by what a configuration calls them."""

import annotated_unet
import conditional_unet
import resnet_unet

CLASSES = {
    "annotated-unet": annotated_unet.Unet,
    "resnet-unet": resnet_unet.Unet,
    "conditional-unet": conditional_unet.UNetCond,
}
