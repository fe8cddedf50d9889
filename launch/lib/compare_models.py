"""Trains recipes one after the other and writes a page that compares them. Called by launch/compare-models, which says
what the options mean and prepares the command oboro and mpirun's environment.
"""

import argparse
import base64
import html
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import time

STOPPED = 75
MEASURED_STEPS = 5
DRAWN = 36
VALIDATIONS = 20
# Colours that are distinguishable on white and on black, also with colour blindness (Okabe and Ito, 2008).
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]


def note(text):
    print(f"    {text}", file=sys.stderr, flush=True)


def say(text):
    print(f"==> {text}", file=sys.stderr, flush=True)


def fail(text):
    sys.exit(f"compare-models: {text}")


class Program:
    """The command oboro."""

    def __init__(self, options):
        self.path = options.oboro
        self.ranks = options.ranks
        self.threads = max(1, options.cores // options.ranks)
        self.cores = options.cores

    def output(self, *arguments, ranks=1):
        """What it prints."""
        command, environment = self.command(arguments, ranks)
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=environment)
        if done.returncode != 0:
            fail(f"this failed: {' '.join(command)}")
        return done.stdout

    def json(self, *arguments, ranks=1):
        return json.loads(self.output(*arguments, "--json", ranks=ranks))

    def configuration(self, path):
        """All keys of a configuration with their values."""
        return self.json("inspect", "--config", path)["configuration"]

    def train(self, *arguments):
        """Ends the comparison where the run is stopped: it has saved what it has."""
        command, environment = self.command(("train", *arguments), self.ranks)
        # Ctrl-C is forwarded by us: mpirun would not give its ranks time to save.
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment, start_new_session=True)
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: process.send_signal(signal.SIGUSR1))
        status = process.wait()
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_DFL)
        if status == STOPPED:
            note("stopped; the same line goes on from there")
        if status != 0:
            sys.exit(status if status > 0 else 1)

    def command(self, arguments, ranks):
        command = [self.path, *(str(argument) for argument in arguments)]
        threads = self.threads if ranks > 1 else self.cores
        if ranks > 1:
            command = ["mpirun", "--quiet", "--oversubscribe", "--bind-to", "none", "-n", str(ranks), *command]
        return command, os.environ | {"OBORO_THREADS": os.environ.get("OBORO_THREADS", str(threads))}


class Recipe:
    """A configuration, its run, and what was measured of it."""

    def __init__(self, path, name, options, program):
        self.path, self.name, self.options, self.program = path, name, options, program
        self.folder = options.output / name
        self.run = self.folder / "run"
        self.measured = self.folder / "measurements.json"
        self.values = json.loads(self.measured.read_text()) if self.measured.exists() else {}

    def overrides(self):
        options = self.options
        pairs = list(options.set)
        if options.dataset:
            pairs.append(f"dataset.path={options.dataset}")
        if "steps" in self.values:
            steps = self.values["steps"]
            pairs.append(f"training.steps={steps}")
            if options.validation:
                pairs.append(f"dataset.validation_path={options.validation}")
                pairs.append(f"training.validation_every={max(1, steps // VALIDATIONS)}")
        return [part for pair in pairs for part in ("--set", pair)]

    def keep(self, **values):
        self.values |= values
        self.measured.write_text(json.dumps(self.values, indent=2) + "\n")

    def measure(self):
        """Speed and memory of a step, and how many steps there will be."""
        if "steps" in self.values:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        training = self.program.configuration(self.path)["training"]
        for override in self.options.set:
            key, value = override.split("=", 1)
            if key in ("training.batch_size", "training.steps"):
                training[key.split(".")[1]] = int(value)
        bench = self.program.json(
            "bench", "step", "--config", self.path, "--steps", MEASURED_STEPS, *self.overrides(),
            ranks=self.program.ranks)
        batch = training["batch_size"]
        steps = training["steps"]
        if self.options.images:
            steps = max(1, round(self.options.images / batch))
        if self.options.minutes:
            steps = max(1, round(self.options.minutes * 60 * bench["images_per_second"] / batch))
        self.keep(
            steps=steps, batch=batch, parameters=bench["parameters"], peak_bytes=bench["peak_resident_bytes"],
            flops=bench["flops_per_image"], ranks=bench["ranks"], threads=bench["threads"])

    def train(self):
        self.program.train("--config", self.path, "--output", self.run, *self.overrides())

    def draw(self):
        """Pictures of the same seed for all, and how far they are from the reference."""
        how = [
            part for name in ("sampler", "steps", "guidance")
            for part in self.given(name, getattr(self.options, name))
        ]
        prompts = ["--prompt", *self.options.prompt] if self.options.prompt else []
        start = time.monotonic()
        self.program.output(
            "sample", "--checkpoint", self.run, "--output", self.folder / "pictures", "--count", DRAWN, *how, *prompts)
        seconds = (time.monotonic() - start) / DRAWN
        features = self.given("features", self.options.features)
        scores = self.program.json(
            "evaluate", "--generated", self.run, "--reference", self.options.reference, "--count", self.options.count,
            *how, *features)
        self.keep(seconds_per_image=seconds, scores=scores)

    @staticmethod
    def given(name, value):
        return [] if value is None else [f"--{name}", value]

    def lines(self):
        return [json.loads(line) for line in (self.run / "metrics.jsonl").read_text().splitlines()]

    def configuration(self):
        return json.loads((self.run / "checkpoints/latest/manifest.json").read_text())["configuration"]


def curve(recipe, key):
    """(images, seconds of training, value) of each line of metrics that has the key."""
    points, seconds, step = [], 0.0, 0
    for line in recipe.lines():
        seconds += line["seconds"] * (line["step"] - step)
        step = line["step"]
        value = line.get(key)
        if isinstance(value, (int, float)) and math.isfinite(value):
            points.append((line["images"], seconds, value))
    return points


def smoothed(points):
    """A mean that follows the values, over a fiftieth of them."""
    rate, mean, result = 1 / max(len(points) / 50, 1), None, []
    for x, value in points:
        mean = value if mean is None else mean + rate * (value - mean)
        result.append((x, mean))
    return result


def ticks(low, high):
    """Round numbers between the two."""
    span = high - low or 1
    size = 10 ** math.floor(math.log10(span / 4))
    step = next(size * factor for factor in (1, 2, 5, 10) if span / (size * factor) <= 5)
    return [step * index for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def chart(title, unit, lines):
    """Lines [(colour, name, [(x, y)])] as SVG; values on a logarithmic axis."""
    lines = [(colour, name, points) for colour, name, points in lines if points]
    points = [point for _, _, line in lines for point in line if point[1] > 0]
    if not points:
        return ""
    width, height, left, right, top, bottom = 640, 260, 60, 16, 10, 40
    low_x, high_x = min(x for x, _ in points), max(x for x, _ in points)
    low, high = (math.log10(pick(y for _, y in points)) for pick in (min, max))
    low, high = (low - 0.02, high + 0.02) if high - low > 0.05 else (low - 0.1, high + 0.1)

    def place_x(x):
        return left + (x - low_x) / ((high_x - low_x) or 1) * (width - left - right)

    def place_y(log):
        return top + (high - log) / (high - low) * (height - top - bottom)

    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(title)}">']
    for value in ticks(10**low, 10**high):
        if value > 0 and low <= math.log10(value) <= high:
            y = place_y(math.log10(value))
            parts.append(
                f'<path class="grid" d="M{left} {y:.1f}H{width - right}"/>'
                f'<text class="value" x="{left - 6}" y="{y:.1f}">{value:.3g}</text>')
    for value in ticks(low_x, high_x):
        parts.append(f'<text class="step" x="{place_x(value):.1f}" y="{height - 22}">{value:,.4g}</text>')
    parts.append(f'<text class="step" x="{(left + width - right) / 2}" y="{height - 4}">{unit}</text>')
    for colour, name, line in lines:
        path = "L".join(f"{place_x(x):.1f} {place_y(math.log10(y)):.1f}" for x, y in line if y > 0)
        parts.append(f'<path class="line" stroke="{colour}" d="M{path}"><title>{html.escape(name)}</title></path>')
    return f"<figure><figcaption>{html.escape(title)}</figcaption>{''.join(parts)}</svg></figure>"


def charts(recipes):
    result = []
    for title, key in (("Training loss", "loss"), ("Validation loss", "validation_loss")):
        curves = [(recipe, curve(recipe, key)) for recipe in recipes]
        for unit, index in (("images", 0), ("seconds of training", 1)):
            lines = []
            for (recipe, points), colour in zip(curves, COLOURS * len(recipes)):
                line = [(point[index], point[2]) for point in points]
                lines.append((colour, recipe.name, smoothed(line) if key == "loss" else line))
            result.append(chart(f"{title}, over {unit}", unit, lines))
    return "\n".join(result)


def row(recipe, colour):
    values, scores, losses = recipe.values, recipe.values["scores"], curve(recipe, "loss")
    validation = curve(recipe, "validation_loss")
    recent = losses[-max(1, len(losses) // 10):]
    images, seconds, _ = losses[-1]
    kind = recipe.configuration()["model"]["kind"]
    return [
        f'<b style="color: {colour}">{html.escape(recipe.name)}</b>', html.escape(kind), f"{values['parameters']:,}",
        f"{values['steps']:,}", f"{images:,}", f"{seconds / 60:.1f}", f"{images / seconds:.1f}",
        f"{sum(value for _, _, value in recent) / len(recent):.5f}",
        f"{validation[-1][2]:.5f}" if validation else "",
        f"{scores['kid']:.4g} ± {scores['kid_error']:.2g}", f"{scores['fid']:.4g}",
        f"{values['seconds_per_image']:.2f}", f"{values['peak_bytes'] / 1e6:,.0f}",
    ]


HEADINGS = [
    "recipe", "network", "weights", "steps", "images", "minutes", "images/s", "loss", "validation", "KID", "FID",
    "s an image drawn", "memory, MB",
]

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --paper: #fff; --grid: #e4e7ec; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --paper: #14171b; --grid: #2b3038; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.45 system-ui, sans-serif; }
main { max-width: 80rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
td, th { padding: .3rem .6rem; border-bottom: 1px solid var(--grid); text-align: right; white-space: nowrap; }
td:nth-child(-n+2), th:nth-child(-n+2) { text-align: left; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 0 2rem; }
.samples { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: 1rem; }
figure { margin: 1rem 0 0; } figcaption { font-weight: 600; font-size: .95rem; }
figure img { width: 100%; image-rendering: pixelated; }
svg { display: block; width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
.value { text-anchor: end; dominant-baseline: middle; } .step { text-anchor: middle; }
.grid { stroke: var(--grid); fill: none; } .line { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
pre { overflow-x: auto; font-size: .85rem; } summary { font-weight: 600; margin-top: 1rem; }
"""


def picture(recipe, colour):
    file = recipe.folder / "pictures/grid.png"
    data = base64.b64encode(file.read_bytes()).decode()
    name = html.escape(recipe.name)
    return (
        f'<figure><figcaption style="color: {colour}">{name}</figcaption>'
        f'<img alt="Samples of {name}" src="data:image/png;base64,{data}"></figure>')


def remarks(recipes, options):
    """What the numbers mean, and when they do not compare."""
    if options.minutes:
        length = f"Each was to be trained for {options.minutes:g} minutes, by the speed of its first steps."
    elif options.images:
        length = f"Each was trained on {options.images:,} images, in whole steps."
    else:
        length = "Each was trained as long as its recipe says."
    first = recipes[0].values
    features = first["scores"]["generated"]["features"]
    lines = [
        length, f"Ranks: {first['ranks']}, threads of each: {first['threads']}.",
        f"KID and FID are of {options.count} drawn images and {first['scores']['reference']['images']:,} of "
        f"{options.reference}; features: {features}.",
        "Loss: the mean of the last tenth of the steps. Memory: the largest rank's, while training.",
        "A drawn image's seconds include the program's start.",
    ]
    configurations = [recipe.configuration() for recipe in recipes]
    if any(other["diffusion"] != configurations[0]["diffusion"] for other in configurations):
        lines.append("The recipes' diffusion differs, so their losses are not comparable.")
    if len({json.dumps(other["dataset"]) for other in configurations}) > 1:
        lines.append("The recipes' datasets differ.")
    return html.escape(" ".join(lines))


def page(recipes, options):
    coloured = list(zip(recipes, COLOURS * len(recipes)))
    heading = "".join(f"<th>{name}</th>" for name in HEADINGS)
    rows = "".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in row(recipe, colour)) + "</tr>" for recipe, colour in coloured)
    configurations = "".join(
        f"<details><summary>{html.escape(recipe.name)}</summary>"
        f"<pre>{html.escape((recipe.run / 'config.yaml').read_text())}</pre></details>" for recipe in recipes)
    pictures = "".join(picture(recipe, colour) for recipe, colour in coloured)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Comparison - Oboro</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{html.escape(", ".join(recipe.name for recipe in recipes))}</h1>
<div class="wide"><table><tr>{heading}</tr>{rows}</table></div>
<p>{remarks(recipes, options)}</p>
<h2>Samples</h2>
<p>Image i of all recipes is drawn from the same noise.</p>
<div class="samples">{pictures}</div>
<h2>Curves</h2>
<div class="charts">{charts(recipes)}</div>
<h2>Configurations</h2>
{configurations}
</main>
</body>
</html>
"""


def positive(kind):
    def value(text):
        number = kind(text)
        if not number > 0:
            raise argparse.ArgumentTypeError(f"must be above 0, is {text}")
        return number

    value.__name__ = kind.__name__
    return value


def parse():
    parser = argparse.ArgumentParser(prog="launch/compare-models")
    parser.add_argument("configs", nargs="+", metavar="CONFIG")
    parser.add_argument("--output", required=True, type=pathlib.Path)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--images", type=positive(int), help="train each on so many images")
    length.add_argument("--minutes", type=positive(float), help="train each for about so many minutes")
    parser.add_argument("--dataset", help="the dataset of all of them")
    parser.add_argument("--validation", help="held-out images")
    parser.add_argument("--reference", help="images that what is drawn is compared with")
    parser.add_argument("--count", type=positive(int), default=256, help="images drawn for KID")
    parser.add_argument("--features", help="Inception-v3's weights")
    parser.add_argument("--sampler")
    parser.add_argument("--steps", type=positive(int), help="steps of drawing")
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--prompt", action="append")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--ranks", type=positive(int), default=1)
    parser.add_argument("--oboro", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=int, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    for pair in options.set:
        if "=" not in pair:
            parser.error(f"--set {pair} must be KEY=VALUE")
    missing = [path for path in options.configs if not pathlib.Path(path).is_file()]
    if missing:
        parser.error(f"there is no {missing[0]}")
    return options


def named(paths):
    """Each path with the name of its file, numbered where two have the same."""
    names = [pathlib.Path(path).stem for path in paths]
    return [
        (path, name if names.count(name) == 1 else f"{name}-{names[:index].count(name) + 1}")
        for index, (path, name) in enumerate(zip(paths, names))
    ]


def main():
    options = parse()
    program = Program(options)
    if not options.reference:
        options.reference = options.validation or options.dataset or program.configuration(
            options.configs[0])["dataset"]["path"]
    recipes = [Recipe(path, name, options, program) for path, name in named(options.configs)]
    for recipe in recipes:
        say(f"Measuring {recipe.name}")
        recipe.measure()
    for recipe in recipes:
        say(f"Training {recipe.name}: {recipe.values['steps']} steps of {recipe.values['batch']} images")
        recipe.train()
    for recipe in recipes:
        say(f"Drawing with {recipe.name}")
        recipe.draw()
    report = options.output / "report.html"
    report.write_text(page(recipes, options))
    print(report)


if __name__ == "__main__":
    main()
