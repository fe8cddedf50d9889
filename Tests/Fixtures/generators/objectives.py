"""Writes ../objectives.safetensors: losses and their gradients, from the formulas of others' trainers.

    python3 objectives.py

needs torch and numpy. The committed file was written with torch 2.15.0 on the CPU, all in float64; images, noise and
outputs are rounded to float32 before. Gradients are autograd's.

- hybrid: improved-diffusion, GaussianDiffusion.training_losses with ModelVarType.LEARNED_RANGE and
  LossType.RESCALED_MSE (its hybrid loss), linear βs over 40 timesteps, images channels last;
- min-snr: diffusers' examples (train_text_to_image.py), `compute_snr` and the weights by prediction type;
- edm: k-diffusion's Denoiser.loss, and Karras et al. (2022), equation 2 times λ(σ), which must be the same;
- flow: diffusers' examples (train_dreambooth_lora_sd3.py): the velocity target, shifted times.
"""

import math
import pathlib

import numpy as np
import torch

import safetensors_format

torch.set_default_dtype(torch.float64)
generator = torch.Generator().manual_seed(3)


def rounded(*shape, scale=1.0):
    return (scale * torch.randn(*shape, generator=generator)).float().double()


B, H, W, C, T = 6, 3, 2, 2, 40
IMAGES = rounded(B, H, W, C, scale=0.6).clamp(-1, 1)
IMAGES[0, 0, 0] = 1
IMAGES[0, 1, 1] = -1
NOISE = rounded(B, H, W, C)
OUTPUT = rounded(B, H, W, 2 * C)
# Of the first sample, whose timestep is 0, a good prediction: the likelihood is then not at its floor.
STEPS = torch.tensor([0, 1, 2, 13, 25, 39])

BETAS = torch.linspace(1e-4, 0.02, T)
ALPHAS = torch.cumprod(1 - BETAS, 0)
BEFORE = torch.cat([torch.ones(1), ALPHAS[:-1]])
POSTERIOR = BETAS * (1 - BEFORE) / (1 - ALPHAS)
LOG_CLIPPED = torch.log(torch.cat([POSTERIOR[1:2], POSTERIOR[1:]]))
COEFFICIENT_IMAGE = BETAS * BEFORE.sqrt() / (1 - ALPHAS)
COEFFICIENT_X = (1 - BEFORE) * (1 - BETAS).sqrt() / (1 - ALPHAS)


def at(values, steps):
    return values[steps].reshape(-1, 1, 1, 1)


def mean_flat(values):
    return values.mean(dim=(1, 2, 3))


def normal_kl(mean1, log1, mean2, log2):
    return 0.5 * (-1 + log2 - log1 + torch.exp(log1 - log2) + (mean1 - mean2) ** 2 * torch.exp(-log2))


def approx_cdf(x):
    return 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def discretized(x, means, log_scales):
    centered, inverse = x - means, torch.exp(-log_scales)
    plus, minus = approx_cdf(inverse * (centered + 1 / 255)), approx_cdf(inverse * (centered - 1 / 255))
    return torch.where(
        x < -0.999,
        torch.log(plus.clamp(min=1e-12)),
        torch.where(x > 0.999, torch.log((1 - minus).clamp(min=1e-12)), torch.log((plus - minus).clamp(min=1e-12))),
    )


def target(prediction, signal, noise):
    return {"epsilon": NOISE, "v": signal * NOISE - noise * IMAGES, "sample": IMAGES}[prediction]


def image(prediction, x, output, signal, noise):
    return {
        "epsilon": (x - noise * output) / signal,
        "v": signal * x - noise * output,
        "sample": output,
    }[prediction]


def hybrid(prediction, output):
    signal, noise = at(ALPHAS, STEPS).sqrt(), (1 - at(ALPHAS, STEPS)).sqrt()
    x = signal * IMAGES + noise * NOISE
    mean, variance = output.split(C, dim=-1)
    simple = mean_flat((target(prediction, signal, noise) - mean) ** 2)
    frozen = image(prediction, x, mean.detach(), signal, noise)
    part = (variance + 1) / 2
    log_variance = part * at(torch.log(BETAS), STEPS) + (1 - part) * at(LOG_CLIPPED, STEPS)
    true_mean = at(COEFFICIENT_IMAGE, STEPS) * IMAGES + at(COEFFICIENT_X, STEPS) * x
    model_mean = at(COEFFICIENT_IMAGE, STEPS) * frozen + at(COEFFICIENT_X, STEPS) * x
    kl = mean_flat(normal_kl(true_mean, at(LOG_CLIPPED, STEPS), model_mean, log_variance)) / math.log(2)
    nll = -mean_flat(discretized(IMAGES, model_mean, 0.5 * log_variance)) / math.log(2)
    bound = torch.where(STEPS == 0, nll, kl)
    return simple + bound * T / 1000


def min_snr(prediction, output, gamma=5.0):
    signal, noise = at(ALPHAS, STEPS).sqrt(), (1 - at(ALPHAS, STEPS)).sqrt()
    snr = (signal / noise).square().flatten()
    weights = torch.stack([snr, gamma * torch.ones_like(snr)], dim=1).min(dim=1)[0]
    weights = {"epsilon": weights / snr, "v": weights / (snr + 1), "sample": weights}[prediction]
    return mean_flat((target(prediction, signal, noise) - output) ** 2) * weights


SIGMAS = torch.tensor([0.002, 0.05, 0.3, 1.0, 7.5, 80.0]).reshape(-1, 1, 1, 1)
TIMES = torch.tensor([0.004, 0.1, 0.4, 0.63, 0.9, 1.0]).reshape(-1, 1, 1, 1)
SIGMA_DATA = 0.4


def edm(output):
    c_skip = SIGMA_DATA**2 / (SIGMAS**2 + SIGMA_DATA**2)
    c_out = SIGMAS * SIGMA_DATA / (SIGMAS**2 + SIGMA_DATA**2) ** 0.5
    noised = IMAGES + NOISE * SIGMAS
    loss = mean_flat((output - (IMAGES - c_skip * noised) / c_out) ** 2)
    weight = (SIGMAS**2 + SIGMA_DATA**2) / (SIGMAS * SIGMA_DATA) ** 2
    denoised = c_skip * noised + c_out * output
    assert torch.allclose(loss, mean_flat(weight * (denoised - IMAGES) ** 2), rtol=1e-10)
    return loss


def flow(output):
    return mean_flat((output - (NOISE - IMAGES)) ** 2)


def record(tensors, name, function, output):
    output = output.clone().requires_grad_(True)
    losses = function(output)
    losses.mean().backward()
    tensors[f"{name}/losses"], tensors[f"{name}/gradient"] = losses, output.grad


if __name__ == "__main__":
    tensors = {"images": IMAGES, "noise": NOISE, "steps": STEPS}
    for prediction in ("epsilon", "v", "sample"):
        signal, noise = at(ALPHAS, STEPS).sqrt(), (1 - at(ALPHAS, STEPS)).sqrt()
        output = OUTPUT.clone()
        output[0, ..., :C] = (target(prediction, signal, noise)[0] + 0.02 * OUTPUT[0, ..., :C]).float().double()
        tensors[f"{prediction}/output"] = output
        record(tensors, f"hybrid/{prediction}", lambda o: hybrid(prediction, o), output)
        record(tensors, f"min-snr/{prediction}", lambda o: min_snr(prediction, o), output[..., :C].contiguous())
    x = IMAGES + SIGMAS * NOISE
    tensors["sigmas"], tensors["times"] = SIGMAS.flatten(), TIMES.flatten()
    tensors["edm/input"] = x / (SIGMAS**2 + SIGMA_DATA**2) ** 0.5
    tensors["edm/timesteps"] = 0.25 * SIGMAS.flatten().log()
    record(tensors, "edm", edm, OUTPUT[..., :C].contiguous())
    tensors["flow/input"] = (1 - TIMES) * IMAGES + TIMES * NOISE
    record(tensors, "flow", flow, OUTPUT[..., :C].contiguous())
    tensors["output"] = OUTPUT[..., :C].contiguous()
    safetensors_format.write(
        pathlib.Path(__file__).resolve().parent.parent / "objectives.safetensors",
        {name: value.detach().numpy() for name, value in tensors.items()},
        {"generator": f"objectives.py, torch {torch.__version__}"},
    )
