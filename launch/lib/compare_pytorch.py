"""Measures Oboro and PyTorch in turn on the same cores, and prints a table. Called by launch/compare-pytorch, which
prepares what it needs: the command oboro, mpirun's environment, a Python with PyTorch.
"""

import argparse
import contextlib
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
MOST_RANKS = 8
SAMPLED_IMAGES = 36


def note(text):
    print(f"    {text}", file=sys.stderr, flush=True)


def run(command, **environment):
    """Runs a command to its end; returns what it prints."""
    done = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, text=True, check=False, env=os.environ | environment
    )
    if done.returncode != 0:
        sys.exit(f"compare-pytorch: this failed: {' '.join(str(part) for part in command)}")
    return done.stdout


def under_mpi(ranks, command):
    if ranks == 1:
        return command
    return ["mpirun", "--quiet", "--oversubscribe", "--bind-to", "none", "-n", ranks, *command]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def pytorch(job, ranks=1):
    """What pytorch_step.py measures."""
    command = [sys.executable, HERE / "pytorch_step.py", json.dumps(job)]
    if ranks == 1:
        return json.loads(run(command, OMP_NUM_THREADS=str(job["threads"])))
    shared = {
        "WORLD_SIZE": str(ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "OMP_NUM_THREADS": str(job["threads"]),
    }
    processes = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | shared | {"RANK": str(rank)}
        )
        for rank in range(ranks)
    ]
    outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        sys.exit("compare-pytorch: PyTorch failed on several ranks; its message is above")
    return json.loads(outputs[0])


class Variant:
    """A way to run a training step."""

    def __init__(self, program, name, ranks, threads, measure, kind):
        self.program, self.name, self.ranks, self.threads = program, name, ranks, threads
        self.measure, self.kind = measure, kind
        self.results = []

    def median(self, key):
        return statistics.median(result[key] for result in self.results)


def describe(oboro, path):
    """The configuration with its defaults, and the shape of its images."""
    description = json.loads(run([oboro, "inspect", "--json", path]))
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
    configuration, image_shape = describe(options.oboro, path)
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

    def torch(ranks, threads, channels_last, bf16):
        return lambda: pytorch(job | {"threads": threads, "channels_last": channels_last, "bf16": bf16}, ranks)

    found = [
        Variant("Oboro", "float32", ranks, threads, oboro(ranks, threads), "ours")
        for ranks, threads in layouts
        if batch % ranks == 0
    ]
    for bf16 in (False, True):
        kind = "bf16" if bf16 else "float32"
        for channels_last in (False, True):
            name = f"{'bf16 autocast' if bf16 else 'float32'}{', channels_last' if channels_last else ''}"
            found.append(Variant("PyTorch", name, 1, cores, torch(1, cores, channels_last, bf16), kind))
        for ranks, threads in layouts[1:]:
            if batch % ranks == 0:
                name = f"{'bf16 autocast' if bf16 else 'float32'}, channels_last, DDP"
                found.append(Variant("PyTorch", name, ranks, threads, torch(ranks, threads, True, bf16), kind))
    return found


def compare(path, options):
    """Rounds in which every variant has its turn: what disturbs the machine for a while disturbs all."""
    found = variants(path, options)
    for index in range(options.rounds):
        for variant in found:
            variant.results.append(variant.measure())
            note(
                f"{path}, round {index + 1} of {options.rounds}: {variant.program} {variant.name}, "
                f"{variant.ranks} x {variant.threads}: {variant.results[-1]['images_per_second']:.2f} images/s"
            )
    best = {
        kind: max(variant.median("images_per_second") for variant in found if variant.kind == kind)
        for kind in ("float32", "bf16")
    }
    return [
        {
            "configuration": pathlib.Path(path).stem,
            "program": variant.program,
            "variant": variant.name,
            "ranks": variant.ranks,
            "threads": variant.threads,
            "images_per_second": variant.median("images_per_second"),
            "peak_resident_bytes": variant.median("peak_resident_bytes"),
            "to_best_float32": variant.median("images_per_second") / best["float32"],
            "to_best_bf16": variant.median("images_per_second") / best["bf16"],
        }
        for variant in found
    ]


def compare_sampling(path, options):
    """Images drawn by ancestral sampling with the same weights. Oboro's time is that of the whole command, from reading
    the checkpoint to writing the pictures; PyTorch's begins when the model is loaded."""
    import torch

    sys.path[:0] = [str(PROJECT / "Docs" / "pytorch"), str(PROJECT / "Tests" / "Fixtures" / "generators")]
    import oboro_models
    import safetensors_format

    configuration, image_shape = describe(options.oboro, path)
    job = job_of(configuration, image_shape, options) | {"count": SAMPLED_IMAGES, "threads": options.cores}
    rows = []
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
            return time.perf_counter() - start

        def torch_seconds(channels_last, bf16):
            settings = {"weights": f"{folder}/weights.pt", "channels_last": channels_last, "bf16": bf16}
            return lambda: pytorch(job | settings)["sampling_seconds"]

        found = [("Oboro", "float32", oboro)]
        for bf16 in (False, True):
            for channels_last in (False, True):
                name = f"{'bf16 autocast' if bf16 else 'float32'}{', channels_last' if channels_last else ''}"
                found.append(("PyTorch", name, torch_seconds(channels_last, bf16)))
        times = [[] for _ in found]
        for index in range(options.rounds):
            for (program, name, measure), seconds in zip(found, times):
                seconds.append(measure())
                note(f"sampling, round {index + 1} of {options.rounds}: {program} {name}: {seconds[-1]:.1f} s")
    for (program, name, _), seconds in zip(found, times):
        rows.append(
            {
                "configuration": pathlib.Path(path).stem,
                "program": program,
                "variant": name,
                "images": SAMPLED_IMAGES,
                "steps": job["timesteps"],
                "seconds": statistics.median(seconds),
            }
        )
    return rows


def markdown(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


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


def main():
    parser = argparse.ArgumentParser(prog="launch/compare-pytorch")
    benchmarks = sorted(str(path) for path in pathlib.Path("configs/benchmarks").glob("*.yaml"))
    parser.add_argument("--configs", nargs="+", default=benchmarks)
    parser.add_argument("--steps", type=int, default=5, help="timed steps of each measurement, at least 5")
    parser.add_argument("--rounds", type=int, default=2, help="how often each has its turn")
    parser.add_argument("--sampling", action="store_true", help="sampling instead of training")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--oboro", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=int, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.steps < 5:
        parser.error("--steps must be at least 5: the first ones after a start say little")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    measure = compare_sampling if options.sampling else compare
    rows = [row for path in options.configs for row in measure(path, options)]
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        print(sampling_table(rows) if options.sampling else training_table(rows))


if __name__ == "__main__":
    main()
