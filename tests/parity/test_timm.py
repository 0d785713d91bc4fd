"""Our model against timm's own, on random weights, for an architecture of each kind that we represent."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config

from vit_demo.analysis.attention import attention_matrix
from vit_demo.checkpoints.load import build
from vit_demo.checkpoints.timm_models import plan_from_timm
from vit_demo.contract import ModelError
from vit_demo.model import Trace
from vit_demo.preprocess import prepare

FAMILIES = [
    "vit_small_patch16_224",
    "vit_base_patch16_clip_quickgelu_224",
    "vit_base_patch16_siglip_224",
    "vit_base_patch16_rpn_224",
    "vit_medium_patch16_reg4_gap_256",
    "vit_giant_patch14_dinov2",
    "vit_small_patch14_reg4_dinov2",
    "vit_small_patch16_dinov3",
    "vit_small_plus_patch16_dinov3",
    "vit_tiny_patch16_dinov3_qkvb",
    "vit_small_patch16_lingbot",
    "vit_small_patch16_rope_ape_224",
    "vit_small_patch16_rope_mixed_224",
    "vit_pe_core_tiny_patch16_384",
    "deit_tiny_distilled_patch16_224",
    "deit3_small_patch16_224",
    "flexivit_small",
    "eva02_base_patch14_224",
    "eva02_base_patch16_clip_224",
    "eva02_enormous_patch14_clip_224",
    "aimv2_large_patch14_224",
    "beit3_base_patch16_224",
    "vit_large_patch16_sapiens2",
    "test_vit3",
]
REFUSED = {
    "vit_base_r50_s16_224": "convolutional network",
    "vit_base_patch16_18x2_224": "two attentions side by side",
    "vit_base_patch16_xp_224": "side by side",
    "vit_dlittle_patch16_reg1_gap_256": "differential attention",
    "vit_relpos_small_patch16_224": "bias on the attention scores",
    "beit_base_patch16_224": "relative position bias",
    "beitv2_large_patch16_224": "relative position bias",
    "naflexvit_base_patch16_gap": "NaFlex",
    "samvit_base_patch16": "within windows",
    "cait_s24_224": "talking heads",
    "swin_tiny_patch4_window7_224": "not one stage of global attention",
}


def small(name: str, **more):
    """(arguments, model) of an architecture made narrow and shallow, which keeps every option of its family."""
    args = {"embed_dim": 64, "depth": 2, "num_heads": 2, **more}
    if "giant_patch14" in name:
        args["mlp_ratio"] = 4  # the published ratio gives an odd width at 64 channels
    if "sapiens2" in name:
        args["num_kv_heads"] = (2, 1)
    if "vit_pe_" in name and "map" in _pool(name):
        args["attn_pool_num_heads"] = 2
    return args, timm.create_model(name, pretrained=False, **args)


def _pool(name: str) -> str:
    with torch.device("meta"):
        return timm.create_model(name, pretrained=False).global_pool


def twin(name: str, model, args: dict):
    plan = plan_from_timm(name, {"model_args": args})
    ours, report = build(plan, model.state_dict(), name)
    return ours, report


def compare(name: str, shake, relative_difference, **more) -> float:
    """Largest relative difference of tokens and logits between the two, at the model's own size."""
    args, theirs = small(name, **more)
    shake(theirs)
    ours, _ = twin(name, theirs, args)
    pixels = torch.randn(2, 3, *ours.config.image_size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        encoded = ours(pixels)
        worst = relative_difference(encoded.tokens, theirs.forward_features(pixels))
        if theirs.num_classes:
            worst = max(worst, relative_difference(encoded.logits, theirs(pixels)))
    return worst


@pytest.mark.parametrize("name", FAMILIES)
def test_tokens_and_logits_equal_timm(name, shake, relative_difference):
    assert compare(name, shake, relative_difference, num_classes=7) < 1e-4


@pytest.mark.parametrize("name", FAMILIES)
def test_non_square_input_off_the_native_grid_equals_timm(name, shake, relative_difference):
    native = 96 if "patch16" in name or "flexivit" in name else 84
    args, theirs = small(name, img_size=native, dynamic_img_size=True, num_classes=0)
    shake(theirs)
    ours, _ = twin(name, theirs, {k: v for k, v in args.items() if k != "dynamic_img_size"})
    patch = ours.config.patch_px
    pixels = torch.randn(1, 3, 5 * patch, 8 * patch, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        assert relative_difference(ours(pixels).tokens, theirs.forward_features(pixels)) < 1e-4


@pytest.mark.parametrize(
    "name",
    [
        "vit_small_patch16_224",
        "vit_small_patch14_reg4_dinov2",
        "deit3_small_patch16_224",
        "eva02_base_patch16_clip_224",
        "eva02_enormous_patch14_clip_224",
        "vit_large_patch16_sapiens2",
    ],
)
def test_attention_of_every_layer_equals_timms_explicit_softmax(name, shake):
    args, theirs = small(name, num_classes=0, img_size=112)
    shake(theirs).double()  # random post-norm blocks give scores so large that float32 rounds them visibly
    seen = []
    for block in theirs.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda module, inputs, output: seen.append(output))
    ours = twin(name, theirs, args)[0].double()
    pixels = torch.randn(1, 3, *ours.config.image_size, dtype=torch.float64)
    trace = Trace()
    with torch.inference_mode():
        theirs.forward_features(pixels)
        ours(pixels, trace=trace)
        assert len(seen) == len(trace.layers) == 2
        for layer, reference in enumerate(seen):
            assert (attention_matrix(trace, layer) - reference).abs().max() < 1e-5


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_represented_is_refused_with_its_reason(name):
    with pytest.raises(ModelError, match=REFUSED[name]):
        plan_from_timm(name)


def test_wrong_and_missing_weights_are_refused_by_name():
    args, theirs = small("vit_small_patch16_224", num_classes=3)
    plan = plan_from_timm("vit_small_patch16_224", {"model_args": args})
    state = theirs.state_dict()
    without = {k: v for k, v in state.items() if k != "blocks.1.norm2.bias"}
    with pytest.raises(ModelError, match=r"norm2\.bias"):
        build(plan, without, "twin")
    with pytest.raises(ModelError, match="stranger"):
        build(plan, {**state, "stranger.weight": torch.zeros(1)}, "twin")
    with pytest.raises(ModelError, match=r"norm\.weight"):
        build(plan, {**state, "norm.weight": torch.zeros(5)}, "twin")
    headless = {k: v for k, v in state.items() if not k.startswith("head.")}
    with pytest.raises(ModelError) as caught:
        build(plan, headless, "twin")
    assert caught.value.key == "checkpoint.head_missing"


OPTIONS = {  # options of timm that no listed architecture combines in this way
    "map pooling over prefix tokens": ("vit_small_patch16_224", dict(global_pool="map", pool_include_prefix=True)),
    "mean over prefix tokens": ("vit_small_patch16_224", dict(global_pool="avg", pool_include_prefix=True)),
    "mean, norm before it": ("vit_small_patch16_224", dict(global_pool="avg", fc_norm=False)),
    "pooling with another activation": ("eva02_tiny_patch14_224", dict(global_pool="map", img_size=84)),
    "unfused with norms": ("eva02_base_patch14_224", dict(scale_attn_inner=True, qkv_bias=False, img_size=84)),
    "swiglu without its norm": ("eva02_base_patch14_224", dict(scale_mlp=False, img_size=84)),
    "packed swiglu with a norm": (
        "vit_giant_patch14_dinov2",
        dict(scale_mlp_norm=True, scale_attn_norm=True, mlp_ratio=4, img_size=84),
    ),
    "one head of keys for all": ("vit_large_patch16_sapiens2", dict(num_kv_heads=1, num_heads=4, img_size=96)),
    "both branches scaled": ("vit_large_patch16_sapiens2", dict(attn_only_layer_scale=False, img_size=96)),
    "post-norm with rotary positions": ("eva02_tiny_patch14_224", dict(use_post_norm=True, img_size=84)),
}


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_read_from_the_module_itself(option, shake, relative_difference):
    name, more = OPTIONS[option]
    assert compare(name, shake, relative_difference, num_classes=7, **more) < 1e-4


DIFFERENT = {
    "its norms differ": ("aimv2_large_patch14_224", dict(embed_norm_layer="layernorm")),
    "pooling 'avgmax'": ("vit_small_patch16_224", dict(global_pool="avgmax")),
    "distilled and has registers": ("deit_tiny_distilled_patch16_224", dict(reg_tokens=2)),
    "classifies every token": ("vit_small_patch16_224", dict(global_pool="")),
    "norm SimpleNorm": ("vit_small_patch16_224", dict(norm_layer="simplenorm")),
    "activation ReLU": ("vit_small_patch16_224", dict(act_layer="relu")),
    "before and after pooling": ("eva02_tiny_patch14_224", dict(use_fc_norm=True, use_post_transformer_norm=True)),
}


@pytest.mark.parametrize("reason", DIFFERENT)
def test_an_option_that_the_model_lacks_is_refused_by_its_reason(reason):
    name, more = DIFFERENT[reason]
    with pytest.raises(ModelError, match=reason):
        plan_from_timm(name, {"model_args": {"depth": 2, **more}})


@pytest.mark.parametrize("name", ["vit_so400m_patch14_siglip_384", "vit_base_patch16_224"])
def test_a_native_size_that_is_no_multiple_of_the_patch_gives_timms_tokens(name, shake, relative_difference):
    """timm's convolution drops the rim; the model sees the rest of the very same picture."""
    args, theirs = small(name, **({} if "384" in name else {"img_size": (100, 120)}))
    shake(theirs)
    plan = plan_from_timm(name, {"model_args": args})
    ours, _ = build(plan, theirs.state_dict(), name)
    rgb = np.random.default_rng(0).integers(0, 256, (411, 530, 3), dtype=np.uint8)
    transform = create_transform(
        **{**resolve_data_config({}, model=theirs), "input_size": (3, *theirs.patch_embed.img_size)}
    )
    prepared = prepare(rgb, plan.preprocess, plan.config.patch_px)
    with torch.inference_mode():
        reference = theirs.forward_features(transform(Image.fromarray(rgb))[None])
        tokens = ours(torch.from_numpy(prepared.pixels)[None]).tokens
    assert relative_difference(tokens, reference) < 1e-4
    assert tokens.shape[1] - ours.config.num_prefix_tokens == {"384": 27 * 27}.get(name[-3:], 6 * 7)
