"""Where a token is: learned position tables and how they are resampled, and rotary embeddings (RoPE)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vit_demo.model.config import Resampling, RopeConfig


@dataclass(frozen=True)
class ResamplingRule:
    """How one codebase stretches a position table to another grid. `offset` is added to the new size when the scale is
    worked out, and then changes where every sample is taken."""

    title: str
    mode: str
    antialias: bool = False
    offset: float = 0.0
    corner_aligned: bool = False
    source: str = ""


RESAMPLING: dict[Resampling, ResamplingRule] = {
    "dino": ResamplingRule(
        "DINO: bicubic, +0.1",
        "bicubic",
        offset=0.1,  # DINO's guard against rounding in interpolate; kept, since released models are used with it
        source="facebookresearch/dino vision_transformer.py; dinov2 hub/backbones.py without registers",
    ),
    "dinov2_reg": ResamplingRule(
        "DINOv2 with registers: bicubic, antialias",
        "bicubic",
        antialias=True,
        source="facebookresearch/dinov2 hub/backbones.py, _reg entry points",
    ),
    "timm": ResamplingRule("timm: bicubic, antialias", "bicubic", antialias=True, source="timm layers/pos_embed.py"),
    "transformers": ResamplingRule(
        "transformers: bicubic", "bicubic", source="transformers models/vit/modeling_vit.py"
    ),
    "google": ResamplingRule(
        "Google: linear, corners aligned",
        "bilinear",
        corner_aligned=True,
        source="google-research/vision_transformer checkpoint.py (scipy.ndimage.zoom, order 1)",
    ),
}


def resample_position(table: Tensor, native: tuple[int, int], grid: tuple[int, int], rule: ResamplingRule) -> Tensor:
    """A position table (1, Gh·Gw, D) of the native grid, resampled to `grid` (rows, cols): (1, rows·cols, D).

    Nothing is done on the native grid. Works in float32, as all five codebases do.
    """
    if native == grid:
        return table
    planes = table.float().reshape(1, *native, -1).permute(0, 3, 1, 2)  # (1, D, Gh, Gw)
    if rule.offset:
        # Scales are handed over, not sizes: the offset then moves the sampling points, as it does in DINO.
        scale = tuple((new + rule.offset) / old for new, old in zip(grid, native, strict=True))
        planes = F.interpolate(planes, scale_factor=scale, mode=rule.mode, antialias=rule.antialias)
    else:
        planes = F.interpolate(
            planes, size=grid, mode=rule.mode, align_corners=rule.corner_aligned, antialias=rule.antialias
        )
    return planes.permute(0, 2, 3, 1).reshape(1, grid[0] * grid[1], -1).to(table.dtype)


def bands_of(rope: RopeConfig, head_dim: int) -> Tensor:
    """Periods ("centred") or angular frequencies ("index") of one axis, (d/4,), by the formula.

    DINOv3 checkpoints carry their periods rounded to bfloat16; those are loaded instead where present.
    """
    exponents = torch.arange(head_dim // 4, dtype=torch.float32) / (head_dim // 4)
    return rope.base**exponents if rope.kind == "centred" else rope.base**-exponents


def rope_coordinates(
    rope: RopeConfig, grid: tuple[int, int], device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """Row and column coordinate of every patch, each (Gh·Gw,), row by row, made where they are needed.

    "centred": (i + 0.5)/G mapped to −1…1 per axis, whatever the picture's shape (dinov3 rope_position_encoding.py,
    normalize_coords="separate"). Otherwise the patch's index, stretched to the reference grid where there is one.
    """
    axes = []
    for axis, count in enumerate(grid):
        index = torch.arange(count, dtype=torch.float32, device=device) + rope.offset
        if rope.kind == "centred":
            index = 2 * (index + 0.5) / count - 1
        elif rope.reference_grid is not None:
            index = index / count * rope.reference_grid[axis]
        axes.append(index)
    y, x = torch.meshgrid(*axes, indexing="ij")
    return y.flatten(), x.flatten()


def rope_angles(rope: RopeConfig, bands: Tensor, grid: tuple[int, int]) -> Tensor:
    """The angle by which each pair of channels turns at each patch.

    (Gh·Gw, d/2) for axial kinds with `bands` (d/4,); (L, h, Gh·Gw, d/2) for "mixed" with `bands` (2, L, h, d/2), whose
    first plane belongs to the first axis of `order`.
    """
    y, x = rope_coordinates(rope, grid, bands.device)
    first, second = (y, x) if rope.order == "yx" else (x, y)
    if rope.kind == "mixed":
        bands = bands.float()
        return first[:, None] * bands[0].unsqueeze(-2) + second[:, None] * bands[1].unsqueeze(-2)
    speeds = 2 * math.pi / bands.float() if rope.kind == "centred" else bands.float()
    return torch.cat([first[:, None] * speeds, second[:, None] * speeds], dim=-1)


def rope_table(rope: RopeConfig, angles: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the angles, each (…, N, d), laid out so that `rotate` can use them."""
    wide = torch.cat([angles, angles], dim=-1) if rope.pairing == "half" else angles.repeat_interleave(2, dim=-1)
    return wide.cos(), wide.sin()


def rotate(x: Tensor, table: tuple[Tensor, Tensor], pairing: str, num_prefix_tokens: int) -> Tensor:
    """Turns the patch tokens of queries or keys (B, h, N, d) by their angles; prefix tokens have no place and stay."""
    cos, sin = table
    prefix, patches = x[:, :, :num_prefix_tokens], x[:, :, num_prefix_tokens:]
    if pairing == "half":
        first, second = patches.chunk(2, dim=-1)
        turned = torch.cat([-second, first], dim=-1)
    else:
        turned = torch.stack([-patches[..., 1::2], patches[..., ::2]], dim=-1).flatten(-2)
    return torch.cat([prefix, (patches * cos + turned * sin).to(x.dtype)], dim=2)
