"""Writes cases of random models for `oboro check`, as many of each kind as asked for.

    python3 random_cases.py FOLDER [--count N] [--seed S] [--kind KIND ...]

launch/check-pytorch runs it and checks what it wrote: for people who change a model.
"""

import argparse
import pathlib
import random

import cases
import oboro_models


def annotated_unet(draw):
    groups = draw.choice([1, 2, 3, 4])
    stages = draw.randint(1, 3)
    settings = {
        "dim": groups * draw.choice([2, 4, 6]),
        "dim_mults": [draw.randint(1, 3) for _ in range(stages)],
        "channels": draw.randint(1, 3),
        "groups": groups,
        "self_condition": draw.random() < 0.3,
    }
    return settings, sides(draw, 2 ** (stages - 1)), None


def resnet_unet(draw):
    groups = draw.choice([1, 2, 4])
    stages = draw.randint(1, 3)
    settings = {
        "dim": groups * draw.choice([4, 6, 8]),
        "init_dim": draw.randint(3, 20),
        "dim_mults": [1] + [draw.randint(1, 3) for _ in range(stages - 1)],
        "channels": draw.randint(1, 3),
        "groups": groups,
        "time_embedding": draw.random() < 0.8,
    }
    return settings, sides(draw, 2 ** (stages - 1)), None


def conditional_unet(draw):
    settings = {
        "width": draw.randint(3, 12),
        "channels": draw.randint(1, 3),
        "time_embed_dim": 2 * draw.randint(2, 10),
    }
    classes = draw.choice([None, 2, 5])
    if classes:
        settings["classes"] = classes
    return settings, sides(draw, 4), classes


def dit(draw):
    heads = draw.randint(1, 4)
    patch = draw.randint(1, 4)
    side = patch * draw.randint(2, 5)
    classes = draw.randint(1, 5)
    settings = {
        "image_size": side,
        "patch_size": patch,
        "channels": draw.randint(1, 3),
        "hidden_size": 4 * heads * draw.randint(1, 6),
        "depth": draw.randint(1, 3),
        "heads": heads,
        "mlp_ratio": draw.choice([1.0, 2.0, 4.0]),
        "classes": classes,
        "class_dropout": draw.choice([0.0, 0.1]),
        "learn_sigma": draw.random() < 0.3,
    }
    return settings, (side, side), classes + (settings["class_dropout"] > 0)


def attention_unet(draw):
    side = 8 * draw.randint(1, 3)
    settings = {
        "channels": draw.randint(1, 3),
        "time_dim": 2 * draw.randint(4, 32),
        "image_size": side,
        "width": 4 * draw.randint(1, 4),
    }
    return settings, (side, side), None


DRAW = {
    "annotated-unet": annotated_unet,
    "resnet-unet": resnet_unet,
    "conditional-unet": conditional_unet,
    "dit": dit,
    "attention-unet": attention_unet,
}


def sides(draw, multiple):
    return tuple(multiple * draw.randint(-(-5 // multiple), -(-24 // multiple)) for _ in range(2))


def write(kind, number, seed, folder):
    """Writes case `number` of a kind; another one in its place where float32 alone would fail it."""
    for attempt in range(20):
        draw = random.Random(f"{kind} {seed} {number} {attempt}")
        settings, size, classes = DRAW[kind](draw)
        batch = draw.randint(2, 4) if kind == "conditional-unet" else draw.randint(1, 4)
        labels = [draw.randrange(classes) for _ in range(batch)] if classes else None
        try:
            return cases.write(
                kind,
                f"{kind}-{number}",
                oboro_models.CLASSES[kind],
                settings,
                draw.choice(sorted(cases.LOSSES)),
                (batch, settings["channels"], *size),
                [draw.randrange(1000) for _ in range(batch)],
                labels,
                folder=folder,
                seed=draw.randrange(2**31),
            )
        except cases.IllConditioned as problem:
            print(problem)
    raise SystemExit(f"{kind}: no case in 20 attempts could be computed in float32")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", choices=sorted(DRAW), dest="kinds")
    arguments = parser.parse_args()
    for kind in arguments.kinds or DRAW:
        for number in range(arguments.count):
            write(kind, number, arguments.seed, arguments.folder)
