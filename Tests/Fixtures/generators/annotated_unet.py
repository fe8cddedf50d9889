"""Writes ../annotated-unet/*.safetensors: cases for `oboro check`, from PyTorch.

    python3 annotated_unet.py

The model is `Unet` of Docs/pytorch/oboro_models/annotated_unet.py.
"""

import cases
from oboro_models.annotated_unet import Unet

CASES = [
    # name, model, loss, [B, C, H, W], timesteps
    (
        "two-stages-huber",
        {"dim": 8, "dim_mults": [1, 2], "channels": 1, "groups": 4},
        "huber",
        (2, 1, 8, 8),
        [0, 217],
    ),
    (
        "three-stages-not-square-l2",
        {"dim": 12, "dim_mults": [1, 2, 3], "channels": 3, "groups": 3},
        "l2",
        (1, 3, 8, 12),
        [131],
    ),
    (
        "one-stage-odd-size-l1",
        {"dim": 4, "dim_mults": [1], "channels": 2, "groups": 2},
        "l1",
        (3, 2, 5, 7),
        [299, 3, 58],
    ),
    (
        "self-condition-huber",
        {"dim": 8, "dim_mults": [1, 1, 2], "channels": 1, "groups": 4, "self_condition": True, "out_dim": 2},
        "huber",
        (2, 1, 8, 8),
        [40, 999],
    ),
    # Images large enough for the fast algorithms, sides that their tiles do not divide.
    (
        "larger-images-huber",
        {"dim": 8, "dim_mults": [1, 2], "channels": 3, "groups": 4},
        "huber",
        (4, 3, 22, 26),
        [5, 250, 120, 0],
    ),
]


if __name__ == "__main__":
    for name, settings, *case in CASES:
        cases.write("annotated-unet", name, Unet, settings, *case)
