"""What the Predict tab shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vit_demo.contract.core import RunInfo


@dataclass(frozen=True)
class Prediction:
    """Class probabilities of a model with a head: parallel tuples, best first, `classes` their numbers from 0; `rest`
    is the mass of all others. `picture` (H, W, 3) uint8 is what the model saw. `multi_label`: each class has a
    probability of its own, any number of them may hold, they do not add up to 1, and `rest` is None."""

    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    rest: float | None
    num_classes: int
    picture: np.ndarray
    info: RunInfo
    multi_label: bool = False
    classes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Neighbours:
    """The labelled example pictures closest to a picture, for a model without a head: best first, cosine in −1…1.

    `votes` is the weighted k-NN of Caron et al. 2021: label and share of the summed exp(cosine / 0.07).
    `layer` counts from 0; `centred` says that the gallery's mean was taken off first.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    cosines: tuple[float, ...]
    votes: tuple[tuple[str, float], ...]
    layer: int
    centred: bool
    picture: np.ndarray
    info: RunInfo
