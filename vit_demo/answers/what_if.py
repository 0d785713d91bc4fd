"""What becomes of an answer when something inside the forward pass is changed."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor

from vit_demo.analysis import interventions
from vit_demo.analysis.attention import attention_rows
from vit_demo.answers.attention import checked_layer
from vit_demo.answers.examples import COMPARED_SIDE
from vit_demo.answers.parts import ms_since
from vit_demo.answers.readers import Reader, reader_of, reader_values
from vit_demo.checkpoints.load import LoadedModel
from vit_demo.contract import DemoError, SizeChoice, TokenQuery, WhatIf
from vit_demo.edits import Edits
from vit_demo.engine import Engine, Run, long_work
from vit_demo.grid import PatchGrid
from vit_demo.model import Trace, VisionTransformer
from vit_demo.model.editing import Plan, permutation

TOP = 5


@long_work
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
    query = query or _first_token(grid)
    layer, token = checked_layer(layer, run.info.depth), query.token(grid)
    wanted, edits = edits, edits.fitting(vit.config, grid) if fit else edits
    source = source_of(engine, other, model, size, run) if edits.patch_in else None
    means = example_heads(engine, model) if "examples" in edits.head_edits.values() else None
    checked_edits(edits, loaded, run)
    target = reader.best(reader_values(engine, reader, run.trace)) if target is None else target
    if not 0 <= target < len(reader.names):
        raise DemoError("relevance.no_such_target", number=target + 1, count=len(reader.names))
    with engine.computing(long=True):
        part = interventions.PartTrace(layer, token, reader.layer)
        unchanged = attention_rows(run.trace, layer, token), run.trace.layers[reader.layer].residual, None
        changed, started = unchanged, time.perf_counter()
        if edits:
            changed = _changed(vit, engine.pixels(run.prepared), run.trace, edits, part, source, means)
            synchronise(changed[1])
        passes = unchanged, changed
        after_ms = ms_since(started)
        before, after = (reader.values(residual) for _, residual, _ in passes)
        features = [reader.feature(residual) for _, residual, _ in passes]
        maps = [_maps(grid, row, tokens) for row, _, tokens in passes]
        shown = [reader.shown(one).cpu().numpy() for one in (before, after)]
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
        best_before=told.index(reader.best(before)),
        best_after=told.index(reader.best(after)),
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
        order=permutation(grid.num_patches, edits.seed).numpy() if edits.shuffle_patches else None,
        tokens=changed[1].shape[1],
        has_positions=vit.config.position == "learned" or vit.config.rope is not None,
        has_rope=vit.config.rope is not None,
        after_ms=after_ms,
        picture=run.prepared.picture,
        info=run.info,
    )


def _changed(
    vit: VisionTransformer,
    pixels: Tensor,
    whole: Trace,
    edits: Edits,
    part: interventions.PartTrace,
    source: Trace | None,
    means: Tensor | None,
) -> tuple[Tensor | None, Tensor, Tensor | None]:
    """Of a changed pass: where a token looks in a layer, the residual stream of the layer that is read, and which
    tokens are there (None: all). DemoError where the edits cannot be had."""
    try:
        interventions.changed_pass(vit, pixels, whole, edits, part, source, means)
    except ValueError as error:
        raise DemoError("what_if.refused", reason=str(error)) from None
    return part.row, part.whole_residual, part.tokens


def _first_token(grid: PatchGrid) -> TokenQuery:
    """The class token; without one the middle patch."""
    return TokenQuery(grid.prefix_names[0]) if grid.prefix_names else TokenQuery(None, grid.rows // 2, grid.cols // 2)


def _told(before: np.ndarray, after: np.ndarray, reader: Reader, target: int) -> list[int]:
    """The answers that are told: the best before and after, and the target, in the order of before, which stays while
    changes are made."""
    order = np.argsort(-before, kind="stable").tolist()
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
    pixels = Plan(edits, run.info.grid, None, {}).pixels(torch.tensor(picture).permute(2, 0, 1)[None].float())
    return pixels[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()


def checked_edits(edits: Edits, loaded: LoadedModel, run: Run) -> None:
    """DemoError, with the reason, where a model or grid does not know an edit."""
    try:
        edits.check(loaded.model.config, run.info.grid, first=1)
    except ValueError as error:
        raise DemoError("what_if.refused", reason=str(error)) from None


def source_of(engine: Engine, other: np.ndarray | None, model: str, size: SizeChoice, run: Run) -> Trace:
    """The pass of the second picture, on the first one's grid."""
    if other is None:
        raise DemoError("what_if.no_other")
    return engine.run(other, model, SizeChoice(grid=run.info.grid.shape)).trace


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


def synchronise(tensor: Tensor) -> None:
    """Waits until a tensor is computed: on a GPU a call returns before."""
    if tensor.is_cuda:
        torch.cuda.synchronize()
