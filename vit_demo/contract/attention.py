"""What the Attention tab is told."""

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
