"""How far two models agree: what they hold of the same places of a picture, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Box = tuple[float, float, float, float]  # top, left, bottom, right


def linear_cka(first: Tensor, second: Tensor) -> Tensor:
    """‖YᵀX‖²_F ∕ (‖XᵀX‖_F·‖YᵀY‖_F) of X (n, D) and Y (n, D'), columns centred, a row for each place: 1 where one is the
    other turned and scaled, 0 where nothing of one follows from the other. Kornblith et al. 2019 (arXiv 1905.00414),
    section 3. Features that do not differ between places agree with nothing."""
    first, second = (_centred(one) for one in (first, second))
    norm = (first.mT @ first).norm() * (second.mT @ second).norm()
    return torch.where(norm > 0, (second.mT @ first).square().sum() / norm.clamp(min=1e-30), 0.0)


def cka_matrix(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """`linear_cka` of every layer of one model (n, D) with every layer of another (n, D'), (L, L')."""
    firsts, seconds = ([_scaled(one) for one in layers] for layers in (first, second))
    return torch.stack([torch.stack([(y.mT @ x).square().sum() for y in seconds]) for x in firsts])


def _centred(features: Tensor) -> Tensor:
    return features.double() - features.double().mean(dim=0)


def _scaled(features: Tensor) -> Tensor:
    """Centred, and so that ‖XᵀX‖_F is 1, in float32: what is left to compute is one product a pair."""
    centred = _centred(features)
    norm = (centred.mT @ centred).norm()
    return (centred / norm.sqrt().clamp(min=1e-30) if norm > 0 else torch.zeros_like(centred)).float()


def common_box(first: Box, second: Box) -> Box:
    """What two crops of a picture both show. Raises ValueError where that is nothing."""
    top, left = max(first[0], second[0]), max(first[1], second[1])
    bottom, right = min(first[2], second[2]), min(first[3], second[3])
    if bottom <= top or right <= left:
        raise ValueError("the two crops have nothing in common")
    return top, left, bottom, right


def at_places(features: Tensor, grid: tuple[int, int], box: Box, places: tuple[int, int], within: Box) -> Tensor:
    """Features of patches (rows·cols, D) that lie in `box`, read at the centres of a grid of `places` that lies
    `within` it, (n, D): bilinear between the patches' own centres. Both boxes in pixels of the original picture."""
    if places == grid and within == box:
        return features
    axes = []
    for count, (low, high), (first, last) in zip(
        places, ((box[0], box[2]), (box[1], box[3])), ((within[0], within[2]), (within[1], within[3])), strict=True
    ):
        centres = (
            first + (torch.arange(count, dtype=torch.float32, device=features.device) + 0.5) * (last - first) / count
        )
        axes.append(2 * (centres - low) / (high - low) - 1)  # −1 … 1 across the box
    y, x = torch.meshgrid(*axes, indexing="ij")
    planes = features.float().mT.reshape(1, -1, *grid)  # (1, D, rows, cols)
    read = F.grid_sample(
        planes, torch.stack([x, y], dim=-1)[None], mode="bilinear", padding_mode="border", align_corners=False
    )
    return read.flatten(2)[0].mT  # (n, D)
