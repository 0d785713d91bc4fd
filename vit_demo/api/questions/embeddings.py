"""What positions and patches are made of."""

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
from vit_demo.plain import as_plain
from vit_demo.render.colour import DIVERGING
from vit_demo.render.figures import filter_sheet, similarity_tiles
from vit_demo.render.overlay import head_sheet


class PositionMap(TypedDict):
    grid: list[int]
    kind: str
    limits: list[float]
    native: bool


@question(PositionMap, picture=True, arrays=True)
def position_similarity(explainer: ExplainerProtocol, model: str = "") -> Result:
    """How alike the model's positions are to one another: a tile for each (the paper's Fig. 7 centre), and the whole
    matrix in an NPZ file."""
    answer = explainer.position_similarity(model)
    numbers = as_plain(answer)
    del numbers["matrix"]
    return Result(numbers, similarity_tiles(answer.matrix, answer.grid, answer.limits), {"matrix": answer.matrix})


@question(contract.PositionStructure)
def position_structure(explainer: ExplainerProtocol, model: str = "", components: int = 12) -> Result:
    """Position similarity by the step between two positions, and principal components of the position table."""
    return Result(as_plain(explainer.position_structure(model, components=components)))


@question(contract.FilterBank, picture=True)
def patch_filters(explainer: ExplainerProtocol, model: str = "", count: int = 28) -> Result:
    """The filters that turn a patch into a token: their first principal components (Fig. 7 left), as a picture.

    Parameters:
        count: how many components
    """
    answer = explainer.filters(model, count)
    return Result(as_plain(answer), filter_sheet(answer.filters))


@question(contract.FilterResponses, picture=True)
def filter_responses(
    explainer: ExplainerProtocol,
    picture: Picture,
    model: str = "",
    count: int = 28,
    size_px: int = 0,
    keep_shape: bool = False,
) -> Result:
    """What the first principal components of the filters answer on a picture: the dot product at every patch.

    Parameters:
        count: how many components
    """
    answer = explainer.filter_responses(picture, model, size_of(size_px, keep_shape), count)
    top = float(np.abs(answer.responses).max())
    return Result(as_plain(answer), head_sheet(answer.responses, (-top, top), table=DIVERGING))


@question(contract.InputParts)
def input_parts(
    explainer: ExplainerProtocol, picture: Picture, model: str = "", size_px: int = 0, keep_shape: bool = False
) -> Result:
    """What enters the first layer: lengths of each projected patch, of its position and of their sum."""
    return Result(as_plain(explainer.input_parts(picture, model, size_of(size_px, keep_shape))))


@question(contract.Interpolation)
def interpolation(
    explainer: ExplainerProtocol,
    picture: Picture,
    model: str = "",
    size_px: int = 0,
    keep_shape: bool = False,
    first: str = "",
    second: str = "google",
) -> Result:
    """What the difference of two conventions of stretching the position table does to a picture's features and
    prediction.

    Parameters:
        first: a convention; "" for the checkpoint's own
        second: another: google, dino, transformers, timm …
    """
    size = size_of(size_px, keep_shape)
    return Result(as_plain(explainer.interpolation(picture, model, size, first or None, second)))


@question(contract.StretchedTable)
def stretched_table(
    explainer: ExplainerProtocol,
    model: str = "",
    rows: int = 24,
    columns: int = 24,
    first: str = "",
    second: str = "google",
    component: int = 0,
) -> Result:
    """The table of positions on another grid by every convention, and how far two of them lie apart.

    Parameters:
        first: a convention; "" for the checkpoint's own
        second: another: google, dino, transformers, timm …
        component: 0 shows the likeness to the middle position, from 1 a principal component
    """
    return Result(as_plain(explainer.stretched_table(model, (rows, columns), first or None, second, component)))


@question(contract.Rotation)
def rotation(
    explainer: ExplainerProtocol,
    picture: Picture,
    model: str = "",
    layer: int = 0,
    head: int = 1,
    token: str = "cls",
    size_px: int = 0,
    keep_shape: bool = False,
) -> Result:
    """Rotary positions: their bands over the picture's grid, and where a token looks with and without rotation.

    Parameters:
        layer: from 1, or from the end: -1; 0 is the last
        head: from 1
        token: cls, dist, reg1 … or "row,column" of a patch, from 1
    """
    query = TokenQuery.counted_from_one(token)
    return Result(
        as_plain(
            explainer.rotation(picture, model, size_of(size_px, keep_shape), query, layer_from_zero(layer), head - 1)
        )
    )
