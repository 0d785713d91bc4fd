"""Files as training leaves them: chunks, teachers and students, quantised weights, adapters."""

from __future__ import annotations

import json
import re

import pytest
import timm
import torch
from safetensors.torch import save_file

import vit_demo
from vit_demo.contract import ModelError


@pytest.fixture
def small(shake):
    """ViT-S/16's layout with four layers: width 384 tells the file reader how many heads there are."""
    return shake(timm.create_model("vit_small_patch16_224", num_classes=0, depth=4, img_size=64))


def refusal(path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        vit_demo.load_model(str(path))
    assert caught.value.say("zh") != caught.value.say("en")
    return caught.value


def difference(loaded, theirs, relative_difference) -> float:
    pixels = torch.randn(1, 3, *loaded.model.config.image_size, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        return relative_difference(loaded.model(pixels).tokens, theirs.forward_features(pixels))


def chunked(state: dict, starts_anew: bool) -> dict:
    """Blocks in two chunks of two, whose numbers run on (facebookresearch/dinov2) or start anew."""

    def place(found: re.Match) -> str:
        i = int(found[1])
        return f"blocks.{i // 2}.{i % 2 if starts_anew else i}."

    return {re.sub(r"^blocks\.(\d+)\.", place, key): tensor for key, tensor in state.items()}


@pytest.mark.parametrize("starts_anew", [True, False])
def test_blocks_in_chunks_load_in_their_order_however_they_are_numbered(
    starts_anew, small, relative_difference, tmp_path
):
    torch.save(chunked(small.state_dict(), starts_anew), tmp_path / "chunks.pth")
    loaded = vit_demo.load_model(str(tmp_path / "chunks.pth"))
    assert difference(loaded, small, relative_difference) < 1e-4


@pytest.mark.parametrize(
    ("old", "new"), [("blocks.1.1.", "blocks.1.2."), ("blocks.1.", "blocks.2."), ("blocks.1.1.", "blocks.3.")]
)
def test_chunks_with_gaps_are_refused(old, new, small, tmp_path):
    state = chunked(small.state_dict(), True)
    torch.save({re.sub(f"^{re.escape(old)}", new, k): v for k, v in state.items()}, tmp_path / "gaps.pth")
    assert refusal(tmp_path / "gaps.pth").key == "checkpoint.chunks_unclear"


def test_a_tensor_under_two_prefixes_is_read_where_both_are_equal_and_refused_where_they_differ(
    small, relative_difference, tmp_path
):
    state = small.state_dict()
    twice = {**state, "module.norm.weight": state["norm.weight"].clone()}
    torch.save(twice, tmp_path / "equal.pth")
    assert difference(vit_demo.load_model(str(tmp_path / "equal.pth")), small, relative_difference) < 1e-4
    twice["module.norm.weight"] += 1
    torch.save(twice, tmp_path / "differ.pth")
    error = refusal(tmp_path / "differ.pth")
    assert (error.key, error.values["key"]) == ("checkpoint.set_twice", "norm.weight")


def test_two_prefixes_that_differ_are_refused_beside_a_config_too(shake, tmp_path):
    from transformers import ViTConfig, ViTModel

    shape = dict(hidden_size=48, num_hidden_layers=1, num_attention_heads=3, intermediate_size=96, image_size=32)
    shake(ViTModel(ViTConfig(**shape))).save_pretrained(tmp_path)
    from safetensors.torch import load_file

    state = load_file(tmp_path / "model.safetensors")
    save_file({**state, "vit.layernorm.bias": state["layernorm.bias"] + 1}, tmp_path / "model.safetensors")
    assert refusal(tmp_path).key == "checkpoint.set_twice"


def test_shards_that_give_one_name_two_values_are_refused(small, tmp_path):
    from vit_demo.checkpoints.formats import read_weights

    for i in range(2):
        save_file({"norm.weight": torch.full((4,), float(i))}, tmp_path / f"{i}.safetensors")
    with pytest.raises(ModelError) as caught:
        read_weights([tmp_path / "0.safetensors", tmp_path / "1.safetensors"], "shards")
    assert caught.value.key == "checkpoint.set_twice"


def test_a_teacher_beside_a_student_is_used_and_the_student_is_named(small, relative_difference, tmp_path):
    state = small.state_dict()
    flat = {f"teacher.backbone.{k}": v for k, v in state.items()}
    flat.update({f"student.backbone.{k}": torch.zeros_like(v) for k, v in state.items()})
    flat["dino_loss.center"] = torch.zeros(1, 8)
    torch.save({"model": flat, "optimizer": {"state": {}}, "iteration": 7}, tmp_path / "model_final.pth")
    nested = {"student": {k: torch.zeros_like(v) for k, v in state.items()}, "teacher": state}
    torch.save(nested, tmp_path / "nested.pth")
    for file in ("model_final.pth", "nested.pth"):
        loaded = vit_demo.load_model(str(tmp_path / file))
        assert difference(loaded, small, relative_difference) < 1e-4
        assert any("'teacher'" in line and "student" in line for line in loaded.report.assumed)


@pytest.mark.parametrize("wrong", [{1: torch.zeros(2)}, {"patch_embed.proj.weight": torch.zeros(384, 768)}])
def test_names_and_shapes_of_something_else_are_refused_in_a_sentence(wrong, small, tmp_path):
    torch.save({**small.state_dict(), **wrong}, tmp_path / "other.pth")
    assert refusal(tmp_path / "other.pth").key in ("checkpoint.unknown_keys", "checkpoint.no_config")


def test_averaged_weights_beside_the_others_are_named(small, tmp_path):
    state = small.state_dict()
    torch.save({"model": state, "model_ema": {k: v + 1 for k, v in state.items()}}, tmp_path / "checkpoint.pth")
    assert any("model_ema" in line for line in vit_demo.load_model(str(tmp_path / "checkpoint.pth")).report.assumed)


def test_a_teacher_checkpoint_of_dinov2s_training_loads_without_its_two_heads(shake, relative_difference, tmp_path):
    theirs = shake(timm.create_model("vit_small_patch14_dinov2", depth=4, img_size=56, num_classes=0))
    backbone = {**chunked(theirs.state_dict(), False), "mask_token": torch.zeros(1, 384)}
    teacher = {f"backbone.{k}": v for k, v in backbone.items()}
    heads = {f"{head}.{part}": torch.randn(8, 8) for head in ("dino_head", "ibot_head") for part in HEAD_PARTS}
    torch.save({"teacher": {**teacher, **heads}}, tmp_path / "teacher_checkpoint.pth")
    loaded = vit_demo.load_model(str(tmp_path / "teacher_checkpoint.pth"))
    assert difference(loaded, theirs, relative_difference) < 1e-4
    assert loaded.card.family == "DINOv2"
    dropped = dict(loaded.report.dropped)
    assert set(dropped) == {*heads, "mask_token"}
    assert all(dropped.values())


HEAD_PARTS = ("mlp.0.weight", "mlp.0.bias", "mlp.2.weight", "last_layer.weight_g", "last_layer.weight_v")


@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.int32, torch.bool, torch.complex64])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_that_are_not_floating_point_are_refused_by_name(kind, suffix, small, tmp_path):
    state = {k: v.contiguous() for k, v in small.state_dict().items()}
    state["blocks.1.mlp.fc1.weight"] = (state["blocks.1.mlp.fc1.weight"] * 100).to(kind)
    path = tmp_path / f"rounded{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(state, path)
    error = refusal(path)
    assert (error.key, error.values["key"]) == ("checkpoint.not_numbers", "blocks.1.mlp.fc1.weight")
    assert error.values["kind"] == str(kind).removeprefix("torch.")


def test_a_sparse_tensor_is_refused_by_name(small, tmp_path):
    state = {**small.state_dict(), "norm.weight": small.state_dict()["norm.weight"].to_sparse()}
    torch.save(state, tmp_path / "sparse.pth")
    assert refusal(tmp_path / "sparse.pth").values["kind"] == "sparse_coo"


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_every_floating_point_type_is_read(kind, small, tmp_path):
    state = {k: v.to(kind) for k, v in small.state_dict().items()}
    torch.save(state, tmp_path / "half.pth")
    read = vit_demo.load_model(str(tmp_path / "half.pth")).model.norm.weight
    assert torch.equal(read, state["norm.weight"].float())


def test_a_quantised_checkpoint_is_refused_as_one(shake, tmp_path):
    from transformers import ViTConfig, ViTForImageClassification

    shape = dict(hidden_size=48, num_hidden_layers=1, num_attention_heads=3, intermediate_size=96, image_size=32)
    shake(ViTForImageClassification(ViTConfig(**shape))).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["quantization_config"] = {"load_in_8bit": True, "quant_method": "bitsandbytes"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert refusal(tmp_path).key == "checkpoint.quantised"


def test_an_adapter_in_a_file_of_any_name_is_refused_as_one(small, tmp_path):
    low_rank = {f"base_model.model.blocks.0.attn.qkv.lora_{ab}.weight": torch.zeros(4, 4) for ab in "AB"}
    save_file(low_rank, tmp_path / "mine.safetensors")
    assert refusal(tmp_path / "mine.safetensors").key == "checkpoint.adapter"
    torch.save({**small.state_dict(), "blocks.0.attn.qkv.lora_A.default.weight": torch.zeros(4, 4)}, tmp_path / "x.pth")
    assert refusal(tmp_path / "x.pth").key == "checkpoint.adapter"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_with_the_tensors_name(value, small, tmp_path):
    state = {key: tensor.clone() for key, tensor in small.state_dict().items()}
    state["blocks.2.mlp.fc1.weight"][5, 7] = value
    save_file(state, tmp_path / "model.safetensors")
    refused = refusal(tmp_path / "model.safetensors")
    assert refused.key == "checkpoint.not_finite"
    assert "blocks.2" in str(refused)
