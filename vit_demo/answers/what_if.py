"""What becomes of an answer when something inside the forward pass is changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vit_demo.analysis import interventions, relevance
from vit_demo.analysis.attention import attention_rows
from vit_demo.analysis.features import picture_feature
from vit_demo.answers.attention import checked_layer
from vit_demo.answers.examples import COMPARED_SIDE, example_vectors, neighbour_layer
from vit_demo.answers.predict import class_names
from vit_demo.answers.relevance import relevance as relevance_maps
from vit_demo.answers.targets import Subject, subject_of
from vit_demo.checkpoints.load import LoadedModel
from vit_demo.contract import (
    DEFAULT_OPTIONS,
    SCANS,
    SEARCHES,
    DemoError,
    Scan,
    ScanHow,
    ScanKind,
    Search,
    SearchMethod,
    SizeChoice,
    TargetKind,
    TokenQuery,
    WhatIf,
)
from vit_demo.edits import Edits
from vit_demo.engine import Engine, Run, long_work
from vit_demo.grid import PatchGrid
from vit_demo.model import Trace
from vit_demo.model.editing import Plan, filling, hide, permutation, shuffled_patches

TOP = 5
MOST_PLACES = 256  # of patches dropped one at a time; on a larger grid squares of them
PART_PASSES_TOKENS = 4096  # how much one part of the scan over patches computes on a CPU: a second or so
PART_PASSES_TOKENS_ELSEWHERE = 131072
CANDIDATES = 4  # of the greedy search: how many patches are tried again at each step
MOST_TRIED_STEPS = 16  # after which the greedy search goes on in its last order, without trying again


@dataclass(frozen=True)
class Reader:
    """How the answers of one model are read from a residual stream: all of them at once.

    `layer` (from 0) is the one read; `values` gives from its output (1, N, D) every class's logit or every example's
    cosine, (n,), and `shown` makes of these what a person reads: probabilities, or the cosines themselves.
    """

    kind: TargetKind
    names: tuple[str, ...]
    files: tuple[str, ...]
    layer: int
    values: Callable[[Tensor], Tensor]
    shown: Callable[[Tensor], Tensor]
    left_out: int | None  # the example that is this very picture

    def best(self, values: Tensor) -> int:
        """The best answer of values (n,); not the example that is this very picture."""
        if self.left_out is not None:
            values = values.clone()
            values[self.left_out] = -torch.inf
        return int(values.argmax())


def reader_of(engine: Engine, image: np.ndarray, model: str, loaded: LoadedModel) -> Reader:
    """The reader of a model with a head, or else by the example pictures. DemoError where there are neither."""
    vit = loaded.model
    if vit.head is not None:
        layer = vit.config.depth - 1
        logits = lambda residual: vit.logits_of(vit.norm(residual))[0]  # noqa: E731
        return Reader("class", class_names(loaded), (), layer, logits, vit.probabilities, None)
    if not engine.examples:
        raise DemoError("relevance.no_examples")
    layer, centred = neighbour_layer(loaded)
    examples = example_vectors(engine, model)
    made = [relevance.example_target(layer, examples.vectors, i, centred) for i in range(len(examples.keys))]
    mean = made[0].mean
    references = torch.stack([one.reference for one in made if one.reference is not None])

    def cosines(residual: Tensor) -> Tensor:
        feature = picture_feature(vit, residual)[0]
        return references @ (feature if mean is None else F.normalize(feature - mean, dim=-1))

    digest = engine.prepared(image, loaded, SizeChoice(COMPARED_SIDE)).digest
    same = next((i for i, one in enumerate(examples.digests) if one == digest), None)
    return Reader("example", examples.keys, examples.files, layer, cosines, lambda values: values, same)


# ------------------------------------------------------------------------------------------------------ before, after


def what_if(
    engine: Engine,
    image: np.ndarray,
    model: str,
    size: SizeChoice,
    edits: Edits,
    target: int | None,
    query: TokenQuery | None,
    layer: int,
    other: np.ndarray | None,
    fit: bool,
) -> WhatIf:
    """The answer before and after edits, and where a token looks in a layer, before and after. `other` is the picture
    from which states are patched in. `fit` leaves out what this model or grid does not know, instead of refusing it."""
    loaded, run = engine.load(model), engine.run(image, model, size)
    reader, vit, grid = reader_of(engine, image, model, loaded), loaded.model, run.info.grid
    if query is None:
        query = TokenQuery(grid.prefix_names[0]) if grid.prefix_names else TokenQuery(None, *_middle(grid))
    layer, token = checked_layer(layer, run.info.depth), query.token(grid)
    wanted, edits = edits, edits.fitting(vit.config, grid) if fit else edits
    source = _source(engine, other, model, size, run) if edits.patch_in else None
    means = example_heads(engine, model) if "examples" in edits.head_edits.values() else None
    checked_edits(edits, loaded, run)
    target = reader.best(reader_values(engine, reader, run.trace)) if target is None else target
    if not 0 <= target < len(reader.names):
        raise DemoError("relevance.no_such_target", number=target + 1, count=len(reader.names))
    with engine.computing():
        started = time.perf_counter()
        row, residual, tokens = attention_rows(run.trace, layer, token), run.trace.layers[reader.layer].residual, None
        rows, residuals = [row, row], [residual, residual]
        if edits:
            wanted_of_it = interventions.PartTrace(layer, token, reader.layer)
            changed = interventions.changed_pass(
                vit, engine.pixels(run.prepared), run.trace, edits, wanted_of_it, source, means
            )
            rows[1], residuals[1], tokens = changed.row, changed.residual, changed.tokens
        after_ms = _ms_since(started)
        before, after = map(reader.values, residuals)
        features = [picture_feature(vit, one)[0] for one in residuals]
        maps = [_maps(grid, one, present) for one, present in zip(rows, (None, tokens), strict=True)]
        shown = [reader.shown(one).cpu().numpy() for one in (before, after)]
        bests = reader.best(before), reader.best(after)
    told = _told(shown[0], shown[1], reader, target)
    (maps_before, prefix_before), (maps_after, prefix_after) = maps
    return WhatIf(
        kind=reader.kind,
        names=tuple(reader.names[i] for i in told),
        files=tuple(reader.files[i] for i in told) if reader.files else (),
        before=shown[0][told],
        after=shown[1][told],
        scores_before=before.cpu().numpy()[told],
        scores_after=after.cpu().numpy()[told],
        target=told.index(target),
        best_before=told.index(bests[0]),
        best_after=told.index(bests[1]),
        likeness=float(features[0] @ features[1]),
        layer_read=reader.layer,
        layer=layer,
        query=query,
        maps_before=maps_before,
        maps_after=maps_after,
        prefix_before=prefix_before,
        prefix_after=prefix_after,
        edits=edits,
        left_out=edits != wanted,
        seen=_seen(run, edits),
        tokens=residuals[1].shape[1],
        has_positions=vit.config.position == "learned" or vit.config.rope is not None,
        has_rope=vit.config.rope is not None,
        after_ms=after_ms,
        picture=run.prepared.picture,
        info=run.info,
    )


def _middle(grid: PatchGrid) -> tuple[int, int]:
    return grid.rows // 2, grid.cols // 2


def reader_values(engine: Engine, reader: Reader, trace: Trace) -> Tensor:
    with engine.computing():
        return reader.values(trace.layers[reader.layer].residual)


def checked_edits(edits: Edits, loaded: LoadedModel, run: Run) -> None:
    """DemoError, with the reason, where a model or grid does not know an edit."""
    try:
        edits.check(loaded.model.config, run.info.grid)
    except ValueError as error:
        raise DemoError("what_if.refused", reason=str(error)) from None


def _source(engine: Engine, other: np.ndarray | None, model: str, size: SizeChoice, run: Run) -> Trace:
    """The pass of the second picture, on the first one's grid."""
    if other is None:
        raise DemoError("what_if.no_other")
    return engine.run(other, model, SizeChoice(grid=run.info.grid.shape)).trace


def _told(before: np.ndarray, after: np.ndarray, reader: Reader, target: int) -> list[int]:
    """The answers that are told: the best before and after, and the target, best first by the larger of the two."""
    order = np.argsort(-np.maximum(before, after), kind="stable").tolist()
    chosen = {target}
    for values in (before, after):
        best = [i for i in np.argsort(-values, kind="stable").tolist() if i != reader.left_out]
        chosen |= set(best[:TOP])
    return [i for i in order if i in chosen]


def _maps(grid: PatchGrid, row: Tensor | None, tokens: Tensor | None) -> tuple[np.ndarray | None, np.ndarray | None]:
    """A token's row (1, h, n) over the `tokens` that are there (None: all) as maps (heads, rows, cols), NaN at patches
    that are not, and (heads, prefix tokens). None where there is no row."""
    if row is None:
        return None, None
    shares = row[0].float().cpu().numpy()  # (h, n)
    whole = np.full((shares.shape[0], grid.num_tokens), np.nan, np.float32)
    whole[:, slice(None) if tokens is None else tokens.tolist()] = shares
    prefix = grid.num_prefix_tokens
    return whole[:, prefix:].reshape(-1, *grid.shape), whole[:, :prefix]


def _seen(run: Run, edits: Edits) -> np.ndarray:
    """The picture as the model saw it, with the edits of its pixels."""
    picture = run.prepared.picture
    if not edits.hide and not edits.shuffle_patches:
        return picture
    grid, pixels = run.info.grid, torch.tensor(picture).permute(2, 0, 1)[None].float()
    if edits.hide:
        keep = torch.ones(1, *grid.shape)
        for row, col in edits.hide:
            keep[0, row, col] = 0
        pixels = hide(pixels, filling(pixels, edits.hide_with, grid.patch_px), keep, grid.patch_px)
    if edits.shuffle_patches:
        pixels = shuffled_patches(pixels, permutation(grid.num_patches, edits.seed), grid)
    return pixels[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()


def example_heads(engine: Engine, model: str) -> Tensor:
    """What every head gives on average over the example pictures, (L, h, p + 1, d); computed once and kept."""
    if not engine.examples:
        raise DemoError("relevance.no_examples")
    loaded = engine.load(model)

    def make() -> Tensor:
        total = None
        for example in engine.examples:
            prepared = engine.prepared(example.picture(), loaded, SizeChoice(COMPARED_SIDE))
            trace, _ = engine.encode(loaded, engine.pixels(prepared))
            with engine.computing():
                of_one = interventions.head_means(trace)
            total = of_one if total is None else total + of_one
        assert total is not None  # there are examples
        return total / len(engine.examples)

    return engine.kept.get_or_make(
        ("example heads", model, loaded.revision), make, lambda made: made.numel() * made.element_size()
    )[0]


# -------------------------------------------------------------------------------------------------------------- scans


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
    if target is None:
        target = best_target(engine, image, model, size)
    subject = subject_of(engine, image, model, size, target)
    vit, run, read = subject.loaded.model, subject.run, subject.target.layer
    depth, grid, window, of_other = run.info.depth, run.info.grid, 1, None
    if kind == "patches":
        window = max(1, int(np.ceil(np.sqrt(grid.num_patches / MOST_PLACES))))
        masks = interventions.windows(grid.shape, window)
        slices = _slices(len(masks), _passes_at_once(engine, grid.num_tokens))
    else:
        masks, slices = None, [slice(layer, layer + 1) for layer in range(depth)]
    source = None
    if kind == "states":
        source = _source(engine, other, model, size, run)
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
                found = interventions.scores_of_left(vit, subject.target, run.trace, masks[chosen])
                for mask, value in zip(masks[chosen].numpy(), found.tolist(), strict=True):
                    values[mask == 0] = value - before
                continue
            layer = chosen.start
            if layer > read:
                continue
            if kind == "heads":
                of_layer = None if means is None else means[layer]
                found = interventions.without_heads(vit, subject.target, run.trace, layer, how, of_layer)
            elif source is None:
                found = interventions.without_parts(vit, subject.target, run.trace, layer)
            else:
                found = interventions.with_states_of(vit, subject.target, run.trace, source, layer)
            values[layer] = found.float().cpu().numpy() - before
    return Scan(
        kind=kind,
        how=how,
        values=values,
        window=window,
        target=target,
        name=subject.name,
        target_kind=subject.kind,
        score=before,
        score_of_other=of_other,
        layer_read=read,
        part=part,
        parts=len(slices),
        elapsed_ms=_ms_since(started),
        picture=run.prepared.picture,
        info=run.info,
    )


def best_target(engine: Engine, image: np.ndarray, model: str, size: SizeChoice) -> int:
    """The best answer of an unchanged picture."""
    loaded, run = engine.load(model), engine.run(image, model, size)
    reader = reader_of(engine, image, model, loaded)
    return reader.best(reader_values(engine, reader, run.trace))


def _scan_means(engine: Engine, model: str, how: ScanHow, run: Run) -> Tensor | None:
    """What heads give on average over the examples, for every token of the picture's grid: (L, h, N, d)."""
    if how not in ("mean", "zero", "examples"):
        raise DemoError("what_if.no_such_scan", name=str(how)[:40], names="mean, zero, examples")
    if how != "examples":
        return None
    prefix = run.info.grid.num_prefix_tokens
    kinds = [min(token, prefix) for token in range(run.info.grid.num_tokens)]
    return example_heads(engine, model)[:, :, kinds]


def _slices(count: int, at_once: int) -> list[slice]:
    return [slice(start, min(count, start + at_once)) for start in range(0, count, at_once)]


def _passes_at_once(engine: Engine, tokens: int) -> int:
    most = PART_PASSES_TOKENS if engine.hardware.device == "cpu" else PART_PASSES_TOKENS_ELSEWHERE
    return max(1, most // tokens)


# ----------------------------------------------------------------------------------------------------------- a search


@long_work
def fewest_patches(engine: Engine, image: np.ndarray, model: str, size: SizeChoice, method: SearchMethod) -> Search:
    """The fewest patches, dropped in a method's order, that change the best answer."""
    started = time.perf_counter()
    if method not in SEARCHES:
        raise DemoError("what_if.no_such_scan", name=str(method)[:40], names=", ".join(SEARCHES))
    loaded = engine.load(model)
    reader = reader_of(engine, image, model, loaded)
    subject = subject_of(engine, image, model, size, best_target(engine, image, model, size))
    tried = _Tries(engine, subject, reader)
    if method == "greedy":
        order = _greedy(tried)
    else:
        answer = relevance_maps(engine, image, model, size, subject.index, (method,), DEFAULT_OPTIONS, None)
        flat = answer.maps[0].values.ravel()
        order = _first_that_change(tried, np.argsort(-flat, kind="stable").tolist())
    best = tried.best(order)
    cols = subject.run.info.grid.cols
    return Search(
        method=method,
        patches=tuple(divmod(patch, cols) for patch in order),
        changed=best != subject.index,
        name_before=reader.names[subject.index],
        name_after=reader.names[best],
        passes=tried.passes,
        elapsed_ms=_ms_since(started),
        info=subject.run.info,
    )


class _Tries:
    """Passes without some patches, counted; others get their turn in between."""

    def __init__(self, engine: Engine, subject: Subject, reader: Reader):
        self.engine, self.subject, self.reader, self.passes = engine, subject, reader, 0
        self.count = subject.run.info.grid.num_patches

    def _keep(self, dropped: list[int]) -> Tensor:
        keep = torch.ones(self.count)
        keep[dropped] = 0
        return keep.reshape(self.subject.run.info.grid.shape)

    def best(self, dropped: list[int]) -> int:
        """The best answer without these patches (numbers from 0, row by row)."""
        run, vit = self.subject.run, self.subject.loaded.model
        grid = run.info.grid
        edits = Edits(drop=tuple(divmod(patch, grid.cols) for patch in dropped))
        checked_edits(edits, self.subject.loaded, run)
        self.engine.yield_to_others()
        self.passes += 1
        with self.engine.computing(long=True):
            gone = {grid.token_of_patch(*patch) for patch in edits.drop}
            left = torch.tensor([t for t in range(grid.num_tokens) if t not in gone], device=run.trace.embedded.device)
            plan = Plan(Edits(), grid, left, {})
            x, tables = plan.left(run.trace.embedded, vit.rope_tables(grid))
            residual = vit.through(x, tables, 0, self.reader.layer)
            return self.reader.best(self.reader.values(residual))

    def scores(self, sets: list[list[int]]) -> list[float]:
        """The best answer's own score without each of some sets of patches."""
        vit, target, trace = self.subject.loaded.model, self.subject.target, self.subject.run.trace
        found: list[float] = []
        at_once = _passes_at_once(self.engine, trace.grid.num_tokens)
        for chosen in _slices(len(sets), at_once):
            self.engine.yield_to_others()
            with self.engine.computing(long=True):
                masks = torch.stack([self._keep(one) for one in sets[chosen]])
                found += interventions.scores_of_left(vit, target, trace, masks).tolist()
        self.passes += len(sets)
        return found


def _greedy(tried: _Tries) -> list[int]:
    """Drops at each step the patch whose loss lowers the score most: of the CANDIDATES that did so best when they were
    last tried (Minoux 1978's lazy greedy, bounded). On a large grid the first order comes from whole squares."""
    grid = tried.subject.run.info.grid
    window = max(1, int(np.ceil(np.sqrt(grid.num_patches / MOST_PLACES))))
    masks = interventions.windows(grid.shape, window)
    squares = [np.flatnonzero(mask.numpy().ravel() == 0).tolist() for mask in masks]
    loss: dict[int, float] = {}
    for square, value in zip(squares, tried.scores(squares), strict=True):
        loss |= dict.fromkeys(square, value)
    dropped: list[int] = []
    while len(dropped) < tried.count - 1:
        waiting = sorted((patch for patch in loss if patch not in dropped), key=lambda patch: loss[patch])
        if len(dropped) >= MOST_TRIED_STEPS:
            return _first_that_change(tried, dropped + waiting)
        candidates = waiting[:CANDIDATES]
        loss |= dict(zip(candidates, tried.scores([[*dropped, one] for one in candidates]), strict=True))
        dropped.append(min(candidates, key=lambda patch: loss[patch]))
        if tried.best(dropped) != tried.subject.index:
            return dropped
    return dropped


def _first_that_change(tried: _Tries, order: list[int]) -> list[int]:
    """The first few of an order that change the answer when dropped: found by doubling, then halving. All but one where
    none do."""
    own, low, high = tried.subject.index, 0, 1
    while high < tried.count - 1 and tried.best(order[:high]) == own:
        low, high = high, min(2 * high, tried.count - 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if tried.best(order[:middle]) == own else (low, middle)
    return order[:high]


def _ms_since(started: float) -> float:
    return 1000 * (time.perf_counter() - started)
