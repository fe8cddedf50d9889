"""Writes cases for `oboro check`, from PyTorch models.

Needs torch and numpy only. The committed files were written with torch 2.15.0 on the CPU.

Weights, images and targets are rounded to float32, everything is then computed in float64 and rounded once at the
end: the reference is exact as far as float32 can tell. Weights are perturbed after PyTorch's initialisation, so that
no gain is 1 and no bias is 0. Seeds are fixed. Each case is also computed in float32, which must come close to the
float64 result: a case that rounding alone could fail would say nothing about an implementation.
"""

import json
import pathlib
import sys

import torch
import torch.nn.functional as F

import safetensors_format

# The models, for the generators that import this module before them.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "Docs" / "pytorch"))

FIXTURES = pathlib.Path(__file__).resolve().parent.parent
LOSSES = {"l1": F.l1_loss, "l2": F.mse_loss, "huber": F.smooth_l1_loss}
SEED = 13


class IllConditioned(Exception):
    """Rounding to float32 alone moves the results of a case so far that it says nothing: take another seed."""


def evaluate(model, loss_name, inputs, target):
    model.zero_grad()
    output = model(*inputs)
    loss = LOSSES[loss_name](output, target)
    loss.backward()
    gradients = {
        name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.requires_grad
    }
    return {"output": output.detach(), "loss": loss.detach()}, gradients


def relative_error(value, reference):
    return ((value.double() - reference).norm() / reference.norm()).item()


def gradient_errors(gradients, references):
    """Relative to the reference's length; to that of all gradients together where there is nothing but rounding.

    The gradient of a bias before a normalisation of its channel is zero: what is computed of it is rounding.
    """
    whole = torch.stack([reference.norm() for reference in references.values()]).norm()
    errors = {}
    for key, reference in references.items():
        length = reference.norm()
        distance = (gradients[key].double() - reference).norm()
        errors[key] = (distance / (length if length > 1e-6 * whole else whole)).item()
    return errors


def precision(name, single, results, single_gradients, gradients, limit=1e-5):
    """How far float32 is off the results and gradients of float64, in words. Raises IllConditioned beyond the limit."""
    errors = {key: relative_error(single[key], results[key]) for key in results}
    errors |= gradient_errors(single_gradients, gradients)
    worst = max(errors, key=errors.get)
    if not errors[worst] < limit:
        raise IllConditioned(f"{name}: float32 is off by {errors[worst]:.1e} in {worst}")
    return f"float32 is off by {errors[worst]:.1e} at most, in {worst}"


def write_well_conditioned(write, case):
    """Calls `write(*case, seed=...)` with one seed after another until the case is well conditioned."""
    for seed in range(SEED, SEED + 20):
        try:
            return write(*case, seed=seed)
        except IllConditioned as error:
            print(error)


def perturb(model, generator):
    """Moves what is trained away from the special values that it starts from."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)


def write(kind, name, make, settings, loss_name, size, timesteps, labels=None, *, folder=None, seed=SEED):
    """Writes the case `name` of the model `make(**settings)`, in training mode, to FOLDER/NAME.safetensors, by default in ../KIND.

    settings: the keys of the configuration's section `model`, without `kind`.
    size: [B, C, H, W] of x.
    timesteps, labels: B numbers; labels are given to the model if there are any.
    """
    torch.manual_seed(seed)  # What the layers are initialised from.
    model = make(**settings)
    generator = torch.Generator().manual_seed(seed)
    perturb(model, generator)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    x = torch.randn(*size, generator=generator)
    t = torch.tensor(timesteps, dtype=torch.int64)
    y = None if labels is None else torch.tensor(labels, dtype=torch.int64)
    conditions = [t] if y is None else [t, y]
    with torch.no_grad():
        target = torch.randn(model(x, *conditions).shape, generator=generator)

    single, single_gradients = evaluate(model, loss_name, [x, *conditions], target)
    model.load_state_dict(state)
    results, gradients = evaluate(model.double(), loss_name, [x.double(), *conditions], target.double())

    print(f"{kind}, {name}: " + precision(f"{kind}, {name}", single, results, single_gradients, gradients))

    tensors = {"x": x, "t": t, "target": target, **results}
    if y is not None:
        tensors["y"] = y
    tensors |= {f"model/{key}": value for key, value in state.items()}
    tensors |= {f"grad/{key}": value for key, value in gradients.items()}
    tensors = {key: (value.float() if value.is_floating_point() else value).numpy() for key, value in tensors.items()}
    metadata = {
        "model": json.dumps({"kind": kind, **settings}),
        "loss": loss_name,
        "generator": f"{kind.replace('-', '_')}.py, torch {torch.__version__}",
    }
    path = pathlib.Path(folder or FIXTURES / kind) / f"{name}.safetensors"
    safetensors_format.write(path, tensors, metadata)
    return path
