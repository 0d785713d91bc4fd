"""Numbers for the browser in one file: a JSON header that names the arrays, then their bytes. Read by files.js."""

from __future__ import annotations

import json
import struct

import numpy as np

from vit_demo.contract import LayerTensors

ALIGN = 8  # typed arrays begin at multiples of their element's size
KINDS = {"i1": "Int8Array", "u1": "Uint8Array", "i2": "Int16Array", "u2": "Uint16Array", "f4": "Float32Array"}


def pack_arrays(arrays: dict[str, np.ndarray]) -> bytes:
    """Arrays of int8, uint8, int16, uint16 or float32 by name, little-endian, row by row.

    Layout: header length (uint32), header (UTF-8 JSON: name → {kind, shape, offset}), padding, the arrays; offsets
    count from the first array and are multiples of 8. Raises ValueError for other element types.
    """
    header, blocks, offset = {}, [], 0
    for name, array in arrays.items():
        code = array.dtype.newbyteorder("=").str[1:]
        if code not in KINDS:
            raise ValueError(f"{name} is {array.dtype}; the browser reads {', '.join(KINDS)}")
        data = np.ascontiguousarray(array, dtype=f"<{code}").tobytes()
        header[name] = {"kind": KINDS[code], "shape": array.shape, "offset": offset}
        blocks.append(data + bytes(-len(data) % ALIGN))
        offset += len(blocks[-1])
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 4) % ALIGN)
    return struct.pack("<I", len(text)) + text + b"".join(blocks)


def layer_file(tensors: LayerTensors) -> bytes:
    """A layer's queries and keys: see explore.js for how they are read."""
    names = ("queries", "query_steps", "keys", "key_steps", "log_sums", "distance_px")
    return pack_arrays({name: getattr(tensors, name) for name in names})


def features_file(tensors: LayerTensors) -> bytes:
    """The directions of a layer's output tokens: see explore.js."""
    return pack_arrays({"features": tensors.features})
