"""Writes files with adapters of U-Net and text encoder of the pipeline ../pipelines/sd1, and what diffusers draws with them.

    python text_adapter_files.py

../pipelines/sd1-lora-kohya.safetensors has the names of kohya's scripts for a pipeline with a second encoder (lora_te1_), other
ranks and alphas in the text encoder than in the U-Net, and convolutions, all made by LyCORIS; sd1-lora-decomposed.safetensors
is what `save_lora_weights` writes of DoRA. ../pipelines/sd1-adapted.safetensors has `latents` [B, C, H, W] and the images
[B, H, W, 3] of `changed_pipelines.PROMPTS` after 10 steps of DDIM with guidance 7.5: `kohya` at a weight of 0.8, `decomposed`
at 1. Made with diffusers 0.42, peft 0.21, transformers 5 and lycoris-lora 4.1.
"""

import torch
from diffusers import StableDiffusionPipeline
from lycoris import LycorisNetwork, create_lycoris
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model
from safetensors.torch import save_file

import changed_pipelines as pipelines

WEIGHT = 0.8


def pipeline():
    return StableDiffusionPipeline.from_pretrained(pipelines.FOLDER / "sd1", torch_dtype=torch.float32)


def randomize(parameters):
    for value in parameters:
        value.data.add_(0.2 * torch.randn_like(value))


def kohya(model, targets, prefix, **ranks):
    """LyCORIS' LoRA of the model under kohya's names, and in its weights, multiplied by WEIGHT."""
    LycorisNetwork.apply_preset({"target_module": targets, "target_name": []})
    network = create_lycoris(model, 1.0, algo="lora", preset="full", **ranks)
    network.apply_to()
    randomize(network.parameters())
    state = {
        key.replace("lycoris_", prefix, 1): value.detach().clone().contiguous()
        for key, value in network.state_dict().items()
    }
    network.restore()
    names = {f"lycoris_{name.replace('.', '_')}": module for name, module in model.named_modules()}
    for module in network.loras:
        weight = names[module.lora_name].weight
        weight += WEIGHT * (module.make_weight() * module.scale).reshape(weight.shape)
    return state


def draw_kohya(latents):
    pipe = pipeline()
    # Before transformers 5 the names of the encoder's modules begin with `text_model`, in kohya's files still.
    first = next(name for name, _ in pipe.text_encoder.named_modules() if name)
    prefix = "lora_te1_" if first.startswith("text_model") else "lora_te1_text_model_"
    state = kohya(
        pipe.unet, ["Attention", "ResnetBlock2D"], "lora_unet_", linear_dim=2, linear_alpha=1, conv_dim=1, conv_alpha=3)
    state |= kohya(pipe.text_encoder, ["CLIPAttention", "CLIPMLP"], prefix, linear_dim=1, linear_alpha=2)
    save_file(state, pipelines.FOLDER / "sd1-lora-kohya.safetensors", {"format": "pt"})
    return pipelines.draw(pipe, latents)


def draw_decomposed(latents):
    pipe = pipeline()
    unet = LoraConfig(r=1, lora_alpha=2, target_modules=["to_k", "to_out.0"], use_dora=True)
    text = LoraConfig(r=2, lora_alpha=1, target_modules=["v_proj", "fc1"], use_dora=True)
    pipe.unet.add_adapter(unet)
    inject_adapter_in_model(text, pipe.text_encoder)
    for model in (pipe.unet, pipe.text_encoder):
        randomize(value for value in model.parameters() if value.requires_grad)
    pipe.save_lora_weights(
        pipelines.FOLDER, unet_lora_layers=get_peft_model_state_dict(pipe.unet),
        text_encoder_lora_layers=get_peft_model_state_dict(pipe.text_encoder),
        weight_name="sd1-lora-decomposed.safetensors", unet_lora_adapter_metadata=unet.to_dict(),
        text_encoder_lora_adapter_metadata=text.to_dict())
    return pipelines.draw(pipe, latents)


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(11)
    latents = torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        written = {"latents": latents, "kohya": draw_kohya(latents), "decomposed": draw_decomposed(latents)}
        plain = pipelines.draw(pipeline(), latents)
    for name in ("kohya", "decomposed"):
        print(name, "differs by", (written[name] - plain).abs().max().item())
    save_file({key: value.contiguous() for key, value in written.items()}, pipelines.FOLDER / "sd1-adapted.safetensors")
