"""Multi-head self-attention: softmax(q·kᵀ/√d)·v, by the fused kernel."""

from __future__ import annotations

from torch import Tensor, nn

from vit_demo.model.config import ViTConfig
from vit_demo.model.editing import LayerEdits
from vit_demo.model.linear import Linear
from vit_demo.model.position import rotate
from vit_demo.model.trace import Heads, Trace


def make_norm(config: ViTConfig, width: int) -> nn.Module:
    kind = nn.LayerNorm if config.norm == "layer" else nn.RMSNorm
    return kind(width, eps=config.norm_eps)


class Attention(nn.Module):
    """Self-attention of Vaswani et al. 2017 over all tokens. Tokens (B, N, D) in and out.

    The maps themselves are never made here: any row of one follows later from q and k. Where heads share keys and
    values, k and v are repeated once per head: head i reads those of number i·kv_heads // heads.
    """

    def __init__(self, config: ViTConfig, layer: int):
        super().__init__()
        self.heads, self.head_dim = config.heads, config.attention_head_dim
        self.kv_heads = config.kv_heads_of(layer)
        self.num_prefix_tokens = config.num_prefix_tokens
        self.rope_pairing = config.rope.pairing if config.rope else None
        # A model without a key bias keeps zeros in that third: the product is the same, and the layout is one.
        width = (self.heads + 2 * self.kv_heads) * self.head_dim
        self.qkv = Linear(config.dim, width, bias=config.qkv_bias)
        self.q_norm = make_norm(config, self.head_dim) if config.qk_norm else nn.Identity()
        self.k_norm = make_norm(config, self.head_dim) if config.qk_norm else nn.Identity()
        self.norm = make_norm(config, config.attention_dim) if config.attention_norm else nn.Identity()
        self.proj = Linear(config.attention_dim, config.dim, bias=config.proj_bias)

    def project(self, x: Tensor, rope: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of tokens (B, N, D), each (B, h, N, d), after q/k norm and RoPE."""
        B, N, _ = x.shape
        heads = self.qkv(x).reshape(B, N, -1, self.head_dim).transpose(1, 2)  # (B, h + 2·kv_heads, N, d)
        q, k, v = heads.split([self.heads, self.kv_heads, self.kv_heads], dim=1)
        q, k = self.q_norm(q), self.k_norm(k)
        if rope is not None:
            if self.rope_pairing is None:
                raise ValueError("this attention was made without RoPE: its config has none")
            q = rotate(q, rope, self.rope_pairing, self.num_prefix_tokens)
            k = rotate(k, rope, self.rope_pairing, self.num_prefix_tokens)
        if self.kv_heads != self.heads:
            k, v = (each.repeat_interleave(self.heads // self.kv_heads, dim=1) for each in (k, v))
        return q, k, v

    def heads_of(self, x: Tensor, rope: tuple[Tensor, Tensor] | None, edits: LayerEdits | None) -> Heads:
        """What every head computes with, of tokens (B, N, D)."""
        q, k, v = self.project(x, rope)
        return Heads(q, k, v) if edits is None else Heads(q * edits.scale, k, v, edits.closed)

    def forward(
        self, x: Tensor, rope: tuple[Tensor, Tensor] | None, trace: Trace | None, edits: LayerEdits | None = None
    ) -> Tensor:
        heads = self.heads_of(x, rope, edits)
        out = heads.attend()  # (B, h, N, d)
        if trace is not None:
            trace.keep_attention(heads, out)
        if edits is not None:
            out = edits.change_heads(out)
        return self.joined(out)

    def joined(self, out: Tensor) -> Tensor:
        """What the heads gave, (B, h, N, d), side by side and projected, (B, N, D): token by token."""
        return self.proj(self.norm(out.transpose(1, 2).flatten(2)))
