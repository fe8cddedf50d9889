"""Times diffusers' UNet2DConditionModel, with peft's adapter if there is one, or its AutoencoderKL, and prints a JSON
object; called by compare_diffusers.py.

    python3 diffusers_step.py '{"measured": "train", "model": {...}, "image_shape": [32, 32, 4], "batch_size": 8, ...}'

`sample`, `encode` and `decode` evaluate the network in inference mode; `train` and `lora` take a training step: forward
pass, loss, backward pass, Adam. Latents, timesteps, contexts and noise are drawn once, before.
"""

import json
import statistics
import sys

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

import torch_timing


def settings(job):
    return {key: value for key, value in job["model"].items() if key != "kind"}


def load(job):
    torch.manual_seed(0)
    model = UNet2DConditionModel(**settings(job))
    if "adapter" in job:
        # Imported only here: the library is large, and peak memory is measured.
        import peft

        adapter = job["adapter"]
        model.requires_grad_(False)
        model.add_adapter(
            peft.LoraConfig(r=adapter["rank"], lora_alpha=adapter["alpha"], target_modules=adapter["targets"])
        )
    return torch_timing.in_layout(model, job)


def measure_autoencoder(job):
    """Returns the seconds of each pass, and the number of weights of both halves."""
    torch.manual_seed(0)
    model = torch_timing.in_layout(AutoencoderKL(**settings(job)).eval(), job)
    height, width, channels = job["image_shape"]
    image = torch_timing.in_layout(torch.randn(job["batch_size"], channels, height, width), job)

    def encode():
        return model.encode(image).latent_dist.mean

    with torch.inference_mode(), torch_timing.precision(job):
        if job["measured"] == "encode":
            return torch_timing.seconds(encode, job["steps"]), model.num_parameters()
        # Not of an image, whose encoding would count in peak memory.
        scale = 2 ** (len(model.config.block_out_channels) - 1)
        shape = (job["batch_size"], model.config.latent_channels, height // scale, width // scale)
        latents = torch_timing.in_layout(torch.randn(shape), job)
        return torch_timing.seconds(lambda: model.decode(latents).sample, job["steps"]), model.num_parameters()


def measure(job):
    """Returns the seconds of each step, and the number of weights: of those that are trained, if any are."""
    if job["model"]["kind"] == "autoencoder-kl":
        return measure_autoencoder(job)
    model = load(job)
    height, width, channels = job["image_shape"]
    batch = job["batch_size"]
    latents = torch_timing.in_layout(torch.randn(batch, channels, height, width), job)
    timesteps = torch.randint(job["timesteps"], (batch,))
    context = torch.randn(batch, *job["context_shape"])

    def predict():
        return model(latents, timesteps, encoder_hidden_states=context).sample

    if job["measured"] == "sample":
        model.eval()
        with torch.inference_mode(), torch_timing.precision(job):
            return torch_timing.seconds(predict, job["steps"]), model.num_parameters()
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    # The fused update is the fastest of PyTorch's.
    optimizer = torch.optim.Adam(trained, fused=True)
    target = torch.randn(batch, model.config.out_channels, height, width)
    times = torch_timing.training_seconds(job, optimizer, predict, target)
    return times, sum(parameter.numel() for parameter in trained)


def main():
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    times, parameters = measure(job)
    result = {
        "torch": torch.__version__,
        "seconds": statistics.median(times),
        "parameters": parameters,
        "peak_resident_bytes": torch_timing.peak_resident_bytes(),
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
