"""Every plain ViT that timm lists, made small and non-square: the same numbers, or refused for its true reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import timm
import torch

from vit_demo.checkpoints.load import build
from vit_demo.checkpoints.timm_models import plain_vit_names, plan_from_timm
from vit_demo.contract import ModelError

pytestmark = pytest.mark.slow

CLASSES = 3
OTHERS = ("eva*", "aimv2*", "beit3*", "flexivit*", "test_vit", "test_vit[0-9]")  # plain ViTs of other names
REFUSED = {  # by name: why our model does not represent it
    r"_r\d*_|_r\d+_|_resnet": "convolutional network",
    r"s?relpos": "bias on the attention scores",
    r"_18x2": "two attentions side by side",
    r"_xp_|_pwee": "side by side",
    r"_d(little|wee|pwee)_": "differential attention",
}
CANNOT_BE_SMALL = {  # refused at their own size too (tests/parity/test_timm.py); shrunk, timm itself objects first
    r"_mci_": "its convolutional stem has a width of its own",
}


def expected_refusal(name: str) -> str | None:
    """What the refusal must say, None where the architecture must be represented."""
    for pattern, reason in REFUSED.items():
        if re.search(pattern, name):
            return reason
    return "timm says" if any(re.search(pattern, name) for pattern in CANNOT_BE_SMALL) else None


def small_arguments(name: str) -> dict:
    """Two layers of 32 channels on a grid of 2×3 patches; every other option stays as the family has it."""
    found = re.search(r"patch(\d+)", name)
    patch_px = int(found[1]) if found else 16
    args = {"embed_dim": 32, "depth": 2, "num_heads": 2, "img_size": (2 * patch_px, 3 * patch_px)}
    if "giant_patch14" in name and "dinov2" in name:
        args["mlp_ratio"] = 4  # the published ratio gives an odd width at 32 channels
    if "vit_pe_core" in name:
        args["attn_pool_num_heads"] = 2
    if "sapiens2" in name:
        args["num_kv_heads"] = (2, 1)  # the published ones are written out for the full depth
    return args


def equal_names() -> list[str]:
    """The architectures of vit_* and deit* that the parity test below holds equal to timm."""
    return [name for name in plain_vit_names() if not expected_refusal(name)]


def test_the_names_hold_the_families_that_the_patterns_speak_of():
    names = plain_vit_names()
    assert len(names) >= 200
    for pattern in (*REFUSED, *CANNOT_BE_SMALL):
        assert any(re.search(pattern, name) for name in names), pattern
    assert len(equal_names()) >= 190


@pytest.mark.skipif(timm.__version__ != "1.0.31", reason="the README counts what timm 1.0.31 lists")
def test_the_readme_counts_what_is_held_equal_here():
    readme = " ".join((Path(__file__).parents[2] / "README.md").read_text("utf-8").split())
    equal, listed, others = len(equal_names()), len(plain_vit_names()), len(timm.list_models(list(OTHERS)))
    assert f"{equal} of the {listed} architectures that timm 1.0.31 lists under `vit_*` and `deit*`" in readme
    assert f"and {others} more" in readme


@pytest.mark.parametrize("name", [n for n in plain_vit_names() if expected_refusal(n)])
def test_what_is_not_represented_is_refused_with_its_reason(name):
    with pytest.raises(ModelError, match=expected_refusal(name)):
        plan_from_timm(name, {"model_args": {**small_arguments(name), "img_size": 32}})  # some stems want squares


@pytest.mark.parametrize("name", [*equal_names(), *timm.list_models(list(OTHERS))])
def test_tokens_and_logits_of_a_small_twin_equal_timm(name, shake, relative_difference):
    args = small_arguments(name)
    has_head = timm.get_pretrained_cfg_value(name, "num_classes") != 0
    theirs = shake(timm.create_model(name, pretrained=False, **args, **({"num_classes": CLASSES} if has_head else {})))
    plan = plan_from_timm(name, {"model_args": args}, num_classes=theirs.num_classes)
    ours, report = build(plan, theirs.state_dict(), name)
    assert (ours.config.depth, ours.config.native_grid) == (2, (2, 3))
    assert report.dropped == []
    pixels = torch.randn(1, 3, *ours.config.image_size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        encoded = ours(pixels)
        assert relative_difference(encoded.tokens, theirs.forward_features(pixels)) < 1e-4
        assert (encoded.logits is not None) == has_head
        if has_head:
            assert relative_difference(encoded.logits, theirs(pixels)) < 1e-4
