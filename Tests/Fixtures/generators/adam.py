"""Writes ../adam.safetensors: twenty steps of torch.optim.Adam and AdamW.

    python3 adam.py

needs torch and numpy only. The committed file was written with torch 2.15.0 on the CPU.

Shared inputs, float32: `initial` [37], `gradients` [20, 37]. Gradients span ten powers of ten, one element's are always
0 and one has a single gradient that is not. Each run NAME has float64 outputs, computed in float64 from those inputs:
`NAME/weights` [20, 37] after each step, `NAME/first_moment` and `NAME/second_moment` [37] after the last. The metadata
NAME is the run's options as JSON: `kind` (adam or adamw), `lr`, `betas`, `eps`, `weight_decay`.
"""

import json
import pathlib

import torch

import safetensors_format

STEPS, COUNT = 20, 37
KINDS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
USUAL = {"kind": "adam", "lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0}
RUNS = {
    "adam": USUAL,
    "adam-weight-decay": USUAL | {"weight_decay": 0.01},
    "adamw": USUAL | {"kind": "adamw", "weight_decay": 0.01},
    # An eps and betas that show where they are applied.
    "adam-large-eps": USUAL | {"lr": 0.05, "betas": [0.8, 0.95], "eps": 0.1},
}


def run(options, initial, gradients):
    weights = torch.nn.Parameter(initial.double())
    options = dict(options)
    optimizer = KINDS[options.pop("kind")]([weights], **options)
    history = []
    for gradient in gradients.double():
        weights.grad = gradient.clone()
        optimizer.step()
        history.append(weights.detach().clone())
    state = optimizer.state[weights]
    return {
        "weights": torch.stack(history),
        "first_moment": state["exp_avg"],
        "second_moment": state["exp_avg_sq"],
    }


if __name__ == "__main__":
    generator = torch.Generator().manual_seed(7)
    initial = torch.randn(COUNT, generator=generator)
    scales = torch.logspace(-7, 3, COUNT)[torch.randperm(COUNT, generator=generator)]
    gradients = scales * torch.randn(STEPS, COUNT, generator=generator)
    gradients[:, 5] = 0
    gradients[:, 11] = 0
    gradients[3, 11] = 0.25
    tensors = {"initial": initial, "gradients": gradients}
    for name, options in RUNS.items():
        tensors |= {f"{name}/{key}": value for key, value in run(options, initial, gradients).items()}
    metadata = {name: json.dumps(options) for name, options in RUNS.items()}
    safetensors_format.write(
        pathlib.Path(__file__).resolve().parent.parent / "adam.safetensors",
        {key: value.numpy() for key, value in tensors.items()},
        metadata | {"generator": f"adam.py, torch {torch.__version__}"},
    )
