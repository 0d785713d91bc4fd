"""What the model predicts: its classes, or for a model without a head the closest of the labelled example pictures."""

from __future__ import annotations

import numpy as np

from vit_demo.analysis.features import compare_with_gallery, knn_votes, picture_features
from vit_demo.answers.examples import COMPARED_SIDE, example_vectors, neighbour_layer
from vit_demo.checkpoints.labels import numbered
from vit_demo.checkpoints.load import LoadedModel
from vit_demo.contract import Neighbours, Prediction, SizeChoice
from vit_demo.engine import Engine

NEIGHBOURS = 5


def predict(engine: Engine, image: np.ndarray, model: str, size: SizeChoice, top: int) -> Prediction | Neighbours:
    """The most probable classes; for a model without a head the nearest examples."""
    loaded = engine.load(model)
    if loaded.model.head is None:
        return neighbours(engine, image, model, loaded)
    run = engine.run(image, model, size)
    multi_label, count = loaded.model.config.multi_label, loaded.model.config.num_classes
    with engine.computing():
        best = loaded.model.probabilities(run.encoded.class_logits[0]).topk(max(1, min(top, count)))
    names = class_names(loaded)
    return Prediction(
        labels=tuple(names[i] for i in best.indices.tolist()),
        probabilities=tuple(best.values.tolist()),
        rest=None if multi_label else max(0.0, 1.0 - float(best.values.sum())),
        num_classes=count,
        picture=run.prepared.picture,
        info=run.info,
        multi_label=multi_label,
        classes=tuple(best.indices.tolist()),
    )


def class_names(loaded: LoadedModel) -> tuple[str, ...]:
    """The classes of a model with a head, numbered where the checkpoint names none."""
    return loaded.labels or tuple(numbered(i) for i in range(loaded.model.config.num_classes))


def neighbours(engine: Engine, image: np.ndarray, model: str, loaded: LoadedModel) -> Neighbours:
    """The closest examples by the class token, all at COMPARED_SIDE; the picture itself is left out of them."""
    small = engine.run(image, model, SizeChoice(COMPARED_SIDE))
    layer, centred = neighbour_layer(loaded)
    examples = example_vectors(engine, model)
    with engine.computing():
        query = picture_features(loaded.model, small.trace, layer)[0]
        cosines = compare_with_gallery(query, examples.vectors, centred).cpu()
        others = [i for i, digest in enumerate(examples.digests) if digest != small.prepared.digest]
        labels = [examples.keys[i] for i in others]
        votes = tuple(knn_votes(cosines[others], labels, NEIGHBOURS))
    order = sorted(others, key=lambda i: -float(cosines[i]))[:NEIGHBOURS]
    return Neighbours(
        names=tuple(examples.files[i] for i in order),
        labels=tuple(examples.keys[i] for i in order),
        cosines=tuple(float(cosines[i]) for i in order),
        votes=votes,
        layer=layer,
        centred=centred,
        picture=small.prepared.picture,
        info=small.info,
    )
