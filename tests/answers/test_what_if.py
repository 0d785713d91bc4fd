"""The answer before and after a change, and scans over many: against timm with hooks, and against one pass a change."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from vit_demo.answers import parts
from vit_demo.contract import DemoError, SizeChoice, TokenQuery
from vit_demo.edits import Cut, Edits
from vit_demo.explain import Explainer
from vit_demo.gallery import Example

DEPTH, HEADS, CLASSES = 3, 3, 6
TINY = dict(img_size=(64, 96), depth=DEPTH, embed_dim=48, num_heads=HEADS)
ROWS, COLS = 4, 6


def picture(seed: int) -> np.ndarray:
    rough = np.random.default_rng(seed).integers(0, 256, (8, 13, 3), np.uint8)
    return rough.repeat(10, 0).repeat(10, 1)


def folder_of(tmp_path_factory, seed: int, name: str = "vit_tiny_patch16_224", **more):
    torch.manual_seed(seed)
    args = {**TINY, **more}
    model = timm.create_model(name, **args).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    folder = tmp_path_factory.mktemp(f"model{seed}")
    timm.models.save_for_hf(model, folder, model_args=args, safe_serialization=True)
    return model, str(folder)


@pytest.fixture(scope="module")
def explainer(tmp_path_factory) -> Explainer:
    folder = tmp_path_factory.mktemp("examples")
    for seed in range(4):
        Image.fromarray(picture(seed)).save(folder / f"{seed}.png")
    return Explainer("cpu", examples=tuple(Example(folder / f"{seed}.png", f"kind {seed}") for seed in range(4)))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """(timm's model, folder)"""
    return folder_of(tmp_path_factory, 1, num_classes=CLASSES, reg_tokens=2)


@pytest.fixture(scope="module")
def headless(tmp_path_factory) -> str:
    return folder_of(tmp_path_factory, 2, num_classes=0)[1]


@pytest.fixture(scope="module")
def averaging(tmp_path_factory) -> str:
    more = dict(class_token=False, global_pool="avg", num_classes=CLASSES)
    return folder_of(tmp_path_factory, 3, **more)[1]


def pixels_of(explainer, model: str, image: np.ndarray, size=None) -> torch.Tensor:
    engine = explainer._engine
    return engine.pixels(engine.prepared(image, engine.load(model), size or SizeChoice()))


def zero_head(model, layer: int, head: int):
    width = 48 // HEADS

    def hook(module, args):
        x = args[0].clone()
        x[..., head * width : (head + 1) * width] = 0
        return (x,)

    return model.blocks[layer].attn.proj.register_forward_pre_hook(hook)


@torch.no_grad()
def test_before_and_after_are_timms_probabilities_without_and_with_a_hook(explainer, classifier):
    theirs, folder = classifier
    got = explainer.what_if(picture(9), folder, edits=Edits(heads={(1, 2): "zero"}))
    pixels = pixels_of(explainer, folder, picture(9))
    before = theirs(pixels)[0]
    hook = zero_head(theirs, 1, 2)
    after = theirs(pixels)[0]
    hook.remove()
    classes = [int(name.removeprefix("class ")) for name in got.names]
    for told, want in (
        (got.scores_before, before),
        (got.scores_after, after),
        (got.before, before.softmax(-1)),
        (got.after, after.softmax(-1)),
    ):
        np.testing.assert_allclose(told, want[classes].numpy(), atol=2e-5)
    assert classes[got.best_before] == int(before.argmax()) == classes[got.target]
    assert classes[got.best_after] == int(after.argmax())
    assert (np.diff(got.before) <= 0).all()


@pytest.mark.parametrize("model", ["classifier", "headless", "averaging"])
def test_without_edits_nothing_changes(explainer, model, request):
    folder = request.getfixturevalue(model)
    got = explainer.what_if(picture(9), folder if isinstance(folder, str) else folder[1])
    for one, other in ((got.before, got.after), (got.maps_before, got.maps_after), (got.seen, got.picture)):
        assert np.array_equal(one, other)
    assert got.likeness == pytest.approx(1, abs=1e-6)
    assert not got.left_out


def test_a_dropped_patch_is_a_hole_in_every_map_and_the_rest_adds_up_to_1(explainer, classifier):
    got = explainer.what_if(picture(9), classifier[1], edits=Edits(drop=((1, 2), (3, 5))), layer=1)
    holes = np.isnan(got.maps_after)
    assert holes[:, 1, 2].all()
    assert holes[:, 3, 5].all()
    assert holes.sum() == 2 * HEADS
    assert not np.isnan(got.maps_before).any()
    for maps, prefix in ((got.maps_before, got.prefix_before), (got.maps_after, got.prefix_after)):
        np.testing.assert_allclose(np.nansum(maps, axis=(1, 2)) + prefix.sum(1), 1, atol=1e-5)
    assert got.tokens == 3 + ROWS * COLS - 2


def test_from_a_token_that_was_dropped_nothing_looks(explainer, classifier):
    query = TokenQuery(None, 1, 2)
    got = explainer.what_if(picture(9), classifier[1], edits=Edits(drop=((1, 2),)), query=query)
    assert got.maps_after is None
    assert got.maps_before is not None


def test_a_headless_models_answer_is_the_likeness_to_the_examples_without_the_picture_itself(explainer, headless):
    got = explainer.what_if(picture(2), headless, edits=Edits(shuffle_patches=True))
    assert got.kind == "example"
    assert got.names[got.best_before] != "kind 2"
    assert all(name.endswith(".png") for name in got.files)
    expected = explainer.targets(picture(2), headless)
    for name, value in zip(got.names, got.before, strict=True):
        assert value == pytest.approx(expected.scores[expected.names.index(name)], abs=1e-5)
    assert got.likeness < 1 - 1e-6


def test_the_picture_seen_is_the_one_with_changed_pixels(explainer, classifier):
    hidden = explainer.what_if(picture(9), classifier[1], edits=Edits(hide=((0, 1),)))
    changed = (hidden.seen != hidden.picture).any(axis=2)
    assert changed[:16, 16:32].mean() > 0.9
    assert changed.sum() == changed[:16, 16:32].sum()
    mean = hidden.picture.reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(hidden.seen[5, 20], mean, atol=1)
    shuffled = explainer.what_if(picture(9), classifier[1], edits=Edits(shuffle_patches=True)).seen
    assert sorted(shuffled.reshape(-1, 3).tolist()) == sorted(hidden.picture.reshape(-1, 3).tolist())


def test_what_a_model_does_not_know_is_refused_with_the_reason_or_left_out_and_said(explainer, classifier):
    edits = Edits(drop=((0, 0), (9, 9)), heads={(40, 0): "zero"}, cut=(Cut(keys=("dist", "reg1")),))
    with pytest.raises(DemoError, match="outside"):
        explainer.what_if(picture(9), classifier[1], edits=edits)
    got = explainer.what_if(picture(9), classifier[1], edits=edits, fit=True)
    assert got.left_out
    assert got.edits == Edits(drop=((0, 0),), cut=(Cut(keys=("reg1",)),))


def test_states_of_another_picture_need_one(explainer, classifier):
    edits = Edits(patch_in=((DEPTH - 1, None),))
    with pytest.raises(DemoError, match="second picture"):
        explainer.what_if(picture(9), classifier[1], edits=edits)
    got = explainer.what_if(picture(9), classifier[1], edits=edits, other=picture(5))
    want = explainer.what_if(picture(5), classifier[1])
    assert got.names[got.best_after] == want.names[want.best_before]


def score_after(explainer, model, edits, target, **more) -> float:
    got = explainer.what_if(picture(9), model, edits=edits, target=target, **more)
    return float(got.scores_after[got.target] - got.scores_before[got.target])


@pytest.mark.parametrize("how", ["mean", "zero", "examples"])
@pytest.mark.parametrize("model", ["classifier", "headless", "averaging"])
def test_a_scan_over_heads_is_one_pass_a_head(explainer, model, how, request):
    folder = request.getfixturevalue(model)
    folder = folder if isinstance(folder, str) else folder[1]
    got = explainer.scan(picture(9), folder, kind="heads", target=1, how=how)
    for layer, head in np.ndindex(DEPTH, HEADS):
        want = score_after(explainer, folder, Edits(heads={(layer, head): how}), 1)
        assert got.values[layer, head] == pytest.approx(want, abs=3e-5)
    assert np.abs(got.values).max() > 1e-3


def test_a_scan_over_layers_is_one_pass_a_part(explainer, classifier):
    got = explainer.scan(picture(9), classifier[1], kind="layers", target=2)
    for layer in range(DEPTH):
        for at, part in enumerate(("attention", "mlp")):
            want = score_after(explainer, classifier[1], Edits(skip=((layer, part),)), 2)
            assert got.values[layer, at] == pytest.approx(want, abs=3e-5)


@pytest.mark.parametrize("model", ["classifier", "headless", "averaging"])
def test_a_scan_over_patches_is_one_pass_a_patch_and_batches_agree(explainer, model, request, monkeypatch):
    folder = request.getfixturevalue(model)
    folder = folder if isinstance(folder, str) else folder[1]
    got = explainer.scan(picture(9), folder, kind="patches", target=0)
    assert got.window == 1
    for row, col in ((0, 0), (1, 4), (3, 5)):
        want = score_after(explainer, folder, Edits(drop=((row, col),)), 0)
        assert got.values[row, col] == pytest.approx(want, abs=3e-5)
    monkeypatch.setattr("vit_demo.analysis.interventions.TOKENS_AT_ONCE", 1)
    explainer._engine.answers.clear()
    alone = explainer.scan(picture(9), folder, kind="patches", target=0)
    np.testing.assert_allclose(alone.values, got.values, atol=3e-5)


def test_on_a_large_grid_squares_of_patches_are_dropped_together(explainer, classifier, monkeypatch):
    monkeypatch.setattr("vit_demo.answers.scan.MOST_PLACES", 6)
    explainer._engine.answers.clear()
    got = explainer.scan(picture(9), classifier[1], kind="patches", target=0)
    explainer._engine.answers.clear()
    assert got.window == 2
    square = tuple((row, col) for row in (2, 3) for col in (4, 5))
    assert got.values[3, 5] == pytest.approx(score_after(explainer, classifier[1], Edits(drop=square), 0), abs=3e-5)
    assert (got.values[2:, 4:] == got.values[3, 5]).all()


def test_a_scan_over_states_ends_where_the_other_picture_is(explainer, classifier):
    got = explainer.scan(picture(9), classifier[1], kind="states", target=3, other=picture(5))
    for layer in range(DEPTH):
        edits = Edits(patch_in=((layer, ("cls", "reg1", "reg2")),))
        assert got.values[layer, 0] == pytest.approx(
            score_after(explainer, classifier[1], edits, 3, other=picture(5)), abs=3e-5
        )
    # the class token alone is read: at the last layer it carries the whole answer, and the patches none of it
    assert got.values[-1, 0] == pytest.approx(got.score_of_other - got.score, abs=3e-5)
    assert got.values[-1, 1] == pytest.approx(0, abs=3e-5)


@pytest.mark.parametrize("kind", ["heads", "layers", "patches", "states"])
def test_parts_of_a_scan_make_the_whole(explainer, classifier, kind, monkeypatch):
    monkeypatch.setitem(parts.PART_TOKENS, "cpu", 100)
    explainer._engine.answers.clear()
    whole = explainer.scan(picture(9), classifier[1], kind=kind, target=0, other=picture(5))
    made = explainer.scan(picture(9), classifier[1], kind=kind, target=0, other=picture(5), part=0)
    assert np.isnan(made.values).any()
    for part in range(1, whole.parts):
        made = made.with_part(
            explainer.scan(picture(9), classifier[1], kind=kind, target=0, other=picture(5), part=part)
        )
    np.testing.assert_allclose(made.values, whole.values, atol=3e-5)
    with pytest.raises(DemoError, match="part"):
        explainer.scan(picture(9), classifier[1], kind=kind, target=0, other=picture(5), part=whole.parts)


@pytest.mark.parametrize("method", ["greedy", "chefer", "attention"])
@pytest.mark.parametrize("model", ["classifier", "headless"])
def test_the_patches_that_a_search_finds_change_the_answer_and_all_but_the_last_do_not(
    explainer, model, method, request
):
    folder = request.getfixturevalue(model)
    folder = folder if isinstance(folder, str) else folder[1]
    for seed in (9, 11, 12):
        found = explainer.fewest_patches(picture(seed), folder, method=method)
        assert len(set(found.patches)) == len(found.patches) >= 1
        dropped = explainer.what_if(picture(seed), folder, edits=Edits(drop=found.patches))
        assert dropped.names[dropped.best_before] == found.name_before
        assert dropped.names[dropped.best_after] == found.name_after
        assert found.changed == (found.name_before != found.name_after)
        if found.changed and len(found.patches) > 1:
            fewer = explainer.what_if(picture(seed), folder, edits=Edits(drop=found.patches[:-1]))
            assert fewer.best_after == fewer.best_before


def test_what_there_is_not_is_refused_by_name(explainer, classifier):
    for ask in (
        lambda: explainer.scan(picture(9), classifier[1], kind="tokens"),
        lambda: explainer.scan(picture(9), classifier[1], how="halved"),
        lambda: explainer.fewest_patches(picture(9), classifier[1], method="magic"),
    ):
        with pytest.raises(DemoError, match="There are"):
            ask()
    with pytest.raises(DemoError, match="second picture"):
        explainer.scan(picture(9), classifier[1], kind="states")
    with pytest.raises(DemoError, match="target"):
        explainer.what_if(picture(9), classifier[1], target=CLASSES)


def test_a_token_that_would_see_nothing_is_refused_in_a_sentence(explainer, averaging):
    everything = tuple((row, col) for row in range(ROWS) for col in range(COLS))
    with pytest.raises(DemoError, match="see nothing"):
        explainer.what_if(picture(9), averaging, edits=Edits(cut=(Cut(keys=everything),)), fit=True)


def test_what_lies_before_the_first_change_is_not_computed_again(explainer, classifier, monkeypatch):
    from vit_demo.model.block import Block

    explainer.what_if(picture(9), classifier[1])
    run, forward = [], Block.forward
    monkeypatch.setattr(Block, "forward", lambda self, *args: run.append(1) or forward(self, *args))
    for edits, blocks in (
        (Edits(heads={(2, 0): "zero"}), 1),
        (Edits(skip=((1, "mlp"),)), 2),
        (Edits(drop=((0, 0),)), 3),
    ):
        run.clear()
        explainer.what_if(picture(9), classifier[1], edits=edits)
        assert len(run) == blocks


def test_who_draws_waits_in_the_same_line_as_all_others(explainer, classifier, monkeypatch):
    """A changed pass is a pass: it takes a place and a turn that is not first."""
    engine, taken = explainer._engine, []
    turn, placed = engine._turns.turn, engine._places.turn
    monkeypatch.setattr(engine._turns, "turn", lambda **how: taken.append(how.get("first", False)) or turn(**how))
    monkeypatch.setattr(engine._places, "turn", lambda **how: taken.append("place") or placed(**how))
    explainer.what_if(picture(9), classifier[1], edits=Edits(drop=((1, 1),)))
    taken.clear()
    explainer.what_if(picture(9), classifier[1], edits=Edits(drop=((1, 2),)))
    assert taken[0] == "place"
    assert taken[-1] is False
