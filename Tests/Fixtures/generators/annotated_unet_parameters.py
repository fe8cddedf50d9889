"""Writes ../annotated-unet/parameters-dim-28.json: names and shapes of the article's model, from PyTorch.

    python3 annotated_unet_parameters.py

needs torch and numpy only. The model is that of "The Annotated Diffusion Model" for Fashion-MNIST: dim 28, multiples
1, 2 and 4, one channel. The names are in the order of `named_parameters`.
"""

import json

import cases
from oboro_models.annotated_unet import Unet

if __name__ == "__main__":
    model = Unet(dim=28, dim_mults=[1, 2, 4], channels=1, groups=4)
    parameters = [{"name": name, "shape": list(value.shape)} for name, value in model.named_parameters()]
    path = cases.FIXTURES / "annotated-unet" / "parameters-dim-28.json"
    lines = ",\n".join(json.dumps(parameter) for parameter in parameters)
    path.write_text(f"[\n{lines}\n]\n")
