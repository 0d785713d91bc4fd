"""Classes of the visitor's own: what a picture is by them, and how good they are."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from vit_demo.analysis.features import compare_with_gallery
from vit_demo.analysis.own_classes import NEIGHBOURS, leave_one_out, probe_probabilities, votes_of_classes
from vit_demo.answers.examples import COMPARED_SIDE, vectors_with_origin
from vit_demo.contract import DemoError, OwnClasses, OwnPrediction, PictureVectors, SizeChoice
from vit_demo.contract.own_classes import MAX_EXAMPLES
from vit_demo.engine import Engine, long_work

REASONS = 5  # nearest examples shown


@long_work
def picture_vectors(engine: Engine, images: tuple[np.ndarray, ...], model: str) -> PictureVectors:
    """One unit vector per picture, of the layer that tells pictures apart best."""
    if not 1 <= len(images) <= MAX_EXAMPLES:
        raise DemoError("own_classes.too_many_examples", most=MAX_EXAMPLES)
    return vectors_with_origin(engine, images, model)


@long_work
def own_classes(engine: Engine, image: np.ndarray, own: OwnClasses, model: str) -> OwnPrediction:
    """What a picture is by the visitor's own classes, of which two or more must have an example."""
    here = vectors_with_origin(engine, (image,), model)
    width = here.vectors.shape[1]
    if own.vectors.origin != here.origin or own.vectors.vectors.shape[1] != width:
        raise DemoError("own_classes.other_model", theirs=own.vectors.model_id or "–", ours=model)
    if len(np.unique(own.labels)) < 2:
        raise DemoError("own_classes.too_few_classes")
    run = engine.run(image, model, SizeChoice(COMPARED_SIDE))
    examples = torch.from_numpy(own.vectors.vectors).float()
    query = torch.from_numpy(here.vectors[0])
    rest = examples, own.labels, len(own.names), here.centred
    with engine.computing():
        cosines = compare_with_gallery(query, examples, here.centred)
        nearest = cosines.topk(min(REASONS, len(examples)))
        votes, probe = votes_of_classes(query, *rest), probe_probabilities(query, *rest)
    knn_right, probe_right = _accuracy(engine, *rest)
    return OwnPrediction(
        names=own.names,
        votes=votes,
        probe=probe,
        nearest=nearest.indices.numpy(),
        cosines=nearest.values.numpy(),
        neighbours=min(NEIGHBOURS, len(examples)),
        knn_right=knn_right,
        probe_right=probe_right,
        picture=run.prepared.picture,
        info=run.info,
    )


def _accuracy(
    engine: Engine, examples: torch.Tensor, labels: np.ndarray, classes: int, centred: bool
) -> tuple[float, float]:
    """Leave-one-out accuracies, kept: they change only when the examples do."""
    content = examples.numpy().tobytes() + labels.tobytes()
    key = ("leave one out", hashlib.blake2b(content, digest_size=16).digest(), classes, centred)

    def make() -> tuple[float, float]:
        with engine.computing():
            return leave_one_out(examples, labels, classes, centred)

    return engine.kept.get_or_make(key, make, lambda made: 64)[0]
