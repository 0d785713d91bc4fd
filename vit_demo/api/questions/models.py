"""Which models there are."""

from __future__ import annotations

from typing import TypedDict

from vit_demo.api.questions.base import (
    Result,
    question,
)
from vit_demo.contract import ExplainerProtocol
from vit_demo.text import say


class Model(TypedDict):
    """A model on offer. `availability`: "on_disk", "downloadable", "out_of_reach" or "unknown"."""

    id: str
    title: str
    family: str
    parameters: int
    download_bytes: int
    predicts_classes: bool
    native_size_px: list[int]
    patch_px: int
    licence: str
    availability: str
    why: str


class Models(TypedDict):
    default: str
    models: list[Model]


@question(Models)
def models(explainer: ExplainerProtocol) -> Result:
    """Every model on offer, and whether its weights are on the server or would have to be downloaded first."""
    rows = []
    for status in explainer.statuses():
        card = status.card
        rows.append(
            Model(
                id=card.id,
                title=card.title,
                family=card.family,
                parameters=card.parameters,
                download_bytes=card.download_bytes,
                predicts_classes=card.has_head,
                native_size_px=list(card.native_size),
                patch_px=card.patch_px,
                licence=card.licence,
                availability=status.availability,
                why=say(card.why),
            )
        )
    return Result({"default": explainer.default_model(download=False), "models": rows})
