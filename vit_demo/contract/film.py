"""What the Film tab shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vit_demo.contract.core import DemoError, RunInfo


class FilmError(DemoError):
    """A film that cannot be used."""


@dataclass(frozen=True)
class Film:
    """Frames of a film, upright: `frames` (F, H, W, 3) uint8, and when each is shown, `times_s` (F,), from 0.
    `duration_s` is that of the whole film."""

    frames: np.ndarray
    times_s: tuple[float, ...]
    duration_s: float


@dataclass(frozen=True)
class FilmPart:
    """Some frames of a film under a model, in one layer (from 0).

    `pictures` (F, H, W, 3) uint8 is what the model saw. `maps` (F, heads, rows, cols) is where the class token looks,
    or in a model without one the patches on average, and `prefix` (F, heads) the share of it on prefix tokens: for each
    head the two add up to 1. `features` (F, rows·cols, D) float16 are the layer's patches after the final norm, of
    unit length, so that their products are cosines.
    """

    pictures: np.ndarray
    maps: np.ndarray
    prefix: np.ndarray
    features: np.ndarray
    layer: int
    info: RunInfo
