"""Whole pictures as vectors: the labelled example pictures, and whatever is compared with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vit_demo.analysis.features import picture_features
from vit_demo.checkpoints.load import LoadedModel
from vit_demo.contract import PictureVectors, SizeChoice
from vit_demo.engine import Engine

GALLERY_SIDE = 224  # whole pictures are compared at this size: quick on any machine
Pictures = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Gallery:
    """The example pictures under a model: what each is (`keys`), its file, its unit vector, `vectors` (n, D) float32 on
    the model's device, and a name for what the model saw of it."""

    keys: tuple[str, ...]
    files: tuple[str, ...]
    vectors: torch.Tensor
    digests: tuple[str, ...]


def gallery(engine: Engine, model: str, by: str = "cls") -> Gallery:
    """The examples in the order in which they are shown; each is run once, and what comes of it is kept."""

    def make() -> Gallery:
        entries = gallery_entries(engine.gallery)
        files = tuple(entry["file"] for entry in entries)
        rows, digests = vectors_of(engine, tuple(example_picture(engine.gallery / file) for file in files), model, by)
        vectors = torch.from_numpy(rows).to(engine.hardware.device)
        return Gallery(tuple(entry["key"] for entry in entries), files, vectors, tuple(digests))

    key = ("gallery", model, engine.load(model).revision, by)
    return engine.kept.get_or_make(key, make, lambda made: made.vectors.nbytes + 1024)[0]


def gallery_entries(folder: Path) -> list[dict]:
    """The labelled example pictures, in the order in which they are shown."""
    return json.loads((folder / "gallery.json").read_text(encoding="utf-8"))


def example_picture(path: Path) -> np.ndarray:
    """One of our own pictures, (H, W, 3) uint8."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def neighbour_layer(loaded: LoadedModel) -> tuple[int, bool]:
    """The layer (from 0) whose class token tells pictures apart, and whether the gallery's mean is taken off first."""
    layer = loaded.card.neighbour_layer
    return (loaded.model.config.depth - 1, False) if layer is None else (layer, True)


def vectors_of(engine: Engine, images: Pictures, model: str, by: str = "cls") -> tuple[np.ndarray, list[str]]:
    """(unit vectors (n, D) float32 of whole pictures, names of what the model saw of each). Each picture is run once;
    its vector is kept."""
    loaded = engine.load(model)
    layer, _ = neighbour_layer(loaded)
    rows, digests = [], []
    for image in images:
        prepared = engine.prepared(image, loaded, SizeChoice(GALLERY_SIDE))

        def make(prepared=prepared) -> np.ndarray:
            pixels = torch.from_numpy(prepared.pixels)[None].to(engine.hardware.device)
            trace, _ = engine.encode(loaded, pixels)
            with torch.inference_mode():
                return picture_features(loaded.model, trace, layer, by)[0].float().cpu().numpy()

        key = ("vector", model, loaded.revision, layer, by, prepared.digest)
        rows.append(engine.kept.get_or_make(key, make, lambda made: made.nbytes)[0])
        digests.append(prepared.digest)
    return np.stack(rows) if rows else np.zeros((0, loaded.model.config.dim), np.float32), digests


def picture_vectors(engine: Engine, images: Pictures, model: str) -> PictureVectors:
    """Vectors of whole pictures, to be compared with others of the same model."""
    loaded = engine.load(model)
    layer, centred = neighbour_layer(loaded)
    return PictureVectors(vectors_of(engine, images, model)[0], model, loaded.revision or "", layer, centred)
