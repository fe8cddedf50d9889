"""Writes from-h5py.h5 beside itself: what other programs write and this package only reads. Needs h5py and numpy."""

from pathlib import Path

import h5py
import numpy as np

with h5py.File(Path(__file__).with_name("from-h5py.h5"), "w") as file:
    file["big_endian"] = np.arange(6, dtype=">f4").reshape(2, 3)
    file["int16"] = np.arange(3, dtype="<i2")
    file["scalar"] = np.float64(2.5)
    file["text"] = np.array(["plain", "", "朧"], dtype=h5py.string_dtype())
    file["padded"] = np.array([b"one", b"three"], dtype="S8")
    file["broken_text"] = np.array([b"\xff\xfe"], dtype="S2")
    file.create_dataset("compressed", data=np.arange(10000, dtype="u1").reshape(100, 100), chunks=(32, 32),
                        compression="gzip")
    file["group/inner"] = np.array([7], dtype="<i8")
    file["group"].attrs["name"] = "variable"
    file["group"].attrs["bytes"] = np.bytes_(b"fixed")
    file["group"].attrs["numbers"] = np.array([1.5, -2.0], dtype="<f8")
