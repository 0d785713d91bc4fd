"""Position tables on other grids: five conventions, and what their difference does to a picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from vit_demo.analysis.embeddings import PositionBasis, relative_difference, similarity_to_middle, with_resampling
from vit_demo.answers.predict import class_names
from vit_demo.checkpoints.load import LoadedModel
from vit_demo.contract import DemoError, Interpolation, SizeChoice, StretchedTable
from vit_demo.engine import Engine, long_work
from vit_demo.model.config import Resampling
from vit_demo.model.position import RESAMPLING
from vit_demo.preprocess import checked_grid

LABELS_SHOWN = 5
MOST_COMPONENTS = 64
RULES = tuple(RESAMPLING)


def stretched_table(
    engine: Engine, model: str, grid: tuple[int, int], first: str | None, second: str, component: int
) -> StretchedTable:
    """The table of positions on another grid by every convention; `first` None is the checkpoint's own. DemoError
    without a table, for unknown names, and for grids that no picture may have."""
    loaded = engine.load(model)
    first, second = _rules(loaded, first, second)
    grid = checked_grid(grid)
    native = loaded.model.config.native_grid
    own_table = loaded.model.positions(native)[1][0].detach()
    component = max(0, min(component, MOST_COMPONENTS, *own_table.shape))
    shown = similarity_to_middle
    if component:
        basis = _basis(engine, model, loaded, own_table)
        shown = lambda table, shape: basis.maps(table, shape)[component - 1]  # noqa: E731
    mean = lambda differences: float(differences.square().mean().sqrt())  # noqa: E731
    with engine.computing():
        tables = {rule: loaded.model.positions(grid, rule)[1][0] for rule in RULES}
        return StretchedTable(
            rules=RULES,
            own=RULES.index(loaded.model.config.position_resampling),
            compared=(RULES.index(first), RULES.index(second)),
            component=component,
            native_map=shown(own_table, native).cpu().numpy(),
            maps=torch.stack([shown(table, grid) for table in tables.values()]).cpu().numpy(),
            apart=np.array([[mean(relative_difference(a, b)) for b in tables.values()] for a in tables.values()]),
            positions=relative_difference(tables[first], tables[second]).reshape(grid).cpu().numpy(),
        )


def _basis(engine: Engine, model: str, loaded: LoadedModel, table: Tensor) -> PositionBasis:
    key = ("position basis", model, loaded.revision)

    def make() -> PositionBasis:
        with engine.computing():
            return PositionBasis.of(table, MOST_COMPONENTS)

    return engine.kept.get_or_make(key, make, lambda made: made.axes.nbytes)[0]


def _rules(loaded: LoadedModel, first: str | None, second: str) -> tuple[Resampling, Resampling]:
    """The names of two conventions, checked, for a model that has a table."""
    if loaded.model.config.position != "learned":
        raise DemoError("embeddings.no_table", title=loaded.card.title)
    return _rule(first or loaded.model.config.position_resampling), _rule(second)


def _rule(name: str) -> Resampling:
    if name not in RULES:
        raise DemoError("embeddings.no_such_rule", name=str(name)[:40], names=", ".join(RULES))
    return name


@long_work
def interpolation(
    engine: Engine, image: np.ndarray, model: str, size: SizeChoice, first: str | None, second: str
) -> Interpolation:
    """Two conventions on a picture; None is the checkpoint's own. DemoError without a table, and for unknown names."""
    loaded = engine.load(model)
    first, second = _rules(loaded, first, second)
    prepared = engine.prepared(image, loaded, size)
    pixels = engine.pixels(prepared)
    grid = loaded.model.grid_of(pixels)

    def make() -> Interpolation:
        # Neither pass is kept: on a large grid they would push out what visitors still look at.
        before, after = (
            engine.encode(replace(loaded, model=with_resampling(loaded.model, rule)), pixels)[1]
            for rule in (first, second)
        )
        with engine.computing():
            far = 1 - torch.cosine_similarity(before.tokens[0].float(), after.tokens[0].float(), dim=-1)
            far = far.clamp(min=0).cpu()
            predicted = _predictions(loaded, before.logits, after.logits)
        return Interpolation(
            compared=(first, second),
            features=far[grid.num_prefix_tokens :].reshape(grid.shape).numpy(),
            class_feature=float(far[0]) if loaded.model.config.class_token else None,
            **predicted,
            picture=prepared.picture,
            grid=grid,
        )

    key = ("interpolation", model, loaded.revision, prepared.digest, first, second)
    return engine.kept.get_or_make(key, make, lambda made: made.features.nbytes + made.picture.nbytes)[0]


def _predictions(loaded: LoadedModel, before: Tensor | None, after: Tensor | None) -> dict:
    """The most probable classes under either convention, best of the first one first."""
    if before is None or after is None:
        return dict(labels=(), before=(), after=(), moved=None)
    p, q = (loaded.model.probabilities(logits[0]).cpu() for logits in (before, after))
    best = p.topk(min(LABELS_SHOWN, len(p))).indices.tolist()
    names = class_names(loaded)
    return dict(
        labels=tuple(names[i] for i in best),
        before=tuple(float(p[i]) for i in best),
        after=tuple(float(q[i]) for i in best),
        moved=None if loaded.model.config.multi_label else float((p - q).abs().sum() / 2),
    )
