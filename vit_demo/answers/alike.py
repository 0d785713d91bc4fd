"""Whole pictures compared: which of the visitor's own and of the examples are alike."""

from __future__ import annotations

from typing import get_args

import numpy as np
import torch
from PIL import Image

from vit_demo.analysis import features
from vit_demo.answers.predict import GALLERY_SIDE, gallery_entries, neighbour_layer
from vit_demo.contract import MAX_OWN_PICTURES, Alike, DemoError, PictureSummary, PictureVectors, SizeChoice
from vit_demo.engine import Engine
from vit_demo.preprocess import prepare

Pictures = tuple[np.ndarray, ...]


def alike(engine: Engine, image: np.ndarray, own: Pictures, model: str, by: PictureSummary) -> Alike:
    """The visitor's own pictures and the examples in order of likeness to one, and all of them on a plane."""
    if len(own) > MAX_OWN_PICTURES:
        raise DemoError("features.too_many_pictures", count=len(own), most=MAX_OWN_PICTURES)
    if by not in get_args(PictureSummary):
        raise ValueError(f"a picture is compared by {get_args(PictureSummary)}, not {by!r}")
    entries = gallery_entries(engine.gallery)
    loaded = engine.load(model)
    layer, centred = neighbour_layer(loaded)
    examples = tuple(_opened(engine, entry["file"]) for entry in entries)
    asked = engine.run(image, model, SizeChoice(GALLERY_SIDE))
    rows, digests = vectors_of(engine, (*own, *examples, image), model, by)
    # The picture itself is no find, be it an example or one of the visitor's.
    kept = [i for i in range(len(rows) - 1) if digests[i] != digests[-1]]
    vectors, query = torch.from_numpy(rows[kept]), torch.from_numpy(rows[-1])
    cosines = features.compare_with_gallery(query, vectors, centred) if kept else torch.zeros(0)
    order = torch.argsort(cosines, descending=True, stable=True).tolist()
    placed = torch.cat([vectors[order], query[None]])
    components = features.principal_components(placed, 2)
    return Alike(
        own=tuple(kept[i] if kept[i] < len(own) else None for i in order),
        names=tuple("" if kept[i] < len(own) else entries[kept[i] - len(own)]["file"] for i in order),
        cosines=cosines[order].numpy(),
        places=components.scores(placed).numpy(),
        explained=components.share.numpy(),
        by=by,
        layer=layer,
        centred=centred,
        info=asked.info,
    )


def _opened(engine: Engine, file: str) -> np.ndarray:
    """An example picture (H, W, 3) uint8, kept: decoding costs more than comparing."""

    def make() -> np.ndarray:
        with Image.open(engine.gallery / file) as picture:
            return np.asarray(picture.convert("RGB"))

    return engine.kept.get_or_make(("example", file), make, lambda made: made.nbytes)[0]


def vectors_of(engine: Engine, images: Pictures, model: str, by: str = "cls") -> tuple[np.ndarray, list[str]]:
    """(unit vectors (n, D) float32 of whole pictures, names of what the model saw of each). Each picture is run once;
    its vector is kept."""
    loaded = engine.load(model)
    layer, _ = neighbour_layer(loaded)
    rows, digests = [], []
    for image in images:
        prepared = prepare(image, loaded.preprocess, loaded.model.config.patch_px, SizeChoice(GALLERY_SIDE))

        def make(prepared=prepared) -> np.ndarray:
            pixels = torch.from_numpy(prepared.pixels)[None].to(engine.hardware.device)
            trace, _ = engine.encode(loaded, pixels)
            with torch.inference_mode():
                return features.picture_features(loaded.model, trace, layer, by)[0].float().cpu().numpy()

        key = ("vector", model, loaded.revision, layer, by, prepared.digest)
        rows.append(engine.kept.get_or_make(key, make, lambda made: made.nbytes)[0])
        digests.append(prepared.digest)
    return np.stack(rows), digests


def picture_vectors(engine: Engine, images: Pictures, model: str) -> PictureVectors:
    """Vectors of whole pictures, to be compared with others of the same model."""
    loaded = engine.load(model)
    layer, centred = neighbour_layer(loaded)
    return PictureVectors(vectors_of(engine, images, model)[0], model, loaded.revision or "", layer, centred)
