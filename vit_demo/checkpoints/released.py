"""Files without a config: state dicts as Meta and Google released them, recognised by their names and shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from vit_demo.checkpoints.families import GOOGLE, GOOGLE_PRE_LOGITS, native
from vit_demo.checkpoints.keymaps import Drop
from vit_demo.checkpoints.plan import Plan
from vit_demo.contract import HALF_MEAN, HALF_STD, ModelError, PreprocessSpec
from vit_demo.model.config import RopeConfig, ViTConfig
from vit_demo.model.position import rope_bands

WRAPPERS = ("state_dict", "model", "teacher")  # where files keep the weights, besides at the top
PREFIXES = ("module.", "backbone.", "_orig_mod.")
# Width → heads, as published; a file without a config does not hold the number of heads.
HEADS = {
    "DINO": {192: 3, 384: 6, 768: 12},
    "DeiT": {192: 3, 384: 6, 768: 12},
    "DeiT III": {384: 6, 512: 8, 768: 12, 1024: 16, 1280: 16},
    "DINOv2": {384: 6, 768: 12, 1024: 16, 1536: 24},
    "DINOv3": {192: 3, 384: 6, 768: 12, 1024: 16, 1280: 20, 4096: 32},
}
PROJECTION_HEAD = "DINO's projection head: used in pre-training only, its outputs are not classes"


def unwrap(loaded: Mapping) -> dict[str, Tensor]:
    """The flat state dict in a checkpoint: the teacher of a DINO run, prefixes of wrappers taken off all names."""
    for key in ("teacher", *WRAPPERS):
        if isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    state = {name: value for name, value in loaded.items() if isinstance(value, Tensor)}
    for prefix in PREFIXES * 2:  # "module.backbone." is two of them, in either order
        if state and any(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    # DINOv2's training checkpoints number blocks in chunks, blocks.<chunk>.<i>.
    return {re.sub(r"^blocks\.\d+\.(\d+)\.", r"blocks.\1.", name): value for name, value in state.items()}


def plan_from_state(state: Mapping[str, Tensor], name: str) -> Plan:
    """The Plan of a plain PyTorch state dict of the DINO, DeiT, DINOv2 or DINOv3 families.

    Raises ModelError where it is none of them or the number of heads is not known for its width.
    """
    if "patch_embed.proj.weight" not in state or "cls_token" not in state:
        raise ModelError("checkpoint.no_config", name=name)
    family = _family(state)
    dim, channels, patch_px, _ = state["patch_embed.proj.weight"].shape
    if dim not in HEADS[family]:
        raise ModelError("checkpoint.no_config", name=name)
    depth = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("blocks."))
    mlp, rules = _mlp(state)
    registers = next((state[k].shape[1] for k in ("register_tokens", "storage_tokens") if k in state), 0)
    distilled = "dist_token" in state
    has_head = "head.weight" in state and family in ("DeiT", "DeiT III")
    rope = RopeConfig() if family == "DINOv3" else None
    prefix = 0 if rope or family == "DeiT III" else 1 + distilled
    grid = 0 if rope else round((state["pos_embed"].shape[1] - prefix) ** 0.5)
    heads = HEADS[family][dim]
    fields = dict(
        image_size=(256, 256) if rope else (grid * patch_px, grid * patch_px),
        patch_px=patch_px,
        in_channels=channels,
        dim=dim,
        depth=depth,
        heads=heads,
        norm_eps=1e-5 if rope else 1e-6,
        qkv_bias="blocks.0.attn.qkv.bias" in state,
        key_bias="blocks.0.attn.qkv.bias_mask" not in state,
        layer_scale="blocks.0.ls1.gamma" in state or "blocks.0.gamma_1" in state,
        distillation_token=distilled,
        num_registers=registers,
        position="none" if rope else "learned",
        position_prefix=prefix,
        position_resampling=_resampling(family, registers),
        rope=rope,
        distillation_head=distilled and has_head,
        num_classes=state["head.weight"].shape[0] if has_head else 0,
    )
    config = ViTConfig(**fields, **mlp)
    fill = {}
    if rope and "rope_embed.periods" not in state:
        fill["rope_bands"] = (rope_bands(rope, config.attention_head_dim), "computed; the file does not store it")
    if family == "DINO":
        rules = (Drop("head.{rest}", PROJECTION_HEAD), *rules)
    assumed = (f"{heads} heads and {family}'s preprocessing, as published for width {dim}: the file does not say",)
    return Plan(config, rules, _preprocess(family, config), family, fill=fill, assumed=assumed)


def _family(state: Mapping[str, Tensor]) -> str:
    if "storage_tokens" in state or "rope_embed.periods" in state:
        return "DINOv3"
    if "register_tokens" in state or "mask_token" in state:
        return "DINOv2"
    if "blocks.0.gamma_1" in state or "blocks.0.ls1.gamma" in state:
        return "DeiT III"
    return "DeiT" if "dist_token" in state or "head.weight" in state else "DINO"


def _mlp(state: Mapping[str, Tensor]) -> tuple[dict, tuple]:
    """MLP fields of the config, and the key map that goes with the names found."""
    for key in ("blocks.0.mlp.w12.weight", "blocks.0.mlp.w1.weight"):
        if key in state:
            hidden = state["blocks.0.mlp.w3.weight"].shape[1]
            return dict(mlp="gated", activation="silu", mlp_hidden=hidden), native(gated=True)
    return dict(mlp_hidden=state["blocks.0.mlp.fc1.weight"].shape[0]), native(gated=False)


def _resampling(family: str, registers: int) -> str:
    if family == "DINOv2":
        return "dinov2_reg" if registers else "dino"
    return "dino" if family == "DINO" else "timm"


def _preprocess(family: str, config: ViTConfig) -> PreprocessSpec:
    """As each release's own evaluation does it: 256 → 224 for DINO and DeiT, whole pictures for DINOv2 and DINOv3."""
    if family == "DINOv3":
        return PreprocessSpec((256, 256), "squash", 1.0, "bicubic", source="facebookresearch/dinov3 README")
    if family == "DINOv2":
        return PreprocessSpec(config.image_size, "shortest", 1.0, "bicubic", source="facebookresearch/dinov2")
    source = "facebookresearch/deit" if family.startswith("DeiT") else "facebookresearch/dino eval_knn.py"
    return PreprocessSpec(config.image_size, "shortest", 0.875, "bicubic", source=source)


def plan_from_google(arrays: Mapping[str, Tensor], name: str) -> Plan:
    """The Plan of a google-research/vision_transformer .npz. Raises ModelError where it is none."""
    required = ("embedding/kernel", "Transformer/posembed_input/pos_embedding", "cls")
    query = "Transformer/encoderblock_0/MultiHeadDotProductAttention_1/query/kernel"
    if not all(key in arrays for key in (*required, query)):
        raise ModelError("checkpoint.no_config", name=name)
    patch_px, _, channels, _ = arrays["embedding/kernel"].shape
    dim, heads, head_dim = arrays[query].shape
    grid = round((arrays["Transformer/posembed_input/pos_embedding"].shape[1] - 1) ** 0.5)
    depth = 1 + max(int(m.group(1)) for key in arrays if (m := re.search(r"encoderblock_(\d+)/", key)))
    orphaned = any(key.startswith("pre_logits/") for key in arrays)
    has_head = "head/kernel" in arrays and not orphaned
    config = ViTConfig(
        image_size=(grid * patch_px, grid * patch_px),
        patch_px=patch_px,
        in_channels=channels,
        dim=dim,
        depth=depth,
        heads=heads,
        head_dim=head_dim,
        mlp_hidden=arrays["Transformer/encoderblock_0/MlpBlock_3/Dense_0/kernel"].shape[1],
        activation="gelu_tanh",  # flax's gelu is the tanh form by default (flax linen/activation.py)
        position_resampling="google",
        num_classes=arrays["head/kernel"].shape[1] if has_head else 0,
    )
    rules = (*GOOGLE_PRE_LOGITS, *GOOGLE) if orphaned else GOOGLE
    spec = PreprocessSpec(
        config.image_size, "squash", 1.0, "bilinear", HALF_MEAN, HALF_STD, "google-research/vision_transformer input"
    )
    return Plan(config, rules, spec, "ViT")
