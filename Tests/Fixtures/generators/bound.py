"""Writes ../evaluation/bound.safetensors: the variational bound and the loss at each timestep, of a model that is a
formula, on images with noise of known seeds.

    python3 bound.py

needs torch and numpy; the committed file was written with torch 2.15.0. The bound is computed as improved-diffusion
(https://github.com/openai/improved-diffusion, gaussian_diffusion.py and losses.py) does in calc_bpd_loop with
clip_denoised, in float64, for its FIXED_SMALL, FIXED_LARGE and LEARNED_RANGE variances; written anew from the formulas
of Ho et al. (2020), equations 5, 7 and 13, and Nichol and Dhariwal (2021), equation 15. The noise is Oboro's: Philox 4x32-10 of (seed, purpose, timestep, image), turned into normal numbers by Box and
Muller.

Each case has `CASE/images` [N, H, W, C] (integers), `CASE/labels` [N], `CASE/slopes` [K], `CASE/terms` [K] (bits per
dimension at each of the K timesteps), `CASE/losses` [K], `CASE/prior`, `CASE/total`, `CASE/timesteps` [K]. The model
answers slope[t] * x + 0.02 * (label + 1), without the latter for an image of no class; a learned variance is 0.4 * x.
"""

import pathlib

import numpy as np
import torch

import safetensors_format

PURPOSE = 31
MASK = 0xFFFFFFFF


def philox(key, counter):
    """Philox 4x32-10 (Salmon et al., 2011): counter [n, 4] to bits [n, 4], uint64 that hold 32 bits."""
    c = [counter[:, i].astype(np.uint64) for i in range(4)]
    k0, k1 = np.uint64(key & MASK), np.uint64(key >> 32)
    for _ in range(10):
        p0, p1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        low, high = np.uint64(MASK), np.uint64(32)
        c = [(p1 >> high) ^ c[1] ^ k0, p1 & low, (p0 >> high) ^ c[3] ^ k1, p0 & low]
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & low, (k1 + np.uint64(0xBB67AE85)) & low
    return np.stack(c, axis=1)


def noise(seed, timestep, image, count):
    """`count` standard normal numbers, float32."""
    blocks = (count + 3) // 4
    counter = np.zeros((blocks, 4), dtype=np.uint64)
    counter[:, 0] = np.arange(blocks)
    counter[:, 1], counter[:, 2], counter[:, 3] = image, timestep, PURPOSE << 24
    bits = philox(seed, counter).astype(np.float64)
    pairs = bits.reshape(-1, 2)
    radius = np.sqrt(-2 * np.log((pairs[:, 0] + 1) * 2.0**-32))
    angle = 2 * np.pi * pairs[:, 1] * 2.0**-32
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)[:count].astype(np.float32)


def linear(timesteps):
    return np.linspace(1e-4, 0.02, timesteps)


def cosine(timesteps):
    t = np.arange(timesteps + 1) / timesteps
    alphas = np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2
    return np.clip(1 - alphas[1:] / alphas[:-1], 0.0001, 0.9999)


def zero_terminal(betas):
    """Lin et al. (2024), algorithm 1."""
    roots = np.sqrt(np.cumprod(1 - betas))
    roots = (roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])
    return 1 - np.append(roots[0] ** 2, roots[1:] ** 2 / roots[:-1] ** 2)


def normal_kl(mean1, logvar1, mean2, logvar2):
    return 0.5 * (-1 + logvar2 - logvar1 + torch.exp(logvar1 - logvar2) + (mean1 - mean2) ** 2 * torch.exp(-logvar2))


def normal_cdf(x):
    return 0.5 * (1 + torch.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def discretized_log_likelihood(x, means, log_scale, half_step):
    centered, inverse = x - means, torch.exp(-log_scale)
    plus, minus = normal_cdf(inverse * (centered + half_step)), normal_cdf(inverse * (centered - half_step))
    log = lambda value: torch.log(value.clamp(min=1e-12))
    edge = 1 - half_step / 4
    return torch.where(x < -edge, log(plus), torch.where(x > edge, log(1 - minus), log(plus - minus)))


def loss(kind, difference):
    size = difference.abs()
    return {"l1": size, "l2": size**2, "huber": torch.where(size < 1, 0.5 * size**2, size - 0.5)}[kind]


def target(prediction, signal, deviation):
    """The coefficients of x_0 and ε."""
    return {"epsilon": (0, 1), "v": (-deviation, signal), "sample": (1, 0)}[prediction]


def estimate(prediction, now, x, output):
    """x_0."""
    return {
        "epsilon": lambda: np.sqrt(1 / now) * x - np.sqrt(1 / now - 1) * output,
        "v": lambda: np.sqrt(now) * x - np.sqrt(1 - now) * output,
        "sample": lambda: output,
    }[prediction]()


def case(
    name, betas, kind, images, labels, bits, seed, kept=None, spread=1.5, prediction="epsilon", variances="fixed-small"
):
    greatest = 2**bits - 1
    x0_single = (images.astype(np.float32) / np.float32(greatest / 2) - 1).astype(np.float32)
    x0 = torch.from_numpy(x0_single.astype(np.float64))
    cumulative = np.cumprod(1 - betas)
    timesteps = np.arange(len(betas))
    if kept:
        timesteps = np.array([(i + 1) * len(betas) // kept - 1 for i in range(kept)])
        cumulative = cumulative[timesteps]
        betas = 1 - cumulative / np.append(1.0, cumulative[:-1])
    before = np.append(1.0, cumulative[:-1])
    variance = betas * (1 - before) / (1 - cumulative)
    variance[0] = variance[1]
    log_variance = torch.from_numpy(np.log(variance))
    log_betas = torch.from_numpy(np.log(betas))
    # The best answer to images that are normal with this variance.
    of_image, of_noise = target(prediction, np.sqrt(cumulative), np.sqrt(1 - cumulative))
    answer = of_image * np.sqrt(cumulative) * spread + of_noise * np.sqrt(1 - cumulative)
    slopes = (answer / (cumulative * spread + 1 - cumulative)).astype(np.float32)

    terms, losses = [], []
    for index, t in enumerate(timesteps):
        eps = np.stack([noise(seed, int(t), i, images[0].size).reshape(images[0].shape) for i in range(len(images))])
        signal, deviation = np.float32(np.sqrt(cumulative[index])), np.float32(np.sqrt(1 - cumulative[index]))
        x_single = signal * x0_single + deviation * eps
        shift = np.where(labels < 0, 0, 0.02 * (labels + 1)).astype(np.float32)[:, None, None, None]
        output_single = slopes[index] * x_single + shift
        x, output = (torch.from_numpy(a.astype(np.float64)) for a in (x_single, output_single))
        of_image, of_noise = (np.float32(a) for a in target(prediction, signal, deviation))
        wanted = torch.from_numpy((of_image * x0_single + of_noise * eps).astype(np.float64))
        losses.append(float(loss(kind, output - wanted).mean()))

        now, past, beta = cumulative[index], before[index], betas[index]
        clipped = estimate(prediction, now, x, output).clamp(-1, 1)
        if variances == "learned-range":
            part = (torch.from_numpy((np.float32(0.4) * x_single).astype(np.float64)) + 1) / 2
            model_log_variance = part * log_betas[index] + (1 - part) * log_variance[index]
        else:
            is_large = variances == "fixed-large" and index > 0
            model_log_variance = log_betas[index] if is_large else log_variance[index]
        posterior = lambda image: np.sqrt(past) * beta / (1 - now) * image + np.sqrt(1 - beta) * (1 - past) / (1 - now) * x
        if index == 0:
            term = -discretized_log_likelihood(x0, posterior(clipped), 0.5 * model_log_variance, 1 / greatest)
        else:
            term = normal_kl(posterior(x0), log_variance[index], posterior(clipped), model_log_variance)
        terms.append(float(term.mean() / np.log(2)))
    last = torch.tensor(1 - cumulative[-1]).log()
    prior = float(normal_kl(np.sqrt(cumulative[-1]) * x0, last, 0.0, torch.tensor(0.0, dtype=torch.float64)).mean() / np.log(2))
    print(f"{name}: {sum(terms) + prior:.6f} bits per dimension, loss {np.mean(losses):.6f}")
    return {
        f"{name}/images": images.astype(np.int64), f"{name}/labels": labels.astype(np.int64),
        f"{name}/slopes": slopes, f"{name}/terms": np.array(terms), f"{name}/losses": np.array(losses),
        f"{name}/prior": np.array([prior]), f"{name}/total": np.array([sum(terms) + prior]),
        f"{name}/timesteps": timesteps.astype(np.int64),
    }


def pictures(rng, count, shape, bits):
    """Smooth ones that reach both ends of their range."""
    greatest = 2**bits - 1
    values = rng.normal(size=(count, *shape)).cumsum(1).cumsum(2) * 0.15 + 0.5
    return np.rint(np.clip(values, 0, 1) * greatest)


def main():
    rng = np.random.default_rng(5)
    tensors = {}
    # More images than go through a model at once.
    tensors |= case("linear", linear(20), "huber", pictures(rng, 37, (4, 5, 3), 8), rng.integers(-1, 3, 37), 8, 7)
    tensors |= case("cosine", cosine(30), "l2", pictures(rng, 5, (6, 4, 1), 8), rng.integers(-1, 3, 5), 8, 0)
    tensors |= case("spaced", linear(50), "l1", pictures(rng, 6, (4, 4, 1), 8), rng.integers(-1, 3, 6), 8, 1 << 40, kept=7)
    tensors |= case("words", linear(12), "l2", pictures(rng, 4, (4, 4, 2), 16), rng.integers(-1, 3, 4), 16, 2)
    tensors |= case(
        "large", linear(15), "huber", pictures(rng, 4, (4, 4, 2), 8), rng.integers(-1, 3, 4), 8, 3, prediction="sample",
        variances="fixed-large")
    tensors |= case(
        "learned", cosine(40), "l2", pictures(rng, 4, (4, 3, 3), 8), rng.integers(-1, 3, 4), 8, 4, kept=9,
        variances="learned-range")
    tensors |= case(
        "zero-terminal", zero_terminal(linear(25)), "l2", pictures(rng, 4, (4, 4, 1), 8), rng.integers(-1, 3, 4), 8, 5,
        prediction="v", variances="learned-range")
    folder = pathlib.Path(__file__).parent.parent / "evaluation"
    safetensors_format.write(folder / "bound.safetensors", tensors, {"torch": torch.__version__})


if __name__ == "__main__":
    main()
