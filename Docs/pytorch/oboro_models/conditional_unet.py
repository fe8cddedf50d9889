"""The `UNetCond` of "Deep Learning from Scratch 5" (K. Saito, 2024), under the same parameter names.
"""

import math

import torch
from torch import nn


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
