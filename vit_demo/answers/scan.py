"""How much a score changes under each of many changes, one at a time."""

from __future__ import annotations

import math
import time

import numpy as np
from torch import Tensor

from vit_demo.analysis import interventions, relevance
from vit_demo.answers.parts import ms_since, passes_at_once, slices_of
from vit_demo.answers.readers import best_target
from vit_demo.answers.targets import Subject, subject_of
from vit_demo.answers.what_if import example_heads, source_of
from vit_demo.contract import SCANS, DemoError, Scan, ScanHow, ScanKind, SizeChoice
from vit_demo.engine import Engine, Run, long_work
from vit_demo.grid import PatchGrid
from vit_demo.model import Trace

MOST_PLACES = 256  # of patches dropped one at a time; on a larger grid squares of them


@long_work
def scan(
    engine: Engine,
    image: np.ndarray,
    model: str,
    size: SizeChoice,
    kind: ScanKind,
    target: int | None,
    how: ScanHow,
    other: np.ndarray | None,
    part: int | None,
) -> Scan:
    """How much a target's score changes under each of many edits, one at a time. `part` asks for one part."""
    started = time.perf_counter()
    if kind not in SCANS:
        raise DemoError("what_if.no_such_scan", name=str(kind)[:40], names=", ".join(SCANS))
    best = best_target(engine, image, model, size) if target is None else target
    subject = subject_of(engine, image, model, size, best)
    vit, run, read = subject.loaded.model, subject.run, subject.target.layer
    depth, grid, window, of_other = run.info.depth, run.info.grid, 1, None
    if kind == "patches":
        window = window_of(grid)
        masks = interventions.windows(grid.shape, window)
        slices = slices_of(len(masks), passes_at_once(engine, grid.num_tokens))
    else:
        masks, slices = None, [slice(layer, layer + 1) for layer in range(depth)]
    source = None
    if kind == "states":
        source = source_of(engine, other, model, size, run)
        with engine.computing():
            of_other = float(relevance.score(vit, subject.target, source.layers[read].residual)[0])
    means = _scan_means(engine, model, how, run) if kind == "heads" else None
    if part is not None and not 0 <= part < len(slices):
        raise DemoError("relevance.no_such_part", part=part + 1, parts=len(slices), method=kind)
    before = subject.score()
    shape = {"heads": (depth, run.info.heads), "patches": grid.shape}.get(kind, (depth, 2))
    values = np.full(shape, np.nan, np.float32)
    for chosen in slices if part is None else [slices[part]]:
        engine.yield_to_others()
        with engine.computing(long=True):
            if masks is not None:
                found = _scores_of_left(subject, masks[chosen])
                for mask, value in zip(masks[chosen].numpy(), found.tolist(), strict=True):
                    values[mask == 0] = value - before
            elif chosen.start <= read:
                found = _of_layer(subject, kind, how, chosen.start, source, means)
                values[chosen.start] = found.float().cpu().numpy() - before
    return Scan(
        kind=kind,
        how=how,
        values=values,
        window=window,
        target=best,
        name=subject.name,
        target_kind=subject.kind,
        score=before,
        score_of_other=of_other,
        layer_read=read,
        part=part,
        parts=len(slices),
        elapsed_ms=ms_since(started),
        picture=run.prepared.picture,
        info=run.info,
    )


def _scores_of_left(subject: Subject, masks: Tensor) -> Tensor:
    try:
        return interventions.scores_of_left(subject.loaded.model, subject.target, subject.run.trace, masks)
    except ValueError as error:  # a grid of one patch
        raise DemoError("what_if.refused", reason=str(error)) from None


def _of_layer(
    subject: Subject, kind: ScanKind, how: ScanHow, layer: int, source: Trace | None, means: Tensor | None
) -> Tensor:
    """The target's value under each change of a layer."""
    about = subject.loaded.model, subject.target, subject.run.trace
    if kind == "heads":
        return interventions.without_heads(*about, layer, how, None if means is None else means[layer])
    if source is None:
        return interventions.without_parts(*about, layer)
    return interventions.with_states_of(*about, source, layer)


def _scan_means(engine: Engine, model: str, how: ScanHow, run: Run) -> Tensor | None:
    """What heads give on average over the examples, for every token of the picture's grid: (L, h, N, d)."""
    if how not in ("mean", "zero", "examples"):
        raise DemoError("what_if.no_such_scan", name=str(how)[:40], names="mean, zero, examples")
    if how != "examples":
        return None
    prefix = run.info.grid.num_prefix_tokens
    kinds = [min(token, prefix) for token in range(run.info.grid.num_tokens)]
    return example_heads(engine, model)[:, :, kinds]


def window_of(grid: PatchGrid) -> int:
    """The side of the squares of patches that are dropped together, so that there are at most MOST_PLACES or so."""
    return max(1, math.ceil(math.sqrt(grid.num_patches / MOST_PLACES)))
