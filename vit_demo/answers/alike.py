"""Whole pictures compared: which of the visitor's own and of the examples are alike."""

from __future__ import annotations

from importlib.util import find_spec
from typing import get_args

import numpy as np
import torch

from vit_demo.analysis import features
from vit_demo.answers.examples import COMPARED_SIDE, Pictures, example_vectors, neighbour_layer, vectors_of
from vit_demo.contract import MAX_OWN_PICTURES, Alike, DemoError, PictureSummary, Plane, SizeChoice
from vit_demo.engine import Engine, long_work

FEWEST_FOR_UMAP = 6  # its graph's eigenvectors need more points than they are dimensions


@long_work
def alike(engine: Engine, image: np.ndarray, own: Pictures, model: str, by: PictureSummary, plane: Plane) -> Alike:
    """The visitor's own pictures and the examples in order of likeness to one, and all of them on a plane."""
    if len(own) > MAX_OWN_PICTURES:
        raise DemoError("features.too_many_pictures", count=len(own), most=MAX_OWN_PICTURES)
    if by not in get_args(PictureSummary):
        raise ValueError(f"a picture is compared by {get_args(PictureSummary)}, not {by!r}")
    examples = example_vectors(engine, model, by)
    loaded = engine.load(model)
    layer, centred = neighbour_layer(loaded)
    run = engine.run(image, model, SizeChoice(COMPARED_SIDE))
    rows, digests = vectors_of(engine, (*own, image), model, by)
    theirs, query = torch.from_numpy(rows[:-1]), torch.from_numpy(rows[-1])
    there = (*digests[:-1], *examples.digests)
    # The picture itself is no find, be it an example or one of the visitor's.
    kept = [i for i, digest in enumerate(there) if digest != digests[-1]]
    vectors = torch.cat([theirs, examples.vectors.cpu()])[kept]
    with engine.computing():
        cosines = features.compare_with_gallery(query, vectors, centred) if kept else torch.zeros(0)
    order = torch.argsort(cosines, descending=True, stable=True).tolist()
    placed = torch.cat([vectors[order], query[None]])
    planes = ("pca", "umap") if len(placed) >= FEWEST_FOR_UMAP and find_spec("umap") else ("pca",)
    plane = plane if plane in planes else "pca"
    name = ("plane", plane, model, loaded.revision, by, *(there[i] for i in kept), digests[-1])
    make = lambda: _plane(engine, placed, plane)  # noqa: E731 – UMAP takes seconds
    places, explained = engine.kept.get_or_make(name, make, lambda made: made[0].nbytes)[0]
    return Alike(
        own=tuple(kept[i] if kept[i] < len(own) else None for i in order),
        names=tuple("" if kept[i] < len(own) else examples.files[kept[i] - len(own)] for i in order),
        cosines=cosines[order].numpy(),
        places=places,
        explained=explained,
        planes=planes,
        by=by,
        layer=layer,
        centred=centred,
        info=run.info,
    )


def _plane(engine: Engine, vectors: torch.Tensor, plane: Plane) -> tuple[np.ndarray, np.ndarray | None]:
    """(places (n, 2) of unit vectors (n, D), shares of variance of both axes or None)."""
    if plane == "umap":
        return features.umap_places(vectors), None
    with engine.computing():
        components = features.principal_components(vectors, 2)
        return components.scores(vectors).numpy(), components.share.numpy()
