"""Attention maps from a trace: softmax(q·kᵀ/√d), one row or one layer at a time, and their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from vit_demo.model.trace import Heads, LayerTrace, Trace

ENTRIES_AT_ONCE = 1 << 20  # attention scores held in memory where a whole layer is walked: a core's cache


def layer_of(trace: Trace, layer: int) -> LayerTrace:
    """One layer of a filled trace, counted from 0. Raises ValueError outside it."""
    if not 0 <= layer < len(trace.layers):
        raise ValueError(f"layer {layer} is outside 0 … {len(trace.layers) - 1}")
    return trace.layers[layer]


def attention_rows(trace: Trace, layer: int, token: int) -> Tensor:
    """Where one token looks in one layer: softmax(q_i·Kᵀ/√d), (B, h, N); rows sum to 1. Vaswani et al. 2017, eq. 1.

    Layer and token count from 0, prefix tokens first. Costs the layer's projection and one row, not a forward pass.
    ValueError outside the trace.
    """
    return row_of(layer_of(trace, layer).heads, token)


def row_of(heads: Heads, token: int) -> Tensor:
    """softmax(q_i·Kᵀ/√d) of one token, (B, h, N); 0 where an edge is closed."""
    q, k, _, closed = heads
    if not 0 <= token < q.shape[2]:
        raise ValueError(f"token {token} is outside 0 … {q.shape[2] - 1}")
    query = q[:, :, token : token + 1] / math.sqrt(q.shape[-1])  # (B, h, 1, d)
    # A row times Kᵀ, not K times a column: keys lie strided in memory, and only this order reads them in place.
    scores = (query @ k.transpose(-2, -1)).squeeze(-2)
    return (scores if closed is None else scores.masked_fill(closed[token], -math.inf)).softmax(dim=-1)


class RowTrace(Trace):
    """A trace that keeps one token's row of each layer and nothing else: for many pictures in a row.

    `rows[layer]` is (B, h, N), equal to `attention_rows` of a full trace; the memory is that of the rows.
    """

    def __init__(self, token: int = 0):
        super().__init__()
        self.token = token
        self.rows: list[Tensor] = []

    def keep_attention(self, heads: Heads, out: Tensor) -> None:
        self.rows.append(row_of(heads, self.token))

    def keep_layer(self, residual: Tensor, heads: Callable[[], Heads]) -> None:
        """Nothing: the stream goes on without a copy."""


def attention_matrix(trace: Trace, layer: int) -> Tensor:
    """All rows of one layer, (B, h, N, N). One layer at a time: all of them at once would not fit for large grids."""
    kept = layer_of(trace, layer)
    scores = kept.q / math.sqrt(kept.q.shape[-1]) @ kept.k.transpose(-2, -1)
    return (scores if kept.closed is None else scores.masked_fill(kept.closed, -math.inf)).softmax(dim=-1)


def log_sums_and_distances(queries: Tensor, keys: Tensor, distances_px: Tensor) -> tuple[Tensor, Tensor]:
    """What a layer's rows amount to, in one walk over them: log Σ_j exp(q_i·k_j), (h, N), and each head's mean
    attention distance in pixels, (h,).

    Queries (h, N, d) already divided by √d and keys (h, N, d); `distances_px` (n, n) between patches, the last n
    tokens. With the log sums any single entry is exp(q_i·k_j − log sum). The distance is that of
    depth.layer_statistics: prefix tokens left out and not made up for (Dosovitskiy et al. 2021, App. D.7).
    """
    h, N, _ = queries.shape
    prefix, columns = N - len(distances_px), keys.transpose(-2, -1)
    log_sums, distance = queries.new_empty(h, N), queries.new_zeros(h)
    step = _rows_at_once(keys)
    for start in range(0, N, step):
        scores = queries[:, start : start + step] @ columns  # (h, some, N)
        top = scores.amax(dim=-1, keepdim=True)
        powers = (scores - top).exp_()
        sums = powers.sum(dim=-1)
        log_sums[:, start : start + step] = top.squeeze(-1) + sums.log()
        first = max(start, prefix)  # rows of patches alone have a place
        if first < start + step:
            rows, of = slice(first - start, None), distances_px[first - prefix : start + step - prefix]
            distance += (powers[:, rows, prefix:].mul_(of).sum(dim=-1) / sums[:, rows]).sum(dim=-1)
    return log_sums, distance / len(distances_px)


def mean_attention_row(trace: Trace, layer: int) -> Tensor:
    """Where the patches look on average, (B, h, N): the mean of their rows, some at a time."""
    kept = layer_of(trace, layer)
    queries = kept.q[:, :, trace.grid.num_prefix_tokens :] / math.sqrt(kept.q.shape[-1])
    columns = kept.k.transpose(-2, -1)
    parts = queries.split(_rows_at_once(kept.k), dim=-2)
    total = torch.zeros_like(kept.k[..., 0])  # (B, h, N)
    for part in parts:
        total += (part @ columns).softmax(dim=-1).sum(dim=-2)
    return total / queries.shape[-2]


def _rows_at_once(keys: Tensor) -> int:
    """How many rows of attention, over all heads, make about ENTRIES_AT_ONCE numbers."""
    return max(1, ENTRIES_AT_ONCE // (keys.numel() // keys.shape[-1]))


def attention_of_all_layers(trace: Trace, token: int = 0) -> Tensor:
    """Where one token looks in every layer: (L, B, h, N)."""
    return torch.stack([attention_rows(trace, layer, token) for layer in range(len(trace.layers))])


def attention_gradient(trace: Trace, target: Tensor, layer: int) -> Tensor:
    """Gradient of a scalar with respect to one layer's attention, ∂y/∂A = (∂y/∂out)·vᵀ, (B, h, N, N).

    Exact, since out = A·v; no slow twin of the attention is needed. The trace must have been made with
    `Trace(gradients=True)`, `target` from the same pass; the graph is kept for further calls.
    """
    kept = layer_of(trace, layer)
    if not kept.out.requires_grad:
        raise ValueError("this trace holds no gradients: make it with Trace(gradients=True)")
    (of_out,) = torch.autograd.grad(target, kept.out, retain_graph=True)  # (B, h, N, d)
    return of_out @ kept.v.detach().transpose(-2, -1)


def smallest_mass_mask(weights: Tensor, share: float) -> Tensor:
    """DINO's threshold mask: the fewest strongest patches that hold `share` of each map's mass, as booleans.

    `weights` (…, n) over patches only, so the mass of prefix tokens is left out, as in facebookresearch/dino
    visualize_attention.py: ascending cumulative share > 1 − share.
    """
    ordered, order = weights.sort(dim=-1)
    cumulative = (ordered / ordered.sum(dim=-1, keepdim=True)).cumsum(dim=-1)
    return torch.zeros_like(weights, dtype=torch.bool).scatter(-1, order, cumulative > 1 - share)
