"""timm architectures → ViTConfig, read from timm's own registry: a model built on the meta device and looked at.

timm is imported only inside functions: it takes seconds, and files that need no registry should not wait for it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from vit_demo.checkpoints.families import native
from vit_demo.checkpoints.plan import Plan
from vit_demo.checkpoints.timm_modules import Unsupported, config_from_module
from vit_demo.contract import ModelError, PreprocessSpec
from vit_demo.model.config import ViTConfig
from vit_demo.model.position import rope_bands

PREPROCESSING = ("mean", "std", "interpolation", "crop_pct", "crop_mode")  # fields of timm's pretrained_cfg


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
            # timm itself takes size and channels from pretrained_cfg where model_args are silent.
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
    """What a checkpoint's pretrained_cfg says of the input (timm models/_builder.py, _update_default_model_kwargs), to
    be laid over the registry's own; the number of classes is handed over by name."""
    return {key: cfg[key] for key in ("input_size", "fixed_input_size") if cfg.get(key) is not None}


def _rim(size: tuple[int, int], config: ViTConfig) -> tuple[str, ...]:
    """What to say where the native size is not a whole number of patches."""
    if tuple(size) == config.image_size:
        return ()
    return (f"pictures of {config.image_size[0]} px instead of {size[0]}, of which no patch would see the rim",)


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
