"""The PyTorch classes of Oboro's models, under whose names the weights are kept.

    import oboro_models
    model = oboro_models.load("first.safetensors")  # what `oboro convert RUN first.safetensors` wrote

A model takes images [B, C, H, W] in -1...1 with their noise, timesteps [B], which start at 0, and, if it has classes,
labels [B]; it returns what the run's `diffusion.prediction` says, by default the noise.
"""

import json

from . import annotated_unet, attention_unet, conditional_unet, dit, resnet_unet

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


def load(path):
    """The model with the weights of a file of `oboro convert`, for evaluation."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        section = json.loads(file.metadata()["model"])
        state = {name: file.get_tensor(name) for name in file.keys()}
    if section["kind"] not in CLASSES:
        raise ValueError(f"{path}: {section['kind']} is a class of diffusers or transformers; see Docs/Files.md")
    model = make(section)
    model.load_state_dict(state, strict=True)
    return model.eval()
