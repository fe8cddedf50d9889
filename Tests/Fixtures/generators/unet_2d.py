"""Writes ../unet-2d/*.safetensors: cases for `oboro check`, from diffusers' UNet2DModel.

    python3 unet_2d.py

Also writes ../configurations/unet-2d.json, what diffusers writes of the class's defaults. The committed files were written
with torch 2.15.0 and diffusers 0.42.1.
"""

import diffusers
import torch
from diffusers import UNet2DModel

import cases
import named_inputs

SCRIPT = f"unet_2d.py, torch {torch.__version__}, diffusers {diffusers.__version__}"

CASES = [
    # name, settings, loss, [B, C, H, W], timesteps, labels
    (
        "attention-l2",
        {
            "sample_size": 8,
            "in_channels": 1,
            "out_channels": 1,
            "block_out_channels": [8, 8],
            "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
            "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
            "layers_per_block": 1,
            "norm_num_groups": 4,
            "time_embedding_dim": 12,
        },
        "l2",
        (2, 1, 8, 8),
        [0, 621],
        None,
    ),
    # The sides change in residual blocks; the attention has fewer channels than its input, and in the middle, where the
    # embedding scales and shifts, no normalisation.
    (
        "residual-sampling-classes-huber",
        {
            "in_channels": 2,
            "out_channels": 2,
            "block_out_channels": [8, 12],
            "down_block_types": ["AttnDownBlock2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "AttnUpBlock2D"],
            "layers_per_block": 1,
            "norm_num_groups": 2,
            "attention_head_dim": 5,
            "downsample_type": "resnet",
            "upsample_type": "resnet",
            "resnet_time_scale_shift": "scale_shift",
            "num_class_embeds": 3,
            "time_embedding_dim": 10,
        },
        "huber",
        (3, 2, 6, 10),
        [3, 999, 40],
        [2, 0, 2],
    ),
    # All the other keys.
    (
        "options-l1",
        {
            "in_channels": 3,
            "out_channels": 2,
            "center_input_sample": True,
            "flip_sin_to_cos": False,
            "freq_shift": 1,
            "block_out_channels": [4, 8, 8],
            "down_block_types": ["DownBlock2D", "ResnetDownsampleBlock2D", "AttnDownBlock2D"],
            "up_block_types": ["ResnetUpsampleBlock2D", "AttnUpBlock2D", "UpBlock2D"],
            "layers_per_block": 1,
            "norm_num_groups": 2,
            "attn_norm_num_groups": 4,
            "norm_eps": 1e-3,
            "act_fn": "gelu",
            "attention_head_dim": None,
            "downsample_type": None,
            "downsample_padding": 0,
            "mid_block_scale_factor": 2.0,
            "time_embedding_dim": 14,
            "num_train_timesteps": 1000,
        },
        "l1",
        (1, 3, 8, 12),
        [250],
        None,
    ),
    (
        "middle-without-attention-l2",
        {
            "block_out_channels": [6],
            "down_block_types": ["DownBlock2D"],
            "up_block_types": ["UpBlock2D"],
            "layers_per_block": 2,
            "norm_num_groups": 3,
            "act_fn": "swish",
            "add_attention": None,
        },
        "l2",
        (2, 3, 5, 7),
        [71, 6],
        None,
    ),
    (
        "no-middle-huber",
        {
            "in_channels": 1,
            "out_channels": 1,
            "block_out_channels": [6, 8],
            "down_block_types": ["AttnDownBlock2D", "AttnDownBlock2D"],
            "mid_block_type": None,
            "up_block_types": ["AttnUpBlock2D", "AttnUpBlock2D"],
            "layers_per_block": 1,
            "norm_num_groups": 2,
            "attention_head_dim": 2,
        },
        "huber",
        (1, 1, 4, 4),
        [512],
        None,
    ),
]


# Of convolutions that see at an edge what lies at the opposite one: the class has no such key.
PERIODIC_CASE = (
    "periodic-l2",
    {
        "in_channels": 2,
        "out_channels": 2,
        "block_out_channels": [8, 12],
        "down_block_types": ["DownBlock2D", "ResnetDownsampleBlock2D"],
        "up_block_types": ["ResnetUpsampleBlock2D", "UpBlock2D"],
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "attention_head_dim": None,
        "time_embedding_dim": 10,
    },
    "l2",
    (2, 2, 6, 10),
    [17, 803],
)


def predict(model, inputs):
    return model(inputs["x"], inputs["t"], class_labels=inputs.get("y")).sample


def write(path, settings, loss, size, timesteps, labels=None, seed=cases.SEED, padding=None):
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = UNet2DModel(**settings)
    if padding == "periodic":
        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.padding_mode = "circular"
        settings = {**settings, "padding": padding}
    inputs = {"x": torch.randn(*size, generator=generator), "t": torch.tensor(timesteps, dtype=torch.int64)}
    if labels is not None:
        inputs["y"] = torch.tensor(labels, dtype=torch.int64)
    named_inputs.write(path, "unet-2d", model, settings, loss, inputs, predict, generator, script=SCRIPT)


if __name__ == "__main__":
    named_inputs.write_defaults("unet-2d", UNet2DModel)
    for name, *case in CASES:
        write(f"unet-2d/{name}", *case)
    name, *case = PERIODIC_CASE
    write(f"unet-2d/{name}", *case, padding="periodic")
