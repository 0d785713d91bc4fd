"""What the What-if tab shows: the answer before and after a change, and scans over many changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from vit_demo.contract.core import RunInfo, TokenQuery
from vit_demo.contract.relevance import TargetKind
from vit_demo.edits import Edits

ScanKind = Literal["heads", "layers", "patches", "states"]
SCANS: tuple[ScanKind, ...] = ("heads", "layers", "patches", "states")
ScanHow = Literal["mean", "zero", "examples"]
SearchMethod = Literal["greedy", "attention", "rollout", "gradient_rollout", "chefer", "legrad", "grad_cam"]
SEARCHES: tuple[SearchMethod, ...] = (
    "greedy",
    "attention",
    "rollout",
    "gradient_rollout",
    "chefer",
    "legrad",
    "grad_cam",
)


@dataclass(frozen=True)
class WhatIf:
    """One picture's answer before and after `edits`.

    `kind` "class": `names` are classes, `before` and `after` their probabilities, `scores_before` and `scores_after`
    their logits. "example", for a model without a head: the labelled example pictures (files in `files`), and for both
    the cosine with each. Only the best before, the best after and `target` are told, in the order of before; `target`,
    `best_before` and `best_after` are indices into them. `likeness` is the cosine of the picture's feature with its
    unchanged one, read at `layer_read` (from 0) and compared as with the examples.

    `maps_before` and `maps_after` (heads, rows, cols) say where the token `query` looks in `layer` (from 0), NaN at
    patches that are not there; with `prefix_before` and `prefix_after` (heads, prefix tokens) each head's add up to 1.
    None where the token itself is not there. `seen` (H, W, 3) uint8 is the picture with the edits of its pixels;
    where patches are shuffled, patch number `order` (rows·cols,)[i] of the picture stands in place i. `tokens` is how
    many entered the blocks. `has_positions` and `has_rope` say which changes of positions this model knows. `edits` are
    those that took effect, `left_out` says that not all did: this model or grid does not know them. `after_ms` is the
    time of the changed pass, from the first layer that is changed to the last that is needed.
    """

    kind: TargetKind
    names: tuple[str, ...]
    files: tuple[str, ...]
    before: np.ndarray
    after: np.ndarray
    scores_before: np.ndarray
    scores_after: np.ndarray
    target: int
    best_before: int
    best_after: int
    likeness: float
    layer_read: int
    layer: int
    query: TokenQuery
    maps_before: np.ndarray | None
    maps_after: np.ndarray | None
    prefix_before: np.ndarray | None
    prefix_after: np.ndarray | None
    edits: Edits
    left_out: bool
    seen: np.ndarray
    order: np.ndarray | None
    tokens: int
    has_positions: bool
    has_rope: bool
    after_ms: float
    picture: np.ndarray
    info: RunInfo


@dataclass(frozen=True)
class Scan:
    """How much the target's score changes under each of many edits, one at a time: after less before, in logits of the
    class or cosine with the example. NaN where a part of the scan has not come, or where the edit lies above the layer
    that is read and so changes nothing.

    heads    `values` (layers, heads): each head replaced, `how`
    layers   (layers, 2): attention skipped, MLP skipped
    patches  (rows, cols): dropped, in squares of `window` × `window`
    states   (layers, 2): prefix tokens, patches taken from the second picture at a layer's output

    `score` is the value before, `score_of_other` the second picture's. `part` of `parts`, from 0; None: all of them.
    """

    kind: ScanKind
    how: ScanHow
    values: np.ndarray
    window: int
    target: int
    name: str
    target_kind: TargetKind
    score: float
    score_of_other: float | None
    layer_read: int
    part: int | None
    parts: int
    elapsed_ms: float
    picture: np.ndarray
    info: RunInfo

    def with_part(self, other: Scan) -> Scan:
        """This scan and a part of it that has come since."""
        values = np.where(np.isnan(other.values), self.values, other.values)
        return replace(self, values=values, part=other.part, elapsed_ms=self.elapsed_ms + other.elapsed_ms)


@dataclass(frozen=True)
class Search:
    """The fewest patches that a method found, dropped in its order, so that the best answer changes.

    `patches` (row, col) from 0 in the order in which they were dropped; `changed` says whether the answer did.
    `name_before` and `name_after` are the best answers. Fewer may do: no method tries all sets.
    """

    method: SearchMethod
    patches: tuple[tuple[int, int], ...]
    changed: bool
    name_before: str
    name_after: str
    passes: int
    elapsed_ms: float
    info: RunInfo
