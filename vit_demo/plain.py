"""Answers as plain data, for programs and terminals: what JSON can hold, counted from 1 as people count.

Each answer of the contract becomes a dictionary of its own fields, with its own names, which carry their units. Left
out are pictures, which travel as files. Added: the model, the grid of patches, and how long the forward pass took.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypedDict

import numpy as np

from vit_demo.contract import (
    Alike,
    Correspondences,
    DemoError,
    Faithfulness,
    LayerHeadTable,
    Lens,
    Relevance,
    RunInfo,
    Scan,
    Search,
    StretchedTable,
    Targets,
    TokenQuery,
    WalkQuestion,
    WalkStep,
)
from vit_demo.grid import PatchGrid

DIGITS = 6  # of every number: float32 has no more
# Fields that are pictures or many numbers, which travel as files. Lens.picture holds numbers, LayerHeadTable.pictures
# counts them.
PICTURES = ("picture", "pictures", "colours", "filters", "tensors")
NO_PICTURES = (Lens, LayerHeadTable)
# Fields that point at something by number: in code from 0
POINTERS: dict[type, tuple[str, ...]] = {
    Alike: ("own",),
    Correspondences: ("first", "second"),
    Faithfulness: ("target",),
    Lens: ("best", "top"),
    Relevance: ("target",),
    Scan: ("target", "layer_read", "part"),
    Search: ("patches",),
    StretchedTable: ("own", "compared"),
    Targets: ("best", "same"),
    WalkQuestion: ("right",),
    WalkStep: ("head",),
}


class Pass(TypedDict):
    """How a forward pass came about: `grid` (rows, columns) of patches, `prefix_tokens` their names in order."""

    model: str
    revision: str
    parameters: int
    layers: int
    heads: int
    grid: list[int]
    patch_px: int
    prefix_tokens: list[str]
    device: str
    forward_ms: float
    kept: bool


def as_plain(answer: Any) -> dict[str, Any]:
    """A dataclass of the contract as a dictionary that JSON can hold."""
    pointers = ("layer", *POINTERS.get(type(answer), ()))
    values = {name: _value(getattr(answer, name)) for name in _names(type(answer))}
    return {name: _from_one(value) if name in pointers else value for name, value in values.items()}


def _names(kind: type) -> list[str]:
    left_out = () if kind in NO_PICTURES else PICTURES
    return [field.name for field in dataclasses.fields(kind) if field.name not in left_out]


def _value(value: Any) -> Any:
    if isinstance(value, RunInfo):
        return _pass(value)
    if isinstance(value, DemoError):
        return str(value)
    if isinstance(value, TokenQuery):
        return value.name_from_one
    if isinstance(value, PatchGrid):
        return list(value.shape)
    if isinstance(value, np.ndarray | np.generic):
        return _numbers(np.asarray(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return as_plain(value)
    if isinstance(value, tuple | list):
        return [_value(one) for one in value]
    if isinstance(value, Mapping):
        return {str(name): _value(one) for name, one in value.items()}
    return _rounded(value) if isinstance(value, float) else value


def _numbers(values: np.ndarray) -> Any:
    """Nested lists; what is no number (an absent position) is None."""
    if values.dtype.kind != "f":
        return values.tolist()
    lists = np.vectorize(_rounded, otypes=[object])(values) if values.size else values
    return lists.tolist()


def _rounded(value: float) -> float | None:
    return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None


def _from_one(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_one(one) for one in value]
    return value + 1 if isinstance(value, int) else value


def _pass(info: RunInfo) -> Pass:
    return Pass(
        model=info.model_id,
        revision=info.revision,
        parameters=info.parameters,
        layers=info.depth,
        heads=info.heads,
        grid=list(info.grid.shape),
        patch_px=info.grid.patch_px,
        prefix_tokens=list(info.grid.prefix_names),
        device=info.device,
        forward_ms=_rounded(info.forward_ms) or 0.0,
        kept=info.cached,
    )


def plain_type(kind: type) -> type:
    """What `as_plain` makes of a dataclass of the contract, as a TypedDict: an endpoint's schema follows from it."""
    hints = typing.get_type_hints(kind)
    return TypedDict(kind.__name__, {name: _plain_hint(hints[name]) for name in _names(kind)})  # type: ignore[operator]


def _plain_hint(hint: Any) -> Any:
    if hint is RunInfo:
        return Pass
    if hint is TokenQuery or hint is DemoError:
        return str
    if hint is PatchGrid:
        return list[int]
    if hint is np.ndarray:
        return list
    if dataclasses.is_dataclass(hint):
        return plain_type(hint)  # type: ignore[arg-type]
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Mapping:
        return dict
    if origin is tuple:
        kinds = {_plain_hint(one) for one in inner if one is not Ellipsis}
        return list[kinds.pop()] if len(kinds) == 1 else list  # type: ignore[misc]
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(_plain_hint(one) for one in inner)]  # noqa: UP007
    return hint
