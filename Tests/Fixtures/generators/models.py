"""The PyTorch classes of the models, by the names that configurations have for them."""

import annotated_unet
import attention_unet
import conditional_unet
import dit
import resnet_unet

CLASSES = {
    "annotated-unet": annotated_unet.Unet,
    "resnet-unet": resnet_unet.Unet,
    "conditional-unet": conditional_unet.UNetCond,
    "dit": dit.DiT,
    "attention-unet": attention_unet.UNet,
}


def make(section):
    """The model that the section `model` of a configuration describes; keys that are null have their defaults."""
    settings = {key: value for key, value in section.items() if value is not None}
    return CLASSES[settings.pop("kind")](**settings)


def class_count(section):
    """How many classes the model wants labels of; None for a model that takes none."""
    return section.get("classes")
