"""Writes ../attention-unet/*.safetensors: cases for `oboro check`, from PyTorch.

    python3 attention_unet.py

The model is `UNet` of Docs/pytorch/oboro_models/attention_unet.py.
"""

import cases
from oboro_models.attention_unet import UNet

CASES = [
    # name, model, loss, [B, C, H, W], timesteps
    ("three-channels-huber", {"image_size": 16, "width": 8}, "huber", (2, 3, 16, 16), [0, 217]),
    (
        "one-channel-l2",
        {"image_size": 24, "width": 4, "channels": 1, "time_dim": 10},
        "l2",
        (3, 1, 24, 24),
        [131, 640, 5],
    ),
    (
        "narrow-heads-l1",
        {"image_size": 16, "width": 4, "channels": 2, "out_channels": 5, "time_dim": 32},
        "l1",
        (1, 2, 16, 16),
        [71],
    ),
    # More tokens than one task of attention takes.
    (
        "many-tokens-huber",
        {"image_size": 32, "width": 4, "channels": 3, "time_dim": 16},
        "huber",
        (1, 3, 32, 32),
        [250],
    ),
]


if __name__ == "__main__":
    for name, settings, *case in CASES:
        cases.write("attention-unet", name, UNet, settings, *case)
