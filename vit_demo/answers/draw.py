"""How our own classifier reads a drawing, and how it learned to."""

from __future__ import annotations

import numpy as np
import torch

from vit_demo.analysis.attention import attention_of_all_layers
from vit_demo.answers.predict import class_names
from vit_demo.checkpoints.assets import DIGITS_ID, epoch_of, moments, record_of
from vit_demo.contract import DigitReading, DigitReadings, SizeChoice, TrainingRecord
from vit_demo.engine import Engine
from vit_demo.ink import as_mnist, as_picture, ink_of_photograph


def read(engine: Engine, ink: np.ndarray) -> DigitReadings:
    """Readings of a drawing (H, W) with ink in 0…1, by the finished classifier and at every kept moment before."""
    centred = as_mnist(ink)
    picture = as_picture(centred)
    chosen = moments_of(record_of(DIGITS_ID))
    labels = class_names(engine.load(DIGITS_ID))
    readings = tuple(reading(engine, picture, model, epoch) for epoch, model in chosen)
    return DigitReadings(picture, labels, readings, empty=not centred.any())


def reading(engine: Engine, picture: np.ndarray, model: str, epoch: int) -> DigitReading:
    """One model's reading of a picture (28, 28, 3) uint8."""
    run, vit = engine.run(picture, model, SizeChoice()), engine.load(model).model
    grid = run.info.grid
    with torch.inference_mode():
        rows = attention_of_all_layers(run.trace)[:, 0].float().cpu().numpy()  # (L, h, N)
        probabilities = vit.probabilities(run.encoded.logits[0]).cpu().numpy()
    maps = rows[:, :, grid.num_prefix_tokens :].reshape(*rows.shape[:2], *grid.shape)
    return DigitReading(model, epoch, probabilities, maps, rows[:, :, : grid.num_prefix_tokens], run.info)


def photograph(engine: Engine, picture: np.ndarray) -> np.ndarray:
    """The strokes in a photograph (H, W, 3) uint8 as ink (h, w) in 0…1."""
    return ink_of_photograph(picture)


def training_record(engine: Engine) -> TrainingRecord:
    """How the classifier was trained."""
    record = record_of(DIGITS_ID)
    return TrainingRecord(
        loss=np.array(record["loss"]),
        held_loss=np.array(record["held_loss"]),
        held_accuracy=np.array(record["held_accuracy"]),
        confusion=np.array(record["confusion"]),
        accuracy=record["accuracy"],
        trained_on=record["trained_on"],
        held_out=record["held_out"],
        moments=moments_of(record),
    )


def moments_of(record: dict) -> tuple[tuple[int, str], ...]:
    """(epoch, model id) of every kept moment of the classifier, the finished one last."""
    early = ((epoch_of(moment), f"{DIGITS_ID}@{moment}") for moment in moments(DIGITS_ID))
    return (*early, (len(record["loss"]), DIGITS_ID))
