"""What `python -m vit_demo train` does: fetch the digits, train or go on, publish. It prints nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vit_demo.checkpoints.assets import DIGITS_ID, DINO_DIGITS_ID, FOLDER, FOLDERS
from vit_demo.training.data import Digits, fetch_mnist, split
from vit_demo.training.dino import DINO_CONFIG, DinoRecipe, train_dino
from vit_demo.training.export import write_weights
from vit_demo.training.loop import DIGITS_CONFIG, Progress, Recipe, train
from vit_demo.training.publish import FINISHED, machine_words, publish_digits, publish_dino

PUBLISHED = (0, 1, 3, 8)  # epochs between which a change can be seen; more would not fit into 3 MB


def train_digits(
    folder: Path,
    *,
    device: str = "cpu",
    recipe: Recipe | None = None,
    target: Path = FOLDER / FOLDERS[DIGITS_ID],
    fetch: Callable[[], Digits] = fetch_mnist,
    progress: Progress | None = None,
    finished: Callable | None = None,
) -> dict:
    """Trains the classifier in `folder`, going on where a run was broken off, and writes it to `target`: the record."""
    recipe = recipe or Recipe()
    training, held = split(fetch())
    keep = lambda model, epoch: write_weights(model, folder / f"epoch-{epoch}.safetensors")  # noqa: E731
    how = dict(device=device, keep=keep, progress=progress, finished=finished)
    model, reports = train(training, held, folder, recipe, **how)
    write_weights(model, folder / FINISHED)
    kept = [epoch for epoch in PUBLISHED if epoch in recipe.kept and epoch < recipe.epochs]
    machine = machine_words(device)
    return publish_digits(folder, target, DIGITS_CONFIG, recipe, reports, held, len(training), kept, machine)


def train_dino_digits(
    folder: Path,
    *,
    device: str = "cpu",
    recipe: DinoRecipe | None = None,
    target: Path = FOLDER / FOLDERS[DINO_DIGITS_ID],
    fetch: Callable[[], Digits] = fetch_mnist,
    progress: Progress | None = None,
    finished: Callable | None = None,
) -> dict:
    """As `train_digits`, by DINO's recipe."""
    recipe = recipe or DinoRecipe()
    training, held = split(fetch())
    how = dict(device=device, progress=progress, finished=finished)
    model, reports = train_dino(training, held, folder, recipe, **how)
    write_weights(model, folder / FINISHED)
    return publish_dino(folder, target, DINO_CONFIG, recipe, reports, training, held, machine_words(device))
