"""Writes what changes the pipeline ../pipelines/sd1, and the images that diffusers draws with it.

    python changed_pipelines.py

../pipelines/sd1-controlnet is the component `controlnet` of a StableDiffusionControlNetPipeline, sd1-lora.safetensors what
`save_lora_weights` writes of adapters of U-Net and text encoder. ../pipelines/sd1-changed.safetensors has `picture`
[H, W, 3], which controls, `latents` [B, C, H, W], and the images [B, H, W, 3] of PROMPTS after 10 steps of DDIM with guidance
7.5: `controlled`, with the picture at a strength of 0.7, and `adapted`, with the adapters at a weight of 0.8.
Made with diffusers 0.42, peft 0.21 and transformers 5.
"""

import json
import pathlib

import torch
from diffusers import ControlNetModel, DDIMScheduler, StableDiffusionControlNetPipeline, StableDiffusionPipeline
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import save_file

PROMPTS = ["a photo of a cat", "Two red houses by the sea, isn't it?"]
NEGATIVE = "blurry"
FOLDER = pathlib.Path(__file__).resolve().parent.parent / "pipelines"


def decode(pipe, latents):
    images = pipe.vae.decode(latents / pipe.vae.config.scaling_factor, return_dict=False)[0]
    return images.permute(0, 2, 3, 1).contiguous()


def draw(pipe, latents, **options):
    pipe.scheduler = DDIMScheduler.from_pretrained(FOLDER / "sd1", subfolder="scheduler")
    pipe.set_progress_bar_config(disable=True)
    drawn = pipe(
        prompt=PROMPTS, negative_prompt=[NEGATIVE] * len(PROMPTS), guidance_scale=7.5, num_inference_steps=10,
        latents=latents.clone(), output_type="latent", **options).images
    return decode(pipe, drawn)


def control_network(unet):
    network = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(3, 4))
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.startswith("controlnet"):
                # A new one's are zeros.
                value.add_(0.2 * torch.randn_like(value))
    network.half().save_pretrained(FOLDER / "sd1-controlnet")
    file = FOLDER / "sd1-controlnet" / "config.json"
    settings = json.loads(file.read_text())
    settings.pop("_name_or_path", None)
    file.write_text(json.dumps(settings, indent=2) + "\n")
    return network.float()


def add_adapters(pipe):
    pipe.unet.add_adapter(
        LoraConfig(
            r=2, lora_alpha=3, target_modules=["to_q", "to_v", "ff.net.0.proj", "conv1"], rank_pattern={"conv1": 1}))
    text = LoraConfig(r=1, lora_alpha=2, target_modules=["q_proj", "fc2"])
    inject_adapter_in_model(text, pipe.text_encoder)
    for model in (pipe.unet, pipe.text_encoder):
        for value in model.parameters():
            if value.requires_grad:
                value.data.add_(0.2 * torch.randn_like(value))
    pipe.save_lora_weights(
        FOLDER, unet_lora_layers=get_peft_model_state_dict(pipe.unet),
        text_encoder_lora_layers=get_peft_model_state_dict(pipe.text_encoder), weight_name="sd1-lora.safetensors",
        unet_lora_adapter_metadata=pipe.unet.peft_config["default"].to_dict(),
        text_encoder_lora_adapter_metadata=text.to_dict())
    for model in (pipe.unet, pipe.text_encoder):
        for module in model.modules():
            if isinstance(module, BaseTunerLayer):
                module.scale_layer(0.8)


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(7)
    latents = torch.randn(2, 4, 8, 8)
    picture = (torch.arange(16 * 16 * 3).reshape(16, 16, 3) * 53 % 256).float()
    written = {"latents": latents, "picture": picture}
    with torch.no_grad():
        plain = StableDiffusionPipeline.from_pretrained(FOLDER / "sd1", torch_dtype=torch.float32)
        pipe = StableDiffusionControlNetPipeline(**plain.components, controlnet=control_network(plain.unet))
        image = (picture / 255).permute(2, 0, 1)[None].repeat(2, 1, 1, 1)
        written["controlled"] = draw(pipe, latents, image=image, controlnet_conditioning_scale=0.7)
        written["plain"] = draw(plain, latents)
        add_adapters(plain)
        written["adapted"] = draw(plain, latents)
        for name in ("controlled", "adapted"):
            print(name, "differs by", (written[name] - written["plain"]).abs().max().item())
    del written["plain"]
    save_file({key: value.contiguous() for key, value in written.items()}, FOLDER / "sd1-changed.safetensors")
