"""Where tokens look."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from vit_demo import contract
from vit_demo.api.questions.base import (
    Picture,
    Result,
    layer_from_zero,
    question,
    size_of,
)
from vit_demo.contract import ExplainerProtocol, TokenQuery
from vit_demo.plain import Pass, as_plain
from vit_demo.render.colour import colourise
from vit_demo.render.overlay import enlarge, head_sheet

SHEET_PX, THUMBNAIL_PX = 224, 48


@question(contract.HeadMaps, picture=True)
def attention(
    explainer: ExplainerProtocol,
    picture: Picture,
    model: str = "",
    layer: int = 0,
    token: str = "cls",
    size_px: int = 0,
    keep_shape: bool = False,
) -> Result:
    """Where one token looks in a layer, for every head: maps over patches, and what went to the prefix tokens; for each
    head they add up to 1. The picture shows all heads side by side on one scale. Attention is one step of a long
    computation, not an explanation.

    Parameters:
        layer: from 1, or from the end: -1; 0 is the last
        token: cls, dist, reg1 … or "row,column" of a patch, from 1
    """
    answer = explainer.attention(
        picture, model, size_of(size_px, keep_shape), TokenQuery.counted_from_one(token), layer_from_zero(layer)
    )
    return Result(as_plain(answer), head_sheet(answer.maps, (0.0, float(answer.maps.max())), SHEET_PX))


class LayerPass(TypedDict):
    layer: int
    tokens: int
    distance_px: list[float]
    files: list[str]


@question(LayerPass, arrays=True)
def attention_layer(
    explainer: ExplainerProtocol,
    picture: Picture,
    model: str = "",
    layer: int = 0,
    size_px: int = 0,
    keep_shape: bool = False,
) -> Result:
    """All of a layer's attention in an NPZ file, for whoever computes rows and columns: queries and keys (heads,
    tokens, channels) as integers with their steps, value = integer · step, and log_sums (heads, tokens), so that
    A[i, j] = exp(q_i · k_j − log_sums[i]).

    Parameters:
        layer: from 1, or from the end: -1; 0 is the last
    """
    answer = explainer.attention_layer(picture, model, size_of(size_px, keep_shape), layer_from_zero(layer))
    names = ("queries", "query_steps", "keys", "key_steps", "log_sums")
    numbers = {
        "layer": answer.layer + 1,
        "tokens": answer.info.grid.num_tokens,
        "distance_px": [round(float(one), 3) for one in answer.distance_px],
        "files": list(names),
    }
    return Result(numbers, arrays={name: getattr(answer, name) for name in names})


class WallNumbers(TypedDict):
    tops: list
    prefix: list
    info: Pass


@question(WallNumbers, picture=True)
def attention_wall(
    explainer: ExplainerProtocol, picture: Picture, model: str = "", size_px: int = 0, keep_shape: bool = False
) -> Result:
    """Where the class token looks in every layer and head, as thumbnails, each on its own scale: the picture has a line
    for each layer."""
    answer = explainer.attention_wall(picture, model, size_of(size_px, keep_shape))
    lines = [np.hstack([_thumbnail(one) for one in layer]) for layer in answer.maps]
    numbers = as_plain(answer)
    del numbers["maps"]  # in the picture
    return Result(numbers, np.vstack(lines))


def _thumbnail(values: np.ndarray) -> np.ndarray:
    rows, cols = values.shape
    height, width = (max(1, round(THUMBNAIL_PX * side / max(rows, cols))) for side in (rows, cols))
    return enlarge(colourise(values.astype(float), (0.0, 255.0)), height, width)
