"""timm architectures → ViTConfig, read from timm's own registry: a model built on the meta device and looked at.

timm is imported only inside functions: it takes seconds, and files that need no registry should not wait for it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from torch import nn

from vit_demo.checkpoints.families import native
from vit_demo.checkpoints.plan import Plan
from vit_demo.contract import ModelError, PreprocessSpec
from vit_demo.model.config import RopeConfig, ViTConfig
from vit_demo.model.position import rope_bands

ACTIVATIONS = {"GELU": "gelu", "GELUTanh": "gelu_tanh", "QuickGELU": "quick_gelu", "SiLU": "silu"}
NORMS = {"LayerNorm": "layer", "LayerNormFp32": "layer", "RmsNorm": "rms", "RMSNorm": "rms"}
REASONS_BY_MODULE = {
    "HybridEmbed": "a convolutional network stands before the Transformer",
    "ParallelScalingBlock": "attention and MLP of a block run side by side",
    "ParallelThingsBlock": "a block holds two attentions side by side",
    "DiffParallelScalingBlock": "differential attention subtracts two maps, so a head has no single map",
    "DiffAttention": "differential attention subtracts two maps, so a head has no single map",
    "RelPosAttention": "positions enter as a bias on the attention scores",
    "RelPosBlock": "positions enter as a bias on the attention scores",
    "ResPostRelPosBlock": "positions enter as a bias on the attention scores",
    "EvaBlockPostNorm": "EVA's post-norm block is not part of this model",
    "RotaryEmbeddingMRope": "its rotary embedding has a third, temporal axis",
}

PREPROCESSING = ("mean", "std", "interpolation", "crop_pct", "crop_mode")  # fields of timm's pretrained_cfg


class Unsupported(Exception):
    """An architecture that this model does not represent faithfully; the message is the reason."""


def plain_vit_names() -> list[str]:
    """Every architecture that timm lists under vit_* and deit*."""
    import timm

    return timm.list_models(["vit_*", "deit*"])


def plan_from_timm(architecture: str, hub_config: dict[str, Any] | None = None, num_classes: int | None = None) -> Plan:
    """The Plan of a timm architecture, with the overrides of a checkpoint's config.json (model_args, pretrained_cfg,
    num_classes, global_pool, label_names). Raises ModelError by name and reason where it cannot be represented."""
    import timm
    import torch

    hub_config = hub_config or {}
    cfg = dict(hub_config.get("pretrained_cfg") or {})
    base = architecture.split(".")[0]
    tag = cfg.get("tag") or (architecture.split(".", 1)[1] if "." in architecture else "")
    args = dict(hub_config.get("model_args") or {})
    classes = num_classes if num_classes is not None else hub_config.get("num_classes", cfg.get("num_classes"))
    if classes is not None:
        args["num_classes"] = classes
    if hub_config.get("global_pool") and "global_pool" not in args:
        args["global_pool"] = hub_config["global_pool"]
    if base not in timm.list_models():
        raise ModelError("checkpoint.unsupported", name=architecture, reason="timm lists no architecture of this name")
    known = f"{base}.{tag}" if tag and f"{base}.{tag}" in timm.list_pretrained(f"{base}.*") else base
    try:
        with torch.device("meta"):
            # timm itself takes size, channels and classes from pretrained_cfg where model_args are silent.
            model = timm.create_model(known, pretrained=False, pretrained_cfg_overlay=_overlay(cfg), **args)
        config, gated = config_from_module(model)
    except Unsupported as error:
        raise ModelError("checkpoint.unsupported", name=architecture, reason=str(error)) from None
    except (TypeError, AssertionError, RuntimeError) as error:
        raise ModelError("checkpoint.unsupported", name=architecture, reason=f"timm says: {error}") from error
    cfg = {**model.pretrained_cfg, **{k: v for k, v in cfg.items() if v is not None}}
    fill = {}
    if config.rope is not None and config.rope.kind != "mixed":
        fill["rope_bands"] = (rope_bands(config.rope, config.attention_head_dim), "computed; timm does not store it")
    return Plan(
        config=config,
        rules=native(gated),
        preprocess=preprocess_from_timm(cfg, config),
        family=family_of(base),
        labels=labels_from_timm(hub_config, config.num_classes),
        fill=fill,
        assumed=_rim(model.patch_embed.img_size, config),
    )


def _overlay(cfg: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint's pretrained_cfg says that shapes the model (timm models/_builder.py,
    _update_default_model_kwargs), to be laid over the registry's own."""
    shaping = ("input_size", "fixed_input_size", "num_classes")
    return {key: cfg[key] for key in shaping if cfg.get(key) is not None}


def plan_from_timm_wrapper(config: dict[str, Any], keys: Collection[str], name: str) -> Plan:
    """The Plan of transformers' TimmWrapperForImageClassification or TimmWrapperModel, which keep a timm model under
    `timm_model.`. `keys` are the tensor names in the file: TimmWrapperModel has no head, whatever config.json counts.

    Raises ModelError by name and reason, also where a promised classifier is missing.
    """
    has_head = any(key.startswith(("timm_model.head.", "timm_model.fc.")) for key in keys)
    if not has_head and any("ForImageClassification" in kind for kind in config.get("architectures") or ()):
        raise ModelError("checkpoint.head_missing", name=name)
    # The wrapper hands on architecture, number of classes and model_args alone (modeling_timm_wrapper.py); what
    # pretrained_cfg says of size or pooling does not change the model that it builds.
    written = config.get("pretrained_cfg") or {}
    shape = {
        "model_args": config.get("model_args") or {},
        "pretrained_cfg": {key: written[key] for key in PREPROCESSING if key in written},
    }
    labels = {key: config[key] for key in ("label_names", "label_descriptions") if key in config}
    plan = plan_from_timm(config["architecture"], {**shape, **labels}, config.get("num_classes") if has_head else 0)
    assumed = plan.assumed
    if not written:
        assumed += (f"preprocessing: config.json has no pretrained_cfg, so that of timm's {config['architecture']}",)
    return replace(plan, prefix="timm_model.", assumed=assumed)


def family_of(architecture: str) -> str:
    """The family's name as people say it."""
    for mark, family in (("dinov3", "DINOv3"), ("dinov2", "DINOv2"), ("deit3", "DeiT III"), ("deit", "DeiT")):
        if mark in architecture:
            return family
    return "ViT"


def config_from_module(model: nn.Module) -> tuple[ViTConfig, bool]:
    """ViTConfig of a timm VisionTransformer or Eva (weights need not exist), and whether its fc1 packs gate and value.

    Looks at every part that can differ; raises Unsupported at the first that our model does not have.
    """
    kind = type(model).__name__
    for module in model.modules():
        if type(module).__name__ in REASONS_BY_MODULE:
            raise Unsupported(REASONS_BY_MODULE[type(module).__name__])
    if kind not in ("VisionTransformer", "VisionTransformerDistilled", "Eva"):
        raise Unsupported(f"its class {kind} is not one stage of global attention over a patch grid")
    _refuse_unknown_parts(model)
    block = model.blocks[0]
    mlp, gated, hidden, activation = _mlp_of(block.mlp)
    patch_rows, patch_cols = model.patch_embed.patch_size
    if patch_rows != patch_cols:
        raise Unsupported("its patches are not square")
    distilled = kind == "VisionTransformerDistilled"
    registers = getattr(model, "num_reg_tokens", None)
    if registers is None:
        registers = model.reg_token.shape[1] if getattr(model, "reg_token", None) is not None else 0
    prefix = model.num_prefix_tokens
    learned = model.pos_embed is not None
    pool = "token" if distilled else model.global_pool or "none"
    config = ViTConfig(
        image_size=_whole_patches(model.patch_embed.img_size, patch_rows),
        patch_px=patch_rows,
        dim=model.embed_dim,
        depth=len(model.blocks),
        heads=block.attn.num_heads,
        head_dim=block.attn.head_dim,
        mlp=mlp,
        mlp_hidden=hidden,
        activation=activation,
        norm=NORMS[type(block.norm1).__name__],
        norm_eps=block.norm1.eps,
        block_norm="post" if type(block).__name__ == "ResPostBlock" else "pre",
        patch_bias=model.patch_embed.proj.bias is not None,
        qkv_bias=_has_qkv_bias(block.attn),
        key_bias=getattr(block.attn, "q_bias", None) is None,
        proj_bias=block.attn.proj.bias is not None,
        mlp_bias=block.mlp.fc2.bias is not None,
        qk_norm=not isinstance(block.attn.q_norm, nn.Identity),
        layer_scale=_has_layer_scale(block),
        class_token=model.cls_token is not None,
        distillation_token=distilled,
        num_registers=registers,
        position="learned" if learned else "none",
        position_prefix=prefix if learned and not getattr(model, "no_embed_class", False) else 0,
        position_resampling="timm",
        rope=_rope_of(model),
        pre_norm=not isinstance(model.norm_pre, nn.Identity),
        final_norm=not (isinstance(model.norm, nn.Identity) and isinstance(model.fc_norm, nn.Identity)),
        pool=pool,
        # timm's Eva pools by attention over all tokens, its VisionTransformer over the patches unless told otherwise.
        pool_includes_prefix=kind == "Eva" if pool == "map" else bool(getattr(model, "pool_include_prefix", False)),
        fc_norm=not isinstance(model.fc_norm, nn.Identity),
        pool_heads=model.attn_pool.num_heads if pool == "map" else None,
        pool_mlp_hidden=model.attn_pool.mlp.fc1.out_features if pool == "map" else None,
        distillation_head=distilled and model.num_classes > 0,
        num_classes=model.num_classes if isinstance(model.head, nn.Linear) else 0,
        head_bias=getattr(model.head, "bias", None) is not None,
    )
    return config, gated


def _whole_patches(size: tuple[int, int], patch_px: int) -> tuple[int, int]:
    """The size without the rim that no patch covers: SigLIP's 384 with patches of 14 sees 378 pixels."""
    return tuple(side // patch_px * patch_px for side in size)


def _rim(size: tuple[int, int], config: ViTConfig) -> tuple[str, ...]:
    """What to say where the native size is not a whole number of patches."""
    if tuple(size) == config.image_size:
        return ()
    return (f"pictures of {config.image_size[0]} px instead of {size[0]}, of which no patch would see the rim",)


def _refuse_unknown_parts(model: nn.Module) -> None:
    """Raises Unsupported for options of timm that change the computation and that our model lacks."""
    block = model.blocks[0]
    attention = block.attn
    if type(attention).__name__ not in ("Attention", "EvaAttention", "AttentionRope"):
        raise Unsupported(f"its attention is {type(attention).__name__}")
    if any(getattr(b.attn, "num_kv_heads", b.attn.num_heads) != b.attn.num_heads for b in model.blocks):
        raise Unsupported("several heads share keys and values (grouped-query attention)")
    if any(b.attn.num_heads != attention.num_heads for b in model.blocks):
        raise Unsupported("its layers differ in their number of heads")
    if getattr(attention, "gate", None) is not None:
        raise Unsupported("its attention output passes a gate")
    if not isinstance(getattr(attention, "norm", nn.Identity()), nn.Identity):
        raise Unsupported("its attention output is normalised before the projection")
    if not isinstance(getattr(block.mlp, "norm", nn.Identity()), nn.Identity):
        raise Unsupported("its MLP normalises inside")
    if model.global_pool not in ("token", "avg", "map", "", None):
        raise Unsupported(f"its pooling {model.global_pool!r} is not part of this model")
    if not isinstance(getattr(model.patch_embed, "norm", nn.Identity()), nn.Identity):
        raise Unsupported("its patch embedding is normalised")
    both = isinstance(model.norm, nn.Identity) or isinstance(model.fc_norm, nn.Identity)
    if not both:
        raise Unsupported("it normalises both before and after pooling")
    if getattr(block, "gamma_1", None) is not None and getattr(block, "gamma_2", None) is None:
        raise Unsupported("it scales the attention branch only")


def _mlp_of(mlp: nn.Module) -> tuple[str, bool, int, str]:
    """(our kind, whether fc1 packs gate and value, hidden width, activation)."""
    kind, activation = type(mlp).__name__, type(mlp.act).__name__
    if activation not in ACTIVATIONS:
        raise Unsupported(f"its activation {activation} is not part of this model")
    if kind == "Mlp":
        return "plain", False, mlp.fc1.out_features, ACTIVATIONS[activation]
    if kind == "GluMlp" and not mlp.gate_last:
        return "gated", True, mlp.fc1.out_features // 2, ACTIVATIONS[activation]
    if kind == "SwiGLU":
        return "gated", True, mlp.fc1_g.out_features, ACTIVATIONS[activation]
    raise Unsupported(f"its MLP is {kind}")


def _has_qkv_bias(attention: nn.Module) -> bool:
    if attention.qkv is None:
        return attention.q_proj.bias is not None
    return attention.qkv.bias is not None or getattr(attention, "q_bias", None) is not None


def _has_layer_scale(block: nn.Module) -> bool:
    return type(getattr(block, "ls1", None)).__name__ == "LayerScale" or getattr(block, "gamma_1", None) is not None


def _rope_of(model: nn.Module) -> RopeConfig | None:
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


def preprocess_from_timm(cfg: dict[str, Any], config: ViTConfig) -> PreprocessSpec:
    """PreprocessSpec from timm's pretrained_cfg; the size is that of the model as built (model_args may change it)."""
    return PreprocessSpec(
        size=config.image_size,
        resize="squash" if cfg.get("crop_mode") == "squash" else "shortest",
        crop_pct=float(cfg.get("crop_pct") or 0.875),
        interpolation=cfg.get("interpolation") or "bicubic",
        mean=tuple(cfg["mean"]),
        std=tuple(cfg["std"]),
        source="timm pretrained_cfg",
    )


def labels_from_timm(hub_config: dict[str, Any], num_classes: int) -> tuple[str, ...] | None:
    """Class names: those in the checkpoint's config.json, else ImageNet's by the number of classes, else None."""
    if not num_classes:
        return None
    names = hub_config.get("label_names")
    if names:
        ordered = [names[k] for k in sorted(names, key=int)] if isinstance(names, dict) else list(names)
        described = hub_config.get("label_descriptions") or {}
        return tuple(described.get(n, n) for n in ordered) if len(ordered) == num_classes else None
    return imagenet_labels(num_classes)


def imagenet_labels(num_classes: int) -> tuple[str, ...] | None:
    """timm's ImageNet class descriptions where the number of classes names a known subset, else None."""
    from timm.data import ImageNetInfo, infer_imagenet_subset

    subset = infer_imagenet_subset({"num_classes": num_classes})
    if subset is None:
        return None
    info = ImageNetInfo(subset)
    return tuple(info.index_to_description(i) for i in range(num_classes))
