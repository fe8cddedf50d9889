"""Writes small text-to-image pipelines with diffusers, and the images that it draws with them from given noise.

    python text_pipelines.py OUTPUT

OUTPUT/sd1 is laid out like Stable Diffusion 1 (1x1 convolutions around transformers, a number of heads, noise is
predicted), OUTPUT/sd2 like Stable Diffusion 2 (linear layers, heads of one width, v is predicted, the U-Net in several
files). All weights are float16. OUTPUT/sd1.safetensors and sd2.safetensors have `latents` [B, C, H, W], and by sampler the
images [B, H, W, 3] of PROMPTS after 50 steps with guidance 7.5, neither scaled nor clipped; `clip_skip`, with the last
layer of the text encoder left out. `image`, `mask` (pictures in [-1, 1] and [0, 1]) with `image_to_image` and
`inpainted`: 10 of 20 steps of DDIM. Made with diffusers 0.42 and transformers 5.
"""

import json
import pathlib
import shutil
import sys

import torch
from diffusers import (
    AutoencoderKL, DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler, PNDMScheduler,
    StableDiffusionPipeline, UNet2DConditionModel,
)
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

PROMPTS = ["a photo of a cat", "Two red houses by the sea, isn't it?"]
NEGATIVE = "blurry"
SAMPLERS = {
    "ddim": DDIMScheduler, "euler": EulerDiscreteScheduler, "dpm++-2m": DPMSolverMultistepScheduler,
}
TOKENS = pathlib.Path(__file__).resolve().parent.parent / "tokens"
FAMILIES = {
    "sd1": {
        "unet": {"attention_head_dim": 2}, "text": {"hidden_act": "quick_gelu", "eos_token_id": 2},
        "scheduler": {"prediction_type": "epsilon"},
    },
    "sd2": {
        "unet": {"attention_head_dim": [1, 2], "use_linear_projection": True},
        "text": {"hidden_act": "gelu", "eos_token_id": 1113}, "scheduler": {"prediction_type": "v_prediction"},
    },
}


def pipeline(name, seed):
    family = FAMILIES[name]
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=8, layers_per_block=1, block_out_channels=(8, 16), norm_num_groups=4, cross_attention_dim=12,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        **family["unet"])
    vae = AutoencoderKL(
        block_out_channels=(4, 8), norm_num_groups=2, layers_per_block=1, latent_channels=4, sample_size=16,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, scaling_factor=0.3)
    text = CLIPTextModel(CLIPTextConfig(
        vocab_size=1114, hidden_size=12, intermediate_size=24, num_hidden_layers=3, num_attention_heads=3,
        max_position_embeddings=77, bos_token_id=1112, **family["text"]))
    scheduler = PNDMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1, **family["scheduler"])
    # What Stable Diffusion's own files have beside the keys of the class.
    scheduler.register_to_config(clip_sample=False)
    with torch.no_grad():
        for parameter in [*text.parameters()]:
            # New embeddings are so small that no text would matter.
            parameter.add_(0.3 * torch.randn_like(parameter))
    unet, vae, text = (model.half().float() for model in (unet, vae, text))
    return StableDiffusionPipeline(
        vae=vae.eval(), text_encoder=text.eval(), tokenizer=CLIPTokenizer.from_pretrained(TOKENS / name), unet=unet.eval(),
        scheduler=scheduler, safety_checker=None, feature_extractor=None, requires_safety_checker=False)


def save(pipe, name, folder):
    for model in (pipe.unet, pipe.vae, pipe.text_encoder):
        model.half()
    pipe.save_pretrained(folder, safe_serialization=True)
    if name == "sd2":
        pipe.unet.save_pretrained(folder / "unet", max_shard_size="40KB")
        (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    for model in (pipe.unet, pipe.vae, pipe.text_encoder):
        model.float()
    # The tokeniser as Stable Diffusion's folders have it.
    shutil.rmtree(folder / "tokenizer")
    shutil.copytree(TOKENS / name, folder / "tokenizer")
    for file in folder.glob("**/*.json"):
        if "tokenizer" in file.parts:
            continue
        settings = json.loads(file.read_text())
        settings.pop("_name_or_path", None)
        file.write_text(json.dumps(settings, indent=2) + "\n")


def decode(pipe, latents):
    images = pipe.vae.decode(latents / pipe.vae.config.scaling_factor, return_dict=False)[0]
    return images.permute(0, 2, 3, 1).contiguous()


def draw(pipe, latents, **texts):
    texts = texts or {"prompt": PROMPTS, "negative_prompt": [NEGATIVE] * len(PROMPTS)}
    drawn = pipe(
        **texts, guidance_scale=7.5, num_inference_steps=50, latents=latents.clone(), output_type="latent").images
    return decode(pipe, drawn)


def skipping_a_layer(pipe):
    """What StableDiffusionPipeline embeds with clip_skip=1, for which it needs an earlier transformers."""
    tokens = pipe.tokenizer(PROMPTS, padding="max_length", truncation=True, max_length=77, return_tensors="pt")
    hidden = pipe.text_encoder(tokens.input_ids, output_hidden_states=True).hidden_states
    _, negative = pipe.encode_prompt(PROMPTS, "cpu", 1, True, negative_prompt=[NEGATIVE] * len(PROMPTS))
    return {"prompt_embeds": pipe.text_encoder.final_layer_norm(hidden[-2]), "negative_prompt_embeds": negative}


def edit(pipe, noise, image, mask):
    """Image to image, and with the mask inpainting: DDIM from the tenth of twenty steps on."""
    encoded = pipe.vae.encode(image).latent_dist.mode() * pipe.vae.config.scaling_factor
    kept = torch.nn.functional.interpolate(mask, size=encoded.shape[2:]) if mask is not None else None
    texts, negative = pipe.encode_prompt(PROMPTS, "cpu", 1, True, negative_prompt=[NEGATIVE] * len(PROMPTS))
    scheduler = pipe.scheduler
    scheduler.set_timesteps(20)
    steps = scheduler.timesteps[10:]
    x = scheduler.add_noise(encoded, noise, steps[:1])
    for place, t in enumerate(steps):
        both = pipe.unet(torch.cat([x, x]), t, encoder_hidden_states=torch.cat([negative, texts])).sample
        without, with_text = both.chunk(2)
        x = scheduler.step(without + 7.5 * (with_text - without), t, x).prev_sample
        if kept is not None:
            # StableDiffusionInpaintPipeline's blending.
            original = encoded
            if place + 1 < len(steps):
                original = scheduler.add_noise(encoded, noise, steps[place + 1:place + 2])
            x = (1 - kept) * original + kept * x
    return decode(pipe, x)


output = pathlib.Path(sys.argv[1])
torch.set_num_threads(1)
for seed, name in enumerate(FAMILIES):
    pipe = pipeline(name, seed)
    pipe.set_progress_bar_config(disable=True)
    save(pipe, name, output / name)
    latents = torch.randn(2, 4, 8, 8)
    written = {"latents": latents}
    with torch.no_grad():
        for sampler, scheduler_class in SAMPLERS.items():
            # From the file: in memory, keys that were not given are known as such, and are those of the other class.
            pipe.scheduler = scheduler_class.from_pretrained(output / name, subfolder="scheduler")
            written[sampler] = draw(pipe, latents)
        pipe.scheduler = DDIMScheduler.from_pretrained(output / name, subfolder="scheduler")
        written["clip_skip"] = draw(pipe, latents, **skipping_a_layer(pipe))
        if name == "sd1":
            image = (torch.arange(16 * 16 * 3).reshape(16, 16, 3) * 37 % 256).float()
            mask = torch.zeros(1, 1, 16, 16)
            mask[:, :, 4:12, 6:16] = 1
            scaled = (image / 127.5 - 1).permute(2, 0, 1)[None].expand(2, -1, -1, -1)
            written["image"], written["mask"] = image.contiguous(), mask[0, 0].contiguous()
            written["image_to_image"] = edit(pipe, latents, scaled, None)
            written["inpainted"] = edit(pipe, latents, scaled, mask)
    for key, value in written.items():
        print(name, key, tuple(value.shape), float(value.abs().max()))
    save_file(written, output / f"{name}.safetensors")
