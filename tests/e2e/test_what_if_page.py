"""The What-if tab in a browser, with real weights: brush, switches, undo, links, scans, the game."""

from __future__ import annotations

import json

import pytest

from vit_demo.text import say

pytestmark = pytest.mark.browser
SMALL = "?side=224"  # 16 × 16 patches: a pass of a tenth of a second
ROWS = COLS = 16


def open_tab(visitor) -> None:
    visitor.tab(say("what_if.tab"))
    opened(visitor)


def opened(visitor) -> None:
    visitor.wait("() => { const v = document.querySelector('.vd-what'); return v && v.dataset.edits }")
    visitor.settle()


def view(visitor, name: str) -> str:
    return visitor.page.locator(".vd-what").get_attribute(f"data-{name}")


def edits(visitor) -> dict:
    """What is changed, once the answer to it is there."""
    visitor.wait("() => document.querySelector('.vd-what').dataset.waiting === 'false'")
    return json.loads(view(visitor, "edits"))


def stage(visitor):
    return visitor.page.locator(".vd-what-stage")


def place(visitor, row: int, col: int) -> tuple[float, float]:
    box = stage(visitor).bounding_box()
    return box["x"] + (col + 0.5) * box["width"] / COLS, box["y"] + (row + 0.5) * box["height"] / ROWS


def drag(visitor, first: tuple[int, int], last: tuple[int, int]) -> None:
    visitor.page.mouse.move(*place(visitor, *first))
    visitor.page.mouse.down()
    visitor.page.mouse.move(*place(visitor, *last))
    visitor.page.mouse.up()


def head(visitor, layer: int, number: int, heads: int = 6):
    """The switch of a head, both counted from 0."""
    depth = visitor.page.locator(".vd-what-heads .vd-frame-cols > span").count()
    assert visitor.page.locator(".vd-what-heads .vd-frame-rows > span").count() == heads
    return visitor.page.locator(".vd-what-heads .vd-what-sheet > span").nth(number * depth + layer)


def painted(visitor, which: str) -> bytes:
    return visitor.painted(f'.vd-what-maps figure[data-map="{which}"] .vd-overlay')


def test_a_drag_takes_patches_away_a_second_brush_puts_them_back_and_undo_goes_back(visit):
    visitor = visit(SMALL)
    open_tab(visitor)
    before = visitor.page.locator(".vd-what-bars").inner_text()
    drag(visitor, (3, 2), (3, 7))
    assert edits(visitor) == {"drop": [[3, col] for col in range(2, 8)]}
    assert visitor.page.locator(".vd-what-bars").inner_text() != before
    visitor.page.locator('.vd-what input[name="brush"][value="show"]').check()
    drag(visitor, (3, 4), (3, 5))
    assert edits(visitor) == {"drop": [[3, col] for col in (2, 3, 6, 7)]}
    visitor.page.locator('.vd-what button[name="undo"]').click()
    assert len(edits(visitor)["drop"]) == 6
    visitor.page.locator('.vd-what button[name="redo"]').click()
    assert len(edits(visitor)["drop"]) == 4
    visitor.page.locator(".vd-what-chips button").click()
    assert edits(visitor) == {}
    assert visitor.page.locator(".vd-what-bars").inner_text() == before


def test_while_the_pointer_draws_no_more_than_one_answer_is_on_its_way_and_the_last_counts(visit):
    visitor = visit(SMALL)
    open_tab(visitor)
    asked = len([url for url in visitor.asked if "/run/" in url])
    visitor.page.mouse.move(*place(visitor, 8, 0))
    visitor.page.mouse.down()
    for col in range(16):
        visitor.page.mouse.move(*place(visitor, 8, col))
    visitor.page.mouse.up()
    assert len(edits(visitor)["drop"]) == 16
    sent = len([url for url in visitor.asked if "/run/" in url]) - asked
    assert 1 <= sent < 16


def test_keys_and_a_finger_take_patches_away(visit):
    visitor = visit(SMALL)
    open_tab(visitor)
    stage(visitor).focus()
    for key in ("ArrowLeft", "ArrowUp", "Space", "ArrowUp", "Enter"):
        visitor.page.keyboard.press(key)
    assert edits(visitor) == {"drop": [[6, 7], [7, 7]]}
    visitor.page.keyboard.press("Space")
    assert edits(visitor) == {"drop": [[7, 7]]}
    finger(visitor, place(visitor, 2, 3), place(visitor, 2, 5))
    assert edits(visitor) == {"drop": [[2, 3], [2, 4], [2, 5], [7, 7]]}


def finger(visitor, first: tuple[float, float], last: tuple[float, float]) -> None:
    """A finger that moves from one point of the page to another."""
    session = visitor.context.new_cdp_session(visitor.page)
    for kind, at in (("touchStart", first), ("touchMove", last), ("touchEnd", None)):
        points = [] if at is None else [{"x": at[0], "y": at[1]}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_a_head_switched_off_changes_bars_and_maps(visit):
    visitor = visit(SMALL)
    open_tab(visitor)
    bars, after = visitor.page.locator(".vd-what-bars").inner_text(), painted(visitor, "after")
    assert painted(visitor, "before") == after
    head(visitor, 5, 5).click()
    assert edits(visitor) == {"heads": [[[5, 5], "mean"]]}
    assert visitor.page.locator(".vd-what-bars").inner_text() != bars
    assert painted(visitor, "after") != after
    assert painted(visitor, "before") == after
    visitor.page.locator('.vd-what select[name="how"]').select_option("zero")
    assert edits(visitor) == {"heads": [[[5, 5], "zero"]]}
    head(visitor, 5, 5).click()
    assert edits(visitor) == {}


def test_positions_parts_temperature_and_prefix_tokens_are_switches_and_chips(visit):
    visitor = visit(SMALL)
    open_tab(visitor)
    visitor.page.locator('.vd-what select[name="positions"]').select_option("shuffled")
    edits(visitor)
    visitor.page.locator(".vd-what-parts .vd-what-sheet > span").nth(12 + 3).click()
    edits(visitor)
    visitor.page.locator(".vd-what-unseen input").check()
    edits(visitor)
    visitor.page.locator('.vd-what input[name="shuffle"]').check()
    edits(visitor)
    visitor.page.locator('.vd-what input[name="temperature"]').fill("0.5")
    assert edits(visitor) == {
        "shuffle_patches": True,
        "positions": "shuffled",
        "skip": [[3, "mlp"]],
        "cut": [{"layers": None, "queries": None, "keys": ["cls"]}],
        "temperature": 0.5,
    }
    assert visitor.page.locator(".vd-what-chips button").count() == 5
    assert visitor.page.locator(".vd-what-stage .vd-picture").get_attribute("src").startswith("data:image/jpeg")
    visitor.page.locator('.vd-what button[name="reset"]').click()
    assert edits(visitor) == {}
    assert visitor.page.locator(".vd-what-stage .vd-picture").get_attribute("src").startswith("http")


def test_what_a_head_looks_at_and_what_a_method_calls_relevant_can_be_taken_away(visit):
    visitor = visit(SMALL)
    open_tab(visitor)
    visitor.page.locator('.vd-what button[name="hide_head"]').click()
    looked = edits(visitor)["drop"]
    assert 2 < len(looked) < 200
    visitor.page.locator('.vd-what button[name="show_all"]').click()
    assert edits(visitor) == {}
    visitor.page.locator('.vd-what button[name="hide_relevant"]').click()
    visitor.wait("() => document.querySelector('.vd-what').dataset.edits !== '{}'")
    assert len(edits(visitor)["drop"]) == 51  # a fifth of 256
    visitor.page.locator('.vd-what button[name="invert"]').click()
    assert len(edits(visitor)["drop"]) == 205


def test_a_link_opens_the_same_changes(visit):
    visitor = visit(SMALL + "&example=kitten")
    open_tab(visitor)
    drag(visitor, (1, 1), (1, 2))
    head(visitor, 8, 3).click()
    wanted, answer = edits(visitor), view(visitor, "answer")
    visitor.page.locator('.vd-what button[name="link"]').click()
    address = visitor.page.locator('.vd-what input[name="address"]').input_value()
    other = visit("?" + address.partition("?")[2])
    opened(other)
    other.wait("() => document.querySelector('.vd-what').dataset.edits !== '{}'")
    assert edits(other) == wanted == {"drop": [[1, 1], [1, 2]], "heads": [[[8, 3], "mean"]]}
    assert view(other, "answer") == answer
    assert other.page.locator("#vd-tabs-change [role=tab][aria-selected=true]").inner_text() == say("what_if.tab")


def test_changes_follow_to_another_picture_and_size_as_far_as_they_go(visit):
    visitor = visit(SMALL)
    open_tab(visitor)
    stage(visitor).evaluate("(stage) => stage.scrollIntoView({ block: 'center' })")
    drag(visitor, (15, 14), (15, 15))
    edits(visitor)
    visitor.page.locator("#vd-examples button").nth(4).click()
    visitor.settle()
    assert edits(visitor) == {"drop": [[15, 14], [15, 15]]}


def run_scan(visitor, kind: str) -> None:
    visitor.page.locator(f'#vd-what-if-kind input[value="{kind}"]').check()
    visitor.page.locator("#vd-what-if-scan-run").click()
    visitor.wait(
        "(k) => { const s = document.querySelector('.vd-what-scan');"
        "if (!s || s.hidden || s.dataset.kind !== k) return false;"
        "const [part, parts] = s.dataset.parts.split('/'); return part === parts }",
        kind,
    )
    visitor.settle()


def test_a_scans_cell_makes_its_change_above(visit):
    visitor = visit(SMALL)
    open_tab(visitor)
    run_scan(visitor, "heads")
    first = visitor.page.locator(".vd-what-most button").first
    words = first.inner_text()
    first.click()
    ((layer, number), how) = edits(visitor)["heads"][0]
    assert words.startswith(say("what_if.cell_head", layer=layer + 1, head=number + 1, value="")[:-1])
    assert how == "mean"
    changed = visitor.page.locator(".vd-what-by").first.inner_text()
    value = float(words.rpartition(" ")[2].replace("−", "-"))
    assert float(changed.replace("−", "-")) == pytest.approx(value, abs=0.006)
    run_scan(visitor, "states")
    lines = visitor.page.locator(".vd-what-scan .vd-frame-rows span").all_inner_texts()
    assert lines == ["CLS", say("what_if.patches")]


def test_the_game_tells_what_the_methods_need_after_the_visitors_turn(visit):
    visitor = visit(SMALL)
    open_tab(visitor)
    visitor.page.locator("#vd-what-if-game-run").click()
    visitor.page.get_by_text(say("what_if.game_first")).wait_for()
    visitor.page.locator('.vd-what button[name="invert"]').click()
    edits(visitor)
    visitor.page.locator("#vd-what-if-game-run").click()
    row = visitor.page.locator("#vd-what-if-game tr", has_text=say("relevance.method_chefer"))
    row.wait_for()
    assert row.locator("td").first.inner_text().isdecimal()
    visitor.page.locator("#vd-what-if-game-stop").click()


def test_pointing_at_a_map_asks_nothing_and_a_click_looks_from_there(visit):
    visitor = visit(SMALL)
    open_tab(visitor)
    box = visitor.page.locator('.vd-what-maps figure[data-map="before"] .vd-stage')
    size = box.bounding_box()
    at = {"x": 5.5 * size["width"] / COLS, "y": 2.5 * size["height"] / ROWS}
    assert not [url for url in visitor.requests_during(lambda: box.hover(position=at)) if "/run/" in url]
    assert "row 3, column 6" in visitor.page.locator(".vd-what-here").inner_text()
    before = painted(visitor, "before")
    box.click(position=at)
    edits(visitor)
    visitor.settle()
    assert painted(visitor, "before") != before
    assert visitor.page.locator(".vd-what-from").inner_text() == say("what_if.token_at", row=3, col=6)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_tab_is_reachable_for_all_and_fits_its_width(visit, width):
    visitor = visit(SMALL, width=width)
    open_tab(visitor)
    drag(visitor, (2, 2), (2, 4))
    edits(visitor)
    assert visitor.violations("#vd-what-if") == []
    wide = visitor.page.evaluate("() => document.documentElement.scrollWidth")
    assert wide <= width


def test_in_chinese(visit):
    visitor = visit(SMALL + "&lang=zh", locale="zh-CN")
    visitor.tab(say("what_if.tab", "zh"))
    opened(visitor)
    drag(visitor, (2, 2), (2, 4))
    edits(visitor)
    assert visitor.page.locator(".vd-what-chips button").inner_text() == say("what_if.chip_drop", "zh", count=3) + " ×"
