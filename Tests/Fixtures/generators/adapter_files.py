"""Writes ../adapter-files: adapters as peft, diffusers and LyCORIS write them, and the weights that these programs make of a
model by merging them.

    python3 adapter_files.py

The committed files were written with torch 2.15.0, diffusers 0.42.1, peft 0.21.2 and lycoris-lora 4.1.3. `base.safetensors`
is the model, NAME.safetensors or NAME/ the adapter, NAME-merged.safetensors what differs from the model's weights when the
adapter is merged, multiplied by 0.5.
"""

import copy
import json
import pathlib
import shutil

import peft
import safetensors.torch
import torch
from diffusers import UNet2DModel
from lycoris import LycorisNetwork, create_lycoris

import adapters
import cases

FOLDER = cases.FIXTURES / "adapter-files"
SETTINGS = {**adapters.UNCONDITIONAL, "block_out_channels": [4, 8]}
FACTOR = 0.5


def base():
    torch.manual_seed(cases.SEED)
    model = UNet2DModel(**SETTINGS)
    cases.perturb(model, torch.Generator().manual_seed(cases.SEED))
    return model.eval()


def save(state, name, metadata=None):
    state = {key: value.detach().contiguous().float() for key, value in state.items()}
    safetensors.torch.save_file(state, FOLDER / f"{name}.safetensors", metadata or {"format": "pt"})


def save_merged(model, merged, name):
    """Weights that the adapter changes, half of the way."""
    before = model.state_dict()
    changed = {}
    for key, value in merged.items():
        if not torch.equal(value, before[key]):
            changed[key] = before[key] + FACTOR * (value - before[key])
    print(name, len(changed), "weights")
    save(changed, f"{name}-merged")


def randomize(parameters):
    generator = torch.Generator().manual_seed(cases.SEED)
    with torch.no_grad():
        for value in parameters:
            value += 0.3 * torch.randn(value.shape, generator=generator)


def write_peft(name, configuration, save_adapter):
    model = base()
    adapted = peft.get_peft_model(copy.deepcopy(model), configuration)
    randomize(value for value in adapted.parameters() if value.requires_grad)
    save_adapter(adapted)
    save_merged(model, adapted.merge_and_unload().state_dict(), name)


def write_lycoris(name, algo, prefix, **options):
    model = base()
    LycorisNetwork.apply_preset(
        {"target_module": ["Attention", "ResnetBlock2D", "Downsample2D", "Upsample2D"], "target_name": []}
    )
    adapted = copy.deepcopy(model)
    network = create_lycoris(adapted, 1.0, algo=algo, preset="full", **options)
    network.apply_to()
    randomize(network.parameters())
    state = {key.replace("lycoris_", prefix, 1): value for key, value in network.state_dict().items()}
    save(state, name)
    network.restore()
    # LyCORIS's own merging multiplies by alpha / rank twice, its forward pass once.
    merged = {key: value.clone() for key, value in model.state_dict().items()}
    names = {f"lycoris_{name.replace('.', '_')}": name for name, _ in model.named_modules()}
    for module in network.loras:
        key = f"{names[module.lora_name]}.weight"
        shape = merged[key].shape
        change = module.make_weight() * module.scale if algo == "lora" else module.get_weight(shape)
        merged[key] += change.detach().reshape(shape)
        if module.wd:
            merged[key] = module.apply_weight_decompose(merged[key]).detach()
    save_merged(model, merged, name)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    save(base().state_dict(), "base", {"format": "pt", "model": json.dumps({"kind": "unet-2d", **SETTINGS})})

    lora = peft.LoraConfig(
        r=2, lora_alpha=3, target_modules=["to_q", "to_out.0", "conv1", "conv_shortcut"],
        rank_pattern={"conv1": 3, "mid_block.resnets.0.conv1": 1}, alpha_pattern={"conv1": 5},
    )

    def save_with_diffusers(adapted):
        """As `save_lora_adapter` does, of the model that peft has wrapped."""
        state = peft.get_peft_model_state_dict(adapted)
        state = {key.removeprefix("base_model.model."): value for key, value in state.items()}
        metadata = {key: list(value) if isinstance(value, set) else value for key, value in lora.to_dict().items()}
        save(state, "diffusers-lora", {"format": "pt", "lora_adapter_metadata": json.dumps(metadata, default=str)})

    write_peft("diffusers-lora", lora, save_with_diffusers)

    for name, configuration in (
        (
            "peft-lora-decomposed",
            peft.LoraConfig(r=2, lora_alpha=3, target_modules=["to_q", "to_out.0", "conv1"], use_dora=True),
        ),
        ("peft-loha", peft.LoHaConfig(r=2, alpha=3, target_modules=["to_k", "conv2"], rank_pattern={"conv2": 1})),
        ("peft-lokr", peft.LoKrConfig(r=1, alpha=2, target_modules=["to_v", "conv1", "time_emb_proj"])),
    ):

        def save_folder(adapted):
            adapted.save_pretrained(FOLDER / name)
            (FOLDER / name / "README.md").unlink(missing_ok=True)

        write_peft(name, configuration, save_folder)

    write_lycoris("kohya-lora", "lora", "lora_unet_", linear_dim=2, linear_alpha=1, conv_dim=3, conv_alpha=2)
    write_lycoris(
        "kohya-lora-tucker", "lora", "lora_unet_", linear_dim=2, linear_alpha=1, conv_dim=3, conv_alpha=2, use_tucker=True
    )
    write_lycoris(
        "kohya-lora-decomposed", "lora", "lora_unet_", linear_dim=2, linear_alpha=1, conv_dim=1, conv_alpha=2,
        dora_wd=True,
    )
    write_lycoris(
        "lycoris-loha-decomposed", "loha", "lycoris_", linear_dim=1, linear_alpha=1, conv_dim=1, conv_alpha=2,
        dora_wd=True,
    )
    write_lycoris(
        "lycoris-lokr-decomposed", "lokr", "lycoris_", linear_dim=1, linear_alpha=3, conv_dim=1, conv_alpha=3,
        dora_wd=True,
    )
    write_lycoris("lycoris-loha", "loha", "lycoris_", linear_dim=2, linear_alpha=1, conv_dim=1, conv_alpha=2, use_tucker=True)
    write_lycoris("lycoris-lokr", "lokr", "lycoris_", linear_dim=1, linear_alpha=3, conv_dim=1, conv_alpha=3)
