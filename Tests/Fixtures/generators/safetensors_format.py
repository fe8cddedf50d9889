"""Writes the safetensors format, by hand, so that the generators need nothing but torch and numpy."""

import json
import os
import struct

import numpy as np

_DTYPES = {np.dtype("float16"): "F16", np.dtype("float32"): "F32", np.dtype("float64"): "F64", np.dtype("int64"): "I64"}


def write(path, tensors, metadata):
    """Writes a dictionary of numpy arrays (float16, float32, float64, int64) and one of strings.

    The widest elements come first and the header is padded to 8 bytes, so that every tensor is aligned.
    """
    header = {"__metadata__": metadata}
    chunks, end = [], 0
    for name, array in sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])):
        data = array.astype(array.dtype.newbyteorder("<")).tobytes(order="C")
        header[name] = {
            "dtype": _DTYPES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [end, end + len(data)],
        }
        chunks.append(data)
        end += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))
    print(f"{os.path.relpath(path)}: {8 + len(text) + end} bytes, {len(tensors)} tensors")
