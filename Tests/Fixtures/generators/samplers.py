"""Writes ../samplers.safetensors and ../scheduler-configurations.json: what diffusers' schedulers make of known noise.

    python3 samplers.py

needs diffusers and torch. The committed files were written with diffusers 0.42.1 and torch 2.15.0 on the CPU.

The model is smooth and depends on x, t and the place: `0.3 x + 0.5 sin(3 x + place) cos(t / 300)`. It is evaluated in
float64 and rounded to float32. First noise and the noise of every step are random numbers that are written too; the
images are [2, 4, 4, 3] there, channels last.

Where diffusers itself is wrong, the reference is the paper's formula, on diffusers' own ᾱ:

- DDIM with any spacing but leading takes the previous timestep by a stride that the list does not have
  (https://github.com/huggingface/diffusers/issues/12633);
- with karras, schedulers begin at the second of two equal timesteps
  (https://github.com/huggingface/diffusers/issues/12771): `set_begin_index(0)` says where to begin;
- diffusers' float32 arithmetic loses 3e-4 (euler) and 7e-3 (heun) of the image where the first sigma is 20,291, as
  with squaredcos_cap_v2 and spacing trailing: there the same formula is computed in float64;
- EulerAncestralDiscreteScheduler knows no sample prediction ("not implemented yet").

Cases are named SAMPLER/PREDICTION/SPACING/VARIANT.
"""

import json
import pathlib

import diffusers
import numpy as np
import torch

import safetensors_format

HERE = pathlib.Path(__file__).resolve().parent.parent
SHAPE = (2, 3, 4, 4)
STEPS = 10
generator = torch.Generator().manual_seed(11)
LATENTS = torch.randn(SHAPE, generator=generator)
NOISE = torch.randn((64, *SHAPE), generator=generator)
PREDICTIONS = {"epsilon": "epsilon", "v": "v_prediction", "sample": "sample"}
SCHEDULE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


def model(x, t):
    place = torch.arange(x[0].numel(), dtype=torch.float64).reshape(x[0].shape)
    # Channels last, as the reader of the fixture counts.
    place = place.reshape(SHAPE[2], SHAPE[3], SHAPE[1]).permute(2, 0, 1)
    x = x.double()
    return (0.3 * x + 0.5 * torch.sin(3 * x + place) * torch.cos(t.double() / 300)).float()


class Injected:
    """Takes the place of randn_tensor: noise k of a run, counted down as the steps that remain."""

    def __init__(self, steps):
        self.left = steps

    def __call__(self, shape, **_):
        self.left -= 1
        return NOISE[self.left].clone()


def run(scheduler, steps, **kwargs):
    scheduler.set_timesteps(steps)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)
    injected = Injected(steps)
    module = __import__(type(scheduler).__module__, fromlist=["randn_tensor"])
    if hasattr(module, "randn_tensor"):
        module.randn_tensor = injected
    x = LATENTS * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        output = model(scheduler.scale_model_input(x, t), t)
        x = scheduler.step(output, t, x, **kwargs).prev_sample
    return x


def split(prediction, output, x, alpha):
    """x_0 and ε of an output where x = sqrt(ᾱ) x_0 + sqrt(1 - ᾱ) ε."""
    a, s = alpha**0.5, (1 - alpha) ** 0.5
    if prediction == "epsilon":
        return (x - s * output) / a, output
    if prediction == "v_prediction":
        return a * x - s * output, a * output + s * x
    return output, (x - a * output) / s


def ddim_by_list(scheduler, steps, eta=0.0):
    """Equations 12 and 16 of Song et al. (2021), with the previous timestep of the list."""
    scheduler.set_timesteps(steps)
    config = scheduler.config
    alphas = scheduler.alphas_cumprod.double()
    final = torch.tensor(1.0).double() if config.set_alpha_to_one else alphas[0]
    x, times = LATENTS.double(), scheduler.timesteps
    for i, t in enumerate(times):
        now = alphas[t]
        before = alphas[times[i + 1]] if i + 1 < len(times) else final
        image, noise = split(config.prediction_type, model(x.float(), t).double(), x, now)
        if config.thresholding:
            image = scheduler._threshold_sample(image)
        elif config.clip_sample:
            image = image.clamp(-config.clip_sample_range, config.clip_sample_range)
        deviation = eta * ((1 - before) / (1 - now) * (1 - now / before)) ** 0.5
        x = before**0.5 * image + (1 - before - deviation**2) ** 0.5 * noise
        if eta:
            x = x + deviation * NOISE[steps - 1 - i].double()
    return x.float()


def in_double(scheduler, steps, second_order):
    """Euler's or Heun's method (Karras et al., 2022, algorithm 2) for v predictions, on diffusers' sigmas."""
    scheduler.set_timesteps(steps)
    sigmas, times = scheduler.sigmas.double(), scheduler.timesteps
    if second_order:  # diffusers lists both evaluations of a step.
        sigmas, times = torch.cat([sigmas[:1], sigmas[1::2]]), torch.cat([times[:1], times[1::2]])

    def slope(x, sigma, t):
        scale = (sigma**2 + 1) ** 0.5
        image = x / scale**2 - sigma / scale * model(x / scale, t).double()
        return (x - image) / sigma

    x = LATENTS.double() * sigmas[0]
    for i, t in enumerate(times):
        first = slope(x, sigmas[i], t)
        step = sigmas[i + 1] - sigmas[i]
        following = x + step * first
        if second_order and sigmas[i + 1] > 0:
            following = x + step * (first + slope(following, sigmas[i + 1], times[i + 1])) / 2
        x = following
    return x.float()


def euler_ancestral_sample(scheduler, steps):
    """k-diffusion's sample_euler_ancestral for a network that predicts the image."""
    scheduler.set_timesteps(steps)
    sigmas = scheduler.sigmas.double()
    x = (LATENTS * scheduler.init_noise_sigma).double()
    for i, t in enumerate(scheduler.timesteps):
        sigma, following = sigmas[i], sigmas[i + 1]
        image = model((x / (sigma**2 + 1) ** 0.5).float(), t).double()
        up = (following**2 * (sigma**2 - following**2) / sigma**2) ** 0.5
        down = (following**2 - up**2) ** 0.5
        x = x + (x - image) / sigma * (down - sigma) + up * NOISE[steps - 1 - i].double()
    return x.float()


def make(kind, prediction, spacing, **more):
    config = {**SCHEDULE, "prediction_type": prediction}
    if spacing == "karras":
        config["use_karras_sigmas"] = True
    else:
        config["timestep_spacing"] = spacing
    return kind.from_config({**config, **more})


CLASSES = {
    "ddpm": diffusers.DDPMScheduler,
    "ddim": diffusers.DDIMScheduler,
    "euler": diffusers.EulerDiscreteScheduler,
    "euler-ancestral": diffusers.EulerAncestralDiscreteScheduler,
    "heun": diffusers.HeunDiscreteScheduler,
    "dpm++-2m": diffusers.DPMSolverMultistepScheduler,
    "dpm++-2m-sde": diffusers.DPMSolverMultistepScheduler,
    "unipc": diffusers.UniPCMultistepScheduler,
}
HAVE_KARRAS = ("euler", "heun", "dpm++-2m", "dpm++-2m-sde", "unipc")
VARIANTS = {
    "plain": ({}, STEPS),
    # Beyond 15 steps DPM-Solver++ does not lower its order; an odd number makes rounding matter.
    "23-steps": ({}, 23),
    "offset": ({"steps_offset": 1, "set_alpha_to_one": False, "clip_sample": False}, STEPS),
    "clip": ({"clip_sample": True, "clip_sample_range": 0.8}, STEPS),
    "thresholding": ({"thresholding": True, "sample_max_value": 2.0, "dynamic_thresholding_ratio": 0.9}, STEPS),
    "zero-snr": ({"rescale_betas_zero_snr": True, "clip_sample": False}, STEPS),
    "sigma-min": ({"final_sigmas_type": "sigma_min"}, STEPS),
    "eta": ({"clip_sample": False}, STEPS),
    "fixed-large": ({"variance_type": "fixed_large", "clip_sample": False}, STEPS),
    "cosine": ({"beta_schedule": "squaredcos_cap_v2", "clip_sample": False}, STEPS),
    "order-1": ({"solver_order": 1}, STEPS),
    # With a last sigma of 0, bh1 multiplies infinity by 0.
    "bh1": ({"solver_type": "bh1", "final_sigmas_type": "sigma_min"}, STEPS),
}


def applies(variant, sampler, prediction, spacing):
    keys = set(CLASSES[sampler]().config)
    if variant in ("plain", "23-steps"):
        return True
    if spacing == "karras":
        return variant == "sigma-min" and sampler == "dpm++-2m" and prediction == "epsilon"
    if variant == "zero-snr":
        return "rescale_betas_zero_snr" in keys and prediction != "epsilon" and spacing == "trailing"
    if variant == "offset":
        return spacing == "leading" and prediction == "epsilon"
    if variant == "eta":
        return sampler == "ddim" and spacing == "trailing"
    if variant == "fixed-large":
        # diffusers adds noise to the last image unless its timestep is 0, as it is with leading and linspace.
        return sampler == "ddpm" and spacing == "leading"
    if variant == "cosine":
        return spacing == "trailing" and prediction == "v"
    if variant == "bh1":
        return sampler == "unipc" and spacing == "linspace"
    needed = {"clip": "clip_sample", "thresholding": "thresholding", "sigma-min": "final_sigmas_type",
              "order-1": "solver_order"}[variant]
    return needed in keys and spacing == "linspace"


def cases():
    for sampler, kind in CLASSES.items():
        for name, prediction in PREDICTIONS.items():
            for spacing in ("leading", "trailing", "linspace", "karras"):
                if spacing == "karras" and sampler not in HAVE_KARRAS:
                    continue
                for variant, (more, steps) in VARIANTS.items():
                    if not applies(variant, sampler, name, spacing):
                        continue
                    more = dict(more)
                    if sampler == "dpm++-2m-sde":
                        more["algorithm_type"] = "sde-dpmsolver++"
                    scheduler = make(kind, prediction, spacing, **more)
                    if sampler == "ddim" and spacing != "leading":
                        x = ddim_by_list(scheduler, steps, eta=0.7 if variant == "eta" else 0.0)
                    elif sampler in ("euler", "heun") and variant == "cosine":
                        x = in_double(scheduler, steps, sampler == "heun")
                    elif sampler == "euler-ancestral" and name == "sample":
                        x = euler_ancestral_sample(scheduler, steps)
                    else:
                        x = run(scheduler, steps)
                    assert torch.isfinite(x).all(), (sampler, name, spacing, variant)
                    config = json.loads(scheduler.to_json_string())
                    yield f"{sampler}/{name}/{spacing}/{variant}", config, steps, x


def last(x):
    return x.movedim(-3, -1).contiguous().numpy()


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    tensors = {"latents": last(LATENTS), "noise": last(NOISE[:23])}
    described = {}
    for name, config, steps, x in cases():
        tensors[f"final/{name}"] = last(x)
        described[name] = {"steps": steps, "config": config}
    safetensors_format.write(
        HERE / "samplers.safetensors", tensors, {"generator": f"samplers.py, diffusers {diffusers.__version__}"}
    )
    # The text that diffusers writes itself, one scheduler a line.
    path = HERE / "samplers.json"
    path.write_text(
        "{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v, sort_keys=True)}" for k, v in described.items()) + "\n}\n"
    )
    print(path.stat().st_size, len(described))
