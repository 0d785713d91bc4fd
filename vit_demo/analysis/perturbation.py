"""What becomes of a target when parts of the picture are hidden: occlusion, random masks, deletion and insertion, and
the path from a baseline picture of integrated gradients.

`keep` (B, rows, cols) in 0…1 says how much of each patch stays; the rest is the baseline picture's. All of it is done
in the pixels, so the patches' places stay known to the model.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vit_demo.analysis.relevance import Target, score, sum_per_patch
from vit_demo.model.editing import filling, hide
from vit_demo.model.vit import VisionTransformer

Baseline = Literal["mean", "blur", "black"]
TOKENS_AT_ONCE = 2048  # bounds the memory of a batch: ten pictures of 14×14 patches, one of 37×37
RISE_CELLS = 7  # cells along the longer side of a random mask (Petsiuk et al. 2018, section 4.1)


def baseline_picture(pixels: Tensor, kind: Baseline, patch_px: int, black: Tensor) -> Tensor:
    """What stands where the picture (1, 3, H, W) is hidden, of the same shape.

    mean    the picture's mean colour
    blur    the picture blurred by a Gaussian with a standard deviation of one patch, edges repeated
    black   `black` (3,): black as the model's normalisation gives it
    """
    if kind == "black":
        return black.to(pixels)[None, :, None, None].expand_as(pixels)
    return filling(pixels, kind, patch_px)


def scores_of_hidden(
    model: VisionTransformer,
    target: Target,
    pixels: Tensor,
    baseline: Tensor,
    keep: Tensor,
    probability: bool = False,
) -> Tensor:
    """The target's value for every mask of `keep` (M, rows, cols), (M,): batched forward passes."""
    found = []
    for some in keep.split(pictures_at_once(model, pixels)):
        hidden = hide(pixels, baseline, some.to(pixels), model.config.patch_px)
        found.append(score(model, target, model.tokens_after(hidden, target.layer), probability))
    return torch.cat(found)


def pictures_at_once(model: VisionTransformer, pixels: Tensor) -> int:
    return max(1, TOKENS_AT_ONCE // model.grid_of(pixels).num_tokens)


# -------------------------------------------------------------------------------------------------------------- maps


def occlusion_masks(grid: tuple[int, int], window: int, stride: int) -> Tensor:
    """One mask for every place of a square window of patches, (places, rows, cols), 0 under it and 1 elsewhere.

    Windows start every `stride` patches from the first, and the last ones may reach over the edge, so that every patch
    is covered if stride ≤ window. Zeiler & Fergus 2014, section 4.2; places as in captum's Occlusion.
    """
    starts = [range(0, max(1, math.ceil((side - window) / stride) + 1) * stride, stride) for side in grid]
    masks = [torch.ones(grid) for _ in range(len(starts[0]) * len(starts[1]))]
    for mask, (row, col) in zip(masks, ((r, c) for r in starts[0] for c in starts[1]), strict=True):
        mask[row : row + window, col : col + window] = 0
    return torch.stack(masks)


def occlusion_map(drops: Tensor, masks: Tensor, part: slice) -> Tensor:
    """Mean drop of the target over all windows that cover a patch, (rows, cols), signed.

    `masks` are all places, `drops` (part,) = y(x) − y(hidden) of those in `part`: maps of parts add up to the whole.
    """
    covered = 1 - masks
    return torch.einsum("m,mrc->rc", drops.to(masks), covered[part]) / covered.sum(dim=0).clamp(min=1)


def random_masks(grid: tuple[int, int], count: int, keep_share: float, seed: int) -> Tensor:
    """RISE's masks on the patch grid, (count, rows, cols) in 0…1: coarse cells kept with probability `keep_share`,
    enlarged bilinearly and shifted by a random part of a cell. Petsiuk et al. 2018 (arXiv 1806.07421), section 3.2.

    A cell is a whole number of patches, so that RISE_CELLS of them span the longer side.
    """
    generator = torch.Generator().manual_seed(seed)
    cell = math.ceil(max(grid) / RISE_CELLS)
    cells = [math.ceil(side / cell) + 1 for side in grid]
    coarse = (torch.rand(count, 1, *cells, generator=generator) < keep_share).float()
    fine = F.interpolate(coarse, scale_factor=cell, mode="bilinear", align_corners=False)[:, 0]
    shifts = torch.randint(cell, (count, 2), generator=generator).tolist()
    return torch.stack([m[r : r + grid[0], c : c + grid[1]] for m, (r, c) in zip(fine, shifts, strict=True)])


def random_mask_map(scores: Tensor, masks: Tensor, part: slice) -> Tensor:
    """How much higher the target is where a patch is kept than on average, (rows, cols), signed: the mean over masks,
    weighted by how much of the patch each keeps, less the plain mean.

    RISE's eq. 6 divided by the patch's true coverage instead of its expectation, and centred: a target that never
    changes gives 0. `masks` are all, `scores` (part,) those of `part`: maps of parts add up to the whole.
    """
    weights = masks / masks.sum(dim=0).clamp(min=1e-6) - 1 / len(masks)  # (M, rows, cols); sums to 0 over masks
    return torch.einsum("m,mrc->rc", scores.to(masks), weights[part])


def quadrature(steps: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights of Gauss and Legendre on 0…1, each (steps,): exact for polynomials up to degree 2·steps − 1."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    return torch.from_numpy((nodes + 1) / 2).float(), torch.from_numpy(weights / 2).float()


def integrated_gradients(
    model: VisionTransformer, target: Target, pixels: Tensor, baseline: Tensor, fractions: Tensor, weights: Tensor
) -> Tensor:
    """(x − x′) ⊙ Σ weight·∂y/∂x at x′ + fraction·(x − x′), summed per patch, (rows, cols), signed.

    `pixels` and `baseline` (1, 3, H, W). With all nodes of a quadrature on 0…1 it sums to y(x) − y(x′); some of the
    nodes give their part of it. Sundararajan et al. 2017, eqs. 1 and 3.
    """
    total = torch.zeros_like(pixels[0])
    at_once = pictures_at_once(model, pixels)
    for some, of_some in zip(fractions.to(pixels).split(at_once), weights.to(pixels).split(at_once), strict=True):
        with torch.enable_grad():
            steps = torch.lerp(baseline, pixels, some[:, None, None, None]).detach().requires_grad_()
            value = score(model, target, model.tokens_after(steps, target.layer)).sum()
            (of_steps,) = torch.autograd.grad(value, steps)
        total += torch.einsum("s,schw->chw", of_some, of_steps)
    return sum_per_patch(total * (pixels - baseline)[0], model.config.patch_px)


# ------------------------------------------------------------------------------------------------------- faithfulness


def deletion_masks(values: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Masks that hide the patches of a map (rows, cols) from the most relevant on, (steps + 1, rows, cols), and the
    share of patches hidden by each, (steps + 1,): from none to all. Ties are hidden row by row.

    1 − mask inserts in the same order. Petsiuk et al. 2018, section 4.3.
    """
    n = values.numel()
    rank = torch.empty(n, dtype=torch.long)
    rank[values.flatten().argsort(descending=True, stable=True)] = torch.arange(n)
    hidden = torch.tensor([round(step * n / steps) for step in range(steps + 1)])
    keep = (rank[None] >= hidden[:, None]).float().reshape(-1, *values.shape)
    return keep, hidden / n


def area_under(fractions: Tensor, scores: Tensor) -> float:
    """Area under a curve of scores over the share of patches, 0…1, by the trapezoid rule."""
    return float(torch.trapezoid(scores.double(), fractions.double()))
