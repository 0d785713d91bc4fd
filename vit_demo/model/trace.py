"""Trace: what one forward pass leaves behind, from which every view is derived afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, overload

import torch
import torch.nn.functional as F
from torch import Tensor

from vit_demo.grid import PatchGrid


class Heads(NamedTuple):
    """What a layer's attention computes with: queries, keys and values, each (B, h, N, d), after q/k norm and RoPE.
    `closed` (N, N) is true where an edit closed the edge from a query (row) to a key."""

    q: Tensor
    k: Tensor
    v: Tensor
    closed: Tensor | None = None

    def attend(self) -> Tensor:
        """What each head gives, softmax(q·kᵀ/√d)·v, (B, h, N, d), by torch's fused kernel."""
        if self.closed is None:
            return F.scaled_dot_product_attention(self.q, self.k, self.v)
        return F.scaled_dot_product_attention(self.q, self.k, self.v, attn_mask=~self.closed)  # by a slower kernel


class LayerTrace:
    """One layer: the residual stream at the block's output, `residual` (B, N, D), and what its attention got and gave,
    `q`, `k`, `v` and `out`, each (B, h, N, d).

    The latter are computed when they are first asked for, by `heads()`, and live as long as this object: they follow
    from the residual stream of the layer before by one norm and one product.
    """

    def __init__(self, residual: Tensor, heads: Callable[[], Heads], out: Tensor | None = None):
        self.residual, self._make_heads, self._kept_out = residual, heads, out

    @cached_property
    def heads(self) -> Heads:
        with torch.no_grad():
            return self._make_heads()

    @cached_property
    def out(self) -> Tensor:
        if self._kept_out is not None:
            return self._kept_out
        with torch.no_grad():
            return self.heads.attend()

    @property
    def q(self) -> Tensor:
        return self.heads.q

    @property
    def k(self) -> Tensor:
        return self.heads.k

    @property
    def v(self) -> Tensor:
        return self.heads.v

    @property
    def closed(self) -> Tensor | None:
        return self.heads.closed


class Layers(Sequence[LayerTrace]):
    """The layers of a trace. Each access gives a new LayerTrace, so that what one computes is let go with it: ask once
    and hold it while it is needed."""

    def __init__(self) -> None:
        self._kept: list[tuple[Tensor, Callable[[], Heads], Tensor | None]] = []

    def append(self, residual: Tensor, heads: Callable[[], Heads], out: Tensor | None = None) -> None:
        self._kept.append((residual, heads, out))

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, index: int) -> LayerTrace: ...
    @overload
    def __getitem__(self, index: slice) -> list[LayerTrace]: ...
    def __getitem__(self, index: int | slice) -> LayerTrace | list[LayerTrace]:
        if isinstance(index, slice):
            return [LayerTrace(*one) for one in self._kept[index]]
        return LayerTrace(*self._kept[index])

    def tensors(self) -> Iterator[Tensor]:
        """What is kept in memory, but for the model's own weights."""
        for residual, heads, out in self._kept:
            yield residual
            if out is not None:
                yield from (*heads()[:3], out)


class Trace:
    """Handed to a forward pass by the caller and filled; the output is bit-equal with and without.

    It keeps the residual stream between the layers, and how a layer's queries, keys and values follow from it: for
    ViT-S/14 at 518 px 27 MB, where all attention maps would be 541. It therefore keeps the model alive, and is to be
    read before the model learns on or moves to another device.

    `gradients=True` makes the pass differentiable from the embedded tokens on, even if the weights are frozen, and
    keeps q, k, v and out themselves, so that the gradient of any logit with respect to any of them can be asked for
    afterwards. `layers` holds every layer that was computed. `tokens` are the numbers of the tokens that entered the
    blocks, (N,); None: all of them.
    """

    def __init__(self, gradients: bool = False):
        self.gradients = gradients
        self.layers = Layers()
        self.tokens: Tensor | None = None
        self._start: tuple[PatchGrid, Tensor] | None = None
        self._attention: tuple[Heads, Tensor] | None = None

    @property
    def grid(self) -> PatchGrid:
        """The patches of the picture. Raises ValueError before a forward pass."""
        return self._started[0]

    @property
    def embedded(self) -> Tensor:
        """What enters the first block, (B, N, D). Raises ValueError before a forward pass."""
        return self._started[1]

    def entering(self, layer: int) -> Tensor:
        """What enters a block, counted from 0, (B, N, D)."""
        return self.layers[layer - 1].residual if layer else self.embedded

    @property
    def _started(self) -> tuple[PatchGrid, Tensor]:
        if self._start is None:
            raise ValueError("this trace holds no forward pass: hand it to a model first")
        return self._start

    def start(self, grid: PatchGrid, embedded: Tensor, tokens: Tensor | None = None) -> None:
        if self._start is not None:
            raise ValueError("this trace already holds a forward pass: hand in a new Trace()")
        self._start, self.tokens = (grid, embedded), tokens

    def keep_attention(self, heads: Heads, out: Tensor) -> None:
        """What a layer's attention got and gave, while it is there."""
        if self.gradients:
            self._attention = heads, out

    def keep_layer(self, residual: Tensor, heads: Callable[[], Heads]) -> None:
        """A block's output, and how to compute again what its attention got: a layer."""
        if self._attention is None:
            self.layers.append(residual, heads)
        else:
            kept, out = self._attention
            self.layers.append(residual, lambda: kept, out)
        self._attention = None

    @property
    def nbytes(self) -> int:
        """Bytes kept alive, without the model; tensors that share memory count once."""
        kept = [self.embedded] if self._start else []
        kept += self.layers.tensors()
        storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in kept}
        return sum(storages.values())
