"""Folders with a timm model: transformers' wrapper, a size in pretrained_cfg alone, a .pth beside config.json."""

from __future__ import annotations

import json

import pytest
import timm
import torch
from timm.models import save_for_hf
from transformers import TimmWrapperConfig, TimmWrapperForImageClassification, TimmWrapperModel

import vit_demo
from vit_demo.contract import ModelError

NAMES = {0: "ape", 1: "bee", 2: "cod"}


def wrapper_config(**more):
    return TimmWrapperConfig(architecture="vit_tiny_patch16_224", model_args={"depth": 2, "img_size": 64}, **more)


def pixels_for(loaded) -> torch.Tensor:
    return torch.randn(1, 3, *loaded.model.config.image_size, generator=torch.Generator().manual_seed(5))


def test_a_wrapped_timm_classifier_gives_transformers_logits_and_its_labels(shake, relative_difference, tmp_path):
    labels = dict(num_labels=3, id2label=NAMES, label2id={name: i for i, name in NAMES.items()})
    theirs = shake(TimmWrapperForImageClassification(wrapper_config(**labels)))
    theirs.save_pretrained(tmp_path)
    loaded = vit_demo.load_model(str(tmp_path))
    pixels = pixels_for(loaded)
    with torch.inference_mode():
        assert relative_difference(loaded.model(pixels).logits, theirs(pixels).logits) < 1e-4
    assert loaded.labels == tuple(NAMES.values())
    assert any("pretrained_cfg" in line for line in loaded.report.assumed)


def test_a_wrapped_timm_backbone_has_no_head_whatever_its_config_counts(shake, relative_difference, tmp_path):
    theirs = shake(TimmWrapperModel(wrapper_config(num_labels=3)))
    theirs.save_pretrained(tmp_path)
    loaded = vit_demo.load_model(str(tmp_path))
    pixels = pixels_for(loaded)
    with torch.inference_mode():
        encoded = loaded.model(pixels)
        assert encoded.logits is None
        assert relative_difference(encoded.tokens, theirs(pixels).last_hidden_state) < 1e-4


def test_a_wrapped_classifier_without_its_head_is_an_error(shake, tmp_path):
    shake(TimmWrapperModel(wrapper_config(num_labels=3))).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["architectures"] = ["TimmWrapperForImageClassification"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError) as caught:
        vit_demo.load_model(str(tmp_path))
    assert caught.value.key == "checkpoint.head_missing"


def test_a_wrapper_s_pretrained_cfg_gives_the_preprocessing(shake, tmp_path):
    shake(TimmWrapperModel(wrapper_config())).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["pretrained_cfg"] = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "input_size": [3, 384, 384]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    loaded = vit_demo.load_model(str(tmp_path))
    assert (loaded.preprocess.mean, loaded.preprocess.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert loaded.model.config.image_size == (64, 64), "the wrapper builds the model from model_args alone"
    assert loaded.report.assumed == []


@pytest.mark.parametrize("size", [(64, 64), (48, 80)])
def test_a_size_that_pretrained_cfg_alone_gives_is_the_models(size, shake, relative_difference, tmp_path):
    theirs = shake(timm.create_model("vit_tiny_patch16_224", num_classes=5, depth=2, img_size=size))
    theirs.pretrained_cfg = {**theirs.pretrained_cfg, "input_size": (3, *size), "num_classes": 5}
    save_for_hf(theirs, tmp_path, model_args={"depth": 2})
    again = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    loaded = vit_demo.load_model(str(tmp_path))
    assert loaded.model.config.image_size == tuple(again.patch_embed.img_size) == size
    pixels = pixels_for(loaded)
    with torch.inference_mode():
        assert relative_difference(loaded.model(pixels).logits, again(pixels)) < 1e-4


@pytest.mark.parametrize("file", ["best.pth", "checkpoint.pt", "weights.bin"])
def test_a_torch_file_beside_its_config_loads_by_folder_and_by_name(file, shake, relative_difference, tmp_path):
    theirs = shake(timm.create_model("vit_tiny_patch16_224", num_classes=7, depth=2, embed_dim=256, num_heads=4))
    save_for_hf(theirs, tmp_path, model_args={"embed_dim": 256, "num_heads": 4, "depth": 2})
    for usual in ("model.safetensors", "pytorch_model.bin"):
        (tmp_path / usual).unlink(missing_ok=True)
    torch.save({"state_dict": theirs.state_dict(), "epoch": 3}, tmp_path / file)
    for name in (tmp_path, tmp_path / file):
        loaded = vit_demo.load_model(str(name))
        pixels = pixels_for(loaded)
        with torch.inference_mode():
            assert relative_difference(loaded.model(pixels).logits, theirs(pixels)) < 1e-4
