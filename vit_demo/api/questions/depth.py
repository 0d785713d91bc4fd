"""What changes through the layers."""

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


@question(contract.LayerHeadTable)
def depth(
    explainer: ExplainerProtocol, picture: Picture, model: str = "", size_px: int = 0, keep_shape: bool = False
) -> Result:
    """Numbers of every layer and head: how far it looks (pixels), how widely (bits), and the share of attention that
    goes to class token and registers."""
    return Result(as_plain(explainer.depth(picture, model, size_of(size_px, keep_shape))))


@question(contract.Evolution)
def evolution(
    explainer: ExplainerProtocol, picture: Picture, model: str = "", size_px: int = 0, keep_shape: bool = False
) -> Result:
    """How alike tokens are to themselves at other depths, and what the classifier would read after each layer."""
    return Result(as_plain(explainer.evolution(picture, model, size_of(size_px, keep_shape))))
