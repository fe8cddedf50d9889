"""Times PyTorch on what a configuration describes, and prints a JSON object; called by compare_pytorch.py.

    python3 pytorch_step.py '{"model": {...}, "image_shape": [28, 28, 1], "batch_size": 128, ...}'

In a job of several ranks (RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT are set) each computes its part of the batch
under DistributedDataParallel over Gloo, and rank 0 prints. A training step is forward pass, loss, backward pass, Adam;
images, timesteps and noise are drawn once, before.
"""

import json
import os
import pathlib
import statistics
import sys
import time

import torch
import torch.distributed as dist

from torch_timing import in_layout, peak_resident_bytes, precision, training_seconds

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "Docs" / "pytorch"))
import oboro_models  # noqa: E402


def load(job):
    torch.manual_seed(0)
    model = in_layout(oboro_models.make(job["model"]), job)
    if "weights" in job:
        model.load_state_dict(torch.load(job["weights"], weights_only=True))
    return model


def labels(job, count):
    classes = oboro_models.class_count(job["model"])
    return [] if classes is None else [torch.randint(classes, (count,))]


def step_seconds(job, ranks):
    """The seconds of each step."""
    model = load(job).train()
    if ranks > 1:
        model = torch.nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    height, width, channels = job["image_shape"]
    batch = job["batch_size"] // ranks
    x = in_layout(torch.randn(batch, channels, height, width), job)
    t = torch.randint(job["timesteps"], (batch,))
    conditions = [t, *labels(job, batch)]
    with torch.no_grad():
        target = torch.randn_like(model(x[:1], *[condition[:1] for condition in conditions])).expand(batch, -1, -1, -1)
        target = torch.randn_like(target)
    return training_seconds(job, optimizer, lambda: model(x, *conditions), target)


@torch.no_grad()
def sampling_seconds(job):
    """The seconds in which images are drawn by ancestral sampling (Ho et al., 2020, algorithm 2)."""
    model = load(job).eval()
    height, width, channels = job["image_shape"]
    steps, count = job["timesteps"], job["count"]
    betas = torch.linspace(1e-4, 0.02, steps)
    alphas = 1 - betas
    cumulative = alphas.cumprod(0)
    previous = torch.cat([torch.ones(1), cumulative[:-1]])
    deviations = (betas * (1 - previous) / (1 - cumulative)).sqrt()
    conditions = labels(job, count)

    def step_back(x, t):
        with precision(job):
            noise = model(x, torch.full((count,), t), *conditions)
        x = (x - betas[t] / (1 - cumulative[t]).sqrt() * noise.float()) / alphas[t].sqrt()
        return x if t == 0 else x + deviations[t] * torch.randn_like(x)

    x = in_layout(torch.randn(count, channels, height, width), job)
    step_back(x, steps - 1)
    start = time.perf_counter()
    for t in reversed(range(steps)):
        x = step_back(x, t)
    return time.perf_counter() - start


def main():
    job = json.loads(sys.argv[1])
    rank, ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    torch.set_num_threads(job["threads"])
    if ranks > 1:
        dist.init_process_group("gloo")
    result = {"torch": torch.__version__, "ranks": ranks, "threads": job["threads"]}
    if "count" in job:
        result["sampling_seconds"] = sampling_seconds(job)
    else:
        seconds = torch.tensor(step_seconds(job, ranks))
        if ranks > 1:
            # A step takes as long as its slowest rank.
            dist.all_reduce(seconds, dist.ReduceOp.MAX)
        median = statistics.median(seconds.tolist())
        result |= {"step_seconds": median, "images_per_second": job["batch_size"] / median}
    memory = torch.tensor(peak_resident_bytes())
    if ranks > 1:
        dist.all_reduce(memory, dist.ReduceOp.MAX)
    result["peak_resident_bytes"] = memory.item()
    if rank == 0:
        print(json.dumps(result), flush=True)
    if ranks > 1:
        # Skips Python's normal exit, during which Gloo's threads sometimes abort the process.
        dist.barrier()
        os._exit(0)


if __name__ == "__main__":
    main()
