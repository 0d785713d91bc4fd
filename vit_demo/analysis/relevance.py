"""What a number read from the model owes to each patch: attention, rollout, gradients, and both together.

A `Target` is that number. `gradients` asks the model once for all that the gradient methods need; `walk_down` follows
the read-out row down to the first layer, a few heads' N×N matrices at a time. Everything is for one picture.
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
from vit_demo.model.trace import LayerTrace, Trace
from vit_demo.model.vit import AttentionPool, VisionTransformer

HeadFusion = Literal["mean", "max", "min"]
FUSIONS = {"mean": (torch.sum, torch.add), "max": (torch.amax, torch.maximum), "min": (torch.amin, torch.minimum)}
ENTRIES_AT_ONCE = 1 << 22  # of attention matrices: 16 MB; all heads of 14×14 patches, two of 37×37


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
    return row @ _fuse(trace.layers[target.layer], None, {"rollout"}, "mean")["rollout"]


# ---------------------------------------------------------------------------------------------------------- gradients


@dataclass(frozen=True)
class Gradients:
    """What one backward pass leaves for all gradient methods of one target; nothing of the graph is kept.

    d_out              per layer up to the target's, ∂y/∂out, each (h, N, d)
    attention_input     what the target layer's attention reads, (N, D), and `d_attention_input`, y's gradient there
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


def gradients(model: VisionTransformer, target: Target, pixels: Tensor) -> Gradients:
    """One forward and one backward pass of pixels (1, 3, H, W), and a short one per layer for LeGrad."""
    trace = Trace(gradients=True)
    model(pixels, trace=trace)
    layers, top = trace.layers[: target.layer + 1], trace.layers[target.layer]
    with torch.enable_grad():
        value = score(model, target, top.residual)[0]
        wanted = [trace.embedded, top.q, top.k, top.v, *(kept.out for kept in layers)]
        d_embedded, *d_qkv_and_out = torch.autograd.grad(value, wanted, retain_graph=True)
        d_qkv, d_out = d_qkv_and_out[:3], d_qkv_and_out[3:]
        attention_input, d_attention_input = _at_attention_input(model, target, trace, d_qkv)
        shown = pixels.detach().clone().requires_grad_()
        (d_pixels,) = torch.autograd.grad(model.embed(shown, trace.grid), shown, d_embedded)
        legrad = torch.stack([legrad_of_layer(model, target, kept) for kept in layers])
    return Gradients(
        d_out=tuple(one[0] for one in d_out),
        attention_input=attention_input[0].detach(),
        d_attention_input=d_attention_input[0],
        d_pixels=d_pixels[0],
        legrad=legrad,
        value=value.item(),
    )


def _at_attention_input(
    model: VisionTransformer, target: Target, trace: Trace, d_qkv: list[Tensor]
) -> tuple[Tensor, Tensor]:
    """What the target layer's attention reads and y's gradient there, each (1, N, D): through q, k and v alone, not
    past the attention on the residual stream. That is the gradient at the output of `norm1` in a pre-norm block."""
    block = model.block(target.layer)
    entering = trace.layers[target.layer - 1].residual if target.layer else trace.embedded
    entering = entering.detach()
    read = (entering if block.post_norm else block.norm1(entering)).detach().requires_grad_()
    qkv = block.attn.project(read, model.rope_tables(trace.grid)[target.layer])
    return read, torch.autograd.grad(qkv, read, d_qkv)[0]


def legrad_of_layer(model: VisionTransformer, target: Target, kept: LayerTrace) -> Tensor:
    """LeGrad of one layer, (N,): mean over heads and query rows of ReLU(∂s/∂A), where s is the target read from that
    layer's own output. Bousselham et al. 2024 (arXiv 2404.03214), section 3.2; WalBouss/LeGrad legrad/wrapper.py.

    Where the read-out is the class token, its row alone has a gradient; the mean is over all rows as in the paper.
    """
    own = score(model, target, kept.residual)[0]
    (d_out,) = torch.autograd.grad(own, kept.out, retain_graph=True)
    rows = d_out[0].abs().amax(dim=(0, 2)) > 0  # rows without a gradient add nothing: leave them out
    h, N = kept.q.shape[1:3]
    total = d_out.new_zeros(N)
    for heads in _some_heads(h, N):
        d_attention = d_out[0, heads][:, rows] @ kept.v[0, heads].detach().transpose(-2, -1)  # (some, rows, N)
        total += d_attention.clamp_(min=0).sum(dim=(0, 1))
    return total / (h * N)


# ------------------------------------------------------------------------------------------------- down the layers


def _some_heads(h: int, N: int) -> list[slice]:
    """All heads in as many groups as keep a group's matrices small."""
    at_once = max(1, ENTRIES_AT_ONCE // N**2)
    return [slice(start, start + at_once) for start in range(0, h, at_once)]


def _attention_of_heads(kept: LayerTrace, heads: slice) -> Tensor:
    """softmax(q·kᵀ/√d) of some heads, (some, N, N)."""
    q, k = kept.q[0, heads], kept.k[0, heads]
    return (q / math.sqrt(q.shape[-1]) @ k.transpose(-2, -1)).softmax(dim=-1)


def _fuse(kept: LayerTrace, d_out: Tensor | None, methods: set[str], fusion: HeadFusion) -> dict[str, Tensor]:
    """One layer's matrices (N, N) over all heads, by the method that walks on them. Some heads at a time, so that no
    more than a few matrices are in memory."""
    (h, N), fused = kept.q.shape[1:3], {}

    def join(method: str, more: Tensor, how: Callable[[Tensor, Tensor], Tensor] = torch.add) -> None:
        fused[method] = how(fused[method], more) if method in fused else more

    for heads in _some_heads(h, N):
        attention = _attention_of_heads(kept, heads)  # (some, N, N)
        if "rollout" in methods:
            inside, across = FUSIONS[fusion]
            join("rollout", inside(attention, dim=0) / (h if fusion == "mean" else 1), across)
        if d_out is not None:
            weighted = attention * (d_out[heads] @ kept.v[0, heads].transpose(-2, -1))
            if "gradient_rollout" in methods:
                join("gradient_rollout", weighted.sum(dim=0) / h)
            if "chefer" in methods:
                join("chefer", weighted.clamp_(min=0).sum(dim=0) / h)
    return fused


def _rollout_step(row: Tensor, fused: Tensor, discard: float) -> Tensor:
    """row·Â, (N,), where Â is fused + I with rows that sum to 1. `discard` is the share of entries, the lowest of the
    whole matrix, that are set to 0 before."""
    lowest = int(fused.numel() * discard)
    if lowest:
        fused = fused.masked_fill(fused <= fused.flatten().kthvalue(lowest).values, 0)
    row = row / (1 + fused.sum(dim=-1))  # dividing rows of the matrix = dividing entries of the vector before it
    return row @ fused + row


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
    rows = dict.fromkeys(methods, row)
    for layer in range(target.layer, start_layer - 1, -1):
        fused = _fuse(trace.layers[layer], d_out[layer] if d_out else None, methods, fusion)
        if "rollout" in rows:
            rows["rollout"] = _rollout_step(rows["rollout"], fused["rollout"], discard)
        if "gradient_rollout" in rows:
            positive = fused["gradient_rollout"].clamp(min=0)
            rows["gradient_rollout"] = _rollout_step(rows["gradient_rollout"], positive, discard)
        if "chefer" in rows:
            rows["chefer"] = rows["chefer"] + rows["chefer"] @ fused["chefer"]
    if "chefer" in rows:
        rows["chefer"] = rows["chefer"] - row
    return rows


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
