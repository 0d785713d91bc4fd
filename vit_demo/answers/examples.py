"""Whole pictures as vectors: the labelled example pictures, and whatever is compared with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from vit_demo.analysis.features import picture_features
from vit_demo.checkpoints.load import LoadedModel
from vit_demo.contract import PictureVectors, SizeChoice
from vit_demo.engine import Engine

COMPARED_SIDE = 224  # whole pictures are compared at this size: quick on any machine
Pictures = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class ExampleVectors:
    """The example pictures under a model: what each is (`keys`), its file, its unit vector, `vectors` (n, D) float32 on
    the model's device, and a name for what the model saw of it."""

    keys: tuple[str, ...]
    files: tuple[str, ...]
    vectors: torch.Tensor
    digests: tuple[str, ...]


def example_vectors(engine: Engine, model: str, by: str = "cls") -> ExampleVectors:
    """The examples in the order in which they are shown; each is run once, and what comes of it is kept."""

    def make() -> ExampleVectors:
        pictures = tuple(example.picture() for example in engine.examples)
        rows, digests = vectors_of(engine, pictures, model, by)
        keys = tuple(example.key for example in engine.examples)
        files = tuple(example.path.name for example in engine.examples)
        return ExampleVectors(keys, files, torch.from_numpy(rows).to(engine.hardware.device), tuple(digests))

    key = ("examples", model, engine.load(model).revision, by)
    return engine.kept.get_or_make(key, make, lambda made: made.vectors.nbytes + 1024)[0]


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
        prepared = engine.prepared(image, loaded, SizeChoice(COMPARED_SIDE))

        def make(prepared=prepared) -> np.ndarray:
            pixels = engine.pixels(prepared)
            trace, _ = engine.encode(loaded, pixels)
            with engine.computing():
                return picture_features(loaded.model, trace, layer, by)[0].float().cpu().numpy()

        key = ("vector", model, loaded.revision, layer, by, prepared.digest)
        rows.append(engine.kept.get_or_make(key, make, lambda made: made.nbytes)[0])
        digests.append(prepared.digest)
    return np.stack(rows) if rows else np.zeros((0, loaded.model.config.dim), np.float32), digests


def vectors_with_origin(engine: Engine, images: Pictures, model: str) -> PictureVectors:
    """Vectors of whole pictures, to be compared with others of the same model."""
    loaded = engine.load(model)
    layer, centred = neighbour_layer(loaded)
    return PictureVectors(vectors_of(engine, images, model)[0], model, loaded.revision or "", layer, centred)
