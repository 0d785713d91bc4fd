"""Which patch of one picture is which of another: mutual nearest neighbours (Amir et al. 2021, "Deep ViT features as
dense visual descriptors", section 4.2; repository ShirAmir/dino-vit-features)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SEED = 0  # the same pictures give the same pairs


class Matches(NamedTuple):
    """Pairs of patches: `first` and `second` (m,) patch numbers, row by row, their `cosine` (m,), best first; `mutual`
    counts all mutual nearest neighbours among the salient patches, of which these were chosen."""

    first: Tensor
    second: Tensor
    cosine: Tensor
    mutual: int


def log_bin(features: Tensor, grid: tuple[int, int], levels: int = 2) -> Tensor:
    """Patches (n, D) with their surroundings: for each level, means over 3^level patches at the eight compass points
    around, at that distance; and the patch itself. (n, D·(1 + 8·levels)): 17 bins for two levels.

    Beyond the rim the nearest patch stands in.
    """
    rows, cols = grid
    plane = features.float().T.reshape(1, -1, rows, cols)  # (1, D, Gh, Gw)
    bins = []
    for level in range(levels):
        reach = 3**level
        mean = F.avg_pool2d(plane, reach, stride=1, padding=reach // 2, count_include_pad=False)
        row = torch.arange(rows, device=plane.device)
        col = torch.arange(cols, device=plane.device)
        for down in (-reach, 0, reach):
            for right in (-reach, 0, reach):
                if level == 0 or (down, right) != (0, 0):
                    around = mean[:, :, (row + down).clamp(0, rows - 1)][..., (col + right).clamp(0, cols - 1)]
                    bins.append(around)
    return torch.cat(bins, dim=1).reshape(-1, rows * cols).T


def mutual_neighbours(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(i, j, cosine), each (m,): patches i of the first (n, D) and j of the second (n', D) that are each other's most
    similar."""
    cosines = F.normalize(first.float(), dim=-1) @ F.normalize(second.float(), dim=-1).T  # (n, n')
    there, back = cosines.argmax(dim=1), cosines.argmax(dim=0)
    i = torch.arange(len(first), device=first.device)
    i = i[back[there] == i]
    return i, there[i], cosines[i, there[i]]


def match_patches(
    features: tuple[Tensor, Tensor], saliencies: tuple[Tensor, Tensor], least: float, count: int
) -> Matches:
    """At most `count` pairs of patches of two pictures, spread over their parts.

    `features` (n, D) and `saliencies` (n,) in 0…1 of each picture. Of the mutual nearest neighbours whose patches are
    both more salient than `least`, k-means over the two features side by side makes `count` groups, and the most
    salient pair of each group is taken.
    """
    first, second = features
    i, j, cosine = mutual_neighbours(first, second)
    both = (saliencies[0][i] > least) & (saliencies[1][j] > least)
    i, j, cosine = i[both], j[both], cosine[both]
    if not len(i):
        return Matches(i.cpu(), j.cpu(), cosine.cpu(), 0)
    sides = torch.cat([F.normalize(first[i].float(), dim=-1), F.normalize(second[j].float(), dim=-1)], dim=-1)
    groups = _groups(sides, count)
    salient = (saliencies[0][i] + saliencies[1][j]).cpu().numpy() / 2
    best = (max(np.flatnonzero(groups == group), key=lambda m: salient[m]) for group in np.unique(groups))
    chosen = sorted((int(m) for m in best), key=lambda m: -float(cosine[m]))
    return Matches(i[chosen].cpu(), j[chosen].cpu(), cosine[chosen].cpu(), len(i))


def _groups(sides: Tensor, count: int) -> np.ndarray:
    """The group (m,) of each pair's features (m, 2·D)."""
    from sklearn.cluster import KMeans

    unit = F.normalize(sides, dim=-1).cpu().numpy()
    count = min(count, len(np.unique(unit, axis=0)))
    # sklearn carries no types; the checker takes its default "auto" for one.
    return KMeans(count, n_init=4, random_state=SEED).fit_predict(unit)  # pyright: ignore[reportArgumentType]
