"""What the Embeddings tab shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vit_demo.contract.core import RunInfo, TokenQuery
from vit_demo.grid import PatchGrid

SimilarityKind = Literal["learned", "rope"]


@dataclass(frozen=True)
class Similarity:
    """Similarity of every position with every other, `matrix` (rows·cols, rows·cols) in `limits`; `kind` is
    "learned" (cosine of position embeddings) or "rope" (the rotary kernel)."""

    matrix: np.ndarray
    grid: PatchGrid
    kind: SimilarityKind
    limits: tuple[float, float]
    native: bool


@dataclass(frozen=True)
class FilterBank:
    """Principal components of the patch-embedding filters: `filters` (k, P, P, 3) in 0…1 for display, and the share
    of variance that each explains (k,)."""

    filters: np.ndarray
    explained: np.ndarray
    num_filters: int


@dataclass(frozen=True)
class FilterResponses:
    """Filters and what they answer on a picture: `filters` (k, P, P, 3) in 0…1 for display, `responses` (k, rows, cols)
    the dot product of filter and patch. Principal components, or the filters themselves."""

    filters: np.ndarray
    responses: np.ndarray
    picture: np.ndarray
    grid: PatchGrid


@dataclass(frozen=True)
class PositionStructure:
    """What the similarities are made of. `by_offset` (2·rows − 1, 2·cols − 1): mean similarity by the step between two
    positions, no step in the centre. `components` (k, rows, cols): principal components of the embeddings over the
    grid, and `explained` the share of variance of all of them; both empty for RoPE, which has no table."""

    by_offset: np.ndarray
    components: np.ndarray
    explained: np.ndarray
    grid: PatchGrid
    kind: SimilarityKind


@dataclass(frozen=True)
class StretchedTable:
    """One position table on another grid, by every convention.

    `native_map` (Gh, Gw) and `maps` (conventions, rows, cols): the cosine of every position with the one in the middle
    (`component` 0), or its score on a principal component of the native table (`component` from 1). `apart`
    (conventions, conventions): root mean square difference of two tables, over the standard deviation of the row's
    entries; `positions` (rows, cols) is that difference by place, of the two that are `compared`. `own` is the
    checkpoint's convention, an index into `rules` as the two compared are.
    """

    rules: tuple[str, ...]
    own: int
    compared: tuple[int, int]
    component: int
    native_map: np.ndarray
    maps: np.ndarray
    apart: np.ndarray
    positions: np.ndarray


@dataclass(frozen=True)
class Interpolation:
    """What the difference between two conventions does to a picture, on its grid.

    `features` (rows, cols) is 1 − cosine of each patch's final token, `class_feature` that of the class token or None.
    `labels`, `before`, `after`: the most probable classes and their probability by each; empty without a head.
    `moved` is the probability that went to other classes in all, ½·Σ|p − q|; None without a head, and
    for a multi-label head, whose probabilities are not shares of one whole.
    """

    compared: tuple[str, str]
    features: np.ndarray
    class_feature: float | None
    labels: tuple[str, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    moved: float | None
    picture: np.ndarray
    grid: PatchGrid


@dataclass(frozen=True)
class Rotation:
    """RoPE at work. `down` (bands, rows) and `right` (bands, cols): the cosine of each band's angle along the axes;
    `turns_down`, `turns_right`: patches for a whole turn, empty for learned frequencies. `turned` and `unturned`
    (heads, rows, cols): where a token looks in one layer, and where it would without rotation; the rest of each went to
    prefix tokens."""

    down: np.ndarray
    right: np.ndarray
    turns_down: np.ndarray
    turns_right: np.ndarray
    turned: np.ndarray
    unturned: np.ndarray
    query: TokenQuery
    layer: int
    picture: np.ndarray
    info: RunInfo


@dataclass(frozen=True)
class InputParts:
    """What enters the first layer. Maps (rows, cols) of the patches: the norms of the projected patch, of its position
    embedding and of their sum, and the cosine of patch and position; positions are None without a table. `prefix` holds
    for each prefix token the same four numbers, NaN for one that has no position."""

    content: np.ndarray
    positions: np.ndarray | None
    total: np.ndarray
    cosine: np.ndarray | None
    prefix_names: tuple[str, ...]
    prefix: np.ndarray
    picture: np.ndarray
    grid: PatchGrid
