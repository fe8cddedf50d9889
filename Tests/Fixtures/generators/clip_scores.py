"""Writes ../evaluation/clip, a small CLIPModel of transformers with random weights, its tokeniser and its image processor;
../evaluation/clip-pictures, pictures; and ../evaluation/clip.safetensors: the embeddings of the pictures and of CAPTIONS,
CLIP scores and CMMD.

    OMP_NUM_THREADS=1 python3 clip_scores.py

needs torch, transformers and Pillow. The committed files were written with the versions that the metadata name.
`generated` are the embeddings [N, D] of the pictures of ../evaluation/clip-pictures/generated, `reference` those of
.../reference; `texts` those of CAPTIONS, one for each generated picture. `score` is torchmetrics' formula: the mean of
100 cos(image, text); `score_error` its standard error. `cmmd` is that of google-research/cmmd, `cmmd_error` its jackknife,
each image left out in turn and all computed anew. `resized` and `enlarged` [H, W, 3] are two of the pictures as Pillow resizes them.
"""

import json
import pathlib
import shutil

import numpy as np
import PIL
import PIL.Image
import torch
import transformers
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

import safetensors_format

FOLDER = pathlib.Path(__file__).resolve().parent.parent
CAPTIONS = [
    "a photo of a cat", "two red houses by the sea", "a photo of a cat", "", "Käfer, 1950's style!", "dog " * 100,
    "the number 4711", "blue",
]
# Height, width, channels: larger and smaller than what the network sees, and grey.
SIZES = [(50, 64, 3), (36, 36, 3), (24, 31, 3), (90, 40, 3), (36, 48, 1), (37, 61, 3), (32, 32, 3), (200, 120, 1)]
MORE_SIZES = [(40, 40, 3), (31, 60, 3), (64, 64, 1), (36, 37, 3), (48, 36, 3), (77, 52, 3)]
PROCESSOR = {
    "image_processor_type": "CLIPImageProcessor", "do_convert_rgb": True, "do_resize": True, "size": {"shortest_edge": 36},
    "resample": 3, "do_center_crop": True, "crop_size": {"height": 32, "width": 32}, "do_rescale": True,
    "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}


def picture(index, height, width, channels):
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    wave = np.sin(x / (3 + index) + c) * np.cos(y / (2 + index % 3)) * 90 + 128
    noise = (x * 31 + y * 57 + c * 11 + index * 7) * (x + 3) // 5 % 61
    return np.clip(wave + noise, 0, 255).astype(np.uint8)


def write_pictures(name, sizes, offset):
    folder = FOLDER / "evaluation" / "clip-pictures" / name
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for index, size in enumerate(sizes):
        samples = picture(index + offset, *size)
        image = PIL.Image.fromarray(samples[..., 0] if size[2] == 1 else samples)
        image.save(folder / f"{index:02}.png")
        images.append(image)
    return images


def resized(image, width, height):
    """As one call did before version 13 of Pillow, which takes the other order for some sizes."""
    return image.resize((width, image.height), PIL.Image.BICUBIC).resize((width, height), PIL.Image.BICUBIC)


def prepared(image):
    """What CLIPImageProcessor makes of a picture: its steps, on Pillow, as transformers had them before version 5."""
    image = image.convert("RGB")
    short = min(image.size)
    size = PROCESSOR["size"]["shortest_edge"]
    # The longer side is rounded down.
    width, height = (int(size * side / short) for side in image.size)
    image = resized(image, width, height)
    crop = PROCESSOR["crop_size"]["height"]
    top, left = (height - crop) // 2, (width - crop) // 2
    values = np.asarray(image)[top:top + crop, left:left + crop].astype(np.float32) * PROCESSOR["rescale_factor"]
    values = (values - np.array(PROCESSOR["image_mean"])) / np.array(PROCESSOR["image_std"])
    return torch.from_numpy(values.astype(np.float32)).permute(2, 0, 1)


def model():
    torch.manual_seed(23)
    network = CLIPModel(CLIPConfig(
        projection_dim=10,
        text_config={
            "vocab_size": 1114, "hidden_size": 12, "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 3,
            "max_position_embeddings": 77, "bos_token_id": 1112, "eos_token_id": 1113},
        vision_config={
            "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32,
            "patch_size": 8}))
    with torch.no_grad():
        for parameter in network.parameters():
            # New weights are so small that all embeddings are alike.
            parameter.add_(0.3 * torch.randn_like(parameter))
            parameter.copy_(parameter.half())
    return network.eval()


def save(network):
    folder = FOLDER / "evaluation" / "clip"
    shutil.rmtree(folder, ignore_errors=True)
    network.half().save_pretrained(folder)
    network.float()
    shutil.copytree(FOLDER / "tokens" / "sd1", folder, dirs_exist_ok=True)
    settings = json.loads((folder / "config.json").read_text())
    settings.pop("_name_or_path", None)
    (folder / "config.json").write_text(json.dumps(settings, indent=2) + "\n")
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR, indent=2) + "\n")
    return folder


def discrepancy(x, y, sigma=10, scale=1000):
    """CMMD, as google-research/cmmd defines it, in float64."""
    gamma = 1 / (2 * sigma**2)

    def kernel(a, b):
        squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None] - 2 * a @ b.T
        return np.exp(-gamma * squares).mean()

    return scale * (kernel(x, x) + kernel(y, y) - 2 * kernel(x, y))


def jackknife(x, y):
    total = 0
    for index, own in enumerate((x, y)):
        left = []
        for i in range(len(own)):
            pair = [x, y]
            pair[index] = np.delete(own, i, axis=0)
            left.append(discrepancy(*pair))
        left = np.array(left)
        total += (len(own) - 1) / len(own) * np.square(left - left.mean()).sum()
    return np.sqrt(total)


def unit(values):
    values = values.double().numpy()
    return values / np.linalg.norm(values, axis=1, keepdims=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    network = model()
    folder = save(network)
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    pictures = write_pictures("generated", SIZES, 0), write_pictures("reference", MORE_SIZES, 20)
    with torch.no_grad():
        images = [
            network.visual_projection(network.vision_model(torch.stack([prepared(image) for image in set_])).pooler_output)
            for set_ in pictures
        ]
        tokens = tokenizer(CAPTIONS, padding="max_length", truncation=True, max_length=77, return_tensors="pt")
        texts = network.text_projection(
            network.text_model(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask).pooler_output)
    generated, reference, texts = unit(images[0]), unit(images[1]), unit(texts)
    scores = 100 * (generated * texts).sum(1)
    tensors = {
        "generated": generated, "reference": reference, "texts": texts,
        "resized": np.asarray(resized(pictures[0][0], 46, 36)).astype(np.float32),
        "enlarged": np.asarray(resized(pictures[0][2], 46, 36)).astype(np.float32),
        "score": np.array([scores.mean()]),
        "score_error": np.array([scores.std(ddof=1) / np.sqrt(len(scores))]),
        "cmmd": np.array([discrepancy(generated, reference)]),
        "cmmd_error": np.array([jackknife(generated, reference)]),
    }
    for name in ("score", "score_error", "cmmd", "cmmd_error"):
        print(name, tensors[name][0])
    print("scores", scores)
    safetensors_format.write(
        FOLDER / "evaluation" / "clip.safetensors", tensors,
        {
            "generator": f"clip_scores.py, torch {torch.__version__}, transformers {transformers.__version__}, "
            f"Pillow {PIL.__version__}",
            "captions": json.dumps(CAPTIONS),
        })
