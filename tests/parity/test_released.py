"""Files as their authors released them (DINO, DINOv2, DINOv3, DeiT, Google), written from random twins."""

from __future__ import annotations

import argparse
import re

import numpy as np
import pytest
import timm
import torch

import vit_demo
from vit_demo.contract import ModelError


class Nasty:
    """Something that would run code when unpickled."""

    def __reduce__(self):
        return print, ("this must never run",)


@pytest.fixture
def dino(shake):
    """A model of DINO-S/16's layout: width 384 tells the file reader how many heads there are."""
    return shake(timm.create_model("vit_small_patch16_224", num_classes=0, depth=2, img_size=64))


def pixels_for(loaded, seed: int = 5) -> torch.Tensor:
    return torch.randn(1, 3, *loaded.model.config.image_size, generator=torch.Generator().manual_seed(seed))


def same_tokens(loaded, theirs, relative_difference) -> bool:
    pixels = pixels_for(loaded)
    with torch.inference_mode():
        return relative_difference(loaded.model(pixels).tokens, theirs.forward_features(pixels)) < 1e-4


def test_a_plain_dino_state_dict_loads(dino, relative_difference, tmp_path):
    torch.save(dino.state_dict(), tmp_path / "dino_deitsmall16_pretrain.pth")
    loaded = vit_demo.load_model(str(tmp_path / "dino_deitsmall16_pretrain.pth"))
    assert same_tokens(loaded, dino, relative_difference)
    assert loaded.model.config.position_resampling == "dino"
    assert loaded.report.assumed


def test_a_full_dino_checkpoint_gives_the_teacher_without_its_projection_head(dino, relative_difference, tmp_path):
    teacher = {f"backbone.{k}": v for k, v in dino.state_dict().items()}
    teacher["head.mlp.0.weight"] = torch.randn(8, 384)
    student = {f"module.{k}": torch.zeros_like(v) for k, v in teacher.items()}
    whole = {"student": student, "teacher": teacher, "epoch": 3, "args": argparse.Namespace(arch="vit_small")}
    torch.save(whole, tmp_path / "checkpoint.pth")
    loaded = vit_demo.load_model(str(tmp_path / "checkpoint.pth"))
    assert same_tokens(loaded, dino, relative_difference)
    assert [name for name, _ in loaded.report.dropped] == ["head.mlp.0.weight"]


def test_a_dinov2_release_with_registers_resamples_as_its_authors_do(shake, tmp_path):
    theirs = shake(timm.create_model("vit_small_patch14_dinov2", depth=2, img_size=70))
    state = {k.replace("reg_token", "register_tokens"): v for k, v in theirs.state_dict().items()}
    state.update(mask_token=torch.zeros(1, 384), register_tokens=torch.randn(1, 4, 384))
    torch.save(state, tmp_path / "dinov2_vits14_reg4_pretrain.pth")
    config = vit_demo.load_model(str(tmp_path / "dinov2_vits14_reg4_pretrain.pth")).model.config
    assert (config.num_registers, config.position_prefix, config.position_resampling) == (4, 1, "dinov2_reg")


def test_a_dinov3_release_keeps_its_rounded_periods_and_masks_the_key_bias(shake, relative_difference, tmp_path):
    theirs = shake(timm.create_model("vit_small_patch16_dinov3_qkvb", depth=2, img_size=64))
    state = {}
    for name, tensor in theirs.state_dict().items():
        name = name.replace("reg_token", "storage_tokens").replace("gamma_", "ls")
        name = re.sub(r"ls(\d)$", r"ls\1.gamma", name)
        if name.endswith("attn.q_bias"):
            bias = torch.cat([tensor, torch.full_like(tensor, 9.0), theirs.state_dict()[_v_bias(name)]])
            state[name.replace("q_bias", "qkv.bias")] = bias
            mask = torch.ones_like(bias)
            mask[384:768] = 0
            state[name.replace("q_bias", "qkv.bias_mask")] = mask
        elif not name.endswith("attn.v_bias"):
            state[name] = tensor
    periods = (100.0 ** (torch.arange(16) / 16)).bfloat16()
    state.update({"rope_embed.periods": periods, "mask_token": torch.zeros(1, 384)})
    torch.save(state, tmp_path / "dinov3_vits16_pretrain.pth")
    loaded = vit_demo.load_model(str(tmp_path / "dinov3_vits16_pretrain.pth"))
    assert torch.equal(loaded.model.rope_bands, periods.float())
    theirs.rope.periods.copy_(periods.float())
    theirs.rope.pos_embed_cached = theirs.rope._create_embed([4, 4], no_aug=True)
    pixels = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert relative_difference(loaded.model(pixels).tokens, theirs.forward_features(pixels)) < 1e-4


def _v_bias(name: str) -> str:
    return name.replace("q_bias", "v_bias")


def test_a_deit_release_wrapped_in_model_loads_with_both_heads(shake, relative_difference, tmp_path):
    theirs = shake(timm.create_model("deit_tiny_distilled_patch16_224", depth=2, img_size=64, num_classes=5))
    torch.save({"model": theirs.state_dict()}, tmp_path / "deit_tiny_distilled.pth")
    loaded = vit_demo.load_model(str(tmp_path / "deit_tiny_distilled.pth"))
    pixels = pixels_for(loaded)
    with torch.inference_mode():
        assert relative_difference(loaded.model(pixels).logits, theirs(pixels)) < 1e-4


def flax_names(state: dict, heads: int) -> dict[str, np.ndarray]:
    """A timm ViT's tensors under google-research/vision_transformer's names and layouts."""
    out = {
        "cls": state["cls_token"],
        "Transformer/posembed_input/pos_embedding": state["pos_embed"],
        "embedding/kernel": state["patch_embed.proj.weight"].permute(2, 3, 1, 0),
        "embedding/bias": state["patch_embed.proj.bias"],
        "Transformer/encoder_norm/scale": state["norm.weight"],
        "Transformer/encoder_norm/bias": state["norm.bias"],
        "head/kernel": state["head.weight"].T,
        "head/bias": state["head.bias"],
    }
    depth = 1 + max(int(k.split(".")[1]) for k in state if k.startswith("blocks."))
    for i in range(depth):
        ours, theirs = f"blocks.{i}.", f"Transformer/encoderblock_{i}/"
        dim = state[ours + "attn.proj.weight"].shape[0]
        for part, name in enumerate(("query", "key", "value")):
            rows = slice(part * dim, (part + 1) * dim)
            attention = f"{theirs}MultiHeadDotProductAttention_1/{name}/"
            out[attention + "kernel"] = state[ours + "attn.qkv.weight"][rows].T.reshape(dim, heads, dim // heads)
            out[attention + "bias"] = state[ours + "attn.qkv.bias"][rows].reshape(heads, dim // heads)
        proj = f"{theirs}MultiHeadDotProductAttention_1/out/"
        out[proj + "kernel"] = state[ours + "attn.proj.weight"].T.reshape(heads, dim // heads, dim)
        out[proj + "bias"] = state[ours + "attn.proj.bias"]
        for norm, name in (("norm1", "LayerNorm_0"), ("norm2", "LayerNorm_2")):
            out[f"{theirs}{name}/scale"] = state[f"{ours}{norm}.weight"]
            out[f"{theirs}{name}/bias"] = state[f"{ours}{norm}.bias"]
        for layer, name in (("fc1", "Dense_0"), ("fc2", "Dense_1")):
            out[f"{theirs}MlpBlock_3/{name}/kernel"] = state[f"{ours}mlp.{layer}.weight"].T
            out[f"{theirs}MlpBlock_3/{name}/bias"] = state[f"{ours}mlp.{layer}.bias"]
    return {name: tensor.numpy() for name, tensor in out.items()}


@pytest.fixture
def google(shake):
    return shake(
        timm.create_model(
            "vit_tiny_patch16_224", depth=2, img_size=64, num_classes=5, act_layer="gelu_tanh", embed_dim=48
        )
    )


def test_a_google_npz_equals_the_twin_that_it_was_written_from(google, relative_difference, tmp_path):
    np.savez(tmp_path / "Ti_16.npz", **flax_names(google.state_dict(), heads=3))
    loaded = vit_demo.load_model(str(tmp_path / "Ti_16.npz"))
    pixels = pixels_for(loaded)
    with torch.inference_mode():
        assert relative_difference(loaded.model(pixels).logits, google(pixels)) < 1e-4
    assert loaded.model.config.position_resampling == "google"


def test_a_head_that_reads_a_missing_layer_is_dropped_with_the_reason(google, tmp_path):
    arrays = flax_names(google.state_dict(), heads=3)
    arrays.update({"pre_logits/kernel": np.zeros((48, 48), np.float32), "pre_logits/bias": np.zeros(48, np.float32)})
    np.savez(tmp_path / "Ti_16_21k.npz", **arrays)
    loaded = vit_demo.load_model(str(tmp_path / "Ti_16_21k.npz"))
    assert loaded.model.config.num_classes == 0
    assert {name for name, _ in loaded.report.dropped} == {
        "pre_logits/kernel", "pre_logits/bias", "head/kernel", "head/bias"
    }  # fmt: skip


def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(dino, capsys, tmp_path):
    torch.save({"model": dino.state_dict(), "hook": Nasty()}, tmp_path / "nasty.pth")
    with pytest.raises(ModelError) as caught:
        vit_demo.load_model(str(tmp_path / "nasty.pth"))
    assert caught.value.key == "checkpoint.unsafe_pickle"
    assert "must never run" not in capsys.readouterr().out


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".npz"])
def test_a_truncated_file_is_refused_in_a_sentence(dino, suffix, tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(dino.state_dict(), path)
    elif suffix == ".npz":
        np.savez(path, **{k: v.numpy() for k, v in dino.state_dict().items()})
    else:
        save_file(dino.state_dict(), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ModelError) as caught:
        vit_demo.load_model(str(path))
    assert caught.value.key == "checkpoint.damaged_weights"
    assert str(tmp_path) not in str(caught.value).replace(str(path), "")


def test_bytes_that_are_no_checkpoint_are_called_damaged_not_dangerous(tmp_path):
    path = tmp_path / "noise.pth"
    path.write_bytes(np.random.default_rng(0).bytes(4096))
    with pytest.raises(ModelError) as caught:
        vit_demo.load_model(str(path))
    assert caught.value.key == "checkpoint.damaged_weights"
