"""What a bare state dict proves of its family, and what is said where it proves nothing; torchvision's own files."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from torchvision.models import VisionTransformer

import vit_demo
from vit_demo.contract import ModelError


@pytest.fixture
def vit(shake):
    return shake(timm.create_model("vit_small_patch16_224", num_classes=5, depth=2, img_size=64))


def load(state, path):
    torch.save(state, path)
    return vit_demo.load_model(str(path))


def tokens_differ(loaded, theirs, relative_difference) -> float:
    pixels = torch.randn(1, 3, *loaded.model.config.image_size, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        return relative_difference(loaded.model(pixels).tokens, theirs.forward_features(pixels))


def headless(model) -> dict:
    return {k: v for k, v in model.state_dict().items() if not k.startswith("head.")}


def test_an_encoder_that_nothing_names_is_a_vit_and_says_what_was_assumed(vit, relative_difference, tmp_path):
    for file in ("mae_pretrain_vit_small.pth", "augreg.pth"):
        loaded = load({"model": headless(vit)}, tmp_path / file)
        assert loaded.card.family == "ViT"
        assert "assumed" in loaded.preprocess.source
        said = " ".join(loaded.report.assumed)
        assert not any(family in said for family in ("DINO", "DeiT"))
        for part in (
            "6 heads",
            "4×4 patches",
            "gelu",
            "1e-06",
            "preprocessing",
            "73 px",
            "64×64",
            "ImageNet",
            "config.json",
        ):
            assert part in said
        assert tokens_differ(loaded, vit, relative_difference) < 1e-4


def test_a_classifier_that_nothing_names_is_a_vit_too(vit, tmp_path):
    loaded = load(vit.state_dict(), tmp_path / "augreg.pth")
    assert (loaded.card.family, loaded.model.config.num_classes) == ("ViT", 5)
    assert any("preprocessing" in line for line in loaded.report.assumed)
    assert any("reads the class token" in line for line in loaded.report.assumed)


@pytest.mark.parametrize(
    ("file", "family"),
    [
        ("dino_deitsmall16_pretrain.pth", "DINO"),
        ("deit_small_patch16_224-cd65a155.pth", "DeiT"),
        ("deit_3_small_224_21k.pth", "DeiT III"),
        ("my_dino_deitsmall16_pretrain.pth", "ViT"),
        ("dino.pth", "ViT"),
    ],
)
def test_a_published_file_name_names_the_family_and_is_said_to(file, family, vit, tmp_path):
    loaded = load(headless(vit), tmp_path / file)
    assert loaded.card.family == family
    assert any("file's name" in line for line in loaded.report.assumed) == (family != "ViT")


def test_a_projection_head_proves_dino_but_not_where_it_is_ibots(vit, tmp_path):
    head = {"head.mlp.0.weight": torch.zeros(4, 384), "head.last_layer.weight_g": torch.zeros(4, 1)}
    loaded = load({"teacher": {**headless(vit), **head}}, tmp_path / "checkpoint.pth")
    assert (loaded.card.family, loaded.model.config.position_resampling) == ("DINO", "dino")
    shared = {"head.mlp2.weight": torch.zeros(4, 384), "head.last_layer2.weight_g": torch.zeros(4, 1)}
    loaded = load({"teacher": {**headless(vit), **head, **shared}}, tmp_path / "ibot.pth")
    assert loaded.card.family == "ViT"
    assert {name for name, _ in loaded.report.dropped} == {*head, *shared}


def test_maes_decoder_proves_mae_and_is_dropped(vit, relative_difference, tmp_path):
    decoder = {
        "mask_token": torch.zeros(1, 1, 8),
        "decoder_pos_embed": torch.zeros(1, 17, 8),
        "decoder_embed.weight": torch.zeros(8, 384),
        "decoder_blocks.0.attn.qkv.weight": torch.zeros(24, 8),
        "decoder_pred.weight": torch.zeros(768, 8),
    }
    loaded = load({"model": {**headless(vit), **decoder}}, tmp_path / "mae_full.pth")
    assert loaded.card.family == "MAE"
    assert {name for name, _ in loaded.report.dropped} == set(decoder)
    assert tokens_differ(loaded, vit, relative_difference) < 1e-4


def test_a_norm_after_the_pooling_proves_that_the_head_reads_the_mean_of_the_patches(
    shake, relative_difference, tmp_path
):
    theirs = shake(timm.create_model("vit_small_patch16_224", num_classes=5, depth=2, img_size=64, global_pool="avg"))
    loaded = load(theirs.state_dict(), tmp_path / "mae_finetuned.pth")
    pixels = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert relative_difference(loaded.model(pixels).logits, theirs(pixels)) < 1e-4


@pytest.mark.parametrize(
    "name", ["vit_small_patch14_dinov2", "vit_small_patch14_reg4_dinov2", "deit3_small_patch16_224"]
)
def test_timms_own_names_of_other_families_are_read_with_the_right_positions(
    name, shake, relative_difference, tmp_path
):
    theirs = shake(timm.create_model(name, depth=2, img_size=56 if "14" in name else 64, num_classes=0))
    loaded = load(theirs.state_dict(), tmp_path / "model.pth")
    assert loaded.card.family == "ViT"
    assert tokens_differ(loaded, theirs, relative_difference) < 1e-4


@pytest.mark.parametrize(
    "name", ["eva02_base_patch14_224", "vit_small_patch16_dinov3", "vit_small_patch16_rope_mixed_224"]
)
def test_a_bare_file_of_an_architecture_that_its_names_do_not_tell_is_refused(name, tmp_path):
    torch.save(timm.create_model(name, depth=2, num_classes=0).state_dict(), tmp_path / "model.pth")
    with pytest.raises(ModelError) as caught:
        vit_demo.load_model(str(tmp_path / "model.pth"))
    assert caught.value.key in ("checkpoint.no_config", "checkpoint.unknown_keys")


def test_rotary_positions_that_no_file_stores_are_said_to_be_assumed_away(shake, tmp_path):
    theirs = shake(timm.create_model("vit_small_patch16_rope_ape_224", depth=2, num_classes=5, img_size=64))
    loaded = load(theirs.state_dict(), tmp_path / "model.pth")
    assert loaded.card.family == "ViT"
    assert any("no rotary positions" in line for line in loaded.report.assumed)


def test_a_position_table_of_no_square_grid_is_refused(vit, tmp_path):
    state = headless(vit)
    state["pos_embed"] = torch.zeros(1, 1 + 14, 384)
    torch.save(state, tmp_path / "wide.pth")
    with pytest.raises(ModelError) as caught:
        vit_demo.load_model(str(tmp_path / "wide.pth"))
    assert caught.value.key == "checkpoint.no_config"


def torchvision_vit(shake, **more):
    shape = dict(image_size=48, patch_size=16, num_layers=3, num_heads=3, hidden_dim=192, mlp_dim=96, num_classes=5)
    return shake(VisionTransformer(**{**shape, **more}))


@pytest.mark.parametrize("old_names", [False, True])
def test_torchvisions_own_model_gives_the_same_logits(old_names, shake, relative_difference, tmp_path):
    theirs, state = torchvision_vit(shake), {}
    for name, tensor in theirs.state_dict().items():
        state[name.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2.") if old_names else name] = (
            tensor
        )
    loaded = load(state, tmp_path / "vit_b_16.pth")
    pixels = torch.randn(2, 3, 48, 48)
    with torch.inference_mode():
        assert relative_difference(loaded.model(pixels).logits, theirs(pixels)) < 1e-4
    assert loaded.report.dropped == []
    assert loaded.card.family == "ViT"
    assert any("preprocessing" in line for line in loaded.report.assumed)


def test_torchvisions_model_without_its_head_is_a_backbone(shake, tmp_path):
    state = {k: v for k, v in torchvision_vit(shake).state_dict().items() if not k.startswith("heads.")}
    assert load(state, tmp_path / "vit.pth").model.head is None


@pytest.mark.parametrize("weights", ["ViT_B_16_Weights.IMAGENET1K_V1", "ViT_B_16_Weights.IMAGENET1K_SWAG_E2E_V1"])
def test_preprocessing_assumed_for_torchvisions_files_is_that_of_its_weights(weights, shake, tmp_path):
    from torchvision import models
    from torchvision.transforms import InterpolationMode

    enum, _, entry = weights.partition(".")
    theirs = getattr(models, enum)[entry].transforms()
    loaded = load(torchvision_vit(shake, image_size=theirs.crop_size[0]).state_dict(), tmp_path / "vit.pth")
    ours = loaded.preprocess
    assert ours.size == tuple(theirs.crop_size * 2)
    assert round(ours.size[0] / ours.crop_pct) == theirs.resize_size[0]
    assert ours.interpolation == InterpolationMode(theirs.interpolation).value
    assert np.allclose((ours.mean, ours.std), (theirs.mean, theirs.std))


def test_torchvisions_layer_between_features_and_head_is_refused_by_its_reason(shake, tmp_path):
    torch.save(torchvision_vit(shake, representation_size=8).state_dict(), tmp_path / "vit.pth")
    with pytest.raises(ModelError, match="tanh"):
        vit_demo.load_model(str(tmp_path / "vit.pth"))
