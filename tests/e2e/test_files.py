"""Views without a server: the explorer as one file opened from disk, and the example notebook with its HTML export."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path

import pytest

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
    assert len(shown) == 2
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
    assert frames.count() == 2
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
    assert errors == []
