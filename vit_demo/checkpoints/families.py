"""The key map of each family of checkpoints. Our names stand on the right."""

from __future__ import annotations

import torch
from torch import Tensor

from vit_demo.checkpoints.keymaps import Combine, Drop, Fuse, Rename, Reshape, Rule, Split

MASK_TOKEN = "used in pre-training only, where patches are hidden"
POOLER = "a layer for fine-tuning that reads the class token; the features stand before it"


def masked_bias(bias: Tensor, mask: Tensor) -> Tensor:
    """DINOv3's qkv bias: the key third is switched off by a saved mask of 1/0/1 (dinov3 layers/attention.py)."""
    if not bool(((mask == 0) | (mask == 1)).all()):
        raise ValueError("qkv.bias_mask holds values other than 0 and 1: the file was saved before its initialisation")
    return torch.where(mask == 0, torch.zeros_like(bias), bias)


# timm's VisionTransformer, and DINO, DINOv2, DINOv3 and DeiT as their authors released them.
NATIVE: tuple[Rule, ...] = (
    Rename("cls_token", "class_token"),
    Rename("dist_token", "distillation_token"),
    Rename("reg_token", "register_tokens"),
    Rename("register_tokens", "register_tokens"),
    Rename("storage_tokens", "register_tokens"),
    Drop("mask_token", MASK_TOKEN),
    Rename("pos_embed", "position"),
    Rename("patch_embed.proj.{wb}", "patch_embed.{wb}"),
    Rename("patch_embed.norm.{wb}", "patch_norm.{wb}"),
    Rename("norm_pre.{wb}", "norm_pre.{wb}"),
    Rename("blocks.{i}.norm1.{wb}", "blocks.{i}.norm1.{wb}"),
    Combine(("blocks.{i}.attn.qkv.bias", "blocks.{i}.attn.qkv.bias_mask"), "blocks.{i}.attn.qkv.bias", masked_bias),
    Rename("blocks.{i}.attn.qkv.{wb}", "blocks.{i}.attn.qkv.{wb}"),
    Fuse(("blocks.{i}.attn.q_bias", "blocks.{i}.attn.v_bias"), "blocks.{i}.attn.qkv.bias", zero_at=1),
    *(
        Fuse(tuple(f"blocks.{{i}}.attn.{part}_proj.{wb}" for part in "qkv"), f"blocks.{{i}}.attn.qkv.{wb}")
        for wb in ("weight", "bias")
    ),
    Fuse(("blocks.{i}.attn.q_proj.bias", "blocks.{i}.attn.v_proj.bias"), "blocks.{i}.attn.qkv.bias", zero_at=1),
    Rename("blocks.{i}.attn.norm.{wb}", "blocks.{i}.attn.norm.{wb}"),
    Rename("blocks.{i}.mlp.norm.{wb}", "blocks.{i}.mlp.norm.{wb}"),
    Rename("blocks.{i}.attn.q_norm.{wb}", "blocks.{i}.attn.q_norm.{wb}"),
    Rename("blocks.{i}.attn.k_norm.{wb}", "blocks.{i}.attn.k_norm.{wb}"),
    Rename("blocks.{i}.attn.proj.{wb}", "blocks.{i}.attn.proj.{wb}"),
    Rename("blocks.{i}.ls1.gamma", "blocks.{i}.scale1.gamma"),
    Rename("blocks.{i}.ls2.gamma", "blocks.{i}.scale2.gamma"),
    Rename("blocks.{i}.gamma_1", "blocks.{i}.scale1.gamma"),
    Rename("blocks.{i}.gamma_2", "blocks.{i}.scale2.gamma"),
    Rename("blocks.{i}.norm2.{wb}", "blocks.{i}.norm2.{wb}"),
    Rename("blocks.{i}.mlp.fc1_g.{wb}", "blocks.{i}.mlp.gate.{wb}"),
    Rename("blocks.{i}.mlp.fc1_x.{wb}", "blocks.{i}.mlp.value.{wb}"),
    Split("blocks.{i}.mlp.w12.{wb}", ("blocks.{i}.mlp.gate.{wb}", "blocks.{i}.mlp.value.{wb}")),
    Rename("blocks.{i}.mlp.w1.{wb}", "blocks.{i}.mlp.gate.{wb}"),
    Rename("blocks.{i}.mlp.w2.{wb}", "blocks.{i}.mlp.value.{wb}"),
    Rename("blocks.{i}.mlp.w3.{wb}", "blocks.{i}.mlp.out.{wb}"),
    Rename("norm.{wb}", "norm.{wb}"),
    Rename("fc_norm.{wb}", "fc_norm.{wb}"),
    Rename("rope.freqs", "rope_bands"),
    Rename("rope_embed.periods", "rope_bands"),
    Drop("local_cls_norm.{wb}", "a norm for DINOv3's small training crops; the global one is used"),
    Rename("attn_pool.latent", "attention_pool.latent"),
    Rename("attn_pool.mlp.{rest}", "attention_pool.{rest}"),
    Rename("attn_pool.{rest}", "attention_pool.{rest}"),
    Rename("head.{wb}", "head.{wb}"),
    Rename("head_dist.{wb}", "head_dist.{wb}"),
)

PLAIN_MLP: tuple[Rule, ...] = (
    Rename("blocks.{i}.mlp.fc1.{wb}", "blocks.{i}.mlp.fc1.{wb}"),
    Rename("blocks.{i}.mlp.fc2.{wb}", "blocks.{i}.mlp.fc2.{wb}"),
)
# timm packs gate and value in one fc1 (GluMlp, gate first), or names them fc1_g and fc1_x (SwiGLU); fc2 leads out.
PACKED_MLP: tuple[Rule, ...] = (
    Split("blocks.{i}.mlp.fc1.{wb}", ("blocks.{i}.mlp.gate.{wb}", "blocks.{i}.mlp.value.{wb}")),
    Rename("blocks.{i}.mlp.fc2.{wb}", "blocks.{i}.mlp.out.{wb}"),
)


def native(gated: bool) -> tuple[Rule, ...]:
    """timm's and the original releases' names."""
    return NATIVE + (PACKED_MLP if gated else PLAIN_MLP)


def _hf_layers(
    layer: str, norms: tuple[str, str], qkv: tuple[str, ...], out: str, key_bias: bool = True
) -> tuple[Rule, ...]:
    """What transformers' ViT families share: separate q, k, v to be fused, two norms, an output projection."""
    q, k, v = (f"{layer}.{part}" for part in qkv)
    ours = "blocks.{i}"
    biases = (q, k, v) if key_bias else (q, v)
    return (
        Fuse(tuple(f"{part}.weight" for part in (q, k, v)), f"{ours}.attn.qkv.weight"),
        Fuse(tuple(f"{part}.bias" for part in biases), f"{ours}.attn.qkv.bias", zero_at=None if key_bias else 1),
        Rename(f"{layer}.{norms[0]}.{{wb}}", f"{ours}.norm1.{{wb}}"),
        Rename(f"{layer}.{norms[1]}.{{wb}}", f"{ours}.norm2.{{wb}}"),
        Rename(f"{layer}.{out}.{{wb}}", f"{ours}.attn.proj.{{wb}}"),
        Rename(f"{layer}.layer_scale1.lambda1", f"{ours}.scale1.gamma"),
        Rename(f"{layer}.layer_scale2.lambda1", f"{ours}.scale2.gamma"),
    )


# torchvision's VisionTransformer; files of before 0.12 call the MLP's layers linear_1 and linear_2
_TORCHVISION_LAYER = "encoder.layers.encoder_layer_{i}"
TORCHVISION: tuple[Rule, ...] = (
    Rename("class_token", "class_token"),
    Rename("conv_proj.{wb}", "patch_embed.{wb}"),
    Rename("encoder.pos_embedding", "position"),
    *(
        Rename(f"{_TORCHVISION_LAYER}.{theirs}{{wb}}", f"blocks.{{i}}.{ours}.{{wb}}")
        for theirs, ours in (
            ("ln_1.", "norm1"),
            ("self_attention.in_proj_", "attn.qkv"),
            ("self_attention.out_proj.", "attn.proj"),
            ("ln_2.", "norm2"),
            ("mlp.0.", "mlp.fc1"),
            ("mlp.3.", "mlp.fc2"),
            ("mlp.linear_1.", "mlp.fc1"),
            ("mlp.linear_2.", "mlp.fc2"),
        )
    ),
    Rename("encoder.ln.{wb}", "norm.{wb}"),
    Rename("heads.head.{wb}", "head.{wb}"),
)

HF_EMBEDDINGS: tuple[Rule, ...] = (
    Rename("embeddings.cls_token", "class_token"),
    Rename("embeddings.distillation_token", "distillation_token"),
    Rename("embeddings.register_tokens", "register_tokens"),
    Drop("embeddings.mask_token", MASK_TOKEN),
    Rename("embeddings.position_embeddings", "position"),
    Rename("embeddings.patch_embeddings.projection.{wb}", "patch_embed.{wb}"),
    Rename("layernorm.{wb}", "norm.{wb}"),
    Drop("pooler.dense.{wb}", POOLER),
    Rename("classifier.{wb}", "head.{wb}"),
    Rename("cls_classifier.{wb}", "head.{wb}"),
    Rename("distillation_classifier.{wb}", "head_dist.{wb}"),
)

HF_LAYER, HF_OUT = "encoder.layer.{i}", "attention.output.dense"
HF_QKV = tuple(f"attention.attention.{part}" for part in ("query", "key", "value"))

HF_VIT: tuple[Rule, ...] = (
    *HF_EMBEDDINGS,
    *_hf_layers(HF_LAYER, ("layernorm_before", "layernorm_after"), HF_QKV, HF_OUT),
    Rename("encoder.layer.{i}.intermediate.dense.{wb}", "blocks.{i}.mlp.fc1.{wb}"),
    Rename("encoder.layer.{i}.output.dense.{wb}", "blocks.{i}.mlp.fc2.{wb}"),
)

HF_DINOV2: tuple[Rule, ...] = (
    *HF_EMBEDDINGS,
    *_hf_layers(HF_LAYER, ("norm1", "norm2"), HF_QKV, HF_OUT),
    Rename("encoder.layer.{i}.mlp.fc1.{wb}", "blocks.{i}.mlp.fc1.{wb}"),
    Rename("encoder.layer.{i}.mlp.fc2.{wb}", "blocks.{i}.mlp.fc2.{wb}"),
    Split("encoder.layer.{i}.mlp.weights_in.{wb}", ("blocks.{i}.mlp.gate.{wb}", "blocks.{i}.mlp.value.{wb}")),
    Rename("encoder.layer.{i}.mlp.weights_out.{wb}", "blocks.{i}.mlp.out.{wb}"),
)


def hf_dinov3(gated: bool, key_bias: bool) -> tuple[Rule, ...]:
    """transformers' DINOv3ViT: layers without an encoder in between, projections named q_proj, k_proj, v_proj."""
    mlp = (("gate", "gate_proj"), ("value", "up_proj"), ("out", "down_proj"))
    qkv = tuple(f"attention.{part}_proj" for part in "qkv")
    if not gated:
        mlp = (("fc1", "up_proj"), ("fc2", "down_proj"))
    return (
        *HF_EMBEDDINGS[:5],
        Rename("embeddings.patch_embeddings.{wb}", "patch_embed.{wb}"),
        Rename("norm.{wb}", "norm.{wb}"),
        Rename("classifier.{wb}", "head.{wb}"),
        *_hf_layers("layer.{i}", ("norm1", "norm2"), qkv, "attention.o_proj", key_bias),
        *(Rename(f"layer.{{i}}.mlp.{theirs}.{{wb}}", f"blocks.{{i}}.mlp.{ours}.{{wb}}") for ours, theirs in mlp),
    )


def _google_attention(i: str, block: str) -> tuple[Rule, ...]:
    attention = f"{block}/MultiHeadDotProductAttention_1"

    def heads_last(*kernels: Tensor) -> Tensor:  # q, k, v kernels (D, h, d) → rows of a Linear (3·h·d, D)
        return torch.cat([kernel.flatten(1).T for kernel in kernels])

    def flat(*biases: Tensor) -> Tensor:  # (h, d) each
        return torch.cat([bias.flatten() for bias in biases])

    names = ("query", "key", "value")
    return (
        Combine(tuple(f"{attention}/{n}/kernel" for n in names), f"blocks.{i}.attn.qkv.weight", heads_last),
        Combine(tuple(f"{attention}/{n}/bias" for n in names), f"blocks.{i}.attn.qkv.bias", flat),
        Reshape(f"{attention}/out/kernel", f"blocks.{i}.attn.proj.weight", lambda kernel: kernel.flatten(0, 1).T),
        Rename(f"{attention}/out/bias", f"blocks.{i}.attn.proj.bias"),
    )


def _google_dense(source: str, target: str) -> tuple[Rule, ...]:
    return (
        Reshape(f"{source}/kernel", f"{target}.weight", lambda kernel: kernel.T),
        Rename(f"{source}/bias", f"{target}.bias"),
    )


def _google_norm(source: str, target: str) -> tuple[Rule, ...]:
    return Rename(f"{source}/scale", f"{target}.weight"), Rename(f"{source}/bias", f"{target}.bias")


_BLOCK = "Transformer/encoderblock_{i}"
# google-research/vision_transformer .npz (flax names); convolutions are HWIO, dense kernels (in, out).
GOOGLE: tuple[Rule, ...] = (
    Rename("cls", "class_token"),
    Rename("Transformer/posembed_input/pos_embedding", "position"),
    Reshape("embedding/kernel", "patch_embed.weight", lambda kernel: kernel.permute(3, 2, 0, 1)),
    Rename("embedding/bias", "patch_embed.bias"),
    *_google_attention("{i}", _BLOCK),
    *_google_norm(f"{_BLOCK}/LayerNorm_0", "blocks.{i}.norm1"),
    *_google_norm(f"{_BLOCK}/LayerNorm_2", "blocks.{i}.norm2"),
    *_google_dense(f"{_BLOCK}/MlpBlock_3/Dense_0", "blocks.{i}.mlp.fc1"),
    *_google_dense(f"{_BLOCK}/MlpBlock_3/Dense_1", "blocks.{i}.mlp.fc2"),
    *_google_norm("Transformer/encoder_norm", "norm"),
    *_google_dense("head", "head"),
)
GOOGLE_PRE_LOGITS: tuple[Rule, ...] = (
    Drop("pre_logits/{rest}", "a tanh layer between features and the 21k head, which this model does not have"),
    Drop("head/{rest}", "the 21k head reads the pre_logits layer, which this model does not have"),
)
