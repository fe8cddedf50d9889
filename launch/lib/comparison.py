"""Programs measured in turn on the same cores, and tables of what was measured: what launch/compare-pytorch and
launch/compare-diffusers have in common.
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
PROGRAM = pathlib.Path(sys.argv[0]).stem.replace("_", "-")
BENCHMARKS = pathlib.Path("configs/benchmarks")


def note(text):
    print(f"    {text}", file=sys.stderr, flush=True)


def fail(text):
    sys.exit(f"{PROGRAM}: {text}")


def run(command, **environment):
    """Runs a command to its end; returns what it prints."""
    command = [str(part) for part in command]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=os.environ | environment)
    if done.returncode == -signal.SIGKILL:
        fail(f"this was killed, probably because memory was full: {' '.join(command)}")
    if done.returncode != 0:
        fail(f"this failed: {' '.join(command)}")
    return done.stdout


def under_mpi(ranks, command):
    if ranks == 1:
        return command
    return ["mpirun", "--quiet", "--oversubscribe", "--bind-to", "none", "-n", ranks, *command]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def run_torch(script, job, ranks=1):
    """The JSON object that a script of this folder prints for a job, or its rank 0."""
    command = [sys.executable, HERE / script, json.dumps(job)]
    if ranks == 1:
        return json.loads(run(command, OMP_NUM_THREADS=str(job["threads"])))
    shared = {
        "WORLD_SIZE": str(ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "OMP_NUM_THREADS": str(job["threads"]),
    }
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | shared | {"RANK": str(rank)})
        for rank in range(ranks)
    ]
    outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        fail("PyTorch failed on several ranks; its message is above")
    return json.loads(outputs[0])


class Variant:
    """A way to compute what is compared."""

    def __init__(self, program, name, ranks, threads, measure, kind):
        self.program, self.name, self.ranks, self.threads = program, name, ranks, threads
        self.measure, self.kind = measure, kind
        self.results = []

    def median(self, key):
        return statistics.median(result[key] for result in self.results)


def torch_variants():
    """Name, kind and settings of the ways to run PyTorch eagerly in one process."""
    for bf16 in (False, True):
        for channels_last in (False, True):
            name = f"{'bf16 autocast' if bf16 else 'float32'}{', channels_last' if channels_last else ''}"
            yield name, "bf16" if bf16 else "float32", {"bf16": bf16, "channels_last": channels_last}


def take_turns(variants, rounds, title, summary):
    """Rounds in which every variant has its turn: what disturbs the machine for a while disturbs all."""
    for index in range(rounds):
        for variant in variants:
            variant.results.append(variant.measure())
            note(
                f"{title}, round {index + 1} of {rounds}: {variant.program} {variant.name}, "
                f"{variant.ranks} x {variant.threads}: {summary(variant.results[-1])}"
            )


def ratios(variants, rate):
    """For each variant, its rate relative to PyTorch's best in float32, and to its best in bf16."""
    best = {
        kind: max(rate(variant) for variant in variants if variant.kind == kind) for kind in ("float32", "bf16")
    }
    return [{f"to_best_{kind}": rate(variant) / value for kind, value in best.items()} for variant in variants]


def describe(oboro, path):
    """What `oboro inspect` says of a configuration: its sections `configuration`, with all defaults, and `model`."""
    return json.loads(run([oboro, "inspect", "--json", path]))


def markdown(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def parser(least_steps):
    """The options of every comparison."""
    result = argparse.ArgumentParser(prog=f"launch/{PROGRAM}")
    result.add_argument("--configs", nargs="+", metavar="FILE")
    result.add_argument("--steps", type=at_least(least_steps), default=5, help="timed steps of each measurement")
    result.add_argument("--rounds", type=at_least(1), default=2, help="how often each has its turn")
    result.add_argument("--json", action="store_true")
    result.add_argument("--oboro", required=True, help=argparse.SUPPRESS)
    result.add_argument("--cores", type=int, required=True, help=argparse.SUPPRESS)
    return result


def at_least(least):
    def number(text):
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, is {value}")
        return value

    return number
