"""timm's modules → ViTConfig: every part that can differ is looked at, and what our model lacks is refused."""

from __future__ import annotations

from typing import Any

from torch import nn

from vit_demo.model.config import Activation, BlockNorm, Norm, RopeConfig, ViTConfig

TimmModule = Any  # a module of timm's, read by attribute: timm's classes carry no types

ACTIVATIONS: dict[str, Activation] = {
    "GELU": "gelu",
    "GELUTanh": "gelu_tanh",
    "QuickGELU": "quick_gelu",
    "SiLU": "silu",
}
NORMS: dict[str, Norm] = {
    "LayerNorm": "layer",
    "LayerNormFp32": "layer",
    "RmsNorm": "rms",
    "RmsNormFp32": "rms",
    "RMSNorm": "rms",
}
REASONS_BY_MODULE = {
    "HybridEmbed": "a convolutional network stands before the Transformer",
    "ParallelScalingBlock": "attention and MLP of a block run side by side",
    "ParallelThingsBlock": "a block holds two attentions side by side",
    "DiffParallelScalingBlock": "differential attention subtracts two maps, so a head has no single map",
    "DiffAttention": "differential attention subtracts two maps, so a head has no single map",
    "RelPosAttention": "positions enter as a bias on the attention scores",
    "RelPosBlock": "positions enter as a bias on the attention scores",
    "ResPostRelPosBlock": "positions enter as a bias on the attention scores",
    "RotaryEmbeddingMRope": "its rotary embedding has a third, temporal axis",
}
REASONS_BY_CLASS = {
    "Beit": "positions enter as a bias on the attention scores (BEiT's relative position bias)",
    "Cait": "talking heads mix the maps of all heads, and its class token attends in layers of its own",
    "NaFlexVit": "patches of pictures of any shape come packed, and positions are resampled for each picture (NaFlex)",
    "VisionTransformerSAM": "most layers attend within windows, and positions enter as a bias on the attention scores",
}
BLOCKS: dict[str, BlockNorm] = {"Block": "pre", "EvaBlock": "pre", "ResPostBlock": "post", "EvaBlockPostNorm": "post"}


class Unsupported(Exception):
    """An architecture that this model does not represent faithfully; the message is the reason."""


def config_from_module(model: TimmModule) -> tuple[ViTConfig, bool]:
    """ViTConfig of a timm VisionTransformer or Eva (weights need not exist), and whether its fc1 packs gate and value.

    Looks at every part that can differ; raises Unsupported at the first that our model does not have.
    """
    kind = type(model).__name__
    if kind in REASONS_BY_CLASS:
        raise Unsupported(REASONS_BY_CLASS[kind])
    for module in model.modules():
        if type(module).__name__ in REASONS_BY_MODULE:
            raise Unsupported(REASONS_BY_MODULE[type(module).__name__])
    if kind not in ("VisionTransformer", "VisionTransformerDistilled", "Eva"):
        raise Unsupported(f"its class {kind} is not one stage of global attention over a patch grid")
    _refuse_unknown_parts(model)
    block = model.blocks[0]
    mlp, gated = _mlp_of(block.mlp)
    patch_rows, patch_cols = model.patch_embed.patch_size
    if patch_rows != patch_cols:
        raise Unsupported("its patches are not square")
    config = ViTConfig(
        image_size=_whole_patches(model.patch_embed.img_size, patch_rows),
        patch_px=patch_rows,
        in_channels=model.patch_embed.proj.in_channels,
        dim=model.embed_dim,
        depth=len(model.blocks),
        norm=NORMS[type(block.norm1).__name__],
        norm_eps=block.norm1.eps,
        block_norm=BLOCKS[type(block).__name__],
        patch_bias=model.patch_embed.proj.bias is not None,
        layer_scale=_has_layer_scale(block),
        layer_scale_mlp=not _has_layer_scale(block) or _scales_mlp(block),
        patch_norm=_is_there(model.patch_embed, "norm"),
        pre_norm=_is_there(model, "norm_pre"),
        final_norm=_is_there(model, "norm") or _is_there(model, "fc_norm"),
        fc_norm=_is_there(model, "fc_norm"),
        rope=_rope_of(model),
        **mlp,
        **_attention_of([block.attn for block in model.blocks]),
        **_tokens_of(model),
        **_head_of(model),
    )
    return config, gated


def _is_there(module: TimmModule, part: str) -> bool:
    return not isinstance(getattr(module, part, None), nn.Identity | None)


def _attention_of(layers: list[TimmModule]) -> dict:
    """Fields of the config that speak of attention; the layers differ in their heads of keys and values alone."""
    attention = layers[0]
    kv_heads = tuple(getattr(layer, "num_kv_heads", layer.num_heads) for layer in layers)
    fused = attention.qkv is not None
    query = attention.q_bias if getattr(attention, "q_bias", None) is not None else None
    if query is None:
        query = attention.qkv.bias if fused else attention.q_proj.bias
    key_bias = getattr(attention, "q_bias", None) is None and (fused or attention.k_proj.bias is not None)
    return dict(
        heads=attention.num_heads,
        head_dim=attention.head_dim,
        qkv_bias=query is not None,
        key_bias=key_bias or query is None,
        kv_heads=None if set(kv_heads) == {attention.num_heads} else kv_heads,
        attention_norm=_is_there(attention, "norm"),
        proj_bias=attention.proj.bias is not None,
        qk_norm=_is_there(attention, "q_norm"),
    )


def _tokens_of(model: TimmModule) -> dict:
    """Fields of the config that speak of prefix tokens and of positions."""
    registers = getattr(model, "num_reg_tokens", None)
    if registers is None:
        registers = model.reg_token.shape[1] if getattr(model, "reg_token", None) is not None else 0
    learned = model.pos_embed is not None
    placed = learned and not getattr(model, "no_embed_class", False)
    return dict(
        class_token=model.cls_token is not None,
        distillation_token=type(model).__name__ == "VisionTransformerDistilled",
        num_registers=registers,
        position="learned" if learned else "none",
        position_prefix=model.num_prefix_tokens if placed else 0,
        position_resampling="timm",
    )


def _head_of(model: TimmModule) -> dict:
    """Fields of the config that speak of what the head reads."""
    distilled = type(model).__name__ == "VisionTransformerDistilled"
    fields = dict(
        pool="token" if distilled else model.global_pool or "none",
        # Eva has no such option: it averages the patches alone, and its attention pooling reads all tokens.
        pool_includes_prefix=bool(getattr(model, "pool_include_prefix", False)),
        distillation_head=distilled and model.num_classes > 0,
        num_classes=model.num_classes if isinstance(model.head, nn.Linear) else 0,
        head_bias=getattr(model.head, "bias", None) is not None,
    )
    if fields["pool"] == "map":
        pool = model.attn_pool
        fields.update(
            pool_includes_prefix=type(model).__name__ == "Eva" or model.pool_include_prefix,
            pool_heads=pool.num_heads,
            pool_mlp_hidden=pool.mlp.fc1.out_features,
            pool_activation=_activation_of(pool.mlp),
        )
    return fields


def _whole_patches(size: tuple[int, int], patch_px: int) -> tuple[int, int]:
    """The size without the rim that no patch covers: SigLIP's 384 with patches of 14 sees 378 pixels."""
    height, width = size
    return height // patch_px * patch_px, width // patch_px * patch_px


def _refuse_unknown_parts(model: TimmModule) -> None:
    """Raises Unsupported for options of timm that change the computation and that our model lacks."""
    block = model.blocks[0]
    if type(block).__name__ not in BLOCKS:
        raise Unsupported(f"its block is {type(block).__name__}")
    if type(block.attn).__name__ not in ("Attention", "EvaAttention", "AttentionRope"):
        raise Unsupported(f"its attention is {type(block.attn).__name__}")
    if getattr(block.attn, "gate", None) is not None:
        raise Unsupported("its attention output passes a gate")
    if type(model.patch_embed).__name__ != "PatchEmbed":
        raise Unsupported(f"its patch embedding is {type(model.patch_embed).__name__}")
    if model.global_pool not in ("token", "avg", "map", "", None):
        raise Unsupported(f"its pooling {model.global_pool!r} is not part of this model")
    if type(model).__name__ == "VisionTransformerDistilled" and model.reg_token is not None:
        raise Unsupported("it is distilled and has registers, which timm's own forward pass then leaves out")
    if not model.global_pool and model.num_classes:
        raise Unsupported("it pools nothing: its head classifies every token, not the picture")
    if _is_there(model, "norm") and _is_there(model, "fc_norm"):
        raise Unsupported("it normalises both before and after pooling")
    if any(_signature(other) != _signature(block) for other in model.blocks):
        raise Unsupported("its layers differ in more than their heads of keys and values")
    norms = {(type(m).__name__, getattr(m, "eps", None)) for m in model.modules() if "Norm" in type(m).__name__}
    if unknown := {kind for kind, _ in norms} - {*NORMS, *BLOCKS}:
        raise Unsupported(f"its norm {min(unknown)} is not part of this model")
    if len({(NORMS[kind], eps) for kind, eps in norms if kind in NORMS}) > 1:
        raise Unsupported("its norms differ in kind or epsilon")


def _signature(block: TimmModule) -> tuple:
    """What two blocks must share to be alike: heads, parts and shapes, but for those of keys and values."""
    parts = {name: type(part).__name__ for name, part in block.named_modules() if "drop" not in name}
    shapes = {
        name: part.shape for name, part in block.named_parameters() if "k_proj" not in name and "v_proj" not in name
    }
    return block.attn.num_heads, block.attn.head_dim, parts, shapes


def _mlp_of(mlp: TimmModule) -> tuple[dict, bool]:
    """Fields of the config that speak of the MLP, and whether fc1 packs gate and value."""
    kind = type(mlp).__name__
    packed = kind == "GluMlp" and not mlp.gate_last
    if kind not in ("Mlp", "SwiGLU") and not packed:
        raise Unsupported(f"its MLP is {kind}")
    fields = dict(
        mlp="plain" if kind == "Mlp" else "gated",
        mlp_hidden=mlp.fc2.in_features,
        activation=_activation_of(mlp),
        mlp_bias=mlp.fc2.bias is not None,
        mlp_norm=_is_there(mlp, "norm"),
    )
    return fields, packed or kind == "SwiGLU"


def _activation_of(mlp: TimmModule) -> Activation:
    kind = type(mlp.act).__name__
    if kind not in ACTIVATIONS:
        raise Unsupported(f"its activation {kind} is not part of this model")
    return ACTIVATIONS[kind]


def _has_layer_scale(block: TimmModule) -> bool:
    return type(getattr(block, "ls1", None)).__name__ == "LayerScale" or getattr(block, "gamma_1", None) is not None


def _scales_mlp(block: TimmModule) -> bool:
    return type(getattr(block, "ls2", None)).__name__ == "LayerScale" or getattr(block, "gamma_2", None) is not None


def _rope_of(model: TimmModule) -> RopeConfig | None:
    """RopeConfig of timm's rotary module; coordinates as in timm layers/pos_embed_sincos.py."""
    rope = getattr(model, "rope", None)
    if rope is None:
        return None
    order = "yx" if rope.grid_indexing == "ij" else "xy"
    kind = type(rope).__name__
    if kind == "RotaryEmbeddingMixed":
        return RopeConfig("mixed", float(rope.temperature), order, "interleaved")
    pairing = "half" if rope.rotate_half else "interleaved"
    if kind == "RotaryEmbeddingDinoV3":
        if rope.normalize_coords != "separate" or rope.temperature is None:
            raise Unsupported("its rotary coordinates are not normalised per axis")
        return RopeConfig("centred", rope.temperature, order, pairing, float(rope.grid_offset))
    if kind == "RotaryEmbeddingCat" and rope.grid_type == "index":
        reference = tuple(rope.ref_feat_shape) if rope.ref_feat_shape else None
        return RopeConfig("index", float(rope.temperature), order, pairing, float(rope.grid_offset), reference)
    raise Unsupported(f"its rotary embedding is {kind}")
