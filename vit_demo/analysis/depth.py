"""Statistics of attention, for every head of every layer: how far it reaches, how widely it spreads, what it leaves to
the tokens that are no patches. From a trace, without a second forward pass and without keeping a single map."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vit_demo.analysis.attention import attention_rows, layer_of
from vit_demo.grid import PatchGrid
from vit_demo.model.trace import Trace

CHUNK_BYTES = 16 << 20  # of attention at once; smaller chunks cost more waiting between threads than they save in cache


@dataclass(frozen=True)
class HeadStatistics:
    """One number per head, each (B, h); stacked over the layers, each (L, B, h).

    Queries are the patches; prefix rows are left out of all but `register_mass`.

    distance_px               Σ_j A_ij·D_ij over patches j, mean over the queries i. Prefix columns are dropped and
                              nothing is made up for them, so a head that looks at the class token scores low
                              (Dosovitskiy et al. 2021, App. D.7 and Fig. 7 right)
    distance_renormalised_px  the same with each row divided by its mass on patches: how far it reaches where it looks
                              at patches at all
    entropy_bits              −Σ_j A_ij·log2 A_ij over all tokens j, mean over the queries
    prefix_mass               Σ_j A_ij over prefix tokens j, mean over the queries
    register_mass             the class token's attention on all registers together; None without class token or
                              registers
    """

    distance_px: Tensor
    distance_renormalised_px: Tensor
    entropy_bits: Tensor
    prefix_mass: Tensor
    register_mass: Tensor | None


def patch_distances_px(grid: PatchGrid) -> Tensor:
    """Distance between the centres of every two patches in pixels of the input, (n, n): patch side × Euclidean
    distance of their cells (probing-vits, mean attention distance)."""
    cells = torch.cartesian_prod(torch.arange(grid.rows), torch.arange(grid.cols)).reshape(-1, 2).float()
    # Not by matrix products: their rounding leaves a patch at a distance from itself.
    return grid.patch_px * torch.cdist(cells, cells, compute_mode="donot_use_mm_for_euclid_dist")


def layer_statistics(
    trace: Trace, layer: int, distances_px: Tensor | None = None, chunk_bytes: int = CHUNK_BYTES
) -> HeadStatistics:
    """The statistics of one layer (from 0), each (B, h), over chunks of rows: no N×N matrix is ever whole in memory.

    `distances_px` (n, n) of the grid may be handed in, to be made once for all layers. ValueError outside the trace.
    """
    kept, grid = layer_of(trace, layer), trace.grid
    if distances_px is None:
        distances_px = patch_distances_px(grid).to(kept.q)
    B, h, N, d = kept.q.shape
    q = kept.q.reshape(B * h, N, d) / math.sqrt(d)
    k = kept.k.reshape(B * h, N, d)
    step = max(1, chunk_bytes // (B * h * N * q.element_size()))
    sums = torch.zeros(4, B * h, dtype=torch.float64)
    for start in range(0, grid.num_patches, step):
        stop = min(start + step, grid.num_patches)
        queries = q[:, grid.num_prefix_tokens :][:, start:stop]
        of_rows = _row_statistics(queries, k, distances_px[start:stop], grid.num_prefix_tokens)
        sums += of_rows.cpu().double().sum(dim=-1)
    means = (sums / grid.num_patches).float().reshape(4, B, h)
    distance, renormalised, entropy, prefix = means.unbind(0)  # each (B, h)
    return HeadStatistics(distance, renormalised, entropy, prefix, register_mass(trace, layer))


def _row_statistics(q: Tensor, k: Tensor, distances_px: Tensor, num_prefix_tokens: int) -> Tensor:
    """Distance, renormalised distance, entropy in bits and prefix mass of some rows, (4, heads, rows).

    `q` (heads, rows, d) already divided by √d, `k` (heads, N, d), `distances_px` (rows, n) of these queries.
    """
    scores = q @ k.transpose(1, 2)  # (heads, rows, N)
    top = scores.amax(dim=-1, keepdim=True)
    weights = scores.sub_(top).exp_()  # attention but for the division, which is cheaper on the sums
    total = weights.sum(dim=-1)  # (heads, rows)
    prefix = weights[..., :num_prefix_tokens].sum(dim=-1)
    # A row of every head times that row's distances: (rows, heads, n) @ (rows, n, 1), read in place
    far = (weights[..., num_prefix_tokens:].transpose(0, 1) @ distances_px[..., None])[..., 0].T
    on_patches = (total - prefix).clamp(min=torch.finfo(total.dtype).tiny)
    # −Σ A·ln A = ln Σ exp(s) − Σ A·s, and Σ_j A_ij·s_ij = q_i·(A·K)_i: a matrix product instead of N² logarithms
    mean_score = (q * (weights @ k)).sum(dim=-1) / total
    entropy = (top[..., 0] + total.log() - mean_score).clamp(min=0)
    return torch.stack([far / total, far / on_patches, entropy / math.log(2), prefix / total])


def register_mass(trace: Trace, layer: int) -> Tensor | None:
    """The class token's attention on all registers together, (B, h), or None where the model lacks either."""
    names = trace.grid.prefix_names
    registers = [index for index, name in enumerate(names) if name.startswith("reg")]
    if not registers or "cls" not in names:
        return None
    return attention_rows(trace, layer, names.index("cls"))[..., registers].sum(dim=-1).cpu()


def depth_statistics(trace: Trace, chunk_bytes: int = CHUNK_BYTES) -> HeadStatistics:
    """The statistics of every layer of a trace, each (L, B, h), on the CPU."""
    distances_px = patch_distances_px(trace.grid).to(trace.embedded)
    layers = [layer_statistics(trace, layer, distances_px, chunk_bytes) for layer in range(len(trace.layers))]
    registers = [one.register_mass for one in layers if one.register_mass is not None]  # of all layers, or of none
    return HeadStatistics(
        distance_px=torch.stack([one.distance_px for one in layers]),
        distance_renormalised_px=torch.stack([one.distance_renormalised_px for one in layers]),
        entropy_bits=torch.stack([one.entropy_bits for one in layers]),
        prefix_mass=torch.stack([one.prefix_mass for one in layers]),
        register_mass=torch.stack(registers) if registers else None,
    )
