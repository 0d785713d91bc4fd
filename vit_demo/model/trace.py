"""Trace: what one forward pass leaves behind, from which every view is derived afterwards."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from vit_demo.grid import PatchGrid


@dataclass(frozen=True)
class LayerTrace:
    """One layer: what attention got and gave, each (B, h, N, d), after q/k norm and RoPE; and the residual stream at
    the block's output (B, N, D). `closed` (N, N) is true where an edit closed the edge from a query (row) to a key."""

    q: Tensor
    k: Tensor
    v: Tensor
    out: Tensor
    residual: Tensor
    closed: Tensor | None = None


class Trace:
    """Handed to a forward pass by the caller and filled with *references*; the output is bit-equal with and without.

    `gradients=True` makes the pass differentiable from the embedded tokens on, even if the weights are frozen, so that
    the gradient of any logit with respect to any kept tensor can be asked for afterwards. `layers` holds every layer
    that was computed. `tokens` are the numbers of the tokens that entered the blocks, (N,); None: all of them.
    """

    def __init__(self, gradients: bool = False):
        self.gradients = gradients
        self.layers: list[LayerTrace] = []
        self.tokens: Tensor | None = None
        self._start: tuple[PatchGrid, Tensor] | None = None
        self._attention: tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None] | None = None

    @property
    def grid(self) -> PatchGrid:
        """The patches of the picture. Raises ValueError before a forward pass."""
        return self._started[0]

    @property
    def embedded(self) -> Tensor:
        """What enters the first block, (B, N, D). Raises ValueError before a forward pass."""
        return self._started[1]

    @property
    def _started(self) -> tuple[PatchGrid, Tensor]:
        if self._start is None:
            raise ValueError("this trace holds no forward pass: hand it to a model first")
        return self._start

    def start(self, grid: PatchGrid, embedded: Tensor, tokens: Tensor | None = None) -> None:
        if self._start is not None:
            raise ValueError("this trace already holds a forward pass: hand in a new Trace()")
        self._start, self.tokens = (grid, embedded), tokens

    def keep_attention(self, q: Tensor, k: Tensor, v: Tensor, out: Tensor, closed: Tensor | None = None) -> None:
        self._attention = q, k, v, out, closed

    def keep_residual(self, residual: Tensor) -> None:
        """A block's output: with what its attention kept before, a layer."""
        if self._attention is None:
            raise ValueError("a block keeps its attention before its output")
        q, k, v, out, closed = self._attention
        self.layers.append(LayerTrace(q, k, v, out, residual, closed))
        self._attention = None

    @property
    def nbytes(self) -> int:
        """Bytes kept alive; tensors that share memory count once."""
        kept = [self.embedded] if self._start else []
        kept += [t for layer in self.layers for t in (layer.q, layer.k, layer.v, layer.out, layer.residual)]
        storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in kept}
        return sum(storages.values())
