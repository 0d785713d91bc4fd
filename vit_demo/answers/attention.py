"""Where tokens look."""

from __future__ import annotations

import numpy as np
import torch

from vit_demo.analysis.attention import attention_rows
from vit_demo.contract import DemoError, HeadMaps, SizeChoice, TokenQuery
from vit_demo.engine import Engine


def rows(engine: Engine, image: np.ndarray, model: str, size: SizeChoice, query: TokenQuery, layer: int) -> HeadMaps:
    """Where one token looks, for every head of a layer."""
    run = engine.run(image, model, size)
    grid, layer = run.info.grid, checked_layer(layer, run.info.depth)
    with torch.inference_mode():
        shares = attention_rows(run.trace, layer, query.token(grid))[0].cpu().numpy()  # (h, N)
    prefix = grid.num_prefix_tokens
    return HeadMaps(
        maps=shares[:, prefix:].reshape(-1, grid.rows, grid.cols),
        prefix=shares[:, :prefix],
        query=query,
        layer=layer,
        picture=run.prepared.picture,
        info=run.info,
    )


def checked_layer(layer: int, depth: int) -> int:
    """A layer from 0 (negative from the end) as one from 0. DemoError outside the model."""
    if not -depth <= layer < depth:
        raise DemoError("attention.no_such_layer", layer=layer + 1 if layer >= 0 else layer, depth=depth)
    return layer % depth
