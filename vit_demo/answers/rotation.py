"""RoPE: its bands over a picture's grid, and one token's attention with and without it."""

from __future__ import annotations

import numpy as np
import torch

from vit_demo.analysis.attention import attention_rows
from vit_demo.analysis.rotation import band_waves, patches_per_turn, rows_without_rotation
from vit_demo.answers.attention import checked_layer
from vit_demo.contract import DemoError, Rotation, SizeChoice, TokenQuery
from vit_demo.engine import Engine


def rotation(
    engine: Engine, image: np.ndarray, model: str, size: SizeChoice, query: TokenQuery, layer: int, head: int
) -> Rotation:
    """`head` chooses the bands where each head has its own; attention is that of all heads. DemoError without RoPE."""
    loaded = engine.load(model)
    vit, rope = loaded.model, loaded.model.config.rope
    if rope is None:
        raise DemoError("embeddings.no_rotation", title=loaded.card.title)
    run = engine.run(image, model, size)
    grid, layer = run.info.grid, checked_layer(layer, run.info.depth)
    token, head = query.token(grid), min(max(head, 0), run.info.heads - 1)
    nothing = torch.zeros(0)
    with engine.computing():
        down, right = band_waves(rope, vit.rope_bands, grid.shape, layer, head)
        turns = (nothing, nothing) if rope.kind == "mixed" else patches_per_turn(rope, vit.rope_bands, grid.shape)
        rows = attention_rows(run.trace, layer, token), rows_without_rotation(vit, run.trace, layer, token)
    turned, unturned = (row[0, :, grid.num_prefix_tokens :].reshape(-1, *grid.shape).cpu().numpy() for row in rows)
    return Rotation(
        down=down.cpu().numpy(),
        right=right.cpu().numpy(),
        turns_down=turns[0].cpu().numpy(),
        turns_right=turns[1].cpu().numpy(),
        turned=turned,
        unturned=unturned,
        query=query,
        layer=layer,
        picture=run.prepared.picture,
        info=run.info,
    )
