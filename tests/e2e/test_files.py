"""Views without a server: the explorer as one file opened from disk, and the example notebook with its HTML export."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.other_browsers import page_of, programs
from vit_demo.contract import SizeChoice
from vit_demo.text import say

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "notebook.ipynb"


@pytest.mark.browser
def test_the_explorer_is_taken_away_as_one_file_that_opens_from_disk(visit, browser, tmp_path):
    visitor = visit("?side=224")
    visitor.page.locator("#vd-attention-file-make").click()
    link = visitor.page.locator("#vd-attention-file a[href]").first
    link.wait_for()
    path = tmp_path / "explorer.html"
    path.write_bytes(urllib.request.urlopen(link.evaluate("(a) => a.href"), timeout=20).read())
    told = float(re.search(r"(\d+) MB", visitor.page.locator("#vd-attention-file-note").inner_text())[1])
    assert abs(path.stat().st_size / 1e6 - told) < max(1.0, 0.25 * told)
    page = browser.new_context(offline=True, viewport={"width": 1280, "height": 900}).new_page()
    from axe_playwright_python.sync_playwright import Axe

    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(path.as_uri())
    explorer = page.locator(".vd-explorer")
    page.locator(".vd-explorer[data-layer='11']").wait_for()
    stage = page.locator(".vd-stage").first
    box = stage.bounding_box()
    stage.hover(position={"x": box["width"] * 5.5 / 16, "y": box["height"] * 3.5 / 16})
    page.locator(".vd-explorer[data-token='3,5']").wait_for()
    page.locator("[name=back]").click()
    page.locator(".vd-explorer[data-layer='10']").wait_for()
    stage.click(position={"x": 20, "y": 20})
    page.locator(".vd-pins button").first.wait_for()
    page.locator("[data-language=zh]").click()
    page.wait_for_function("(w) => document.querySelector('.vd-head b').textContent === w",
                           arg=say("attention.mean_of_heads", "zh"))  # fmt: skip
    assert explorer.get_attribute("data-layer") == "10"
    stage.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    assert {url for url in asked if not url.startswith(("data:", "blob:"))} == {path.as_uri()}
    assert errors == []
    assert Axe().run(page).response["violations"] == []


@pytest.fixture(scope="module")
def one_files(tmp_path_factory):
    """Every view as a file on disk, made of a picture that is wider than high."""
    import vit_demo

    folder, explainer = tmp_path_factory.mktemp("files"), vit_demo.Explainer()
    picture = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    size, digits = SizeChoice(keep_shape=True), "vit-demo/digits"
    how = dict(size=size, explainer=explainer)
    pages = {
        "attention": vit_demo.explorer_html(picture, digits, **how),
        "features": vit_demo.features_html([picture, picture[:, ::-1]], digits, **how),
        "compare": vit_demo.compare_html(picture, [digits, f"{digits}@epoch-0"], **how),
    }
    for name, page in pages.items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return folder


@pytest.mark.browser
@pytest.mark.parametrize("name", ["firefox", "webkit"])
def test_every_file_opens_from_disk_and_follows_the_pointer(one_files, name, tmp_path):
    if name not in programs():
        pytest.skip(f"{name} is not installed")
    with page_of(name, tmp_path) as page:
        said = {
            "attention": ("'.vd-explorer'", "token", "0,1"),
            "features": ("'.vd-feat'", "at", "0,0,1"),
            "compare": ("'.vd-cmp'", "point", None),
        }
        for view, (root, key, wanted) in said.items():
            page.open((one_files / f"{view}.html").as_uri())
            state = f"document.querySelector({root})?.dataset"
            page.wait(f"{state}?.ready > 0")
            _point_at(page, f"{state}.{key} " + (f"=== '{wanted}'" if wanted else "!== ''"))
            if not wanted:
                assert "2" in page.value("document.querySelector('.vd-readout').textContent")
            painted = (
                "[...document.querySelectorAll('.vd-overlay')].some((c) => c.width && "
                "c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v))"
            )
            assert page.value(painted)
            page.value("document.querySelector('[data-language=zh]').click()")
            page.wait("document.documentElement.lang === 'zh'")
            page.wait("/[\\u4e00-\\u9fff]/.test(document.querySelector('#view').innerText)")


def _point_at(page, shown: str) -> None:
    """Points at the second patch of the first row until the view says so: a picture that has just come moves it. The
    overlay has one pixel a patch."""
    cells = "(({ width, height }) => [width, height])(document.querySelector('.vd-overlay'))"
    for _ in range(50):
        box = page.value("document.querySelector('.vd-stage').getBoundingClientRect().toJSON()")
        cols, rows = page.value(cells)
        page.point(box["x"] + box["width"] * 1.5 / cols, box["y"] + box["height"] * 0.5 / rows)
        if page.value(shown):
            return
        page.point(1, 1)
    raise AssertionError(f"pointing never made true: {shown}")


@pytest.fixture(scope="module")
def executed():
    nbclient = pytest.importorskip("nbclient", reason="nbclient runs notebooks")
    import nbformat

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # kept without outputs
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(NOTEBOOK.parent)}})
    client.execute()
    return notebook


@pytest.mark.browser
def test_every_cell_runs(executed):
    shown = [
        output["data"]["text/html"]
        for cell in executed.cells
        for output in cell.get("outputs", [])
        if "text/html" in output.get("data", {})
    ]
    assert len(shown) == 3
    assert all("<iframe" in html for html in shown)


@pytest.mark.browser
def test_hovering_works_in_the_html_export(executed, browser, tmp_path):
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="basic")  # no scripts from elsewhere
    path = tmp_path / "notebook.html"
    path.write_text(exporter.from_notebook_node(executed)[0], encoding="utf-8")
    page = browser.new_context(offline=True, viewport={"width": 1280, "height": 900}).new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(path.as_uri())
    frames = page.locator("iframe")
    assert frames.count() == 3
    for number in range(2):
        frames.nth(number).scroll_into_view_if_needed()
        inside = page.frame_locator("iframe").nth(number)
        explorer = inside.locator(".vd-explorer")
        inside.locator(".vd-head").first.wait_for()
        stage = inside.locator(".vd-stage").first
        box = stage.bounding_box()
        stage.hover(position={"x": box["width"] * 0.05, "y": box["height"] * 0.05})
        inside.locator(".vd-explorer[data-token='0,0']").wait_for()
        assert explorer.get_attribute("data-ready") != "0"
    frames.nth(2).scroll_into_view_if_needed()
    training = page.frame_locator("iframe").nth(2)
    training.locator(".vd-learn[data-moment='7']").wait_for()  # eight states, the last one first
    training.locator("[name=moment]").fill("0")
    training.locator(".vd-learn[data-moment='0']").wait_for()
    assert training.locator(".vd-draw-heads canvas").count() == 16
    assert errors == []
