"""How a trained model is written: as transformers' ViT in float16, so that it is read like any other checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from vit_demo.model import VisionTransformer, ViTConfig
from vit_demo.training.evaluate import MNIST_MEAN, MNIST_STD

# Ours → transformers' on disk, within a layer.
LAYER = {
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "attn.proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
OUTSIDE = {
    "class_token": "embeddings.cls_token",
    "position": "embeddings.position_embeddings",
    "patch_embed.weight": "embeddings.patch_embeddings.projection.weight",
    "patch_embed.bias": "embeddings.patch_embeddings.projection.bias",
    "norm.weight": "layernorm.weight",
    "norm.bias": "layernorm.bias",
}
CHANNELS = 3


def in_three_channels(weight: Tensor) -> Tensor:
    """A grey patch projection (D, 1, P, P) as one of RGB pictures (D, 3, P, P): a third of it for each channel.

    A grey picture in three equal channels gives the very same tokens; one in colour is seen by its mean.
    """
    return weight.expand(-1, CHANNELS, -1, -1) / CHANNELS


def to_transformers(state: dict[str, Tensor], has_head: bool) -> dict[str, Tensor]:
    """Our state dict under transformers' names: ViTForImageClassification's, or ViTModel's without a head."""
    prefix = "vit." if has_head else ""
    out = {}
    for key, tensor in state.items():
        tensor = in_three_channels(tensor) if key == "patch_embed.weight" else tensor
        if key in OUTSIDE:
            out[prefix + OUTSIDE[key]] = tensor
        elif key.startswith("head."):
            out["classifier." + key.removeprefix("head.")] = tensor
        else:
            _, layer, inside = key.split(".", 2)
            module, kind = inside.rsplit(".", 1)
            there = f"{prefix}encoder.layer.{layer}."
            if module == "attn.qkv":
                for part, third in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                    out[f"{there}attention.attention.{part}.{kind}"] = third
            else:
                out[f"{there}{LAYER[module]}.{kind}"] = tensor
    return out


def write_weights(model: VisionTransformer, file: Path) -> None:
    """The model's weights in float16, whole or not at all."""
    state = to_transformers(model.state_dict(), model.config.num_classes > 0)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".unfinished")
    save_file({k: t.detach().to(torch.float16).contiguous() for k, t in state.items()}, unfinished)
    unfinished.replace(file)


def write_settings(config: ViTConfig, folder: Path) -> None:
    """config.json and preprocessor_config.json beside the weights, as transformers writes them."""
    settings = {
        "architectures": ["ViTForImageClassification" if config.num_classes else "ViTModel"],
        "model_type": "vit",
        "hidden_size": config.dim,
        "num_hidden_layers": config.depth,
        "num_attention_heads": config.heads,
        "intermediate_size": config.mlp_hidden,
        "hidden_act": "gelu",
        "layer_norm_eps": config.norm_eps,
        "qkv_bias": config.qkv_bias,
        "image_size": config.image_size[0],
        "patch_size": config.patch_px,
        "num_channels": CHANNELS,
        "license": "apache-2.0",
    }
    if config.num_classes:
        names = [str(digit) for digit in range(config.num_classes)]
        settings["id2label"] = dict(enumerate(names))
        settings["label2id"] = {name: index for index, name in enumerate(names)}
    height, width = config.image_size
    preprocessor = {
        "do_resize": True,
        "size": {"shortest_edge": height},
        "do_center_crop": True,
        "crop_size": {"height": height, "width": width},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [MNIST_MEAN] * CHANNELS,
        "image_std": [MNIST_STD] * CHANNELS,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in (("config.json", settings), ("preprocessor_config.json", preprocessor)):
        (folder / name).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
