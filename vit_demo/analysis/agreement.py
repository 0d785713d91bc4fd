"""How far two models agree: what they hold of the same places of a picture, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Box = tuple[float, float, float, float]  # top, left, bottom, right


def linear_cka(first: Tensor, second: Tensor) -> Tensor:
    """‖YᵀX‖²_F ∕ (‖XᵀX‖_F·‖YᵀY‖_F) of X (n, D) and Y (n, D'), columns centred, a row for each place: 1 where one is the
    other turned and scaled. Kornblith et al. 2019 (arXiv 1905.00414), section 3. It is not 0 for unrelated features:
    with as many channels as places it is about 0.7 (see `chance`). Features that do not differ between places agree
    with nothing."""
    first, second = (_centred(one) for one in (first, second))
    norm = (first.mT @ first).norm() * (second.mT @ second).norm()
    return torch.where(norm > 0, (second.mT @ first).square().sum() / norm.clamp(min=1e-30), 0.0)


def cka_row(first: Tensor, seconds: Sequence[Tensor]) -> Tensor:
    """`linear_cka` of one layer with each of another model's, (L',), from features that are `scaled`."""
    return torch.stack([(second.mT @ first).square().sum() for second in seconds])


def chance(first: Sequence[Tensor], second: Sequence[Tensor], seed: int = 0) -> float:
    """The mean of `linear_cka` over layers at the same relative depth, with the second model's places in random order:
    what agreement in number of places and channels alone gives."""
    order = torch.randperm(len(first[0]), generator=torch.Generator().manual_seed(seed))
    count = min(len(first), len(second))
    pairs = [[round(i * (len(one) - 1) / max(1, count - 1)) for i in range(count)] for one in (first, second)]
    values = [linear_cka(first[i], second[j][order.to(second[j].device)]) for i, j in zip(*pairs, strict=True)]
    return float(torch.stack(values).mean())


def _centred(features: Tensor) -> Tensor:
    return features.double() - features.double().mean(dim=0)


def scaled(features: Tensor) -> Tensor:
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
