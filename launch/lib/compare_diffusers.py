"""Measures Oboro and diffusers in turn on the same cores, and prints a table. Called by launch/compare-diffusers, which
prepares what it needs: the command oboro, a Python with PyTorch, diffusers and peft.
"""

import json
import pathlib

from comparison import BENCHMARKS, Variant, describe, fail, markdown, parser, ratios, run, run_torch, take_turns
from comparison import torch_variants

DEFAULT = BENCHMARKS / "unet-condition-140.yaml"
# What is measured of the networks of each kind.
MEASURED = {"unet-condition": ("sample", "train", "lora"), "autoencoder-kl": ("encode", "decode")}
ALL_MEASURED = [measured for some in MEASURED.values() for measured in some]
GUIDANCE = 7.5
# A guided evaluation is one with the prompt and one without.
GUIDED_LATENTS = 2
# Those of a text, by CLIP's text encoders.
CONTEXT_TOKENS = 77
# What diffusers' train_text_to_image_lora.py adapts.
ADAPTER = {"kind": "lora", "rank": 8, "alpha": 8, "targets": ["to_q", "to_k", "to_v", "to_out.0"]}


class Comparison:
    """One configuration's network, as both programs are told of it."""

    def __init__(self, path, options):
        description = describe(options.oboro, path)
        self.path, self.options = path, options
        self.configuration = description["configuration"]
        self.parameters = description["model"]["parameters"]
        model = self.configuration["model"]
        if model["kind"] not in MEASURED:
            fail(f"{path}: model.kind is {model['kind']}, expected one of {', '.join(MEASURED)}")
        self.measured = [measured for measured in options.only if measured in MEASURED[model["kind"]]]
        if not self.measured:
            fail(f"{path}: --only {' '.join(options.only)} measures nothing of a network of kind {model['kind']}")
        size = model.get("sample_size")
        if size is None:
            fail(f"{path}: model.sample_size is missing, the height and width of what the network takes")
        height, width = size if isinstance(size, list) else (size, size)
        self.image_shape = [height, width, model["in_channels"]]

    def oboro(self, measured, precision):
        """Runs Oboro's benchmark."""
        height, width, _ = self.image_shape
        settings = {"training.precision": precision}
        seconds = "step_seconds"
        if measured == "sample":
            settings |= {"sampling.guidance": GUIDANCE, "sampling.steps": self.options.steps}
            command = [self.options.oboro, "bench", "sample", "--count", 1]
            seconds = "seconds_per_evaluation"
        elif measured in MEASURED["autoencoder-kl"]:
            command = [self.options.oboro, "bench", "autoencoder", "--only", measured, "--steps", self.options.steps]
            seconds = f"{measured}_seconds"
        else:
            command = [self.options.oboro, "bench", "step", "--steps", self.options.steps]
        if measured == "lora":
            # Its weights are random: the base is not read.
            settings |= {"base": "none", "adapter": json.dumps(ADAPTER)}
        for key, value in settings.items():
            command += ["--set", f"{key}={value}"]
        command += ["--config", self.path, "--size", f"{height}x{width}", "--threads", self.options.cores, "--json"]
        result = json.loads(run(command))
        return {
            "seconds": result[seconds],
            "parameters": result.get("parameters", self.parameters),
            "peak_resident_bytes": result["peak_resident_bytes"],
        }

    def batch_size(self, measured):
        """How many latents or images go through the network together."""
        if measured in MEASURED["autoencoder-kl"]:
            return 1
        return GUIDED_LATENTS if measured == "sample" else self.configuration["training"]["batch_size"]

    def diffusers(self, measured, settings):
        """Runs diffusers on the same network."""
        model = self.configuration["model"]
        job = {
            "measured": measured,
            "model": model,
            "image_shape": self.image_shape,
            "batch_size": self.batch_size(measured),
            "steps": self.options.steps,
            "threads": self.options.cores,
        }
        if model["kind"] == "unet-condition":
            job["context_shape"] = [CONTEXT_TOKENS, model["cross_attention_dim"]]
            job["timesteps"] = self.configuration["diffusion"]["timesteps"]
            job["loss"] = self.configuration["diffusion"]["loss"]
        if measured == "lora":
            job["adapter"] = ADAPTER
        return run_torch("diffusers_step.py", job | settings)

    def variants(self, measured):
        cores = self.options.cores
        # An autoencoder is always computed in float32.
        precisions = ("float32",) if measured in MEASURED["autoencoder-kl"] else ("float32", "bf16")
        for precision in precisions:
            yield Variant("Oboro", precision, 1, cores, lambda precision=precision: self.oboro(measured, precision), "")
        for name, kind, settings in torch_variants():
            yield Variant(
                "diffusers", name, 1, cores, lambda settings=settings: self.diffusers(measured, settings), kind
            )

    def rows(self, measured):
        title = pathlib.Path(self.path).stem
        found = list(self.variants(measured))
        take_turns(found, self.options.rounds, f"{title}, {measured}", lambda result: f"{result['seconds']:.3f} s")
        counts = {variant.program: variant.results[0]["parameters"] for variant in found}
        if len(set(counts.values())) > 1:
            fail(f"{title}, {measured}: the networks differ, their numbers of trained weights are {counts}")
        return [
            {
                "configuration": title,
                "measured": measured,
                "parameters": counts[variant.program],
                "program": variant.program,
                "variant": variant.name,
                "threads": variant.threads,
                "seconds": variant.median("seconds"),
                "samples_per_second": self.batch_size(measured) / variant.median("seconds"),
                "peak_resident_bytes": variant.median("peak_resident_bytes"),
            }
            | ratio
            for variant, ratio in zip(found, ratios(found, lambda variant: 1 / variant.median("seconds")))
        ]


def table(rows):
    header = ["configuration", "measured", "program", "seconds", "samples/s", "to best float32", "to best bf16"]
    return markdown(
        [*header, "peak MB"],
        [
            [
                row["configuration"],
                row["measured"],
                f"{row['program']}, {row['variant']}",
                f"{row['seconds']:.3f}",
                f"{row['samples_per_second']:.2f}",
                f"{row['to_best_float32']:.2f}",
                f"{row['to_best_bf16']:.2f}",
                f"{row['peak_resident_bytes'] / 1e6:.0f}",
            ]
            for row in rows
        ],
    )


def main():
    reader = parser(least_steps=1)
    reader.add_argument("--only", nargs="+", choices=ALL_MEASURED, default=ALL_MEASURED, help="what is measured")
    options = reader.parse_args()
    comparisons = [Comparison(path, options) for path in options.configs or [str(DEFAULT)]]
    rows = [row for comparison in comparisons for measured in comparison.measured for row in comparison.rows(measured)]
    print(json.dumps(rows, indent=2) if options.json else table(rows))


if __name__ == "__main__":
    main()
