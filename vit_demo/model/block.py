"""A Transformer block: attention, then an MLP, each added to the residual stream."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_demo.model.attention import Attention, make_norm
from vit_demo.model.config import ViTConfig
from vit_demo.model.editing import LayerEdits
from vit_demo.model.linear import Linear
from vit_demo.model.trace import Heads, Trace


def gelu(x: Tensor) -> Tensor:
    """x·Φ(x) (Hendrycks and Gimpel 2016). Without gradients it takes the memory of x, which nobody needs any more: a
    pass is bound by memory beside its products."""
    return F.gelu(x) if torch.is_grad_enabled() else torch.ops.aten.gelu_(x)


def plus(x: Tensor, branch: Tensor) -> Tensor:
    """x + branch; without gradients in the memory of the branch, which nobody else keeps."""
    return x + branch if torch.is_grad_enabled() else branch.add_(x)


def quick_gelu(x: Tensor) -> Tensor:
    """x·σ(1.702·x), the GELU of OpenAI's CLIP."""
    return x * torch.sigmoid(1.702 * x)


def gelu_tanh(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


ACTIVATIONS = {"gelu": gelu, "gelu_tanh": gelu_tanh, "quick_gelu": quick_gelu, "silu": F.silu}


class PlainMlp(nn.Module):
    """fc2(norm(activation(fc1(x)))), token by token; most models have no norm there."""

    def __init__(self, config: ViTConfig):
        super().__init__()
        self.fc1 = Linear(config.dim, config.mlp_hidden, bias=config.mlp_bias)
        self.norm = make_norm(config, config.mlp_hidden) if config.mlp_norm else nn.Identity()
        self.fc2 = Linear(config.mlp_hidden, config.dim, bias=config.mlp_bias)
        self.activation = ACTIVATIONS[config.activation]

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.norm(self.activation(self.fc1(x))))


class GatedMlp(nn.Module):
    """out(norm(activation(gate(x)) · value(x))); SwiGLU where the activation is SiLU (Shazeer 2020)."""

    def __init__(self, config: ViTConfig):
        super().__init__()
        self.gate = Linear(config.dim, config.mlp_hidden, bias=config.mlp_bias)
        self.value = Linear(config.dim, config.mlp_hidden, bias=config.mlp_bias)
        self.norm = make_norm(config, config.mlp_hidden) if config.mlp_norm else nn.Identity()
        self.out = Linear(config.mlp_hidden, config.dim, bias=config.mlp_bias)
        self.activation = ACTIVATIONS[config.activation]

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.norm(self.activation(self.gate(x)) * self.value(x)))


class LayerScale(nn.Module):
    """A learned factor per channel (Touvron et al. 2021, CaiT)."""

    def __init__(self, dim: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma if torch.is_grad_enabled() else x.mul_(self.gamma)


class Block(nn.Module):
    """One layer, counted from 0. Tokens (B, N, D) in and out."""

    def __init__(self, config: ViTConfig, layer: int):
        super().__init__()
        self.post_norm = config.block_norm == "post"
        self.norm1 = make_norm(config, config.dim)
        self.attn = Attention(config, layer)
        self.scale1 = LayerScale(config.dim) if config.layer_scale else nn.Identity()
        self.norm2 = make_norm(config, config.dim)
        self.mlp = (GatedMlp if config.mlp == "gated" else PlainMlp)(config)
        self.scale2 = LayerScale(config.dim) if config.layer_scale and config.layer_scale_mlp else nn.Identity()

    def forward(
        self, x: Tensor, rope: tuple[Tensor, Tensor] | None, trace: Trace | None, edits: LayerEdits | None = None
    ) -> Tensor:
        entering = x
        if edits is None or not edits.skip_attention:
            x = plus(x, self._attended(x, rope, trace, edits))
        elif trace is not None:
            self._attended(x, rope, trace, edits)  # nothing is added, but the trace shows what it would do
        if edits is None or not edits.skip_mlp:
            x = plus(x, self._fed_forward(x))
        if edits is not None:
            x = edits.change_residual(x)
        if trace is not None:
            trace.keep_layer(x, partial(self.heads_of, entering, rope, edits))
        return x

    def _attended(
        self, x: Tensor, rope: tuple[Tensor, Tensor] | None, trace: Trace | None, edits: LayerEdits | None
    ) -> Tensor:
        """What attention adds to the residual stream."""
        return self._scaled(self.attn(self.attention_input(x), rope, trace, edits))

    def _scaled(self, given: Tensor) -> Tensor:
        return self.scale1(self.norm1(given) if self.post_norm else given)

    def attention_input(self, x: Tensor) -> Tensor:
        """What attention reads of the residual stream that enters the block: normalised, but where the norm follows."""
        return x if self.post_norm else self.norm1(x)

    def heads_of(self, x: Tensor, rope: tuple[Tensor, Tensor] | None, edits: LayerEdits | None) -> Heads:
        """What attention computes with where x enters the block: in a pass, and again afterwards for a trace."""
        return self.attn.heads_of(self.attention_input(x), rope, edits)

    def after_attention(self, x: Tensor, out: Tensor) -> Tensor:
        """The block's output, (B, n, D), of tokens x that entered it and for which the heads gave `out` (B, h, n, d).
        From there on each token is computed alone, so that some tokens may be asked for."""
        x = plus(x, self._scaled(self.attn.joined(out)))
        return plus(x, self._fed_forward(x))

    def _fed_forward(self, x: Tensor) -> Tensor:
        """What the MLP adds to the residual stream."""
        return self.scale2(self.norm2(self.mlp(x)) if self.post_norm else self.mlp(self.norm2(x)))
