"""A film on the page, made by the test: frames as they come, a patch through all of them, and the files."""

from __future__ import annotations

import base64
import io

import av
import numpy as np
import pytest
from PIL import Image

from vit_demo.film import film_bytes
from vit_demo.gallery import read_gallery
from vit_demo.text import say

pytestmark = pytest.mark.browser
SIDE = 224
COLOURED = "() => document.querySelector('.vd-film').dataset.coloured === 'true'"
FRAME = "(frame) => document.querySelector('.vd-film').dataset.frame === frame"


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A film of an example picture that moves one patch to the left with every frame."""
    folder = tmp_path_factory.mktemp("films")
    example = next(one for one in read_gallery() if one.key == "cat")
    picture = np.asarray(Image.open(example.path).convert("RGB").resize((SIDE + 14 * 11, SIDE)))
    frames = [np.ascontiguousarray(picture[:, 14 * i :][:, :SIDE]) for i in range(12)]
    (folder / "moving.mp4").write_bytes(film_bytes(frames, 3))
    (folder / "text.mp4").write_text("no film")
    return folder


def open_tab(visitor) -> None:
    visitor.tab(say("film.tab"))
    visitor.wait("() => document.querySelector('#vd-film-run').offsetParent")
    visitor.settle()


def look(visitor, path) -> None:
    visitor.page.locator("#vd-film-file input[type=file]").set_input_files(path)
    visitor.wait("(name) => document.querySelector('#vd-film-file').innerText.includes(name)", path.suffix)
    visitor.settle()
    visitor.page.locator("#vd-film-run").click()


def shown(visit, films):
    """A visitor before the film that moves, all of it there."""
    visitor = visit("?side=224")
    open_tab(visitor)
    look(visitor, films / "moving.mp4")
    visitor.wait(COLOURED)
    visitor.settle()
    return visitor


def go_to(visitor, frame: int) -> None:
    visitor.page.locator(".vd-film [name=frame]").fill(str(frame + 1))
    visitor.wait(FRAME, str(frame))


def canvas(visitor, selector: str) -> np.ndarray:
    text = visitor.page.evaluate("(s) => document.querySelector(s).toDataURL()", selector)
    picture = Image.open(io.BytesIO(base64.b64decode(text.partition(",")[2])))
    return np.asarray(picture.convert("RGB"), np.float32)


def test_a_film_is_shown_frame_by_frame_and_a_patch_found_again_in_all(visit, films):
    visitor = shown(visit, films)
    page = visitor.page
    assert page.locator(".vd-film").get_attribute("data-count") == "12"
    assert "12 frames" in page.locator(".vd-film-about").inner_text()
    assert page.locator(".vd-film .vd-head").count() == 7
    first = canvas(visitor, ".vd-film-attention .vd-film-frame")
    colours = canvas(visitor, ".vd-film-colours .vd-overlay")
    assert colours.std() > 20
    stage = page.locator(".vd-film-attention .vd-stage")
    box = stage.bounding_box()
    page.mouse.click(box["x"] + 8.5 * box["width"] / 16, box["y"] + 7.5 * box["height"] / 16)
    page.mouse.move(2, 2)
    assert "cosine 1.00" in page.locator(".vd-film-similarity p").inner_text()
    go_to(visitor, 3)
    visitor.settle()
    moved = canvas(visitor, ".vd-film-attention .vd-film-frame")
    assert np.abs(moved[:, :-42] - first[:, 42:]).mean() < 8  # the picture went three patches to the left
    row, col = map(int, page.locator(".vd-film-similarity .vd-stage").get_attribute("data-best").split(","))
    assert abs(row - 7) <= 1
    assert abs(col - 5) <= 1  # and with it the patch that was pointed at
    assert visitor.violations("#vd-film") == []
    shift = canvas(visitor, ".vd-film-colours .vd-overlay")
    assert np.abs(shift[:, 2:-5] - colours[:, 5:-2]).mean() < np.abs(shift - colours).mean()


def test_heads_mask_and_timeline_are_drawn_without_a_request(visit, films):
    visitor = shown(visit, films)
    before = canvas(visitor, ".vd-film-attention .vd-overlay")

    def choose() -> None:
        visitor.page.locator(".vd-film .vd-head").nth(5).click()
        visitor.page.locator(".vd-film [name=forward]").click()
        visitor.wait(FRAME, "1")
        visitor.page.locator(".vd-film [name=back]").click()

    asked = [url for url in visitor.requests_during(choose) if "heartbeat" not in url and "run/" not in url]
    assert asked == []
    assert np.abs(canvas(visitor, ".vd-film-attention .vd-overlay") - before).mean() > 1
    assert say("film.head", number=5) in visitor.page.locator(".vd-film-attention figcaption").inner_text()
    visitor.page.locator(".vd-film [name=play]").click()
    visitor.wait(FRAME, "3")
    visitor.page.locator(".vd-film [name=play]").click()


def test_the_film_can_be_taken_away(visit, films):
    visitor = shown(visit, films)
    visitor.page.locator("#vd-film-take > button").click()
    visitor.page.locator("#vd-film-make").click()
    visitor.page.locator("#vd-film-files a").first.wait_for()
    with visitor.page.expect_download() as loading:
        visitor.page.locator("#vd-film-files a[download*=mp4]").first.click()
    with av.open(str(loading.value.path())) as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert frames == 12


def test_it_can_be_stopped_and_shows_what_is_there(visit, films):
    visitor = visit("?side=518")
    open_tab(visitor)
    visitor.page.locator("#vd-film-example").click()
    visitor.wait("() => Number(document.querySelector('.vd-film').dataset.count) >= 4")
    visitor.page.locator("#vd-film-stop").click()
    visitor.settle()
    count = int(visitor.page.locator(".vd-film").get_attribute("data-count"))
    assert 4 <= count < 25
    assert str(count) in visitor.page.locator(".vd-film-about").inner_text()
    visitor.page.wait_for_timeout(2500)
    assert int(visitor.page.locator(".vd-film").get_attribute("data-count")) <= count + 4


def test_what_is_no_film_is_said_and_nothing_else_is_lost(visit, films):
    visitor = visit("?side=224")
    open_tab(visitor)
    visitor.page.locator("#vd-film-example").click()
    visitor.wait(COLOURED)
    look(visitor, films / "text.mp4")
    visitor.page.locator(".toast-body").first.wait_for()
    assert say("film.not_a_film") in visitor.page.locator(".toast-body").first.inner_text()
    assert visitor.page.locator(".vd-film-box").is_visible()


def test_the_film_stays_in_another_language_and_with_another_picture(visit, films):
    visitor = visit("?side=224")
    open_tab(visitor)
    visitor.page.locator("#vd-film-example").click()
    visitor.wait(COLOURED)
    visitor.page.locator("#vd-language label").nth(1).click()
    visitor.wait("(words) => document.querySelector('.vd-film-mask').innerText.includes(words)", "60 %")
    visitor.wait("(t) => document.querySelector('.vd-film-colours').innerText.includes(t)", say("film.colours", "zh"))
    visitor.page.locator("#vd-examples button").nth(3).click()
    visitor.settle()
    assert visitor.page.locator(".vd-film-box").is_visible()
