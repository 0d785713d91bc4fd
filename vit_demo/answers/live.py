"""One frame of a camera: all that is drawn of it from one forward pass. Nothing of it is kept."""

from __future__ import annotations

import time

import numpy as np
import torch

from vit_demo.analysis.attention import attention_rows
from vit_demo.analysis.features import colour_basis, colours_on, compare_with_gallery, layer_tokens, picture_features
from vit_demo.answers.attention import checked_layer
from vit_demo.answers.examples import example_vectors, neighbour_layer
from vit_demo.answers.predict import NEIGHBOURS, class_names
from vit_demo.checkpoints.load import LoadedModel
from vit_demo.contract import DemoError, LiveFrame, TokenQuery
from vit_demo.engine import Engine, not_kept
from vit_demo.model import Encoded, Trace
from vit_demo.preprocess import checked_grid, normalised


@not_kept
def live(
    engine: Engine, frame: np.ndarray, model: str, query: TokenQuery, layer: int, basis: np.ndarray | None
) -> LiveFrame:
    """What a frame (H, W, 3) uint8 of the model's size shows. Without a `basis` its own patches make one."""
    loaded = engine.load(model)
    config = loaded.model.config
    layer = checked_layer(layer, config.depth)
    _check_frame(frame, config.patch_px)
    _check_basis(basis, config.dim)
    if loaded.model.head is None:
        example_vectors(engine, model)  # computed once, where this frame does not hold the turn
    pixels = engine.pixels(normalised(frame, loaded.preprocess))
    with engine.computing(long=True):
        started, trace = time.perf_counter(), Trace()
        encoded = loaded.model(pixels, trace=trace)
        grid, prefix = trace.grid, trace.grid.num_prefix_tokens
        token = query.token(grid)
        rows = attention_rows(trace, layer, token)[0].float().cpu().numpy()  # (h, N)
        patches = layer_tokens(loaded.model, trace, config.depth - 1)[0, prefix:]  # (n, D)
        made = colour_basis(patches) if basis is None else torch.from_numpy(basis)
        colours = (255 * colours_on(made, patches)).round().cpu().numpy().astype(np.uint8)
        names, values = _best(engine, model, loaded, trace, encoded)
        compute_ms = 1000 * (time.perf_counter() - started)
    return LiveFrame(
        maps=rows[:, prefix:].reshape(-1, *grid.shape),
        prefix=rows[:, :prefix],
        colours=colours.reshape(*grid.shape, 3),
        basis=made.cpu().numpy(),
        names=names,
        values=values,
        neighbours=loaded.model.head is None,
        layer=layer,
        token=token,
        compute_ms=compute_ms,
    )


def _best(
    engine: Engine, model: str, loaded: LoadedModel, trace: Trace, encoded: Encoded
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The most probable classes, or without a head the closest example pictures: names and values, best first."""
    if loaded.model.head is not None:
        shares, names = loaded.model.probabilities(encoded.class_logits[0]), class_names(loaded)
    else:
        layer, centred = neighbour_layer(loaded)
        examples = example_vectors(engine, model)
        vector = picture_features(loaded.model, trace, layer)[0]
        shares, names = compare_with_gallery(vector, examples.vectors, centred), examples.keys
    best = shares.float().topk(min(NEIGHBOURS, len(names)))
    return tuple(names[i] for i in best.indices.tolist()), tuple(best.values.tolist())


def _check_frame(frame: np.ndarray, patch_px: int) -> None:
    height, width = frame.shape[:2]
    if height % patch_px or width % patch_px:
        raise DemoError("live.not_patches", height=height, width=width, patch=patch_px)
    checked_grid((height // patch_px, width // patch_px))


def _check_basis(basis: np.ndarray | None, dim: int) -> None:
    if basis is not None and (
        basis.shape != (4, dim) or basis.dtype != np.float32 or not bool(np.isfinite(basis).all())
    ):
        raise DemoError("live.other_basis")
