"""What the Embeddings tab is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vit_demo.grid import PatchGrid


@dataclass(frozen=True)
class Similarity:
    """Similarity of every position with every other, `matrix` (rows·cols, rows·cols) in `limits`; `kind` is
    "learned" (cosine of position embeddings) or "rope" (the rotary kernel)."""

    matrix: np.ndarray
    grid: PatchGrid
    kind: Literal["learned", "rope"]
    limits: tuple[float, float]
    native: bool


@dataclass(frozen=True)
class FilterBank:
    """Principal components of the patch-embedding filters: `filters` (k, P, P, 3) in 0…1 for display, and the share
    of variance that each explains (k,)."""

    filters: np.ndarray
    explained: np.ndarray
    num_filters: int
