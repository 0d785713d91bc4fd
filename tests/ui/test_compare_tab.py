"""The Compare tab: every column is what its own model answered, and one that fails leaves the others."""

from __future__ import annotations

import re

import gradio as gr
import numpy as np
import pytest

from vit_demo.contract import DemoError, ModelError, SizeChoice
from vit_demo.text import LANGUAGES, phrases, say
from vit_demo.ui.kit.reader import Picture
from vit_demo.ui.kit.static import ui_text
from vit_demo.ui.kit.words import view_words
from vit_demo.ui.tabs.compare import columns
from vit_demo.ui.tabs.compare import tab as compare

HEAD, FEATURES, BROKEN = "fake/head", "fake/features", "fake/broken"


@pytest.fixture
def other(image) -> Picture:
    return Picture(image[:, ::-1].copy(), "other")


@pytest.fixture
def on_disk(explainer):
    """Both models of the fake engine that can be had are on disk."""
    from dataclasses import replace

    known = explainer.statuses()
    there = lambda status: "out_of_reach" if status.card.id == BROKEN else "on_disk"  # noqa: E731
    explainer.statuses = lambda: tuple(replace(status, availability=there(status)) for status in known)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_the_view_is_there(language):
    words = view_words("compare", language)
    used = set(re.findall(r"data-(?:word|label)=\"(\w+)\"", ui_text("tabs/compare/view.html")))
    for module in ("view.js", "column.js"):
        used |= set(re.findall(r"\bwords\.(\w+)", re.sub(r'"[^"]*?"', "", ui_text(f"tabs/compare/{module}"))))
    used |= {"attention", "similarity", "components"}
    assert len(used) > 30
    assert used <= set(words)


def test_alone_the_pages_model_stands_beside_a_second_picture(state, other):
    updates, info = compare.show(state(), [], False, other, None)
    first, second = updates["compare"]["data"]["columns"]
    assert updates["compare_second"] is True
    assert second["title"] == say("compare.on_second", title=first["title"])
    assert info.model_id == HEAD
    assert (first["shared"], second["shared"]) == (2, 2)  # one model: one basis
    assert not updates["compare"]["data"]["agreements"]


def test_the_second_picture_is_never_the_pages_own(state, examples, other):
    own = Picture(examples[1].picture(), examples[1].digest)
    updates, _ = compare.show(state(image=own.pixels, digest=own.digest), [], True, own, None)
    assert updates["compare_other"] == str(examples[0].path)
    updates, _ = compare.show(state(image=own.pixels, digest=own.digest), [], True, other, None)
    assert updates["compare_other"] == gr.skip()


def test_models_that_are_on_disk_stand_beside_it_with_their_agreement(state, on_disk, explainer, other):
    updates, _ = compare.show(state(), [FEATURES, "fake/none", HEAD, 5], False, other, 0.5)
    data = updates["compare"]["data"]
    assert [column["model"] for column in data["columns"]] == [HEAD, FEATURES]
    assert updates["compare_models"]["value"] == [FEATURES]
    (agreement,) = data["agreements"]
    np.testing.assert_allclose(
        agreement["values"], explainer.agreement(state().image, HEAD, FEATURES).values, atol=1e-4
    )
    assert [column["layer"] for column in data["columns"]] == [2, 2]  # half way through 6 layers, and through 4
    assert data["columns"][0]["classes"]
    assert not data["columns"][1]["classes"]
    files = updates["compare"]["files"]
    assert {f"{name}{i}" for name in ("layer", "features", "colours") for i in (0, 1)} <= set(files)
    assert "<polyline" in updates["compare_curves"]


def test_columns_come_one_after_the_other_and_one_that_fails_leaves_its_reason(state, explainer, other):
    steps = list(compare.compared(state(), [BROKEN, FEATURES], True, other))
    shown = [step["compare"]["data"]["columns"] for step in steps if "compare" in step]
    assert [sum(column["ready"] for column in columns) for columns in shown] == [1, 2, 2, 3, 3]
    problems = [column["problem"] for column in shown[-1]]
    assert [bool(problem) for problem in problems] == [False, False, True, False]
    assert steps[-1]["compare_progress"] == ""
    assert [one["cols"] for one in steps[-1]["compare"]["data"]["agreements"]] == ["Fake features"]


def test_when_the_pages_own_model_fails_the_others_stand(state, explainer):
    explainer.errors["attention_layer"] = ModelError("checkpoint.not_offered", name="x")
    (*_, last) = compare.compared(state(), [FEATURES], False, None)
    assert all(column["problem"] for column in last["compare"]["data"]["columns"])
    assert last["compare_curves"] == ""


def test_a_pair_sets_its_models_and_a_value_that_is_none_nothing(state, monkeypatch):
    monkeypatch.setitem(compare.PAIRS, "fake", (HEAD, FEATURES))
    first, *rest = compare.paired(state(), "fake", [], True, None)
    assert first["compare_models"]["value"] == [FEATURES]
    assert first["compare_second"] is False
    assert [column["model"] for column in rest[-1]["compare"]["data"]["columns"]] == [HEAD, FEATURES]
    for nothing in (None, "none", ["fake"]):
        assert list(compare.paired(state(), nothing, [], False, None)) == []


@pytest.mark.parametrize("name", compare.PAIRS)
def test_every_pair_is_of_models_that_there_are_and_says_why(name):
    from vit_demo.checkpoints.catalog import card_of

    assert all(card_of(model) for model in compare.PAIRS[name])
    for language in LANGUAGES:
        assert len(phrases(language)[f"compare.pair_{name}"]) > 10


def test_another_depth_asks_for_its_layers(state, on_disk, explainer):
    (only,) = compare.at_depth(state(), {"depth": 0.5, "times": 3}, [FEATURES], False, None)
    data = only["compare"]["data"]
    assert [column["layer"] for column in data["columns"]] == [2, 2]  # of 6 and of 4 layers
    assert (data["depth"], data["times"]) == (0.5, 3)
    for wrong in (None, "1", True, 2, -0.1, float("nan")):
        assert list(compare.at_depth(state(), {"depth": wrong}, [], False, None)) == []


def test_all_columns_have_their_own_size_where_the_page_has_its_own(state, explainer):
    details = explainer.details(HEAD)
    native = next(option.side for option in details.sizes if option.native)
    assert columns.size_for(state(size=SizeChoice(native)), details).side is None
    assert columns.size_for(state(size=SizeChoice(96)), details).side == 96


def test_at_most_four_columns(state, other):
    made = compare.columns_of(state(), ["a", "b", "c"], True, other)
    assert len(made) == 4
    assert made[1].own_picture
    with pytest.raises(DemoError):
        compare.columns_of(state(), [], True, DemoError("picture.gone"))


def test_the_lines_of_a_download_run(state, on_disk, monkeypatch, image):
    import vit_demo.explain

    made = compare.download(state(), [FEATURES], False, None)
    explainer = state().explainer
    monkeypatch.setattr(vit_demo.explain, "Explainer", lambda: explainer)
    scope = {"PICTURE": image}
    exec(compile(made.code.replace('Image.open("picture.png")', "PICTURE"), "lines", "exec"), scope)
    with np.load(__import__("io").BytesIO(made.files["compare.npz"])) as numbers:
        np.testing.assert_array_equal(numbers["agreement_1"], scope["answer"].agreements[0].values)
    assert made.files["compare.png"][:4] == b"\x89PNG"


def test_the_same_place_in_crops_of_one_picture(node):
    script = """(() => {
      const whole = { rows: 4, cols: 8, box: [0, 0, 1, 1] };
      const middle = { rows: 2, cols: 2, box: [0.25, 0.25, 0.75, 0.75] };
      const from = (place, crop, other) => js.patchOf(js.pointOf(place, crop), other);
      return [from({ row: 0, col: 1 }, middle, whole), from({ row: 2, col: 3 }, whole, middle),
        from({ row: 0, col: 0 }, whole, middle), from({ row: 3, col: 7 }, whole, whole)];
    })()"""
    assert node(script, ("tabs/compare/places.js",)) == [
        {"row": 1, "col": 5}, {"row": 1, "col": 0}, None, {"row": 3, "col": 7},
    ]  # fmt: skip
