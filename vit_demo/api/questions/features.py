"""What the features know."""

from __future__ import annotations

from typing import Literal, TypedDict

import numpy as np

from vit_demo import contract
from vit_demo.api.questions.base import (
    Facet,
    Picture,
    Pictures,
    Result,
    layer_from_zero,
    over,
    question,
    side_by_side,
    size_of,
)
from vit_demo.contract import ExplainerProtocol, TokenQuery
from vit_demo.plain import as_plain
from vit_demo.render.overlay import enlarge, overlay


@question(contract.PcaImages, picture=True)
def features_pca(
    explainer: ExplainerProtocol,
    pictures: Pictures,
    model: str = "",
    layer: int = 0,
    facet: Facet = "token",
    method: Literal["dinov2", "dinov3"] = "dinov2",
    foreground: bool = True,
    size_px: int = 0,
    keep_shape: bool = False,
) -> Result:
    """Three principal components of the patches as colours, for up to eight pictures on one basis.

    Parameters:
        layer: from 1, or from the end: -1; 0 is the last
        facet: what of each patch is taken
        foreground: black where the first component says background
    """
    size = size_of(size_px, keep_shape)
    answer = explainer.pca(pictures, model, size, layer_from_zero(layer), facet, method, foreground)
    shown = [
        enlarge((255 * colours + 0.5).astype(np.uint8), *picture.shape[:2])
        for colours, picture in zip(answer.colours, answer.pictures, strict=True)
    ]
    return Result(as_plain(answer), side_by_side(shown))


class SimilarityMap(TypedDict):
    cosines: list
    row: int
    column: int
    grid: list[int]
    layer: int
    facet: str


@question(SimilarityMap, picture=True)
def similarity(
    explainer: ExplainerProtocol,
    picture: Picture,
    model: str = "",
    row: int = 1,
    column: int = 1,
    layer: int = 0,
    facet: Facet = "token",
    size_px: int = 0,
    keep_shape: bool = False,
) -> Result:
    """How alike every patch is to one of them: cosines of their features.

    Parameters:
        row: of the patch, from 1
        column: of the patch, from 1
        layer: from 1, or from the end: -1; 0 is the last
        facet: what of each patch is taken
    """
    answer = explainer.patch_features(picture, model, size_of(size_px, keep_shape), layer_from_zero(layer), facet)
    patch = TokenQuery(None, row - 1, column - 1).token(answer.grid) - answer.grid.num_prefix_tokens
    cosines = (answer.vectors @ answer.vectors[patch]).reshape(answer.grid.shape)
    numbers = {
        "cosines": np.round(cosines.astype(float), 4).tolist(),
        "row": row,
        "column": column,
        "grid": list(answer.grid.shape),
        "layer": answer.layer + 1,
        "facet": facet,
    }
    return Result(numbers, overlay(answer.picture, cosines, (float(cosines.min()), 1.0)))


@question(contract.Correspondences)
def correspondences(
    explainer: ExplainerProtocol,
    picture: Picture,
    other: Picture,
    model: str = "",
    layer: int = 0,
    facet: Facet = "key",
    pairs: int = 10,
    size_px: int = 0,
    keep_shape: bool = False,
) -> Result:
    """Patches of two pictures that are each other's most similar, best first: rows and columns of both.

    Parameters:
        layer: from 1, or from the end: -1; 0 is the last
        pairs: how many at most
    """
    size = size_of(size_px, keep_shape)
    return Result(
        as_plain(explainer.correspondences(picture, other, model, size, layer_from_zero(layer), facet, pairs))
    )


@question(contract.Segmentation, picture=True)
def segments(
    explainer: ExplainerProtocol,
    picture: Picture,
    model: str = "",
    method: Literal["kmeans", "ncut"] = "kmeans",
    count: int = 4,
    layer: int = 0,
    facet: Facet = "key",
    size_px: int = 0,
    keep_shape: bool = False,
) -> Result:
    """A segment for each patch, without labels: k-means, or the normalised cut into foreground and background.

    Parameters:
        count: k-means: how many segments
        layer: from 1, or from the end: -1; 0 is the last
    """
    size = size_of(size_px, keep_shape)
    answer = explainer.segments(picture, model, size, layer_from_zero(layer), facet, method, count)
    return Result(as_plain(answer), over(answer.picture, answer.labels.astype(float), False))


@question(contract.TokenNorms, picture=True)
def token_norms(
    explainer: ExplainerProtocol,
    picture: Picture,
    model: str = "",
    layer: int = 0,
    threshold: float | None = None,
    size_px: int = 0,
    keep_shape: bool = False,
) -> Result:
    """Lengths of the tokens in every layer, which are far out, and what the prefix tokens absorb (Darcet et al. 2024).

    Parameters:
        layer: from 1, or from the end: -1; 0 is the last
        threshold: above it a patch is an outlier; none: worked out of the norms
    """
    answer = explainer.token_norms(picture, model, size_of(size_px, keep_shape), layer_from_zero(layer), threshold)
    return Result(as_plain(answer), over(answer.picture, answer.patches[answer.layer], False))


@question(contract.Alike)
def alike(
    explainer: ExplainerProtocol,
    picture: Picture,
    own: Pictures = (),
    model: str = "",
    by: Literal["cls", "patches"] = "cls",
) -> Result:
    """The example pictures, and pictures of your own, in order of likeness to a picture.

    Parameters:
        own: more pictures to compare with
        by: the class token, or the mean of the patches
    """
    return Result(as_plain(explainer.alike(picture, own, model, by)))
