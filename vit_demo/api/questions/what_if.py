"""What becomes of an answer when something inside the forward pass is changed."""

from __future__ import annotations

from typing import Literal, TypedDict

import numpy as np

from vit_demo import contract
from vit_demo.api.questions.base import Picture, Result, layer_from_zero, question, side_by_side, size_of
from vit_demo.api.questions.relevance import target_number
from vit_demo.contract import DemoError, ExplainerProtocol, TokenQuery
from vit_demo.edits import Cut, Edits
from vit_demo.plain import Pass, as_plain
from vit_demo.render.overlay import before_and_after

HeadGives = Literal["mean", "zero", "examples"]
Search = Literal["greedy", "attention", "rollout", "gradient_rollout", "chefer", "legrad", "grad_cam"]


class Answer(TypedDict):
    """One answer before and after: a class with its probability and logit, or an example with its cosine."""

    name: str
    before: float
    after: float
    score_before: float
    score_after: float


class Changed(TypedDict):
    """The answers that were best before or after, and the target; `likeness` is the cosine of the picture's feature
    with its unchanged one."""

    kind: str
    answers: list[Answer]
    best_before: str
    best_after: str
    target: str
    changed: bool
    likeness: float
    layer_read: int
    layer: int
    token: str
    tokens: int
    after_ms: float
    info: Pass


@question(Changed, picture=True, arrays=True)
def what_if(
    explainer: ExplainerProtocol,
    picture: Picture,
    model: str = "",
    drop: list[str] | None = None,
    heads: list[str] | None = None,
    head_gives: HeadGives = "mean",
    skip: list[str] | None = None,
    unseen: list[str] | None = None,
    positions: Literal["keep", "none", "shuffled", "mirrored", "equal"] = "keep",
    position_scale: float = 1.0,
    temperature: float = 1.0,
    hide: list[str] | None = None,
    hide_with: Literal["mean", "blur"] = "mean",
    shuffle_patches: bool = False,
    seed: int = 0,
    target: str = "",
    token: str = "",
    layer: int = 0,
    size_px: int = 0,
    keep_shape: bool = False,
) -> Result:
    """The answer before and after something inside the forward pass is changed. The picture shows where a token looks,
    mean over heads: before, after, and their difference; the NPZ file has the maps of every head.

    Parameters:
        drop: patches that never enter the model, each as "row,column"
        heads: heads that are switched off, each as "layer,head"
        head_gives: what a head that is off gives: its mean over the picture, zeros, or its mean over the examples
        skip: parts that are skipped, each as "layer,attention" or "layer,mlp"
        unseen: prefix tokens (cls, dist, reg1 …) or patches "row,column" that no token looks at, themselves included
        positions: of the patches
        position_scale: by which RoPE's coordinates are multiplied
        temperature: by which every attention score is multiplied
        hide: patches whose pixels are replaced, each as "row,column"
        hide_with: their mean colour, or a blur
        shuffle_patches: whether the picture's patches change places
        seed: of what is shuffled
        target: an answer that is told in any case: by name, or by number from 1 as "#5"; "" for the best
        token: from which the maps look: cls, dist, reg1 …, or a patch as "row,column"; "" for the class token
        layer: of the maps, from 1; 0 for the last
    """
    edits = _edits(
        drop=_places("drop", drop),
        hide=_places("hide", hide),
        hide_with=hide_with,
        shuffle_patches=shuffle_patches,
        seed=seed,
        positions=positions,
        position_scale=position_scale,
        temperature=temperature,
        heads=dict.fromkeys(_places("heads", heads), head_gives),
        skip=tuple(_part(one) for one in skip or ()),
        cut=(Cut(keys=tuple(_token(one) for one in unseen)),) if unseen else (),
    )
    size = size_of(size_px, keep_shape)
    number = target_number(explainer, picture, model, size, target) if target.strip() else None
    query = TokenQuery.counted_from_one(token) if token.strip() else None
    return _result(explainer.what_if(picture, model, size, edits, number, query, layer_from_zero(layer)))


@question(Changed, picture=True, arrays=True)
def patch_in(
    explainer: ExplainerProtocol,
    picture: Picture,
    other: Picture,
    model: str = "",
    from_layer: int = 1,
    tokens: list[str] | None = None,
    target: str = "",
    size_px: int = 0,
    keep_shape: bool = False,
) -> Result:
    """The answer when at one layer's output the states of some tokens are those of another picture: what they carry.

    Parameters:
        from_layer: the layer, from 1
        tokens: cls, dist, reg1 …, a patch as "row,column", or patches for all of them; none for every token
        target: an answer that is told in any case: by name, or by number from 1 as "#5"; "" for the best
    """
    chosen = None if not tokens else tuple(_token(one) for one in tokens)
    edits = _edits(patch_in=((from_layer - 1, chosen),))
    size = size_of(size_px, keep_shape)
    number = target_number(explainer, picture, model, size, target) if target.strip() else None
    return _result(explainer.what_if(picture, model, size, edits, number, other=other))


@question(contract.Scan)
def scan(
    explainer: ExplainerProtocol,
    picture: Picture,
    model: str = "",
    kind: Literal["heads", "layers", "patches"] = "heads",
    target: str = "",
    how: HeadGives = "mean",
    size_px: int = 0,
    keep_shape: bool = False,
) -> Result:
    """How much a score changes when every head is replaced, every layer's attention and MLP skipped, or every patch
    dropped, one at a time: `values` (layers, heads), (layers, 2) or (rows, columns), in logits or cosines.

    Parameters:
        kind: what is changed
        target: whose score: by name, or by number from 1 as "#5"; "" for the best answer
        how: what a head that is off gives: its mean over the picture, zeros, or its mean over the examples
    """
    size = size_of(size_px, keep_shape)
    number = target_number(explainer, picture, model, size, target) if target.strip() else None
    return Result(as_plain(explainer.scan(picture, model, size, kind, number, how)))


@question(contract.Scan)
def scan_states(
    explainer: ExplainerProtocol,
    picture: Picture,
    other: Picture,
    model: str = "",
    target: str = "",
    size_px: int = 0,
    keep_shape: bool = False,
) -> Result:
    """Where the answer is carried: how much a score changes when at each layer's output the states of the prefix
    tokens, or of the patches, are those of another picture: `values` (layers, 2).

    Parameters:
        target: whose score: by name, or by number from 1 as "#5"; "" for the best answer
    """
    size = size_of(size_px, keep_shape)
    number = target_number(explainer, picture, model, size, target) if target.strip() else None
    return Result(as_plain(explainer.scan(picture, model, size, "states", number, other=other)))


@question(contract.Search)
def fewest_patches(
    explainer: ExplainerProtocol,
    picture: Picture,
    model: str = "",
    method: Search = "greedy",
    size_px: int = 0,
    keep_shape: bool = False,
) -> Result:
    """The fewest patches that a method finds whose loss changes the best answer. Fewer may do.

    Parameters:
        method: a greedy search, or the order in which a relevance method ranks the patches
    """
    return Result(as_plain(explainer.fewest_patches(picture, model, size_of(size_px, keep_shape), method)))


# -------------------------------------------------------------------------------------------------------------- parts


def _edits(**values) -> Edits:
    try:
        return Edits(**values)
    except ValueError as error:
        raise DemoError("what_if.refused", reason=str(error)) from None


def _places(name: str, values: list[str] | None) -> tuple[tuple[int, int], ...]:
    """Pairs of numbers from 1, written as "1,2", from 0."""
    places = []
    for value in values or ():
        first, _, second = value.partition(",")
        first, second = first.strip(), second.strip()
        if not (first.isdecimal() and second.isdecimal()):
            raise DemoError("api.wrong_value", name=name, wanted='"1,2"')
        places.append((int(first[:9]) - 1, int(second[:9]) - 1))
    return tuple(places)


def _part(value: str) -> tuple[int, str]:
    layer, _, part = value.partition(",")
    layer = layer.strip()
    if not layer.isdecimal() or part.strip() not in ("attention", "mlp"):
        raise DemoError("api.wrong_value", name="skip", wanted='"3,attention", "3,mlp"')
    return int(layer[:9]) - 1, part.strip()


def _token(value: str) -> str | tuple[int, int]:
    return _places("tokens", [value])[0] if "," in value else value.strip()


def _result(answer: contract.WhatIf) -> Result:
    plain = as_plain(answer)
    columns = (plain[name] for name in ("names", "before", "after", "scores_before", "scores_after"))
    told = [
        Answer(name=name, before=before, after=after, score_before=score_before, score_after=score_after)
        for name, before, after, score_before, score_after in zip(*columns, strict=True)
    ]
    numbers = Changed(
        kind=answer.kind,
        answers=told,
        best_before=answer.names[answer.best_before],
        best_after=answer.names[answer.best_after],
        target=answer.names[answer.target],
        changed=answer.best_before != answer.best_after,
        likeness=plain["likeness"],
        layer_read=answer.layer_read + 1,
        layer=answer.layer + 1,
        token=answer.query.name_from_one,
        tokens=answer.tokens,
        after_ms=plain["after_ms"],
        info=plain["info"],
    )
    before, after = answer.maps_before, answer.maps_after
    if before is None or after is None:
        return Result(dict(numbers), answer.seen, {"maps_before": np.zeros(0) if before is None else before})
    laid = before_and_after(answer.seen, before, after)
    arrays = {"maps_before": before, "maps_after": after}
    return Result(dict(numbers), side_by_side(laid), arrays)
