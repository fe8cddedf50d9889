"""Writes ../controlnet/*.safetensors: cases for `oboro check` of a control network before a denoiser, from diffusers'
ControlNetModel and UNet2DConditionModel; and ../configurations/controlnet.json, what diffusers writes of the class's defaults.

    python3 controlnet.py

The committed files were written with torch 2.15.0 and diffusers 0.42.1. Precision, seeds and checks are those of `cases`.
"""

import json

import diffusers
import torch
from diffusers import ControlNetModel, UNet2DConditionModel

import cases
import named_inputs
import safetensors_format

SCRIPT = f"controlnet.py, torch {torch.__version__}, diffusers {diffusers.__version__}"
SMALL = {
    "block_out_channels": [4, 8],
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "norm_num_groups": 2,
    "layers_per_block": 1,
    "attention_head_dim": 2,
    "cross_attention_dim": 6,
}
CASES = [
    # name, the keys of both networks, those of the denoiser alone, those of the control network alone, loss, scale
    (
        "halved-twice-l2",
        SMALL,
        {"up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"]},
        {"conditioning_embedding_out_channels": [3, 4, 5]},
        "l2",
        4,
    ),
    (
        "options-huber",
        {
            **SMALL,
            "in_channels": 3,
            "block_out_channels": [4, 6, 8],
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
            "attention_head_dim": [1, 2, 3],
            "transformer_layers_per_block": [1, 2, 1],
            "use_linear_projection": True,
            "resnet_time_scale_shift": "scale_shift",
            "downsample_padding": 0,
            "mid_block_scale_factor": 2.0,
            "num_class_embeds": 4,
            "flip_sin_to_cos": False,
            "freq_shift": 1,
            "act_fn": "gelu",
        },
        {"out_channels": 3, "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"]},
        {
            "conditioning_channels": 2,
            "conditioning_embedding_out_channels": [4, 5],
            "controlnet_conditioning_channel_order": "bgr",
        },
        "huber",
        2,
    ),
    (
        "no-middle-attention-l1",
        {**SMALL, "layers_per_block": 2, "mid_block_type": "UNetMidBlock2D", "only_cross_attention": True},
        {"up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"]},
        {"conditioning_channels": 1, "conditioning_embedding_out_channels": [4]},
        "l1",
        1,
    ),
]


def predict(denoiser, control, inputs):
    shared = {"encoder_hidden_states": inputs["context"], "class_labels": inputs.get("y")}
    skips, middle = control(inputs["x"], inputs["t"], controlnet_cond=inputs["control"], return_dict=False, **shared)
    return denoiser(
        inputs["x"], inputs["t"], down_block_additional_residuals=skips, mid_block_additional_residual=middle, **shared
    ).sample


def evaluate(denoiser, control, inputs, target, loss_name):
    control.zero_grad()
    output = predict(denoiser, control, inputs)
    loss = cases.LOSSES[loss_name](output, target)
    loss.backward()
    gradients = {name: value.grad.clone() for name, value in control.named_parameters()}
    return {"output": output.detach(), "loss": loss.detach()}, gradients


def write(name, both, denoiser_settings, control_settings, loss, scale, seed):
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    denoiser_settings = {**both, **denoiser_settings}
    control_settings = {**both, **control_settings}
    denoiser, control = UNet2DConditionModel(**denoiser_settings), ControlNetModel(**control_settings)
    for model in (denoiser, control):
        cases.perturb(model, generator)
    size = (2, both.get("in_channels", 4), 8, 8)
    inputs = {
        "x": torch.randn(*size, generator=generator),
        "t": torch.tensor([3, 621]),
        "context": torch.randn(2, 5, both["cross_attention_dim"], generator=generator),
        "control": torch.rand(
            2, control_settings.get("conditioning_channels", 3), 8 * scale, 8 * scale, generator=generator
        ),
    }
    if "num_class_embeds" in both:
        inputs["y"] = torch.tensor([3, 0])
    with torch.no_grad():
        target = torch.randn(predict(denoiser, control, inputs).shape, generator=generator)
    state = {f"denoiser/{key}": value.clone() for key, value in denoiser.state_dict().items()}
    state |= {f"control/{key}": value.clone() for key, value in control.state_dict().items()}
    single, single_gradients = evaluate(denoiser, control, inputs, target, loss)
    double = {key: named_inputs.doubled(value) for key, value in inputs.items()}
    results, gradients = evaluate(denoiser.double(), control.double(), double, target.double(), loss)

    print(f"{name}: " + cases.precision(name, single, results, single_gradients, gradients))

    tensors = {**inputs, **results, "target": target, **state}
    tensors |= {f"grad/{key}": value for key, value in gradients.items()}
    tensors = {key: (value.float() if value.is_floating_point() else value).numpy() for key, value in tensors.items()}
    model = {
        "denoiser": {"kind": "unet-condition", **denoiser_settings},
        "control": {"kind": "controlnet", **control_settings},
    }
    metadata = {"model": json.dumps(model), "loss": loss, "generator": SCRIPT}
    safetensors_format.write(cases.FIXTURES / "controlnet" / f"{name}.safetensors", tensors, metadata)


if __name__ == "__main__":
    (cases.FIXTURES / "controlnet").mkdir(exist_ok=True)
    named_inputs.write_defaults("controlnet", ControlNetModel)
    for case in CASES:
        cases.write_well_conditioned(write, case)
