"""Writes ../conditional-unet/*.safetensors: cases for `oboro check`, from PyTorch.

    python3 conditional_unet.py

The model is `UNetCond` of Docs/pytorch/oboro_models/conditional_unet.py.

Also writes ../conditional-unet-evaluation.safetensors: what the same model gives with its running averages, and what
one batch makes of these.
"""

import json

import torch

import cases
import safetensors_format
from oboro_models.conditional_unet import UNetCond

# One that no rectifier's input lies so close to zero with that rounding turns it on or off.
SEED = 22

CASES = [
    # name, model, loss, [B, C, H, W], timesteps, labels
    (
        "no-classes-huber",
        {"channels": 1, "width": 8, "time_embed_dim": 10},
        "huber",
        (2, 1, 8, 8),
        [0, 217],
    ),
    (
        "classes-not-square-l2",
        {"channels": 3, "width": 5, "time_embed_dim": 7, "classes": 4, "class_dropout": 0.1},
        "l2",
        (4, 3, 20, 12),
        [131, 5, 72, 999],
        [2, 0, 2, 4],
    ),
    (
        "one-image-l1",
        {"channels": 2, "width": 6, "time_embed_dim": 8, "classes": 2},
        "l1",
        (1, 2, 12, 20),
        [77],
        [1],
    ),
    # Images large enough for the fast algorithms, sides that their tiles do not divide.
    (
        "larger-images-huber",
        {"channels": 1, "width": 8, "time_embed_dim": 16, "classes": 10, "class_dropout": 0.2},
        "huber",
        (6, 1, 28, 20),
        [5, 250, 120, 0, 400, 17],
        [9, 3, 3, 0, 10, 5],
    ),
]


def write_evaluation():
    settings = {"channels": 2, "width": 8, "time_embed_dim": 10, "classes": 3}
    torch.manual_seed(cases.SEED)
    model = UNetCond(**settings)
    generator = torch.Generator().manual_seed(cases.SEED)
    cases.perturb(model, generator)
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer += 0.3 * torch.randn(buffer.shape, generator=generator)
        elif name.endswith("running_var"):
            buffer += torch.rand(buffer.shape, generator=generator)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    x = torch.randn(3, 2, 8, 12, generator=generator)
    t, y = torch.tensor([3, 999, 40]), torch.tensor([2, 3, 0])
    model.double()
    with torch.no_grad():
        model.train()(x.double(), t, y)
        updated = {key: value.clone() for key, value in model.named_buffers()}
        model.load_state_dict(state)
        output = model.eval()(x.double(), t, y)
    tensors = {"x": x, "t": t, "y": y, "output": output}
    tensors |= {f"model/{key}": value for key, value in state.items()}
    tensors |= {f"updated/{key}": value for key, value in updated.items()}
    tensors = {key: (value.float() if value.is_floating_point() else value).numpy() for key, value in tensors.items()}
    metadata = {
        "model": json.dumps({"kind": "conditional-unet", **settings}),
        "generator": f"conditional_unet.py, torch {torch.__version__}",
    }
    safetensors_format.write(cases.FIXTURES / "conditional-unet-evaluation.safetensors", tensors, metadata)


if __name__ == "__main__":
    for name, settings, *case in CASES:
        cases.write("conditional-unet", name, UNetCond, settings, *case, seed=SEED)
    write_evaluation()
