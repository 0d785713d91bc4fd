"""Weight files → named tensors. Nothing here runs code from a file: no pickle beyond tensors and plain containers."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from vit_demo.checkpoints.unwrap import add_once
from vit_demo.contract import ModelError

TORCH_SUFFIXES = (".pth", ".pt", ".bin")


def read_weights(paths: Sequence[Path], name: str) -> Mapping[str, Any]:
    """What the files hold, as read: names to tensors on the CPU, for .pth possibly nested. Floating-point tensors are
    float32; others stay as they are, for the key map to refuse or drop: whole numbers are no weights until scaled.

    Several files are shards of one checkpoint. Raises ModelError for damaged files, for pickles that hold more than
    weights, for a name that two shards give different values, and for other formats.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        for key, value in _read(path, name).items():
            if isinstance(value, Tensor):
                add_once(merged, key, value, name)
            else:
                merged[key] = value
    return merged


def _read(path: Path, name: str) -> dict[str, Any]:
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        return _read_safetensors(path, name)
    if suffix in TORCH_SUFFIXES:
        return _read_torch(path, name)
    if suffix == ".npz":
        return _read_npz(path, name)
    raise ModelError("checkpoint.unknown_format", name=name, suffix=suffix or "–")


def _as_float32(tensor: Tensor) -> Tensor:
    return tensor.detach().float() if tensor.is_floating_point() else tensor.detach()


def _read_safetensors(path: Path, name: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return {key: _as_float32(tensor) for key, tensor in load_file(path).items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError("checkpoint.damaged_weights", name=name) from error


def _read_torch(path: Path, name: str) -> dict[str, Any]:
    import pickle

    import torch

    try:
        # DINO's full checkpoints keep their command line in a Namespace: a bag of attributes, which runs nothing.
        with torch.serialization.safe_globals([argparse.Namespace]):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported global" in str(error) or "Unsupported class" in str(error):
            raise ModelError("checkpoint.unsafe_pickle", name=name) from error
        raise ModelError("checkpoint.damaged_weights", name=name) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise ModelError("checkpoint.damaged_weights", name=name) from error
    if not isinstance(loaded, Mapping):
        raise ModelError("checkpoint.no_config", name=name)
    return _float(loaded)


def _float(loaded: Mapping) -> dict[str, Any]:
    """The same nesting with all floating-point tensors as float32."""
    out = {}
    for key, value in loaded.items():
        if isinstance(value, Mapping):
            value = _float(value)
        elif isinstance(value, Tensor):
            value = _as_float32(value)
        out[key] = value
    return out


def _read_npz(path: Path, name: str) -> dict[str, Tensor]:
    import zipfile
    import zlib

    import numpy as np
    import torch

    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {key: _as_float32(torch.from_numpy(np.array(arrays[key]))) for key in arrays.files}
    except (TypeError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelError("checkpoint.damaged_weights", name=name) from error
