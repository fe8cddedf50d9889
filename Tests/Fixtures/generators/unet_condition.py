"""Writes ../unet-condition/*.safetensors: cases for `oboro check`, from diffusers' UNet2DConditionModel.

    python3 unet_condition.py

Also writes ../configurations/unet-condition*.json: the configurations of the class's defaults and of Stable Diffusion 1.5
and 2.1, and ../configurations/stable-diffusion-1.5.json, the names and shapes of the tensors that the class makes of it.
Also writes ../unet-condition-controlled.safetensors, where a context's last tokens do not count and residuals of a control
network are added. The committed files were written with torch 2.15.0 and diffusers 0.42.1.
"""

import json

import diffusers
import torch
from diffusers import UNet2DConditionModel

import cases
import named_inputs

SCRIPT = f"unet_condition.py, torch {torch.__version__}, diffusers {diffusers.__version__}"

SMALL = {
    "block_out_channels": [8, 12],
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "norm_num_groups": 4,
    "layers_per_block": 1,
    "attention_head_dim": 2,
    "cross_attention_dim": 10,
}
CASES = [
    # name, settings, loss, [B, C, H, W], timesteps, tokens of the context, labels
    ("convolutions-l2", SMALL, "l2", (2, 4, 8, 8), [0, 621], 7, None),
    # As Stable Diffusion 2 has it: linear projections, a number of heads for each resolution.
    (
        "linear-projections-huber",
        {
            **SMALL,
            "sample_size": 8,
            "use_linear_projection": True,
            "upcast_attention": True,
            "attention_head_dim": [1, 3],
            "layers_per_block": [1, 2],
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
        },
        "huber",
        (1, 4, 16, 8),
        [250],
        77,
        None,
    ),
    # All the other keys; heads that do not divide the channels; three resolutions.
    (
        "options-l1",
        {
            "in_channels": 3,
            "out_channels": 2,
            "center_input_sample": True,
            "flip_sin_to_cos": False,
            "freq_shift": 1,
            "block_out_channels": [8, 8, 12],
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
            "layers_per_block": 1,
            "norm_num_groups": 2,
            "norm_eps": 1e-3,
            "act_fn": "gelu",
            "attention_head_dim": [1, 3, 5],
            "cross_attention_dim": 6,
            "transformer_layers_per_block": [1, 2, 1],
            "only_cross_attention": True,
            "resnet_time_scale_shift": "scale_shift",
            "num_class_embeds": 4,
            "downsample_padding": 0,
            "mid_block_scale_factor": 2.0,
            "time_embedding_dim": 20,
            "conv_in_kernel": 1,
            "conv_out_kernel": 5,
        },
        "l1",
        (3, 3, 8, 12),
        [3, 999, 40],
        5,
        [3, 0, 3],
    ),
    (
        "no-middle-attention-l2",
        {**SMALL, "mid_block_type": "UNetMidBlock2D", "norm_num_groups": 2},
        "l2",
        (2, 4, 6, 4),
        [71, 6],
        3,
        None,
    ),
    ("no-middle-huber", {**SMALL, "mid_block_type": None}, "huber", (1, 4, 4, 4), [512], 3, None),
]


def predict(model, inputs):
    residuals = {}
    if "control/middle" in inputs:
        skips = [key for key in inputs if key.startswith("control/") and key != "control/middle"]
        residuals = {
            "down_block_additional_residuals": tuple(inputs[key] for key in sorted(skips)),
            "mid_block_additional_residual": inputs["control/middle"],
        }
    if "lengths" in inputs:
        places = torch.arange(inputs["context"].shape[1])
        residuals["encoder_attention_mask"] = places[None] < inputs["lengths"][:, None]
    return model(
        inputs["x"], inputs["t"], encoder_hidden_states=inputs["context"], class_labels=inputs.get("y"), **residuals
    ).sample


def write(path, settings, loss, size, timesteps, tokens, labels=None, controlled=False, seed=cases.SEED):
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = UNet2DConditionModel(**settings)
    inputs = {
        "x": torch.randn(*size, generator=generator),
        "t": torch.tensor(timesteps, dtype=torch.int64),
        "context": torch.randn(size[0], tokens, settings["cross_attention_dim"], generator=generator),
    }
    if labels is not None:
        inputs["y"] = torch.tensor(labels, dtype=torch.int64)
    if controlled:
        inputs["lengths"] = torch.tensor([3, tokens], dtype=torch.int64)
        for index, (channels, side) in enumerate([(8, 8), (8, 8), (8, 4), (12, 4)]):
            inputs[f"control/{index}"] = torch.randn(size[0], channels, side, side, generator=generator)
        inputs["control/middle"] = torch.randn(size[0], 12, 4, 4, generator=generator)
    named_inputs.write(path, "unet-condition", model, settings, loss, inputs, predict, generator, script=SCRIPT)


STABLE_DIFFUSION_1 = {
    "_class_name": "UNet2DConditionModel",
    "_diffusers_version": "0.6.0",
    "act_fn": "silu",
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "center_input_sample": False,
    "cross_attention_dim": 768,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 32,
    "out_channels": 4,
    "sample_size": 64,
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
}
STABLE_DIFFUSION_2 = {
    **STABLE_DIFFUSION_1,
    "attention_head_dim": [5, 10, 20, 20],
    "cross_attention_dim": 1024,
    "dual_cross_attention": False,
    "num_class_embeds": None,
    "only_cross_attention": False,
    "sample_size": 96,
    "upcast_attention": True,
    "use_linear_projection": True,
}


def write_configurations():
    folder = cases.FIXTURES / "configurations"
    for name, settings in (
        ("unet-condition", {}),
        ("unet-condition-1.5", STABLE_DIFFUSION_1),
        ("unet-condition-2.1", STABLE_DIFFUSION_2),
    ):
        with torch.device("meta"):
            model = UNet2DConditionModel(**{key: value for key, value in settings.items() if key[0] != "_"})
        written = settings or json.loads(model.to_json_string())
        (folder / f"{name}.json").write_text(json.dumps(written, indent=1) + "\n")
        shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
        print(f"{name}: {sum(value.numel() for value in model.parameters())} numbers in {len(shapes)} tensors")
        if name == "unet-condition-1.5":
            lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in sorted(shapes.items()))
            (folder / "stable-diffusion-1.5.json").write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    write_configurations()
    for name, *case in CASES:
        write(f"unet-condition/{name}", *case)
    write("unet-condition-controlled", SMALL, "l2", (2, 4, 8, 8), [90, 310], 7, controlled=True)
