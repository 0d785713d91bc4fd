"""Classes of one's own."""

from __future__ import annotations

import numpy as np

from vit_demo import contract
from vit_demo.api.questions.base import (
    Picture,
    Pictures,
    Result,
    question,
)
from vit_demo.contract import DemoError, ExplainerProtocol
from vit_demo.contract.own_classes import THUMB_PX
from vit_demo.plain import as_plain


@question(contract.OwnPrediction)
def own_classes(
    explainer: ExplainerProtocol, picture: Picture, examples: Pictures, labels: list[str], model: str = ""
) -> Result:
    """What a picture is by classes of your own: a k-NN vote and a linear probe over a few labelled pictures.

    Parameters:
        examples: labelled pictures, of two classes or more
        labels: the class of each, in the same order
    """
    if len(labels) != len(examples):
        raise DemoError("api.labels", labels=len(labels), examples=len(examples))
    names = tuple(dict.fromkeys(labels))
    numbers = np.array([names.index(label) for label in labels], np.int64)
    side = THUMB_PX
    own = contract.OwnClasses(
        names, numbers, np.zeros((len(labels), side, side, 3), np.uint8), explainer.picture_vectors(examples, model)
    )
    return Result(as_plain(explainer.own_classes(picture, own, model)))
