"""Writes ../clip-text/*.safetensors and ../clip/*.safetensors: cases for `oboro check`, from transformers.

    python3 clip.py

Also writes ../configurations/clip*.json, what transformers itself writes of these classes' defaults.

The committed files were written with torch 2.15.0 and transformers 5.24.0. `clip_skip` is no key of transformers: the
last layers are left out, and the final normalisation follows, as diffusers has it.
"""

import torch
import transformers
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModel

import cases
import named_inputs

SCRIPT = f"clip.py, torch {torch.__version__}, transformers {transformers.__version__}"


def texts(generator, batch, length, vocabulary, start, end, padding, lengths):
    """Random tokens between a start and an end, then padding."""
    tokens = torch.full((batch, length), padding, dtype=torch.int64)
    for row, count in enumerate(lengths):
        tokens[row, 0] = start
        tokens[row, 1 : count - 1] = torch.randint(3, vocabulary - 3, (count - 2,), generator=generator)
        tokens[row, count - 1] = end
    return tokens


TEXT_CASES = [
    # name, settings, loss, tokens: start, end, padding, length of each text, length of all
    (
        "quick-gelu-l2",
        {
            "vocab_size": 50,
            "hidden_size": 24,
            "intermediate_size": 40,
            "num_hidden_layers": 2,
            "num_attention_heads": 3,
            "max_position_embeddings": 16,
            "eos_token_id": 49,
        },
        "l2",
        (48, 49, 49, [5, 16, 3], 16),
    ),
    # Fewer tokens than places, sizes that no vector divides.
    (
        "gelu-short-huber",
        {
            "vocab_size": 31,
            "hidden_size": 20,
            "intermediate_size": 33,
            "num_hidden_layers": 1,
            "num_attention_heads": 1,
            "max_position_embeddings": 12,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-3,
            "eos_token_id": 2,
        },
        "huber",
        (28, 30, 0, [7, 4], 9),
    ),
    # As many tokens as Stable Diffusion takes, and layers left out.
    (
        "skipped-layers-l1",
        {
            "vocab_size": 40,
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "hidden_act": "gelu_pytorch_tanh",
            "eos_token_id": 39,
            "clip_skip": 1,
        },
        "l1",
        (38, 39, 0, [77, 20], 77),
    ),
]


def text_output(skipped):
    def forward(model, inputs):
        result = model(input_ids=inputs["tokens"], output_hidden_states=True)
        if skipped == 0:
            return result.last_hidden_state
        return model.final_layer_norm(result.hidden_states[-(skipped + 1)])

    return forward


def write_texts():
    for name, settings, loss, (start, end, padding, lengths, length) in TEXT_CASES:
        torch.manual_seed(cases.SEED)
        generator = torch.Generator().manual_seed(cases.SEED)
        keys = {key: value for key, value in settings.items() if key != "clip_skip"}
        model = CLIPTextModel(CLIPTextConfig(attn_implementation="sdpa", **keys))
        tokens = texts(generator, len(lengths), length, settings["vocab_size"], start, end, padding, lengths)
        named_inputs.write(
            f"clip-text/{name}", "clip-text", model, settings, loss, {"tokens": tokens},
            text_output(settings.get("clip_skip", 0)), generator, script=SCRIPT,
        )  # fmt: skip


TEXT = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 10,
    "eos_token_id": 39,
}
VISION = {
    "hidden_size": 20,
    "intermediate_size": 28,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 12,
    "patch_size": 4,
}
CLIP_CASES = [
    ("small", {"text_config": TEXT, "vision_config": VISION, "projection_dim": 12}, 3, 12),
    # The end token's wrong number, images that the patches do not divide, one channel, another activation.
    (
        "old-end-token",
        {
            "text_config": {**TEXT, "eos_token_id": 2, "hidden_act": "gelu"},
            "vision_config": {**VISION, "num_channels": 1, "image_size": 11, "patch_size": 3, "hidden_act": "gelu"},
            "projection_dim": 7,
            "logit_scale_init_value": 1.5,
        },
        1,
        11,
    ),
]


def clip_output(model, inputs):
    result = model(input_ids=inputs["tokens"], pixel_values=inputs["x"], return_loss=True)
    return result.logits_per_image, result.loss


def write_clips():
    for name, settings, channels, side in CLIP_CASES:
        torch.manual_seed(cases.SEED)
        generator = torch.Generator().manual_seed(cases.SEED)
        model = CLIPModel(CLIPConfig(attn_implementation="sdpa", **settings))
        tokens = texts(generator, 5, 10, 40, 38, 39, 0, [10, 4, 7, 3, 5])
        x = torch.randn(5, channels, side, side, generator=generator)
        named_inputs.write(
            f"clip/{name}", "clip", model, settings, "contrastive", {"tokens": tokens, "x": x}, clip_output,
            generator, script=SCRIPT,
        )  # fmt: skip


def write_configurations():
    for name, configuration in ("clip-text", CLIPTextConfig()), ("clip", CLIPConfig()):
        path = cases.FIXTURES / "configurations" / f"{name}.json"
        path.write_text(configuration.to_json_string(use_diff=False))


if __name__ == "__main__":
    write_configurations()
    write_texts()
    write_clips()
