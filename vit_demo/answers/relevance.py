"""What a class, or the likeness to an example picture, owes to each patch; and how far such maps can be trusted."""

from __future__ import annotations

import time

import numpy as np
import torch

from vit_demo.analysis import interventions, perturbation
from vit_demo.analysis import relevance as analysis
from vit_demo.analysis.relevance import Gradients
from vit_demo.answers.parts import ms_since, passes_at_once
from vit_demo.answers.targets import Subject, check_options, check_range, checked_baseline, occlusion_window, subject_of
from vit_demo.contract import (
    DemoError,
    Faithfulness,
    Relevance,
    RelevanceMap,
    RelevanceOptions,
    RelevanceUnit,
    SizeChoice,
)
from vit_demo.contract.relevance import LONG_METHODS, METHODS, SIGNED_METHODS
from vit_demo.engine import Engine, long_work

UNITS: dict[str, RelevanceUnit] = {"attention": "share", "rollout": "share", "gradient_rollout": "share"}
UNITS |= {"chefer": "relative", "legrad": "relative", "grad_cam": "relative"}
WALKED = ("rollout", "gradient_rollout", "chefer")
NEED_GRADIENTS = ("gradient_rollout", "chefer", "legrad", "grad_cam", "gradient_input")
BACKWARD_COST = 3  # a forward and a backward pass take about as long as three forward passes


@long_work
def relevance(
    engine: Engine,
    image: np.ndarray,
    model: str,
    size: SizeChoice,
    target: int,
    methods: tuple[str, ...],
    options: RelevanceOptions,
    part: int | None,
) -> Relevance:
    """Maps of one target by several methods, which share the forward pass, the backward pass and the walk down the
    layers. `part` asks for one part of the long methods; None for the whole of all."""
    for method in methods:
        if method not in METHODS:
            raise DemoError("relevance.no_such_method", name=method, names=", ".join(METHODS))
    subject = subject_of(engine, image, model, size, target)
    check_options(subject, options)
    found, shared_ms = _quick_maps(subject, methods, options)
    long = [method for method in methods if method in LONG_METHODS]
    found |= {method: _long_map(subject, method, options, part) for method in long}
    return Relevance(
        maps=tuple(found[method] for method in methods),
        target=target,
        name=subject.name,
        kind=subject.kind,
        score=subject.score(),
        baseline_score=subject.baseline_score(options.baseline) if long else None,
        layer=subject.target.layer,
        shared_ms=shared_ms,
        picture=subject.run.prepared.picture,
        info=subject.run.info,
    )


def _quick_maps(
    subject: Subject, methods: tuple[str, ...], options: RelevanceOptions
) -> tuple[dict[str, RelevanceMap], float]:
    """The maps of the quick methods among those asked for, and the milliseconds that a backward pass took."""
    shared_ms, gradients = 0.0, None
    if set(methods) & set(NEED_GRADIENTS):
        started = time.perf_counter()
        gradients, cached = _gradients(subject)
        shared_ms = 0.0 if cached else ms_since(started)
    trace, vit = subject.run.trace, subject.loaded.model
    walked, found = set(methods) & set(WALKED), {}
    with subject.engine.computing(long=True):
        row = analysis.readout_row(vit, subject.target, trace.layers[subject.target.layer].residual)
        started = time.perf_counter()
        rows = analysis.walk_down(
            trace,
            subject.target,
            row,
            walked,
            gradients.d_out if gradients else None,
            options.head_fusion,
            options.discard,
            options.start_layer,
        )
        walk_ms = ms_since(started)
        for method in methods:
            if method in LONG_METHODS:
                continue
            started = time.perf_counter()
            if method in walked:
                values = rows[method]
            elif method == "attention":
                values = analysis.raw_attention(vit, subject.target, trace, row)
            elif gradients is not None:
                values = _from_gradients(subject, method, gradients)
            else:
                raise ValueError(f"{method} needs the backward pass: it is missing in NEED_GRADIENTS")
            values = values.cpu().numpy()
            elapsed_ms = ms_since(started) + (walk_ms / len(walked) if method in walked else 0.0)
            found[method] = _as_map(subject, method, values, elapsed_ms)
    return found, shared_ms


def _from_gradients(subject: Subject, method: str, gradients: Gradients) -> torch.Tensor:
    """The map of a method that asks for the backward pass alone: (N,) over tokens or (rows, cols) over patches."""
    grid = subject.run.trace.grid
    if method == "legrad":
        return gradients.legrad.sum(dim=0)
    if method == "grad_cam":
        return analysis.grad_cam(gradients, grid)
    return analysis.gradient_times_input(gradients, subject.pixels[0], grid.patch_px)


def _gradients(subject: Subject) -> tuple[Gradients, bool]:
    """The backward pass of this target, made once and kept; and whether it was there."""

    def make() -> Gradients:
        with subject.engine.computing(gradients=True):
            return analysis.gradients(subject.loaded.model, subject.target, subject.pixels, subject.run.trace)

    return subject.engine.kept.get_or_make((*subject.key, "gradients"), make, lambda made: made.nbytes)


def _as_map(
    subject: Subject, method: str, values: np.ndarray, elapsed_ms: float, parts: int = 1, part: int | None = None
) -> RelevanceMap:
    """`values` (N,) over all tokens, or (rows, cols) over patches alone."""
    grid, prefix = subject.run.trace.grid, None
    if values.ndim == 1:
        prefix, values = values[: grid.num_prefix_tokens], values[grid.num_prefix_tokens :].reshape(grid.shape)
    return RelevanceMap(
        method, values, method in SIGNED_METHODS, UNITS.get(method, "score"), prefix, parts, part, elapsed_ms
    )


def _long_map(subject: Subject, method: str, options: RelevanceOptions, part: int | None) -> RelevanceMap:
    """One part of a long method, or with None all of them added up."""
    started = time.perf_counter()
    grid, engine = subject.run.trace.grid, subject.engine
    with engine.computing():
        pixels, baseline = subject.pixels, subject.baseline(options.baseline)
        fractions, weights = perturbation.quadrature(options.steps)
        masks = _masks(method, options, grid.shape)
    at_once = passes_at_once(engine, grid.num_tokens)
    if masks is None:
        step = max(1, at_once // BACKWARD_COST)
        chosen, parts = _part_of(method, options.steps, step, part)
        values = torch.zeros(grid.shape)
        for begin in range(chosen.start, chosen.stop, step):  # others get their turn between the slices
            some = slice(begin, min(begin + step, chosen.stop))
            engine.yield_to_others()
            with engine.computing(long=True):
                nodes = fractions[some], weights[some]
                found = perturbation.integrated_gradients(
                    subject.loaded.model, subject.target, pixels, baseline, *nodes
                )
                values = values + found.cpu()
    else:
        chosen, parts = _part_of(method, len(masks), at_once, part)
        # from the whole picture's score: parts then add up calmly
        drop = method == "occlusion" and options.baseline == "dropped"
        if drop and masks.flatten(1).sum(dim=1).min() == 0:  # a window as large as the picture
            drop = interventions.read_without_patches(subject.loaded.model, subject.target)
        rise = subject.score() - _scores(subject, None if drop else baseline, masks[chosen])
        with engine.computing():
            if method == "occlusion":
                values = perturbation.occlusion_map(rise, masks, chosen)
            else:
                values = perturbation.random_mask_map(-rise, masks, chosen)
    return _as_map(subject, method, values.cpu().numpy(), ms_since(started), parts, part)


def _masks(method: str, options: RelevanceOptions, grid: tuple[int, int]) -> torch.Tensor | None:
    """What a method that hides parts of the picture hides, (M, rows, cols); None for one that hides nothing."""
    if method == "occlusion":
        return perturbation.occlusion_masks(grid, *occlusion_window(options, grid))
    if method == "random_masks":
        return perturbation.random_masks(grid, options.masks, options.keep_share, options.seed)
    return None


def _scores(
    subject: Subject, baseline: torch.Tensor | None, masks: torch.Tensor, probability: bool = False
) -> torch.Tensor:
    """The target's value for every mask, (M,), on the CPU; others get their turn between batches. Without a baseline,
    hidden patches do not enter the model."""
    vit, found = subject.loaded.model, []
    if baseline is None:
        return _scores_of_left(subject, masks, probability)
    for some in masks.split(perturbation.pictures_at_once(vit, subject.pixels)):
        subject.engine.yield_to_others()
        with subject.engine.computing(long=True):
            values = perturbation.scores_of_hidden(vit, subject.target, subject.pixels, baseline, some, probability)
        found.append(values.cpu())
    return torch.cat(found)


def _scores_of_left(subject: Subject, masks: torch.Tensor, probability: bool) -> torch.Tensor:
    """The target's value when only the patches of each mask (M, rows, cols) are there, (M,); those that keep equally
    many are a batch."""
    vit, trace, found = subject.loaded.model, subject.run.trace, torch.empty(len(masks))
    counts = masks.flatten(1).sum(dim=1)
    for count in counts.unique():
        for which in (counts == count).nonzero().flatten().split(interventions.left_at_once(trace, int(count))):
            subject.engine.yield_to_others()
            with subject.engine.computing(long=True):
                found[which] = interventions.scores_of_left(vit, subject.target, trace, masks[which], probability)
    return found


def _part_of(method: str, count: int, at_once: int, part: int | None) -> tuple[slice, int]:
    """Which of `count` passes one part makes, and how many parts there are."""
    parts = -(-count // at_once)
    if part is None:
        return slice(0, count), parts
    if not 0 <= part < parts:
        raise DemoError("relevance.no_such_part", part=part + 1, parts=parts, method=method)
    return slice(part * at_once, min(count, (part + 1) * at_once)), parts


# ------------------------------------------------------------------------------------------------------- faithfulness


@long_work
def faithfulness(
    engine: Engine,
    image: np.ndarray,
    model: str,
    size: SizeChoice,
    target: int,
    values: np.ndarray | None,
    baseline: str,
    steps: int,
    seed: int,
) -> Faithfulness:
    """Deletion and insertion curves over the patches in the order of a map (rows, cols); None draws an order."""
    started = time.perf_counter()
    subject = subject_of(engine, image, model, size, target)
    grid = subject.run.trace.grid
    check_range("curve_steps", steps)
    if values is None:
        order = torch.rand(grid.shape, generator=torch.Generator().manual_seed(seed))
    elif np.shape(values) != grid.shape or not np.isfinite(values).all():
        raise DemoError("relevance.wrong_map", rows=grid.rows, cols=grid.cols)
    else:
        order = torch.from_numpy(np.ascontiguousarray(values, np.float64))
    keep, fractions = perturbation.deletion_masks(order, min(steps, grid.num_patches))
    masks = torch.cat([keep, 1 - keep[1:-1]])  # the ends are the same pictures in both directions
    with subject.engine.computing():
        shown = checked_baseline(baseline)
        if shown == "dropped" and not interventions.read_without_patches(subject.loaded.model, subject.target):
            shown = "mean"
        hidden = None if shown == "dropped" else subject.baseline(shown)
    scores = _scores(subject, hidden, masks, probability=True)
    deletion = scores[: len(keep)]
    insertion = torch.cat([deletion[-1:], scores[len(keep) :], deletion[:1]])
    return Faithfulness(
        fractions=fractions.numpy(),
        deletion=deletion.numpy(),
        insertion=insertion.numpy(),
        deletion_area=perturbation.area_under(fractions, deletion),
        insertion_area=perturbation.area_under(fractions, insertion),
        random=values is None,
        baseline=shown,
        target=target,
        name=subject.name,
        kind=subject.kind,
        elapsed_ms=ms_since(started),
        info=subject.run.info,
    )
