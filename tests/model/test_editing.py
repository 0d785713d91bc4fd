"""Edits of a forward pass: what must come out equal, in every kind of model, on grids that are not square."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
import torch

from tests.model.test_vit import CONFIGS, make, pixels
from vit_demo.analysis.attention import RowTrace, attention_matrix, attention_rows
from vit_demo.edits import Cut, Edits
from vit_demo.grid import PatchGrid
from vit_demo.model import Trace
from vit_demo.model.editing import permutation

ROWS, COLS, DEPTH, HEADS = 3, 5, 2, 3
CLOSE = dict(rtol=1e-5, atol=2e-5)


def answers(model, edits=None, picture=None, **more):
    """(tokens, logits or tokens) of one picture."""
    encoded = model(pixels(batch=1) if picture is None else picture, edits=edits, **more)
    return encoded.tokens, encoded.tokens if encoded.logits is None else encoded.logits


def other_picture():
    return torch.randn(1, 3, 48, 80, generator=torch.Generator().manual_seed(9))


def every_patch():
    return tuple((row, col) for row in range(ROWS) for col in range(COLS))


@pytest.mark.parametrize("name", CONFIGS)
def test_no_edit_is_bit_equal(name):
    model = make(**CONFIGS[name])
    for edits in (Edits(), Edits(seed=3, hide_with="blur", temperature=1.0, heads={}, drop=[])):
        assert not edits
        for got, want in zip(answers(model, edits), answers(model), strict=True):
            assert torch.equal(got, want)


@pytest.mark.parametrize("name", CONFIGS)
def test_dropped_patches_are_as_if_every_edge_to_them_were_closed(name):
    """For every token that is left; where the answer is a mean over patches, over those that are left."""
    model, dropped = make(**CONFIGS[name]), ((0, 4), (1, 2), (2, 0))
    grid = model.grid_of(pixels())
    short = model(pixels(), edits=Edits(drop=dropped)).tokens
    whole = model(pixels(), edits=Edits(cut=(Cut(keys=dropped),))).tokens
    left = [t for t in range(grid.num_tokens) if grid.patch_of_token(t) not in dropped]
    assert short.shape[1] == len(left) == grid.num_tokens - 3
    torch.testing.assert_close(short, whole[:, left], **CLOSE)


@pytest.mark.parametrize("name", CONFIGS)
def test_zeroed_heads_leave_what_proj_adds_by_itself(name):
    """Not the same as skipping the attention: the projection's bias, and the norm's, stay."""
    model = make(**CONFIGS[name])
    trace, edited = Trace(), Trace()
    model(pixels(), trace=trace)
    model(pixels(), trace=edited, edits=Edits(heads={(0, head): "zero" for head in range(HEADS)}))
    block, width = model.blocks[0], model.config.attention_dim
    added = block.attn.proj(block.attn.norm(torch.zeros(1, 1, width)))
    added = block.scale1(block.norm1(added) if block.post_norm else added)
    middle = trace.embedded + added
    want = middle + block.scale2(block.norm2(block.mlp(middle)) if block.post_norm else block.mlp(block.norm2(middle)))
    torch.testing.assert_close(edited.layers[0].residual, want, **CLOSE)


@pytest.mark.parametrize("name", CONFIGS)
def test_all_tokens_of_another_picture_give_its_answer_at_any_layer_and_none_changes_nothing(name):
    model, source = make(**CONFIGS[name]), Trace()
    want = answers(model, picture=other_picture(), trace=source)
    for layer in range(DEPTH):
        got = answers(model, Edits(patch_in=((layer, None),)), source=source)
        torch.testing.assert_close(got, want, **CLOSE)
        torch.testing.assert_close(answers(model, Edits(patch_in=((layer, ()),)), source=source), answers(model))


@pytest.mark.parametrize("name", [name for name, more in CONFIGS.items() if more.get("pool", "token") == "token"])
def test_the_class_token_alone_carries_the_answer_at_the_last_layer(name):
    model, source = make(**CONFIGS[name]), Trace()
    if not model.config.class_token:
        pytest.skip("this model has no class token")
    want = answers(model, picture=other_picture(), trace=source)
    tokens = model.config.prefix_names[:2] if model.config.distillation_head else ("cls",)
    got = answers(model, Edits(patch_in=((DEPTH - 1, tokens),)), source=source)
    torch.testing.assert_close(got[0][:, 0], want[0][:, 0], **CLOSE)
    if model.head is not None:
        torch.testing.assert_close(got[1], want[1], **CLOSE)


@pytest.mark.parametrize("name", CONFIGS)
def test_ones_own_states_patched_in_change_nothing(name):
    model, own = make(**CONFIGS[name]), Trace()
    model(pixels(batch=1), trace=own)
    edits = Edits(patch_in=((0, ((1, 1), (0, 2))), (1, None), (1, ((2, 2),), 1)))
    torch.testing.assert_close(answers(model, edits, source=own), answers(model), **CLOSE)


@pytest.mark.parametrize("name", CONFIGS)
def test_shuffled_patches_are_shuffled_positions_with_the_outputs_in_another_order(name):
    """Patch π(i) in place i, read with place i, is patch π(i) read with the position of π⁻¹(π(i)) = i."""
    model = make(**CONFIGS[name])
    order = permutation(ROWS * COLS, 5)
    prefix = model.config.num_prefix_tokens
    moved = model(pixels(), edits=Edits(shuffle_patches=True, seed=5)).tokens
    if model.position is None and model.config.rope is None:
        still = model(pixels()).tokens
    else:
        inverse = torch.empty_like(order)
        inverse[order] = torch.arange(len(order))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("vit_demo.model.editing.permutation", lambda count, seed: inverse)
            still = model(pixels(), edits=Edits(positions="shuffled")).tokens
    torch.testing.assert_close(moved[:, :prefix], still[:, :prefix], **CLOSE)
    torch.testing.assert_close(moved[:, prefix:], still[:, prefix:][:, order], **CLOSE)


@pytest.mark.parametrize("name", CONFIGS)
def test_without_positions_a_shuffled_picture_gives_the_same_answer(name):
    model = make(**CONFIGS[name])
    how = "none" if model.position is not None or model.config.rope is not None else "keep"
    one, other = (answers(model, Edits(positions=how, shuffle_patches=s, seed=2)) for s in (False, True))
    prefix = model.config.num_prefix_tokens
    torch.testing.assert_close(one[0][:, :prefix], other[0][:, :prefix], **CLOSE)
    if model.head is not None:
        torch.testing.assert_close(one[1], other[1], **CLOSE)


@pytest.mark.parametrize("name", ["rope centred", "rope index and table", "rope mixed", "shared keys and values"])
def test_ropes_coordinates_scaled_by_0_are_as_if_nothing_turned(name):
    model = make(**CONFIGS[name])
    if model.position is None:
        torch.testing.assert_close(
            answers(model, Edits(position_scale=0)), answers(model, Edits(positions="none")), **CLOSE
        )
    assert not torch.allclose(answers(model, Edits(position_scale=1.5))[0], answers(model)[0], **CLOSE)


def test_a_temperature_of_0_looks_at_all_tokens_alike():
    model, trace = make(), Trace()
    model(pixels(), trace=trace, edits=Edits(temperature=0))
    assert torch.allclose(attention_matrix(trace, 1), torch.full((), 1 / (1 + ROWS * COLS)))


def test_a_trace_shows_closed_edges_and_the_tokens_that_are_left():
    model, trace, rows = make(num_registers=2), Trace(), RowTrace(0)
    edits = Edits(drop=((0, 0), (2, 4)), cut=(Cut(layers=(1,), queries=("cls",), keys=("reg1", (1, 1))),))
    model(pixels(), trace=trace, edits=edits)
    model(pixels(), trace=rows, edits=edits)
    assert trace.tokens.tolist() == [0, 1, 2, *range(4, 17)]
    for layer in range(DEPTH):
        row = attention_rows(trace, layer, 0)
        assert torch.equal(rows.rows[layer], row)
        assert torch.equal(attention_matrix(trace, layer)[:, :, 0], row) or torch.allclose(
            attention_matrix(trace, layer)[:, :, 0], row, atol=1e-6
        )
        assert torch.allclose(row.sum(-1), torch.ones(()))
        at = trace.tokens.tolist().index(trace.grid.token_of_patch(1, 1))
        assert bool((row[..., [1, at]] == 0).all()) == (layer == 1)


def test_hiding_patches_in_pixels_changes_those_pixels_alone():
    model, seen = make(), []
    hook = model.patch_embed.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    model(pixels(), edits=Edits(hide=((1, 2),)))
    hook.remove()
    changed = (seen[0] != pixels()).any(dim=1)
    assert changed[:, 16:32, 32:48].all()
    assert changed.sum() == 2 * 16 * 16
    mean = pixels().mean(dim=(2, 3))
    torch.testing.assert_close(seen[0][:, :, 16, 32], mean)


def test_edits_are_plain_data_in_one_form():
    one = Edits(drop=[[2, 1], (0, 1), (0, 1)], heads={(1, 0): "zero", (0, 2): "mean"}, skip=[(1, "mlp")])
    two = Edits(drop=((0, 1), (2, 1)), heads=(((0, 2), "mean"), ((1, 0), "zero")), skip=((1, "mlp"),))
    assert one == two
    assert hash(one) == hash(two)
    assert pickle.loads(pickle.dumps(one)) == one
    assert bool(one)


GRID = PatchGrid(ROWS, COLS, 16, ("cls", "reg1"))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (Edits(drop=((3, 0),)), "drop: patch .3, 0., counted from 0, is outside the 3×5 grid"),
        (Edits(hide=((0, 5),)), "hide: patch .0, 5., counted from 0, is outside"),
        (Edits(heads={(2, 0): "zero"}), "heads: layer 2 is outside 0 … 1"),
        (Edits(heads={(0, 3): "zero"}), "heads: head 3 is outside 0 … 2"),
        (Edits(skip=((5, "mlp"),)), "skip: layer 5"),
        (Edits(cut=(Cut(keys=("dist",)),)), "cut: there is no prefix token 'dist'; there are: cls, reg1"),
        (Edits(cut=(Cut(layers=(7,)),)), "cut: layer 7"),
        (Edits(patch_in=((0, ((9, 9),)),)), "patch_in: patch"),
        (Edits(position_scale=2), "position_scale is for models with RoPE"),
    ],
)
def test_what_a_model_does_not_know_is_refused_by_name_and_left_out_where_it_need_not_fit(wrong, says):
    config = make(num_registers=1).config
    with pytest.raises(ValueError, match=says):
        wrong.check(config, GRID)
    assert not replace(wrong, drop=(*wrong.drop, (0, 0))).fitting(config, GRID).heads
    wrong.fitting(config, GRID).check(config, GRID)


@pytest.mark.parametrize(
    "values",
    [
        dict(positions="turned"),
        dict(heads={(0, 0): "halved"}),
        dict(skip=((0, "norm"),)),
        dict(temperature=-1.0),
        dict(hide_with="red"),
    ],
)
def test_values_that_no_model_knows_are_refused_when_made(values):
    with pytest.raises(ValueError, match=r"can be|must be"):
        Edits(**values)


def test_what_leaves_nothing_to_read_or_to_see_is_refused():
    everything = Edits(drop=every_patch())
    assert make()(pixels(), edits=everything).tokens.shape[1] == 1  # the answer to nothing: the class token alone
    assert make(pool="avg", num_classes=0)(pixels(), edits=everything).tokens.shape[1] == 1  # no head reads the mean
    with pytest.raises(ValueError, match="drop leaves no patch"):
        make(pool="avg")(pixels(), edits=everything)
    with pytest.raises(ValueError, match="drop leaves no patch"):
        make(class_token=False, position_prefix=0, pool="map")(pixels(), edits=everything)
    with pytest.raises(ValueError, match="would see nothing"):
        make()(pixels(), edits=Edits(cut=(Cut(keys=("cls", *every_patch())),)))
    with pytest.raises(ValueError, match="source"):
        make()(pixels(), edits=Edits(patch_in=((0, None),)))
    with pytest.raises(ValueError, match="example"):
        make()(pixels(), edits=Edits(heads={(0, 0): "examples"}))


def test_a_heads_mean_over_examples_is_each_prefix_tokens_own_and_the_patches_together():
    model, trace = make(num_registers=1), Trace()
    means = torch.randn(DEPTH, HEADS, 3, 8)
    encoded = model(pixels(), trace=trace, edits=Edits(heads={(1, 2): "examples"}, drop=((0, 0),)), example_heads=means)
    out = trace.layers[1].out.clone()
    out[:, 2] = means[1, 2][[0, 1, *[2] * (ROWS * COLS - 1)]]
    block = model.blocks[1]
    x = trace.layers[0].residual
    x = x + block.attn.proj(out.transpose(1, 2).flatten(2))
    torch.testing.assert_close(encoded.tokens, model.norm(x + block.mlp(block.norm2(x))), **CLOSE)


def test_edits_go_through_json_and_back():
    import json

    edits = Edits(
        drop=((0, 1),),
        heads={(1, 0): "zero"},
        skip=((1, "mlp"),),
        cut=(Cut(keys=("cls", (1, 1))), Cut(layers=(0,), queries=("patches",))),
        patch_in=((1, ("cls",)), (0, None, 2)),
        temperature=2,
        seed=4,
    )
    assert Edits.of_plain(json.loads(json.dumps(edits.plain()))) == edits
    assert Edits().plain() == {}


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "drop",
        {"dropped": []},
        {"drop": 5},
        {"drop": [[1]]},
        {"drop": [["a", "b"]]},
        {"heads": [[1, 2]]},
        {"heads": [[[0, 0], ["mean"]]]},
        {"cut": [{"tokens": []}]},
        {"cut": [5]},
        {"patch_in": [5]},
        {"temperature": "hot"},
        {"temperature": float("nan")},
        {"seed": 1.5},
        {"skip": [[0]]},
        {"positions": ["none"]},
        {"drop": [[float("inf"), 0]]},
        {"temperature": 1e38},
        {"temperature": 10**400},
        {"position_scale": 1e9},
        {"seed": 10**30},
        {"seed": True},
        {"cut": [{"layers": ["a"]}]},
        {"cut": [{"keys": [3]}]},
        {"cut": {"keys": []}},
        {"patch_in": [[1, [3]]]},
        {"patch_in": [[1, None, "x"]]},
        {"drop": "0,1"},
    ],
)
def test_what_is_no_edits_is_refused(value):
    with pytest.raises(ValueError, match=r"\w"):
        Edits.of_plain(value)


def test_all_patches_are_named_in_one_word():
    model, trace = make(), Trace()
    model(pixels(), trace=trace, edits=Edits(cut=(Cut(layers=(0,), queries=("cls",), keys=("patches",)),)))
    assert torch.equal(attention_rows(trace, 0, 0)[..., 0], torch.ones(2, HEADS))


def test_several_states_on_one_layer_are_all_patched_in():
    model, source = make(num_registers=2), Trace()
    model(other_picture(), trace=source)
    apart = answers(model, Edits(patch_in=((0, ("cls",)), (0, ("reg1", (1, 1))))), source=source)
    together = answers(model, Edits(patch_in=((0, ("cls", "reg1", (1, 1))),)), source=source)
    torch.testing.assert_close(apart, together)
    assert not torch.allclose(apart[0], answers(model, Edits(patch_in=((0, ("cls",)),)), source=source)[0])


def test_rules_come_once_and_are_bounded():
    assert len(Edits(cut=[Cut(keys=("cls",))] * 60).cut) == 1
    with pytest.raises(ValueError, match="longer than 64"):
        Edits(cut=[Cut(layers=(n % 3,)) for n in range(80)])
    with pytest.raises(ValueError, match="longer than"):
        Edits(drop=((0, 0),) * 30_000)


def test_words_for_people_count_from_one():
    with pytest.raises(ValueError, match=r"layer 3 is outside 1 … 2 \(counted from 1\)"):
        Edits(heads={(2, 0): "zero"}).check(make().config, GRID, first=1)
