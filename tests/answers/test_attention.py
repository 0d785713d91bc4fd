"""What the explorer is sent, against the attention itself: tiny models with 0, 1, 2 and 5 prefix tokens, off-square."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from PIL import Image

from vit_demo.analysis.attention import attention_matrix
from vit_demo.contract import DemoError, SizeChoice
from vit_demo.explain import Explainer

DEPTH, HEADS = 3, 3
TINY = dict(img_size=(64, 96), depth=DEPTH, embed_dim=48, num_heads=HEADS, num_classes=4)
MODELS = {
    0: ("vit_tiny_patch16_224", dict(class_token=False, global_pool="avg")),
    1: ("vit_tiny_patch16_224", {}),
    2: ("deit_tiny_distilled_patch16_224", {}),
    5: ("vit_tiny_patch16_224", dict(reg_tokens=4)),
}


@pytest.fixture(scope="module", params=MODELS)
def asked(request, tmp_path_factory):
    """(explainer, picture, folder of a tiny model, number of prefix tokens)"""
    name, more = MODELS[request.param]
    torch.manual_seed(request.param)
    model = timm.create_model(name, **TINY, **more)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    folder = tmp_path_factory.mktemp(f"prefix{request.param}")
    timm.models.save_for_hf(model, folder, model_args={**TINY, **more}, safe_serialization=True)
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (80, 130, 3), np.uint8))
    return Explainer("cpu"), picture, str(folder), request.param


def run_of(asked, size=None):
    explainer, picture, model, _ = asked
    return explainer._engine.run(np.asarray(picture), model, size or SizeChoice())


def values(integers: np.ndarray, steps: np.ndarray) -> np.ndarray:
    return integers.astype(np.float64) * steps[:, None].astype(np.float64)


@pytest.mark.parametrize("layer", range(DEPTH))
@pytest.mark.parametrize("size", [SizeChoice(), SizeChoice(96, keep_shape=True)], ids=["own", "other"])
def test_rows_and_columns_follow_from_what_is_sent_to_a_thousandth_of_their_top(asked, layer, size):
    explainer, picture, model, prefix = asked
    sent = explainer.attention_layer(picture, model, size, layer)
    exact = attention_matrix(run_of(asked, size).trace, layer)[0].numpy()
    assert sent.info.grid.num_prefix_tokens == prefix
    assert sent.queries.dtype == sent.keys.dtype == np.int16
    scores = values(sent.queries, sent.query_steps) @ values(sent.keys, sent.key_steps).transpose(0, 2, 1)
    ours = np.exp(scores - sent.log_sums[:, :, None])
    assert (np.abs(ours - exact).max(axis=2) < 1e-3 * exact.max(axis=2)).all()  # rows
    assert (np.abs(ours - exact).max(axis=1) < 1e-3 * exact.max(axis=1)).all()  # columns
    assert np.abs(ours.sum(axis=2) - 1).max() < 1e-5


@pytest.mark.parametrize("massive", [1.0, 30.0])
def test_a_massive_channel_costs_no_row_more_than_a_thousandth_of_its_top(massive, tmp_path):
    """A channel in which one token is far larger than all others, as large models have them: a step that reaches up to
    that token is coarse for the others. The worst token of the worst head."""
    args = dict(img_size=128, patch_size=8, depth=1, embed_dim=96, num_heads=3, num_classes=0)
    torch.manual_seed(1)
    model = timm.create_model("vit_tiny_patch16_224", **args)
    block, channel = model.blocks[0], 5
    with torch.no_grad():
        model.cls_token[..., channel] = 50.0
        model.patch_embed.proj.weight[channel] *= 0.05
        model.pos_embed[..., channel] = 0.0
        block.norm1.weight[channel] = massive
        block.attn.qkv.weight.normal_(std=0.15)
        block.attn.qkv.weight[:, channel] = 0.0
        for head in range(3):  # in one channel of each head: keys are the massive channel, queries a little over 2
            block.attn.qkv.bias[32 * head + 7] = 2.0
            block.attn.qkv.weight[96 + 32 * head + 7] = 0.0
            block.attn.qkv.weight[96 + 32 * head + 7, channel] = -1.0  # so that nobody looks at the class token
    timm.models.save_for_hf(model, tmp_path, model_args=args, safe_serialization=True)
    explainer, picture = Explainer("cpu"), np.random.default_rng(5).integers(0, 256, (128, 128, 3), np.uint8)
    sent = explainer.attention_layer(picture, str(tmp_path), layer=0)
    kept = explainer._engine.run(picture, str(tmp_path), SizeChoice()).trace.layers[0]
    exact = (kept.q[0].double() @ kept.k[0].double().transpose(1, 2) / 32**0.5).softmax(dim=-1).numpy()
    scores = values(sent.queries, sent.query_steps) @ values(sent.keys, sent.key_steps).transpose(0, 2, 1)
    ours = np.exp(scores - scores.max(axis=2, keepdims=True))
    ours /= ours.sum(axis=2, keepdims=True)
    assert (np.abs(ours - exact).max(axis=2) / exact.max(axis=2)).max() < 1e-3
    wide = sent.queries.dtype == np.float32
    assert wide == (massive > 10)  # sixteen bits while they are enough


def test_features_are_the_directions_of_the_normed_output(asked):
    explainer, picture, model, _ = asked
    sent = explainer.attention_layer(picture, model, layer=1).features.astype(np.float64)
    vit = explainer._engine.load(model).model
    exact = F.normalize(vit.norm(run_of(asked).trace.layers[1].residual[0]), dim=-1).numpy()
    unit = sent / np.linalg.norm(sent, axis=1, keepdims=True)
    assert np.abs(unit @ unit.T - exact @ exact.T).max() < 5e-5  # three decimals are shown


def test_the_wall_is_the_class_tokens_row_or_the_patches_mean(asked):
    explainer, picture, model, prefix = asked
    wall = explainer.attention_wall(picture, model)
    run = run_of(asked)
    for layer in range(DEPTH):
        matrix = attention_matrix(run.trace, layer)[0].numpy()
        row = matrix[:, 0] if prefix else matrix.mean(axis=1)
        shown = wall.maps[layer].reshape(HEADS, -1) / 255 * wall.tops[layer][:, None]
        assert np.abs(shown - row[:, prefix:]).max() <= wall.tops[layer].max() / 255
        assert wall.prefix[layer] == pytest.approx(row[:, :prefix].sum(axis=1), abs=1e-5)
    assert wall.maps.shape == (DEPTH, HEADS, 4, 6)


def test_the_distance_of_a_head_is_that_of_its_patches(asked):
    explainer, picture, model, prefix = asked
    sent = explainer.attention_layer(picture, model, layer=2)
    matrix = attention_matrix(run_of(asked).trace, 2)[0, :, prefix:, prefix:].numpy()
    y, x = np.divmod(np.arange(24), 6)
    far = 16 * np.hypot(y[:, None] - y, x[:, None] - x)
    assert sent.distance_px == pytest.approx((matrix * far).sum(axis=2).mean(axis=1), rel=1e-4)


@pytest.mark.parametrize("layer", [-DEPTH - 1, DEPTH])
def test_a_layer_outside_the_model_is_refused_in_a_sentence(asked, layer):
    explainer, picture, model, _ = asked
    with pytest.raises(DemoError) as caught:
        explainer.attention_layer(picture, model, layer=layer)
    assert caught.value.key == "attention.no_such_layer"
