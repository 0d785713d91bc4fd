"""What the model predicts: its classes, or for a model without a head the closest of the labelled example pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vit_demo.analysis.features import compare_with_gallery, knn_votes, picture_features
from vit_demo.checkpoints.load import LoadedModel
from vit_demo.contract import Neighbours, Prediction, SizeChoice
from vit_demo.engine import Engine
from vit_demo.preprocess import prepare

GALLERY_SIDE = 224  # examples are compared at this size: quick on any machine
NEIGHBOURS = 5


def predict(engine: Engine, image: np.ndarray, model: str, size: SizeChoice, top: int) -> Prediction | Neighbours:
    """The most probable classes; for a model without a head the nearest examples."""
    loaded = engine.load(model)
    if loaded.model.head is None:
        return neighbours(engine, image, model, loaded)
    run = engine.run(image, model, size)
    probabilities = run.encoded.logits[0].softmax(dim=-1)
    count = len(probabilities)
    best = probabilities.topk(max(1, min(top, count)))
    names = class_names(loaded)
    return Prediction(
        labels=tuple(names[i] for i in best.indices.tolist()),
        probabilities=tuple(best.values.tolist()),
        rest=max(0.0, 1.0 - float(best.values.sum())),
        num_classes=count,
        picture=run.prepared.picture,
        info=run.info,
    )


def class_names(loaded: LoadedModel) -> tuple[str, ...]:
    """The classes of a model with a head, numbered where the checkpoint names none."""
    return loaded.labels or tuple(f"class {i}" for i in range(loaded.model.config.num_classes))


def neighbours(engine: Engine, image: np.ndarray, model: str, loaded: LoadedModel) -> Neighbours:
    """The closest examples by the class token, all at GALLERY_SIDE; the picture itself is left out of them."""
    small = engine.run(image, model, SizeChoice(GALLERY_SIDE))
    layer, centred = neighbour_layer(loaded)
    features, entries = gallery_features(engine, model, layer)
    with torch.inference_mode():
        query = picture_features(loaded.model, small.trace, layer)[0]
        cosines = compare_with_gallery(query, features, centred).cpu()
    others = [i for i, entry in enumerate(entries) if entry["digest"] != small.prepared.digest]
    order = sorted(others, key=lambda i: -float(cosines[i]))[:NEIGHBOURS]
    labels = [entries[i]["key"] for i in others]
    return Neighbours(
        names=tuple(entries[i]["file"] for i in order),
        labels=tuple(entries[i]["key"] for i in order),
        cosines=tuple(float(cosines[i]) for i in order),
        votes=tuple(knn_votes(cosines[others], labels, NEIGHBOURS)),
        layer=layer,
        centred=centred,
        picture=small.prepared.picture,
        info=small.info,
    )


def neighbour_layer(loaded: LoadedModel) -> tuple[int, bool]:
    """The layer (from 0) whose class token tells pictures apart, and whether the gallery's mean is taken off first."""
    layer = loaded.card.neighbour_layer
    return (loaded.model.config.depth - 1, False) if layer is None else (layer, True)


def gallery_features(engine: Engine, model: str, layer: int) -> tuple[torch.Tensor, list[dict]]:
    """Features (n, D) of the example pictures under a model, and their entries with digests; kept."""

    def make():
        loaded = engine.load(model)
        entries = gallery_entries(engine.gallery)
        rows = []
        for entry in entries:
            with Image.open(engine.gallery / entry["file"]) as picture:
                prepared = prepare(picture, loaded.preprocess, loaded.model.config.patch_px, SizeChoice(GALLERY_SIDE))
            pixels = torch.from_numpy(prepared.pixels)[None].to(engine.hardware.device)
            trace, _ = engine.encode(loaded, pixels)
            with torch.inference_mode():
                rows.append(picture_features(loaded.model, trace, layer))
            entry["digest"] = prepared.digest
        return torch.cat(rows), entries

    return engine.kept.get_or_make(("gallery", model, layer), make, lambda made: made[0].numel() * 4)[0]


def gallery_entries(folder: Path) -> list[dict]:
    """The labelled example pictures, in the order in which they are shown."""
    return json.loads((folder / "gallery.json").read_text(encoding="utf-8"))
