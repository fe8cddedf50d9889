"""Measures Oboro and PyTorch in turn on the same cores, and prints a table. Called by launch/compare-pytorch, which
prepares what it needs: the command oboro, mpirun's environment, a Python with PyTorch.
"""

import contextlib
import json
import pathlib
import sys
import tempfile
import time

from comparison import BENCHMARKS, PROJECT, Variant, describe, markdown, note, parser, ratios, run, run_torch
from comparison import take_turns, torch_variants, under_mpi

sys.path[:0] = [str(PROJECT / "Docs" / "pytorch"), str(PROJECT / "Tests" / "Fixtures" / "generators")]

MOST_RANKS = 8
SAMPLED_IMAGES = 36
SCRIPT = "pytorch_step.py"


def read(path, options):
    """The configuration with its defaults, and the shape of its images."""
    description = describe(options.oboro, path)
    return description["configuration"], description["model"]["image_shape"]


def job_of(configuration, image_shape, options):
    return {
        "model": configuration["model"],
        "image_shape": image_shape,
        "batch_size": configuration["training"]["batch_size"],
        "timesteps": configuration["diffusion"]["timesteps"],
        "loss": configuration["diffusion"]["loss"],
        "steps": options.steps,
    }


def variants(path, options):
    configuration, image_shape = read(path, options)
    training = configuration["training"]
    batch, microbatches, cores = training["batch_size"], training["microbatches"], options.cores
    job = job_of(configuration, image_shape, options)
    layouts = [(1, cores)] + ([(min(cores, MOST_RANKS), 1)] if cores > 1 else [])

    def oboro(ranks, threads):
        command = [options.oboro, "bench", "step", "--config", path, "--steps", options.steps]
        # A rank has at least one micro-batch.
        command += ["--set", f"training.microbatches={max(microbatches, ranks)}"]
        command += ["--threads", threads, "--json"]
        return lambda: json.loads(run(under_mpi(ranks, command)))

    def torch(ranks, threads, settings):
        return lambda: run_torch(SCRIPT, job | {"threads": threads} | settings, ranks)

    found = [
        Variant("Oboro", "float32", ranks, threads, oboro(ranks, threads), "ours")
        for ranks, threads in layouts
        if batch % ranks == 0
    ]
    for name, kind, settings in torch_variants():
        found.append(Variant("PyTorch", name, 1, cores, torch(1, cores, settings), kind))
        for ranks, threads in layouts[1:]:
            if batch % ranks == 0 and settings["channels_last"]:
                found.append(Variant("PyTorch", f"{name}, DDP", ranks, threads, torch(ranks, threads, settings), kind))
    return found


def compare(path, options):
    found = variants(path, options)
    take_turns(found, options.rounds, path, lambda result: f"{result['images_per_second']:.2f} images/s")
    return [
        {
            "configuration": pathlib.Path(path).stem,
            "program": variant.program,
            "variant": variant.name,
            "ranks": variant.ranks,
            "threads": variant.threads,
            "images_per_second": variant.median("images_per_second"),
            "peak_resident_bytes": variant.median("peak_resident_bytes"),
        }
        | ratio
        for variant, ratio in zip(found, ratios(found, lambda variant: variant.median("images_per_second")))
    ]


def compare_sampling(path, options):
    """Images drawn by ancestral sampling with the same weights. Oboro's time is that of the whole command, from reading
    the checkpoint to writing the pictures; PyTorch's begins when the model is loaded."""
    import oboro_models
    import safetensors_format
    import torch

    configuration, image_shape = read(path, options)
    job = job_of(configuration, image_shape, options) | {"count": SAMPLED_IMAGES, "threads": options.cores}
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        state = oboro_models.make(configuration["model"]).state_dict()
        torch.save(state, f"{folder}/weights.pt")
        # It prints its output path, but standard output is for the table.
        with contextlib.redirect_stdout(sys.stderr):
            safetensors_format.write(
                pathlib.Path(folder, "weights.safetensors"),
                {name: tensor.numpy() for name, tensor in state.items()},
                {"model": json.dumps(configuration["model"])},
            )
        size = f"{image_shape[0]}x{image_shape[1]}"
        convert = [options.oboro, "convert", f"{folder}/weights.safetensors", f"{folder}/checkpoint"]
        run([*convert, "--config", path, "--size", size])

        def oboro():
            start = time.perf_counter()
            sample = [options.oboro, "sample", "--checkpoint", f"{folder}/checkpoint", "--output", f"{folder}/samples"]
            run([*sample, "--count", SAMPLED_IMAGES, "--threads", options.cores])
            return {"sampling_seconds": time.perf_counter() - start}

        def torch_seconds(settings):
            settings = settings | {"weights": f"{folder}/weights.pt"}
            return lambda: run_torch(SCRIPT, job | settings)

        cores = options.cores
        found = [Variant("Oboro", "float32", 1, cores, oboro, "ours")]
        for name, kind, settings in torch_variants():
            found.append(Variant("PyTorch", name, 1, cores, torch_seconds(settings), kind))
        take_turns(found, options.rounds, "sampling", lambda result: f"{result['sampling_seconds']:.1f} s")
    return [
        {
            "configuration": pathlib.Path(path).stem,
            "program": variant.program,
            "variant": variant.name,
            "images": SAMPLED_IMAGES,
            "steps": job["timesteps"],
            "seconds": variant.median("sampling_seconds"),
        }
        for variant in found
    ]


def training_table(rows):
    header = ["configuration", "program", "ranks x threads", "images/s", "to best float32", "to best bf16", "peak MB"]
    return markdown(
        header,
        [
            [
                row["configuration"],
                f"{row['program']}, {row['variant']}",
                f"{row['ranks']} x {row['threads']}",
                f"{row['images_per_second']:.2f}",
                f"{row['to_best_float32']:.2f}",
                f"{row['to_best_bf16']:.2f}",
                f"{row['peak_resident_bytes'] / 1e6:.0f}",
            ]
            for row in rows
        ],
    )


def sampling_table(rows):
    return markdown(
        ["configuration", "program", "images", "steps", "seconds"],
        [
            [
                row["configuration"],
                f"{row['program']}, {row['variant']}",
                str(row["images"]),
                str(row["steps"]),
                f"{row['seconds']:.1f}",
            ]
            for row in rows
        ],
    )


def benchmarks(options):
    """The benchmarks whose networks are those of Docs/pytorch."""
    import oboro_models

    paths = sorted(str(path) for path in BENCHMARKS.glob("*.yaml"))
    return [path for path in paths if read(path, options)[0]["model"]["kind"] in oboro_models.CLASSES]


def main():
    # The first steps after a start say little.
    reader = parser(least_steps=5)
    reader.add_argument("--sampling", action="store_true", help="sampling instead of training")
    options = reader.parse_args()
    measure = compare_sampling if options.sampling else compare
    rows = [row for path in options.configs or benchmarks(options) for row in measure(path, options)]
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        print(sampling_table(rows) if options.sampling else training_table(rows))


if __name__ == "__main__":
    main()
