"""Models side by side."""

from __future__ import annotations

from vit_demo import contract
from vit_demo.api.questions.base import Picture, Result, question, size_of
from vit_demo.contract import ExplainerProtocol
from vit_demo.plain import as_plain


@question(contract.Comparison)
def compare(
    explainer: ExplainerProtocol,
    picture: Picture,
    models: list[str],
    size_px: int = 0,
    keep_shape: bool = False,
) -> Result:
    """Up to four models on one picture: what each predicts, its attention through the layers, and how far its layers
    agree with those of the first (linear CKA). A model that cannot be had keeps its place, with the problem.

    Parameters:
        models: ids as `models` lists them
    """
    return Result(as_plain(explainer.compare(picture, models, size_of(size_px, keep_shape))))


@question(contract.Agreement)
def agreement(
    explainer: ExplainerProtocol,
    picture: Picture,
    other_model: str,
    model: str = "",
    size_px: int = 0,
    keep_shape: bool = False,
) -> Result:
    """How far the layers of two models agree on a picture: `values` (layers, layers of the other), linear CKA of their
    patches at the same places of the picture, 1 for the same up to rotation and scale.

    Parameters:
        other_model: the other model's id
    """
    return Result(as_plain(explainer.agreement(picture, model, other_model, size_of(size_px, keep_shape))))
