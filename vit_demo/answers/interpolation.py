"""Position tables on other grids: five conventions, and what their difference does to a picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from vit_demo.analysis.embeddings import relative_difference, with_resampling
from vit_demo.answers.predict import class_names
from vit_demo.checkpoints.load import LoadedModel
from vit_demo.contract import DemoError, Interpolation, SizeChoice
from vit_demo.engine import Engine
from vit_demo.grid import PatchGrid
from vit_demo.model import Encoded
from vit_demo.model.position import RESAMPLING
from vit_demo.preprocess import prepare

LABELS_SHOWN = 5


def compare(
    engine: Engine, image: np.ndarray, model: str, size: SizeChoice, first: str | None, second: str
) -> Interpolation:
    """Two conventions on a picture; None is the checkpoint's own. DemoError without a table, and for unknown names."""
    loaded = engine.load(model)
    config, rules = loaded.model.config, tuple(RESAMPLING)
    if config.position != "learned":
        raise DemoError("embeddings.no_table", title=loaded.card.title)
    first = first or config.position_resampling
    for name in (first, second):
        if name not in RESAMPLING:
            raise DemoError("embeddings.no_such_rule", name=str(name)[:40], names=", ".join(rules))
    run = engine.run(image, model, size)
    make = lambda: _compared(engine, image, model, size, loaded, run.info.grid, first, second)  # noqa: E731
    key = ("interpolation", model, loaded.revision, run.prepared.digest, first, second)
    return engine.kept.get_or_make(key, make, lambda made: made.positions.nbytes + made.features.nbytes)[0]


def _compared(
    engine: Engine,
    image: np.ndarray,
    model: str,
    size: SizeChoice,
    loaded: LoadedModel,
    grid: PatchGrid,
    first: str,
    second: str,
) -> Interpolation:
    """The tables by every rule, and two passes of the picture."""
    config, rules = loaded.model.config, tuple(RESAMPLING)
    with torch.inference_mode():
        tables = {rule: loaded.model.positions(grid.shape, rule)[1][0] for rule in rules}
        apart = [
            [float(relative_difference(a, b).square().mean().sqrt()) for b in tables.values()] for a in tables.values()
        ]
        local = relative_difference(tables[first], tables[second]).reshape(grid.shape)
    before, after = (_encoded(engine, image, model, size, loaded, rule) for rule in (first, second))
    far = (1 - torch.cosine_similarity(before.tokens[0].float(), after.tokens[0].float(), dim=-1)).clamp(min=0).cpu()
    return Interpolation(
        rules=rules,
        tables=np.array(apart),
        compared=(rules.index(first), rules.index(second)),
        positions=local.cpu().numpy(),
        features=far[grid.num_prefix_tokens :].reshape(grid.shape).numpy(),
        class_feature=float(far[0]) if config.class_token else None,
        **_predictions(loaded, before.logits, after.logits),
        own=rules.index(config.position_resampling),
        grid=grid,
        native=config.native_grid,
    )


def _encoded(
    engine: Engine, image: np.ndarray, model: str, size: SizeChoice, loaded: LoadedModel, rule: str
) -> Encoded:
    """The pass under a rule: the one at hand where it is the checkpoint's own, else a new one that is not kept."""
    if rule == loaded.model.config.position_resampling:
        return engine.run(image, model, size).encoded
    prepared = prepare(image, loaded.preprocess, loaded.model.config.patch_px, size)
    pixels = torch.from_numpy(prepared.pixels)[None].to(engine.hardware.device)
    return engine.encode(replace(loaded, model=with_resampling(loaded.model, rule)), pixels)[1]


def _predictions(loaded: LoadedModel, before: Tensor | None, after: Tensor | None) -> dict:
    """The most probable classes under either convention, best of the first one first."""
    if before is None:
        return dict(labels=(), before=(), after=(), moved=None)
    p, q = before[0].float().softmax(dim=-1).cpu(), after[0].float().softmax(dim=-1).cpu()
    best = p.topk(min(LABELS_SHOWN, len(p))).indices.tolist()
    names = class_names(loaded)
    return dict(
        labels=tuple(names[i] for i in best),
        before=tuple(float(p[i]) for i in best),
        after=tuple(float(q[i]) for i in best),
        moved=float((p - q).abs().sum() / 2),
    )
