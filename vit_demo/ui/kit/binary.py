"""Numbers for the browser in one file: a JSON header that names the arrays, then their bytes. Read by files.js."""

from __future__ import annotations

import json
import struct
from dataclasses import replace

import numpy as np

from vit_demo.contract import LayerTensors

# Of 16 bits the lowest are left out: a row's shares change by less than a hundredth of its largest (a test holds it),
# two or three of the colour scale's 256 steps, and packed the file is a quarter smaller
DROPPED_BITS = 5
ROWS_AT_ONCE = 256
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


# --------------------------------------------------------------------------------------------- for a file of its own


def packed_layer_bytes(tensors: LayerTensors) -> float:
    """About how many bytes a layer takes that `smaller` made so and gzip packed: of 16 bits of queries and keys about
    11 are left, of the features' 8 about 7."""
    h, N, d = tensors.queries.shape
    return 2 * h * N * d * 11 / 8 + tensors.features.size * 7 / 8


def smaller(tensors: LayerTensors) -> LayerTensors:
    """The same with fewer bits: queries and keys without their lowest, features in 8; the rows' sums follow what is
    left, so that shares add up to 1. A layer that is kept in float32 stays as it is."""
    features = np.round(tensors.features / 256).clip(-127, 127).astype(np.int8)
    if tensors.queries.dtype != np.int16:
        return replace(tensors, features=features)
    queries, keys = (_rounded(one) for one in (tensors.queries, tensors.keys))
    q = queries.astype(np.float32) * tensors.query_steps[:, None]
    k = keys.astype(np.float32) * tensors.key_steps[:, None]
    sums = np.empty(tensors.log_sums.shape, np.float32)
    for head in range(len(q)):
        for start in range(0, q.shape[1], ROWS_AT_ONCE):  # never a whole N×N matrix
            scores = q[head, start : start + ROWS_AT_ONCE] @ k[head].T
            top = scores.max(axis=1, keepdims=True)
            sums[head, start : start + ROWS_AT_ONCE] = np.log(np.exp(scores - top).sum(axis=1)) + top[:, 0]
    return replace(tensors, queries=queries, keys=keys, features=features, log_sums=sums)


def _rounded(values: np.ndarray) -> np.ndarray:
    step = 1 << DROPPED_BITS
    most = np.iinfo(np.int16).max // step * step
    return (np.round(values.astype(np.int32) / step) * step).clip(-most, most).astype(np.int16)
