"""Writes ../fields: what scientific programs keep, which `oboro prepare` reads. Needs h5py and numpy.

`weather.h5` holds 6 samples on a grid of 4 x 5. With i the number of an element in the order [N, H, W]:
u = i / 8 (float32), t = 100000 + (i % 7 - 3) / 1024 (float64), p = i packed in int16 as 2 i - 100 (scale 0.5, offset 50).
"""

import pathlib

import h5py
import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "fields"
COUNT, HEIGHT, WIDTH = 6, 4, 5


def write_weather():
    i = np.arange(COUNT * HEIGHT * WIDTH).reshape(COUNT, HEIGHT, WIDTH)
    with h5py.File(FOLDER / "weather.h5", "w", libver=("earliest", "v110")) as file:
        file["lat"] = np.linspace(50, 53, HEIGHT)
        file["lat"].attrs["units"] = "degrees_north"
        file["lon"] = np.arange(WIDTH, dtype="f4")
        file["lat"].make_scale("lat")
        file["lon"].make_scale("lon")
        file.create_dataset("u", data=(i / 8).astype("f4"), chunks=(2, 4, 5), compression="gzip", shuffle=True)
        file["u"].attrs["units"] = "m s-1"
        file["u"].attrs["long_name"] = "eastward wind"
        file["u"].dims[1].attach_scale(file["lat"])
        file["u"].dims[2].attach_scale(file["lon"])
        file["t"] = 100000 + (i % 7 - 3) / 1024
        file["t"].attrs["levels"] = np.array([1.5, 2.5])
        file["p"] = (2 * i - 100).astype("i2")
        file["p"].attrs["scale_factor"] = 0.5
        file["p"].attrs["add_offset"] = 50.0
        file["p"].attrs["_FillValue"] = np.int16(-32768)
        holes = (2 * i - 100).astype("i2")
        holes[3, 1, 2] = -32768
        file["holes"] = holes
        file["holes"].attrs["_FillValue"] = np.int16(-32768)
        nan = i.astype("f4")
        nan[4, 2, 3] = np.nan
        file["nan"] = nan
        file["infinite"] = np.where(i == 77, np.inf, i).astype("f8")
        file["constant"] = np.full(i.shape, 7.5)
        file["large"] = i.astype("i4") + (1 << 24)
        file["short"] = i[:5].astype("f4")
        file["wide"] = np.zeros((COUNT, HEIGHT, WIDTH + 1), "f4")
        file["half"] = (i / 4).astype("f2")
        file["words"] = (i * 500).astype("u2")
        file["stack"] = np.stack([i, i + 1, i + 2, i + 3, i + 4], axis=-1).astype("u1")
        file["colour"] = np.zeros((4, 5, 3), "u1")
        file["reynolds"] = np.arange(COUNT) * 1000.0
        file["pair"] = np.arange(2 * COUNT, dtype="f4").reshape(COUNT, 2)
        file["text"] = np.array(["fog", "", "朧月夜", "rain", "sun", "wind and snow"], dtype=h5py.string_dtype())
        for name in ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f8"]:
            file["labels/" + name] = (np.arange(COUNT) % 3).astype(name)
        file["labels/row"] = (np.arange(COUNT) % 3).reshape(1, COUNT)
        file["labels/column"] = (np.arange(COUNT) % 3).reshape(COUNT, 1)
        file["labels/fraction"] = np.arange(COUNT) / 2
        file["labels/negative"] = np.array([-1, -2, 0, 0, 0, 0], "i1")
        # MATLAB's array of 4 x 5 x 3 x 6 (height, width, channels, samples), as its v7.3 files keep it.
        file["matlab"] = np.arange(6 * 3 * 5 * 4, dtype="u2").reshape(6, 3, 5, 4)


def write_numpy():
    i = np.arange(COUNT * HEIGHT * WIDTH * 2).reshape(COUNT, HEIGHT, WIDTH, 2)
    np.save(FOLDER / "floats.npy", (i / 8).astype(">f4"))
    np.save(FOLDER / "fortran.npy", np.asfortranarray(i.astype("i2")))
    np.savez(FOLDER / "fortran.npz", images=np.asfortranarray(i.astype("i2")))
    np.save(FOLDER / "objects.npy", np.array([np.zeros(2), np.zeros(3)], dtype=object), allow_pickle=True)
    np.save(FOLDER / "names.npy", np.array(["cat", "dog", "cat", "朧", "dog", "cat"]))
    np.save(FOLDER / "bytes.npy", np.array([b"cat", b"dog", b"cat", b"cow", b"dog", b"cat"]))
    np.save(FOLDER / "complex.npy", i.astype("c8"))
    np.savez(FOLDER / "variables.npz", u=i[..., 0].astype("f8"), v=i[..., 1].astype("f8"),
             names=np.array(["a", "bb", "c", "d", "e", "f"]))


FOLDER.mkdir(exist_ok=True)
write_weather()
write_numpy()
