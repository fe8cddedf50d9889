"""Writes ../text-adapters/*.safetensors: a denoiser and the text encoder that it attends to, both with adapters of peft.

    python3 text_adapters.py

A case holds `tokens` [B, L], `x`, `t` and `target` of the denoiser, its `output` for the encoder's last hidden state, the
`loss`, the weights model/NAME and encoder/NAME, and adapter/NAME and grad/NAME of both adapters, where the names of the
encoder's begin with `text_encoder.`. The committed files were written with torch 2.15.0, diffusers 0.42.1, transformers 5.24.0
and peft 0.21.2. Precision, seeds and checks are those of `cases`.
"""

import json

import diffusers
import peft
import torch
import transformers
from diffusers import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

import adapters
import cases
import clip
import safetensors_format

SCRIPT = (
    f"text_adapters.py, torch {torch.__version__}, diffusers {diffusers.__version__}, "
    f"transformers {transformers.__version__}, peft {peft.__version__}"
)
PREFIX = "text_encoder."
DENOISER = {**adapters.CONDITION, "block_out_channels": [4, 4], "in_channels": 2, "out_channels": 2, "cross_attention_dim": 8}
ENCODER = {
    "vocab_size": 20,
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 7,
    "eos_token_id": 19,
}
TEXT_ATTENTION = ["q_proj", "k_proj", "v_proj", "out_proj"]

CASES = [
    # name, adapter, peft's targets in the denoiser and in the encoder
    (
        "lora",
        {"kind": "lora", "rank": 2, "alpha": 3, "targets": "attention", "text_encoder": "transformer"},
        adapters.ATTENTION, TEXT_ATTENTION + ["fc1", "fc2"],
    ),
    (
        "lora-decomposed",
        {
            "kind": "lora", "rank": 1, "alpha": 2, "targets": ["to_k", "conv1"], "text_encoder": ["q_proj", "fc2"],
            "weight_decomposition": True,
        },
        ["to_k", "conv1"], ["q_proj", "fc2"],
    ),
    (
        "loha",
        {"kind": "loha", "rank": 2, "alpha": 1, "targets": ["to_v"], "text_encoder": "attention"},
        ["to_v"], TEXT_ATTENTION,
    ),
    (
        "lokr",
        {"kind": "lokr", "rank": 1, "alpha": 2, "targets": "attention", "text_encoder": True},
        adapters.ATTENTION, TEXT_ATTENTION,
    ),
]


class Pair(torch.nn.Module):
    """A denoiser and the text encoder that it attends to."""

    def __init__(self):
        super().__init__()
        self.denoiser = UNet2DConditionModel(**DENOISER)
        self.encoder = CLIPTextModel(CLIPTextConfig(**ENCODER))

    def forward(self, inputs):
        context = self.encoder(input_ids=inputs["tokens"]).last_hidden_state
        return self.denoiser(inputs["x"], inputs["t"], encoder_hidden_states=context).sample


def encoder_name(name):
    """That of an encoder's tensor without the prefix that it has before transformers 5."""
    return name.removeprefix("text_model.")


def trained(pair):
    own = adapters.adapter_parameters(pair.denoiser)
    return own | {PREFIX + encoder_name(name): value for name, value in adapters.adapter_parameters(pair.encoder).items()}


def evaluate(pair, inputs, target):
    pair.zero_grad()
    output = pair(inputs)
    loss = cases.LOSSES["l2"](output, target)
    loss.backward()
    return (
        {"output": output.detach(), "loss": loss.detach()},
        {name: value.grad.clone() for name, value in trained(pair).items()},
    )


def write(name, adapter, targets, text_targets, seed):
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    pair = Pair()
    cases.perturb(pair, generator)
    state = {f"model/{key}": value.clone() for key, value in pair.denoiser.state_dict().items()}
    state |= {
        f"encoder/{encoder_name(key)}": value.clone()
        for key, value in pair.encoder.state_dict().items() if not key.endswith("position_ids")
    }
    for model, names in ((pair.denoiser, targets), (pair.encoder, text_targets)):
        peft.inject_adapter_in_model(adapters.configuration(model, adapter, {"target_modules": names}), model)
    with torch.no_grad():
        for value in trained(pair).values():
            value += 0.2 * torch.randn(value.shape, generator=generator)
    inputs = {
        "tokens": clip.texts(generator, 2, 7, 20, 18, 19, 19, [5, 7]),
        "x": torch.randn(2, DENOISER["in_channels"], 8, 8, generator=generator),
        "t": torch.tensor([3, 621]),
    }
    with torch.no_grad():
        target = torch.randn(pair(inputs).shape, generator=generator)
    weights = {key: value.detach().clone() for key, value in trained(pair).items()}
    single, single_gradients = evaluate(pair, inputs, target)
    double = {key: value.double() if value.is_floating_point() else value for key, value in inputs.items()}
    results, gradients = evaluate(pair.double(), double, target.double())

    print(f"{name}: {len(weights)} tensors, " + cases.precision(name, single, results, single_gradients, gradients))

    tensors = {**inputs, **results, "target": target, **state}
    tensors |= {f"adapter/{key}": value for key, value in weights.items()}
    tensors |= {f"grad/{key}": value for key, value in gradients.items()}
    tensors = {key: (value.float() if value.is_floating_point() else value).numpy() for key, value in tensors.items()}
    metadata = {
        "model": json.dumps({"kind": "unet-condition", **DENOISER}),
        "encoder": json.dumps({"kind": "clip-text", **ENCODER}),
        "adapter": json.dumps(adapter),
        "loss": "l2",
        "generator": SCRIPT,
    }
    safetensors_format.write(cases.FIXTURES / "text-adapters" / f"{name}.safetensors", tensors, metadata)


if __name__ == "__main__":
    (cases.FIXTURES / "text-adapters").mkdir(exist_ok=True)
    for case in CASES:
        cases.write_well_conditioned(write, case)
