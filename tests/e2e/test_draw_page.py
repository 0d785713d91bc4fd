"""The Draw tab in a browser: digits drawn with the mouse are read, and the training's slider asks nobody."""

from __future__ import annotations

import pytest

ONE, SEVEN = [(0.53, 0.2), (0.48, 0.8)], [(0.25, 0.25), (0.75, 0.23), (0.45, 0.85)]


@pytest.fixture
def opened(browser, monkeypatch):
    """The Draw tab with the real model, in Chromium."""
    from vit_demo.explain import Explainer
    from vit_demo.gallery import read_gallery
    from vit_demo.ui import build
    from vit_demo.ui.launch import launch_arguments
    from vit_demo.ui.tabs import attention, draw

    explainer = Explainer("cpu", any_model=False)
    monkeypatch.setattr(explainer, "default_model", lambda: explainer.training_record().moments[-1][1])
    monkeypatch.setattr(build, "TABS", (attention.TAB, draw.TAB))  # the tab that a page opens with, and this one
    demo = build.build_demo(explainer, read_gallery())
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_arguments())
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(60_000)
    page.goto(f"{url}?lang=en")
    page.wait_for_selector("#vd-attention .vd-view:not([data-ready='0'])")  # the page has settled
    page.get_by_role("tab", name="Draw").click()
    yield page
    page.close()
    demo.close()


def draw_with_mouse(page, points: list[tuple[float, float]]) -> None:
    """Clears the pad and draws a stroke through (x, y) in shares of the pad."""
    page.locator(".vd-draw button[name=clear]").click()
    page.wait_for_selector(".vd-draw[data-best='']")
    box = page.locator(".vd-draw-pad").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()


@pytest.mark.browser
def test_a_drawn_one_and_seven_are_read_and_the_slider_goes_back_in_time(opened):
    opened.wait_for_selector(".vd-draw[data-best='7']")  # the drawing that is there from the start
    draw_with_mouse(opened, ONE)
    opened.wait_for_selector(".vd-draw[data-best='1']")
    draw_with_mouse(opened, SEVEN)
    opened.wait_for_selector(".vd-draw[data-best='7']")
    trained = opened.locator(".vd-draw-bars").inner_text()
    asked = []
    opened.on("request", lambda request: asked.append(request.url))
    slider = opened.locator(".vd-draw [name=moment]")
    slider.focus()
    slider.press("Home")
    opened.wait_for_selector(".vd-draw[data-moment='0']")
    assert opened.locator(".vd-draw-epoch").inner_text() == "before training"
    assert opened.locator(".vd-draw-bars").inner_text() != trained
    plot = opened.locator("[data-curve] svg").first.get_attribute("data-plot").split()
    assert opened.locator(".vd-chart-now").first.get_attribute("x1") == plot[0]  # at the left
    assert [url for url in asked if "heartbeat" not in url] == []  # the slider asks nobody
