"""Writes ../pipelines/sd1-long.safetensors: what the pipeline ../pipelines/sd1 draws of prompts that are longer than its text
encoder takes, in chunks of 75 tokens.

    python3 long_prompts.py

needs torch, diffusers and transformers. Each chunk has a start and an end token of its own and is padded to 77; the encoder
sees one chunk at a time, and their outputs follow one another (as in AUTOMATIC1111's web interface, and in compel with
truncate_long_prompts=False). Shorter prompts get chunks of the empty text. `latents` are those of ../pipelines/sd1.safetensors,
`ddim` the images [B, H, W, 3] after 50 steps with guidance 7.5.
"""

import pathlib

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from safetensors.torch import load_file, save_file

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "pipelines"
PROMPTS = ["a red house by the sea, " * 30 + "snow", "a photo of a cat"]
NEGATIVE = "blurry"


def chunks(pipe, prompt):
    ids = pipe.tokenizer(prompt, add_special_tokens=False, truncation=False).input_ids
    return [ids[start:start + 75] for start in range(0, max(len(ids), 1), 75)]


def embed(pipe, prompt, count):
    parts = chunks(pipe, prompt)
    parts += [[]] * (count - len(parts))
    tokenizer = pipe.tokenizer
    rows = [
        ([tokenizer.bos_token_id] + part + [tokenizer.eos_token_id] + [tokenizer.pad_token_id] * 77)[:77] for part in parts
    ]
    # A full chunk is 77 with its end token.
    assert all(tokenizer.eos_token_id in row for row in rows)
    return torch.cat([pipe.text_encoder(torch.tensor([row]))[0] for row in rows], dim=1)


torch.set_num_threads(1)
pipe = StableDiffusionPipeline.from_pretrained(FOLDER / "sd1", safety_checker=None, torch_dtype=torch.float32)
pipe.scheduler = DDIMScheduler.from_pretrained(FOLDER / "sd1", subfolder="scheduler")
pipe.set_progress_bar_config(disable=True)
latents = load_file(FOLDER / "sd1.safetensors")["latents"]
count = max(len(chunks(pipe, prompt)) for prompt in PROMPTS)
print("chunks", count, [len(chunks(pipe, prompt)) for prompt in PROMPTS])
with torch.no_grad():
    texts = torch.cat([embed(pipe, prompt, count) for prompt in PROMPTS])
    negative = torch.cat([embed(pipe, NEGATIVE, count)] * len(PROMPTS))
    drawn = pipe(
        prompt_embeds=texts, negative_prompt_embeds=negative, guidance_scale=7.5, num_inference_steps=50,
        latents=latents.clone(), output_type="latent").images
    images = pipe.vae.decode(drawn / pipe.vae.config.scaling_factor, return_dict=False)[0]
save_file(
    {"latents": latents, "ddim": images.permute(0, 2, 3, 1).contiguous()}, FOLDER / "sd1-long.safetensors",
    {"prompt": PROMPTS[0]})
