"""What the position and patch embeddings have learned."""

from __future__ import annotations

import numpy as np
import torch

from vit_demo.analysis.embeddings import filter_components, position_similarity, rope_kernel
from vit_demo.contract import DemoError, FilterBank, Similarity, SizeChoice
from vit_demo.engine import Engine
from vit_demo.grid import PatchGrid
from vit_demo.preprocess import input_size


def positions(engine: Engine, model: str, size: SizeChoice, image: np.ndarray | None) -> Similarity:
    """Similarity of every position with every other: on the native grid, or on a picture's at that size."""
    loaded = engine.load(model)
    vit, config = loaded.model, loaded.model.config
    height, width = config.image_size
    if image is not None:
        height, width = input_size(loaded.preprocess, config.patch_px, size, *image.shape[:2])
    grid = PatchGrid.of(height, width, config.patch_px, config.prefix_names)
    with torch.inference_mode():
        if config.position == "learned":
            matrix = position_similarity(vit.positions(grid.shape)[1][0]).cpu().numpy()
            return Similarity(matrix, grid, "learned", (-1.0, 1.0), grid.shape == config.native_grid)
        if config.rope is None:
            raise DemoError("embeddings.no_positions", title=loaded.card.title)
        matrix = rope_kernel(config.rope, vit.rope_bands, grid.shape).numpy()
    return Similarity(matrix, grid, "rope", (float(matrix.min()), 1.0), grid.shape == config.native_grid)


def filters(engine: Engine, model: str, count: int) -> FilterBank:
    """The first principal components of the patch-embedding filters."""
    weight = engine.load(model).model.patch_embed.weight
    most = min(weight.shape[0], weight[0].numel())
    with torch.inference_mode():
        components, share = filter_components(weight, max(1, min(count, most)))
    shown = components.permute(0, 2, 3, 1)  # (k, P, P, 3)
    shown = 0.5 + shown / (2 * shown.abs().amax(dim=(1, 2, 3), keepdim=True))
    return FilterBank(shown.cpu().numpy(), share.cpu().numpy(), weight.shape[0])
