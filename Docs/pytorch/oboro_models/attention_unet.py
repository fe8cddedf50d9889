"""The `UNet` of "Diffusion Models | PyTorch Implementation" (https://github.com/dome272/Diffusion-Models-pytorch), under
the same parameter names; `width` stands for its 64 channels at full resolution.
"""

import torch
from torch import nn

HEADS = 4


class DoubleConv(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()

        def stage(channels):
            return nn.Sequential(nn.Conv2d(channels, outputs, 3, padding=1), nn.GroupNorm(1, outputs), nn.ReLU())

        self.conv1 = stage(inputs)
        self.conv2 = stage(outputs)

    def forward(self, x):
        return self.conv2(self.conv1(x))


class Down(nn.Module):
    def __init__(self, inputs, outputs, time_width):
        super().__init__()
        self.down = nn.Sequential(nn.MaxPool2d(2), DoubleConv(inputs, outputs))
        self.emb_layer = nn.Sequential(nn.ReLU(), nn.Linear(time_width, outputs))

    def forward(self, x, time):
        return self.down(x) + self.emb_layer(time)[:, :, None, None]


class Up(nn.Module):
    def __init__(self, inputs, outputs, time_width):
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.conv = DoubleConv(inputs, outputs)
        self.emb_layer = nn.Sequential(nn.SiLU(), nn.Linear(time_width, outputs))

    def forward(self, x, skip, time):
        x = self.conv(torch.cat([skip, self.up(x)], dim=1))
        return x + self.emb_layer(time)[:, :, None, None]


class SelfAttention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.mha = nn.MultiheadAttention(channels, HEADS, batch_first=True)
        self.ln = nn.LayerNorm(channels)
        self.ff_self = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, channels), nn.GELU(), nn.Linear(channels, channels)
        )

    def forward(self, x):
        tokens = x.flatten(2).transpose(1, 2)
        normalized = self.ln(tokens)
        attended = self.mha(normalized, normalized, normalized, need_weights=False)[0] + tokens
        return (self.ff_self(attended) + attended).transpose(1, 2).reshape(x.shape)


class UNet(nn.Module):
    def __init__(self, image_size=64, width=64, channels=3, out_channels=None, time_dim=128):
        super().__init__()
        self.time_dim = time_dim
        self.inc = DoubleConv(channels, width)
        self.down1 = Down(width, 2 * width, time_dim)
        self.sa1 = SelfAttention(2 * width)
        self.down2 = Down(2 * width, 4 * width, time_dim)
        self.sa2 = SelfAttention(4 * width)
        self.down3 = Down(4 * width, 4 * width, time_dim)
        self.sa3 = SelfAttention(4 * width)
        self.bot1 = DoubleConv(4 * width, 8 * width)
        self.bot2 = DoubleConv(8 * width, 8 * width)
        self.bot3 = DoubleConv(8 * width, 4 * width)
        self.up1 = Up(8 * width, 2 * width, time_dim)
        self.sa4 = SelfAttention(2 * width)
        self.up2 = Up(4 * width, width, time_dim)
        self.sa5 = SelfAttention(width)
        self.up3 = Up(2 * width, width, time_dim)
        self.sa6 = SelfAttention(width)
        self.outc = nn.Conv2d(width, channels if out_channels is None else out_channels, 1)

    def time_embedding(self, time, dtype):
        frequencies = 10000 ** -(torch.arange(0, self.time_dim, 2, dtype=dtype) / self.time_dim)
        angles = torch.outer(time.to(dtype), frequencies)
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    def forward(self, x, time):
        t = self.time_embedding(time, x.dtype)
        x1 = self.inc(x)
        x2 = self.sa1(self.down1(x1, t))
        x3 = self.sa2(self.down2(x2, t))
        x4 = self.sa3(self.down3(x3, t))
        x = self.bot3(self.bot2(self.bot1(x4)))
        x = self.sa4(self.up1(x, x3, t))
        x = self.sa5(self.up2(x, x2, t))
        x = self.sa6(self.up3(x, x1, t))
        return self.outc(x)
