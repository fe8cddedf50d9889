"""Writes ../autoencoder-kl/*.safetensors: cases for `oboro check`, from diffusers' AutoencoderKL.

    python3 autoencoder_kl.py

The output is the reconstruction from mean + deviation * noise; to the loss is added KL, summed over a latent and averaged
over the batch, times a weight.

Also writes ../configurations/autoencoder-kl.json, what diffusers writes of the class's defaults. The committed files were
written with torch 2.15.0 and diffusers 0.42.1.
"""

import diffusers
import torch
from diffusers import AutoencoderKL

import cases
import named_inputs

SCRIPT = f"autoencoder_kl.py, torch {torch.__version__}, diffusers {diffusers.__version__}"

CASES = [
    # name, settings, loss, weight of KL, [B, C, H, W]
    (
        "two-stages-l1",
        {
            "sample_size": 8,
            "block_out_channels": [8, 12],
            "down_block_types": ["DownEncoderBlock2D"] * 2,
            "up_block_types": ["UpDecoderBlock2D"] * 2,
            "latent_channels": 3,
            "norm_num_groups": 4,
        },
        "l1",
        0.02,
        (2, 3, 8, 6),
    ),
    # Neither attention nor 1x1 convolutions; a key that is null is what None is.
    (
        "without-attention-huber",
        {
            "in_channels": 1,
            "out_channels": 2,
            "block_out_channels": [6, 4, 8],
            "down_block_types": ["DownEncoderBlock2D"] * 3,
            "up_block_types": ["UpDecoderBlock2D"] * 3,
            "latent_channels": 2,
            "norm_num_groups": 2,
            "act_fn": "gelu",
            "shift_factor": 0.1,
            "use_quant_conv": False,
            "use_post_quant_conv": None,
            "mid_block_add_attention": False,
        },
        "huber",
        1.5,
        (3, 1, 12, 8),
    ),
    (
        "one-stage-l2",
        {"in_channels": 4, "out_channels": 4, "block_out_channels": [9], "layers_per_block": 2, "norm_num_groups": 3},
        "l2",
        None,
        (1, 4, 5, 3),
    ),
]


def reconstruct(weight):
    def forward(model, inputs):
        posterior = model.encode(inputs["x"]).latent_dist
        output = model.decode(posterior.mean + posterior.std * inputs["noise"]).sample
        return output if weight is None else (output, weight * posterior.kl().mean())

    return forward


def write(path, settings, loss, weight, size, seed=cases.SEED):
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = AutoencoderKL(**settings)
    x = torch.randn(*size, generator=generator)
    with torch.no_grad():
        noise = torch.randn(model.encode(x).latent_dist.mean.shape, generator=generator)
    named_inputs.write(
        path, "autoencoder-kl", model, settings, loss, {"x": x, "noise": noise}, reconstruct(weight), generator,
        script=SCRIPT, metadata={} if weight is None else {"kl_weight": str(weight)},
    )  # fmt: skip


if __name__ == "__main__":
    named_inputs.write_defaults("autoencoder-kl", AutoencoderKL)
    for name, *case in CASES:
        write(f"autoencoder-kl/{name}", *case)
