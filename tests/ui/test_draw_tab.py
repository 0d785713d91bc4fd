"""The Draw tab: what it sends to the browser, what it takes from it, and its pure JavaScript."""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from vit_demo import ink as drawing
from vit_demo.contract import DemoError, SizeChoice
from vit_demo.ink import as_mnist, as_picture
from vit_demo.text import LANGUAGES
from vit_demo.ui.kit.reader import Picture
from vit_demo.ui.kit.static import ui_text
from vit_demo.ui.state import PageState, Selection
from vit_demo.ui.tabs.draw import tab as draw


@pytest.fixture
def state(explainer, examples, image, fake):
    return PageState(explainer, examples, image, fake.HEAD, SizeChoice(), Selection(), "en")


def ink_text(ink: np.ndarray) -> str:
    return base64.b64encode(ink.astype(np.uint8).tobytes()).decode()


def unpacked(content: bytes) -> dict[str, np.ndarray]:
    import json
    import struct

    kinds = {"Int8Array": "i1", "Uint8Array": "u1", "Int16Array": "<i2", "Float32Array": "<f4"}
    (length,) = struct.unpack_from("<I", content)
    header = json.loads(content[4 : 4 + length])
    return {
        name: np.frombuffer(
            content, kinds[one["kind"]], int(np.prod(one["shape"])), 4 + length + one["offset"]
        ).reshape(one["shape"])
        for name, one in header.items()
    }


def test_the_tab_opens_with_a_drawing_that_is_read(state):
    updates, info = draw.show(state)
    value = updates["draw_view"]
    assert np.frombuffer(base64.b64decode(value["data"]["ink"]), np.uint8).max() == 255
    assert not value["data"]["reading"]["empty"]
    assert info.model_id == state.explainer.training_record().moments[-1][1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_that_the_page_asks_for_is_there(language):
    import re

    words = draw.view_words("draw", language)
    named = re.findall(r'data-(?:word|label)="(\w+)"', ui_text("tabs/draw/view.html"))
    named += re.findall(r"\bwords\.(\w+)", re.sub(r'".*?"', "", ui_text("tabs/draw/view.js")))
    assert len(named) > 25
    assert set(named) <= set(words)


def test_a_reading_carries_every_moment_on_one_scale(explainer):
    answer = explainer.read_drawing(np.ones((5, 5)))
    data = draw.reading_data(answer, 12.0)
    moments, layers, heads = data["shape"][:3]
    maps = np.frombuffer(base64.b64decode(data["maps"]), "<u2").reshape(data["shape"]) / 65535 * data["top"]
    wanted = np.stack([one.maps for one in answer.readings])
    assert np.abs(maps - wanted).max() <= data["top"] / 65535
    assert data["top"] == pytest.approx(wanted.max())
    assert len(data["prefix"]) == moments
    assert len(data["prefix"][0]) == layers * heads
    assert [np.argmax(p) for p in data["probabilities"]] == [one.probabilities.argmax() for one in answer.readings]


def test_what_does_not_depend_on_the_drawing_is_one_file(explainer):
    arrays = unpacked(draw.still_file(explainer))
    record = explainer.training_record()
    assert arrays["epochs"].tolist() == [epoch for epoch, _ in record.moments]
    assert np.allclose(arrays["held_accuracy"], record.held_accuracy)
    moments = len(record.moments)
    assert arrays["filters"].shape[0] == arrays["similarity"].shape[0] == moments
    matrix = explainer.position_similarity(record.moments[0][1], SizeChoice()).matrix
    assert np.abs(arrays["similarity"][0] / 127 - matrix).max() <= 0.5 / 127 + 1e-6
    others = matrix[~np.eye(len(matrix), dtype=bool)]
    assert np.abs(others).max() <= arrays["position_limit"][0] + 1e-6


def test_a_stroke_is_read_and_keeps_its_number(explainer):
    ink = drawing.first_drawing()
    value = draw.read_stroke(explainer, "en", {"ink": ink_text(ink), "number": 7})["draw_view"]
    assert value["data"]["number"] == 7
    assert "words" not in value["data"]  # sent once, when the tab opens
    picture = np.frombuffer(base64.b64decode(value["data"]["reading"]["picture"]), np.uint8).reshape(28, 28)
    assert np.array_equal(picture, as_picture(as_mnist(ink / 255))[:, :, 0])


@pytest.mark.parametrize("what", [{}, {"ink": 5}, {"ink": "?"}, {"ink": "AAAA"}, {"ink": "A" * 10**6}, {"ink": None}])
def test_what_is_no_drawing_is_ignored(explainer, what, tmp_path):
    assert draw.read_stroke(explainer, "en", what) == {}
    assert draw.use_drawing(explainer, str(tmp_path), "en", what) == {}


def test_a_used_drawing_becomes_the_picture_pixel_for_pixel_and_our_model_the_pages(explainer, tmp_path):
    ink = drawing.first_drawing()
    updates = draw.use_drawing(explainer, str(tmp_path), "zh", {"ink": ink_text(ink)})
    with Image.open(updates["image"]) as picture:
        assert np.array_equal(np.asarray(picture.convert("RGB")), as_picture(as_mnist(ink / 255)))
    assert updates["model"] == updates["good_model"] == explainer.training_record().moments[-1][1]
    assert set(updates) <= set(draw.USES)


def test_a_photographs_strokes_come_to_the_middle_of_the_pad(explainer):
    photo = np.full((300, 200, 3), 230, np.uint8)
    photo[40:250, 30:45] = 20
    value = draw.read_photograph(explainer, Picture(photo), "en")["draw_view"]
    assert value["data"]["replace"]
    pad = np.frombuffer(base64.b64decode(value["data"]["ink"]), np.uint8).reshape(draw.PAD_PX, draw.PAD_PX)
    rows, cols = np.nonzero(pad > 127)
    assert abs((rows.min() + rows.max()) / 2 - draw.PAD_PX / 2) <= 2
    assert abs((cols.min() + cols.max()) / 2 - draw.PAD_PX / 2) <= 2
    assert draw.read_photograph(explainer, None, "en") == {}
    with pytest.raises(DemoError):
        draw.read_photograph(explainer, Picture(np.full((50, 50, 3), 200, np.uint8)), "en")


def test_ink_goes_to_the_server_and_back_unchanged(node):
    ink = np.random.default_rng(0).integers(0, 256, 16)
    rgba = node("js.rgbaOf(given.text)", ("tabs/draw/ink.js",), text=ink_text(ink))
    assert np.array_equal(np.array(rgba).reshape(-1, 4), np.stack([ink, ink, ink, np.full(16, 255)], axis=1))
    assert node("js.inkOf(given.rgba)", ("tabs/draw/ink.js",), rgba=rgba) == ink_text(ink)


def test_the_curves_are_the_trainings(state):
    """The last point of each line stands where its number says, in the plot that the chart names."""
    record = state.explainer.training_record()
    loss, accuracy = (ET.fromstring(draw.curves(state)[name]) for name in ("loss", "accuracy"))
    left, top, width, height = map(float, accuracy.get("data-plot").split())
    (line,) = accuracy.iter("{http://www.w3.org/2000/svg}polyline")
    points = [tuple(map(float, pair.split(","))) for pair in line.get("points").split()]
    assert len(points) == len(record.held_accuracy)
    assert points[-1][0] == pytest.approx(left + width, abs=0.1)
    assert points[-1][1] == pytest.approx(top + height * (1 - record.held_accuracy[-1]), abs=0.1)
    assert len(list(loss.iter("{http://www.w3.org/2000/svg}polyline"))) == 2


def test_tiles_of_a_grid_that_is_not_square(node):
    matrix = np.arange(36).reshape(6, 6)
    both = "((t) => [t.values, t.mask])(js.tilePicture(given.matrix, 2, 3))"
    made = node(both, ("tabs/draw/ink.js",), matrix=matrix.ravel().tolist())
    values, mask = (np.array(one).reshape(5, 11) for one in made)
    assert np.array_equal(values[0:2, 0:3], matrix[0].reshape(2, 3))
    assert np.array_equal(values[3:5, 8:11], matrix[5].reshape(2, 3))
    assert not mask[2].any()
    assert not mask[:, 3].any()
    assert mask.sum() == 36
