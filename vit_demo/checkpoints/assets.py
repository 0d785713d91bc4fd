"""The models that this project trained itself: their files lie in the package, so that they are always there.

"vit-demo/digits" is the finished model, "vit-demo/digits@epoch-1" the same after one epoch of its training. Files are
in transformers' layout and read like any other checkpoint. Imports no torch.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from vit_demo.contract import ModelError, TrainingRecord

FOLDER = Path(__file__).parent.parent / "assets"
DIGITS_ID, DINO_DIGITS_ID = "vit-demo/digits", "vit-demo/dino-digits"
FOLDERS = {DIGITS_ID: "digits", DINO_DIGITS_ID: "dino-digits"}
FINISHED = "model.safetensors"
MOMENT = re.compile(r"epoch-(\d+)")
RECORD = "training.json"  # what vit_demo/training wrote beside the weights


def is_own(name: str) -> bool:
    """Whether a name is one of this project's models, or a moment of its training that is kept."""
    model_id, at, moment = name.partition("@")
    return model_id in FOLDERS and (not at or moment in moments(model_id))


def moments(model_id: str) -> tuple[str, ...]:
    """The kept moments of a model's training before its end, the first first: ("epoch-0", "epoch-1", …)."""
    stems = (path.stem for path in (FOLDER / FOLDERS[model_id]).glob("epoch-*.safetensors"))
    return tuple(sorted((stem for stem in stems if MOMENT.fullmatch(stem)), key=epoch_of))


def epoch_of(moment: str) -> int:
    """1 for "epoch-1"; 0 is the model as initialised."""
    match = MOMENT.fullmatch(moment)
    if match is None:
        raise ValueError(f"{moment!r} is no moment of a training: epoch-0, epoch-1, …")
    return int(match[1])


def file_of(name: str) -> Path:
    """The weights file of one of our models. Raises ModelError for a moment that is not kept."""
    model_id, at, moment = name.partition("@")
    if at and moment not in moments(model_id):
        raise ModelError("draw.no_such_moment", name=name, moments=", ".join(moments(model_id)) or "–")
    return FOLDER / FOLDERS[model_id] / (f"{moment}.safetensors" if at else FINISHED)


def record_of(model_id: str) -> dict:
    """What was measured while the model was trained: see vit_demo/training/publish.py."""
    return json.loads((FOLDER / FOLDERS[model_id] / RECORD).read_text(encoding="utf-8"))


def training_record() -> TrainingRecord:
    """How our classifier of digits was trained: its curves, its confusions, its kept moments."""
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
