"""Tries every key of the configuration with the extremes of its type; see launch/verify-settings."""

import argparse
import concurrent.futures
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

# Networks and processes whose keys are tried. Common keys are tried with the first.
BASES = {
    "annotated-unet": {"model": {"dim": 8, "dim_mults": [1, 2]}, "diffusion": {"timesteps": 20}},
    "resnet-unet": {"model": {"dim": 8, "dim_mults": [1, 2], "groups": 4}, "diffusion": {"process": "edm"}},
    "conditional-unet": {"model": {"width": 8}, "diffusion": {"process": "flow"}},
    "dit": {
        "model": {"image_size": 16, "patch_size": 4, "hidden_size": 16, "depth": 1, "heads": 2},
        "diffusion": {"timesteps": 20, "prediction": "v", "zero_terminal_snr": True},
    },
    "attention-unet": {"model": {"width": 8, "image_size": 16}, "diffusion": {"timesteps": 20, "weighting": "min-snr"}},
    "unet-2d": {
        "model": {
            "block_out_channels": [8, 8],
            "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
            "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
            "norm_num_groups": 4,
            "layers_per_block": 1,
        },
        "diffusion": {"timesteps": 20, "schedule": "cosine"},
    },
}
COMMON = {
    "training": {"batch_size": 4, "microbatches": 2, "steps": 1},
    "sampling": {"every": 1, "count": 1, "steps": 2},
}
NUMBERS = [
    "0", "1", "-1", "2", "3", "7", "100", "2147483647", "2147483648", "4294967295", "4294967296",
    "9007199254740993", "4611686018427387904", "9223372036854775807", "-9223372036854775808",
    "18446744073709551615", "1e400", "1.7976931348623157e308", "-1.7976931348623157e308", "5.0e-324", "1e-30",
    "3.4e38", "0.5", "-0.0", "0.9999999999999999", ".nan", ".inf", "-.inf", "null",
]
LISTS = [
    "[]", "[0]", "[1]", "[-1]", "[0.5, 0.5]", "[.nan]", "[.inf]", "[null]", "[[]]", "[1, 2, 4, 8, 16, 32]",
    "[9223372036854775807]", "[9223372036854775807, 9223372036854775807]", "[1e308, -1e308]",
    "[" + ", ".join(["1"] * 5000) + "]",
]
TEXTS = ['""', "x", "null", "'" + "y" * 70000 + "'", "'\\u0000'", "../..", "true", "[]", "{}"]
FLAGS = ["true", "false", "null", "1", "maybe"]
# Seconds after which a running run is asked to stop, and then given to do so.
PATIENCE = 30


def keys(configuration):
    """The keys of a run's `config.yaml` with their values as text."""
    path = []
    for line in configuration.read_text().splitlines():
        content = line.split("  # ")[0].rstrip()
        depth = (len(content) - len(content.lstrip())) // 2
        key, _, value = content.strip().partition(":")
        path = path[:depth] + [key]
        if value:
            yield ".".join(path), value.strip()


def extremes(value):
    """Values to try in place of `value`."""
    if value in ("true", "false"):
        return FLAGS
    if value.startswith("["):
        return LISTS + ["3"]
    try:
        float(value)
        return NUMBERS + ["''", "[1]"]
    except ValueError:
        # Optional keys may be of any type.
        return NUMBERS + LISTS + TEXTS if value == "null" else TEXTS + ["0", "-1"]


def problem(binary, folder, base, key, value):
    """What is wrong with a run with `key` set to `value`; None if it ended as it should."""
    run = Path(tempfile.mkdtemp(dir=folder))
    command = [binary, "train", "--config", str(base), "--output", str(run / "run"), "--set", f"{key}={value}"]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=run)
    hung = False
    try:
        output, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        try:
            output, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            hung = True
    shutil.rmtree(run)
    text = output.decode(errors="replace")
    last = " / ".join(text.strip().splitlines()[-2:])[-300:]
    if hung:
        return f"goes on {PATIENCE} s after SIGTERM: {last}"
    status = process.returncode
    if status in (0, 75):
        return None
    if status not in (1, 64, 65, 74):
        return f"status {status}: {last}"
    if not any(line.startswith("oboro: ") for line in text.splitlines()):
        return f"status {status} without a message: {last}"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    binary = str(Path(options.binary).resolve())
    with tempfile.TemporaryDirectory(prefix="oboro-settings.") as folder:
        data = f"{folder}/data"
        subprocess.run(
            [binary, "prepare", "shapes", "--count", "20", "--size", "16", "--channels", "1", "--output", data],
            check=True, capture_output=True)
        trials = []
        for kind, settings in BASES.items():
            base = Path(folder, f"{kind}.yaml")
            model = {"kind": kind, "channels": 1, **settings["model"]}
            if kind == "unet-2d":
                model["in_channels"] = model["out_channels"] = 1
                del model["channels"]
            # JSON is YAML.
            base.write_text(json.dumps(
                {**COMMON, "dataset": {"path": data}, "model": model, "diffusion": settings["diffusion"]}))
            run = Path(folder, f"{kind}-run")
            made = subprocess.run(
                [binary, "train", "--config", str(base), "--output", str(run)], capture_output=True, text=True)
            if made.returncode:
                sys.exit(f"verify-settings: {kind} does not train: {made.stderr}")
            own = len(trials) == 0
            for key, value in keys(run / "config.yaml"):
                if key.startswith(options.only) and (own or key.startswith(("model.", "diffusion."))):
                    trials += [(kind, base, key, tried) for tried in extremes(value)]
        print(f"{len(trials)} runs, {options.jobs} at a time", file=sys.stderr)
        wrong = 0
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            found = pool.map(lambda trial: problem(binary, folder, *trial[1:]), trials)
            for count, ((kind, _, key, value), what) in enumerate(zip(trials, found), 1):
                if what:
                    wrong += 1
                    print(f"WRONG: {kind}: {key}={value[:60]}: {what}", flush=True)
                if count % 200 == 0:
                    print(f"    {count} of {len(trials)}", file=sys.stderr, flush=True)
        tried = len({(kind, key) for kind, _, key, _ in trials})
        print(f"keys                        {tried:6}\nruns of one step            {len(trials):6}")
        print(f"WRONG                       {wrong:6}")
        sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
