"""timm architectures → ViTConfig, read from timm's own registry: a model built on the meta device and looked at.

timm is imported only inside functions: it takes seconds, and files that need no registry should not wait for it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from vit_demo.checkpoints.families import native
from vit_demo.checkpoints.labels import imagenet_names, timm_names
from vit_demo.checkpoints.plan import Plan
from vit_demo.checkpoints.timm_modules import TimmModule, Unsupported, config_from_module
from vit_demo.contract import IMAGENET_MEAN, IMAGENET_STD, ModelError, PreprocessSpec
from vit_demo.model.config import ViTConfig
from vit_demo.model.position import bands_of
from vit_demo.preprocess import RESAMPLING

PREPROCESSING = ("mean", "std", "interpolation", "crop_pct", "crop_mode")  # fields of timm's pretrained_cfg


def plain_vit_names() -> list[str]:
    """Every architecture that timm lists under vit_* and deit*."""
    import timm

    return timm.list_models(["vit_*", "deit*"])


def plan_from_timm(architecture: str, hub_config: dict[str, Any] | None = None, num_classes: int | None = None) -> Plan:
    """The Plan of a timm architecture, with the overrides of a checkpoint's config.json (model_args, pretrained_cfg,
    num_classes, global_pool, label_names). Raises ModelError by name and reason where it cannot be represented."""
    import timm

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
        model = _looked_at(known, cfg, args)
        config, gated = config_from_module(model)
    except Unsupported as error:
        raise ModelError("checkpoint.unsupported", name=architecture, reason=str(error)) from None
    except (TypeError, AssertionError, RuntimeError) as error:
        raise ModelError("checkpoint.unsupported", name=architecture, reason=f"timm says: {error}") from error
    cfg = {**model.pretrained_cfg, **{k: v for k, v in cfg.items() if v is not None}}
    labels, notes = labels_from_timm(hub_config, known, model.pretrained_cfg, config.num_classes)
    fill = {}
    if config.rope is not None and config.rope.kind != "mixed":
        fill["rope_bands"] = (
            bands_of(config.rope, config.attention_head_dim),
            "computed; timm does not store it",
        )
    return Plan(
        config=config,
        rules=native(gated),
        preprocess=preprocess_from_timm(cfg, model.patch_embed.img_size),
        family=family_of(base),
        labels=labels,
        fill=fill,
        assumed=(*notes, *_rim(model.patch_embed.img_size, config)),
    )


def _looked_at(known: str, cfg: dict[str, Any], args: dict[str, Any]) -> TimmModule:
    """timm's model without weights (on the meta device), to be looked at. What timm raises goes on."""
    import timm
    import torch

    with torch.device("meta"):
        # timm itself takes size and channels from pretrained_cfg where model_args are silent.
        return timm.create_model(known, pretrained=False, pretrained_cfg_overlay=_overlay(cfg), **args)


def _overlay(cfg: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint's pretrained_cfg says of the input (timm models/_builder.py, _update_default_model_kwargs), to
    be laid over the registry's own; the number of classes is handed over by name."""
    return {key: cfg[key] for key in ("input_size", "fixed_input_size") if cfg.get(key) is not None}


def _rim(size: tuple[int, int], config: ViTConfig) -> tuple[str, ...]:
    """What to say where the native size is not a whole number of patches."""
    if tuple(size) == config.image_size:
        return ()
    rows, cols = (own - seen for own, seen in zip(size, config.image_size, strict=True))
    return (f"the last {rows} rows and {cols} columns of a picture of {size[0]}×{size[1]} px are in no patch",)


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


def preprocess_from_timm(cfg: dict[str, Any], size: tuple[int, int]) -> PreprocessSpec:
    """PreprocessSpec from timm's pretrained_cfg; the size is that of the model as built (model_args may change it).

    Raises ValueError for a way to crop or to interpolate that is not done here.
    """
    mode, interpolation = cfg.get("crop_mode") or "center", cfg.get("interpolation") or "bicubic"
    if mode not in ("center", "squash") or interpolation not in RESAMPLING:
        raise ValueError(f"its pictures are prepared with crop_mode {mode!r} and interpolation {interpolation!r}")
    mean, std = (tuple(cfg.get(key) or default) for key, default in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)))
    return PreprocessSpec(
        size=(size[0], size[1]),
        resize="squash" if mode == "squash" else "shortest",
        crop_pct=float(cfg.get("crop_pct") or 0.875),
        interpolation=interpolation,
        mean=mean,
        std=std,
        source="timm pretrained_cfg",
    )


def labels_from_timm(
    hub_config: dict[str, Any], known: str, registered: dict[str, Any], num_classes: int
) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """(class names or None, what is assumed of them): the checkpoint's own; without any, ImageNet's where the weights
    are registered with timm (`known`: architecture.tag) and their head has as many classes as the registry says."""
    if not num_classes:
        return None, ()
    inside = hub_config.get("pretrained_cfg") or {}
    if any(config.get(key) for config in (hub_config, inside) for key in ("label_names", "labels")):
        return timm_names(hub_config, num_classes)
    tag = known.partition(".")[2]
    return imagenet_names(tag, num_classes) if num_classes == registered.get("num_classes") else (None, ())
