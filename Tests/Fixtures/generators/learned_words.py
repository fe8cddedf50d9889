"""Writes ../pipelines/sd1-word.safetensors, vectors of a new word as diffusers' textual inversion saves them, and
sd1-word-drawn.safetensors, what diffusers draws with them and the pipeline ../pipelines/sd1.

    python3 learned_words.py

`latents` [B, C, H, W] is the first noise, `ddim` [B, H, W, 3] the images of PROMPTS, as in `text_pipelines.py`. Made with
diffusers 0.42.1 and transformers 5.
"""

import pathlib

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "pipelines"
WORD = "<fox>"
PROMPTS = [f"a photo of a {WORD}", f"Two red {WORD}es by the sea"]


def draw(pipe, latents):
    latents = pipe(
        prompt=PROMPTS, negative_prompt=["blurry"] * 2, guidance_scale=7.5, num_inference_steps=50,
        latents=latents.clone(), output_type="latent").images
    images = pipe.vae.decode(latents / pipe.vae.config.scaling_factor, return_dict=False)[0]
    return images.permute(0, 2, 3, 1).contiguous()


def main():
    torch.manual_seed(20)
    vectors = torch.randn(2, 12)
    save_file({WORD: vectors}, FOLDER / "sd1-word.safetensors", {"format": "pt"})
    pipe = StableDiffusionPipeline.from_pretrained(FOLDER / "sd1", safety_checker=None, torch_dtype=torch.float32)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    pipe.load_textual_inversion(FOLDER / "sd1-word.safetensors", token=WORD)
    latents = torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        images = draw(pipe, latents)
    save_file({"latents": latents, "ddim": images}, FOLDER / "sd1-word-drawn.safetensors", {"format": "pt"})


if __name__ == "__main__":
    main()
