"""Writes a small pipeline folder with diffusers, and the images that its schedulers draw from given noise.

    python pipelines.py OUTPUT

OUTPUT/ddpm is the folder, OUTPUT/drawn.safetensors has `latents` [B, C, H, W] and, for each sampler, the images
[B, H, W, C] after five steps of diffusers' own loop: neither scaled nor clipped. Made with diffusers 0.35 and later.
"""

import json
import pathlib
import sys

import torch
from diffusers import (
    DDIMScheduler, DDPMPipeline, DDPMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler,
    HeunDiscreteScheduler, UNet2DModel, UniPCMultistepScheduler,
)
from safetensors.torch import save_file

SAMPLERS = {
    "ddim": DDIMScheduler,
    "euler": EulerDiscreteScheduler,
    "heun": HeunDiscreteScheduler,
    "dpm++-2m": DPMSolverMultistepScheduler,
    "unipc": UniPCMultistepScheduler,
}
STEPS = 5

output = pathlib.Path(sys.argv[1])
torch.manual_seed(0)
network = UNet2DModel(
    sample_size=(8, 12), in_channels=3, out_channels=3, layers_per_block=1, block_out_channels=(8, 16),
    norm_num_groups=4, attention_head_dim=4, down_block_types=("DownBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D"),
).eval()
scheduler = DDPMScheduler(num_train_timesteps=200, beta_schedule="linear", clip_sample=False)
DDPMPipeline(network, scheduler).save_pretrained(output / "ddpm", safe_serialization=True)

latents = torch.randn(2, 3, 8, 12)
drawn = {"latents": latents}
with torch.no_grad():
    for name, scheduler_class in SAMPLERS.items():
        # From the file: in memory, keys that were not given are known as such, and are those of the other class.
        sampler = scheduler_class.from_pretrained(output / "ddpm", subfolder="scheduler")
        sampler.set_timesteps(STEPS)
        x = latents * sampler.init_noise_sigma
        for t in sampler.timesteps:
            prediction = network(sampler.scale_model_input(x, t), t).sample
            x = sampler.step(prediction, t, x).prev_sample
        drawn[name] = x.permute(0, 2, 3, 1).contiguous()
save_file(drawn, output / "drawn.safetensors")
# The folder without the name of this machine's copy.
for file in output.glob("ddpm/**/*.json"):
    settings = json.loads(file.read_text())
    settings.pop("_name_or_path", None)
    file.write_text(json.dumps(settings, indent=2) + "\n")
