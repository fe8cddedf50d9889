"""The U-Net of "The Annotated Diffusion Model" with plain residual blocks: the embedding of the timestep and the
attention are those of `annotated_unet`.
"""

import torch
import torch.nn.functional as F
from torch import nn

from .annotated_unet import Attention, LinearAttention, PreNorm, Residual, TimeEmbedding


class UpsampleConv(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.trans_conv = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1)

    def forward(self, x):
        return self.trans_conv(x)


class DownsampleConv(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 4, stride=2, padding=1)

    def forward(self, x):
        return self.conv(x)


class ConvBlock(nn.Module):
    def __init__(self, inputs, outputs, groups):
        super().__init__()
        self.proj = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = nn.GroupNorm(groups, outputs)

    def forward(self, x):
        return F.silu(self.norm(self.proj(x)))


class ResnetBlock(nn.Module):
    def __init__(self, inputs, outputs, time_width, groups):
        super().__init__()
        self.mlp = None if time_width is None else nn.Sequential(nn.SiLU(), nn.Linear(time_width, outputs))
        self.block1 = ConvBlock(inputs, outputs, groups)
        self.block2 = ConvBlock(outputs, outputs, groups)
        self.res_conv = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x, time=None):
        h = self.block1(x)
        if self.mlp is not None and time is not None:
            h = h + self.mlp(time)[:, :, None, None]
        return self.block2(h) + self.res_conv(x)


class Unet(nn.Module):
    def __init__(self, dim, dim_mults, channels, groups, init_dim=None, out_dim=None, time_embedding=True):
        super().__init__()
        init_dim = dim // 3 * 2 if init_dim is None else init_dim
        widths = [init_dim] + [dim * multiple for multiple in dim_mults]
        stages = list(zip(widths, widths[1:]))
        time_width = dim if time_embedding else None

        def block(inputs, outputs, time_width=time_width):
            return ResnetBlock(inputs, outputs, time_width, groups)

        self.init_conv = nn.Conv2d(channels, init_dim, 7, padding=3)
        self.time_mlp = None
        if time_embedding:
            self.time_embedding = TimeEmbedding(dim)
            # Its place 0 is the embedding's, which has no parameters.
            self.time_mlp = nn.Sequential(nn.Identity(), nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim))
        self.downs = nn.ModuleList()
        for index, (inputs, outputs) in enumerate(stages):
            is_last = index == len(stages) - 1
            self.downs.append(
                nn.ModuleList(
                    [
                        block(inputs, outputs),
                        block(outputs, outputs),
                        Residual(PreNorm(outputs, LinearAttention(outputs))),
                        nn.Identity() if is_last else DownsampleConv(outputs),
                    ]
                )
            )
        self.mid_block1 = block(widths[-1], widths[-1])
        self.mid_attn = Residual(PreNorm(widths[-1], Attention(widths[-1])))
        self.mid_block2 = block(widths[-1], widths[-1])
        # One stage fewer than there are resolutions, so each of them upsamples.
        self.ups = nn.ModuleList()
        for outputs, inputs in reversed(stages[1:]):
            self.ups.append(
                nn.ModuleList(
                    [
                        block(2 * inputs, outputs),
                        block(outputs, outputs),
                        Residual(PreNorm(outputs, LinearAttention(outputs))),
                        UpsampleConv(outputs),
                    ]
                )
            )
        self.final_conv = nn.Sequential(
            block(dim, dim, time_width=None), nn.Conv2d(dim, channels if out_dim is None else out_dim, 1)
        )

    def forward(self, x, time):
        x = self.init_conv(x)
        t = None if self.time_mlp is None else self.time_mlp(self.time_embedding(time, x.dtype))
        skips = []
        for block1, block2, attention, down in self.downs:
            x = attention(block2(block1(x, t), t))
            skips.append(x)
            x = down(x)
        x = self.mid_block2(self.mid_attn(self.mid_block1(x, t)), t)
        for block1, block2, attention, up in self.ups:
            x = block1(torch.cat([x, skips.pop()], dim=1), t)
            x = up(attention(block2(x, t)))
        return self.final_conv(x)
