"""Our components: what is sent to the browser, and that nothing that comes back is used."""

from __future__ import annotations

import base64
import io
import os
import re
import time
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from gradio.utils import is_static_file
from PIL import Image

from vit_demo.render.colour import DIVERGING, SEQUENTIAL, colour_table
from vit_demo.ui.kit import html, view
from vit_demo.ui.kit.cache import cached_file
from vit_demo.ui.kit.static import UI, page_style, published, ui_text
from vit_demo.ui.kit.view import ExampleStrip
from vit_demo.ui.tabs.attention.tab import ExplorerView
from vit_demo.ui.tabs.embeddings.tab import SimilarityView

ALL = [ExplorerView, ExampleStrip, SimilarityView]


def picture_of(url: str) -> tuple[str, np.ndarray]:
    """Kind and pixels of a data URL."""
    head, _, body = url.partition(";base64,")
    with Image.open(io.BytesIO(base64.b64decode(body, validate=True))) as picture:
        return head.removeprefix("data:"), np.asarray(picture.convert("RGB"))


def test_arrays_travel_row_by_row():
    array = np.arange(6, dtype="<u2").reshape(2, 3)
    assert base64.b64decode(html.base64_of(array.T)) == np.ascontiguousarray(array.T).tobytes()


def test_a_figure_travels_without_loss(image):
    kind, pixels = picture_of(html.png_url(image))
    assert kind == "image/png"
    assert np.array_equal(pixels, image)


@pytest.mark.parametrize(("side", "shape"), [(None, (120, 200, 3)), (50, (30, 50, 3)), (1000, (120, 200, 3))])
def test_a_small_picture_keeps_its_shape_and_never_grows(image, side, shape):
    kind, pixels = picture_of(html.jpeg_url(image, side))
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
    template = ui_text(f"{kind.source}.html")
    assert "${" not in template
    assert "{{" not in template
    assert "`" not in template


def test_the_browsers_colour_tables_are_those_of_the_figures(node):
    for name in (*SEQUENTIAL, DIVERGING):
        table = node(f"js.TABLES.{name}", ("kit/colours.js",))
        assert table == np.asarray(colour_table(name)).ravel().tolist()


@pytest.mark.parametrize("kind", ALL)
def test_a_view_imports_its_module_from_beside_the_page(kind):
    address = re.search(r'new URL\("(gradio_api/file=[^"]+)", document.baseURI\)', kind().js_on_load)[1]
    assert not address.startswith("/")  # relative: also behind a path prefix
    module = Path(unquote(address.partition("=")[2]))
    assert module.read_text(encoding="utf-8") == ui_text(f"{kind.source}.js")
    assert "export function mount(" in module.read_text(encoding="utf-8")
    assert is_static_file(module)  # Gradio serves it as JavaScript, not as a download


def test_every_module_that_is_imported_is_published_at_the_place_it_names():
    folder = Path(published())
    for module in UI.rglob("*.js"):
        text = module.read_text(encoding="utf-8")
        assert (folder / module.relative_to(UI)).read_text(encoding="utf-8") == text
        for target in re.findall(r'from "([^"]+)"', text):
            assert target.startswith(("./", "../"))
            assert (module.parent / target).resolve().is_file()


def test_scripts_and_styles_fetch_nothing_from_elsewhere():
    for path in [*UI.rglob("*.js"), *UI.rglob("*.html"), *UI.rglob("*.css")]:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"""["'(=]\s*(https?:)?//\w""", text), path
        assert "innerHTML" not in text
        assert "globalThis" not in text


def test_every_rule_of_the_page_stands_once_in_its_style():
    style = page_style()
    assert style.count("{") == style.count("}")
    for sheet in set(UI.rglob("*.css")) - {
        UI / "kit" / "paper.css",
        UI / "kit" / "file.css",
    }:  # which is for pages of their own
        assert style.count(sheet.read_text(encoding="utf-8")) == 1
    assert "!important" not in ui_text("tabs/embeddings/view.css") + ui_text("tabs/relevance/view.css")


def test_a_file_that_a_browser_may_be_reading_is_not_written_again(tmp_path):
    path = cached_file(b"numbers", "layer.bin", tmp_path)
    with path.open("rb") as reading:
        assert reading.read(3) == b"num"
        assert cached_file(b"numbers", "layer.bin", tmp_path) == path
        assert reading.read() == b"bers"
        assert os.fstat(reading.fileno()).st_ino == path.stat().st_ino
    assert cached_file(b"others", "layer.bin", tmp_path) != path
    assert [file.name for file in path.parent.iterdir()] == ["layer.bin"]


def test_a_file_that_is_handed_out_again_is_young_again(tmp_path):
    path = cached_file(b"numbers", "layer.bin", tmp_path)
    os.utime(path, (0, 0))
    cached_file(b"numbers", "layer.bin", tmp_path)
    assert time.time() - path.stat().st_mtime < 60


def test_the_strip_has_a_small_picture_and_the_credits_of_every_example(examples):
    value = view.strip_value(examples, "en")
    pictures = value["data"]["pictures"]
    assert len(pictures) == len(examples) > 5
    for picture, example in zip(pictures, examples, strict=True):
        with Image.open(io.BytesIO(value["files"][picture["file"]])) as opened:
            assert max(opened.size) == 160
        assert example.author in picture["title"]
        assert example.licence in picture["title"]


def test_every_example_file_is_there_and_named_once(examples):
    assert all(Path(example.path).is_file() for example in examples)
    assert len({example.path.name for example in examples}) == len(examples)
