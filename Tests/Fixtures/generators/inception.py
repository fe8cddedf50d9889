"""Writes ../evaluation/inception-*.safetensors: pytorch-fid's Inception-v3 with random weights, and its features.

    OMP_NUM_THREADS=1 python3 inception.py

needs torch, torchvision and pytorch-fid. Every layer has a sixteenth of its channels, and weights that float16
holds: the file would otherwise have 95 MB. The committed files were written with torch 2.15.0, torchvision 0.29.2 and pytorch-fid 0.3.0 on the CPU.

For the network as it is, by hand:

    OMP_NUM_THREADS=1 python3 inception.py --full /tmp/inception
    OBORO_INCEPTION=/tmp/inception swift test -c release --filter InceptionTests

`weights` holds the state dict, `features` [N, D] those of images whose bytes are a formula, see `image`.
"""

import argparse
import pathlib

import numpy as np
import pytorch_fid.inception
import torch
import torchvision

import safetensors_format

# Height, width, channels: enlarged, reduced, as they are, and grey.
SIZES = [(32, 32, 3), (311, 420, 3), (299, 299, 3), (28, 45, 1)]


def image(height, width, channels):
    """Bytes [H, W, C]."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    return ((x * 7 + y * 13 + c * 31 + x * y // 8) % 256).astype(np.uint8)


def narrow(network, divisor):
    """Divides the channels of every layer, but not those of the image."""
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, torchvision.models.inception.BasicConv2d):
                conv = child.conv
                inputs = conv.in_channels if conv.in_channels == 3 else conv.in_channels // divisor
                setattr(module, name, torchvision.models.inception.BasicConv2d(
                    inputs, conv.out_channels // divisor, kernel_size=conv.kernel_size, stride=conv.stride,
                    padding=conv.padding))


def build(divisor):
    """The network, and pytorch-fid's module around its layers."""
    module = pytorch_fid.inception
    module.load_state_dict_from_url = lambda *_, **__: {}
    load = torch.nn.Module.load_state_dict
    torch.nn.Module.load_state_dict = lambda self, _: None
    network = module.fid_inception_v3()
    torch.nn.Module.load_state_dict = load
    if divisor > 1:
        narrow(network, divisor)
    module.fid_inception_v3 = lambda: network
    return network, module.InceptionV3([3])


def tensor(bytes_):
    """As torchvision's ToTensor has it, after PIL's convert("RGB")."""
    values = torch.from_numpy(bytes_).permute(2, 0, 1).float().div(255)
    return values.expand(3, -1, -1)[None]


def randomise(model):
    """Random factors, and statistics of what passes: so that no layer is silent."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.3)
            module.momentum = None
    model.train().requires_grad_(False)
    for seed in range(2):
        noise = torch.rand(4, 3, 40, 40, generator=torch.Generator().manual_seed(seed))
        model(noise)
    model.eval()


def main(divisor, weights, features):
    torch.manual_seed(17)
    network, model = build(divisor)
    randomise(model)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight.copy_(module.weight.half())
        values = torch.stack([model(tensor(image(*size)))[0].flatten() for size in SIZES])
    print("features", tuple(values.shape), "mean", values.mean().item(), "deviation", values.std().item())
    # The classifier, whose width is nobody's business here, is left out of the small file.
    state = {k: v.numpy() for k, v in network.state_dict().items() if divisor == 1 or not k.startswith("fc.")}
    state = {k: v.astype(np.float16) if k.endswith("conv.weight") else v for k, v in state.items()}
    metadata = {"generator": f"inception.py, torch {torch.__version__}, torchvision {torchvision.__version__}"}
    safetensors_format.write(weights, {k: v.reshape(-1) if v.ndim == 0 else v for k, v in state.items()}, metadata)
    safetensors_format.write(features, {"features": values.numpy()}, metadata)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", type=pathlib.Path, help="where to write the network of full width")
    full = parser.parse_args().full
    folder = full or pathlib.Path(__file__).resolve().parent.parent / "evaluation"
    folder.mkdir(exist_ok=True)
    main(1 if full else 16, folder / "inception-weights.safetensors", folder / "inception-features.safetensors")
