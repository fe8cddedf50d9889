"""Writes ../edges.json: pictures, and the edges that OpenCV's Canny finds in them.

    python3 edges.py

The committed file was written with opencv-python-headless 5.0.0 and NumPy 2.
"""

import base64
import json
from pathlib import Path

import cv2
import numpy as np

# height, width, channels, thresholds
CASES = [(48, 40, 1, 100, 200), (40, 56, 3, 100, 200), (33, 31, 3, 20, 90), (9, 5, 1, 0, 30), (1, 7, 1, 50, 100)]


def picture(height, width, channels, generator):
    """Rings, stripes and a box with some noise: edges in all directions, sharp and smooth ones."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    layers = []
    for channel in range(channels):
        rings = 90 * np.sin(np.hypot(x - width / 3, y - height / 2) / (1.5 + channel))
        stripes = 60 * np.sign(np.sin(0.4 * x + (0.3 + 0.2 * channel) * y))
        box = 80.0 * ((x > 0.6 * width) & (y > 0.3 * height) & (y < 0.8 * height))
        layers.append(100 + np.where(x < width / 2, rings, stripes) + box + generator.normal(0, 4, x.shape))
    return np.clip(np.stack(layers, axis=-1), 0, 255).astype(np.uint8)


def main():
    generator = np.random.default_rng(20)
    entries = []
    for height, width, channels, low, high in CASES:
        pixels = picture(height, width, channels, generator)
        edges = cv2.Canny(pixels if channels == 3 else pixels[..., 0], low, high)
        print(height, width, channels, f"{(edges > 0).mean():.3f}")
        entries.append(
            {
                "height": height,
                "width": width,
                "channels": channels,
                "low": low,
                "high": high,
                "pixels": base64.b64encode(pixels.tobytes()).decode(),
                "edges": base64.b64encode(edges.tobytes()).decode(),
            }
        )
    (Path(__file__).parent.parent / "edges.json").write_text(json.dumps(entries, indent=1) + "\n")


if __name__ == "__main__":
    main()
