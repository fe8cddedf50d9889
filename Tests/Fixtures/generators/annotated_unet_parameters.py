"""Writes ../annotated-unet/parameters-dim-28.json: names and shapes of the article's model, from PyTorch.

    python3 annotated_unet_parameters.py

needs torch and numpy only. The model is that of "The Annotated Diffusion Model" for Fashion-MNIST: dim 28, multiples
1, 2 and 4, one channel. The names are in the order of `named_parameters`.
"""

import json
import pathlib

import annotated_unet

if __name__ == "__main__":
    model = annotated_unet.Unet(dim=28, dim_mults=[1, 2, 4], channels=1, groups=4)
    parameters = [{"name": name, "shape": list(value.shape)} for name, value in model.named_parameters()]
    path = pathlib.Path(__file__).resolve().parent.parent / "annotated-unet" / "parameters-dim-28.json"
    lines = ",\n".join(json.dumps(parameter) for parameter in parameters)
    path.write_text(f"[\n{lines}\n]\n")
