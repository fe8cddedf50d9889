"""Tries every key of the configuration with the extremes of its type; see launch/verify-settings."""

import argparse
import concurrent.futures
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

# What is trained, in order: the folders that {runs} and {data} stand for hold the runs of earlier ones and the datasets.
# Common keys are tried with the first; "tried" names the sections of the others, by default model and diffusion.
BASES = {
    "annotated-unet": {
        "model": {"kind": "annotated-unet", "channels": 1, "dim": 8, "dim_mults": [1, 2]},
        "diffusion": {"timesteps": 20},
    },
    "resnet-unet": {
        "model": {"kind": "resnet-unet", "channels": 1, "dim": 8, "dim_mults": [1, 2], "groups": 4},
        "diffusion": {"process": "edm"},
    },
    "conditional-unet": {
        "model": {"kind": "conditional-unet", "channels": 1, "width": 8}, "diffusion": {"process": "flow"},
    },
    "dit": {
        "model": {
            "kind": "dit", "channels": 1, "image_size": 16, "patch_size": 4, "hidden_size": 16, "depth": 1, "heads": 2,
        },
        "diffusion": {"timesteps": 20, "prediction": "v", "zero_terminal_snr": True},
    },
    "attention-unet": {
        "model": {"kind": "attention-unet", "channels": 1, "width": 8, "image_size": 16},
        "diffusion": {"timesteps": 20, "weighting": "min-snr"},
    },
    "unet-2d": {
        "model": {
            "kind": "unet-2d",
            "in_channels": 1,
            "out_channels": 1,
            "block_out_channels": [8, 8],
            "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
            "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
            "norm_num_groups": 4,
            "layers_per_block": 1,
        },
        "diffusion": {"timesteps": 20, "schedule": "cosine"},
    },
    "adapter": {
        "like": "unet-2d",
        "base": "{runs}/unet-2d",
        "adapter": {"kind": "lora", "rank": 2, "targets": ["attention"]},
        "tried": ["base", "adapter."],
    },
    "autoencoder-kl": {
        "model": {
            "kind": "autoencoder-kl",
            "in_channels": 1,
            "out_channels": 1,
            "latent_channels": 2,
            "block_out_channels": [4, 8],
            "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"],
            "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"],
            "norm_num_groups": 2,
            "layers_per_block": 1,
        },
        "discriminator": {"start": 0, "width": 4, "layers": 1, "norm_num_groups": 2, "optimizer": {"warmup_steps": 1}},
        "training": {"task": "autoencoder", "batch_size": 4, "microbatches": 2, "steps": 1},
        "sampling": {"every": 1, "count": 1},
        "tried": ["model.", "autoencoder.", "discriminator."],
    },
    "clip": {
        "model": {
            "kind": "clip",
            "projection_dim": 6,
            "text_config": {
                "vocab_size": 520, "eos_token_id": 519, "max_position_embeddings": 16, "hidden_size": 8,
                "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
            },
            "vision_config": {
                "image_size": 16, "patch_size": 8, "num_channels": 1, "hidden_size": 8, "intermediate_size": 8,
                "num_hidden_layers": 1, "num_attention_heads": 2,
            },
        },
        "conditioning": {"tokenizer": "{data}/tokenizer"},
        "training": {"task": "contrastive", "batch_size": 4, "microbatches": 2, "steps": 1},
        "sampling": None,
        "tried": ["model.", "conditioning."],
    },
    "unet-condition": {
        "model": {
            "kind": "unet-condition",
            "in_channels": 1,
            "out_channels": 1,
            "block_out_channels": [4, 4],
            "layers_per_block": 1,
            "norm_num_groups": 2,
            "attention_head_dim": 2,
            "cross_attention_dim": 8,
            "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
        },
        "conditioning": {"text_encoder": "{runs}/clip", "caption_dropout": 0.1},
        "diffusion": {"timesteps": 20},
        "tried": ["model.", "conditioning."],
    },
    "inversion": {
        "like": "unet-condition",
        "base": "{runs}/unet-condition",
        "inversion": {"word": "<new>", "vectors": 2, "initial": "a", "template": "a <new>"},
        "tried": ["inversion."],
    },
    "controlnet": {
        "like": "unet-condition",
        "base": "{runs}/unet-condition",
        "model": {"kind": "controlnet", "conditioning_channels": 1, "conditioning_embedding_out_channels": [4]},
        "conditioning": {"text_encoder": "{runs}/clip", "condition": "edges", "condition_dropout": 0.1},
        "tried": ["model.", "conditioning."],
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


def captioned_pictures(folder):
    """Writes 20 grey pictures of 16 x 16 as PNG, in two classes, each with its caption beside it."""
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    for index in range(20):
        rows = b"".join(bytes([0] + [(x * (index + 3) + y * 11) % 256 for x in range(16)]) for y in range(16))
        picture = Path(folder, "ab"[index % 2], f"{index}.png")
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
        picture.with_suffix(".txt").write_text(f"a picture with the number {index}")


def configuration(name, places):
    """The configuration of a base, with the folders in place of their names."""
    base = {key: value for key, value in BASES[name].items() if key not in ("like", "tried")}
    whole = {**COMMON, "dataset": {"path": "{data}/images"}}
    if "like" in BASES[name]:
        whole.update(configuration(BASES[name]["like"], {}))
    text = json.dumps({key: value for key, value in {**whole, **base}.items() if value is not None})
    for place, path in places.items():
        text = text.replace("{" + place + "}", path)
    return json.loads(text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    binary = str(Path(options.binary).resolve())
    with tempfile.TemporaryDirectory(prefix="oboro-settings.") as folder:
        places = {"data": f"{folder}/data", "runs": f"{folder}/runs"}
        captioned_pictures(Path(folder, "pictures"))
        subprocess.run(
            [binary, "prepare", "images", "--source", f"{folder}/pictures", "--size", "16", "--channels", "1",
             "--captions", "files", "--condition", "edges", "--vocabulary", f"{places['data']}/tokenizer",
             "--vocabulary-size", "520", "--context-length", "16", "--output", f"{places['data']}/images"],
            check=True, stdout=subprocess.DEVNULL)
        trials = []
        for name, settings in BASES.items():
            base = Path(folder, f"{name}.yaml")
            # JSON is YAML.
            base.write_text(json.dumps(configuration(name, places)))
            run = Path(places["runs"], name)
            made = subprocess.run(
                [binary, "train", "--config", str(base), "--output", str(run)], capture_output=True, text=True)
            if made.returncode:
                sys.exit(f"verify-settings: {name} does not train: {made.stderr}")
            sections = tuple(settings.get("tried", ["model.", "diffusion."]) if trials else [""])
            for key, value in keys(run / "config.yaml"):
                if key.startswith(options.only) and key.startswith(sections):
                    trials += [(name, base, key, tried) for tried in extremes(value)]
        print(f"{len(trials)} runs, {options.jobs} at a time", file=sys.stderr)
        wrong = 0
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            found = pool.map(lambda trial: problem(binary, folder, *trial[1:]), trials)
            for count, ((name, _, key, value), what) in enumerate(zip(trials, found), 1):
                if what:
                    wrong += 1
                    print(f"WRONG: {name}: {key}={value[:60]}: {what}", flush=True)
                if count % 200 == 0:
                    print(f"    {count} of {len(trials)}", file=sys.stderr, flush=True)
        tried = len({(name, key) for name, _, key, _ in trials})
        print(f"keys                        {tried:6}\nruns of one step            {len(trials):6}")
        print(f"WRONG                       {wrong:6}")
        sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
