"""What a hand could have done otherwise: place, slant, size, bend and stroke width, drawn anew for every picture.

All of it works on whole batches of tensors, so that it costs a small part of a training step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Variation:
    """How far a digit is varied at most: each value is drawn evenly between its negative and itself.

    rotation_degrees; shift_px in both axes; scale (relative); shear (pixels across per pixel down); bend_px, the
    standard deviation of a smooth field of displacements (Simard et al. 2003, elastic deformation); stroke, how much
    of a one-pixel thicker or thinner stroke is mixed in.
    """

    rotation_degrees: float = 10.0
    shift_px: float = 1.0
    scale: float = 0.1
    shear: float = 0.15
    bend_px: float = 0.5
    stroke: float = 0.5


BEND_CELLS = 5  # control points per axis of the bending field: 28 px / 5 is about the length of a stroke's curve


def vary(pictures: Tensor, generator: torch.Generator, variation: Variation | None = None) -> Tensor:
    """Digits (B, 1, H, W) in 0…1, each varied in its own way; the same shape."""
    variation = variation or Variation()
    moved = F.grid_sample(
        pictures, sampling_grid(pictures.shape, generator, variation), mode="bilinear", align_corners=False
    )
    return vary_stroke(moved, generator, variation.stroke)


def sampling_grid(shape: torch.Size, generator: torch.Generator, variation: Variation) -> Tensor:
    """Where each pixel is taken from, (B, H, W, 2), x before y in −1…1 as `grid_sample` wants it."""
    B, _, H, W = shape
    if H != W:  # a rotation in normalised coordinates is one only there
        raise ValueError(f"digits are square, not {H}×{W}")
    draw = lambda most: (2 * torch.rand(B, generator=generator) - 1) * most  # noqa: E731
    angle, shear = draw(math.radians(variation.rotation_degrees)), draw(variation.shear)
    zoom_y, zoom_x = 1 + draw(variation.scale), 1 + draw(variation.scale)
    cos, sin = angle.cos(), angle.sin()
    across = torch.stack([cos / zoom_x, (shear - sin) / zoom_x, draw(variation.shift_px) * 2 / W], dim=-1)
    down = torch.stack([sin / zoom_y, cos / zoom_y, draw(variation.shift_px) * 2 / H], dim=-1)
    grid = F.affine_grid(torch.stack([across, down], dim=1), [B, 1, H, W], align_corners=False)
    field = torch.randn(B, 2, BEND_CELLS, BEND_CELLS, generator=generator) * (variation.bend_px * 2 / W)
    field = F.interpolate(field, size=(H, W), mode="bicubic", align_corners=True)
    return grid + field.permute(0, 2, 3, 1)


def vary_stroke(pictures: Tensor, generator: torch.Generator, most: float) -> Tensor:
    """Strokes thicker (grey dilation) or thinner (grey erosion) by up to `most` pixels, mixed with the picture."""
    amount = (2 * torch.rand(len(pictures), 1, 1, 1, generator=generator) - 1) * most
    thicker = F.max_pool2d(pictures, 3, stride=1, padding=1)
    thinner = -F.max_pool2d(-pictures, 3, stride=1, padding=1)
    other = torch.where(amount > 0, thicker, thinner)
    return pictures + amount.abs() * (other - pictures)
