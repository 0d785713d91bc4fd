"""What all questions share: their results, and how plain values become what the Explainer takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from vit_demo.contract import SizeChoice
from vit_demo.render.colour import DIVERGING
from vit_demo.render.overlay import overlay

Picture = np.ndarray  # (H, W, 3) uint8
Pictures = tuple[np.ndarray, ...]
Facet = Literal["token", "key", "query", "value"]
Baseline = Literal["dropped", "mean", "blur", "black"]


@dataclass(frozen=True)
class Result:
    """What comes back: `numbers` that JSON can hold; a `picture` (H, W, 3) uint8 where there is something to look at;
    `arrays` where there are more numbers than JSON should hold."""

    numbers: dict[str, Any]
    picture: np.ndarray | None = None
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Returns:
    """What a question's Result holds: the dataclasses of the contract that become `numbers`, whether there are a
    picture and arrays."""

    kinds: tuple[type, ...]
    picture: bool = False
    arrays: bool = False


def question(*kinds: type, picture: bool = False, arrays: bool = False) -> Callable[[Callable], Callable]:
    """Offers a function under its own name, and says what its Result holds."""

    def offer(function: Callable[..., Result]) -> Callable[..., Result]:
        function.returns = Returns(kinds, picture, arrays)  # type: ignore[attr-defined]
        return function

    return offer


def size_of(size_px: int, keep_shape: bool) -> SizeChoice:
    return SizeChoice(size_px or None, keep_shape)


def layer_from_zero(layer: int) -> int:
    """A layer from what people count (1 is the first, 0 the last) to what code counts."""
    return layer if layer < 0 else layer - 1


def over(picture: np.ndarray, values: np.ndarray, signed: bool) -> np.ndarray:
    """A map (rows, cols) over the picture that the model saw; a signed one in two colours."""
    top = float(np.abs(values).max()) or 1.0
    limits = (-top, top) if signed else (min(0.0, float(values.min())), top)
    return overlay(picture, values, limits, table=DIVERGING if signed else "viridis")


def side_by_side(pictures: list[np.ndarray], gap_px: int = 8) -> np.ndarray:
    """Pictures from left to right on white, as high as the highest."""
    height = max(one.shape[0] for one in pictures)
    parts = []
    for one in pictures:
        framed = np.full((height, one.shape[1] + gap_px, 3), 255, np.uint8)
        framed[: one.shape[0], : one.shape[1]] = one
        parts.append(framed)
    return np.hstack(parts)[:, :-gap_px]
