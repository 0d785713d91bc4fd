"""What a score came from."""

from __future__ import annotations

from typing import Literal

from vit_demo import contract
from vit_demo.api.questions.base import (
    Baseline,
    Picture,
    Result,
    over,
    question,
    side_by_side,
    size_of,
)
from vit_demo.contract import DemoError, ExplainerProtocol, RelevanceOptions, SizeChoice
from vit_demo.contract.relevance import QUICK_METHODS
from vit_demo.plain import as_plain

# relevance.METHODS, written out for whoever reads the signature; a test holds them equal
Method = Literal[
    "attention",
    "rollout",
    "gradient_rollout",
    "chefer",
    "legrad",
    "grad_cam",
    "gradient_input",
    "integrated_gradients",
    "occlusion",
    "random_masks",
    "random",
]


@question(contract.Targets)
def targets(
    explainer: ExplainerProtocol,
    picture: Picture,
    model: str = "",
    size_px: int = 0,
    keep_shape: bool = False,
    top: int = 5,
) -> Result:
    """What relevance can be asked for: the model's classes, or the example pictures for a model without a classifier.

    Parameters:
        top: how many of the best are named in `best`
    """
    return Result(as_plain(explainer.targets(picture, model, size_of(size_px, keep_shape), top)))


@question(contract.Relevance, picture=True)
def relevance(
    explainer: ExplainerProtocol,
    picture: Picture,
    model: str = "",
    target: str = "",
    methods: list[str] | None = None,
    size_px: int = 0,
    keep_shape: bool = False,
    baseline: Baseline = "dropped",
    start_layer: int = 1,
    discard: float = 0.0,
    seed: int = 0,
) -> Result:
    """Which patches a score came from, by several methods that need not agree. The picture shows every map over what
    the model saw, each on its own scale.

    Parameters:
        target: a class by name, or by number from 1 as "#5"; "" for the most probable
        methods: of attention, rollout, gradient_rollout, chefer, legrad, grad_cam, gradient_input (quick), and
            integrated_gradients, occlusion, random_masks (they run the model many times); none for all quick ones
        baseline: what becomes of hidden patches: they are dropped (occlusion alone; other methods take the mean), or
            show the mean colour, a blur, or black
        start_layer: rollout and Chefer: the layer, from 1, down to which they walk
        discard: rollout: the share of a layer's entries, the lowest, that is set to 0
        seed: of the random masks
    """
    size = size_of(size_px, keep_shape)
    chosen = tuple(methods) if methods else QUICK_METHODS
    options = RelevanceOptions(discard=discard, start_layer=start_layer - 1, baseline=baseline, seed=seed)
    answer = explainer.relevance(
        picture, model, size, target_number(explainer, picture, model, size, target), chosen, options
    )
    laid = [over(answer.picture, one.values, one.signed) for one in answer.maps]
    return Result(as_plain(answer), side_by_side(laid))


@question(contract.Faithfulness)
def faithfulness(
    explainer: ExplainerProtocol,
    picture: Picture,
    model: str = "",
    target: str = "",
    method: Method = "chefer",
    size_px: int = 0,
    keep_shape: bool = False,
    baseline: Baseline = "dropped",
    steps: int = 16,
    seed: int = 0,
) -> Result:
    """How far a method's map can be trusted: the score while patches are hidden (deletion), or shown (insertion), most
    relevant first. A good map has a small area under deletion, a large one under insertion, and beats "random".

    Parameters:
        target: a class by name, or by number from 1 as "#5"; "" for the most probable
        method: whose map orders the patches; "random" draws the order
        baseline: what becomes of hidden patches: they are dropped, or show the mean colour, a blur, or black
        steps: points of the curves
        seed: of the random order
    """
    size = size_of(size_px, keep_shape)
    number = target_number(explainer, picture, model, size, target)
    values = None
    if method != "random":
        options = RelevanceOptions(baseline=baseline, seed=seed)
        values = explainer.relevance(picture, model, size, number, (method,), options).maps[0].values
    return Result(as_plain(explainer.faithfulness(picture, model, size, number, values, baseline, steps, seed)))


def target_number(explainer: ExplainerProtocol, picture: Picture, model: str, size: SizeChoice, target: str) -> int:
    """The number from 0 of a target given by name, by number from 1 as "#5", or as "" for the best."""
    known = explainer.targets(picture, model, size, 1)
    target = target.strip()
    if not target:
        return known.best[0] if known.best else 0
    wanted = target.casefold()
    numbered = target.startswith("#")
    for number, name in enumerate(known.names):
        if not numbered and wanted == name.casefold():
            return number
    number_words = target.removeprefix("#")
    if numbered and number_words.isdecimal() and 1 <= int(number_words[:9]) <= len(known.names):
        return int(number_words) - 1
    raise DemoError("api.no_such_target", name=target[:80], count=len(known.names))
