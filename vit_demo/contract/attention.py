"""What the Attention tab shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vit_demo.contract.core import RunInfo, TokenQuery


@dataclass(frozen=True)
class HeadMaps:
    """Where one token looks in one layer: `maps` (heads, rows, cols) and `prefix` (heads, prefix tokens); for each
    head the two add up to 1."""

    maps: np.ndarray
    prefix: np.ndarray
    query: TokenQuery
    layer: int
    picture: np.ndarray
    info: RunInfo


@dataclass(frozen=True)
class LayerTensors:
    """What one layer's attention is made of, for a browser that computes any row or column itself.

    Queries (already divided by √d) and keys (their mean over tokens taken off, which no softmax notices) as 16-bit
    integers (h, N, d) and a step per head and channel (h, d): value = integer · step. Where that would cost more than a
    thousandth of a row's top (channels of very different size), they are float32 and the steps 1. `log_sums` (h, N) is
    the log of each row's softmax denominator, so that A[i, j] = exp(q_i·k_j − log_sums[i]) for entries, rows, columns.
    `features` (N, D) are the layer's output tokens after the final norm, each scaled to int16: cosines to four digits.
    `distance_px` (h,) is the mean attention distance of each head. Tokens are numbered as in `info.grid`.
    """

    queries: np.ndarray
    query_steps: np.ndarray
    keys: np.ndarray
    key_steps: np.ndarray
    log_sums: np.ndarray
    features: np.ndarray
    distance_px: np.ndarray
    layer: int
    picture: np.ndarray
    info: RunInfo


@dataclass(frozen=True)
class LiveFrame:
    """What one frame of a camera shows: of one token in one layer (from 0) `maps` (heads, rows, cols) and `prefix`
    (heads, prefix tokens), which add up to 1 for each head; `colours` (rows, cols, 3) uint8 of the last layer's patches
    on the `basis` (4, D) float32, their mean and three directions.

    `names` and `values` are the best answers: probabilities of classes, or with `neighbours` cosines of the closest
    example pictures, by their keys. `layer` is the one that was looked at, `token` the token's number. `compute_ms` is
    how long the machine computed, without the time that the frame waited for others."""

    maps: np.ndarray
    prefix: np.ndarray
    colours: np.ndarray
    basis: np.ndarray
    names: tuple[str, ...]
    values: tuple[float, ...]
    neighbours: bool
    layer: int
    token: int
    compute_ms: float


@dataclass(frozen=True)
class Wall:
    """A thumbnail for every layer and head: where the class token looks, or without one the patches on average.

    `maps` (L, h, rows, cols) uint8, each scaled to its own maximum `tops` (L, h); `prefix` (L, h) is the share of the
    same row that went to prefix tokens.
    """

    maps: np.ndarray
    tops: np.ndarray
    prefix: np.ndarray
    info: RunInfo
