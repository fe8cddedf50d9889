"""Writes ../adapters/*.safetensors: cases for `oboro check` with an adapter, from peft on diffusers' networks.

    python3 adapters.py

The committed files were written with torch 2.15.0, diffusers 0.42.1 and peft 0.21.2. Precision, seeds and checks are
those of `cases`.

The backward pass that peft has for LoHa with a Tucker decomposition confuses the two halves in the gradients of `hada_w1_a`
and `hada_w2_a`; here PyTorch differentiates peft's forward formula.

Weight decomposition (DoRA) is peft's for LoRA. peft has none for LoHa and LoKr: the same formula is put around the change
that it makes of their weights, with LyCORIS' name of the magnitudes.
"""

import json
import types

import diffusers
import peft
import peft.tuners.loha.layer
import peft.tuners.lycoris_utils
import torch
from diffusers import UNet2DConditionModel, UNet2DModel

import cases
import safetensors_format

SCRIPT = f"adapters.py, torch {torch.__version__}, diffusers {diffusers.__version__}, peft {peft.__version__}"

CONDITION = {
    "block_out_channels": [4, 8],
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "norm_num_groups": 2,
    "layers_per_block": 1,
    "attention_head_dim": 2,
    "cross_attention_dim": 6,
}
UNCONDITIONAL = {
    "in_channels": 3,
    "out_channels": 3,
    "block_out_channels": [4, 8],
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
    "norm_num_groups": 2,
    "layers_per_block": 1,
    "attention_head_dim": 4,
}
ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
TRANSFORMER = ATTENTION + ["proj_in", "proj_out", "ff.net.0.proj", "ff.net.2"]
CONVOLUTIONS = ["conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv"]

CASES = [
    # name, network, its settings, adapter, what peft's configuration has beside, loss
    (
        "lora-attention",
        "unet-condition",
        CONDITION,
        {"kind": "lora", "rank": 3, "alpha": 2, "targets": "attention"},
        {"target_modules": ATTENTION},
        "l2",
    ),
    (
        "lora-convolutions",
        "unet-condition",
        {**CONDITION, "use_linear_projection": True},
        {
            "kind": "lora", "rank": 2, "alpha": 5, "conv_rank": 4,
            "targets": ["to_q", "to_v", "proj_in", "time_emb_proj", "conv1", "conv_shortcut", "downsamplers.0.conv"],
        },
        {"rank_pattern": {"conv1": 4, "downsamplers.0.conv": 4}},
        "huber",
    ),
    (
        "lora-all",
        "unet-2d",
        UNCONDITIONAL,
        {"kind": "lora", "rank": 2, "alpha": 2, "targets": "all"},
        {"target_modules": "all"},
        "l2",
    ),
    (
        "loha-transformer",
        "unet-condition",
        CONDITION,
        {"kind": "loha", "rank": 2, "alpha": 3, "targets": "transformer"},
        {"target_modules": TRANSFORMER},
        "l1",
    ),
    (
        "loha-convolutions",
        "unet-2d",
        UNCONDITIONAL,
        {"kind": "loha", "rank": 3, "alpha": 1, "conv_rank": 2, "targets": ["to_k", *CONVOLUTIONS]},
        {"rank_pattern": {name: 2 for name in CONVOLUTIONS if name != "conv_shortcut"}},
        "l2",
    ),
    (
        "loha-tucker",
        "unet-2d",
        UNCONDITIONAL,
        {"kind": "loha", "rank": 2, "alpha": 2, "targets": ["to_v", "conv1"]},
        {"use_effective_conv2d": True},
        "l2",
    ),
    (
        "lokr-transformer",
        "unet-condition",
        {**CONDITION, "block_out_channels": [6, 12], "norm_num_groups": 3, "attention_head_dim": 3},
        {"kind": "lokr", "rank": 1, "alpha": 2, "targets": "transformer"},
        {"target_modules": TRANSFORMER},
        "huber",
    ),
    (
        "lokr-convolutions",
        "unet-2d",
        UNCONDITIONAL,
        {"kind": "lokr", "rank": 4, "alpha": 4, "conv_rank": 1, "targets": ["to_out.0", *CONVOLUTIONS]},
        {"rank_pattern": {name: 1 for name in CONVOLUTIONS if name != "conv_shortcut"}},
        "l2",
    ),
    (
        "lora-decomposed",
        "unet-condition",
        CONDITION,
        {
            "kind": "lora", "rank": 2, "alpha": 3, "targets": ["to_q", "to_k", "ff.net.0.proj", "proj_in", "conv1"],
            "weight_decomposition": True,
        },
        {},
        "l2",
    ),
    (
        "loha-decomposed",
        "unet-2d",
        UNCONDITIONAL,
        {
            "kind": "loha", "rank": 2, "alpha": 3, "targets": ["to_q", "to_v", "conv2", "time_emb_proj"],
            "weight_decomposition": True,
        },
        {},
        "huber",
    ),
    (
        "lokr-decomposed",
        "unet-2d",
        UNCONDITIONAL,
        {"kind": "lokr", "rank": 1, "alpha": 2, "targets": ["to_out.0", "conv1"], "weight_decomposition": True},
        {},
        "l2",
    ),
    (
        "lokr-tucker",
        "unet-2d",
        UNCONDITIONAL,
        {"kind": "lokr", "rank": 1, "alpha": 2, "targets": ["to_q", "conv2"]},
        {"use_effective_conv2d": True, "decompose_both": True},
        "l2",
    ),
]
NETWORKS = {"unet-condition": UNet2DConditionModel, "unet-2d": UNet2DModel}


def tucker_product(t1, w1a, w1b, t2, w2a, w2b, scale):
    """What peft's `HadaWeightCP` computes."""
    first = torch.einsum("i j k l, j r, i p -> p r k l", t1, w1b, w1a)
    return first * torch.einsum("i j k l, j r, i p -> p r k l", t2, w2b, w2a) * scale


peft.tuners.loha.layer.make_weight_cp = tucker_product


def configuration(model, adapter, extra):
    targets = extra.get("target_modules", adapter["targets"])
    if targets == "all":
        kinds = (torch.nn.Linear, torch.nn.Conv2d)
        targets = [name for name, module in model.named_modules() if isinstance(module, kinds)]
    extra = {key: value for key, value in extra.items() if key != "target_modules"}
    if adapter["kind"] == "lora":
        return peft.LoraConfig(
            r=adapter["rank"], lora_alpha=adapter["alpha"], target_modules=targets,
            lora_dropout=adapter.get("dropout", 0.0), use_dora=adapter.get("weight_decomposition", False), **extra
        )
    make = {"loha": peft.LoHaConfig, "lokr": peft.LoKrConfig}[adapter["kind"]]
    return make(r=adapter["rank"], alpha=adapter["alpha"], target_modules=targets, **extra)


def peft_name(name):
    """That of a tensor in peft's files."""
    return name.replace(".default", "").replace("lora_magnitude_vector.weight", "lora_magnitude_vector")


def norms(weight):
    """Of what goes into each output, shaped as LyCORIS has it."""
    return weight.flatten(1).norm(dim=1).reshape(-1, *[1] * (weight.dim() - 1))


def decomposed(layer, x):
    """What peft's DoRA computes, for the change that a layer of LoHa or LoKr makes; the norms count as constants."""
    own = layer.get_base_layer()
    weight = own.weight + layer.get_delta_weight("default")
    weight = layer.dora_scale / norms(weight).detach() * weight
    if isinstance(own, torch.nn.Linear):
        return torch.nn.functional.linear(x, weight, own.bias)
    return torch.nn.functional.conv2d(x, weight, own.bias, own.stride, own.padding)


def decompose(model):
    for layer in list(model.modules()):
        if isinstance(layer, peft.tuners.lycoris_utils.LycorisLayer):
            layer.dora_scale = torch.nn.Parameter(norms(layer.get_base_layer().weight.detach()))
            layer.forward = types.MethodType(decomposed, layer)


def adapter_parameters(model):
    return {peft_name(name): value for name, value in model.named_parameters() if value.requires_grad}


def evaluate(model, inputs, target, loss_name):
    model.zero_grad()
    output = predict(model, inputs)
    loss = cases.LOSSES[loss_name](output, target)
    loss.backward()
    gradients = {name: value.grad.clone() for name, value in adapter_parameters(model).items()}
    return {"output": output.detach(), "loss": loss.detach()}, gradients


def predict(model, inputs):
    context = {"encoder_hidden_states": inputs["context"]} if "context" in inputs else {}
    return model(inputs["x"], inputs["t"], **context).sample


def adapted(network, settings, adapter, extra, generator, seed):
    """A model, its state without the adapter, and with it."""
    torch.manual_seed(seed)
    model = NETWORKS[network](**settings)
    cases.perturb(model, generator)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    model = peft.inject_adapter_in_model(configuration(model, adapter, extra), model)
    if adapter.get("weight_decomposition"):
        decompose(model)
    with torch.no_grad():
        for value in adapter_parameters(model).values():
            value += 0.2 * torch.randn(value.shape, generator=generator)
    return model, state


def write(name, network, settings, adapter, extra, loss, seed=cases.SEED):
    generator = torch.Generator().manual_seed(seed)
    model, state = adapted(network, settings, adapter, extra, generator, seed)
    inputs = {
        "x": torch.randn(2, settings.get("in_channels", 4), 8, 8, generator=generator),
        "t": torch.tensor([3, 621]),
    }
    if network == "unet-condition":
        inputs["context"] = torch.randn(2, 5, settings["cross_attention_dim"], generator=generator)
    with torch.no_grad():
        target = torch.randn(predict(model, inputs).shape, generator=generator)
    weights = {key: value.detach().clone() for key, value in adapter_parameters(model).items()}
    single, single_gradients = evaluate(model, inputs, target, loss)
    double = {key: value.double() if value.is_floating_point() else value for key, value in inputs.items()}
    results, gradients = evaluate(model.double(), double, target.double(), loss)

    print(f"{name}: {len(weights)} tensors, " + cases.precision(name, single, results, single_gradients, gradients))

    tensors = {**inputs, **results, "target": target}
    tensors |= {f"model/{key}": value for key, value in state.items()}
    tensors |= {f"adapter/{key}": value for key, value in weights.items()}
    tensors |= {f"grad/{key}": value for key, value in gradients.items()}
    tensors = {key: (value.float() if value.is_floating_point() else value).numpy() for key, value in tensors.items()}
    metadata = {
        "model": json.dumps({"kind": network, **settings}),
        "adapter": json.dumps(adapter),
        "loss": loss,
        "generator": SCRIPT,
    }
    safetensors_format.write(cases.FIXTURES / "adapters" / f"{name}.safetensors", tensors, metadata)


if __name__ == "__main__":
    (cases.FIXTURES / "adapters").mkdir(exist_ok=True)
    for case in CASES:
        cases.write_well_conditioned(write, case)
