"""Writes ../arrays: images as other programs keep them, which `oboro prepare` reads. Needs h5py and numpy.

All but CIFAR-10's hold the same five images of 4 x 3 x 3, whose bytes are 0, 11, 22, ... modulo 256 in the order
[N, H, W, C], with the labels 0, 1, 2, 1, -1.
"""

import pathlib

import h5py
import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "arrays"


def pattern(*shape):
    return (np.arange(np.prod(shape)) * 11 % 256).astype("u1").reshape(shape)


def write_numpy(images, labels):
    np.save(FOLDER / "images.npy", images)
    np.save(FOLDER / "grey.npy", pattern(5, 4, 3))
    np.save(FOLDER / "channels-first.npy", np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    np.save(FOLDER / "labels.npy", labels)
    np.save(FOLDER / "labels-big-endian.npy", labels.astype(">i2"))
    np.save(FOLDER / "labels-beyond.npy", np.full(5, 1 << 40))
    np.save(FOLDER / "floats.npy", images.astype("f4"))
    np.save(FOLDER / "fortran.npy", np.asfortranarray(images))
    with open(FOLDER / "version-2.npy", "wb") as file:
        np.lib.format.write_array(file, images, version=(2, 0))
    np.savez(FOLDER / "stored.npz", images=images, labels=labels)
    np.savez_compressed(FOLDER / "deflated.npz", x=images, y=(labels % 256).astype("u1").reshape(5, 1) % 3)


def write_hdf5(images, labels):
    with h5py.File(FOLDER / "images.h5", "w") as file:
        file.create_dataset("train/x", data=images, chunks=(2, 4, 3, 3), compression="gzip")
        file.create_dataset("train/y", data=labels)
        file.create_dataset("grey", data=pattern(5, 4, 3))
        file.create_dataset("channels_first", data=images.transpose(0, 3, 1, 2))
        file.create_dataset("floats", data=images.astype("f4"))
        layout = h5py.VirtualLayout((5, 4, 3, 3), "u1")
        layout[:] = h5py.VirtualSource("missing.h5", "x", (5, 4, 3, 3))
        file.create_virtual_dataset("virtual", layout)


def write_cifar10():
    """Image r of all batches: its label is r % 10, its bytes 7 i + 31 r modulo 256 in the order [H, W, C]."""
    folder = FOLDER / "cifar-10-batches-bin"
    folder.mkdir(exist_ok=True)
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    (folder / "batches.meta.txt").write_text("\n".join(names) + "\n\n")
    batches = [(f"data_batch_{i + 1}.bin", range(2 * i, 2 * i + 2)) for i in range(5)] + [("test_batch.bin", [12])]
    for name, records in batches:
        content = b""
        for record in records:
            image = ((np.arange(3072) * 7 + record * 31) % 256).astype("u1").reshape(32, 32, 3)
            content += bytes([record % 10]) + image.transpose(2, 0, 1).tobytes()
        (folder / name).write_bytes(content)


FOLDER.mkdir(exist_ok=True)
images, labels = pattern(5, 4, 3, 3), np.array([0, 1, 2, 1, -1])
write_numpy(images, labels)
write_hdf5(images, labels)
write_cifar10()
