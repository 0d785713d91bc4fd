"""Edits against timm: hooks on its modules, a shorter sequence given to its blocks, a mask made by hand."""

from __future__ import annotations

import math

import pytest
import timm
import torch

from tests.parity.test_timm import small, twin
from vit_demo.edits import Cut, Edits
from vit_demo.model import Trace

FAMILIES = {
    "vit_small_patch16_224": {},
    "vit_base_patch16_siglip_224": {},  # no class token, map pooling
    "vit_small_patch14_reg4_dinov2": {},  # registers, layer scale
    "deit_tiny_distilled_patch16_224": {},
    "vit_small_patch16_dinov3": {},  # RoPE, registers
    "vit_small_patch16_rope_mixed_224": {},  # RoPE learned by layer and head
    "eva02_base_patch14_224": {},  # RoPE beside a table, gated
    "vit_tiny_patch16_224": dict(qk_norm=True),
    "vit_medium_patch16_reg4_gap_256": {},  # mean of the patches
}
ROWS, COLS = 3, 5
DROPPED = ((0, 0), (1, 3), (2, 4))
RELATIVE = 2e-5


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request, shake):
    """timm's model and ours, and a picture of 3 × 5 patches."""
    name, more = request.param, FAMILIES[request.param]
    args = {"depth": 3, "num_classes": 7, **more}
    patch = 14 if "patch14" in name else 16
    args, theirs = small(name, img_size=(ROWS * patch, COLS * patch), **args)
    shake(theirs)
    ours, _ = twin(name, theirs, args)
    pixels = torch.randn(2, 3, ROWS * patch, COLS * patch, generator=torch.Generator().manual_seed(3))
    return theirs, ours, pixels


def theirs_through_blocks(model, pixels, kept=None):
    """timm's forward pass by its own parts, over some of the tokens."""
    x = model._pos_embed(model.patch_embed(pixels))
    x, rope = x if isinstance(x, tuple) else (x, None)
    x = model.norm_pre(x) if hasattr(model, "norm_pre") else x
    prefix = model.num_prefix_tokens
    if kept is not None:
        x = x[:, kept]
        places = torch.tensor([token - prefix for token in kept if token >= prefix])
        rope = rope if rope is None else rope[..., places, :]
    for layer, block in enumerate(model.blocks):
        mixed = rope is not None and getattr(model, "rope_mixed", False)
        x = block(x) if rope is None else block(x, rope=rope[layer] if mixed else rope)
    return model.forward_head(model.norm(x))


def close(ours, theirs):
    assert float((ours - theirs).abs().max() / theirs.abs().max()) < RELATIVE


def kept_of(ours, pixels):
    grid = ours.grid_of(pixels)
    return [token for token in range(grid.num_tokens) if grid.patch_of_token(token) not in DROPPED]


@torch.inference_mode()
def test_dropping_is_timms_blocks_on_the_shorter_sequence(pair):
    theirs, ours, pixels = pair
    close(theirs_through_blocks(theirs, pixels), theirs(pixels))  # the oracle itself
    got = ours(pixels, edits=Edits(drop=DROPPED)).logits
    close(got, theirs_through_blocks(theirs, pixels, kept_of(ours, pixels)))
    assert float((got - theirs(pixels)).abs().max()) > 1e-3


def with_heads(model, layer, head, change):
    """A hook that changes one head's part of what timm's attention hands to its projection."""
    attention = model.blocks[layer].attn
    width = attention.proj.in_features // attention.num_heads

    def hook(module, args):
        x = args[0].clone()
        part = x[..., head * width : (head + 1) * width]
        x[..., head * width : (head + 1) * width] = change(part)
        return (x,)

    return (attention.norm if hasattr(attention, "norm") else attention.proj).register_forward_pre_hook(hook)


@pytest.mark.parametrize("how", ["zero", "mean"])
@torch.inference_mode()
def test_an_ablated_head_is_a_hook_before_timms_projection(pair, how):
    theirs, ours, pixels = pair
    change = torch.zeros_like if how == "zero" else lambda part: part.mean(1, keepdim=True).expand_as(part)
    hooks = [with_heads(theirs, 0, 1, change), with_heads(theirs, 2, 0, change)]
    want = theirs(pixels)
    for hook in hooks:
        hook.remove()
    close(ours(pixels, edits=Edits(heads={(0, 1): how, (2, 0): how})).logits, want)


@pytest.mark.parametrize("part", ["attention", "mlp"])
@torch.inference_mode()
def test_a_skipped_part_adds_nothing_in_timm(pair, part):
    theirs, ours, pixels = pair
    module = theirs.blocks[1].attn if part == "attention" else theirs.blocks[1].mlp
    hook = module.register_forward_hook(lambda module, args, output: torch.zeros_like(output))
    want = theirs(pixels)
    hook.remove()
    close(ours(pixels, edits=Edits(skip=((1, part),))).logits, want)


@pytest.fixture
def explicit(monkeypatch):
    """timm's attention with scores multiplied, and edges closed by hand: `closed[layer]` is a mask or None."""

    def install(closed, temperature):
        calls = iter(closed)

        def attend(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, **more):
            if q.shape[-2] != k.shape[-2]:  # the pooling's own attention
                return torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), -1) @ v
            scores = q @ k.mT * (scale or 1 / math.sqrt(q.shape[-1])) * temperature
            mask = next(calls)
            return (scores if mask is None else scores.masked_fill(mask, -math.inf)).softmax(-1) @ v

        monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", attend)

    return install


@torch.inference_mode()
def test_closed_edges_and_a_temperature_are_a_mask_and_a_factor_made_by_hand(pair, explicit):
    theirs, ours, pixels = pair
    grid = ours.grid_of(pixels)
    query = grid.prefix_names[0] if grid.prefix_names else (2, 2)
    cut = Cut(layers=(0, 2), queries=(query, (1, 0)), keys=((0, 1), (2, 3)))
    got = ours(pixels, edits=Edits(cut=(cut,), temperature=1.7)).logits
    mask = torch.zeros(grid.num_tokens, grid.num_tokens, dtype=torch.bool)
    rows = [0 if grid.prefix_names else grid.token_of_patch(2, 2), grid.token_of_patch(1, 0)]
    for row in rows:
        mask[row, [grid.token_of_patch(0, 1), grid.token_of_patch(2, 3)]] = True
    explicit([mask, None, mask], 1.7)
    close(got, theirs(pixels))


@pytest.mark.parametrize("how", ["none", "mirrored", "equal"])
@torch.inference_mode()
def test_positions_are_timms_table_and_rope_with_other_rows(pair, how, monkeypatch):
    theirs, ours, pixels = pair
    places = torch.arange(ROWS * COLS).reshape(ROWS, COLS)
    rows = {"mirrored": places.flip(1).flatten(), "equal": torch.full((ROWS * COLS,), int(places[1, 2]))}.get(how)
    table = getattr(theirs, "pos_embed", None)
    if table is not None:
        own = table.shape[1] - ROWS * COLS
        changed = table.clone()
        changed[:, own:] = 0 if how == "none" else table[:, own:][:, rows]
        monkeypatch.setitem(theirs._parameters, "pos_embed", torch.nn.Parameter(changed, requires_grad=False))
    rope = getattr(theirs, "rope", None)
    if rope is not None:
        made = theirs._pos_embed(theirs.patch_embed(pixels))[1]
        sin, cos = made.chunk(2, -1)
        still = torch.cat([torch.zeros_like(sin), torch.ones_like(cos)], -1)
        turned = still if how == "none" else made[..., rows, :]
        real = theirs._pos_embed
        monkeypatch.setattr(theirs, "_pos_embed", lambda x: (real(x)[0], turned))
    close(ours(pixels, edits=Edits(positions=how)).logits, theirs_through_blocks(theirs, pixels))


@torch.inference_mode()
def test_patching_in_is_a_hook_that_puts_another_runs_tokens_into_timms_block(pair):
    theirs, ours, pixels = pair
    other, kept, source = pixels.flip(0, 3), [], Trace()
    hook = theirs.blocks[1].register_forward_hook(lambda module, args, output: kept.append(output))
    theirs(other[:1])
    hook.remove()
    grid = ours.grid_of(pixels)
    tokens = [grid.token_of_patch(1, 1), grid.token_of_patch(2, 4)]

    def put(module, args, output):
        output = output.clone()
        output[:, tokens] = kept[0][:, tokens]
        return output

    hook = theirs.blocks[1].register_forward_hook(put)
    want = theirs(pixels[:1])
    hook.remove()
    ours(other[:1], trace=source)
    close(ours(pixels[:1], edits=Edits(patch_in=((1, ((1, 1), (2, 4))),)), source=source).logits, want)


def test_the_families_cover_what_the_model_can_be():
    """So that one that falls out of the list is missed."""
    pools, ropes = set(), set()
    for name, more in FAMILIES.items():
        with torch.device("meta"):
            model = timm.create_model(name, pretrained=False, **more)
        pools.add(model.global_pool)
        ropes.add(getattr(model, "rope", None) is not None)
    assert pools == {"token", "map", "avg"} or pools == {"token", "map", "avg", ""}
    assert ropes == {True, False}
