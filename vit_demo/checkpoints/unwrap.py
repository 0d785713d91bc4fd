"""From what a file holds to one flat state dict: wrappers opened, prefixes taken off, blocks numbered through.

Nothing is chosen in silence: what lies beside the weights that are used is named, and two tensors that end under one
name are refused unless they are equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from vit_demo.contract import ModelError

WRAPPERS = ("teacher", "state_dict", "model", "teacher")  # where files keep the weights, besides at the top
PREFIXES = ("module.", "backbone.", "_orig_mod.")
CHUNKED = re.compile(r"blocks\.(\d+)\.(\d+)\.(.+)")
# What peft calls the tensors that it adds to a model, and the model inside (peft tuners, PeftModel.base_model)
ADAPTER = re.compile(r"(^|\.)(base_model\.model\.|lora_|hada_w|lokr_w|oft_|ia3_l|vera_lambda)|\.base_layer\.")


def unwrap(loaded: Mapping, name: str) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The flat state dict in a checkpoint, the teacher's where there is one, and what to say of weights left aside.

    Raises ModelError for adapters, for names that come twice with different values and for blocks out of order.
    """
    notes: list[str] = []
    for key in WRAPPERS:
        if isinstance(loaded.get(key), Mapping):
            notes += _aside(key, (other for other, value in loaded.items() if other != key and _weighs(value)))
            loaded = loaded[key]
    state = {str(key): value for key, value in loaded.items() if isinstance(value, Tensor)}
    if any(map(ADAPTER.search, state)):
        raise ModelError("checkpoint.adapter", name=name)
    if any(key.startswith("teacher.") for key in state) and any(key.startswith("student.") for key in state):
        notes += _aside("teacher", {key.split(".")[0] for key in state} - {"teacher"})
        state = {key.removeprefix("teacher."): value for key, value in state.items() if key.startswith("teacher.")}
    for prefix in PREFIXES * 2:  # "module.backbone." is two of them, in either order
        state = without_prefix(state, prefix, name)
    return _unchunked(state, name), tuple(notes)


def _weighs(value: object) -> bool:
    """Whether a part of a checkpoint holds weights, rather than the state of an optimiser or a count."""
    if isinstance(value, Mapping):
        return any(isinstance(part, Tensor) for part in value.values())
    return isinstance(value, Tensor) and value.dim() > 0


def _aside(used: str, others: Iterable[str]) -> list[str]:
    others = ", ".join(sorted(map(str, others)))
    return [f"the weights under {used!r} are meant: the file also holds {others}"] if others else []


def without_prefix(state: Mapping[str, Tensor], prefix: str, name: str) -> dict[str, Tensor]:
    """The same tensors with `prefix` taken off the names that carry it.

    Raises ModelError where a name then stands for two tensors that differ.
    """
    out: dict[str, Tensor] = {}
    for key, tensor in state.items():
        add_once(out, key.removeprefix(prefix), tensor, name)
    return out


def add_once(state: dict[str, Tensor], key: str, tensor: Tensor, name: str) -> None:
    """Puts a tensor under its name. Raises ModelError where another one with other values has it already."""
    if key in state and not _same(state[key], tensor):
        raise ModelError("checkpoint.set_twice", name=name, key=key)
    state.setdefault(key, tensor)


def _same(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one, other)


def _unchunked(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Blocks that are kept in chunks, blocks.<chunk>.<i>, numbered from first to last.

    facebookresearch/dinov2 (models/vision_transformer.py, block_chunks) lets i run on from chunk to chunk; others start
    each chunk at 0. Both say the order; ModelError where the numbers say neither.
    """
    places = sorted({(int(found[1]), int(found[2])) for found in map(CHUNKED.match, state) if found})
    if not places:
        return state
    chunks = [chunk for chunk, _ in places]
    runs_on = [i for _, i in places] == list(range(len(places)))
    starts_anew = [i for _, i in places] == [place - chunks.index(chunk) for place, chunk in enumerate(chunks)]
    in_order = sorted(set(chunks)) == list(range(chunks[-1] + 1)) and (runs_on or starts_anew)
    if not in_order or any(re.match(r"blocks\.\d+\.\D", key) for key in state):
        raise ModelError("checkpoint.chunks_unclear", name=name)
    number = {place: i for i, place in enumerate(places)}
    out = {}
    for key, tensor in state.items():
        found = CHUNKED.match(key)
        out[f"blocks.{number[int(found[1]), int(found[2])]}.{found[3]}" if found else key] = tensor
    return out
