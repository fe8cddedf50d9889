"""The diffusion transformer of Peebles and Xie (2022) with adaLN-Zero blocks, under the parameter names of its
authors' class `DiT`. Labels are used as they are given: the number of classes stands for no class.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

FREQUENCY_WIDTH = 256


def modulate(x, shift, scale):
    return x * (1 + scale[:, None]) + shift[:, None]


def positions(side, width):
    """[1, side * side, width]: half for the column, half for the row, each sines before cosines."""
    frequencies = 10000.0 ** -(torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    angles = torch.outer(torch.arange(side, dtype=torch.float64), frequencies)
    line = torch.cat([angles.sin(), angles.cos()], dim=1)
    columns = line[None].expand(side, side, -1)
    rows = line[:, None].expand(side, side, -1)
    return torch.cat([columns, rows], dim=2).reshape(1, side * side, width).float()


class PatchEmbedding(nn.Module):
    def __init__(self, channels, width, patch):
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch, stride=patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class TimestepEmbedding(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(FREQUENCY_WIDTH, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, time, dtype):
        half = FREQUENCY_WIDTH // 2
        frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=dtype) / half)
        angles = torch.outer(time.to(dtype), frequencies)
        return self.mlp(torch.cat([angles.cos(), angles.sin()], dim=1))


class LabelEmbedding(nn.Module):
    def __init__(self, classes, width, dropout):
        super().__init__()
        self.embedding_table = nn.Embedding(classes + (dropout > 0), width)

    def forward(self, labels):
        return self.embedding_table(labels)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(2, 3) * (width // self.heads) ** -0.5).softmax(dim=3)
        return self.proj((weights @ v).transpose(1, 2).reshape(batch, tokens, width))


class Perceptron(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


def modulation(width, count):
    return nn.Sequential(nn.SiLU(), nn.Linear(width, count * width))


class Block(nn.Module):
    def __init__(self, width, heads, hidden):
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.attn = Attention(width, heads)
        self.mlp = Perceptron(width, hidden)
        self.adaLN_modulation = modulation(width, 6)

    def forward(self, x, condition):
        first, second = self.adaLN_modulation(condition).chunk(2, dim=1)
        for part, parameters in (self.attn, first), (self.mlp, second):
            shift, scale, gate = parameters.chunk(3, dim=1)
            x = x + gate[:, None] * part(modulate(self.norm(x), shift, scale))
        return x


class FinalLayer(nn.Module):
    def __init__(self, width, outputs):
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.linear = nn.Linear(width, outputs)
        self.adaLN_modulation = modulation(width, 2)

    def forward(self, x, condition):
        shift, scale = self.adaLN_modulation(condition).chunk(2, dim=1)
        return self.linear(modulate(self.norm(x), shift, scale))


class DiT(nn.Module):
    def __init__(
        self,
        image_size,
        patch_size,
        channels,
        hidden_size,
        depth,
        heads,
        mlp_ratio=4.0,
        classes=1,
        class_dropout=0.1,
        learn_sigma=False,
    ):
        super().__init__()
        self.patch_size = patch_size
        self.side = image_size // patch_size
        outputs = 2 * channels if learn_sigma else channels
        self.x_embedder = PatchEmbedding(channels, hidden_size, patch_size)
        self.t_embedder = TimestepEmbedding(hidden_size)
        self.y_embedder = LabelEmbedding(classes, hidden_size, class_dropout)
        self.pos_embed = nn.Parameter(positions(self.side, hidden_size), requires_grad=False)
        self.blocks = nn.ModuleList(
            Block(hidden_size, heads, int(hidden_size * mlp_ratio)) for _ in range(depth)
        )
        self.final_layer = FinalLayer(hidden_size, outputs * patch_size**2)

    def forward(self, x, time, labels):
        condition = self.t_embedder(time, x.dtype) + self.y_embedder(labels)
        x = self.x_embedder(x) + self.pos_embed
        for block in self.blocks:
            x = block(x, condition)
        x = self.final_layer(x, condition)
        side, patch = self.side, self.patch_size
        # Places of patches, then of pixels in a patch, then channels.
        x = x.view(len(x), side, side, patch, patch, -1).permute(0, 5, 1, 3, 2, 4)
        return x.reshape(len(x), -1, side * patch, side * patch)
