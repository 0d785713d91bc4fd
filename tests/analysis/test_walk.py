"""The walk on small models: what each step says of the pass holds, whatever the model does otherwise."""

from __future__ import annotations

import pytest
import torch

from vit_demo.analysis import walk as steps
from vit_demo.analysis.walk import Walk
from vit_demo.model import RopeConfig, Trace, VisionTransformer, ViTConfig

ROWS, COLS, P = 3, 5, 8
MODELS = {
    "plain": {},
    "registers": dict(num_registers=2),
    "no_class_token": dict(class_token=False, position_prefix=0, pool="avg"),
    "rope": dict(position="none", position_prefix=0, rope=RopeConfig()),
    "gated": dict(mlp="gated", activation="silu"),
    "post_norm": dict(block_norm="post"),
    "rms": dict(norm="rms", qk_norm=True),
    "scaled": dict(layer_scale=True, attention_norm=True, patch_norm=True),
}


@pytest.fixture(scope="module", params=MODELS)
def walk(request):
    torch.manual_seed(0)
    config = ViTConfig(
        image_size=(ROWS * P, COLS * P),
        patch_px=P,
        dim=32,
        depth=3,
        heads=4,
        mlp_hidden=48,
        num_classes=5,
        **MODELS[request.param],
    )
    vit = VisionTransformer(config).eval()
    for parameter in vit.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    pixels, trace = torch.randn(1, 3, ROWS * P, COLS * P), Trace()
    with torch.inference_mode():
        vit(pixels, trace=trace)
        yield Walk(vit, pixels, trace, trace.grid.token_of_patch(1, 3), 1, 2)


def test_patches_are_the_squares_of_the_picture_row_by_row(walk):
    made = steps.patches(walk).tensors["patches"]
    assert made.shape == (ROWS * COLS, 3, P, P)
    row, col = 2, 1
    assert torch.equal(made[row * COLS + col], walk.pixels[0, :, row * P : (row + 1) * P, col * P : (col + 1) * P])


def test_a_convolution_is_the_product_of_flattened_patches(walk):
    found = steps.embedding(walk)
    assert found.facts["difference"] < 1e-5 * found.facts["largest"]
    assert torch.allclose(found.tensors["convolution"], found.tensors["product"], atol=1e-4)


def test_the_sequence_with_positions_is_what_enters_the_first_layer(walk):
    sequence, p = steps.prefix(walk).tensors["tokens"], walk.grid.num_prefix_tokens
    assert sequence.shape == walk.trace.embedded.shape[1:]
    expected = sequence.clone()
    if walk.vit.position is not None:
        of_prefix, of_patches = walk.vit.positions(walk.grid.shape)
        expected[p:] += of_patches[0]
        if of_prefix is not None:
            expected[: of_prefix.shape[1]] += of_prefix[0]
    assert torch.allclose(expected, walk.trace.embedded[0], atol=1e-5)


def test_what_is_normalised_has_mean_nought_and_spread_one(walk):
    found = steps.norm(walk)
    spread = found.tensors["std_normalised"] if found.facts["kind"] == "layer" else None
    if spread is not None:
        assert torch.allclose(found.tensors["mean_normalised"], torch.zeros(()), atol=1e-5)
        assert torch.allclose(spread, torch.ones(()), atol=1e-3)
    else:
        assert torch.allclose(found.tensors["normalised"].pow(2).mean(), torch.ones(()), atol=1e-3)
    gain = walk.block.norm1.weight
    bias = getattr(walk.block.norm1, "bias", None)
    after = found.tensors["normalised"] * gain + (0 if bias is None else bias)
    assert torch.allclose(found.tensors["after"], after, atol=1e-4)


def test_a_row_of_shares_makes_one_and_root_d_spreads_it(walk):
    found = steps.scores(walk)
    assert found.facts["sum"] == pytest.approx(1, abs=1e-5)
    d = found.facts["width"]
    assert torch.allclose(found.tensors["raw"], found.tensors["scaled"] * d**0.5, atol=1e-4)
    assert found.facts["entropy_unscaled_bits"] <= found.facts["entropy_bits"] + 1e-6
    assert torch.allclose(found.tensors["shares"], found.tensors["rows"][walk.head], atol=1e-6)


def test_the_sum_by_hand_is_the_fused_kernels(walk):
    found = steps.values(walk)
    assert found.facts["difference"] < 1e-4 * max(1.0, found.facts["largest"])
    assert found.tensors["given"].shape == (walk.grid.num_tokens,)


def test_what_a_layer_adds_leads_from_its_input_to_its_output(walk):
    """Run again by the block itself, and added up by the walk's own parts."""
    leaving = walk.kept.residual[:, walk.token]
    middle = (walk.trace.entering(1) + walk.attention_added(1))[:, walk.token]
    assert torch.allclose(middle[0] + steps.mlp(walk).tensors["added"], leaving[0], atol=1e-4)
    found = steps.residual(walk).tensors
    assert found["stream"].shape == (walk.config.depth + 1,)
    # no triangle is longer than its sides
    assert bool((found["stream"][1:] <= found["stream"][:-1] + found["attention"] + found["mlp"] + 1e-4).all())


def test_the_hidden_numbers_lead_to_what_the_mlp_adds(walk):
    found = steps.mlp(walk)
    module = walk.block.mlp
    out = module.out if hasattr(module, "out") else module.fc2
    given = out(module.norm(found.tensors["after"]))
    added = walk.block.scale2(walk.block.norm2(given) if walk.block.post_norm else given)
    assert torch.allclose(added, found.tensors["added"], atol=1e-4)


def test_maps_and_prefix_of_a_layer_make_one(walk):
    found = steps.layers(walk).tensors
    total = found["maps"].flatten(1).sum(dim=1) + found["prefix"].sum(dim=1)
    assert torch.allclose(total, torch.ones(walk.config.depth), atol=1e-5)


def test_the_head_reads_what_the_last_step_shows(walk):
    found = steps.answer(walk)
    logits = walk.vit.head(found.tensors["read"])
    assert torch.allclose(logits, walk.vit(walk.pixels).logits[0], atol=1e-4)


def test_the_map_of_the_model_has_the_shapes_that_the_steps_have(walk):
    shapes = steps.map_shapes(walk.config, walk.grid, walk.config.num_classes)
    assert shapes["pixels"] == steps.pixels(walk).shapes["pixels"]
    assert shapes["patches"] == steps.patches(walk).shapes["patches"]
    assert shapes["embedding"] == steps.embedding(walk).shapes["tokens"]
    assert shapes["prefix"] == steps.prefix(walk).shapes["tokens"]
    assert shapes["qkv"] == steps.qkv(walk).shapes["heads"]
    assert shapes["scores"] == steps.scores(walk).shapes["scores"]
    assert shapes["mlp"] == (walk.grid.num_tokens, *steps.mlp(walk).shapes["hidden"])
    assert shapes["answer"] == (walk.config.num_classes,)
