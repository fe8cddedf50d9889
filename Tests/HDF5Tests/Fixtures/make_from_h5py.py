"""Writes the files beside it: what other programs write and this package only reads. Needs h5py and numpy."""

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

with h5py.File(Path(__file__).with_name("storage.h5"), "w", libver=("earliest", "v110")) as file:
    # What is whole.
    file["whole/contiguous"] = np.arange(24, dtype="<f2").reshape(4, 6)
    file.create_dataset("whole/chunked", data=np.arange(24, dtype=">u4").reshape(4, 6), chunks=(3, 4))
    file.create_dataset("whole/compressed", data=np.zeros((400, 600), "i1"), chunks=(300, 400), compression="gzip",
                        shuffle=True, fletcher32=True)
    space, properties = h5py.h5s.create_simple((4, 6)), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.COMPACT)
    compact = h5py.h5d.create(file["whole"].id, b"compact", h5py.h5t.STD_I16LE, space, properties)
    compact.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(24, dtype="<i2").reshape(4, 6))
    file.create_dataset("whole/empty", (0, 6), "u2")
    # What is not, and would read as a fill value or as zeros.
    file.create_dataset("unstored/contiguous", (4, 6), "u1")
    file.create_dataset("unstored/filled", (4, 6), "f4", fillvalue=-9)
    file.create_dataset("unstored/chunked", (4, 6), "u1", chunks=(3, 4))
    file.create_dataset("unstored/huge", (1 << 40, 1 << 12), "u1", chunks=(1 << 10, 1 << 10), compression="gzip")
    partly = file.create_dataset("unstored/partly", (4, 6), "u1", chunks=(3, 4), compression="gzip")
    partly[:3] = 1
    file.create_dataset("unstored/text", (4,), h5py.string_dtype(length=1 << 30))
    # 24 bytes, of which the file beside has 10.
    file.create_dataset("unstored/external", (4, 6), "u1", external=[("short.raw", 0, 24)])
    layout = h5py.VirtualLayout((4, 6), "u1")
    layout[:] = h5py.VirtualSource("missing.h5", "x", (4, 6))
    file.create_virtual_dataset("unstored/virtual", layout)

with h5py.File(Path(__file__).with_name("scales.h5"), "w", libver=("earliest", "v110")) as file:
    file["x"] = np.zeros((2, 3))
    file["axes/y"] = np.arange(3.0)
    file["axes/y"].make_scale("y")
    file["x"].dims[1].attach_scale(file["axes/y"])
    file["x"].attrs["units"] = "K"
    file["x"].attrs["range"] = np.array([1, 2], "i8")
    file["x"].attrs["one"] = np.float32(0.5)
    file["x"].attrs["names"] = ["a", "b"]
    file["x"].attrs["matrix"] = np.zeros((2, 2))
    file["flags"] = np.array([True, False])
