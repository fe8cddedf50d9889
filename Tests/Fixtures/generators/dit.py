"""Writes ../dit/*.safetensors: cases for `oboro check`, from PyTorch.

    python3 dit.py

The model is `DiT` of Docs/pytorch/oboro_models/dit.py.
"""

import cases
from oboro_models.dit import DiT

CASES = [
    # name, model, loss, [B, C, H, W], timesteps, labels
    (
        "one-channel-huber",
        {"image_size": 8, "patch_size": 2, "channels": 1, "hidden_size": 32, "depth": 2, "heads": 2},
        "huber",
        (3, 1, 8, 8),
        [0, 217, 999],
        [0, 1, 0],
    ),
    # A token and a head that no vector divides, an odd number of patches, classes given and kept back.
    (
        "odd-sizes-classes-l2",
        {
            "image_size": 9,
            "patch_size": 3,
            "channels": 3,
            "hidden_size": 36,
            "depth": 1,
            "heads": 3,
            "mlp_ratio": 2.5,
            "classes": 5,
            "class_dropout": 0.2,
        },
        "l2",
        (4, 3, 9, 9),
        [131, 5, 400, 77],
        [4, 5, 0, 4],
    ),
    (
        "sigma-without-dropout-l1",
        {
            "image_size": 6,
            "patch_size": 1,
            "channels": 2,
            "hidden_size": 20,
            "depth": 2,
            "heads": 4,
            "mlp_ratio": 3.0,
            "classes": 3,
            "class_dropout": 0.0,
            "learn_sigma": True,
        },
        "l1",
        (1, 2, 6, 6),
        [58],
        [2],
    ),
    # More tokens than a block of keys, a head of one vector and a half.
    (
        "many-tokens-huber",
        {
            "image_size": 36,
            "patch_size": 2,
            "channels": 3,
            "hidden_size": 48,
            "depth": 1,
            "heads": 2,
            "mlp_ratio": 1.0,
            "classes": 10,
            "class_dropout": 0.1,
        },
        "huber",
        (2, 3, 36, 36),
        [3, 640],
        [7, 10],
    ),
    # A patch that is the whole image.
    (
        "one-token-l2",
        {"image_size": 4, "patch_size": 4, "channels": 1, "hidden_size": 16, "depth": 1, "heads": 1},
        "l2",
        (2, 1, 4, 4),
        [12, 345],
        [1, 0],
    ),
]


if __name__ == "__main__":
    for name, settings, *case in CASES:
        cases.write("dit", name, DiT, settings, *case)
