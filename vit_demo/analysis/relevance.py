"""What a number read from the model owes to each patch: attention, rollout, gradients, and both together.

A `Target` is that number. `gradients` asks the model once for all that the gradient methods need; `walk_down` follows
the read-out row down to the first layer, some rows of attention at a time. Everything is for one picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from vit_demo.grid import PatchGrid
from vit_demo.model.linear import product
from vit_demo.model.trace import LayerTrace, Trace
from vit_demo.model.vit import AttentionPool, VisionTransformer

HeadFusion = Literal["mean", "max", "min"]
FUSIONS = {"mean": torch.add, "max": torch.maximum, "min": torch.minimum}  # of one head with another
ENTRIES_AT_ONCE, ENTRIES_ON_A_GPU = 1 << 18, 1 << 24  # of one head's attention: 1 MB stays in a processor's cache


@dataclass(frozen=True)
class Target:
    """A scalar read from the output of one layer (from 0); the layers above take no part.

    Either the logit of class `index` (layer = the last), or the cosine of the picture's feature with `reference`, a
    unit vector (D,), after `mean` (D,) is taken off the feature; None takes nothing off.
    """

    layer: int
    index: int | None = None
    reference: Tensor | None = None
    mean: Tensor | None = None


def example_target(layer: int, gallery: Tensor, index: int, centred: bool) -> Target:
    """The cosine with one example of a gallery (n, D), as `features.compare_with_gallery` computes it."""
    mean = gallery.mean(dim=0) if centred else None
    example = gallery[index] if mean is None else gallery[index] - mean
    return Target(layer, reference=F.normalize(example, dim=-1), mean=mean)


def score(model: VisionTransformer, target: Target, residual: Tensor, probability: bool = False) -> Tensor:
    """The target's value, (B,), from the residual stream (B, N, D) of a layer, its own or another.

    A class: the logit of the final norm and head on that layer, or with `probability` its probability. An example: the
    cosine of `features.picture_features` with it.
    """
    tokens = model.norm(residual)
    if target.index is not None:
        logits = model.logits_of(tokens)
        return (model.probabilities(logits) if probability else logits)[:, target.index]
    if target.reference is None:
        raise ValueError("a target needs the index of a class or a reference")
    feature = F.normalize(tokens[:, 0] if model.config.class_token else tokens.mean(dim=1), dim=-1)
    if target.mean is not None:
        feature = F.normalize(feature - target.mean, dim=-1)
    return feature @ target.reference


# ------------------------------------------------------------------------------------------------------- read-out row


def readout_row(model: VisionTransformer, target: Target, residual: Tensor) -> Tensor:
    """Which tokens the target is read from, (N,), sum 1: the class token; half and half with the distillation token;
    the mean of the patches; the attention of the map pooling (mean over heads); half token and half mean.

    `residual` (1, N, D) is the stream at the target's layer.
    """
    config, N = model.config, residual.shape[1]
    row = residual.new_zeros(N)
    start = 0 if config.pool_includes_prefix else config.num_prefix_tokens
    if target.index is None:
        row[: 1 if config.class_token else N] = 1
    elif model.head_dist is not None:
        row[:2] = 1
    elif model.attention_pool is not None:
        row[start:] = pool_attention(model.attention_pool, model.norm(residual)[:, start:])[0].mean(dim=0)
    elif config.pool == "token":
        row[0] = 1
    else:
        row[start:] = 1 / (N - start)
        if config.pool == "token+avg":
            row[0] += 1
    return row / row.sum()


def pool_attention(pool: AttentionPool, tokens: Tensor) -> Tensor:
    """Where the learned query of an attention pooling looks, (B, h, n), from the tokens (B, n, D) it pools."""
    B, n, D = tokens.shape
    q = pool.q(pool.latent).reshape(1, 1, pool.heads, -1).transpose(1, 2)  # (1, h, 1, d)
    k = pool.kv(tokens)[..., :D].reshape(B, n, pool.heads, -1).transpose(1, 2)  # (B, h, n, d)
    return (q / math.sqrt(q.shape[-1]) @ k.transpose(-2, -1)).squeeze(-2).softmax(dim=-1)


def raw_attention(model: VisionTransformer, target: Target, trace: Trace, row: Tensor) -> Tensor:
    """Where the read-out row looks in the target's layer, mean over heads, (N,), sum 1.

    With map pooling the last attention is the pooling itself, and its own row is the answer.
    """
    if target.index is not None and model.config.pool == "map":
        return row
    layer, looked = _Layer.of(trace.layers[target.layer], None), torch.zeros_like(row)
    for rows in _rows_walked({"attention": row}, discard=0):
        looked += row[rows] @ _fuse(layer, rows, {"rollout"}, "mean")["rollout"]
    return looked


# ---------------------------------------------------------------------------------------------------------- gradients


@dataclass(frozen=True)
class Gradients:
    """What one backward pass leaves for all gradient methods of one target; nothing of the graph is kept.

    d_out              per layer up to the target's, ∂y/∂out, each (h, N, d)
    attention_input     what the target layer's attention reads, (N, D), and `d_attention_input`, y's gradient there
                        through q, k and v alone, not past the attention on the residual stream
    d_pixels           ∂y/∂pixels, (3, H, W), through the patch embedding
    legrad              LeGrad's map of every layer up to the target's, (layers, N)
    value               y
    """

    d_out: tuple[Tensor, ...]
    attention_input: Tensor
    d_attention_input: Tensor
    d_pixels: Tensor
    legrad: Tensor
    value: float

    @property
    def nbytes(self) -> int:
        tensors = [*self.d_out, self.attention_input, self.d_attention_input, self.d_pixels, self.legrad]
        return sum(t.numel() * t.element_size() for t in tensors)


def gradients(model: VisionTransformer, target: Target, pixels: Tensor, trace: Trace) -> Gradients:
    """One backward pass from the target down to the pixels (1, 3, H, W), whose forward pass `trace` holds; and a short
    one in each layer for LeGrad. A layer is computed again from what entered it, so that the graph of one alone is in
    memory."""
    tables, d_out, legrad = model.rope_tables(trace.grid), [], []
    with torch.enable_grad():
        top = _leaf(trace.layers[target.layer].residual)
        value = score(model, target, top)[0]
        (d_residual,) = torch.autograd.grad(value, top)
        for layer in range(target.layer, -1, -1):
            entering, seen = _leaf(trace.entering(layer)), Trace(gradients=True)
            seen.start(trace.grid, entering)
            leaving = model.block(layer)(entering, tables[layer], seen)
            kept = seen.layers[0]
            legrad.append(legrad_of_layer(model, target, layer, entering, kept))
            d_residual, of_out, *of_heads = torch.autograd.grad(
                leaving, [entering, kept.out, kept.q, kept.k, kept.v], d_residual
            )
            d_out.append(of_out[0])
            if layer == target.layer:
                read = _leaf(model.block(layer).attention_input(entering))
                (d_read,) = torch.autograd.grad(model.block(layer).attn.project(read, tables[layer]), read, of_heads)
        shown = _leaf(pixels)
        (d_pixels,) = torch.autograd.grad(model.embed(shown, trace.grid), shown, d_residual)
    return Gradients(
        d_out=tuple(reversed(d_out)),
        attention_input=read[0].detach(),
        d_attention_input=d_read[0],
        d_pixels=d_pixels[0],
        legrad=torch.stack(legrad[::-1]),
        value=value.item(),
    )


def _leaf(tensor: Tensor) -> Tensor:
    """The same numbers where a gradient may end, also those of inference mode."""
    return tensor.detach().clone().requires_grad_()


def legrad_of_layer(model: VisionTransformer, target: Target, layer: int, entering: Tensor, kept: LayerTrace) -> Tensor:
    """LeGrad of one layer, (N,): mean over heads and query rows of ReLU(∂s/∂A), where s is the target read from that
    layer's own output. Bousselham et al. 2024 (arXiv 2404.03214), section 3.2; WalBouss/LeGrad legrad/wrapper.py.

    Rows without a gradient add nothing: where the read-out is the class token, its row alone has one. The mean is over
    all rows as in the paper.
    """
    d_out = _d_own_score(model, target, layer, entering, kept)
    h, N = kept.q.shape[1:3]
    total = d_out.new_zeros(N)
    for of_head, v in zip(d_out.unbind(), kept.v[0].detach().contiguous(), strict=True):
        for some in of_head.split(_rows_at_once(total)):
            total += product(some, v).clamp_(min=0).sum(dim=0)  # ∂s/∂A of some rows, (some, N)
    return total / (h * N)


def _d_own_score(model: VisionTransformer, target: Target, layer: int, entering: Tensor, kept: LayerTrace) -> Tensor:
    """The gradient of the target, read from a layer's own output, with respect to what the layer's heads gave, for the
    tokens on which it depends: (h, some, d).

    What follows attention is computed token by token, so that these tokens alone need be computed again.
    """
    leaving = _leaf(kept.residual)
    (d_leaving,) = torch.autograd.grad(score(model, target, leaving)[0], leaving)
    rows = d_leaving[0].abs().amax(dim=-1).nonzero().flatten()
    out = _leaf(kept.out[:, :, rows])
    again = model.block(layer).after_attention(entering.detach()[:, rows], out)
    return torch.autograd.grad(again, out, d_leaving[:, rows])[0][0]


# ------------------------------------------------------------------------------------------------- down the layers


@dataclass(frozen=True)
class _Layer:
    """What the walk needs of a layer, for each head in a piece: queries over √d, keys and values (h, N, d), and the
    gradient of what the heads gave."""

    q: Tensor
    k: Tensor
    v: Tensor
    d_out: Tensor | None

    @classmethod
    def of(cls, kept: LayerTrace, d_out: Tensor | None) -> _Layer:
        q, k, v = (each[0].detach().contiguous() for each in kept.heads[:3])
        return cls(q / math.sqrt(q.shape[-1]), k, v, d_out)


def _rows_at_once(over_tokens: Tensor) -> int:
    """How many rows of one head's attention are computed together."""
    entries = ENTRIES_AT_ONCE if over_tokens.device.type == "cpu" else ENTRIES_ON_A_GPU
    return max(1, entries // over_tokens.shape[-1])


def _fuse(layer: _Layer, rows: Tensor, methods: set[str], fusion: HeadFusion) -> dict[str, Tensor]:
    """Some rows (tokens' numbers) of one layer's matrices over all heads, each (rows, N), by the method that walks on
    them. One head at a time, and no more than its rows are in memory."""
    h, fused = len(layer.q), {}

    def join(method: str, more: Tensor, how: Callable[..., Tensor] = torch.add) -> None:
        fused[method] = how(fused[method], more, out=fused[method]) if method in fused else more

    for head in range(h):
        scores = product(layer.q[head, rows], layer.k[head])
        attention = torch.softmax(scores, dim=-1, out=scores)
        if layer.d_out is not None and methods & {"gradient_rollout", "chefer"}:
            weighted = product(layer.d_out[head, rows], layer.v[head]).mul_(attention)
            if "gradient_rollout" in methods:
                join("gradient_rollout", weighted)
            if "chefer" in methods:
                join("chefer", weighted.clamp(min=0))
        if "rollout" in methods:
            join("rollout", attention, FUSIONS[fusion])
    averaged = {"gradient_rollout", "chefer"} | ({"rollout"} if fusion == "mean" else set())
    return {method: of_all / h if method in averaged else of_all for method, of_all in fused.items()}


def _rollout_step(row: Tensor, rows: Tensor, fused: Tensor) -> Tensor:
    """What some rows of Â add to row·Â, (N,), where Â is fused + I with rows that sum to 1. Dividing rows of the
    matrix is dividing entries of the vector before it."""
    share = row[rows] / (1 + fused.sum(dim=-1))
    return (share @ fused).index_add_(0, rows, share)


def _without_lowest(fused: Tensor, discard: float) -> Tensor:
    """A whole matrix with that share of its entries, the lowest, set to 0."""
    lowest = int(fused.numel() * discard)
    return fused.masked_fill(fused <= fused.flatten().kthvalue(lowest).values, 0) if lowest else fused


def walk_down(
    trace: Trace,
    target: Target,
    row: Tensor,
    methods: set[str],
    d_out: tuple[Tensor, ...] | None = None,
    fusion: HeadFusion = "mean",
    discard: float = 0.0,
    start_layer: int = 0,
) -> dict[str, Tensor]:
    """Relevance of every token, (N,), by "rollout", "gradient_rollout" and "chefer", in one walk from the target's
    layer down to `start_layer`: a row vector times one layer's matrix at a time. The last two need `d_out`.

    rollout           r·Â[L]…Â[1], Â = row-normalised (fused A + I); sums to 1. Abnar & Zuidema 2020, section 3
    gradient_rollout  the same with fused = ReLU(mean over heads of A ⊙ ∂y/∂A); sums to 1. jacobgil/vit-explain
                      vit_grad_rollout.py, whose gradients are in reverse order and rows not normalised; both mended
    chefer            R ← R + Ā·R, Ā = mean over heads of ReLU(A ⊙ ∂y/∂A), R starts as I; r·R less the identity's own
                      part r. Chefer et al. 2021 (arXiv 2103.15679), eqs. 5 and 6
    """
    reached = dict.fromkeys(methods, row)
    for number in range(target.layer, start_layer - 1, -1):
        layer = _Layer.of(trace.layers[number], d_out[number] if d_out else None)
        added = {method: torch.zeros_like(row) for method in methods}
        for rows in _rows_walked(reached, discard):
            fused = _fuse(layer, rows, methods, fusion)
            if "rollout" in methods:
                kept = _without_lowest(fused["rollout"], discard)
                added["rollout"] += _rollout_step(reached["rollout"], rows, kept)
            if "gradient_rollout" in methods:
                kept = _without_lowest(fused["gradient_rollout"].clamp_(min=0), discard)
                added["gradient_rollout"] += _rollout_step(reached["gradient_rollout"], rows, kept)
            if "chefer" in methods:
                added["chefer"] += reached["chefer"][rows] @ fused["chefer"]
        reached = {method: added[method] + (reached[method] if method == "chefer" else 0) for method in methods}
    if "chefer" in reached:
        reached["chefer"] = reached["chefer"] - row
    return reached


def _rows_walked(reached: dict[str, Tensor], discard: float) -> list[Tensor]:
    """The tokens that any method has reached, some at a time: no other row of attention is needed. Where the lowest
    entries of a whole matrix are discarded, all of them at once."""
    rows = list(reached.values())
    if not rows:
        return []
    if discard:
        return [torch.arange(len(rows[0]), device=rows[0].device)]
    tokens = torch.stack(rows).abs().amax(dim=0).nonzero().flatten()
    return list(tokens.split(_rows_at_once(rows[0])))


# -------------------------------------------------------------------------------------------------- maps from gradients


def grad_cam(gradients: Gradients, grid: PatchGrid) -> Tensor:
    """Grad-CAM on the patch tokens that the target layer's attention reads, (rows, cols): ReLU of their weighted sum
    over channels, weight = mean gradient over patches. Selvaraju et al. 2017, eqs. 1 and 2; the layer is that of
    jacobgil/pytorch-grad-cam, whose ViT examples take `blocks[-1].norm1`."""
    prefix = grid.num_prefix_tokens
    weights = gradients.d_attention_input[prefix:].mean(dim=0)  # (D,)
    return (gradients.attention_input[prefix:] @ weights).clamp(min=0).reshape(grid.shape)


def sum_per_patch(values: Tensor, patch_px: int) -> Tensor:
    """Values of pixels (C, H, W) summed over channels and over each patch, (rows, cols)."""
    C, H, W = values.shape
    return values.reshape(C, H // patch_px, patch_px, W // patch_px, patch_px).sum(dim=(0, 2, 4))


def gradient_times_input(gradients: Gradients, pixels: Tensor, patch_px: int) -> Tensor:
    """∂y/∂x ⊙ x of pixels (3, H, W) summed per patch, (rows, cols), signed. Shrikumar et al. 2016, arXiv 1605.01713."""
    return sum_per_patch(gradients.d_pixels * pixels, patch_px)
