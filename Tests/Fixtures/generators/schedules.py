"""Writes ../schedules.safetensors: the noise schedules of "The Annotated Diffusion Model" and what follows from them.

    python3 schedules.py

needs torch and numpy only. The committed file was written with torch 2.15.0 on the CPU. All is computed and stored in
float64. Tensors are named SCHEDULE/T/QUANTITY, such as `cosine/300/betas`, and have the shape [T].
"""

import math
import pathlib

import torch

import safetensors_format

FIRST, LAST = 1e-4, 0.02


def linear(steps):
    return torch.linspace(FIRST, LAST, steps)


def quadratic(steps):
    return torch.linspace(math.sqrt(FIRST), math.sqrt(LAST), steps).square()


def sigmoid(steps):
    return FIRST + (LAST - FIRST) * torch.linspace(-6, 6, steps).sigmoid()


def cosine(steps, offset=0.008):
    """Nichol and Dhariwal (2021), equation 17."""
    time = torch.linspace(0, 1, steps + 1)
    kept = torch.cos((time + offset) / (1 + offset) * math.pi / 2).square()
    return (1 - kept[1:] / kept[:-1]).clamp(FIRST, 0.9999)


def scaled_linear(steps):
    """Stable Diffusion's; diffusers' `scaled_linear`."""
    return torch.linspace(math.sqrt(0.00085), math.sqrt(0.012), steps).square()


def cosine_capped(steps):
    """diffusers' `squaredcos_cap_v2`."""
    time = torch.linspace(0, 1, steps + 1)
    kept = torch.cos((time + 0.008) / 1.008 * math.pi / 2).square()
    return (1 - kept[1:] / kept[:-1]).clamp(max=0.999)


def zero_terminal(betas):
    """Lin et al. (2024), algorithm 1; diffusers' `rescale_zero_terminal_snr`."""
    roots = torch.cumprod(1 - betas, dim=0).sqrt()
    first, last = roots[0].clone(), roots[-1].clone()
    squares = ((roots - last) * first / (first - last)).square()
    return 1 - torch.cat([squares[:1], squares[1:] / squares[:-1]])


def quantities(betas):
    alphas_cumprod = torch.cumprod(1 - betas, dim=0)
    before = torch.cat([torch.ones(1), alphas_cumprod[:-1]])
    return {
        "betas": betas,
        "alphas_cumprod": alphas_cumprod,
        "sqrt_alphas_cumprod": alphas_cumprod.sqrt(),
        "sqrt_one_minus_alphas_cumprod": (1 - alphas_cumprod).sqrt(),
        "sqrt_recip_alphas": (1 - betas).rsqrt(),
        "posterior_variance": betas * (1 - before) / (1 - alphas_cumprod),
    }


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    tensors = {
        f"{schedule.__name__.replace('_', '-')}/{steps}/{name}": values.numpy()
        for schedule in (linear, cosine, quadratic, sigmoid, scaled_linear, cosine_capped)
        for steps in (7, 300)
        for name, values in quantities(schedule(steps)).items()
    }
    for schedule in (linear, scaled_linear):
        betas = zero_terminal(schedule(300))
        tensors[f"{schedule.__name__.replace('_', '-')}/300/zero_terminal_betas"] = betas.numpy()
        tensors[f"{schedule.__name__.replace('_', '-')}/300/zero_terminal_alphas"] = torch.cumprod(1 - betas, 0).numpy()
    safetensors_format.write(
        pathlib.Path(__file__).resolve().parent.parent / "schedules.safetensors",
        tensors,
        {"generator": f"schedules.py, torch {torch.__version__}"},
    )
