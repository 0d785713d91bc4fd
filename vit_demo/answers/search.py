"""The fewest patches whose loss changes an answer."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor

from vit_demo.analysis import interventions
from vit_demo.answers.parts import ms_since, passes_at_once, slices_of
from vit_demo.answers.readers import Reader, reader_of, reader_values
from vit_demo.answers.relevance import relevance as relevance_maps
from vit_demo.answers.scan import window_of
from vit_demo.answers.targets import Subject, subject_of
from vit_demo.contract import DEFAULT_OPTIONS, SEARCHES, DemoError, Search, SearchMethod, SizeChoice
from vit_demo.engine import Engine, long_work

CANDIDATES = 4  # of the greedy search: how many patches are tried again at each step
MOST_TRIED_STEPS = 16  # after which the greedy search goes on in its last order, without trying again


@long_work
def fewest_patches(engine: Engine, image: np.ndarray, model: str, size: SizeChoice, method: SearchMethod) -> Search:
    """The fewest patches, dropped in a method's order, that change the best answer."""
    started = time.perf_counter()
    if method not in SEARCHES:
        raise DemoError("what_if.no_such_scan", name=str(method)[:40], names=", ".join(SEARCHES))
    reader = reader_of(engine, image, model, engine.load(model))
    unchanged = reader_values(engine, reader, engine.run(image, model, size).trace)
    subject = subject_of(engine, image, model, size, reader.best(unchanged))
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
        elapsed_ms=ms_since(started),
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
        vit, trace = self.subject.loaded.model, self.subject.run.trace
        self.engine.yield_to_others()
        self.passes += 1
        with self.engine.computing(long=True):
            residual = interventions.residual_of_left(vit, trace, self._keep(dropped)[None], self.reader.layer)
            return self.reader.best(self.reader.values(residual))

    def scores(self, sets: list[list[int]]) -> list[float]:
        """The best answer's own score without each of some sets of patches."""
        vit, target, trace = self.subject.loaded.model, self.subject.target, self.subject.run.trace
        found: list[float] = []
        at_once = passes_at_once(self.engine, trace.grid.num_tokens)
        for chosen in slices_of(len(sets), at_once):
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
    window = window_of(grid)
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
