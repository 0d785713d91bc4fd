"""The input sizes on offer for a model, and what each costs."""

from __future__ import annotations

from vit_demo.checkpoints.load import LoadedModel
from vit_demo.contract import PreprocessSpec, SizeChoice, SizeOption
from vit_demo.model.config import ViTConfig
from vit_demo.preprocess import input_size

USUAL_SIDES = (224, 336, 448, 518)


def size_options(loaded: LoadedModel) -> tuple[SizeOption, ...]:
    """The input sizes on offer: the native one and the usual ones, in whole patches, smallest first.

    A side is the shorter one; the other follows the checkpoint's own shape.
    """
    config, spec = loaded.model.config, loaded.preprocess
    native = min(spec.size)
    own = layer_cost(config, _grid(spec, config, native))
    sides = {max(1, round(side / config.patch_px)) * config.patch_px for side in USUAL_SIDES} | {native}
    options = []
    for side in sorted(sides):
        rows, cols = grid = _grid(spec, config, side)
        if side == native or min(grid) * config.patch_px == side:  # others would be cut down to MAX_PATCHES
            tokens = rows * cols + config.num_prefix_tokens
            options.append(SizeOption(side, rows, cols, tokens, layer_cost(config, grid) / own, side == native))
    return tuple(options)


def _grid(spec: PreprocessSpec, config: ViTConfig, side: int) -> tuple[int, int]:
    """(rows, cols) of the patches at a size, for a picture that is cropped to the checkpoint's own shape."""
    height, width = input_size(spec, config.patch_px, SizeChoice(side), *spec.size)
    return height // config.patch_px, width // config.patch_px


def layer_cost(config: ViTConfig, grid: tuple[int, int]) -> float:
    """Multiplications of one layer: projections and MLP grow with N, attention with N²."""
    tokens = grid[0] * grid[1] + config.num_prefix_tokens
    mlp = (3 if config.mlp == "gated" else 2) * config.dim * config.mlp_hidden
    # q and the output projection, and k and v, whose heads may be fewer: on average over the layers
    kv_heads = sum(map(config.kv_heads_of, range(config.depth))) / config.depth
    projections = 2 * config.dim * (config.attention_dim + kv_heads * config.attention_head_dim)
    return tokens * (projections + mlp) + 2 * tokens**2 * config.attention_dim
