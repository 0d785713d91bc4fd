"""VisionTransformer: picture → patches → tokens → blocks → tokens and logits, in one forward path."""

from __future__ import annotations

from contextlib import nullcontext
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_demo.edits import Edits
from vit_demo.grid import PatchGrid
from vit_demo.model.attention import make_norm
from vit_demo.model.block import ACTIVATIONS, Block
from vit_demo.model.config import Resampling, ViTConfig
from vit_demo.model.editing import Plan, make_plan
from vit_demo.model.linear import Linear
from vit_demo.model.position import RESAMPLING, bands_of, resample_position, rope_angles, rope_table
from vit_demo.model.trace import Trace


class Encoded(NamedTuple):
    """`tokens` (B, N, D) after the final norm; `logits` (B, classes), or None for a model without a head."""

    tokens: Tensor
    logits: Tensor | None

    @property
    def class_logits(self) -> Tensor:
        """The logits, for who needs a head. ValueError for a model without one."""
        if self.logits is None:
            raise ValueError("this model has no head, so there are no logits")
        return self.logits


class AttentionPool(nn.Module):
    """One learned query looks at all tokens; an MLP follows (SigLIP; Zhai et al. 2023, big_vision vit.py MAPHead)."""

    def __init__(self, config: ViTConfig):
        super().__init__()
        dim, self.heads = config.dim, config.pool_heads or config.heads
        hidden = config.pool_mlp_hidden or config.mlp_hidden
        self.latent = nn.Parameter(torch.zeros(1, 1, dim))
        self.q = Linear(dim, dim)
        self.kv = Linear(dim, 2 * dim)
        self.proj = Linear(dim, dim)
        self.norm = make_norm(config, dim)
        self.fc1 = Linear(dim, hidden)
        self.fc2 = Linear(hidden, dim)
        self.activation = ACTIVATIONS[config.pool_activation or config.activation]

    def forward(self, tokens: Tensor) -> Tensor:
        B, N, D = tokens.shape
        q = self.q(self.latent.expand(B, -1, -1)).reshape(B, 1, self.heads, -1).transpose(1, 2)
        k, v = self.kv(tokens).reshape(B, N, 2, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)  # each (B, h, N, d)
        pooled = self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, D))
        return pooled + self.fc2(self.activation(self.fc1(self.norm(pooled))))


class VisionTransformer(nn.Module):
    """A plain ViT: one stage of global attention over a patch grid (Dosovitskiy et al. 2021, and its descendants).

    Any input size that the patch divides is taken, square or not. `forward` leaves nothing on the module.
    """

    def __init__(self, config: ViTConfig):
        super().__init__()
        self.config = config
        dim = config.dim
        self.patch_embed = nn.Conv2d(
            config.in_channels, dim, config.patch_px, stride=config.patch_px, bias=config.patch_bias
        )
        self.patch_norm = make_norm(config, dim) if config.patch_norm else nn.Identity()
        self.class_token = self._token(1) if config.class_token else None
        self.distillation_token = self._token(1) if config.distillation_token else None
        self.register_tokens = self._token(config.num_registers) if config.num_registers else None
        rows, cols = config.native_grid
        self.position = self._token(config.position_prefix + rows * cols) if config.position == "learned" else None
        self._make_rope()
        self.norm_pre = make_norm(config, dim) if config.pre_norm else nn.Identity()
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.depth))
        self.norm = make_norm(config, dim) if config.final_norm and not config.fc_norm else nn.Identity()
        self.attention_pool = AttentionPool(config) if config.pool == "map" else None
        self.fc_norm = make_norm(config, dim) if config.final_norm and config.fc_norm else nn.Identity()
        width = 2 * dim if config.pool == "token+avg" else dim
        has_head = config.num_classes > 0
        self.head = Linear(width, config.num_classes, bias=config.head_bias) if has_head else None
        two_heads = has_head and config.distillation_head
        self.head_dist = Linear(width, config.num_classes, bias=config.head_bias) if two_heads else None

    def _token(self, count: int) -> nn.Parameter:
        return nn.Parameter(torch.randn(1, count, self.config.dim) * 0.02)

    def _make_rope(self) -> None:
        rope, config = self.config.rope, self.config
        bands = None
        if rope is not None and rope.kind == "mixed":
            bands = nn.Parameter(torch.randn(2, config.depth, config.heads, config.attention_head_dim // 2))
        elif rope is not None:
            bands = bands_of(rope, config.attention_head_dim)
        if isinstance(bands, nn.Parameter):
            self.rope_bands = bands
        else:
            self.register_buffer("rope_bands", bands)

    def grid_of(self, pixels: Tensor) -> PatchGrid:
        """The patch grid of a batch (B, C, H, W). Raises ValueError where the patch does not divide it."""
        return PatchGrid.of(pixels.shape[-2], pixels.shape[-1], self.config.patch_px, self.config.prefix_names)

    def forward(
        self,
        pixels: Tensor,
        trace: Trace | None = None,
        edits: Edits | None = None,
        source: Trace | None = None,
        example_heads: Tensor | None = None,
    ) -> Encoded:
        """Normalised pixels (B, 3, H, W) → Encoded. A `Trace` given here keeps what the pass computed.

        `edits` change the pass; with patches dropped, N is less. `source` is the trace of another picture, for
        `edits.patch_in`; `example_heads` are what heads give on average (see editing.py), for heads "examples". Raises
        ValueError, naming the field, for edits that this model or grid does not know.
        """
        plan = None
        if edits:
            plan = make_plan(self.config, self.grid_of(pixels), edits, pixels.device, source, example_heads)
        differentiable = trace is not None and trace.gradients
        with torch.enable_grad() if differentiable else nullcontext():
            tokens = self.norm(self.tokens_after(pixels, self.config.depth - 1, trace, plan))
            return Encoded(tokens, self.classify(tokens))

    def tokens_after(self, pixels: Tensor, layer: int, trace: Trace | None = None, plan: Plan | None = None) -> Tensor:
        """The residual stream (B, N, D) at a layer's output; no later layer is computed."""
        grid = self.grid_of(pixels)
        if plan is not None:
            pixels = plan.pixels(pixels)
        x, tables = self.embed(pixels, grid, plan), self.rope_tables(grid, plan)
        if plan is not None:
            x, tables = plan.left(x, tables)
        if trace is not None:
            if trace.gradients:
                x = x.detach().requires_grad_()
            trace.start(grid, x, None if plan is None else plan.kept)
        return self.through(x, tables, 0, layer, trace, plan)

    def through(
        self,
        x: Tensor,
        tables: list[tuple[Tensor, Tensor] | None],
        first: int,
        last: int,
        trace: Trace | None = None,
        plan: Plan | None = None,
    ) -> Tensor:
        """Tokens (B, N, D) through the blocks from `first` to `last`, each counted from 0. `tables` are those of all
        layers (see `rope_tables`)."""
        for layer in range(first, last + 1):
            x = self.blocks[layer](x, tables[layer], trace, None if plan is None else plan.layers.get(layer))
        return x

    def embed(self, pixels: Tensor, grid: PatchGrid, plan: Plan | None = None) -> Tensor:
        """Patches, prefix tokens and their positions: (B, N, D)."""
        patches = self.patches(pixels)
        tokens = self.class_token, self.distillation_token, self.register_tokens
        prefix: list[Tensor] = [token for token in tokens if token is not None]
        if self.position is not None:
            of_prefix, of_patches = self.positions(grid.shape)
            patches = patches + (of_patches if plan is None else plan.positions(of_patches))
            if of_prefix is not None:
                placed, rest = torch.cat(prefix, dim=1).split([of_prefix.shape[1], self._unplaced()], dim=1)
                prefix = [placed + of_prefix, rest]
        prefix = [token.expand(pixels.shape[0], -1, -1) for token in prefix]
        return self.norm_pre(torch.cat([*prefix, patches], dim=1))

    def block(self, layer: int) -> Block:
        """The block of a layer, counted from 0."""
        return cast(Block, self.blocks[layer])  # a ModuleList does not say of what kind its modules are

    def patches(self, pixels: Tensor) -> Tensor:
        """The patches as tokens, before their positions: (B, Gh·Gw, D)."""
        return self.patch_norm(self.patch_embed(pixels).flatten(2).transpose(1, 2))

    def _unplaced(self) -> int:
        return self.config.num_prefix_tokens - self.config.position_prefix

    def positions(self, grid: tuple[int, int], rule: Resampling | None = None) -> tuple[Tensor | None, Tensor]:
        """Position embeddings of the placed prefix tokens (1, p', D) or None, and of the patches (1, rows·cols, D) for
        a grid (rows, cols), resampled by the checkpoint's own rule unless another is named. ValueError without learned
        positions."""
        if self.position is None:
            raise ValueError("this model has no table of positions")
        count = self.config.position_prefix
        of_prefix = self.position[:, :count] if count else None
        how = RESAMPLING[rule or self.config.position_resampling]
        return of_prefix, resample_position(self.position[:, count:], self.config.native_grid, grid, how)

    def rope_tables(self, grid: PatchGrid, plan: Plan | None = None) -> list[tuple[Tensor, Tensor] | None]:
        """Cosines and sines for each layer, or None for each where the model has no RoPE."""
        rope, depth = self.config.rope, self.config.depth
        if rope is None:
            return [None] * depth
        angles = rope_angles(rope, self.rope_bands, grid.shape)
        cos, sin = rope_table(rope, angles if plan is None else plan.angles(angles))
        return list(zip(cos, sin, strict=True)) if rope.kind == "mixed" else [(cos, sin)] * depth

    def pooled(self, tokens: Tensor) -> Tensor:
        """What the head reads, (B, D) or (B, 2D), from tokens (B, N, D) after the final norm."""
        config = self.config
        start = 0 if config.pool_includes_prefix else config.num_prefix_tokens
        if self.attention_pool is not None:
            return self.fc_norm(self.attention_pool(tokens[:, start:]))
        if config.pool == "token":
            return self.fc_norm(tokens[:, 0])
        average = tokens[:, start:].mean(dim=1)
        if config.pool == "token+avg":
            average = torch.cat([tokens[:, 0], average], dim=-1)
        return self.fc_norm(average)

    def classify(self, tokens: Tensor) -> Tensor | None:
        """Logits (B, classes) from tokens after the final norm, or None for a model without a head."""
        return None if self.head is None else self.logits_of(tokens)

    def logits_of(self, tokens: Tensor) -> Tensor:
        """As `classify`, for who needs a head: ValueError for a model without one."""
        if self.head is None:
            raise ValueError("this model has no head")
        if self.head_dist is not None:  # DeiT: the mean of both heads (Touvron et al. 2021, section 4)
            return (self.head(tokens[:, 0]) + self.head_dist(tokens[:, 1])) / 2
        return self.head(self.pooled(tokens))

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits (…, classes) as probabilities in 0…1: shares of 1 among the classes (softmax), or of a multi-label
        head each class's own (sigmoid; as transformers' BCEWithLogitsLoss for `multi_label_classification`)."""
        logits = logits.float()
        return logits.sigmoid() if self.config.multi_label else logits.softmax(dim=-1)
