"""Writes ../evaluation/metrics.safetensors: metrics of sets of features and of images, by their published programs; and
../evaluation/*.npy, the features 0, 1.5, -3, ... [3, 2] in NumPy's types.

    OMP_NUM_THREADS=1 python3 evaluation.py

needs torch, torch-fidelity, prdc and scikit-image. The committed file was written with torch 2.15.0, torch-fidelity
0.4.0, prdc 0.2 and the scikit-image that the metadata names. Each case has `CASE/generated` and `CASE/reference`,
float64 [N, D], and one number for each metric.
"""

import contextlib
import io
import pathlib

import numpy as np
import prdc
import skimage
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kernel_poly, kid_features_to_metric, mmd2
from torch_fidelity.metric_prc import prc_features_to_metric

import safetensors_format

RNG = np.random.default_rng(17)


def features(count, width, scale=1.0, shift=0.0):
    """Correlated, positive and sparse, as features after a ReLU and a mean are. Float32's values."""
    mixing = RNG.normal(size=(width, width)) / np.sqrt(width)
    values = np.maximum(RNG.normal(size=(count, width)) @ mixing * scale + shift, 0)
    return values.astype(np.float32).astype(np.float64)


def kernel_distance(x, y):
    """The unbiased estimate; mmd2 asks for equal sizes."""
    kwargs = {"kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1}
    xx, yy, xy = (kernel_poly(a, b, **kwargs) for a, b in ((x, x), (y, y), (x, y)))
    if len(x) == len(y):
        value = mmd2(xx, xy, yy)
        whole = kid_features_to_metric(
            torch.from_numpy(x), torch.from_numpy(y), kid_subsets=1, kid_subset_size=len(x), verbose=False, rng_seed=0,
            **kwargs)["kernel_inception_distance_mean"]
        assert abs(whole - value) < 1e-9 * abs(value) + 1e-12
        return value
    m, n = len(x), len(y)
    return ((xx.sum() - np.trace(xx)) / (m * (m - 1)) + (yy.sum() - np.trace(yy)) / (n * (n - 1)) - 2 * xy.mean())


def jackknife(x, y):
    """The standard error by leaving out one image at a time, each time computed anew."""
    total = 0
    for index, own in enumerate((x, y)):
        left = []
        for i in range(len(own)):
            pair = [x, y]
            pair[index] = np.delete(own, i, axis=0)
            left.append(kernel_distance(*pair))
        left = np.array(left)
        total += (len(own) - 1) / len(own) * np.square(left - left.mean()).sum()
    return np.sqrt(total)


def discrepancy(x, y, sigma=10, scale=1000):
    """CMMD, as google-research/cmmd defines it, in float64."""
    x, y = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in (x, y))
    kernel = lambda a, b: np.exp(-np.square(a[:, None] - b[None]).sum(-1) / (2 * sigma**2)).mean()
    return scale * (kernel(x, x) + kernel(y, y) - 2 * kernel(x, y))


def clip_score(x, y):
    x, y = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in (x, y))
    return 100 * (x * y).sum(1).mean()


def metrics(generated, reference):
    a, b = torch.from_numpy(generated), torch.from_numpy(reference)
    statistics = [fid_features_to_statistics(x) for x in (a, b)]
    neighbours = prc_features_to_metric(
        a, b, prc_neighborhood=3, prc_batch_size=10000, save_cpu_ram=False, verbose=False)
    with contextlib.redirect_stdout(io.StringIO()):
        balls = prdc.compute_prdc(reference, generated, nearest_k=5)
    return {
        "fid": fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"],
        "kid": kernel_distance(generated, reference),
        "kid_error": jackknife(generated, reference),
        "precision": neighbours["precision"],
        "recall": neighbours["recall"],
        "density": balls["density"],
        "coverage": balls["coverage"],
        "cmmd": discrepancy(generated + 0.01, reference + 0.01),
    }


def cases():
    yield "equal", features(90, 12), features(90, 12, 1.1, 0.1)
    yield "unequal", features(70, 9, 1.0, 0.3), features(110, 9)
    # Fewer images than features: covariances without full rank.
    yield "wide", features(20, 31), features(24, 31, 1.2)
    # Far apart: nothing is covered.
    yield "apart", features(30, 8), features(40, 8) + 5


def images():
    """Pairs of images [H, W, C], float32, and their range."""
    for name, shape, span in (("grey", (24, 19, 1), 1.0), ("colour", (13, 32, 3), 2.0), ("bytes", (28, 28, 1), 255.0)):
        rows, columns, channels = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
        image = (np.sin(rows / 3 + channels) * np.cos(columns / 5) + 1) / 2
        noisy = np.clip(image + RNG.normal(size=shape) * 0.1, 0, 1)
        yield name, (image * span).astype(np.float32), (noisy * span).astype(np.float32), span


if __name__ == "__main__":
    tensors = {}
    for name, generated, reference in cases():
        tensors |= {f"{name}/generated": generated, f"{name}/reference": reference}
        for metric, value in metrics(generated, reference).items():
            tensors[f"{name}/{metric}"] = np.array([value], dtype=np.float64)
    signed = RNG.normal(size=(2, 40, 6))
    tensors |= {
        "clip/images": signed[0],
        "clip/captions": signed[1],
        "clip/score": np.array([clip_score(*signed)]),
    }
    for name, image, noisy, span in images():
        a, b = image.astype(np.float64), noisy.astype(np.float64)
        similarity = structural_similarity(
            a, b, data_range=span, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
        tensors |= {
            f"{name}/image": image,
            f"{name}/noisy": noisy,
            f"{name}/range": np.array([span]),
            f"{name}/psnr": np.array([peak_signal_noise_ratio(a, b, data_range=span)]),
            f"{name}/ssim": np.array([similarity]),
        }
    folder = pathlib.Path(__file__).resolve().parent.parent / "evaluation"
    folder.mkdir(exist_ok=True)
    values = np.array([[0, 1.5], [-3, 0.25], [1024, -0.5]])
    for name, type_ in (("half", "<f2"), ("single", "<f4"), ("double-big-endian", ">f8")):
        np.save(folder / f"{name}.npy", values.astype(type_))
    safetensors_format.write(
        folder / "metrics.safetensors",
        tensors,
        {"generator": f"evaluation.py, torch {torch.__version__}, scikit-image {skimage.__version__}"},
    )
