"""Our components: what is sent to the browser, and that nothing that comes back is used."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vit_demo.render.colour import DIVERGING, SEQUENTIAL, colour_table
from vit_demo.ui import views
from vit_demo.ui.tabs.attention import ExplorerView
from vit_demo.ui.views import ExampleStrip, SimilarityView
from vit_demo.ui.web import web_text

ALL = [ExplorerView, ExampleStrip, SimilarityView]


def picture_of(url: str) -> tuple[str, np.ndarray]:
    """Kind and pixels of a data URL."""
    head, _, body = url.partition(";base64,")
    with Image.open(io.BytesIO(base64.b64decode(body, validate=True))) as picture:
        return head.removeprefix("data:"), np.asarray(picture.convert("RGB"))


def test_arrays_travel_row_by_row():
    array = np.arange(6, dtype="<u2").reshape(2, 3)
    assert base64.b64decode(views.base64_of(array.T)) == np.ascontiguousarray(array.T).tobytes()


def test_a_figure_travels_without_loss(image):
    kind, pixels = picture_of(views.png_url(image))
    assert kind == "image/png"
    assert np.array_equal(pixels, image)


@pytest.mark.parametrize(("side", "shape"), [(None, (120, 200, 3)), (50, (30, 50, 3)), (1000, (120, 200, 3))])
def test_a_small_picture_keeps_its_shape_and_never_grows(image, side, shape):
    kind, pixels = picture_of(views.jpeg_url(image, side))
    assert kind == "image/jpeg"
    assert pixels.shape == shape


def test_a_views_picture_is_a_file_that_shows_what_the_model_saw():
    smooth = np.linspace(0, 255, 40 * 60 * 3).reshape(40, 60, 3).astype(np.uint8)
    sent = ExplorerView().postprocess({"picture": smooth, "data": {"rows": 2}})
    pixels = np.asarray(Image.open(sent.picture.path))
    assert pixels.shape == (40, 60, 3)
    assert np.abs(pixels.astype(int) - smooth).max() < 12
    assert sent.data == {"rows": 2}


def test_a_view_without_a_picture_writes_no_file(tmp_path):
    assert SimilarityView().postprocess({"picture": None, "data": {}}).picture is None
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("kind", ALL)
def test_nothing_that_a_browser_sends_back_is_used(kind):
    assert kind().preprocess({"picture": {"path": "/etc/passwd"}, "data": {"rows": 10**9}}) is None
    assert kind().postprocess(None) is None


@pytest.mark.parametrize("kind", ALL)
def test_templates_are_static(kind):
    """Gradio evaluates ${…} and {{ }} in templates, and would remove painted elements when the result changed."""
    html = web_text(f"{kind.stem}.html")
    assert "${" not in html
    assert "{{" not in html
    assert "`" not in html


@pytest.mark.parametrize("kind", ALL)
def test_scripts_bring_every_colour_table(kind):
    script = kind().js_on_load
    for name in (*SEQUENTIAL, DIVERGING):
        assert views.base64_of(colour_table(name)) in script


@pytest.mark.parametrize("kind", ALL)
def test_scripts_and_styles_fetch_nothing_from_elsewhere(kind):
    scripts = [f"{name}.js" for name in ("paint", *kind.scripts, kind.stem)]
    for name in (*scripts, f"{kind.stem}.html", "views.css", "page.css"):
        assert "//" not in web_text(name).replace("// ", "")
        assert "innerHTML" not in web_text(name)


def test_the_strip_has_a_small_picture_and_the_credits_of_every_example(examples):
    pictures = views.strip_value(examples, "en")["data"]["pictures"]
    assert len(pictures) == len(examples) > 5
    for picture, example in zip(pictures, examples, strict=True):
        assert max(picture_of(picture["src"])[1].shape) <= 160
        assert example.author in picture["title"]
        assert example.licence in picture["title"]


def test_every_example_file_is_there_and_named_once(examples):
    assert all(Path(example.path).is_file() for example in examples)
    assert len({example.path.name for example in examples}) == len(examples)
