"""The forward pass on a picture, a step at a time."""

from __future__ import annotations

from vit_demo import contract
from vit_demo.api.questions.base import Picture, Result, layer_from_zero, question, size_of
from vit_demo.contract import ExplainerProtocol, TokenQuery
from vit_demo.plain import as_plain


@question(contract.WalkStep, arrays=True)
def walk(
    explainer: ExplainerProtocol,
    picture: Picture,
    model: str = "",
    step: contract.WalkStepName = "pixels",
    token: str = "",
    layer: int = 0,
    head: int = 1,
    size_px: int = 0,
    keep_shape: bool = False,
) -> Result:
    """One step of the forward pass on a picture: the shapes it speaks of, its tensors, the lines of code that do it,
    and questions with their answers. Inside a layer it follows `token` ("cls", or "row,column"; "" for the middle
    patch) and one head."""
    query = TokenQuery.counted_from_one(token) if token else None
    found = explainer.walk(
        picture, model, size_of(size_px, keep_shape), step, query, layer_from_zero(layer), max(1, head) - 1
    )
    return Result(as_plain(found), arrays=dict(found.tensors))
