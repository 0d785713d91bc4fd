"""Files without a config: state dicts as Meta, Google and torchvision released them, by their names and shapes.

A family is named where the file's own names prove it, or where the file bears the name under which it was published;
otherwise it is "ViT". What the file does not say is listed as assumed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath

from torch import Tensor

from vit_demo.checkpoints.families import GOOGLE, GOOGLE_PRE_LOGITS, TORCHVISION, native
from vit_demo.checkpoints.keymaps import Drop, Rule
from vit_demo.checkpoints.plan import Plan
from vit_demo.contract import HALF_MEAN, HALF_STD, ModelError, PreprocessSpec
from vit_demo.model.config import Resampling, RopeConfig, ViTConfig
from vit_demo.model.position import bands_of

# Width → heads, as published; a file without a config does not hold the number of heads.
USUAL_HEADS = {192: 3, 384: 6, 512: 8, 768: 12, 1024: 16, 1280: 16}
HEADS = {
    "DINOv2": {384: 6, 768: 12, 1024: 16, 1536: 24},
    "DINOv3": {192: 3, 384: 6, 768: 12, 1024: 16, 1280: 20, 4096: 32},
}
PUBLISHED = (  # file names of facebookresearch/dino and deit; their tensors are named as in any ViT
    (re.compile(r"dino_(deitsmall|vitbase)(8|16)_(300ep_)?pretrain"), "DINO"),
    (re.compile(r"deit_(tiny|small|base)_patch16_(224|384)-"), "DeiT"),
    (re.compile(r"deit_3_(small|medium|base|large|huge)_(224|384)_(1k|21k)"), "DeiT III"),
)
REGISTERS = ("register_tokens", "storage_tokens", "reg_token")
PROJECTION_HEAD = "a projection head: used in pre-training only, its outputs are not classes"
DECODER = "the decoder of a masked autoencoder: used in pre-training only"
ASIDE: dict[str, tuple[Rule, ...]] = {  # parts of training checkpoints, by the name that tells of them
    "dino_head": (Drop("dino_head.{rest}", PROJECTION_HEAD),),
    "ibot_head": (Drop("ibot_head.{rest}", PROJECTION_HEAD),),
    "head.mlp": (Drop("head.{rest}", PROJECTION_HEAD),),
    "head.last_layer": (Drop("head.{rest}", PROJECTION_HEAD),),
    "decoder_pred": (Drop("mask_token", DECODER), Drop("decoder_{rest}", DECODER)),
}


def plan_from_state(state: Mapping[str, Tensor], name: str, file: str = "") -> Plan:
    """The Plan of a plain PyTorch state dict in the names of timm, DINO, DeiT, MAE, DINOv2, DINOv3 or torchvision.

    `file` is the file's own name. Raises ModelError where the names are others, the position table fits no square grid
    or the number of heads is not known for its width.
    """
    if "encoder.pos_embedding" in state and _is_convolution(state, "conv_proj.weight"):
        return _plan_from_torchvision(state, name)
    blocks = any(key.startswith("blocks.0.") for key in state)
    if not blocks or "cls_token" not in state or not _is_convolution(state, "patch_embed.proj.weight"):
        raise ModelError("checkpoint.no_config", name=name)
    dim, _, patch_px, _ = state["patch_embed.proj.weight"].shape
    rope = RopeConfig() if _any(state, "storage_tokens", "rope_embed.periods") else None
    distilled = "dist_token" in state
    registers = next((state[k].shape[1] for k in REGISTERS if k in state), 0)
    prefix, grid = (0, 0) if rope else _grid_of(state, 1 + distilled, registers, name)
    family, proven = _family(state, PurePath(file or name).name)
    heads = HEADS.get(family, USUAL_HEADS).get(dim)
    if heads is None:
        raise ModelError("checkpoint.no_config", name=name)
    mlp, rules = _mlp(state, name)
    config = ViTConfig(
        image_size=(256, 256) if rope else (grid * patch_px, grid * patch_px),
        patch_px=patch_px,
        heads=heads,
        norm_eps=1e-5 if rope else 1e-6,
        num_registers=registers,
        position="none" if rope else "learned",
        position_prefix=prefix,
        position_resampling=_resampling(family, registers),
        rope=rope,
        **_parts(state, family),
        **mlp,
    )
    fill = {}
    if rope and "rope_embed.periods" not in state:
        fill["rope_bands"] = (
            bands_of(rope, config.attention_head_dim),
            "computed; the file does not store it",
        )
    for mark, drops in ASIDE.items():
        if any(key.startswith(f"{mark}.") for key in state):
            rules = (*drops, *rules)
    spec = _preprocess(family, config)
    return Plan(config, rules, spec, family, fill=fill, assumed=_assumed(family, proven, config, spec))


def _parts(state: Mapping[str, Tensor], family: str) -> dict:
    """Fields of the config that follow from which tensors there are."""
    has_head = "head.weight" in state and family not in ("DINOv2", "DINOv3")
    averages = "fc_norm.weight" in state  # the norm after the pooling: the head reads the mean of the patches
    distilled = "dist_token" in state
    return dict(
        dim=state["patch_embed.proj.weight"].shape[0],
        in_channels=state["patch_embed.proj.weight"].shape[1],
        depth=1 + max(int(key.split(".")[1]) for key in state if key.startswith("blocks.")),
        qkv_bias="blocks.0.attn.qkv.bias" in state,
        key_bias="blocks.0.attn.qkv.bias_mask" not in state,
        layer_scale=_any(state, "blocks.0.ls1.gamma", "blocks.0.gamma_1"),
        distillation_token=distilled,
        pool="avg" if averages else "token",
        fc_norm=averages,
        distillation_head=distilled and has_head,
        num_classes=state["head.weight"].shape[0] if has_head else 0,
    )


def _is_convolution(state: Mapping[str, Tensor], name: str) -> bool:
    return name in state and state[name].dim() == 4


def _any(state: Mapping[str, Tensor], *names: str) -> bool:
    return any(name in state for name in names)


def _grid_of(state: Mapping[str, Tensor], placed: int, registers: int, name: str) -> tuple[int, int]:
    """(prefix tokens in the position table, side of the square grid): the rows that are left must make a square."""
    rows = state["pos_embed"].shape[1] if "pos_embed" in state else 0
    for prefix in (0, placed, placed + registers):
        side = round(max(rows - prefix, 0) ** 0.5)
        if side and side**2 == rows - prefix:
            return prefix, side
    raise ModelError("checkpoint.no_config", name=name)


def _family(state: Mapping[str, Tensor], file: str) -> tuple[str, bool]:
    """The family, and whether the tensors prove it (else the file's published name does). "ViT" where nothing does:
    DINO's released backbones, DeiT, MAE's encoders and Google's augreg in timm's names are all named alike, and timm
    names DeiT III as it does models with rotary positions, which it does not store."""
    projection = _any(state, "head.mlp.0.weight", "head.last_layer.weight_g", "head.last_layer.weight")
    of_ibot = any(key.startswith(("head.mlp2", "head.last_layer2")) for key in state)
    mask = state.get("mask_token")
    proofs = {
        "DINOv3": _any(state, "storage_tokens", "rope_embed.periods"),
        "DINOv2": "register_tokens" in state
        or any(key.startswith(("dino_head.", "ibot_head.")) for key in state)
        or (mask is not None and mask.dim() == 2 and "blocks.0.ls1.gamma" in state),
        "DeiT": "dist_token" in state,
        "MAE": "decoder_pred.weight" in state,
        "DINO": projection and not of_ibot,
    }
    for family, proven in proofs.items():
        if proven:
            return family, True
    return next((family for pattern, family in PUBLISHED if pattern.match(file)), "ViT"), False


def _assumed(family: str, proven: bool, config: ViTConfig, spec: PreprocessSpec) -> tuple[str, ...]:
    """What to say of all that stands in no file of this kind."""
    rows, cols = config.native_grid
    shape = f"{config.heads} heads, {config.activation}, a norm epsilon of {config.norm_eps:g}, {rows}×{cols} patches"
    if family == "ViT":
        shape += ", no rotary positions"
        if config.num_classes and config.pool == "token":
            shape += ", a head that reads the class token"
        return (f"{shape}, as is usual for width {config.dim}", _assumed_preprocess(spec))
    known = f"{shape} and {family}'s preprocessing, as published for width {config.dim}: the file does not say"
    return (known,) if proven else (known, f"the family {family}: from the file's name, its tensors do not say")


def _assumed_preprocess(spec: PreprocessSpec) -> str:
    side, (height, width) = round(spec.size[0] / spec.crop_pct), spec.size
    return (
        f"preprocessing: shorter side to {side} px ({spec.interpolation}), crop of {height}×{width}, ImageNet's mean "
        "and deviation; a config.json beside the file settles all of this"
    )


def _mlp(state: Mapping[str, Tensor], name: str) -> tuple[dict, tuple]:
    """MLP fields of the config, and the key map that goes with the names found."""
    for key in ("blocks.0.mlp.w12.weight", "blocks.0.mlp.w1.weight"):
        if key in state:
            hidden = state["blocks.0.mlp.w3.weight"].shape[1]
            return dict(mlp="gated", activation="silu", mlp_hidden=hidden), native(gated=True)
    if "blocks.0.mlp.fc1.weight" not in state:
        raise ModelError("checkpoint.no_config", name=name)
    return dict(mlp_hidden=state["blocks.0.mlp.fc1.weight"].shape[0]), native(gated=False)


def _resampling(family: str, registers: int) -> Resampling:
    if family == "DINOv2":
        return "dinov2_reg" if registers else "dino"
    return "dino" if family == "DINO" else "timm"


def _preprocess(family: str, config: ViTConfig) -> PreprocessSpec:
    """As each release's own evaluation does it: 256 → 224 for DINO, DeiT and MAE, whole pictures for DINOv2, DINOv3."""
    if family == "DINOv3":
        return PreprocessSpec((256, 256), "squash", 1.0, "bicubic", source="facebookresearch/dinov3 README")
    if family == "DINOv2":
        return PreprocessSpec(config.image_size, "shortest", 1.0, "bicubic", source="facebookresearch/dinov2")
    source = {
        "DINO": "facebookresearch/dino eval_knn.py",
        "MAE": "facebookresearch/mae main_linprobe.py",
        "ViT": "assumed: the file does not say",
    }.get(family, "facebookresearch/deit")
    return PreprocessSpec(config.image_size, "shortest", 0.875, "bicubic", source=source)


def _plan_from_torchvision(state: Mapping[str, Tensor], name: str) -> Plan:
    """The Plan of a torchvision.models.VisionTransformer's state dict (torchvision models/vision_transformer.py)."""
    if any(key.startswith("heads.pre_logits.") for key in state):
        reason = "a tanh layer stands between features and head (representation_size)"
        raise ModelError("checkpoint.unsupported", name=name, reason=reason)
    dim, channels, patch_px, _ = state["conv_proj.weight"].shape
    side = round(max(state["encoder.pos_embedding"].shape[1] - 1, 0) ** 0.5)
    layers = [int(m[1]) for key in state if (m := re.match(r"encoder\.layers\.encoder_layer_(\d+)\.", key))]
    first = "encoder.layers.encoder_layer_0.mlp."
    hidden = next((state[first + k].shape[0] for k in ("0.weight", "linear_1.weight") if first + k in state), 0)
    if dim not in USUAL_HEADS or not layers or not hidden:
        raise ModelError("checkpoint.no_config", name=name)
    config = ViTConfig(
        image_size=(side * patch_px, side * patch_px),
        patch_px=patch_px,
        in_channels=channels,
        dim=dim,
        depth=1 + max(layers),
        heads=USUAL_HEADS[dim],
        mlp_hidden=hidden,
        num_classes=state["heads.head.weight"].shape[0] if "heads.head.weight" in state else 0,
    )
    # IMAGENET1K_V1 and the linear SWAG weights are of 224 px, those that were tuned end to end of 384 and 518: whole.
    crop_pct, interpolation = (0.875, "bilinear") if config.image_size == (224, 224) else (1.0, "bicubic")
    source = "assumed: torchvision's weights of this size"
    spec = PreprocessSpec(config.image_size, "shortest", crop_pct, interpolation, source=source)
    return Plan(config, TORCHVISION, spec, "ViT", assumed=_assumed("ViT", False, config, spec))


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
