"""What the Compare tab shows: models side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vit_demo.contract.core import DemoError
from vit_demo.contract.depth import LayerHeadTable
from vit_demo.contract.predict import Neighbours, Prediction

MOST_COMPARED = 4


@dataclass(frozen=True)
class Agreement:
    """How far two models' layers agree on a picture: `values` (layers of the first, layers of the second), linear CKA
    in 0…1 of their patches, read at the same places of the picture, `places` (rows, cols) of them. `chance` is
    what the same features give with the places of one in random order: with few places and many channels far above
    0."""

    values: np.ndarray
    chance: float
    places: tuple[int, int]
    model: str
    other_model: str
    title: str
    other_title: str


@dataclass(frozen=True)
class JointColours:
    """Three principal components of the patches as colours, (rows, cols, 3) in 0…1 for each model. Models of one width
    share a basis (each model's features centred and scaled by themselves before); `shares` is how many do so, itself
    included. `layers` from 0; `explained` (3,) of the variance, for each."""

    colours: tuple[np.ndarray, ...]
    shares: tuple[int, ...]
    layers: tuple[int, ...]
    explained: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class ComparedModel:
    """One model of a comparison: what it predicts and how its attention goes through the layers, or the `problem` that
    kept it from being had. `box` is the part of the picture that it saw, (top, left, bottom, right) as shares."""

    model: str
    title: str
    prediction: Prediction | Neighbours | None
    depth: LayerHeadTable | None
    box: tuple[float, float, float, float] | None
    problem: DemoError | None = None


@dataclass(frozen=True)
class Comparison:
    """Models on one picture, in the order asked for, and how far each agrees with the first that could be had."""

    models: tuple[ComparedModel, ...]
    agreements: tuple[Agreement, ...]


def compared_models(models: Sequence[str]) -> tuple[str, ...]:
    """Their names, counted before any of them is loaded. Raises DemoError for too many."""
    if not 1 <= len(models) <= MOST_COMPARED:
        raise DemoError("compare.too_many", count=len(models), most=MOST_COMPARED)
    return tuple(models)
