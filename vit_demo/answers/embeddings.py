"""What the position and patch embeddings have learned."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vit_demo.analysis import embeddings as analysis
from vit_demo.checkpoints.load import LoadedModel
from vit_demo.contract import (
    DemoError,
    FilterBank,
    FilterResponses,
    InputParts,
    PositionStructure,
    Similarity,
    SimilarityKind,
    SizeChoice,
)
from vit_demo.engine import Engine
from vit_demo.grid import PatchGrid
from vit_demo.preprocess import input_size


def position_similarity(engine: Engine, model: str, size: SizeChoice, image: np.ndarray | None) -> Similarity:
    """Similarity of every position with every other: on the native grid, or on a picture's at that size."""
    loaded = engine.load(model)
    grid = grid_of(loaded, size, image)
    with engine.computing():
        matrix, kind = _similarity(loaded, grid)
    numbers = matrix.cpu().numpy()
    limits = (-1.0, 1.0) if kind == "learned" else (float(numbers.min()), 1.0)
    return Similarity(numbers, grid, kind, limits, grid.shape == loaded.model.config.native_grid)


def position_structure(
    engine: Engine, model: str, size: SizeChoice, image: np.ndarray | None, components: int
) -> PositionStructure:
    """The similarities by offset, and the principal components of the table over the grid."""
    loaded = engine.load(model)
    grid = grid_of(loaded, size, image)

    def make() -> PositionStructure:
        maps, share = torch.zeros(0, *grid.shape), torch.zeros(0)
        with engine.computing():
            matrix, kind = _similarity(loaded, grid)
            if kind == "learned":
                table = loaded.model.positions(grid.shape)[1][0]
                maps, share = analysis.position_components(table, grid.shape, max(1, components))
            by_offset = analysis.similarity_by_offset(matrix, grid.shape)
        return PositionStructure(by_offset.numpy(), maps.cpu().numpy(), share.cpu().numpy(), grid, kind)

    key = ("structure", model, loaded.revision, grid, components)
    return engine.kept.get_or_make(key, make, lambda made: made.by_offset.nbytes + made.components.nbytes)[0]


def grid_of(loaded: LoadedModel, size: SizeChoice, image: np.ndarray | None) -> PatchGrid:
    """The native grid, or that of a picture at a size."""
    config = loaded.model.config
    height, width = config.image_size
    if image is not None:
        height, width = input_size(loaded.preprocess, config.patch_px, size, *image.shape[:2])
    return PatchGrid.of(height, width, config.patch_px, config.prefix_names)


def _similarity(loaded: LoadedModel, grid: PatchGrid) -> tuple[Tensor, SimilarityKind]:
    """(n, n) and its kind. DemoError for a model that knows no places."""
    vit, config = loaded.model, loaded.model.config
    if config.position == "learned":
        return analysis.position_similarity(vit.positions(grid.shape)[1][0]), "learned"
    if config.rope is None:
        raise DemoError("embeddings.no_positions", title=loaded.card.title)
    return analysis.rope_kernel(config.rope, vit.rope_bands, grid.shape), "rope"


# ------------------------------------------------------------------------------------------------------------- filters


def filters(engine: Engine, model: str, count: int) -> FilterBank:
    """The first principal components of the patch-embedding filters."""
    components, share, total = _components(engine, model, count)
    return FilterBank(for_display(components), share.cpu().numpy(), total)


def _components(engine: Engine, model: str, count: int) -> tuple[Tensor, Tensor, int]:
    """The components, the share of variance of each, and how many filters there are; kept."""
    loaded = engine.load(model)
    weight = loaded.model.patch_embed.weight
    count = max(1, min(count, weight.shape[0], weight[0].numel()))

    def make() -> tuple[Tensor, Tensor]:
        with engine.computing():
            return analysis.filter_components(weight, count)

    key = ("filters", model, loaded.revision, count)
    kept = engine.kept.get_or_make(key, make, lambda made: made[0].nbytes)[0]
    return *kept, weight.shape[0]


def filter_responses(
    engine: Engine, image: np.ndarray, model: str, size: SizeChoice, count: int | None
) -> FilterResponses:
    """What filters answer on a picture: the first `count` principal components, or with None every filter itself."""
    loaded = engine.load(model)
    config = loaded.model.config
    prepared = engine.prepared(image, loaded, size)
    bank = loaded.model.patch_embed.weight if count is None else _components(engine, model, count)[0]
    with engine.computing():
        pixels = engine.pixels(prepared)
        answers = analysis.filter_responses(pixels, bank).cpu().numpy()
    height, width = prepared.picture.shape[:2]
    grid = PatchGrid.of(height, width, config.patch_px, config.prefix_names)
    return FilterResponses(for_display(bank), answers, prepared.picture, grid)


def for_display(bank: Tensor) -> np.ndarray:
    """Filters (k, C, P, P) as pictures (k, P, P, 3) in 0…1: 0 is mid-grey, the largest entry of each reaches an end.
    Those of grey pictures (C = 1) are grey."""
    shown = bank.float().permute(0, 2, 3, 1)
    shown = shown.expand(*shown.shape[:3], 3)
    top = shown.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
    return (0.5 + shown / (2 * top)).cpu().numpy()


# --------------------------------------------------------------------------------------------------------------- input


def input_parts(engine: Engine, image: np.ndarray, model: str, size: SizeChoice) -> InputParts:
    """Norms and cosines of what enters the first layer."""
    loaded = engine.load(model)
    config = loaded.model.config
    prepared = engine.prepared(image, loaded, size)
    with engine.computing():
        parts = analysis.input_anatomy(loaded.model, engine.pixels(prepared))
        content, total = parts.content.norm(dim=-1), parts.total.norm(dim=-1)
        placed = parts.positions if parts.positions is not None else torch.zeros_like(parts.content)
        position = placed.norm(dim=-1)
        cosine = torch.cosine_similarity(parts.content, placed, dim=-1)
    height, width = prepared.picture.shape[:2]
    grid = PatchGrid.of(height, width, config.patch_px, config.prefix_names)
    count = grid.num_prefix_tokens
    numbers = torch.stack([content, position, total, cosine], dim=1).cpu().numpy()  # (N, 4)
    numbers[~parts.placed.numpy(), 1::2] = np.nan
    maps = numbers[count:].T.reshape(4, *grid.shape)
    has_table = parts.positions is not None
    return InputParts(
        content=maps[0],
        positions=maps[1] if has_table else None,
        total=maps[2],
        cosine=maps[3] if has_table else None,
        prefix_names=grid.prefix_names,
        prefix=numbers[:count],
        picture=prepared.picture,
        grid=grid,
    )
