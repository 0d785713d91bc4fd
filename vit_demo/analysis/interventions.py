"""What a score loses when one thing inside a forward pass is changed: a head, a layer, a patch, a token's state.

All scans go on from a kept trace: what lies before the change need not be computed again. Each is for one picture, and
gives the target's value under every change; what that differs by from the unchanged value is the effect.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vit_demo.analysis.attention import row_of
from vit_demo.analysis.perturbation import TOKENS_AT_ONCE
from vit_demo.analysis.relevance import Target, score
from vit_demo.edits import Edits
from vit_demo.model.editing import LayerEdits, Plan, head_change, make_plan
from vit_demo.model.trace import Heads, Trace
from vit_demo.model.vit import VisionTransformer


class PartTrace(Trace):
    """A trace of a changed pass that keeps what a view of it needs: where a token looks in one layer, `row` (B, h, n),
    and the residual stream at the output of another, `residual` (B, n, D).

    `token` is the token's number among all; `row` is None where it is not there. `last` is the last layer it needs.
    """

    def __init__(self, row_layer: int, token: int, residual_layer: int):
        super().__init__()
        self._row_layer, self._token, self._residual_layer = row_layer, token, residual_layer
        self._layer, self.last = 0, max(row_layer, residual_layer)
        self.row: Tensor | None = None
        self.residual: Tensor | None = None

    def keep_attention(self, heads: Heads, out: Tensor) -> None:
        if self._layer == self._row_layer:
            self._keep_row(heads)

    def _keep_row(self, heads: Heads) -> None:
        present = list(range(self.grid.num_tokens)) if self.tokens is None else self.tokens.tolist()
        if self._token in present:
            self.row = row_of(heads, present.index(self._token))

    def take(self, whole: Trace, layers: int) -> None:
        """What it needs of the first `layers` layers, from another pass in which they are the same."""
        self.start(whole.grid, whole.embedded)
        for layer in range(layers):
            kept = whole.layers[layer]
            if layer == self._row_layer:
                self._keep_row(kept.heads)
            self._keep_residual(kept.residual)

    def keep_layer(self, residual: Tensor, heads: Callable[[], Heads]) -> None:
        self._keep_residual(residual)

    def _keep_residual(self, residual: Tensor) -> None:
        if self._layer == self._residual_layer:
            self.residual = residual
        self._layer += 1

    @property
    def whole_residual(self) -> Tensor:
        """`residual`, once the pass has come so far. Raises ValueError before."""
        if self.residual is None:
            raise ValueError("this trace holds no forward pass: hand it to a model first")
        return self.residual


def changed_pass(
    model: VisionTransformer,
    pixels: Tensor,
    whole: Trace,
    edits: Edits,
    wanted: PartTrace,
    source: Trace | None = None,
    example_heads: Tensor | None = None,
) -> PartTrace:
    """Fills `wanted` with what a pass of pixels (1, 3, H, W) under `edits` leaves, as `model(pixels, wanted, edits)`
    does. `whole` is the trace of the unchanged pass: what lies before the first changed layer is taken from it, and
    nothing is computed after the last layer that is wanted. Raises ValueError as the model does."""
    plan = make_plan(model.config, whole.grid, edits, pixels.device, source, example_heads)
    if not plan.changes_input:
        first = min(plan.layers, default=model.config.depth)
        wanted.take(whole, min(first, wanted.last + 1))
        model.through(whole.entering(first), model.rope_tables(whole.grid), first, wanted.last, wanted, plan)
    else:
        model.tokens_after(pixels, wanted.last, wanted, plan)
    return wanted


def without_heads(
    model: VisionTransformer,
    target: Target,
    trace: Trace,
    layer: int,
    how: str = "mean",
    of_examples: Tensor | None = None,
) -> Tensor:
    """The target's value with each head of a layer replaced, one at a time, (h,): by zeros, by its "mean" over the
    tokens of this picture, or by its mean over examples (h, N, d). Ablating one head: Michel et al. 2019
    (arXiv 1905.10650), by zeros. The heads of a layer are a batch.
    """
    values = []
    for heads in torch.arange(model.config.heads).split(left_at_once(trace, trace.grid.num_patches)):
        changes = tuple(
            (at, int(head), head_change(how, None if of_examples is None else of_examples[head]))
            for at, head in enumerate(heads)
        )
        x = trace.entering(layer).expand(len(heads), -1, -1)
        values.append(_from(model, target, trace, x, layer, LayerEdits(heads=changes)))
    return torch.cat(values)


def without_parts(model: VisionTransformer, target: Target, trace: Trace, layer: int) -> Tensor:
    """The target's value with a layer's attention skipped, and with its MLP skipped, (2,)."""
    x = trace.entering(layer)
    parts = LayerEdits(skip_attention=True), LayerEdits(skip_mlp=True)
    return torch.cat([_from(model, target, trace, x, layer, one) for one in parts])


def with_states_of(model: VisionTransformer, target: Target, trace: Trace, other: Trace, layer: int) -> Tensor:
    """The target's value when at a layer's output the states of another picture take the place of this one's, (2,):
    those of the prefix tokens, and those of the patches (activation patching, after Meng et al. 2022; Zhang & Nanda
    2024, arXiv 2309.16042). Both at once would be the other picture's value. Without prefix tokens the first is
    this picture's own."""
    own, of_other = trace.layers[layer].residual, other.layers[layer].residual
    prefix = trace.grid.num_prefix_tokens
    mixed = torch.cat(
        [
            torch.cat([of_other[:, :prefix], own[:, prefix:]], dim=1),
            torch.cat([own[:, :prefix], of_other[:, prefix:]], dim=1),
        ]
    )
    values = []
    for some in mixed.split(left_at_once(trace, trace.grid.num_patches)):
        values.append(_from(model, target, trace, some, layer + 1))
    return torch.cat(values)


def _from(
    model: VisionTransformer, target: Target, trace: Trace, x: Tensor, first: int, edits: LayerEdits | None = None
) -> Tensor:
    """The target's value from tokens (B, N, D) that enter layer `first`, which is edited: (B,)."""
    plan = None if edits is None else Plan(Edits(), trace.grid, None, {first: edits})
    tables = model.rope_tables(trace.grid)
    return score(model, target, model.through(x, tables, first, target.layer, None, plan))


def read_without_patches(model: VisionTransformer, target: Target) -> bool:
    """Whether a target can be read where no patch is left: from prefix tokens alone."""
    of_patches = target.index is not None and model.config.needs_patches
    return model.config.num_prefix_tokens > 0 and not of_patches


def scores_of_left(
    model: VisionTransformer, target: Target, trace: Trace, keep: Tensor, probability: bool = False
) -> Tensor:
    """The target's value when only some patches enter the blocks, for every mask of `keep` (M, rows, cols) of 0 and 1,
    (M,). The others are dropped: sequences are shorter, and cost less. Masks that keep equally many share a batch.

    Raises ValueError where a mask leaves nothing that the answer is read from.
    """
    found = keep.new_empty(len(keep), dtype=torch.float32)
    counts = keep.flatten(1).sum(dim=1).round().long()
    if counts.min() == 0 and not read_without_patches(model, target):
        raise ValueError("a mask keeps no patch, and this model's answer is read from patches")
    for count in counts.unique().tolist():
        which = (counts == count).nonzero().flatten()
        if count == trace.grid.num_patches:  # nothing is missing: that pass is there
            found[which] = score(model, target, trace.layers[target.layer].residual, probability).float().cpu()
            continue
        for some in which.split(left_at_once(trace, count)):
            residual = residual_of_left(model, trace, keep[some], target.layer)
            found[some] = score(model, target, residual, probability).float().cpu()
    return found


def residual_of_left(model: VisionTransformer, trace: Trace, keep: Tensor, layer: int) -> Tensor:
    """The residual stream (M, n, D) at a layer's output when only the patches of masks `keep` (M, rows, cols), which
    keep equally many, enter the blocks."""
    grid, prefix = trace.grid, trace.grid.num_prefix_tokens
    patches = keep.flatten(1).round().nonzero()[:, 1].reshape(len(keep), -1)
    first = torch.arange(prefix).expand(len(keep), -1)
    kept = torch.cat([first, patches + prefix], dim=1).to(trace.embedded.device)
    plan = Plan(Edits(), grid, kept, {})
    x, tables = plan.left(trace.embedded.expand(len(keep), -1, -1), model.rope_tables(grid))
    return model.through(x, tables, 0, layer)


def left_at_once(trace: Trace, patches: int) -> int:
    """How many pictures of so many patches a batch may hold."""
    return max(1, TOKENS_AT_ONCE // (trace.grid.num_prefix_tokens + patches))


def head_means(trace: Trace) -> Tensor:
    """What heads give in one picture at each prefix token, and on average at patches, (L, h, p + 1, d)."""
    prefix = trace.grid.num_prefix_tokens
    return torch.stack(
        [
            torch.cat([kept.out[0, :, :prefix], kept.out[0, :, prefix:].mean(dim=1, keepdim=True)], dim=1)
            for kept in trace.layers
        ]
    )


def windows(grid: tuple[int, int], side: int) -> Tensor:
    """Squares of `side` × `side` patches that cover a grid without overlap, as masks (places, rows, cols) that are 0 in
    one of them; those at the lower and right edge may be smaller."""
    rows, cols = grid
    masks = []
    for row in range(0, rows, side):
        for col in range(0, cols, side):
            mask = torch.ones(rows, cols)
            mask[row : row + side, col : col + side] = 0
            masks.append(mask)
    return torch.stack(masks)
