"""The PyTorch models, by the names that configurations have for them."""

import importlib

# kind -> module, class.
MODELS = {
    "annotated-unet": ("annotated_unet", "Unet"),
    "resnet-unet": ("resnet_unet", "Unet"),
    "conditional-unet": ("conditional_unet", "UNetCond"),
    "dit": ("dit", "DiT"),
    "attention-unet": ("attention_unet", "UNet"),
}


class UnknownModel(Exception):
    pass


def model_class(kind):
    if kind not in MODELS:
        raise UnknownModel(f"no PyTorch model for {kind}; there are {', '.join(MODELS)}")
    module_name, class_name = MODELS[kind]
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise
        raise UnknownModel(f"no PyTorch model for {kind}: {module_name}.py is not beside {__file__}") from error
    return getattr(module, class_name)


def make(section):
    """The model that the section `model` of a configuration describes; keys that are null have their defaults."""
    settings = {key: value for key, value in section.items() if value is not None}
    return model_class(settings.pop("kind"))(**settings)


def class_count(section):
    """How many classes the model wants labels of; None for a model that takes none."""
    return section.get("classes")
