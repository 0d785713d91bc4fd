"""transformers' config.json → Plan, for ViT, DeiT, Dinov2, Dinov2WithRegisters and DINOv3ViT.

Field names and defaults are those of transformers' configuration classes; `save_pretrained` writes them all, older
files leave defaults out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor

from vit_demo.checkpoints.families import HF_DINOV2, HF_VIT, hf_dinov3
from vit_demo.checkpoints.labels import names_by_output
from vit_demo.checkpoints.plan import Plan
from vit_demo.checkpoints.processors import preprocess_from_transformers
from vit_demo.contract import ModelError
from vit_demo.model.config import RopeConfig, ViTConfig
from vit_demo.model.position import bands_of

MODEL_TYPES = ("vit", "deit", "dinov2", "dinov2_with_registers", "dinov3_vit")
FAMILY = {"vit": "ViT", "deit": "DeiT", "dinov2": "DINOv2", "dinov2_with_registers": "DINOv2", "dinov3_vit": "DINOv3"}
PREFIX = {
    "vit": "vit.",
    "deit": "deit.",
    "dinov2": "dinov2.",
    "dinov2_with_registers": "dinov2_with_registers.",
    "dinov3_vit": "dinov3_vit.",
}
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "quick_gelu": "quick_gelu",
    "silu": "silu",
}
PROBLEM_TYPES = ("single_label_classification", "multi_label_classification")


def plan_from_transformers(
    config: dict[str, Any], preprocessor: dict[str, Any] | None, state: Mapping[str, Tensor], name: str
) -> Plan:
    """The Plan of a transformers checkpoint. `state` are the tensors in the file: they say whether it has a head, and
    of how many classes.

    Raises ModelError where the model type or an option cannot be represented, or a promised classifier is missing.
    """
    kind = config.get("model_type", "")
    if kind not in MODEL_TYPES:
        reason = f"model type {kind!r} is not one of {', '.join(MODEL_TYPES)}"
        raise ModelError("checkpoint.unsupported", name=name, reason=reason)
    head, distilled = _head_of(config, state, name)
    labels, notes = _labels(config, head)
    height, width = native = _pair(config.get("image_size", 224))
    preprocess, how = preprocess_from_transformers(preprocessor, kind, native)
    build = {"vit": _vit, "deit": _vit, "dinov3_vit": _dinov3}.get(kind, _dinov2)
    fields, rules = build(config, state)
    activation = config.get("hidden_act", "gelu")
    if activation not in ACTIVATIONS:
        reason = f"activation {activation!r} is not part of this model"
        raise ModelError("checkpoint.unsupported", name=name, reason=reason)
    fields.setdefault("activation", ACTIVATIONS[activation])
    patch_px = _single(config.get("patch_size", 16))
    try:
        vit = ViTConfig(
            dim=config["hidden_size"],
            depth=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            image_size=(height // patch_px * patch_px, width // patch_px * patch_px),  # the convolution drops a rim
            patch_px=patch_px,
            in_channels=config.get("num_channels", 3),
            num_classes=head,
            multi_label=config.get("problem_type") == "multi_label_classification",
            distillation_head=distilled,
            **fields,
        )
    except (KeyError, ValueError) as error:
        raise ModelError("checkpoint.unsupported", name=name, reason=str(error)) from error
    fill = {}
    if vit.rope is not None:
        bands = bands_of(vit.rope, vit.attention_head_dim)
        fill["rope_bands"] = (bands, "computed; transformers does not store it")
    return Plan(
        config=vit,
        rules=rules,
        preprocess=preprocess,
        family=FAMILY[kind],
        prefix=PREFIX[kind],
        labels=labels,
        fill=fill,
        assumed=(*notes, *how),
    )


def _head_of(config: dict[str, Any], state: Mapping[str, Tensor], name: str) -> tuple[int, bool]:
    """(number of classes, whether the distillation token has a head). A promised head that is missing is an error."""
    promised = any("ForImageClassification" in a for a in config.get("architectures") or ())
    found = [key for key in ("classifier.weight", "cls_classifier.weight") if key in state]
    if promised and not found:
        raise ModelError("checkpoint.head_missing", name=name)
    if not found:
        return 0, False
    classes = state[found[0]].shape[0]
    problem = config.get("problem_type")
    if problem is not None and problem not in PROBLEM_TYPES:
        reason = f"its head has the problem_type {problem!r}, and only probabilities of classes are shown"
        raise ModelError("checkpoint.unsupported", name=name, reason=reason)
    return classes, "distillation_classifier.weight" in state


def _vit(config: dict[str, Any], keys: Collection[str]) -> tuple[dict[str, Any], tuple]:
    distilled = config["model_type"] == "deit"
    fields = dict(
        mlp_hidden=config.get("intermediate_size", 3072),
        norm_eps=config.get("layer_norm_eps", 1e-12),
        qkv_bias=config.get("qkv_bias", True),
        distillation_token=distilled,
        position_prefix=2 if distilled else 1,
        position_resampling="transformers",
    )
    return fields, HF_VIT


def _dinov2(config: dict[str, Any], keys: Collection[str]) -> tuple[dict[str, Any], tuple]:
    registers = config["model_type"] == "dinov2_with_registers"
    dim = config["hidden_size"]
    hidden = int(dim * config.get("mlp_ratio", 4))
    fields = dict(
        mlp_hidden=hidden,
        norm_eps=config.get("layer_norm_eps", 1e-6),
        qkv_bias=config.get("qkv_bias", True),
        layer_scale=True,
        num_registers=config.get("num_register_tokens", 4) if registers else 0,
        position_resampling="dinov2_reg" if registers else "transformers",
        pool="token+avg",
    )
    if config.get("use_swiglu_ffn"):
        # Two thirds of the width, rounded up to a multiple of 8: dinov2 layers/swiglu_ffn.py
        fields.update(mlp="gated", activation="silu", mlp_hidden=(int(hidden * 2 / 3) + 7) // 8 * 8)
    return fields, HF_DINOV2


def _dinov3(config: dict[str, Any], keys: Collection[str]) -> tuple[dict[str, Any], tuple]:
    gated, key_bias = bool(config.get("use_gated_mlp")), bool(config.get("key_bias", False))
    query, value = config.get("query_bias", True), config.get("value_bias", True)
    if query != value:
        raise ModelError("checkpoint.unsupported", name="DINOv3ViT", reason="only one of query and value has a bias")
    fields = dict(
        mlp="gated" if gated else "plain",
        mlp_hidden=config["intermediate_size"],
        norm_eps=config.get("layer_norm_eps", 1e-5),
        qkv_bias=bool(query),
        key_bias=key_bias,
        proj_bias=config.get("proj_bias", True),
        mlp_bias=config.get("mlp_bias", True),
        layer_scale=True,
        num_registers=config.get("num_register_tokens", 0),
        position="none",
        position_prefix=0,
        rope=RopeConfig("centred", float(config.get("rope_theta", 100.0)), "yx", "half"),
    )
    return fields, hf_dinov3(gated, key_bias)


def _labels(config: dict[str, Any], classes: int) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """(a name for every output or None, what to say of them) from id2label, which maps output numbers to names."""
    names = config.get("id2label") or {}
    if not isinstance(names, Mapping):
        raise ValueError("id2label does not map numbers to names")
    return names_by_output(names, classes) if classes else (None, ())


def _pair(value: Any) -> tuple[int, int]:
    if not isinstance(value, list | tuple):
        return value, value
    if len(value) != 2:
        raise ValueError(f"{value!r} is not a height and a width")
    return value[0], value[1]


def _single(value: Any) -> int:
    first, second = _pair(value)
    if first != second:
        raise ValueError("patches are not square")
    return first
