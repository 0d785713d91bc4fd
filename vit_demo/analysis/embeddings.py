"""What the patch and position embeddings have learned: ViT Fig. 7, and the rotary kernel where there is no table."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from vit_demo.model.config import Resampling, RopeConfig
from vit_demo.model.position import rope_angles
from vit_demo.model.vit import VisionTransformer


def position_similarity(positions: Tensor) -> Tensor:
    """Cosine of every position embedding with every other, (n, n) in −1…1, from (n, D) embeddings of patches alone.

    Dosovitskiy et al. 2021, Fig. 7 centre; the class token's row must have been left out.
    """
    unit = F.normalize(positions.float(), dim=-1)
    return (unit @ unit.T).clamp(-1, 1)


def rope_kernel(rope: RopeConfig, bands: Tensor, grid: tuple[int, int]) -> Tensor:
    """The rotary kernel k(a, b) = mean over channel pairs of cos(angle_a − angle_b), (n, n); 1 at itself.

    It is what RoPE contributes to q·k where query and key are the same vector with equal energy in every pair. For
    learned ("mixed") frequencies, the mean over layers and heads. Su et al. 2021, section 3.4.3.
    """
    angles = rope_angles(rope, bands, grid)
    angles = angles.flatten(0, 1) if angles.dim() == 4 else angles[None]  # (maps, n, d/2)
    kernel = torch.zeros(angles.shape[1], angles.shape[1])
    for one in angles:
        # cos(a − b) = cos a·cos b + sin a·sin b: two matrix products instead of an (n, n, d/2) tensor
        kernel += (one.cos() @ one.cos().T + one.sin() @ one.sin().T).cpu() / one.shape[-1]
    return kernel / angles.shape[0]


def filter_components(weight: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """First principal components of the patch-embedding filters, (count, 3, P, P), and the share of variance of each.

    The D filters are samples in 3·P² dimensions, centred; signs are fixed so that each component's largest entry is
    positive (Dosovitskiy et al. 2021, Fig. 7 left, which leaves centring and sign open). At most min(D, 3·P²).
    """
    samples = weight.float().flatten(1)  # (D, 3·P²)
    samples = samples - samples.mean(dim=0)
    _, singular, components = torch.linalg.svd(samples, full_matrices=False)
    share = singular**2 / (singular**2).sum()
    components = components[:count]
    largest = components.gather(1, components.abs().argmax(dim=1, keepdim=True))
    components = components * largest.sign()
    return components.reshape(-1, *weight.shape[1:]), share[:count]


def filter_responses(pixels: Tensor, filters: Tensor) -> Tensor:
    """How strongly each filter (k, 3, P, P) answers in each patch of normalised pixels (1, 3, H, W): (k, Gh, Gw).

    The dot product of patch and filter, which is what the patch embedding computes but for its bias.
    """
    return F.conv2d(pixels.float(), filters.float(), stride=filters.shape[-1])[0]


def similarity_by_offset(matrix: Tensor, grid: tuple[int, int]) -> Tensor:
    """Mean similarity of all pairs of positions by their offset (rows down, columns right), (2·Gh − 1, 2·Gw − 1).

    The centre is offset 0. What is left of `matrix` (n, n) where only the step between two places counts.
    """
    rows, cols = grid
    row, col = torch.meshgrid(torch.arange(rows), torch.arange(cols), indexing="ij")
    row, col = row.flatten(), col.flatten()
    down, right = row[None] - row[:, None] + rows - 1, col[None] - col[:, None] + cols - 1
    place = (down * (2 * cols - 1) + right).flatten()
    size = (2 * rows - 1) * (2 * cols - 1)
    sums = torch.bincount(place, weights=matrix.cpu().double().flatten(), minlength=size)
    return (sums / torch.bincount(place, minlength=size)).float().reshape(2 * rows - 1, 2 * cols - 1)


@dataclass(frozen=True)
class PositionBasis:
    """Principal components of a position table: `mean` (D,), `axes` (D, k) and the `share` of variance of every
    component, (min(n, D),). Double precision, on the CPU."""

    mean: Tensor
    axes: Tensor
    share: Tensor

    @classmethod
    def of(cls, positions: Tensor, count: int) -> PositionBasis:
        """Of a table (n, D): the first `count` axes, signed so that the largest score on each is positive."""
        table = positions.cpu().double()
        mean = table.mean(dim=0)
        centred = table - mean
        # Eigenvectors of the D×D covariance, in double: a tenth of the time of an SVD of the table, which is tall
        variances, axes = torch.linalg.eigh(centred.T @ centred)  # ascending
        variances, axes = variances.flip(0).clamp(min=0)[: min(centred.shape)], axes.flip(1)
        share = variances / variances.sum().clamp(min=torch.finfo(variances.dtype).tiny)
        axes = axes[:, : min(count, len(share))]
        scores = centred @ axes  # (n, count)
        largest = scores.gather(0, scores.abs().argmax(dim=0, keepdim=True))
        return cls(mean, axes * largest.sign(), share)

    def maps(self, positions: Tensor, grid: tuple[int, int]) -> Tensor:
        """Scores of a table (Gh·Gw, D), this one or another, over its grid: (k, Gh, Gw)."""
        return ((positions.cpu().double() - self.mean) @ self.axes).T.float().reshape(-1, *grid)


def position_components(positions: Tensor, grid: tuple[int, int], count: int) -> tuple[Tensor, Tensor]:
    """Principal components of the position embeddings (n, D) over the grid, (count, Gh, Gw), and the share of variance
    of every component, (min(n, D),).

    Each map is the score of every position, centred; signs are fixed so that the largest entry is positive.
    """
    basis = PositionBasis.of(positions, count)
    return basis.maps(positions, grid), basis.share.float()


def similarity_to_middle(positions: Tensor, grid: tuple[int, int]) -> Tensor:
    """Cosine of every position of a table (Gh·Gw, D) with the one in the middle, (Gh, Gw)."""
    rows, cols = grid
    unit = F.normalize(positions.float(), dim=-1)
    return (unit @ unit[rows // 2 * cols + cols // 2]).clamp(-1, 1).reshape(grid)


def relative_difference(positions: Tensor, others: Tensor) -> Tensor:
    """How far two position tables (n, D) lie apart at each place, (n,): root mean square over the channels, as a share
    of the standard deviation of the first table's entries."""
    apart = (positions.float() - others.float()).square().mean(dim=-1).sqrt()
    return apart / positions.float().std()


def with_resampling(model: VisionTransformer, rule: Resampling) -> VisionTransformer:
    """The same model, sharing every weight, whose position table is resampled by another codebase's rule."""
    twin = copy.copy(model)  # modules and parameters are shared; only the configuration is the twin's own
    twin.config = replace(model.config, position_resampling=rule)
    return twin


@dataclass(frozen=True)
class InputAnatomy:
    """What enters the first layer, token by token: what the token says, where it stands, and the sum of both.

    `content` (N, D): the projected patch with its bias (after its norm in AIMv2), or the learned prefix token.
    `positions` (N, D): its row of the position table, zeros where it has none; None for a model without a table. A norm
    after the sum (CLIP) is left out.
    """

    content: Tensor
    positions: Tensor | None
    placed: Tensor  # (N,) bool: which tokens have a row in the table

    @property
    def total(self) -> Tensor:
        return self.content if self.positions is None else self.content + self.positions


def input_anatomy(model: VisionTransformer, pixels: Tensor) -> InputAnatomy:
    """The parts of the input of one picture, normalised pixels (1, 3, H, W)."""
    grid = model.grid_of(pixels)
    patches = model.patches(pixels)[0]  # (n, D)
    tokens = [model.class_token, model.distillation_token, model.register_tokens]
    prefix = [token[0] for token in tokens if token is not None]
    content = torch.cat([*prefix, patches])
    placed = torch.zeros(len(content), dtype=torch.bool)
    if model.position is None:
        return InputAnatomy(content, None, placed)
    of_prefix, of_patches = model.positions(grid.shape)
    positions = torch.zeros_like(content)
    positions[grid.num_prefix_tokens :] = of_patches[0]
    placed[grid.num_prefix_tokens :] = True
    if of_prefix is not None:
        positions[: of_prefix.shape[1]] = of_prefix[0]
        placed[: of_prefix.shape[1]] = True
    return InputAnatomy(content, positions, placed)
