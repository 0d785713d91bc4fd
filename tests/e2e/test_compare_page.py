"""The Compare tab in a browser, with real weights: two models on one pointer."""

from __future__ import annotations

import pytest

from vit_demo.text import say

pytestmark = pytest.mark.browser
PAIR = '#vd-compare-pair input[value="digits"]'


def open_tab(visitor, columns: int = 2) -> None:
    visitor.tab(say("compare.tab"))
    until_columns(visitor, columns)
    visitor.settle()


def until_columns(visitor, count: int) -> None:
    visitor.wait(
        "(n) => { const v = document.querySelector('.vd-cmp'); return v && v.dataset.columns === String(n) }", count
    )


def stage(visitor, column: int, row: int = 0):
    return visitor.page.locator(".vd-cmp-column").nth(column).locator(".vd-stage").nth(row)


def point(visitor, column: int, y: float, x: float) -> None:
    box = stage(visitor, column).bounding_box()
    stage(visitor, column).hover(position={"x": x * box["width"], "y": y * box["height"]})
    visitor.wait("() => document.querySelector('.vd-cmp').dataset.point !== ''")


def cursor(visitor, column: int) -> tuple[float, float]:
    """Where the mark stands, as shares of the stage."""
    style = stage(visitor, column).locator(".vd-cursor").evaluate("(e) => [e.style.top, e.style.left]")
    return tuple(float(value.removesuffix("%")) / 100 for value in style)


def painted(visitor, column: int, row: int) -> bytes:
    return stage(visitor, column, row).locator("canvas").evaluate("(c) => c.toDataURL()")


def test_one_pointer_marks_the_same_place_in_every_column_without_a_request(visit):
    visitor = visit()
    open_tab(visitor)
    visitor.page.locator(PAIR).check()
    until_columns(visitor, 3)
    visitor.wait("() => document.querySelectorAll('.vd-cmp-matrix').length === 3")
    visitor.settle()
    before = [painted(visitor, column, 1) for column in range(3)]
    asked = visitor.requests_during(lambda: point(visitor, 0, 0.8, 0.3))
    assert not [url for url in asked if "/run/" in url or "/queue/" in url]
    assert [painted(visitor, column, 1) for column in range(3)] != before
    places = [cursor(visitor, column) for column in range(3)]
    for (top, left), side in zip(places, (37, 7, 7), strict=True):
        assert top <= 0.8 < top + 1 / side + 0.06
        assert left <= 0.3 < left + 1 / side + 0.06
    assert visitor.page.locator(".vd-cmp > .vd-readout").inner_text().count("·") == 2


def test_another_depth_shows_the_layers_of_that_depth_in_every_column(visit):
    visitor = visit()
    open_tab(visitor)
    captions = visitor.page.locator(".vd-cmp-column figcaption")
    assert captions.first.inner_text() == say("compare.attention", layer=12, depth=12)
    slider = visitor.page.locator('.vd-cmp input[name="depth"]')
    slider.fill("0")
    slider.dispatch_event("change")
    visitor.wait(
        "(words) => [...document.querySelectorAll('.vd-cmp-column figcaption')].filter((c) => c.textContent === words)"
        ".length === 2",
        say("compare.attention", layer=1, depth=12),
    )


def test_scale_threshold_and_head_are_shared_and_computed_here(visit):
    visitor = visit()
    open_tab(visitor)
    visitor.settle()
    before = [painted(visitor, column, 0) for column in (0, 1)]

    def choose() -> None:
        visitor.page.locator('.vd-cmp input[name="mask"]').check()
        visitor.page.locator('.vd-cmp select[name="head"]').select_option("2")

    assert not [url for url in visitor.requests_during(choose) if "/run/" in url or "/queue/join" in url]
    after = [painted(visitor, column, 0) for column in (0, 1)]
    assert all(one != other for one, other in zip(before, after, strict=True))
    visitor.page.locator('.vd-cmp input[name="shared"]').check()
    tops = visitor.page.locator(".vd-cmp-column figure:first-of-type .vd-bar").all_inner_texts()
    assert len(set(tops)) == 1


def test_a_model_that_cannot_be_had_leaves_its_reason_and_the_others_work(visit):
    visitor = visit()
    open_tab(visitor)
    visitor.page.locator('#vd-compare-pair input[value="registers"]').check()
    until_columns(visitor, 3)
    visitor.page.locator(".vd-cmp-problem").first.wait_for()
    visitor.settle()
    assert visitor.page.locator(".vd-cmp-column .vd-stage").count() == 3
    assert len(visitor.page.locator(".vd-cmp-problem").first.inner_text()) > 20


@pytest.mark.parametrize("width", [1280, 390])
def test_the_tab_is_reachable_for_all_and_fits_its_width(visit, width):
    visitor = visit(width=width)
    open_tab(visitor)
    assert visitor.violations("#vd-compare") == []
    assert visitor.page.evaluate("() => document.documentElement.scrollWidth") <= width
