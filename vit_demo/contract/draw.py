"""What the Draw tab shows: how a drawn digit is read, now and at earlier moments of the training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vit_demo.contract.core import RunInfo


@dataclass(frozen=True)
class DigitReading:
    """One model's view of a drawing: `probabilities` (classes,); where the class token looks, `maps` (L, h, rows, cols)
    and `prefix` (L, h, p), which add up to 1 for each head. `epoch` of the training, 0 as initialised."""

    model_id: str
    epoch: int
    probabilities: np.ndarray
    maps: np.ndarray
    prefix: np.ndarray
    info: RunInfo


@dataclass(frozen=True)
class DigitReadings:
    """A drawing as the model sees it, `picture` (28, 28, 3) uint8, and its readings, the earliest moment first, the
    finished model last. `labels` names the classes. `empty`: there was no ink."""

    picture: np.ndarray
    labels: tuple[str, ...]
    readings: tuple[DigitReading, ...]
    empty: bool


@dataclass(frozen=True)
class TrainingRecord:
    """How our own classifier was trained. Per epoch, from the first: `loss` over varied training digits (smoothed
    cross-entropy, nats), `held_loss` (nats) and `held_accuracy` (0…1) on `held_out` digits never trained on.

    `confusion` (classes, classes): rows what was written, columns what the committed float16 weights read. `moments`:
    epoch and model id of every kept moment, the finished model last. `accuracy` is that of the committed weights.
    """

    loss: np.ndarray
    held_loss: np.ndarray
    held_accuracy: np.ndarray
    confusion: np.ndarray
    accuracy: float
    trained_on: int
    held_out: int
    moments: tuple[tuple[int, str], ...]

    @property
    def epochs(self) -> int:
        return len(self.loss)
