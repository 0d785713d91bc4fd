"""How our own classifier reads a drawing, and how it learned to."""

from __future__ import annotations

import numpy as np

from vit_demo.analysis.attention import attention_of_all_layers
from vit_demo.answers.predict import class_names
from vit_demo.checkpoints.assets import DIGITS_ID, training_record
from vit_demo.contract import DigitReading, DigitReadings, SizeChoice
from vit_demo.engine import Engine
from vit_demo.ink import as_mnist, as_picture


def read_drawing(engine: Engine, ink: np.ndarray) -> DigitReadings:
    """Readings of a drawing (H, W) with ink in 0…1, by the finished classifier and at every kept moment before."""
    centred = as_mnist(ink)
    picture = as_picture(centred)
    labels = class_names(engine.load(DIGITS_ID))
    readings = tuple(reading(engine, picture, model, epoch) for epoch, model in training_record().moments)
    return DigitReadings(picture, labels, readings, empty=not centred.any())


def reading(engine: Engine, picture: np.ndarray, model: str, epoch: int) -> DigitReading:
    """One model's reading of a picture (28, 28, 3) uint8."""
    run, vit = engine.run(picture, model, SizeChoice()), engine.load(model).model
    grid = run.info.grid
    with engine.computing():
        rows = attention_of_all_layers(run.trace)[:, 0].float().cpu().numpy()  # (L, h, N)
        probabilities = vit.probabilities(run.encoded.class_logits[0]).cpu().numpy()
    maps = rows[:, :, grid.num_prefix_tokens :].reshape(*rows.shape[:2], *grid.shape)
    return DigitReading(model, epoch, probabilities, maps, rows[:, :, : grid.num_prefix_tokens], run.info)
