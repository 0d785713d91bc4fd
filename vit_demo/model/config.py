"""ViTConfig: everything that can differ between the models, checked when made."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args, get_origin, get_type_hints

PositionKind = Literal["learned", "none"]
Pooling = Literal["token", "avg", "map", "token+avg", "none"]
Activation = Literal["gelu", "gelu_tanh", "quick_gelu", "silu"]
Norm = Literal["layer", "rms"]
BlockNorm = Literal["pre", "post"]
Resampling = Literal["dino", "dinov2_reg", "timm", "transformers", "google"]


@dataclass(frozen=True)
class RopeConfig:
    """Rotary position embedding of patch tokens (Su et al. 2021), in the three ways in which ViTs use it.

    kind    "centred": DINOv3; coordinates −1…1 across the picture, angle 2π·coordinate/period
            "index":   axial over patch indices, angle index·frequency (EVA-02, rope-vit axial, Perception Encoder)
            "mixed":   learned frequencies per layer and head over both axes (Heo et al. 2024, arXiv 2403.13298)
    base    the temperature of the frequencies: base^(k / (d/4))
    order   "yx": the first half of the channels turns with the row; "xy": with the column
    pairing "half": channel c turns with channel c + d/2; "interleaved": with its neighbour
    offset  added to every coordinate before scaling
    reference_grid  indices are stretched so that any grid spans this one ((rows, cols)), or None
    """

    kind: Literal["centred", "index", "mixed"] = "centred"
    base: float = 100.0
    order: Literal["yx", "xy"] = "yx"
    pairing: Literal["half", "interleaved"] = "half"
    offset: float = 0.0
    reference_grid: tuple[int, int] | None = None

    def __post_init__(self):
        check_choices(self)


@dataclass(frozen=True)
class ViTConfig:
    """A Vision Transformer's architecture. Raises ValueError, naming the field, where the values do not fit together.

    image_size          native input (H, W) in pixels: the grid that learned position embeddings were trained on
    head_dim            width of a head; None = dim / heads
    mlp                 "plain": fc1, activation, fc2; "gated": out(activation(gate(x)) · value(x)) (SwiGLU)
    block_norm          "pre": x + f(norm(x)); "post": x + norm(f(x)) (Swin v2's residual post-norm)
    key_bias            False: the key projection has no bias (DINOv3's masked one)
    kv_heads            how many heads of keys and values each layer has, of which each serves heads / kv_heads heads in
                        a row (grouped-query attention, Ainslie et al. 2023, arXiv 2305.13245; Sapiens2); None = heads
    attention_norm      a norm of all heads' outputs together, before their projection (sub-LayerNorm: Wang et al. 2022,
                        arXiv 2210.06423; BEiT-3, EVA-02-CLIP)
    mlp_norm            a norm of the MLP's hidden channels, before its last layer (Shleifer et al. 2021, NormFormer,
                        arXiv 2110.09456; EVA-02, BEiT-3)
    layer_scale         a learned factor per channel on each branch (CaiT, DeiT-3, DINOv2)
    layer_scale_mlp     False: the factor stands on the attention branch alone (Sapiens2)
    position_prefix     how many of the prefix tokens have a row in the position table, counted from the first
    position_resampling by which convention the table is resampled off its native grid (see position.py)
    patch_norm          a norm of the patches alone, before positions and prefix tokens (AIMv2, arXiv 2411.14402)
    pre_norm            a norm between embedding and first block (CLIP)
    pool                what the head reads: "token" the class token, "avg" mean of the patches, "map" attention
                        pooling (SigLIP), "token+avg" both side by side (DINOv2's linear head), "none": there is no head
    pool_includes_prefix  "avg" and "map" read the prefix tokens too, not the patches alone
    fc_norm             the final norm stands after the pooling instead of before it
    pool_heads, pool_mlp_hidden, pool_activation  of "map" pooling; None = those of the blocks
    distillation_head   the distillation token has a head of its own and logits are the mean of both (DeiT)
    num_classes         0: no head
    multi_label         every class has a probability of its own (a sigmoid each) instead of a share of 1 (softmax)
    """

    image_size: tuple[int, int] = (224, 224)
    patch_px: int = 16
    in_channels: int = 3
    dim: int = 768
    depth: int = 12
    heads: int = 12
    head_dim: int | None = None
    mlp: Literal["plain", "gated"] = "plain"
    mlp_hidden: int = 3072
    activation: Activation = "gelu"
    norm: Norm = "layer"
    norm_eps: float = 1e-6
    block_norm: BlockNorm = "pre"
    patch_bias: bool = True
    qkv_bias: bool = True
    key_bias: bool = True
    kv_heads: tuple[int, ...] | None = None
    attention_norm: bool = False
    proj_bias: bool = True
    mlp_bias: bool = True
    mlp_norm: bool = False
    qk_norm: bool = False
    layer_scale: bool = False
    layer_scale_mlp: bool = True
    class_token: bool = True
    distillation_token: bool = False
    num_registers: int = 0
    position: PositionKind = "learned"
    position_prefix: int = 1
    position_resampling: Resampling = "timm"
    rope: RopeConfig | None = None
    patch_norm: bool = False
    pre_norm: bool = False
    final_norm: bool = True
    pool: Pooling = "token"
    pool_includes_prefix: bool = False
    fc_norm: bool = False
    pool_heads: int | None = None
    pool_mlp_hidden: int | None = None
    pool_activation: Literal["gelu", "gelu_tanh", "quick_gelu", "silu", None] = None
    distillation_head: bool = False
    num_classes: int = 0
    multi_label: bool = False
    head_bias: bool = True

    def __post_init__(self):
        check_choices(self)
        for name in ("patch_px", "in_channels", "dim", "depth", "heads", "mlp_hidden"):
            _require(getattr(self, name) > 0, f"{name} must be positive, not {getattr(self, name)}")
        _require(
            len(self.image_size) == 2 and all(side > 0 and side % self.patch_px == 0 for side in self.image_size),
            f"image_size {self.image_size} must be two multiples of patch_px {self.patch_px}",
        )
        _require(self.head_dim is not None or self.dim % self.heads == 0, f"dim {self.dim} is not a multiple of heads")
        _require(self.num_registers >= 0 and self.num_classes >= 0, "num_registers and num_classes cannot be negative")
        _require(self.class_token or not self.distillation_token, "a distillation token needs a class token")
        _require(self.distillation_token or not self.distillation_head, "a distillation head needs its token")
        _require(self.class_token or self.pool not in ("token", "token+avg"), f"pool {self.pool!r} needs a class token")
        _require(self.pool != "none" or self.num_classes == 0, "pool 'none' leaves nothing for a head to read")
        _require(
            0 <= self.position_prefix <= self.num_prefix_tokens,
            f"position_prefix {self.position_prefix} is outside 0 … {self.num_prefix_tokens}",
        )
        _require(self.position == "learned" or self.position_prefix == 0, "position_prefix needs learned positions")
        _require(self.rope is None or self.attention_head_dim % 4 == 0, "RoPE needs a head_dim that 4 divides")
        _require(self.layer_scale or self.layer_scale_mlp, "layer_scale_mlp False needs layer_scale")
        if self.kv_heads is not None:
            _require(
                len(self.kv_heads) == self.depth and all(n > 0 and self.heads % n == 0 for n in self.kv_heads),
                f"kv_heads {self.kv_heads} must be {self.depth} numbers, one a layer, that divide heads {self.heads}",
            )
            mixed = self.rope is not None and self.rope.kind == "mixed"
            _require(not mixed, "kv_heads cannot be shared where each head turns in its own way (mixed RoPE)")

    @property
    def attention_head_dim(self) -> int:
        return self.head_dim or self.dim // self.heads

    @property
    def attention_dim(self) -> int:
        """Width of all heads together."""
        return self.heads * self.attention_head_dim

    def kv_heads_of(self, layer: int) -> int:
        """Heads of keys and values in a layer, counted from 0."""
        return self.heads if self.kv_heads is None else self.kv_heads[layer]

    @property
    def needs_patches(self) -> bool:
        """Whether the head reads the patches apart from prefix tokens, so that there must be one."""
        return self.num_classes > 0 and self.pool in ("avg", "map", "token+avg") and not self.pool_includes_prefix

    @property
    def prefix_names(self) -> tuple[str, ...]:
        names = ["cls"] * self.class_token + ["dist"] * self.distillation_token
        return (*names, *(f"reg{i + 1}" for i in range(self.num_registers)))

    @property
    def num_prefix_tokens(self) -> int:
        return self.class_token + self.distillation_token + self.num_registers

    @property
    def native_grid(self) -> tuple[int, int]:
        """(rows, cols) of the native input."""
        return self.image_size[0] // self.patch_px, self.image_size[1] // self.patch_px


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


def check_choices(config) -> None:
    """Raises ValueError where a field typed as a Literal holds another value."""
    hints = get_type_hints(type(config))
    for field in fields(config):
        if get_origin(hints[field.name]) is Literal:
            value, allowed = getattr(config, field.name), get_args(hints[field.name])
            _require(value in allowed, f"{field.name} is {value!r}; it can be {', '.join(map(repr, allowed))}")
