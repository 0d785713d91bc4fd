"""The forward pass step by step, from the picture to the answer: at each step the tensors that a student should see.

One function a step, in the order of the pass. Most need no second pass: a trace keeps the residual stream, and what
lies between follows from the layer's own modules.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_demo.analysis.attention import attention_of_all_layers, attention_rows, layer_of
from vit_demo.analysis.depth import patch_distances_px
from vit_demo.grid import PatchGrid
from vit_demo.model.block import Block, GatedMlp
from vit_demo.model.config import ViTConfig
from vit_demo.model.trace import LayerTrace, Trace
from vit_demo.model.vit import VisionTransformer

Facts = dict[str, int | float | str | bool]


@dataclass(frozen=True)
class Walk:
    """A picture under a model, and where the walk stands: a token of the sequence, a layer and a head (from 0)."""

    vit: VisionTransformer
    pixels: Tensor  # (1, C, H, W)
    trace: Trace
    token: int
    layer: int
    head: int

    @property
    def config(self) -> ViTConfig:
        return self.vit.config

    @property
    def grid(self) -> PatchGrid:
        return self.trace.grid

    @property
    def block(self) -> Block:
        return self.vit.block(self.layer)

    @cached_property
    def kept(self) -> LayerTrace:
        return layer_of(self.trace, self.layer)

    def attended(self, layer: int) -> Tensor:
        """What a layer's attention gives, heads joined and projected, (1, N, D)."""
        return self.vit.block(layer).attn.joined(layer_of(self.trace, layer).out)

    def attention_added(self, layer: int) -> Tensor:
        """What a layer's attention adds to the residual stream, (1, N, D)."""
        block, given = self.vit.block(layer), self.attended(layer)
        return block.scale1(block.norm1(given) if block.post_norm else given.clone())

    @cached_property
    def attention_input(self) -> Tensor:
        """What the layer's attention gets, (1, N, D): the stream, normalised but where the norm comes after."""
        return self.block.attention_input(self.trace.entering(self.layer))


@dataclass(frozen=True)
class Found:
    """What a step computes: the shapes it speaks of, tensors by name, single numbers and words by name."""

    shapes: dict[str, tuple[int, ...]]
    tensors: dict[str, Tensor] = field(default_factory=dict)
    facts: Facts = field(default_factory=dict)


def map_shapes(config: ViTConfig, grid: PatchGrid, classes: int) -> dict[str, tuple[int, ...]]:
    """The shape of what leaves each step, for one picture."""
    N, D, p = grid.num_patches, config.dim, grid.num_prefix_tokens
    h, d, heights = config.heads, config.attention_head_dim, (grid.rows * grid.patch_px, grid.cols * grid.patch_px)
    tokens = (N + p, D)
    return {
        "pixels": (config.in_channels, *heights),
        "patches": (N, config.in_channels, grid.patch_px, grid.patch_px),
        "embedding": (N, D),
        "prefix": tokens,
        "positions": tokens,
        "norm": tokens,
        "qkv": (3, h, N + p, d),
        "scores": (h, N + p, N + p),
        "values": tokens,
        "residual": tokens,
        "mlp": (N + p, config.mlp_hidden),
        "layers": (config.depth, N + p, D),
        "answer": (classes,) if classes else (2 * D if config.pool == "token+avg" else D,),
        "dino": (D,),
    }


# --------------------------------------------------------------------------------------------- from picture to sequence


def pixels(walk: Walk) -> Found:
    """The picture as the model gets it, (C, H, W): per channel (value/255 − mean)/std."""
    made = walk.pixels[0]
    means: Facts = {f"mean_{name}": float(plane.mean()) for name, plane in zip("rgb", made, strict=False)}
    return Found({"pixels": tuple(made.shape)}, {"pixels": made}, means)


def patches(walk: Walk) -> Found:
    """N = H·W/P² squares, (N, C, P, P), row by row."""
    grid, P = walk.grid, walk.grid.patch_px
    made = F.unfold(walk.pixels[:, :, : grid.rows * P, : grid.cols * P], P, stride=P)[0].T  # (N, C·P·P)
    made = made.reshape(grid.num_patches, -1, P, P)
    facts: Facts = {"patches": grid.num_patches, "rows": grid.rows, "cols": grid.cols, "patch_px": P}
    return Found({"pixels": tuple(walk.pixels.shape[1:]), "patches": tuple(made.shape)}, {"patches": made}, facts)


def embedding(walk: Walk) -> Found:
    """Each patch as a token, twice: by the strided convolution, and as a product of the flattened patch with the
    flattened filters. `difference` is the largest between the two (floating point adds in another order)."""
    conv = walk.vit.patch_embed
    planes = conv(walk.pixels)  # (1, D, Gh, Gw)
    tokens = planes.flatten(2).transpose(1, 2)[0]  # (N, D)
    flat = F.unfold(walk.pixels, walk.grid.patch_px, stride=walk.grid.patch_px)[0].T  # (N, C·P·P)
    product = flat @ conv.weight.flatten(1).T
    if conv.bias is not None:
        product = product + conv.bias
    varied = tokens.var(dim=0).topk(min(4, tokens.shape[1])).indices
    shapes = {
        "weight": tuple(conv.weight.shape),
        "planes": tuple(planes.shape[1:]),
        "flat": tuple(flat.shape),
        "tokens": tuple(tokens.shape),
    }
    facts: Facts = {"difference": float((tokens - product).abs().max()), "largest": float(tokens.abs().max())}
    tensors = {"convolution": tokens, "product": product, "channels": varied, "filters": conv.weight[varied]}
    return Found(shapes, tensors, facts)


def prefix(walk: Walk) -> Found:
    """Prefix tokens before the patches: (p + N, D), still without positions."""
    vit = walk.vit
    every = vit.class_token, vit.distillation_token, vit.register_tokens
    made = [token for token in every if token is not None]
    patch_tokens = vit.patches(walk.pixels)
    sequence = torch.cat([*made, patch_tokens], dim=1)[0]
    shapes = {"patches": tuple(patch_tokens.shape[1:]), "tokens": tuple(sequence.shape)}
    facts: Facts = {"prefix": walk.grid.num_prefix_tokens, "tokens": sequence.shape[0]}
    return Found(shapes, {"tokens": sequence}, facts)


def positions(walk: Walk) -> Found:
    """Where positions enter. With a table: one channel of the patches before, of the table, and of what enters the
    first layer. With RoPE: cosines of two pairs of channels of the query over the grid, one that turns with the rows
    and one with the columns."""
    grid, vit, config = walk.grid, walk.vit, walk.config
    shapes: dict[str, tuple[int, ...]] = {"tokens": tuple(walk.trace.embedded.shape[1:])}
    tensors: dict[str, Tensor] = {}
    facts: Facts = {
        "table": config.position == "learned",
        "rope": config.rope is not None,
    }
    if config.position == "learned":
        before, code = vit.patches(walk.pixels)[0], vit.positions(grid.shape)[1][0]
        channel = int(code.var(dim=0).argmax())
        over = {"before": before, "code": code, "after": before + code}
        tensors |= {name: one[:, channel].reshape(grid.shape) for name, one in over.items()}
        facts |= {"channel": channel + 1, "resampled": grid.shape != config.native_grid}
        shapes["table"] = tuple(vit.position.shape[1:]) if vit.position is not None else ()
    if config.rope is not None:
        table = vit.rope_tables(grid)[walk.layer]
        cosines = table[0] if table is not None else torch.ones(grid.num_patches, 1)
        cosines = cosines[walk.head] if cosines.dim() == 3 else cosines  # "mixed": each head has its own
        planes = cosines.T.reshape(-1, *grid.shape)  # (d, Gh, Gw)
        down, right = (planes.std(dim=axis, correction=0).mean(dim=1) for axis in (1, 2))
        tensors |= {"down": planes[(down - right).argmax()], "right": planes[(right - down).argmax()]}
        shapes["cosines"] = tuple(cosines.shape)
    return Found(shapes, tensors, facts)


# ------------------------------------------------------------------------------------------------------ inside a layer


def norm(walk: Walk) -> Found:
    """A layer's first norm: what a token's numbers are before, normalised, and after the learned gain and bias; mean
    and standard deviation of every token before and normalised. Ba et al. 2016, arXiv 1607.06450; RMSNorm: Zhang and
    Sennrich 2019, arXiv 1910.07467, which takes no mean away."""
    block, module = walk.block, walk.block.norm1
    before = (walk.attended(walk.layer) if block.post_norm else walk.trace.entering(walk.layer))[0]  # (N, D)
    if isinstance(module, nn.LayerNorm):
        normalised = F.layer_norm(before, (before.shape[-1],), eps=module.eps)
    else:
        normalised = F.rms_norm(before, (before.shape[-1],), eps=walk.config.norm_eps)
    after = module(before)
    spread = lambda x: x.std(dim=-1, correction=0)  # noqa: E731
    tensors = {
        "before": before[walk.token],
        "normalised": normalised[walk.token],
        "after": after[walk.token],
        "mean_before": before.mean(dim=-1),
        "std_before": spread(before),
        "mean_normalised": normalised.mean(dim=-1),
        "std_normalised": spread(normalised),
    }
    facts = {"kind": "layer" if isinstance(module, nn.LayerNorm) else "rms", "comes_after": block.post_norm}
    return Found({"tokens": tuple(before.shape), "gain": (before.shape[-1],)}, tensors, facts)


def qkv(walk: Walk) -> Found:
    """Query, key and value of a token for every head, each (h, d), as attention uses them."""
    attn, kept, t = walk.block.attn, walk.kept, walk.token
    joined = attn.qkv(walk.attention_input)
    h, N, d = kept.q.shape[1:]
    shapes = {
        "tokens": tuple(walk.attention_input.shape[1:]),
        "weight": tuple(attn.qkv.weight.shape),
        "joined": tuple(joined.shape[1:]),
        "heads": (3, h, N, d),
    }
    tensors = {"q": kept.q[0, :, t], "k": kept.k[0, :, t], "v": kept.v[0, :, t], "joined": joined[0, t]}
    facts = {
        "heads": h,
        "width": d,
        "kv_heads": attn.kv_heads,
        "qk_norm": walk.config.qk_norm,
        "rope": walk.config.rope is not None,
    }
    return Found(shapes, tensors, facts)


def scores(walk: Walk) -> Found:
    """One row of one head: q·kᵀ, the same over √d, and its softmax; and the softmax without √d. Vaswani et al. 2017,
    eq. 1 and footnote 4: the variance of q·kᵀ grows with d, and a softmax of large scores is all on one token."""
    kept, head = walk.kept, walk.head
    q, k = kept.q[0, head, walk.token], kept.k[0, head]  # (d,), (N, d)
    raw = k @ q
    scaled = raw / math.sqrt(q.shape[0])
    shares, unscaled = scaled.softmax(dim=-1), raw.softmax(dim=-1)
    rows = attention_rows(walk.trace, walk.layer, walk.token)[0]  # (h, N)
    bits = lambda share: float(-(share * share.clamp_min(1e-30).log2()).sum())  # noqa: E731
    h, N, d = kept.q.shape[1:]
    facts = {
        "width": d,
        "sum": float(shares.sum()),
        "entropy_bits": bits(shares),
        "entropy_unscaled_bits": bits(unscaled),
        "largest": float(shares.max()),
        "largest_unscaled": float(unscaled.max()),
        "std_raw": float(raw.std(correction=0)),
        "std_scaled": float(scaled.std(correction=0)),
    }
    tensors = {"raw": raw, "scaled": scaled, "shares": shares, "unscaled": unscaled, "rows": rows}
    if (distances := _distances(walk)) is not None:
        patches_of = rows[:, walk.grid.num_prefix_tokens :]
        tensors["distance_px"] = patches_of @ distances / patches_of.sum(dim=-1).clamp_min(1e-12)
    return Found({"queries": (h, N, d), "scores": (h, N, N)}, tensors, facts)


def _distances(walk: Walk) -> Tensor | None:
    """How far each patch lies from the token, (N patches,) in pixels; None for a token without a place."""
    place = walk.token - walk.grid.num_prefix_tokens
    return None if place < 0 else patch_distances_px(walk.grid).to(walk.pixels.device)[place]


def values(walk: Walk) -> Found:
    """What a token gets from attention: per head Σ_j share_j·v_j, (h, d), computed here from the shares and held
    against the fused kernel's (`difference`); joined and projected to (D,). `given` is |share_j·v_j| per token j."""
    kept, t = walk.kept, walk.token
    rows = attention_rows(walk.trace, walk.layer, t)[0]  # (h, N)
    by_hand = torch.einsum("hn,hnd->hd", rows, kept.v[0])
    fused = kept.out[0, :, t]
    given = rows[walk.head] * kept.v[0, walk.head].norm(dim=-1)
    h, N, d = kept.v.shape[1:]
    attn = walk.block.attn
    shapes = {"values": (h, N, d), "heads": (h, N, d), "joined": (N, h * d), "weight": tuple(attn.proj.weight.shape)}
    shapes["tokens"] = (N, walk.config.dim)
    tensors = {"by_hand": by_hand, "fused": fused, "given": given, "shares": rows[walk.head]}
    tensors["projected"] = walk.attended(walk.layer)[0, t]
    facts: Facts = {"difference": float((by_hand - fused).abs().max()), "largest": float(fused.abs().max())}
    return Found(shapes, tensors, facts)


def residual(walk: Walk) -> Found:
    """How long the residual stream is at each layer's output, and how much attention and MLP add to it, each (L,):
    means over tokens of the vectors' lengths. `stream` begins with what enters the first layer, (L + 1,)."""
    long = lambda x: x[0].norm(dim=-1).mean()  # noqa: E731
    attention, mlp_, stream = [], [], [long(walk.trace.embedded)]
    for layer in range(walk.config.depth):
        added, leaving = walk.attention_added(layer), layer_of(walk.trace, layer).residual
        attention.append(long(added))
        mlp_.append(long(leaving - walk.trace.entering(layer) - added))
        stream.append(long(leaving))
    tensors = {"attention": torch.stack(attention), "mlp": torch.stack(mlp_), "stream": torch.stack(stream)}
    return Found({"tokens": tuple(walk.trace.embedded.shape[1:])}, tensors)


def mlp(walk: Walk) -> Found:
    """A token inside a layer's MLP: its hidden numbers before and after the activation (with a gate, the product), and
    what is added to the stream."""
    block, t = walk.block, slice(walk.token, walk.token + 1)
    middle = (walk.trace.entering(walk.layer) + walk.attention_added(walk.layer))[:, t]  # (1, 1, D)
    entering = middle if block.post_norm else block.norm2(middle)
    module = block.mlp
    if isinstance(module, GatedMlp):
        before = module.gate(entering)
        after = module.activation(before.clone()) * module.value(entering)
    else:
        before = module.fc1(entering)
        after = module.activation(before.clone())  # which may take the memory of what it is given
    added = walk.kept.residual[:, t] - middle
    D, hidden = walk.config.dim, walk.config.mlp_hidden
    facts = {"gated": isinstance(module, GatedMlp), "activation": walk.config.activation}
    facts |= {"positive": float((before > 0).float().mean()), "factor": hidden / D}
    tensors = {"before": before[0, 0], "after": after[0, 0], "added": added[0, 0]}
    return Found({"token": (D,), "hidden": (hidden,), "added": (D,)}, tensors, facts)


# ------------------------------------------------------------------------------------------------------ the whole depth


def layers(walk: Walk) -> Found:
    """Where the token looks in every layer, the mean of its heads: over patches (L, Gh, Gw), and on each prefix token
    (L, p)."""
    rows = attention_of_all_layers(walk.trace, walk.token)[:, 0].mean(dim=1)  # (L, N)
    p = walk.grid.num_prefix_tokens
    maps = rows[:, p:].reshape(-1, *walk.grid.shape)
    depth, N = rows.shape
    return Found({"rows": (depth, walk.config.heads, N)}, {"maps": maps, "prefix": rows[:, :p]}, {"depth": depth})


def answer(walk: Walk) -> Found:
    """What the head reads: the last layer's tokens after the final norm, pooled. The first token before and after."""
    last = layer_of(walk.trace, walk.config.depth - 1).residual
    normed = walk.vit.norm(last)
    read = walk.vit.pooled(normed)[0]
    shapes = {"tokens": tuple(normed.shape[1:]), "read": tuple(read.shape)}
    return Found(shapes, {"read": read}, {"pool": walk.config.pool})


def last_heads(walk: Walk) -> Found:
    """Where every head of the last layer looks from the walk's token, over patches: (h, Gh, Gw); and how long each
    patch's vector is at that layer's output, (Gh, Gw)."""
    last, p = walk.config.depth - 1, walk.grid.num_prefix_tokens
    rows = attention_rows(walk.trace, last, walk.token)[0]
    maps = rows[:, p:].reshape(-1, *walk.grid.shape)
    norms = layer_of(walk.trace, last).residual[0, p:].norm(dim=-1).reshape(walk.grid.shape)
    facts = {"registers": walk.config.num_registers, "rope": walk.config.rope is not None, "heads": maps.shape[0]}
    return Found({"rows": tuple(rows.shape)}, {"heads": maps, "norms": norms}, facts)
