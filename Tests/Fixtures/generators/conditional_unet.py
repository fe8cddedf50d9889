"""Writes ../conditional-unet/*.safetensors: cases for `oboro check`, from PyTorch.

    python3 conditional_unet.py

The model is the `UNetCond` of article 001, with the `ConvBlock` of "Deep Learning from Scratch 5" (K. Saito, 2024),
where it comes from, under the same parameter names.

Also writes ../conditional-unet-evaluation.safetensors: what the same model gives with its running averages, and what
one batch makes of these.
"""

import json
import math

import torch
from torch import nn

import cases
import safetensors_format


# One that no rectifier's input lies so close to zero with that rounding turns it on or off.
SEED = 22


class ConvBlock(nn.Module):
    def __init__(self, inputs, outputs, embedding_width):
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )
        self.mlp = nn.Sequential(nn.Linear(embedding_width, inputs), nn.ReLU(), nn.Linear(inputs, inputs))

    def forward(self, x, v):
        return self.convs(x + self.mlp(v)[:, :, None, None])


def position_encoding(timesteps, width, dtype):
    """Sines at even, cosines at odd places."""
    places = torch.arange(width, dtype=dtype)
    angles = timesteps.to(dtype)[:, None] / torch.exp(places / width * math.log(10000))
    return torch.where(places % 2 == 0, angles.sin(), angles.cos())


class UNetCond(nn.Module):
    def __init__(self, channels=1, width=64, time_embed_dim=100, classes=None, class_dropout=0):
        super().__init__()
        self.time_embed_dim = time_embed_dim
        self.down1 = ConvBlock(channels, width, time_embed_dim)
        self.down2 = ConvBlock(width, 2 * width, time_embed_dim)
        self.bot1 = ConvBlock(2 * width, 4 * width, time_embed_dim)
        self.up2 = ConvBlock(2 * width + 4 * width, 2 * width, time_embed_dim)
        self.up1 = ConvBlock(2 * width + width, width, time_embed_dim)
        self.out = nn.Conv2d(width, channels, 1)
        self.maxpool = nn.MaxPool2d(2)
        self.upsample = nn.Upsample(scale_factor=2, mode="bilinear")
        if classes is not None:
            self.label_embed = nn.Embedding(classes, time_embed_dim)

    def forward(self, x, timesteps, labels=None):
        """labels: as many as there are classes, which is one too large, for an image of no class."""
        v = position_encoding(timesteps, self.time_embed_dim, x.dtype)
        if labels is not None:
            classes = self.label_embed.num_embeddings
            v = v + (labels < classes)[:, None] * self.label_embed(labels.clamp(max=classes - 1))
        x1 = self.down1(x, v)
        x2 = self.down2(self.maxpool(x1), v)
        x = self.bot1(self.maxpool(x2), v)
        x = self.up2(torch.cat([self.upsample(x), x2], dim=1), v)
        x = self.up1(torch.cat([self.upsample(x), x1], dim=1), v)
        return self.out(x)


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
