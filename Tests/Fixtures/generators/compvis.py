"""Writes ../pipelines/sd1-compvis.safetensors and sd2-compvis.safetensors: the pipelines ../pipelines/sd1 and sd2 in one
file, as Stable Diffusion's original programs name their tensors.

    python3 compvis.py

needs torch, transformers and diffusers, whose own conversion takes the file back: what that gives is compared with the pipeline.
"""

import pathlib

import torch
from diffusers.loaders import single_file_utils
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "pipelines"
LAYERS = 1
RESOLUTIONS = 2
ATTENDS_UP = [False, True]


def renamed(name, pairs):
    for old, new in pairs:
        name = name.replace(old, new)
    return name


def unet(state):
    """Names as in diffusers' scripts/convert_diffusers_to_original_stable_diffusion.py."""
    places = [
        ("time_embedding.linear_1", "time_embed.0"), ("time_embedding.linear_2", "time_embed.2"),
        ("conv_in", "input_blocks.0.0"), ("conv_norm_out", "out.0"), ("conv_out", "out.2"),
        ("mid_block.attentions.0.", "middle_block.1."), ("mid_block.resnets.0.", "middle_block.0."),
        ("mid_block.resnets.1.", "middle_block.2."),
    ]
    for block in range(RESOLUTIONS):
        start = block * (LAYERS + 1)
        for layer in range(LAYERS + 1):
            places += [
                (f"down_blocks.{block}.resnets.{layer}.", f"input_blocks.{start + layer + 1}.0."),
                (f"down_blocks.{block}.attentions.{layer}.", f"input_blocks.{start + layer + 1}.1."),
                (f"up_blocks.{block}.resnets.{layer}.", f"output_blocks.{start + layer}.0."),
                (f"up_blocks.{block}.attentions.{layer}.", f"output_blocks.{start + layer}.1."),
            ]
        places += [
            (f"down_blocks.{block}.downsamplers.0.conv.", f"input_blocks.{start + LAYERS + 1}.0.op."),
            (f"up_blocks.{block}.upsamplers.0.",
             f"output_blocks.{start + LAYERS}.{2 if ATTENDS_UP[block] else 1}."),
        ]
    modules = [
        ("norm1", "in_layers.0"), ("conv1", "in_layers.2"), ("norm2", "out_layers.0"), ("conv2", "out_layers.3"),
        ("time_emb_proj", "emb_layers.1"), ("conv_shortcut", "skip_connection"),
    ]
    result = {}
    for name, tensor in state.items():
        new = renamed(name, modules) if "resnets" in name else name
        result["model.diffusion_model." + renamed(new, places)] = tensor
    return result


def vae(state):
    result = {}
    for name, tensor in state.items():
        new = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        for index in range(RESOLUTIONS):
            new = new.replace(f"down_blocks.{index}.resnets.", f"down.{index}.block.")
            new = new.replace(f"down_blocks.{index}.downsamplers.0.", f"down.{index}.downsample.")
            new = new.replace(f"up_blocks.{index}.resnets.", f"up.{RESOLUTIONS - 1 - index}.block.")
            new = new.replace(f"up_blocks.{index}.upsamplers.0.", f"up.{RESOLUTIONS - 1 - index}.upsample.")
            new = new.replace(f"mid_block.resnets.{index}.", f"mid.block_{index + 1}.")
        if "mid_block.attentions.0." in new:
            new = renamed(new, [
                ("mid_block.attentions.0.", "mid.attn_1."), ("group_norm.", "norm."), ("to_q.", "q."), ("to_k.", "k."),
                ("to_v.", "v."), ("to_out.0.", "proj_out."),
            ])
            if new.endswith("weight") and ".norm." not in new:
                tensor = tensor[:, :, None, None]
        result["first_stage_model." + new] = tensor
    return result


def text(state):
    names = {name if name.startswith("text_model.") else f"text_model.{name}": name for name in state}
    return {f"cond_stage_model.transformer.{new}": state[old] for new, old in names.items()}


def same(a, b, what):
    assert a.keys() == b.keys(), (what, sorted(a.keys() ^ b.keys())[:8])
    assert all(torch.equal(a[name].reshape(b[name].shape), b[name]) for name in a), what


def open_text(state):
    """Names of open_clip's text transformer, of which Stable Diffusion 2 does not use the last layer."""
    state = {name.removeprefix("text_model."): tensor for name, tensor in state.items()}
    layers = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("encoder.layers."))
    width = state["final_layer_norm.weight"].shape[0]
    result = {
        "token_embedding.weight": state["embeddings.token_embedding.weight"],
        "positional_embedding": state["embeddings.position_embedding.weight"],
        "ln_final.weight": state["final_layer_norm.weight"], "ln_final.bias": state["final_layer_norm.bias"],
        "text_projection": torch.randn(width, width, dtype=torch.float16),
        "logit_scale": torch.tensor(4.6, dtype=torch.float16),
    }
    modules = [
        ("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"), ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"),
        ("self_attn.out_proj", "attn.out_proj"),
    ]
    for layer in range(layers + 1):
        # The unused layer has the shapes of any other.
        source = f"encoder.layers.{min(layer, layers - 1)}."
        block = f"transformer.resblocks.{layer}."
        for old, new in modules:
            for kind in ("weight", "bias"):
                result[f"{block}{new}.{kind}"] = state[f"{source}{old}.{kind}"].clone()
        for kind in ("weight", "bias"):
            result[f"{block}attn.in_proj_{kind}"] = torch.cat(
                [state[f"{source}self_attn.{which}_proj.{kind}"] for which in "qkv"])
    return {f"cond_stage_model.model.{name}": tensor for name, tensor in result.items()}


def loaded(folder):
    return {name: tensor for file in sorted(folder.glob("*.safetensors")) for name, tensor in load_file(file).items()}


def write(name, encoder, text_back):
    """Writes a pipeline's file, with the names of `encoder`, and compares what diffusers makes of it."""
    networks = {part: loaded(FOLDER / name / part) for part in ("unet", "vae", "text_encoder")}
    written = unet(networks["unet"]) | vae(networks["vae"]) | encoder(networks["text_encoder"])
    # What the original program's files have beside the networks.
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    written |= {"betas": betas, "alphas_cumprod": torch.cumprod(1 - betas, 0)}
    if name == "sd1":
        written["cond_stage_model.transformer.text_model.embeddings.position_ids"] = torch.arange(77)[None]
    written["model_ema.diffusion_modelout2bias"] = torch.zeros(4)

    config = {"layers_per_block": LAYERS, "block_out_channels": [8, 16], "class_embed_type": None,
              "addition_embed_type": None, "down_block_types": ["x"] * RESOLUTIONS, "up_block_types": ["x"] * RESOLUTIONS}
    same(single_file_utils.convert_ldm_unet_checkpoint(dict(written), config), networks["unet"], "unet")
    same(single_file_utils.convert_ldm_vae_checkpoint(dict(written), config), networks["vae"], "vae")
    back = {key.removeprefix("text_model."): value for key, value in text_back(dict(written)).items()
            if not key.endswith("position_ids")}
    expected = {key.removeprefix("text_model."): value for key, value in networks["text_encoder"].items()}
    same(back, expected, "text encoder")
    save_file(written, FOLDER / f"{name}-compvis.safetensors", {"format": "pt"})
    print(len(written), "tensors")


def open_text_back(written):
    """diffusers knows the names of the published encoder's layers only, and leaves out its last one."""
    last = max(int(key.split(".")[4]) for key in written if "resblocks" in key)
    kept = {key: value for key, value in written.items() if f"resblocks.{last}." not in key}
    model = CLIPTextModel.from_pretrained(FOLDER / "sd2/text_encoder")
    return single_file_utils.convert_open_clip_checkpoint(model, kept, prefix="cond_stage_model.model.")


torch.manual_seed(0)
write("sd1", text, single_file_utils.convert_ldm_clip_checkpoint)
write("sd2", open_text, open_text_back)
