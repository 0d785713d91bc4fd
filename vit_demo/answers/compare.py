"""Models side by side on one picture."""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch

from vit_demo.analysis import agreement as analysis
from vit_demo.analysis import features
from vit_demo.answers.depth import depth as depth_table
from vit_demo.answers.predict import predict
from vit_demo.contract import (
    MOST_COMPARED,
    Agreement,
    ComparedModel,
    Comparison,
    DemoError,
    JointColours,
    SizeChoice,
)
from vit_demo.engine import Engine, Run, long_work

MOST_SIDE = 40  # places along a side at which features are read
TOP = 5
FEWEST_PATCHES = 4  # three components need four points


@long_work
def agreement(engine: Engine, image: np.ndarray, model: str, other_model: str, size: SizeChoice) -> Agreement:
    """How far the layers of two models agree on a picture: linear CKA of patches at the same places."""
    titles, layers, boxes, grids = [], [], [], []
    for name in (model, other_model):  # one after the other: both traces need not be there at once
        engine.yield_to_others()
        loaded, run = engine.load(name), engine.run(image, name, size)
        prefix = run.info.grid.num_prefix_tokens
        layers.append([kept.residual[0, prefix:] for kept in run.trace.layers])
        titles.append(loaded.card.title)
        boxes.append(run.prepared.box)
        grids.append(run.info.grid.shape)
    places = tuple(min(*sides, MOST_SIDE) for sides in zip(*grids, strict=True))
    with engine.computing(long=True):
        try:
            within = analysis.common_box(*boxes)
        except ValueError:
            raise DemoError("compare.nothing_in_common") from None
        read = [
            [analysis.at_places(one, grid, box, places, within) for one in some]
            for some, grid, box in zip(layers, grids, boxes, strict=True)
        ]
        firsts, seconds = ([analysis.scaled(one) for one in layers] for layers in read)
        chance = analysis.chance(read[0], read[1])
    values = []
    for one in firsts:  # others get their turn between the lines
        engine.yield_to_others()
        with engine.computing(long=True):
            values.append(analysis.cka_row(one, seconds).cpu().numpy())
    return Agreement(np.stack(values), chance, places, model, other_model, *titles)


@long_work
def joint_colours(
    engine: Engine, image: np.ndarray, models: tuple[str, ...], size: SizeChoice, depth: float
) -> JointColours:
    """Principal components of each model's patches at a relative depth (0: the first layer, 1: the last) as colours, on
    one basis for all models of a width."""
    patches, grids, layers = [], [], []
    for name in models:
        engine.yield_to_others()
        vit, run = engine.load(name).model, engine.run(image, name, size)
        layer = layer_at(depth, run)
        with engine.computing():
            own = features.patch_facet(vit, run.trace, layer, "token")[0].double().cpu()
            own = own - own.mean(dim=0)
            patches.append(own / own.square().mean().sqrt().clamp(min=1e-12))
        grids.append(run.info.grid.shape)
        layers.append(layer)
    if min(len(own) for own in patches) < FEWEST_PATCHES:
        raise DemoError("features.no_foreground")
    widths = [own.shape[1] for own in patches]
    colours: dict[int, torch.Tensor] = {}
    explained: dict[int, np.ndarray] = {}
    with engine.computing(long=True):
        for width in sorted(set(widths)):
            group = [i for i, one in enumerate(widths) if one == width]
            shown = [torch.ones(len(patches[i]), dtype=torch.bool) for i in group]
            made, components = features.pca_colours([patches[i] for i in group], shown, "dinov2")
            colours |= dict(zip(group, made, strict=True))
            explained |= dict.fromkeys(group, components.share.numpy())
    count = Counter(widths)
    return JointColours(
        colours=tuple(colours[i].reshape(*grid, 3).float().numpy() for i, grid in enumerate(grids)),
        shares=tuple(count[width] for width in widths),
        layers=tuple(layers),
        explained=tuple(explained[i] for i in range(len(models))),
    )


def layer_at(depth: float, run: Run) -> int:
    """The layer (from 0) at a relative depth of 0…1."""
    if not 0 <= depth <= 1:
        raise DemoError("compare.no_such_depth", depth=f"{depth:g}"[:20])
    return round(depth * (run.info.depth - 1))


@long_work
def compare(engine: Engine, image: np.ndarray, models: tuple[str, ...], size: SizeChoice) -> Comparison:
    """What each model predicts and how its attention goes through the layers, and how far each agrees with the first.
    A model that cannot be had keeps its place, with the problem."""
    found = [_compared(engine, image, model, size) for model in models]
    known = [one.model for one in found if one.problem is None]
    if not known:
        problem = found[0].problem
        raise problem if problem is not None else DemoError("compare.too_many", count=0, most=MOST_COMPARED)
    agreements = []
    for other in known[1:]:
        agreements.append(agreement(engine, image, known[0], other, size))
    return Comparison(tuple(found), tuple(agreements))


def _compared(engine: Engine, image: np.ndarray, model: str, size: SizeChoice) -> ComparedModel:
    engine.yield_to_others()
    try:
        loaded = engine.load(model)
        prediction, table = predict(engine, image, model, size, TOP), depth_table(engine, image, model, size, True)
    except DemoError as problem:
        return ComparedModel(model, model, None, None, None, problem)
    top, left, bottom, right = engine.prepared(image, loaded, size).box
    height, width = image.shape[:2]
    shares = top / height, left / width, bottom / height, right / width
    return ComparedModel(model, loaded.card.title, prediction, table, shares)
