"""Features and own classes in a browser, with real weights: pointing, two pictures, and from upload to prediction."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vit_demo.text import say

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
pytestmark = pytest.mark.browser
VIEWS = {
    "segments": "#vd-features-segments figure",
    "norms": "#vd-features-norms svg",
    "evolution": "#vd-features-evolution svg",
    "pairs": "#vd-features-pairs p, #vd-features-pairs svg",
    "alike": "#vd-features-alike svg",
}


def open_features(visitor) -> None:
    visitor.tab(say("features.tab"))
    visitor.wait("() => { const v = document.querySelector('.vd-feat'); return v && v.dataset.ready > 0 }")
    visitor.settle()


def stage(visitor, picture: int = 0):
    return visitor.page.locator(".vd-feat-like").nth(picture)


def point(visitor, row: int, col: int, picture: int = 0, side: int = 37) -> None:
    box = stage(visitor, picture).bounding_box()
    at = {"x": (col + 0.5) * box["width"] / side, "y": (row + 0.5) * box["height"] / side}
    stage(visitor, picture).hover(position=at)


def feat(visitor, name: str) -> str:
    return visitor.page.locator(".vd-feat").get_attribute(f"data-{name}")


def add_example(visitor, control: str, name: str, count: int = 1) -> None:
    visitor.page.locator(f"{control} input").click()
    visitor.page.keyboard.type(name)
    visitor.page.get_by_role("option", name=name, exact=True).click()


def test_pointing_repaints_the_similarity_without_a_request(visit):
    visitor = visit()
    open_features(visitor)
    point(visitor, 5, 5)
    before = visitor.painted(".vd-feat-like canvas")

    def wander() -> None:
        for place in [(18, 18), (20, 9), (3, 30), (18, 18)]:
            point(visitor, *place)
            visitor.wait("(v) => document.querySelector('.vd-feat').dataset.at === v", f"0,{place[0]},{place[1]}")

    assert visitor.requests_during(wander) == []
    assert visitor.painted(".vd-feat-like canvas") != before
    assert "row 19, column 19" in visitor.page.locator(".vd-feat .vd-readout").inner_text()


def test_a_patch_is_pinned_and_let_go_by_the_keyboard(visit):
    visitor = visit()
    open_features(visitor)
    stage(visitor).focus()
    start = [int(n) for n in feat(visitor, "at").split(",")]
    visitor.page.keyboard.press("ArrowDown")
    visitor.page.keyboard.press("ArrowRight")
    assert [int(n) for n in feat(visitor, "at").split(",")] == [0, start[1] + 1, start[2] + 1]
    visitor.page.keyboard.press("Enter")
    assert feat(visitor, "pinned") == "true"
    pinned = feat(visitor, "at")
    point(visitor, 2, 2)
    assert feat(visitor, "at") == pinned
    assert re.search(r"rank \d+ of 1369", visitor.page.locator(".vd-feat .vd-readout").inner_text())
    visitor.page.locator(".vd-feat-unpin").click()
    assert feat(visitor, "pinned") == "false"


def test_a_second_picture_shares_the_basis_answers_to_the_pointer_and_is_paired(visit):
    visitor = visit()
    open_features(visitor)
    add_example(visitor, "#vd-features-more", "kitten")
    visitor.wait("() => document.querySelectorAll('.vd-feat-pair').length === 2")
    visitor.settle()
    canvas = ".vd-feat-pair:nth-child(2) .vd-feat-like canvas"
    point(visitor, 18, 18)
    before = visitor.painted(canvas)
    assert visitor.requests_during(lambda: point(visitor, 3, 3)) == []
    assert visitor.painted(canvas) != before
    point(visitor, 18, 18, picture=1)
    assert feat(visitor, "at") == "1,18,18"
    visitor.tab(say("features.view_pairs"))
    visitor.page.wait_for_selector("#vd-features-pairs svg circle")
    assert visitor.page.locator("#vd-features-pairs image").count() == 2
    assert visitor.page.locator("#vd-features-pairs circle").count() >= 2


def test_another_picture_or_layer_replaces_what_is_shown(visit):
    visitor = visit()
    open_features(visitor)
    before = visitor.painted(".vd-feat-pca canvas")
    layer = visitor.page.locator("#vd-features-layer input[type=number]")
    layer.fill("4")
    layer.press("Enter")
    visitor.wait("() => document.querySelector('.vd-feat').dataset.ready > 1")
    visitor.settle()
    at_four = visitor.painted(".vd-feat-pca canvas")
    assert at_four != before
    ready = int(feat(visitor, "ready"))  # before the upload, which may be quicker than the question
    visitor.upload(EXAMPLES / "macaw.jpg")
    visitor.wait("(v) => document.querySelector('.vd-feat').dataset.ready > v", ready)
    visitor.settle()
    assert visitor.painted(".vd-feat-pca canvas") != at_four
    assert layer.input_value() == "4"


@pytest.mark.parametrize("width", [360, 1280])
def test_every_view_opens_and_nothing_scrolls_sideways(visit, width):
    visitor = visit(width=width)
    visitor.tab(say("features.tab"))
    visitor.wait("() => { const v = document.querySelector('.vd-feat'); return v && v.dataset.ready > 0 }")
    for view, shown in VIEWS.items():
        _open_hidden(visitor, say(f"features.view_{view}"))
        visitor.page.wait_for_selector(shown)
        visitor.settle()
        assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width, view


def _open_hidden(visitor, name: str) -> None:
    """Opens a tab of the topic's own, out of the menu where there is no room for it."""
    tab = visitor.page.get_by_role("tab", name=name, exact=True)
    if tab.count() and tab.first.is_visible():
        tab.first.click()
        return
    for menu in visitor.page.locator(".overflow-menu > button").all():
        if menu.is_visible():
            menu.click()
            entry = visitor.page.locator(".overflow-dropdown button", has_text=name)
            if entry.count() and entry.first.is_visible():
                entry.first.click()
                return
            menu.click()
    pytest.fail(f"there is no tab {name}")


def test_own_classes_begin_with_one_click_and_follow_the_picture(visit):
    visitor = visit()
    visitor.tab(say("own_classes.tab"))
    begin = visitor.page.get_by_role("button", name=say("own_classes.begin"))
    begin.click()
    best = visitor.page.locator("#vd-own-answer .vd-label").first
    best.wait_for()
    assert best.inner_text() == say("own_classes.animals")
    assert not begin.is_visible()
    shown = visitor.page.locator("#vd-own-answer figure img").get_attribute("src")
    visitor.page.get_by_role("button", name="coffee cup").first.click()
    visitor.wait("(s) => document.querySelector('#vd-own-answer figure img').src !== s", shown)
    assert visitor.page.locator("#vd-own-board img").count() == 7


def test_own_classes_from_upload_to_prediction_and_through_a_file(visit, tmp_path):
    visitor = visit()
    page = visitor.page
    visitor.tab(say("own_classes.tab"))
    page.wait_for_selector("#vd-own-answer p")
    visitor.settle()
    with Image.open(EXAMPLES / "horses.jpg") as opened:
        darker = Image.fromarray((np.asarray(opened.convert("RGB")) * 0.9).astype(np.uint8))
    darker.save(tmp_path / "horses at dusk.png")
    hostile = "<b>not</b> cats"
    for name, examples, uploads in (
        ("cats", ["kitten", "tabby cat"], []),
        (hostile, ["crab"], [tmp_path / "horses at dusk.png"]),
    ):
        page.locator("#vd-own-name").get_by_role("textbox").fill(name)
        for example in examples:
            add_example(visitor, "#vd-own-examples", example)
        if uploads:
            page.locator("#vd-own-uploads input[type=file]").set_input_files(uploads)
            page.wait_for_selector("#vd-own-uploads .file-preview")
        page.keyboard.press("Escape")
        page.locator("#vd-own-add").click()
        visitor.wait("(n) => document.querySelector('#vd-own-board').innerText.includes(n)", name)
        visitor.settle()
    # The page's dog looks like the horses more than like anything else here.
    assert page.locator("#vd-own-answer .vd-label").first.inner_text() == hostile
    assert "of the 4 examples are right" in page.locator("#vd-own-answer").inner_text()
    assert page.locator("#vd-own-near li, .vd-own-near li").count() == 4

    page.get_by_role("button", name=say("download.heading")).locator("visible=true").click()
    page.locator("#vd-own_classes-make").click()
    page.wait_for_selector("#vd-own_classes-files a")
    with page.expect_download() as download:
        page.locator("#vd-own_classes-files a").first.click()
    download.value.save_as(tmp_path / "own.npz")
    page.get_by_role("button", name=say("own_classes.more")).click()
    page.locator("#vd-own-remove").click()
    visitor.wait("() => !document.querySelector('#vd-own-board').innerText.includes('not')")
    page.locator("#vd-own-file input[type=file]").set_input_files(tmp_path / "own.npz")
    visitor.wait("(n) => document.querySelector('#vd-own-board').innerText.includes(n)", hostile)
    visitor.settle()
    assert page.locator("#vd-own-answer .vd-label").first.inner_text() == hostile
