"""Trace: what one forward pass leaves behind, from which every view is derived afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from vit_demo.grid import PatchGrid


@dataclass
class LayerTrace:
    """One layer: what attention got and gave, each (B, h, N, d), after q/k norm and RoPE; and the residual stream at
    the block's output (B, N, D)."""

    q: Tensor
    k: Tensor
    v: Tensor
    out: Tensor
    residual: Tensor | None = None


@dataclass
class Trace:
    """Handed to a forward pass by the caller and filled with *references*; the output is bit-equal with and without.

    `gradients=True` makes the pass differentiable from the embedded tokens on, even if the weights are frozen, so that
    the gradient of any logit with respect to any kept tensor can be asked for afterwards.
    """

    gradients: bool = False
    grid: PatchGrid | None = None
    embedded: Tensor | None = None  # (B, N, D): what enters the first block
    layers: list[LayerTrace] = field(default_factory=list)

    def start(self, grid: PatchGrid, embedded: Tensor) -> None:
        if self.layers:
            raise ValueError("this trace already holds a forward pass: hand in a new Trace()")
        self.grid, self.embedded = grid, embedded

    def keep_attention(self, q: Tensor, k: Tensor, v: Tensor, out: Tensor) -> None:
        self.layers.append(LayerTrace(q, k, v, out))

    def keep_residual(self, residual: Tensor) -> None:
        self.layers[-1].residual = residual

    @property
    def nbytes(self) -> int:
        """Bytes kept alive; tensors that share memory count once."""
        kept = [self.embedded] if self.embedded is not None else []
        kept += [t for layer in self.layers for t in (layer.q, layer.k, layer.v, layer.out, layer.residual)]
        storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in kept if t is not None}
        return sum(storages.values())
