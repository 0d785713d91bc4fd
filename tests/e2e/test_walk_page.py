"""The walk in a browser: every step in both languages, by buttons and by keyboard alone; the toy, questions, presenter,
handout; and a class that follows."""

from __future__ import annotations

import re
import sys

import pytest

from vit_demo.contract import WALK_STEPS
from vit_demo.text import say
from vit_demo.ui.tabs.walk.steps import STEPS

DIGITS = "vit-demo/digits"

pytestmark = pytest.mark.browser


def opened(visit, query: str = "", **options):
    visitor = visit(f"?tab=walk{query}", **options)
    until_step(visitor, re.search(r"step=(\w+)", query)[1] if "step=" in query else "pixels")
    return visitor


def until_step(visitor, name: str) -> None:
    visitor.wait("(name) => document.querySelector('.vd-walk')?.dataset.step === name", name)


def step_of(visitor) -> str:
    return visitor.page.locator(".vd-walk").get_attribute("data-step")


@pytest.mark.parametrize("width", [1280, 1024, 390])
@pytest.mark.parametrize(("language", "query"), [("en", "&side=224"), ("zh", "&side=518"), ("en", f"&model={DIGITS}")])
def test_every_step_is_there_and_fits(visit, language, query, width):
    visitor = opened(visit, f"&lang={language}{query}", width=width)
    page = visitor.page
    for number, name in enumerate(STEPS):
        until_step(visitor, name)
        assert page.locator(".vd-walk-title").inner_text() == say(f"walk.{name}", language)
        assert page.locator(".vd-walk [aria-current=step]").count() == 1
        assert page.evaluate("() => document.scrollingElement.scrollWidth") <= width + 1, name
        assert "{" not in page.locator(".vd-walk-figure").inner_text()
        if name in WALK_STEPS:
            assert page.locator(".vd-walk pre").count() >= 1 or name == "positions"
            assert page.locator(".vd-walk-formula").inner_text()
        if number < len(STEPS) - 1:
            page.locator(".vd-walk-steps [name=next]").click()
    assert page.locator(".vd-walk-end .vd-go").count() == 7


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_any_step(visit, theme):
    visitor = opened(visit, f"&side=224&__theme={theme}")
    page, found = visitor.page, {}
    page.locator(".vd-walk-toy-fold summary").click()
    for name in STEPS:
        until_step(visitor, name)
        found[name] = visitor.violations(".vd-walk")
        if name != STEPS[-1]:
            page.locator(".vd-walk-steps [name=next]").click()
    found["guide"] = visitor.violations(".vd-guide")
    assert {where: what for where, what in found.items() if what} == {}


def test_by_keyboard_alone_there_and_back(visit):
    visitor = opened(visit, "&side=224")
    page = visitor.page
    page.locator(".vd-walk-map button").first.focus()
    for name in STEPS[1:]:
        page.keyboard.press("ArrowRight")
        until_step(visitor, name)
    page.keyboard.press("ArrowLeft")
    until_step(visitor, STEPS[-2])
    # the title is what is read first of a new step
    assert page.evaluate("() => document.activeElement.className") == "vd-walk-title"


def test_an_answer_is_judged_the_score_is_kept_and_nothing_is_sent(visit):
    visitor = opened(visit, "&side=224&step=qkv")
    page = visitor.page
    right = page.locator(".vd-walk-options button", has_text=re.compile("^64$"))
    wrong = page.locator(".vd-walk-options button", has_text=re.compile("^384$"))
    sent = visitor.requests_during(lambda: (wrong.click(), right.click()))
    assert sent == []
    assert wrong.get_attribute("data-right") == "false"
    assert right.get_attribute("data-right") == "true"
    said = page.locator(".vd-walk-said").first.inner_text()
    assert say("walk.why_head_width", width=64, heads=6) in said
    assert say("walk.score", right=0, asked=1) in page.locator(".vd-walk-score").inner_text()  # the first one counts
    visitor.settle()
    page.reload(wait_until="domcontentloaded")
    until_step(visitor, "qkv")
    assert say("walk.score", right=0, asked=1) in page.locator(".vd-walk-score").inner_text()


def test_what_would_give_the_answer_away_comes_after_it(visit):
    visitor = opened(visit, "&side=224&step=positions")
    later = visitor.page.locator(".vd-walk-later")
    assert not later.is_visible()
    visitor.page.locator(".vd-walk-options button").first.click()
    assert later.is_visible()


def test_a_patch_a_layer_and_a_head_are_chosen(visit):
    visitor = opened(visit, "&side=224&step=scores")
    page = visitor.page
    ready = page.locator(".vd-walk").get_attribute("data-ready")
    box = page.locator(".vd-walk .vd-stage").bounding_box()
    page.locator(".vd-walk .vd-stage").click(position={"x": box["width"] * 2.5 / 16, "y": box["height"] * 1.5 / 16})
    visitor.wait("(r) => document.querySelector('.vd-walk').dataset.ready !== r", ready)
    assert page.locator(".vd-walk-followed").inner_text() == say("walk.followed_patch", row=2, col=3)
    page.locator(".vd-walk [name=head]").select_option(index=3)
    visitor.wait("(w) => document.querySelector('.vd-walk-figure').textContent.includes(w)",
                 say("walk.scores_map", head=4, layer=1))  # fmt: skip
    page.locator(".vd-walk [name=layer]").fill("3")
    visitor.wait("(w) => document.querySelector('.vd-walk-figure').textContent.includes(w)",
                 say("walk.scores_map", head=4, layer=3))  # fmt: skip


def test_a_patch_in_the_line_is_one_in_the_picture(visit):
    visitor = opened(visit, "&side=224&step=patches")
    page = visitor.page
    canvas = page.locator(".vd-walk-sequence")
    canvas.hover(position={"x": 5, "y": 5})
    cursor = page.locator(".vd-walk .vd-cursor")
    assert cursor.is_visible()
    assert cursor.evaluate("(mark) => [mark.style.left, mark.style.top]") == ["0%", "0%"]
    box = page.locator(".vd-walk .vd-stage").bounding_box()
    page.locator(".vd-walk .vd-stage").hover(position={"x": box["width"] - 4, "y": box["height"] - 4})
    assert canvas.get_attribute("data-patch") == str(16 * 16 - 1)


def test_the_temperature_slides_here(visit):
    visitor = opened(visit, f"&model={DIGITS}&step=answer")
    page = visitor.page
    first = page.locator(".vd-walk-answers .vd-number").first
    before = first.inner_text()
    sent = visitor.requests_during(lambda: page.locator("[name=temperature]").fill("1"))
    assert sent == []
    assert float(first.inner_text().split()[0]) < float(before.split()[0])


def test_the_toy_follows_what_is_edited(visit):
    visitor = opened(visit, "&side=224&step=scores")
    page = visitor.page
    page.locator(".vd-walk-toy-fold summary").click()
    shares = page.locator(".vd-walk-toy figure", has_text="shares").locator("td:not(:empty)")
    row = [float(text.replace("−", "-")) for text in shares.all_inner_texts()[:5]]
    assert sum(row) == pytest.approx(1, abs=0.03)
    page.locator(".vd-walk-steps [name=back]").click()
    until_step(visitor, "qkv")
    page.locator(".vd-walk-toy input").first.fill("5")
    page.locator(".vd-walk-steps [name=next]").click()
    until_step(visitor, "scores")
    assert [float(text.replace("−", "-")) for text in shares.all_inner_texts()[:5]] != row


def test_the_presenter_view_is_led_by_the_keyboard(visit):
    visitor = opened(visit, "&side=224", width=1024, height=768)
    page = visitor.page
    page.locator(".vd-walk [name=present]").click()
    assert page.locator(".vd-presenting").count() == 1
    size = page.locator(".vd-walk-idea").evaluate("(idea) => parseFloat(getComputedStyle(idea).fontSize)")
    assert size >= 26
    page.keyboard.press("s")
    assert page.locator(".vd-walk-lit").count() == 1
    page.keyboard.press("ArrowRight")
    until_step(visitor, "patches")
    assert page.locator(".vd-walk-lit").count() == 0
    page.keyboard.press("Escape")
    visitor.wait("() => !document.querySelector('.vd-presenting')")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_handout_opens_by_itself_from_disk(visit, browser, tmp_path, language):
    visitor = opened(visit, f"&lang={language}&side=224")
    with visitor.page.expect_download() as waiting:
        visitor.page.locator(".vd-walk [name=handout]").click()
    path = tmp_path / "handout.html"
    waiting.value.save_as(path)
    context = browser.new_context(offline=True, viewport={"width": 900, "height": 1200})
    page = context.new_page()
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(path.as_uri())
    assert page.locator("h2").count() == len(WALK_STEPS) + 1
    assert page.locator("img").evaluate_all("(all) => all.every((image) => image.naturalWidth > 0)")
    assert page.evaluate("() => document.scrollingElement.scrollWidth") <= 900
    assert {url for url in asked if not url.startswith("data:")} == {path.as_uri()}
    assert errors == []
    context.close()


def test_a_misconception_opens_its_experiment_in_this_page(visit):
    visitor = opened(visit, "&side=224&step=explain")
    page = visitor.page
    page.locator(".vd-walk-end .vd-go").nth(3).click()
    visitor.wait("() => document.querySelector('.vd-what')?.dataset.edits?.includes('heads')")
    assert page.locator("#vd-tabs > .tab-wrapper [aria-selected=true]").inner_text() == say("page.tab_change")


def test_a_lesson_opens_its_state(visit):
    visitor = visit("?side=224")
    visitor.tab(say("lessons.tab"))
    visitor.page.locator(".vd-lesson[open] .vd-go").nth(1).click()
    until_step(visitor, "patches")
    assert "dog" in visitor.page.locator("#vd-image img").first.get_attribute("src")


# ---------------------------------------------------------------------------------------------------------------- class


@pytest.fixture(scope="module")
def classroom(tmp_path_factory):
    """A server with a room, as `serve --classroom` starts it."""
    from vit_demo.benchmark.server import APP, running

    command = (sys.executable, "-m", "vit_demo", "serve", "--classroom", "--host", "127.0.0.1")
    variables = {"VIT_DEMO_ROOM": "ABCD:the-key"}
    with running(APP, tmp_path_factory.mktemp("class"), variables, command) as (url, _):
        yield url


def page_of(browser, url: str, width: int = 1280):
    page = browser.new_context(viewport={"width": width, "height": 844}).new_page()
    page.set_default_timeout(60_000)
    page.goto(url, wait_until="domcontentloaded")
    page.wait_for_function("() => document.querySelector('.vd-guide')?.dataset.ready > 0")
    return page


def until(page, name: str) -> None:
    page.wait_for_function("(name) => document.querySelector('.vd-walk')?.dataset.step === name", arg=name)


def test_a_student_follows_leaves_and_comes_back(browser, classroom):
    teacher = page_of(browser, f"{classroom}?room=ABCD&side=224#teach=the-key")
    student = page_of(browser, f"{classroom}?room=ABCD&lang=zh", width=390)
    student.wait_for_function("() => /\\d/.test(document.querySelector('.vd-explorer')?.dataset.layer ?? '')")
    assert "the-key" not in teacher.url
    assert say("guide.class_following", "zh") in student.locator(".vd-class").inner_text()
    assert not student.locator(".vd-class-teacher").is_visible()
    teacher.locator("#vd-tabs > .tab-wrapper [data-tab-id=learn]").click()
    until(teacher, "pixels")
    until(student, "pixels")
    teacher.locator(".vd-walk-steps [name=next]").click()
    until(student, "patches")
    teacher.locator("#vd-examples button").nth(3).click()
    student.wait_for_function("() => document.querySelector('#vd-image img').src.includes('macaw')")
    student.locator(".vd-class [name=follow]").click()
    teacher.locator(".vd-walk-steps [name=next]").click()
    until(teacher, "embedding")
    student.wait_for_timeout(1000)
    assert student.locator(".vd-walk").get_attribute("data-step") == "patches"
    student.locator(".vd-class [name=follow]").click()
    until(student, "embedding")
    teacher.context.close()
    student.context.close()


def test_a_wrong_key_shows_nothing_and_says_so(browser, classroom):
    page = page_of(browser, f"{classroom}?room=ABCD#teach=guess")
    page.locator(".vd-class [name=push]").click()
    page.wait_for_function("(said) => document.querySelector('.vd-class-said').textContent === said",
                           arg=say("guide.not_teacher"))  # fmt: skip
    page.context.close()


def test_a_room_that_there_is_not_is_told(browser, classroom):
    page = page_of(browser, f"{classroom}?room=WXYZ")
    page.wait_for_function("(said) => document.querySelector('.vd-class-said').textContent === said",
                           arg=say("guide.class_no_room", code="WXYZ"))  # fmt: skip
    page.context.close()
