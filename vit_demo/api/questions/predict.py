"""What a picture is."""

from __future__ import annotations

from vit_demo import contract
from vit_demo.api.questions.base import (
    Picture,
    Result,
    question,
    size_of,
)
from vit_demo.contract import ExplainerProtocol
from vit_demo.plain import as_plain


@question(contract.Prediction, contract.Neighbours)
def predict(
    explainer: ExplainerProtocol,
    picture: Picture,
    model: str = "",
    size_px: int = 0,
    keep_shape: bool = False,
    top: int = 5,
) -> Result:
    """The most probable classes; for a model without a classifier the labelled example pictures it finds most alike.

    Parameters:
        top: how many classes
    """
    return Result(as_plain(explainer.predict(picture, model, size_of(size_px, keep_shape), top)))
