"""Writes ../adversary/*.safetensors: losses of an autoencoder with LPIPS and a discriminator, and all gradients.

    python3 adversary.py

The autoencoder is diffusers' AutoencoderKL; the discriminator is NLayerDiscriminator of latent diffusion
(https://github.com/CompVis/taming-transformers, modules/discriminator/model.py) with group normalisation, or none, in the
place of its batch normalisation; the perceptual loss is LPIPS with VGG16 (https://github.com/richzhang/PerceptualSimilarity,
lpips.py) of random weights and fewer channels. The losses are those of LPIPSWithDiscriminator
(https://github.com/CompVis/latent-diffusion, modules/losses/contperceptual.py) with means in the place of sums over an image,
without a learned variance; both networks' losses are of the same reconstructions. The committed files were written with
torch 2.15.0 and diffusers 0.42.1.
"""

import json

import diffusers
import torch
import torch.nn as nn
import torch.nn.functional as F
from diffusers import AutoencoderKL

import cases
import safetensors_format

SCRIPT = f"adversary.py, torch {torch.__version__}, diffusers {diffusers.__version__}"


class NLayerDiscriminator(nn.Module):
    def __init__(self, channels, width, layers, norm_num_groups):
        super().__init__()
        groups = norm_num_groups
        sequence = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
        before = 1
        for n in range(1, layers + 1):
            factor = min(2**n, 8)
            stride = 2 if n < layers else 1
            sequence += [nn.Conv2d(width * before, width * factor, 4, stride, 1, bias=groups == 0)]
            if groups > 0:
                sequence += [nn.GroupNorm(groups, width * factor)]
            sequence += [nn.LeakyReLU(0.2, True)]
            before = factor
        sequence += [nn.Conv2d(width * before, 1, 4, 1, 1)]
        self.main = nn.Sequential(*sequence)

    def forward(self, x):
        return self.main(x)


class VGG(nn.Module):
    """The features of torchvision's vgg16 in lpips' five slices, under their names there."""

    def __init__(self, widths):
        super().__init__()
        place, inputs = 0, 3
        for index, (count, width) in enumerate(zip([2, 2, 3, 3, 3], widths)):
            modules = nn.Sequential()
            if index > 0:
                modules.add_module(str(place), nn.MaxPool2d(2, 2))
                place += 1
            for _ in range(count):
                modules.add_module(str(place), nn.Conv2d(inputs, width, 3, padding=1))
                modules.add_module(str(place + 1), nn.ReLU())
                place, inputs = place + 2, width
            setattr(self, f"slice{index + 1}", modules)

    def forward(self, x):
        features = []
        for index in range(5):
            x = getattr(self, f"slice{index + 1}")(x)
            features.append(x)
        return features


class NetLinLayer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.model = nn.Sequential(nn.Dropout(), nn.Conv2d(width, 1, 1, bias=False))

    def forward(self, x):
        return self.model(x)


class LPIPS(nn.Module):
    SHIFT = [-0.030, -0.088, -0.188]
    SCALE = [0.458, 0.448, 0.450]

    def __init__(self, widths):
        super().__init__()
        self.net = VGG(widths)
        for index, width in enumerate(widths):
            setattr(self, f"lin{index}", NetLinLayer(width))

    @staticmethod
    def normalized(x):
        return x / (torch.sqrt(torch.sum(x**2, dim=1, keepdim=True)) + 1e-10)

    def forward(self, a, b):
        shift = torch.tensor(self.SHIFT, dtype=a.dtype)[None, :, None, None]
        scale = torch.tensor(self.SCALE, dtype=a.dtype)[None, :, None, None]
        a, b = (self.net((x.expand(-1, 3, -1, -1) - shift) / scale) for x in (a, b))
        return sum(
            getattr(self, f"lin{i}")((self.normalized(x) - self.normalized(y)) ** 2).mean([2, 3], keepdim=True)
            for i, (x, y) in enumerate(zip(a, b))
        )


def evaluate(model, discriminator, lpips, x, noise, loss, kl_weight, lpips_weight, weight):
    results = {}
    posterior = model.encode(x).latent_dist
    reconstruction = model.decode(posterior.mean + posterior.std * noise).sample
    distance = cases.LOSSES[loss](reconstruction, x)
    if lpips is not None:
        distance = distance + lpips_weight * lpips(x, reconstruction).mean()
    kl = posterior.kl().mean()
    total = distance + kl_weight * kl
    if discriminator is not None:
        generator = -discriminator(reconstruction).mean()
        last = model.decoder.conv_out.weight
        near = torch.autograd.grad(distance, last, retain_graph=True)[0]
        fooled = torch.autograd.grad(generator, last, retain_graph=True)[0]
        factor = weight * torch.clamp(near.norm() / (fooled.norm() + 1e-4), 0.0, 1e4).detach()
        real, fake = discriminator(x), discriminator(reconstruction.detach())
        own = 0.5 * (F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean())
        for parameter in discriminator.parameters():
            parameter.requires_grad_(False)
        # What the autoencoder's loss gives to the discriminator's weights is not used.
        frozen_generator = -discriminator(reconstruction).mean()
        for parameter in discriminator.parameters():
            parameter.requires_grad_(True)
        total = total + factor * frozen_generator + own
        results |= {"generator": generator, "discriminator": own, "adversary_weight": factor}
    total.backward()
    results |= {"loss": total, "reconstruction": distance, "kl": kl}
    gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    if discriminator is not None:
        gradients |= {f"discriminator.{n}": p.grad.clone() for n, p in discriminator.named_parameters()}
    return {key: value.detach() for key, value in results.items()}, gradients


CASES = [
    # name, autoencoder, discriminator, widths of LPIPS, loss, [B, C, H, W], seed
    (
        "grouped-with-lpips",
        {
            "sample_size": 16,
            "block_out_channels": [8, 12],
            "down_block_types": ["DownEncoderBlock2D"] * 2,
            "up_block_types": ["UpDecoderBlock2D"] * 2,
            "latent_channels": 3,
            "norm_num_groups": 4,
        },
        {"width": 8, "layers": 2, "norm_num_groups": 4},
        [4, 6, 8, 6, 4],
        "l1",
        (2, 3, 16, 20),
        cases.SEED,
    ),
    (
        "unnormalized",
        {"in_channels": 1, "out_channels": 1, "block_out_channels": [6], "latent_channels": 1, "norm_num_groups": 2},
        {"width": 4, "layers": 3, "norm_num_groups": 0},
        None,
        "l2",
        (3, 1, 28, 24),
        cases.SEED,
    ),
    (
        "grey-lpips-alone",
        {"in_channels": 1, "out_channels": 1, "block_out_channels": [4], "latent_channels": 1, "norm_num_groups": 2},
        None,
        [3, 4, 5, 6, 7],
        "l1",
        (2, 1, 19, 26),
        14,
    ),
]


def write(name, settings, discriminator_settings, widths, loss, size, seed):
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    kl_weight, lpips_weight, weight = 0.02, 0.7, 0.6
    model = AutoencoderKL(**settings)
    modules = {"": model}
    discriminator = lpips = None
    if discriminator_settings is not None:
        discriminator = NLayerDiscriminator(size[1], **discriminator_settings)
        modules["discriminator."] = discriminator
    for module in modules.values():
        cases.perturb(module, generator)
    if widths is not None:
        lpips = LPIPS(widths).eval()
        for parameter in lpips.parameters():
            parameter.requires_grad_(False)
        for index in range(len(widths)):
            head = getattr(lpips, f"lin{index}").model[1].weight
            head.copy_(torch.rand(head.shape, generator=generator))
    states = {prefix: {k: v.clone() for k, v in module.state_dict().items()} for prefix, module in modules.items()}
    x = torch.rand(*size, generator=generator) * 2 - 1
    with torch.no_grad():
        noise = torch.randn(model.encode(x).latent_dist.mean.shape, generator=generator)
    settings_of_losses = (loss, kl_weight, lpips_weight, weight)
    single, single_gradients = evaluate(model, discriminator, lpips, x, noise, *settings_of_losses)
    for prefix, module in modules.items():
        module.load_state_dict(states[prefix])
        module.zero_grad()
        module.double()
    lpips_state = {} if lpips is None else {k: v.clone() for k, v in lpips.state_dict().items()}
    if lpips is not None:
        lpips.double()
    results, gradients = evaluate(
        model, discriminator, lpips, x.double(), noise.double(), *settings_of_losses
    )
    print(f"{name}: " + cases.precision(name, single, results, single_gradients, gradients, limit=2e-5))

    tensors = {"x": x, "noise": noise, **results}
    for prefix, state in states.items():
        tensors |= {f"model/{prefix}{key}": value for key, value in state.items()}
    tensors |= {f"grad/{key}": value for key, value in gradients.items()}
    tensors = {key: value.float().numpy() for key, value in tensors.items()}
    metadata = {
        "model": json.dumps({"kind": "autoencoder-kl", **settings}),
        "loss": loss,
        "kl_weight": str(kl_weight),
        "generator": SCRIPT,
    }
    if discriminator is not None:
        metadata["discriminator"] = json.dumps({"start": 0, "weight": weight, **discriminator_settings})
    if lpips is not None:
        metadata["perceptual_weight"] = str(lpips_weight)
        safetensors_format.write(
            cases.FIXTURES / "adversary" / "lpips" / f"{name}.safetensors",
            {key: value.numpy() for key, value in lpips_state.items()},
            {"generator": SCRIPT},
        )
    safetensors_format.write(cases.FIXTURES / "adversary" / f"{name}.safetensors", tensors, metadata)


if __name__ == "__main__":
    for case in CASES:
        write(*case)
