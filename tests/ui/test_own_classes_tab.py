"""The Own classes tab: what is collected, how it is bounded, and that names never become markup."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vit_demo.contract import DemoError, OwnClasses, PictureError, SizeChoice
from vit_demo.contract.own_classes import MAX_CLASSES, MAX_EXAMPLES, THUMB_PX
from vit_demo.gallery import read_gallery
from vit_demo.text import say
from vit_demo.ui.page import Page
from vit_demo.ui.state import PageState, Selection
from vit_demo.ui.tabs.own_classes import tab

HEAD, FEATURES = "fake/head", "fake/features"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SCRIPT = "<script>alert(1)</script>"


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (60, 100, 3), np.uint8)


@pytest.fixture
def state(explainer, examples, image):
    return PageState(explainer, examples, image, HEAD, SizeChoice(), Selection(), "en")


@pytest.fixture
def two(state):
    """Two classes: two examples of one, three of the other."""
    own = tab.extended(state, None, "cats", (picture(0), picture(1)))
    return tab.extended(state, own, "dogs", (picture(2), picture(3), picture(4)))


def test_pictures_are_collected_under_their_class_with_vector_and_thumbnail(state, explainer, two):
    assert two.names == ("cats", "dogs")
    assert two.labels.tolist() == [0, 0, 1, 1, 1]
    assert two.thumbnails.shape == (5, THUMB_PX, THUMB_PX, 3)
    expected = explainer.picture_vectors([picture(i) for i in range(5)], HEAD).vectors
    assert np.array_equal(two.vectors.vectors, expected)
    more = tab.extended(state, two, "  cats\n", (picture(9),))
    assert (more.names, more.labels.tolist()) == (("cats", "dogs"), [0, 0, 1, 1, 1, 0])


def test_adding_empties_the_inputs_and_answers(state, two):
    updates = tab.add(state, two, "dogs", ["kitten.jpg"], (picture(7),))
    assert len(updates["own_classes_set"].labels) == 7
    assert (updates["own_classes_uploads"], updates["own_classes_examples"]) == (None, [])
    assert "vd-bars" in updates["own_classes_answer"]


def test_the_pages_own_picture_can_be_added(state, two):
    own = tab.add_this(state, two, "cats")["own_classes_set"]
    assert own.labels.tolist() == [0, 0, 1, 1, 1, 0]
    assert np.array_equal(own.thumbnails[-1], tab.thumbnail(state.image))


def test_a_picture_is_not_collected_twice(state, two):
    """Left out, its twin would find it: the accuracy would be too good."""
    again = tab.extended(state, two, "cats", (picture(3), picture(8), picture(8)))
    assert again.labels.tolist() == [0, 0, 1, 1, 1, 0]


def test_a_thumbnail_is_the_centre_of_its_picture():
    wide = np.zeros((64, 192, 3), np.uint8)
    wide[:, 64:128] = 200
    assert (tab.thumbnail(wide) == 200).all()


@pytest.mark.parametrize(
    ("name", "pictures", "key"),
    [("", 1, "no_name"), (" \n", 1, "no_name"), (None, 1, "no_name"), ("cats", 0, "nothing_to_add")],
)
def test_what_is_missing_is_said(state, name, pictures, key):
    with pytest.raises(DemoError) as caught:
        tab.extended(state, None, name, tuple(picture(i) for i in range(pictures)))
    assert caught.value.key == f"own_classes.{key}"


def test_collections_are_bounded(state, explainer, two):
    full = replace(two, names=tuple(f"class {i}" for i in range(MAX_CLASSES)))
    with pytest.raises(DemoError) as caught:
        tab.extended(state, full, "one more", (picture(9),))
    assert caught.value.key == "own_classes.too_many_classes"
    with pytest.raises(DemoError) as caught:
        tab.extended(state, two, "cats", (picture(9),) * (MAX_EXAMPLES - 4))
    assert caught.value.key == "own_classes.too_many_examples"


def test_what_is_wrong_with_an_upload_is_said(state):
    with pytest.raises(PictureError):
        tab.add(state, None, "cats", [], PictureError("picture.damaged"))


def test_examples_of_another_model_are_not_mixed(state, two):
    other = replace(state, model=FEATURES)
    with pytest.raises(DemoError) as caught:
        tab.extended(other, two, "cats", (picture(9),))
    assert caught.value.key == "own_classes.other_model"
    updates, info = tab.show(other, two)
    assert say("own_classes.other_model", theirs=HEAD, ours=FEATURES) in unescape(updates["own_classes_answer"])
    assert info is None
    assert updates["own_classes_set"] is two  # kept: the visitor may go back to the model


def test_removing_a_class_keeps_the_others_in_order(state, two):
    three = tab.extended(state, two, "birds", (picture(6),))
    left = tab.remove(state, three, "cats")["own_classes_set"]
    assert (left.names, left.labels.tolist()) == (("dogs", "birds"), [0, 0, 0, 1])
    assert np.array_equal(left.thumbnails, three.thumbnails[2:])
    left = tab.remove(state, left, "birds")["own_classes_set"]
    assert tab.remove(state, left, "dogs")["own_classes_set"] is None
    for nonsense in ("wolves", None, 3):
        with pytest.raises(DemoError):
            tab.remove(state, two, nonsense)
    with pytest.raises(DemoError):
        tab.remove(state, None, "cats")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_votes_probabilities_accuracies_and_reasons_are_shown(state, two, language):
    updates, info = tab.show(replace(state, language=language), two)
    html = updates["own_classes_answer"]
    assert re.findall(r'vd-label">(\w+)<', html) == ["dogs", "cats", "cats", "dogs"]  # by votes, then the probe's tie
    assert re.findall(r'vd-number">([\d.]+) %', html) == ["67", "33", "50", "50"]
    assert say("own_classes.knn", language, k=5, right="75", count=5) in unescape(html)
    assert say("own_classes.probe", language, right="50", count=5) in unescape(html)
    assert re.findall(r">(cats|dogs) ([−\d.]+)</li>", html) == [("cats", "0.50"), ("cats", "0.25"), ("dogs", "−0.25")]
    assert info.model_id == HEAD
    assert [choice for choice, _ in updates["own_classes_examples"]["choices"]][:2]


def test_nothing_and_a_single_class_say_what_to_do(state):
    updates, info = tab.show(state, None)
    assert say("own_classes.empty") in unescape(updates["own_classes_answer"])
    assert (updates["own_classes_board"], info) == ("", None)
    one = tab.extended(state, None, "cats", (picture(0),))
    assert say("own_classes.too_few_classes") in unescape(tab.show(state, one)[0]["own_classes_answer"])
    assert tab.show(state, "nonsense")[0]["own_classes_set"] is None


def test_names_never_become_markup(state, two):
    hostile = replace(two, names=(SCRIPT, "a & b"))
    updates, _ = tab.show(state, hostile)
    for part in ("own_classes_answer", "own_classes_board"):
        assert "<script" not in updates[part]
        assert SCRIPT in unescape(updates[part])


def test_classes_taken_away_can_be_brought_back(state, two):
    parcel = tab.download(state, two)
    back = tab.bring_back(state, parcel.files["own-classes.npz"])["own_classes_set"]
    assert back.names == two.names
    assert np.array_equal(back.labels, two.labels)
    assert np.array_equal(back.vectors.vectors, two.vectors.vectors)
    with pytest.raises(DemoError) as caught:
        tab.bring_back(state, b"PK hello")
    assert caught.value.key == "own_classes.file_damaged"
    for nothing in (None, "text", 3):
        assert tab.bring_back(state, nothing) == {}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_one_click_begins_with_two_classes_of_examples(explainer, image, language):
    examples = read_gallery(EXAMPLES)
    state = PageState(explainer, examples, image, HEAD, SizeChoice(), Selection(), language)
    updates = tab.begin(state, None)
    own = updates["own_classes_set"]
    assert own.names == (say("own_classes.animals", language), say("own_classes.things", language))
    keys = {example.key for example in examples}
    for label, wanted in enumerate(tab.BEGINNING.values()):
        assert set(wanted) <= keys
        assert (own.labels == label).sum() == len(wanted)
    assert updates["own_classes_begin"]["visible"] is False
    assert tab.begin(state, own) == {}
    gone = tab.remove(state, tab.remove(state, own, own.names[0])["own_classes_set"], own.names[1])
    assert gone["own_classes_set"] is None
    assert gone["own_classes_begin"]["visible"] is True


def test_nothing_collected_carries_no_files(state):
    assert tab.download(state, None).files == {}


def test_the_lines_run(state, explainer, two, tmp_path, monkeypatch, capsys):
    import vit_demo.explain

    parcel = tab.download(state, two)
    for name, content in parcel.files.items():
        (tmp_path / name).write_bytes(content)
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            assert arrays.files
    Image.fromarray(state.image).save(tmp_path / "picture.png")
    monkeypatch.chdir(tmp_path)

    class Arrays:
        def own_classes(self, opened: Image.Image, own: OwnClasses, model: str):
            return explainer.own_classes(np.asarray(opened), own, model)

    monkeypatch.setattr(vit_demo.explain, "Explainer", Arrays)
    exec(parcel.code, {})
    assert "('cats', 'dogs')" in capsys.readouterr().out


def test_every_part_is_laid_out_and_wired(explainer, examples):
    import gradio as gr

    page = Page(explainer, examples)
    with gr.Blocks():
        for name in ("image", "good_model", "side", "keep_shape", "language"):
            page.add(name, gr.State(None))
        page.add("selection", gr.State({}))
        tab.layout(page)
        tab.wire(page)
    assert set(tab.TAB.inputs.values()) | set(tab.TAB.outputs) <= set(page.parts)
