"""Weight files → named tensors. Nothing here runs code from a file: no pickle beyond tensors and plain containers."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from vit_demo.contract import ModelError

TORCH_SUFFIXES = (".pth", ".pt", ".bin")


def read_weights(paths: Sequence[Path], name: str) -> Mapping[str, Any]:
    """What the files hold, as read: names to tensors (float32 on the CPU), for .pth possibly nested.

    Several files are shards of one safetensors checkpoint. Raises ModelError for damaged files, for pickles that hold
    more than weights, and for other formats.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        suffix = path.suffix.lower()
        if suffix == ".safetensors":
            merged.update(_read_safetensors(path, name))
        elif suffix in TORCH_SUFFIXES:
            merged.update(_read_torch(path, name))
        elif suffix == ".npz":
            merged.update(_read_npz(path, name))
        else:
            raise ModelError("checkpoint.unknown_format", name=name, suffix=suffix or "–")
    return merged


def _read_safetensors(path: Path, name: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return {key: tensor.float() for key, tensor in load_file(path).items()}
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
    """The same nesting with all tensors as float32."""
    out = {}
    for key, value in loaded.items():
        if isinstance(value, Mapping):
            value = _float(value)
        elif isinstance(value, Tensor):
            value = value.detach().float()
        out[key] = value
    return out


def _read_npz(path: Path, name: str) -> dict[str, Tensor]:
    import zipfile
    import zlib

    import numpy as np
    import torch

    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {key: torch.from_numpy(np.array(arrays[key], dtype=np.float32)) for key in arrays.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelError("checkpoint.damaged_weights", name=name) from error
