"""Frames of a film: where the class token looks in each, and what a layer makes of its patches."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from vit_demo.analysis.attention import attention_rows, mean_attention_row
from vit_demo.analysis.features import colour_basis, colours_on, layer_tokens
from vit_demo.answers.attention import checked_layer
from vit_demo.contract import FilmPart, SizeChoice
from vit_demo.engine import Engine, long_work
from vit_demo.model import Trace
from vit_demo.preprocess import prepare

TOKENS_AT_ONCE = 1600  # in one pass: some frames of a small grid, one of a large
BASIS_PATCHES = 20_000  # of all frames, evenly spread: enough for three directions, and bounded


@long_work
def film_part(engine: Engine, frames: np.ndarray, model: str, size: SizeChoice, layer: int) -> FilmPart:
    """Some frames (F, H, W, 3) uint8 of one size, as many in a pass as TOKENS_AT_ONCE allows."""
    loaded = engine.load(model)
    layer, patch_px = checked_layer(layer, loaded.model.config.depth), loaded.model.config.patch_px
    prepared = [prepare(frame, loaded.preprocess, patch_px, size) for frame in frames]
    height, width = prepared[0].picture.shape[:2]
    at_once = max(1, TOKENS_AT_ONCE // ((height // patch_px) * (width // patch_px)))
    maps, outside, features, info = [], [], [], None
    for start in range(0, len(prepared), at_once):
        batch = np.stack([one.pixels for one in prepared[start : start + at_once]])
        pixels = torch.from_numpy(batch).to(engine.hardware.device)
        with engine.computing(long=True):
            trace = Trace()
            loaded.model(pixels, trace=trace)
            grid, prefix = trace.grid, trace.grid.num_prefix_tokens
            rows = attention_rows(trace, layer, 0) if prefix else mean_attention_row(trace, layer)  # (B, h, N)
            patches = F.normalize(layer_tokens(loaded.model, trace, layer)[:, prefix:], dim=-1)
            maps.append(rows[..., prefix:].float().cpu().numpy().reshape(*rows.shape[:2], *grid.shape))
            outside.append(rows[..., :prefix].sum(dim=-1).float().cpu().numpy())
            features.append(patches.half().cpu().numpy())
            info = engine.info(model, loaded, trace)
        engine.yield_to_others()
    assert info is not None
    return FilmPart(
        pictures=np.stack([one.picture for one in prepared]),
        maps=np.concatenate(maps),
        prefix=np.concatenate(outside),
        features=np.concatenate(features),
        layer=layer,
        info=info,
    )


@long_work
def film_colours(engine: Engine, features: tuple[np.ndarray, ...]) -> np.ndarray:
    """The patches of all frames, each part (F, n, D), as colours (F, n, 3) uint8 on one basis."""
    count, width = sum(len(part) * part.shape[1] for part in features), features[0].shape[2]
    every = -(-count // BASIS_PATCHES)
    with engine.computing(long=True):
        sample = np.concatenate([part.reshape(-1, width) for part in features])[::every]
        basis = colour_basis(torch.from_numpy(sample).float())
        colours = [colours_on(basis, torch.from_numpy(part).float()) for part in features]
        return (255 * torch.cat(colours)).round().numpy().astype(np.uint8)
