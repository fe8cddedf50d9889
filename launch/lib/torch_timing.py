"""How PyTorch is timed by pytorch_step.py and diffusers_step.py."""

import contextlib
import resource
import time

import torch
import torch.nn.functional as F

LOSSES = {"l1": F.l1_loss, "l2": F.mse_loss, "huber": F.smooth_l1_loss}
WARM_UP_STEPS = 2


def in_layout(value, job):
    """A tensor or a module in the job's memory format."""
    return value.to(memory_format=torch.channels_last if job["channels_last"] else torch.contiguous_format)


def precision(job):
    return torch.autocast("cpu", dtype=torch.bfloat16) if job["bf16"] else contextlib.nullcontext()


def seconds(action, count):
    """Of each of `count` calls, after some that do not count."""
    times = []
    for _ in range(WARM_UP_STEPS + count):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return times[WARM_UP_STEPS:]


def training_seconds(job, optimizer, predict, target):
    """Of each training step: forward pass, loss, backward pass, update."""
    loss = LOSSES[job["loss"]]

    def step():
        with precision(job):
            output = predict()
        loss(output.float(), target).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return seconds(step, job["steps"])


def peak_resident_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
