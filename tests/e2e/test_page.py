"""The page in a browser, with real weights: what a visitor does, and what the page then shows and asks for.

Every test also holds that no other host is asked and that the browser's console has no errors.
"""

from __future__ import annotations

import base64
import importlib.util
import io
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vit_demo.contract import SizeChoice
from vit_demo.text import say
from vit_demo.ui.tabs.embeddings.tab import VIEWS as EMBEDDINGS_VIEWS
from vit_demo.ui.tabs.features.choices import VIEWS as FEATURES_VIEWS

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
SETTLED_MS = 300

pytestmark = pytest.mark.browser


def test_the_page_opens_with_picture_model_and_finished_maps(visit):
    visitor = visit()
    page = visitor.page
    assert page.title() == say("page.title")
    assert page.locator("#vd-image img").first.evaluate("(image) => image.naturalWidth") > 0
    assert "DINOv2" in page.locator("#vd-model input").input_value()
    assert visitor.grid == (37, 37)
    assert visitor.data("layer") == "11"
    assert visitor.data("token") == "cls"
    assert page.locator(".vd-head").count() == 7  # the mean and six heads
    assert page.locator(".vd-picture").first.evaluate("(image) => image.naturalWidth") == 518
    assert "1,370 tokens" in page.locator("#vd-status").inner_text()
    assert page.locator(".toast-body").count() == 0
    blank = page.evaluate("() => { const c = document.createElement('canvas'); c.width = c.height = 37;"
                          "return c.toDataURL() }")  # fmt: skip
    assert visitor.painted() != blank


@pytest.mark.parametrize("rotated", [False, True], ids=["portrait", "rotated by the camera"])
def test_an_uploaded_photograph_replaces_the_maps_and_predict_answers(visit, tmp_path, rotated):
    path = EXAMPLES / "koala.jpg"
    with Image.open(path) as picture:
        if rotated:
            exif = Image.Exif()
            exif[0x0112] = 6  # the camera lay on its side
            path = tmp_path / "photo.jpg"
            picture.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, quality=95)
    visitor = visit()
    maps, shown = visitor.painted(), visitor.picture
    visitor.upload(path)
    visitor.wait("(src) => document.querySelector('.vd-picture').getAttribute('src') !== src", shown)
    visitor.settle()
    assert visitor.painted() != maps
    saw = _pixels_of(visitor)
    assert np.abs(saw - _square_of(EXAMPLES / "koala.jpg", len(saw))).mean() < 12  # upright

    visitor.tab(say("predict.tab"))
    bars = visitor.page.locator("#vd-predict ol.vd-bars li")
    bars.first.wait_for()
    assert bars.count() >= 3
    assert all(name.strip() for name in bars.locator(".vd-label").all_inner_texts())


def _pixels_of(visitor) -> np.ndarray:
    """The picture behind the maps, (32, 32, 3)."""
    data = visitor.page.evaluate(
        "() => { const c = document.createElement('canvas'), p = document.querySelector('.vd-picture');"
        "c.width = c.height = 32; const d = c.getContext('2d'); d.imageSmoothingQuality = 'high';"
        "d.drawImage(p, 0, 0, 32, 32); return Array.from(d.getImageData(0, 0, 32, 32).data) }"
    )
    return np.array(data, float).reshape(32, 32, 4)[..., :3]


def _square_of(path: Path, side: int) -> np.ndarray:
    """The middle square of a photograph, (side, side, 3)."""
    with Image.open(path) as picture:
        edge, (width, height) = min(picture.size), picture.size
        left, top = (width - edge) // 2, (height - edge) // 2
        square = picture.convert("RGB").crop((left, top, left + edge, top + edge))
        return np.asarray(square.resize((side, side), Image.Resampling.BOX), float)


def test_an_example_is_chosen_by_its_button(visit):
    visitor = visit()
    shown = visitor.picture
    visitor.page.get_by_role("button", name="koala", exact=True).click()
    visitor.wait("(src) => document.querySelector('.vd-picture').getAttribute('src') !== src", shown)
    visitor.settle()
    saw = _pixels_of(visitor)
    assert np.abs(saw - _square_of(EXAMPLES / "koala.jpg", len(saw))).mean() < 12


def test_the_pointer_asks_from_every_patch_it_crosses_without_a_request(visit):
    visitor = visit()
    assert visitor.data("token") == "cls"
    resting, seen = visitor.painted(), set()

    def cross() -> None:
        for row, col in ((3, 30), (10, 20), (36, 36)):
            visitor.point(row, col)
            seen.add(visitor.painted())
            assert f"row {row + 1}, column {col + 1}" in visitor.page.locator(".vd-explorer .vd-readout").inner_text()
        visitor.leave()
        visitor.until_data("token", "cls")

    assert visitor.requests_during(cross) == []
    assert len(seen | {resting}) == 4
    assert visitor.painted() == resting


def test_pins_hold_compare_and_let_go(visit):
    visitor = visit()
    page = visitor.page
    second = page.locator(".vd-explorer .vd-pane").nth(1)
    visitor.stage.click(position=visitor.at_patch(10, 20))
    visitor.until_data("token", "10,20")
    held = visitor.painted()
    visitor.stage.hover(position=visitor.at_patch(30, 5))
    assert "row 31, column 6" in page.locator(".vd-explorer .vd-readout").inner_text()
    assert visitor.painted() == held  # a pinned token stays
    assert second.is_hidden()
    visitor.stage.click(position=visitor.at_patch(30, 5))
    visitor.until_data("token", "10,20 30,5")
    assert second.is_visible()
    assert page.locator(".vd-head").first.locator("canvas:visible").count() == 2
    page.locator(".vd-pins button").first.click()
    visitor.until_data("token", "30,5")
    assert second.is_hidden()
    page.get_by_role("button", name="CLS", exact=True).click()
    visitor.until_data("token", "30,5 cls")
    visitor.stage.press("Escape")
    visitor.stage.press("Escape")
    visitor.until_data("token", "cls")


def test_a_patch_is_chosen_by_keyboard_alone(visit):
    visitor = visit()
    visitor.stage.focus()

    def walk() -> None:
        for key in ("ArrowUp", "ArrowUp", "ArrowRight"):  # from the middle, 18,18
            visitor.stage.press(key)
        visitor.until_data("token", "16,19")
        visitor.page.wait_for_timeout(300)
        assert "row 17, column 20" in visitor.page.locator(".vd-explorer .vd-said").inner_text()

    assert visitor.requests_during(walk) == []
    visitor.stage.press("Enter")
    visitor.stage.press("ArrowDown")
    visitor.stage.press("Enter")
    visitor.until_data("token", "16,19 17,19")


def test_row_and_column_can_be_typed(visit):
    visitor = visit()
    for name, value in (("row", "4"), ("col", "9")):
        visitor.page.locator(f".vd-from input[name={name}]").fill(value)
        visitor.page.locator(f".vd-from input[name={name}]").press("Enter")
    visitor.until_data("token", "3,8")


def test_the_browsers_rows_and_columns_are_the_servers(visit, embedded_rows):
    """Every head of one layer, read off the numbers that are painted: the explorer's own functions on its own file."""
    visitor = visit("?layer=6&token=13,8")
    visitor.until_data("layer", "5")
    visitor.until_data("token", "12,7")
    url = visitor.page.evaluate(
        "() => performance.getEntriesByType('resource').map((e) => e.name).filter((n) => n.endsWith('layer.bin'))[0]"
    )
    file = urllib.request.urlopen(url, timeout=20).read()
    rows, columns = embedded_rows(file, 1 + 12 * 37 + 7)
    exact_rows, exact_columns = embedded_rows.exact(5, 1 + 12 * 37 + 7)
    for ours, exact in ((rows, exact_rows), (columns, exact_columns)):
        assert (np.abs(ours - exact).max(axis=1) < 1e-3 * exact.max(axis=1)).all()


class EmbeddedRows:
    """What Node computes from a layer's file with explore.js, and what the server's own trace says."""

    def __init__(self, node: Callable):
        self._node = node

    def __call__(self, file: bytes, token: int) -> tuple[np.ndarray, np.ndarray]:
        answer = self._node(
            "(() => { const b = Buffer.from(given.file, 'base64');"
            "const l = js.layerFrom(js.unpack(b.buffer.slice(b.byteOffset, b.byteOffset + b.length)));"
            "const all = (f) => Array.from({ length: l.heads }, (_, h) => Array.from(f(l, h, given.token)));"
            "return [all(js.rowOf), all(js.columnOf)] })()",
            ("kit/files.js", "kit/explore.js"),
            file=base64.b64encode(file).decode(),
            token=token,
        )
        return tuple(np.array(part) for part in answer)

    def exact(self, layer: int, token: int) -> tuple[np.ndarray, np.ndarray]:
        from vit_demo.analysis.attention import attention_matrix, attention_rows
        from vit_demo.checkpoints.catalog import EMBEDDED_ID
        from vit_demo.explain import Explainer

        explainer = Explainer("cpu")
        with Image.open(EXAMPLES / "dog.jpg") as picture:
            maps = explainer.attention(picture, EMBEDDED_ID, layer=layer)
            run = explainer._engine.run(np.asarray(picture.convert("RGB")), EMBEDDED_ID, SizeChoice())
        assert maps.info.grid.num_tokens == 1370
        rows = attention_rows(run.trace, layer, token)[0].numpy()
        return rows, attention_matrix(run.trace, layer)[0, :, :, token].numpy()


@pytest.fixture(scope="module")
def embedded_rows():
    path = ROOT / "tests" / "ui" / "node.py"
    spec = importlib.util.spec_from_file_location("tests_e2e_node", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if module.NODE is None:
        pytest.skip("node is not installed, so the browser's functions cannot be run")
    return EmbeddedRows(module.run)


def test_another_layer_comes_once_and_then_for_nothing(visit):
    visitor = visit()
    maps = visitor.painted()
    visitor.page.locator("button[name=back]").click()
    visitor.until_data("layer", "10")
    visitor.settle()
    assert visitor.painted() != maps

    def back() -> None:
        visitor.page.locator("button[name=forward]").click()
        visitor.until_data("layer", "11")

    files = [url for url in visitor.requests_during(back) if url.endswith(".bin")]
    assert files == []
    assert visitor.painted() == maps


def test_the_wall_opens_a_layer_and_a_head(visit):
    visitor = visit()
    wall = visitor.page.locator(".vd-wall")
    wall.scroll_into_view_if_needed()
    box = wall.bounding_box()
    wall.click(position={"x": box["width"] * 3.5 / 12, "y": box["height"] * 4.5 / 6})
    visitor.until_data("layer", "3")
    assert visitor.data("head") == "4"
    assert visitor.page.locator(".vd-head").nth(5).get_attribute("aria-pressed") == "true"
    wall.focus()
    wall.press("ArrowRight")
    wall.press("Enter")
    visitor.until_data("layer", "4")


def test_playing_runs_through_the_layers_and_stops_at_the_last(visit):
    visitor = visit("?layer=9")
    visitor.until_data("layer", "8")
    visitor.page.locator("button[name=play]").click()
    visitor.until_data("layer", "11")
    visitor.wait("() => document.querySelector('button[name=play]').getAttribute('aria-pressed') === 'false'")


def test_a_file_that_the_server_let_go_is_fetched_again(visit):
    visitor = visit()
    gone = []

    def refuse_once(route) -> None:
        gone.append(route.request.url)
        route.fulfill(status=404) if len(gone) == 1 else route.continue_()

    visitor.settle()
    visitor.page.route("**/layer?**", lambda route: route.fulfill(status=404))  # the plain route has it no more
    visitor.page.route("**/layer.bin", refuse_once)
    visitor.page.locator(".vd-explorer input[name=layer]").fill("3")
    visitor.until_data("layer", "2")
    visitor.wait("() => !document.querySelector('.vd-explorer').classList.contains('vd-waiting')")
    assert len(gone) >= 2
    assert gone[0] == gone[1]
    visitor.errors[:] = [line for line in visitor.errors if "404" not in line]  # the refusal itself


def test_directions_mask_heads_and_colours_are_painted_without_a_request(visit):
    visitor = visit()
    page, maps = visitor.page, visitor.painted()
    seen = {maps}
    page.locator("input[name=direction][value=like]").check()  # a layer's vectors come when they are first compared
    visitor.settle()
    page.locator("input[name=direction][value=out]").check()

    def paint_everything() -> None:
        for value in ("in", "like", "out"):
            page.locator(f"input[name=direction][value={value}]").check()
            seen.add(visitor.painted())
        page.locator("input[name=mask]").check()
        seen.add(visitor.painted())
        page.locator("input[name=share]").fill("20")
        seen.add(visitor.painted())
        page.locator("input[name=mask]").uncheck()
        assert visitor.painted() == maps
        page.locator("input[name=together]").check()
        seen.add(visitor.painted())
        page.locator("input[name=together]").uncheck()

    assert visitor.requests_during(paint_everything) == []
    assert len(seen) == 6
    head = page.locator(".vd-head").nth(2)
    head.click()
    assert head.get_attribute("aria-pressed") == "true"
    assert visitor.painted() != maps
    assert say("attention.head", number=2) in page.locator(".vd-explorer .vd-bar-name").first.inner_text()


def test_a_link_opens_the_same_view(visit):
    visitor = visit()
    visitor.page.locator(".vd-head").nth(3).click()
    visitor.stage.click(position=visitor.at_patch(9, 9))
    visitor.page.locator("button[name=back]").click()
    visitor.until_data("layer", "10")
    visitor.page.locator(".vd-controls summary").click()
    visitor.page.locator("button[name=link]").click()
    link = visitor.page.locator("input[name=address]").input_value()
    again = visit("?" + link.partition("?")[2])
    again.until_data("layer", "10")
    again.until_data("token", "9,9")
    assert again.data("head") == "2"
    assert again.painted() == visitor.painted()


def test_a_smaller_size_gives_a_smaller_grid_and_a_lost_patch_is_said(visit):
    visitor = visit()
    visitor.stage.click(position=visitor.at_patch(30, 30))
    visitor.until_data("token", "30,30")
    visitor.settle()
    visitor.leave()
    visitor.page.locator("#vd-side").get_by_label("224", exact=True).check()
    visitor.until_grid(16, 16)
    visitor.settle()
    assert visitor.data("token") == "cls"
    assert visitor.data("moved") == "30,30"
    assert say("attention.moved") in visitor.page.locator(".vd-said").inner_text()
    assert "16×16" in visitor.page.locator("#vd-status").inner_text()


def test_keeping_the_shape_gives_a_grid_of_that_shape(visit):
    visitor = visit()
    with Image.open(EXAMPLES / "dog.jpg") as picture:
        width, height = picture.size
    visitor.page.locator("#vd-side").get_by_label("224", exact=True).check()
    visitor.until_grid(16, 16)
    visitor.page.locator("#vd-keep input").check()
    visitor.wait("() => { const s = document.querySelector('.vd-explorer .vd-stage').style;"
                 "return s.getPropertyValue('--rows') !== s.getPropertyValue('--cols') }")  # fmt: skip
    rows, cols = visitor.grid
    assert min(rows, cols) == 16
    assert rows / cols == pytest.approx(height / width, rel=0.04)
    stage = visitor.stage.bounding_box()
    assert stage["height"] / stage["width"] == pytest.approx(rows / cols, rel=0.01)
    visitor.settle()
    visitor.point(rows - 1, cols - 1)


def test_what_is_taken_away_can_be_downloaded(visit):
    visitor = visit()
    page = visitor.page
    page.locator("#vd-attention-take").get_by_text(say("download.heading")).click()
    page.locator("#vd-attention-make").click()
    page.locator("#vd-attention-files").get_by_text(".npz").first.wait_for()
    visitor.settle()
    links = page.locator("#vd-attention-files a[href]").evaluate_all("(all) => all.map((a) => a.href)")
    kinds = {link.rpartition(".")[2]: urllib.request.urlopen(link, timeout=20).read() for link in links}
    assert set(kinds) == {"png", "pdf", "npz", "gif"}
    with np.load(io.BytesIO(kinds["npz"]), allow_pickle=False) as numbers:
        assert numbers["attention"].shape == (12, 6, 37, 37)
    assert "explainer.attention" in page.locator("#vd-attention-code").inner_text()


def test_embeddings_answer_the_pointer_without_a_request(visit):
    visitor = visit()
    page = visitor.page
    visitor.tab(say("embeddings.tab"))
    view = page.locator(".vd-similarity")
    visitor.wait("() => { const v = document.querySelector('.vd-similarity'); return v && v.dataset.ready > 0 }")
    before, large = view.get_attribute("data-position"), visitor.painted(".vd-large-canvas")
    tiles = page.locator(".vd-tiles")
    assert visitor.requests_during(lambda: tiles.hover(position={"x": 5, "y": 5})) == []
    assert view.get_attribute("data-position") == "0,0" != before
    assert visitor.painted(".vd-large-canvas") != large
    tiles.focus()
    assert visitor.requests_during(lambda: tiles.press("ArrowRight")) == []
    assert view.get_attribute("data-position") == "0,3"  # 14 of 37 positions have a tile: 0, 3, 6 …


def test_the_table_on_another_grid_follows_the_slider_and_the_picture_follows_the_table(visit):
    visitor = visit()
    page = visitor.page
    visitor.tab(say("embeddings.tab"))
    visitor.tab(say("embeddings.view_grid"))
    effect = page.locator("#vd-embeddings-compared")
    said = say("embeddings.stretched", first="", second="", rows=16, cols=24).split(":")[0]
    visitor.wait("(said) => document.querySelector('#vd-embeddings-compared').innerText.includes(said)", said)
    visitor.settle()
    assert page.locator("#vd-embeddings-stretched canvas.vd-scale").count() == 7
    rows = page.locator("#vd-embeddings-rows input[type=number]")
    rows.fill("9")
    rows.press("Enter")
    said = say("embeddings.stretched", first="", second="", rows=9, cols=24).split(":")[0]
    visitor.wait("(said) => document.querySelector('#vd-embeddings-compared').innerText.includes(said)", said)
    maps = page.locator("#vd-embeddings-stretched .vd-map-box")
    assert [maps.nth(i).get_attribute("style").split(";")[0] for i in (0, 1)] == [
        "aspect-ratio: 37 / 37",
        "aspect-ratio: 24 / 9",
    ]
    assert "1 − cosine" in effect.inner_text()


def test_a_text_named_as_a_picture_is_refused_and_no_view_shows_another_picture(visit, tmp_path):
    path = tmp_path / "text.png"
    path.write_text("This is no picture.")
    visitor = visit()
    page = visitor.page
    visitor.upload(path)
    page.locator("#vd-message").get_by_text(say("picture.not_a_picture")).wait_for()
    visitor.settle()
    before = visitor.picture
    assert page.locator(".vd-picture").first.is_hidden()  # the maps before would be taken for this picture's
    assert page.locator(".vd-explorer .vd-overlay").first.evaluate("(canvas) => canvas.width") == 0
    page.get_by_role("button", name="koala", exact=True).click()
    visitor.wait("(src) => document.querySelector('.vd-picture').getAttribute('src') !== src", before)
    assert page.locator(".vd-picture").first.is_visible()
    visitor.settle()
    assert page.locator("#vd-message").is_hidden()


@pytest.mark.parametrize("how", ["typed", "from the list"])
def test_a_model_that_cannot_be_had_gives_way_to_the_last_good_one(visit, how):
    visitor = visit()
    maps, model = visitor.painted(), visitor.page.locator("#vd-model input")
    good = model.input_value()
    if how == "typed":
        model.fill("nobody/no-such-model")
        model.press("Enter")
    else:
        model.click()
        visitor.page.get_by_role("option").filter(has_text="Google").first.click()
    toasts = visitor.page.locator(".toast-body")
    toasts.first.wait_for()
    visitor.settle()
    assert len(toasts.all_inner_texts()) == 1, toasts.all_inner_texts()
    assert say("models.offline", name="").split(",")[0] in toasts.first.inner_text()
    assert model.input_value() == good
    assert visitor.painted() == maps


def test_the_language_of_the_whole_page_changes(visit):
    visitor = visit()
    page = visitor.page
    page.get_by_label("中文").check()
    page.get_by_role("tab", name=say("relevance.tab", "zh"), exact=True).wait_for()
    page.get_by_role("button", name="考拉", exact=True).wait_for()
    visitor.wait("(words) => document.querySelector('.vd-head b').textContent === words",
                 say("attention.mean_of_heads", "zh"))  # fmt: skip
    visitor.settle()
    text = page.locator("body").inner_text()
    for key in ("page.picture", "page.model", "page.size", "page.keep_shape", "attention.layer", "attention.from"):
        assert say(key, "zh") in text, key
        assert say(key) not in text.splitlines(), key
    assert say("page.size_native", "zh", side=518) in text
    assert say("page.card_no_head", "zh") in text
    assert say("page.card_no_head") not in text


def test_a_chinese_browser_opens_a_chinese_page(visit):
    page = visit(locale="zh-CN").page
    text = page.locator("body").inner_text()
    assert say("page.picture", "zh") in text
    assert say("page.card_no_head", "zh") in text
    assert page.get_by_label("中文").is_checked()


def test_a_phone_never_scrolls_sideways(visit):
    visitor = visit(width=390, height=844)
    done = {"attention": ".vd-explorer .vd-overlay", "predict": "#vd-predict ol.vd-bars", "embeddings": ".vd-tiles"}
    for tab, selector in done.items():
        visitor.tab(say(f"{tab}.tab"))
        visitor.page.locator(selector).first.wait_for()
        visitor.settle()
        assert visitor.page.evaluate("() => document.scrollingElement.scrollWidth") <= 391, tab


def test_on_a_phone_a_view_begins_within_the_first_screen_and_the_inputs_unfold(visit, tmp_path):
    visitor = visit(width=390, height=844)
    page = visitor.page
    page.locator(".vd-tour-offer [name=no]").click()
    page.evaluate("() => scrollTo(0, 0)")
    assert page.locator(".vd-explorer").bounding_box()["y"] < 600
    assert page.locator(".vd-explorer .vd-stage").first.bounding_box()["y"] < 844
    assert not page.locator("#vd-model").is_visible()
    assert "DINOv2" in page.locator(".vd-fold").inner_text()
    page.locator(".vd-fold").click()
    assert page.locator("#vd-model").is_visible()
    page.locator("#vd-examples button").nth(1).click()
    visitor.settle()
    page.locator(".vd-fold").click()
    assert not page.locator("#vd-model").is_visible()


def test_the_tour_is_offered_once_and_leads_through_the_page(visit):
    visitor = visit()
    page = visitor.page
    page.locator(".vd-tour-offer [name=start]").click()
    seen = []
    while page.locator(".vd-tour-card").is_visible():
        seen.append(page.locator(".vd-tour-words").inner_text())
        assert page.locator(".vd-tour-lit").count() == 1, seen[-1]
        page.keyboard.press("Enter")
        page.wait_for_timeout(50)
    assert len(seen) == len(set(seen)) == 6
    visitor.settle()
    page.reload(wait_until="domcontentloaded")
    visitor.wait("() => document.querySelector('.vd-guide')?.dataset.ready > 0")
    assert not page.locator(".vd-tour-offer").is_visible()


def test_a_term_is_explained_by_pointer_and_by_keyboard(visit):
    visitor = visit()
    page = visitor.page
    term = page.locator(".vd-help .vd-term:visible").first
    tip = page.locator(".vd-tip")
    assert not tip.is_visible()
    term.hover()
    assert len(tip.inner_text()) > 20
    page.mouse.move(2, 2)
    assert not tip.is_visible()
    term.focus()
    assert tip.is_visible()
    page.keyboard.press("Escape")
    assert not tip.is_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_the_explorer(visit, theme):
    visitor = visit(f"?__theme={theme}")
    visitor.stage.click(position=visitor.at_patch(10, 20))
    visitor.stage.click(position=visitor.at_patch(30, 5))
    visitor.page.locator(".vd-controls summary").click()
    assert visitor.violations(".vd-explorer") == []


TABS = {
    "walk": ".vd-walk-figure img",
    "lessons": ".vd-lesson",
    "glossary": ".vd-glossary dt",
    "predict": "#vd-predict ol.vd-bars",
    "relevance": "#vd-relevance-view canvas",
    "depth": "#vd-depth svg",
    "embeddings": "#vd-embeddings-structure canvas",
    "features": "#vd-features-colours canvas",
    "own_classes": "#vd-own-answer p",
    "draw": "[data-curve] polyline",
}
TAB_VIEWS = {"embeddings": EMBEDDINGS_VIEWS, "features": FEATURES_VIEWS}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_what_the_tabs_show(visit, theme):
    visitor, found = visit(f"?side=224&__theme={theme}"), {}
    for name, there in TABS.items():
        visitor.tab(say(f"{name}.tab"))
        visitor.page.locator(f"[role=tabpanel]:visible {there}").first.wait_for()
        visitor.settle()
        found[name] = visitor.violations("[role=tabpanel]")
        for view in TAB_VIEWS.get(name, ()):
            visitor.tab(say(f"{name}.view_{view}"))
            visitor.settle()
            found[name, view] = visitor.violations("[role=tabpanel]")
    assert {where: what for where, what in found.items() if what} == {}


def test_a_chosen_target_changes_the_maps_and_a_long_method_streams_and_stops(visit):
    visitor = visit("?side=224")
    page = visitor.page
    visitor.tab(say("relevance.tab"))
    visitor.wait("() => document.querySelector('#vd-relevance-view [data-ready]')?.dataset.ready > 0")
    visitor.settle()
    targets = page.locator("#vd-relevance-best label")
    assert targets.count() == 5
    ready = page.locator("#vd-relevance-view [data-ready]").get_attribute("data-ready")
    targets.nth(1).click()
    visitor.wait("(r) => document.querySelector('#vd-relevance-view [data-ready]').dataset.ready !== r", ready)
    visitor.settle()
    names = page.locator("#vd-relevance-view").inner_text()
    assert all(say(f"relevance.method_{method}") in names for method in ("rollout", "chefer", "legrad", "grad_cam"))

    page.locator("#vd-relevance-long-run").click()
    page.locator("#vd-relevance-progress").get_by_text(re.compile(r"\d+ of \d+ parts")).first.wait_for()
    page.locator("#vd-relevance-long-stop").click()
    visitor.settle()
    assert page.locator("#vd-relevance-long canvas").count() >= 1


def test_depth_shows_a_dot_for_every_head_of_every_layer(visit):
    visitor = visit("?side=224")
    visitor.tab(say("depth.tab"))
    figures = visitor.page.locator("#vd-depth svg.vd-scatter")
    figures.first.wait_for()
    visitor.settle()
    assert figures.first.locator("title").count() == 72
    assert figures.count() == 3  # without registers there is no fourth


def test_see_why_opens_relevance(visit):
    visitor = visit("?side=224")
    visitor.tab(say("predict.tab"))
    visitor.page.locator("#vd-predict ol.vd-bars li").first.wait_for()
    visitor.page.locator("#vd-predict-why").click()
    visitor.wait("() => document.querySelector('#vd-relevance-view [data-ready]')?.dataset.ready > 0")
