"""The Attention tab: what goes to the browser, what comes back, and what can be taken away."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

from vit_demo.contract import DemoError, SizeChoice, TokenQuery
from vit_demo.text import say
from vit_demo.ui.kit.static import ui_text
from vit_demo.ui.state import Selection
from vit_demo.ui.tabs.attention import tab as attention

HEAD, FEATURES = "fake/head", "fake/features"


def test_the_view_gets_the_chosen_layer_and_the_wall(state, explainer):
    updates, info = attention.show(state(selection=Selection(layer=1)))
    value = updates["attention"]
    assert value["data"]["layer"] == 1
    assert set(value["files"]) == {"layer", "features", "wall"}
    assert (value["data"]["rows"], value["data"]["cols"]) == (3, 5)
    assert value["data"]["prefix"] == ["cls", "reg1", "reg2"]
    assert value["data"]["prefix_titles"][2] == say("attention.token_reg", "en", number="2")
    assert info.model_id == HEAD


def test_another_layer_comes_alone_and_belongs_to_the_same_run(state):
    whole = attention.show(state())[0]["attention"]
    one = attention.fetch_layer(state(), {"layer": 3})["attention"]
    assert set(one["files"]) == {"layer", "features"}
    assert one["data"]["layer"] == 3
    assert one["data"]["key"] == whole["data"]["key"]


def test_another_picture_model_or_size_is_another_run(state, tall):
    chosen = [state(), state(model=FEATURES), state(size=SizeChoice(96)), state(image=tall, size=SizeChoice(48, True))]
    keys = [attention.show(one)[0]["attention"]["data"]["key"] for one in chosen]
    assert len(set(keys)) == len(keys)


def test_a_layer_asked_for_again_is_another_value(state):
    once, again = (attention.fetch_layer(state(), {"layer": 3, "times": times})["attention"] for times in (1, 2))
    assert once["data"] != again["data"]
    assert once["files"] == again["files"]


@pytest.mark.parametrize("what", [{}, {"layer": None}, {"layer": "3"}, {"layer": -1}, {"layer": 1e9}, {"layer": [0]}])
def test_a_request_for_no_layer_computes_nothing(state, explainer, what):
    assert attention.fetch_layer(state(), what) == {}
    assert "attention_layer" not in explainer.questions


def test_what_is_chosen_is_remembered_as_the_page_writes_it():
    what = {"layer": 2, "head": None, "token": "1,4", "more": "<script>"}
    assert attention.remember(what) == {"selection": {"layer": 2, "head": None, "token": "1,4"}}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_word_of_the_view_is_there(language):
    words = attention.view_words("attention", language)
    assert all(words.values())
    used = set(re.findall(r"data-(?:word|label)=\"(\w+)\"", ui_text("tabs/attention/view.html")))
    for module in ("view.js", "wall.js"):
        code = re.sub(r'".*?"', "", ui_text(f"tabs/attention/{module}"))
        used |= set(re.findall(r"\bwords\.(\w+)", code))
    assert len(used) > 30
    assert used <= set(words)


@pytest.mark.parametrize(
    ("size", "side"), [(SizeChoice(), None), (SizeChoice(96), "96")], ids=["own size", "another size"]
)
def test_a_link_names_model_size_and_example(state, examples, size, side):
    for example in (examples[0], examples[5]):
        link = state(image=example.picture(), digest=example.digest, size=size).link
        assert link["model"] == HEAD
        assert link["example"] == example.key
        assert link.get("side") == side


def test_a_link_keeps_the_shape(state):
    assert state(size=SizeChoice(96, keep_shape=True)).link["keep"] == "1"
    assert "keep" not in state().link


def test_a_picture_of_ones_own_is_in_no_link(state):
    assert "example" not in state().link


# ------------------------------------------------------------------------------------------------------- downloads


def test_the_numbers_are_every_layer_and_head_with_their_axes_named(state, explainer, image):
    parcel = attention.download(state(selection=Selection(layer=2, token="2,4")))
    (name,) = [name for name in parcel.files if name.endswith(".npz")]
    with np.load(io.BytesIO(parcel.files[name]), allow_pickle=False) as numbers:
        assert numbers["attention"].shape == (6, 3, 3, 5)
        assert str(numbers["axes_attention"]) == "layer, head, row, column"
        expected = explainer.attention(image, HEAD, SizeChoice(), TokenQuery(None, 2, 4), 2)
        assert np.array_equal(numbers["attention"][2], expected.maps)
        sums = numbers["attention"].sum(axis=(2, 3)) + numbers["prefix"].sum(axis=2)
        assert sums == pytest.approx(1)


def test_the_pictures_open_and_the_gif_has_a_frame_a_layer(state):
    parcel = attention.download(state())
    kinds = {name.rpartition(".")[2]: content for name, content in parcel.files.items()}
    with Image.open(io.BytesIO(kinds["gif"])) as gif:
        assert gif.n_frames == 6
        assert gif.size == (80, 48)
    with Image.open(io.BytesIO(kinds["png"])) as png:
        assert png.height > 100


def test_a_token_that_the_grid_lacks_gives_way_to_the_first(state):
    parcel = attention.download(state(model=FEATURES, selection=Selection(token="reg2")))
    assert any("cls" in name for name in parcel.files)


def test_other_failures_are_raised(state, explainer):
    explainer.errors["attention"] = DemoError("page.out_of_memory")
    with pytest.raises(DemoError):
        attention.download(state())


@pytest.mark.parametrize("token", ["0,1", "reg1", "../../etc,passwd", "<b>"])
def test_file_names_hold_nothing_that_a_visitor_wrote(state, token):
    for name in attention.download(state(selection=Selection(token=token))).files:
        assert re.fullmatch(r"attention-[a-z0-9-]+\.(png|pdf|npz|gif)", name)
