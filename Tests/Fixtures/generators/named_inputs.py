"""Writes cases for `oboro check` whose inputs have names, from published PyTorch classes.

Precision, seeds and checks are those of `cases`.
"""

import json

import torch

import cases
import safetensors_format


def evaluate(model, forward, inputs, target, loss):
    """forward(model, inputs) -> output, or output and what is added to the loss.

    loss: a name in cases.LOSSES, or "contrastive" if what forward adds is all of it.
    """
    model.zero_grad()
    output = forward(model, inputs)
    output, value = output if isinstance(output, tuple) else (output, 0)
    if loss != "contrastive":
        value = cases.LOSSES[loss](output, target) + value
    value.backward()
    gradients = {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
        for name, parameter in model.named_parameters()
    }
    return {"output": output.detach(), "loss": value.detach()}, gradients


def doubled(value):
    return value.double() if value.is_floating_point() else value


def write(path, kind, model, settings, loss, inputs, forward, generator, *, script, metadata={}):
    """Writes a case of `model`, which is perturbed first, to `path` under FIXTURES.

    settings: the keys of the configuration's section `model`, without `kind`.
    inputs: tensors by the names that they have in the file.
    metadata: what the file says beside the model and its loss.
    """
    model.train()
    cases.perturb(model, generator)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    target = None
    if loss != "contrastive":
        with torch.no_grad():
            output = forward(model, inputs)
        shape = (output[0] if isinstance(output, tuple) else output).shape
        target = torch.randn(shape, generator=generator)

    single, single_gradients = evaluate(model, forward, inputs, target, loss)
    model.load_state_dict(state)
    double_inputs = {key: doubled(value) for key, value in inputs.items()}
    results, gradients = evaluate(
        model.double(), forward, double_inputs, None if target is None else target.double(), loss
    )

    print(f"{path}: " + cases.precision(path, single, results, single_gradients, gradients))

    tensors = {**inputs, **results}
    if target is not None:
        tensors["target"] = target
    tensors |= {f"model/{key}": value for key, value in state.items()}
    tensors |= {f"grad/{key}": value for key, value in gradients.items()}
    tensors = {key: (value.float() if value.is_floating_point() else value).numpy() for key, value in tensors.items()}
    metadata = {"model": json.dumps({"kind": kind, **settings}), "loss": loss, "generator": script, **metadata}
    safetensors_format.write(cases.FIXTURES / f"{path}.safetensors", tensors, metadata)


def write_defaults(name, make):
    """Writes what diffusers writes of the defaults of a class to ../configurations."""
    with torch.device("meta"):
        model = make()
    text = json.dumps(json.loads(model.to_json_string()), indent=1)
    (cases.FIXTURES / "configurations" / f"{name}.json").write_text(text + "\n")
