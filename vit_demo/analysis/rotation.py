"""What RoPE does: how each band of it runs across the picture, and one query with and without its rotation."""

from __future__ import annotations

import math

from torch import Tensor

from vit_demo.analysis.attention import layer_of
from vit_demo.model.config import RopeConfig
from vit_demo.model.position import rope_angles, rotate
from vit_demo.model.trace import Trace
from vit_demo.model.vit import VisionTransformer


def band_waves(rope: RopeConfig, bands: Tensor, grid: tuple[int, int], layer: int, head: int) -> tuple[Tensor, Tensor]:
    """The cosine of each band's angle along the first column, (bands, Gh), and along the first row, (bands, Gw).

    Axial kinds turn half of the d/2 pairs with the row and half with the column, so each axis has d/4 bands, whichever
    layer and head. Learned ("mixed") frequencies belong to one layer and head, and all d/2 turn with both.
    """
    rows, cols = grid
    angles = rope_angles(rope, bands, grid)
    if angles.dim() == 4:
        angles = angles[layer, head]
    angles = angles.reshape(rows, cols, -1)
    down, right = angles[:, 0], angles[0]  # (Gh, d/2), (Gw, d/2)
    if rope.kind != "mixed":
        first, second = slice(None, angles.shape[-1] // 2), slice(angles.shape[-1] // 2, None)
        of_rows, of_cols = (first, second) if rope.order == "yx" else (second, first)
        down, right = down[:, of_rows], right[:, of_cols]
    return down.cos().T, right.cos().T


def patches_per_turn(rope: RopeConfig, bands: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """How many patches a band needs for a whole turn down the rows and along the columns, each (d/4,); of axial kinds.

    ValueError for learned frequencies, which turn along slanted directions.
    """
    if rope.kind == "mixed":
        raise ValueError("learned frequencies have no period along one axis")
    steps = []
    for axis, count in enumerate(grid):
        if rope.kind == "centred":
            steps.append(2 / count)
        else:
            steps.append(1.0 if rope.reference_grid is None else rope.reference_grid[axis] / count)
    speeds = 2 * math.pi / bands.float() if rope.kind == "centred" else bands.float()
    down, right = (2 * math.pi / (speeds * step) for step in steps)
    return down, right


def rows_without_rotation(model: VisionTransformer, trace: Trace, layer: int, token: int) -> Tensor:
    """Where a token would look had neither query nor keys been turned: softmax(q_i·Kᵀ/√d) of the vectors before RoPE,
    (B, h, N). What the content asks for, without the place. ValueError outside the trace and without RoPE."""
    kept, rope, table = layer_of(trace, layer), model.config.rope, model.rope_tables(trace.grid)[layer]
    if rope is None or table is None:
        raise ValueError("this model does not rotate")
    cos, sin = table
    # Turning back is turning by the negative angle.
    back = lambda x: rotate(x, (cos, -sin), rope.pairing, trace.grid.num_prefix_tokens)  # noqa: E731
    q, k = back(kept.q), back(kept.k)
    scores = q[:, :, token : token + 1] @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    return scores.squeeze(-2).softmax(dim=-1)
