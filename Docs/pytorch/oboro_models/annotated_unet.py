"""The `Unet` of "The Annotated Diffusion Model" (https://huggingface.co/blog/annotated-diffusion), under the same
parameter names.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

HEADS, HEAD_WIDTH = 4, 32


class TimeEmbedding(nn.Module):
    """Sines, then cosines, of the timestep at frequencies from 1 down to 1 / 10000."""

    def __init__(self, width):
        super().__init__()
        self.half = width // 2

    def forward(self, time, dtype):
        exponents = torch.arange(self.half, dtype=dtype) / (self.half - 1)
        angles = torch.outer(time.to(dtype), torch.exp(-math.log(10000) * exponents))
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class StandardizedConv2d(nn.Conv2d):
    """A convolution whose filters are shifted and scaled to mean 0 and variance 1 first.

    The article picks eps by dtype: 1e-5 for float32, which is what is trained and checked, whatever is computed in.
    """

    def forward(self, x):
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), correction=0, keepdim=True)
        return self._conv_forward(x, (self.weight - mean) / torch.sqrt(variance + 1e-5), self.bias)


class Block(nn.Module):
    def __init__(self, inputs, outputs, groups):
        super().__init__()
        self.proj = StandardizedConv2d(inputs, outputs, 3, padding=1)
        self.norm = nn.GroupNorm(groups, outputs)

    def forward(self, x, scale=None, shift=None):
        x = self.norm(self.proj(x))
        return F.silu(x if scale is None else x * (1 + scale) + shift)


class ResnetBlock(nn.Module):
    def __init__(self, inputs, outputs, time_width, groups):
        super().__init__()
        self.mlp = nn.Sequential(nn.SiLU(), nn.Linear(time_width, 2 * outputs))
        self.block1 = Block(inputs, outputs, groups)
        self.block2 = Block(outputs, outputs, groups)
        self.res_conv = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x, time):
        scale, shift = self.mlp(time)[:, :, None, None].chunk(2, dim=1)
        return self.res_conv(x) + self.block2(self.block1(x, scale, shift))


def split_heads(qkv):
    """[B, 3 * heads * width, H, W] -> three of [B, heads, width, H * W]."""
    return qkv.reshape(qkv.shape[0], 3, HEADS, HEAD_WIDTH, -1).unbind(1)


class Attention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.to_qkv = nn.Conv2d(channels, 3 * HEADS * HEAD_WIDTH, 1, bias=False)
        self.to_out = nn.Conv2d(HEADS * HEAD_WIDTH, channels, 1)

    def forward(self, x):
        q, k, v = split_heads(self.to_qkv(x))
        weights = (q.transpose(2, 3) @ k / math.sqrt(HEAD_WIDTH)).softmax(dim=3)
        return self.to_out((v @ weights.transpose(2, 3)).reshape(x.shape[0], -1, *x.shape[2:]))


class LinearAttention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.to_qkv = nn.Conv2d(channels, 3 * HEADS * HEAD_WIDTH, 1, bias=False)
        self.to_out = nn.Sequential(nn.Conv2d(HEADS * HEAD_WIDTH, channels, 1), nn.GroupNorm(1, channels))

    def forward(self, x):
        q, k, v = split_heads(self.to_qkv(x))
        q = q.softmax(dim=2) / math.sqrt(HEAD_WIDTH)
        context = k.softmax(dim=3) @ v.transpose(2, 3)
        return self.to_out((context.transpose(2, 3) @ q).reshape(x.shape[0], -1, *x.shape[2:]))


class PreNorm(nn.Module):
    def __init__(self, channels, fn):
        super().__init__()
        self.fn = fn
        self.norm = nn.GroupNorm(1, channels)

    def forward(self, x):
        return self.fn(self.norm(x))


class Residual(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x):
        return x + self.fn(x)


def downsample(inputs, outputs):
    # Of an image's 2x2 pixels the channel index runs slowest: "b (c p1 p2) h w".
    return nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * inputs, outputs, 1))


def upsample(inputs, outputs):
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(inputs, outputs, 3, padding=1))


class Unet(nn.Module):
    def __init__(self, dim, dim_mults, channels, groups, out_dim=None, self_condition=False):
        super().__init__()
        self.self_condition = self_condition
        widths = [dim] + [dim * multiple for multiple in dim_mults]
        stages = list(zip(widths, widths[1:]))
        time_width = 4 * dim

        def block(inputs, outputs):
            return ResnetBlock(inputs, outputs, time_width, groups)

        self.init_conv = nn.Conv2d(channels * (2 if self_condition else 1), dim, 1)
        self.time_embedding = TimeEmbedding(dim)
        # Its place 0 is the embedding's, which has no parameters.
        self.time_mlp = nn.Sequential(
            nn.Identity(), nn.Linear(dim, time_width), nn.GELU(), nn.Linear(time_width, time_width)
        )
        self.downs = nn.ModuleList()
        for index, (upper, lower) in enumerate(stages):
            is_last = index == len(stages) - 1
            self.downs.append(
                nn.ModuleList(
                    [
                        block(upper, upper),
                        block(upper, upper),
                        Residual(PreNorm(upper, LinearAttention(upper))),
                        nn.Conv2d(upper, lower, 3, padding=1) if is_last else downsample(upper, lower),
                    ]
                )
            )
        self.mid_block1 = block(widths[-1], widths[-1])
        self.mid_attn = Residual(PreNorm(widths[-1], Attention(widths[-1])))
        self.mid_block2 = block(widths[-1], widths[-1])
        self.ups = nn.ModuleList()
        for index, (upper, lower) in enumerate(reversed(stages)):
            is_last = index == len(stages) - 1
            self.ups.append(
                nn.ModuleList(
                    [
                        block(lower + upper, lower),
                        block(lower + upper, lower),
                        Residual(PreNorm(lower, LinearAttention(lower))),
                        nn.Conv2d(lower, upper, 3, padding=1) if is_last else upsample(lower, upper),
                    ]
                )
            )
        self.final_res_block = block(2 * dim, dim)
        self.final_conv = nn.Conv2d(dim, channels if out_dim is None else out_dim, 1)

    def forward(self, x, time):
        if self.self_condition:
            x = torch.cat([torch.zeros_like(x), x], dim=1)
        x = first = self.init_conv(x)
        t = self.time_mlp(self.time_embedding(time, x.dtype))
        skips = []
        for block1, block2, attention, down in self.downs:
            x = block1(x, t)
            skips.append(x)
            x = attention(block2(x, t))
            skips.append(x)
            x = down(x)
        x = self.mid_block2(self.mid_attn(self.mid_block1(x, t)), t)
        for block1, block2, attention, up in self.ups:
            x = block1(torch.cat([x, skips.pop()], dim=1), t)
            x = block2(torch.cat([x, skips.pop()], dim=1), t)
            x = up(attention(x))
        return self.final_conv(self.final_res_block(torch.cat([x, first], dim=1), t))
