"""The live camera in Chromium, whose camera shows an example picture, which no mirror image can be taken for."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from vit_demo.gallery import read_gallery
from vit_demo.text import say

from .conftest import CHROMIUM, FLAGS, Visitor

pytestmark = pytest.mark.browser
KEY, WIDTH, HEIGHT = "astronaut", 640, 480
FRAMES = "(count) => Number(document.querySelector('.vd-live').dataset.frames) >= count"
OPEN = "!document.querySelector('.vd-live-box').hidden"


def film_of(picture: Image.Image, path: Path) -> None:
    """A film of one picture, as Chromium's camera reads it (YUV4MPEG2, 4:2:0, BT.601)."""
    y, cb, cr = picture.convert("YCbCr").split()
    small = (picture.width // 2, picture.height // 2)
    planes = [np.asarray(y, np.float32) * 219 / 255 + 16]
    planes += [np.asarray(one.resize(small), np.float32) * 224 / 255 + 16 for one in (cb, cr)]
    frame = b"FRAME\n" + b"".join(np.round(plane).astype(np.uint8).tobytes() for plane in planes)
    path.write_bytes(f"YUV4MPEG2 W{picture.width} H{picture.height} F30:1 Ip A1:1 C420jpeg\n".encode() + 10 * frame)


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    example = next(one for one in read_gallery() if one.key == KEY)
    return ImageOps.fit(Image.open(example.path).convert("RGB"), (WIDTH, HEIGHT))


@pytest.fixture(scope="module")
def camera(address, browser, picture, tmp_path_factory):
    """A browser whose camera shows the picture."""
    film = tmp_path_factory.mktemp("camera") / "picture.y4m"
    film_of(picture, film)
    more = [f"--use-file-for-fake-video-capture={film}"]
    more += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    launched = browser.browser_type.launch(executable_path=CHROMIUM, args=FLAGS + more)
    yield launched
    launched.close()


@pytest.fixture
def visit(camera, address):
    visitors: list[Visitor] = []

    def open_page(path: str = "?side=224", **options) -> Visitor:
        visitors.append(Visitor(camera, address + path, **options))
        return visitors[-1]

    yield open_page
    for visitor in visitors:
        visitor.context.close()
        assert visitor.errors == []


def press(visitor: Visitor, name: str) -> None:
    visitor.page.locator(f".vd-live [name={name}]").click()


def live(visitor: Visitor, frames: int = 3) -> None:
    """Opens the camera and waits until so many frames are drawn."""
    before = int(visitor.page.locator(".vd-live").get_attribute("data-frames"))
    press(visitor, "open")
    visitor.wait(FRAMES, before + frames)


def pixels(visitor: Visitor, selector: str) -> np.ndarray:
    """A canvas's pixels (H, W, 3), as the page has them."""
    text = visitor.page.evaluate("(s) => document.querySelector(s).toDataURL()", selector)
    import base64

    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text.partition(",")[2]))).convert("RGB"), np.float32)


def test_frames_are_drawn_with_their_answers_and_not_mirrored(visit, picture):
    visitor = visit()
    assert visitor.page.locator(".vd-live [name=freeze]").is_hidden()
    live(visitor)
    assert visitor.page.locator("#vd-attention").is_hidden()  # the camera's maps stand in the explorer's place
    square = picture.crop(((WIDTH - HEIGHT) // 2, 0, (WIDTH + HEIGHT) // 2, HEIGHT)).resize((224, 224))
    seen, wanted = pixels(visitor, ".vd-live-frame"), np.asarray(square, np.float32)
    assert np.abs(seen - wanted).mean() < 6
    assert np.abs(seen - wanted[:, ::-1]).mean() > 30
    assert visitor.page.locator(".vd-live .vd-head").count() == 7  # the mean and six heads
    assert visitor.page.locator(".vd-live ol.vd-bars .vd-label").first.inner_text() == next(
        one.label("en") for one in read_gallery() if one.key == KEY
    )
    assert pixels(visitor, ".vd-live-colours canvas").std() > 20
    assert float(visitor.page.locator(".vd-live").get_attribute("data-rate")) > 0.5
    assert visitor.violations(".vd-live") == []


def test_a_patch_a_head_and_a_layer_that_are_chosen_hold_for_the_frames_that_follow(visit):
    visitor = visit()
    live(visitor)
    whole = pixels(visitor, ".vd-live .vd-overlay")
    box = visitor.page.locator(".vd-live .vd-stage").bounding_box()
    visitor.page.mouse.click(box["x"] + 4.5 * box["width"] / 16, box["y"] + 2.5 * box["height"] / 16)
    words = say("live.token_patch", "en", row=3, col=5)
    visitor.wait("(words) => document.querySelector('.vd-live-token').textContent === words", words)
    visitor.page.mouse.move(2, 2)
    assert np.abs(pixels(visitor, ".vd-live .vd-overlay") - whole).mean() > 1
    before = pixels(visitor, ".vd-live .vd-overlay")
    visitor.page.locator(".vd-live .vd-head").nth(3).click()
    assert say("attention.head", number=3) in visitor.page.locator(".vd-live .vd-bar-name").inner_text()
    assert np.abs(pixels(visitor, ".vd-live .vd-overlay") - before).mean() > 1
    visitor.page.locator(".vd-live [name=layer]").fill("2")
    frames = int(visitor.page.locator(".vd-live").get_attribute("data-frames"))
    visitor.wait(FRAMES, frames + 3)
    assert visitor.page.locator(".vd-live .vd-layer-number").inner_text() == "2 / 12"
    press(visitor, "stop")
    visitor.settle()
    assert (visitor.data("token"), visitor.data("head")) == ("cls", "-1")  # the explorer keeps its own until it is told


def test_another_size_is_used_from_the_next_frame_on(visit):
    visitor = visit()
    live(visitor)
    visitor.page.locator(".vd-live [name=size]").select_option("336")
    visitor.wait("() => document.querySelector('.vd-live-frame').width === 336")
    assert visitor.page.locator(".vd-live .vd-stage").get_attribute("style").count("24") >= 1


def test_a_frozen_frame_is_the_picture_of_every_view(visit, picture):
    visitor = visit()
    live(visitor)
    before = visitor.picture
    press(visitor, "freeze")
    visitor.wait("(src) => document.querySelector('.vd-picture').getAttribute('src') !== src", before)
    visitor.settle()
    assert visitor.page.locator(".vd-live-said").inner_text() == say("live.frozen")
    assert visitor.page.locator("#vd-attention").is_visible()
    frozen = visitor.page.evaluate(
        "async () => { const image = document.querySelector('#vd-image img');"
        "const canvas = document.createElement('canvas'); canvas.width = image.naturalWidth;"
        "canvas.height = image.naturalHeight; canvas.getContext('2d').drawImage(image, 0, 0);"
        "return [canvas.width, canvas.height, [...canvas.getContext('2d').getImageData(0, 0, 640, 480).data]] }"
    )
    assert frozen[:2] == [WIDTH, HEIGHT]
    whole = np.array(frozen[2], np.float32).reshape(HEIGHT, WIDTH, 4)[..., :3]
    assert np.abs(whole - np.asarray(picture, np.float32)).mean() < 6
    visitor.tab(say("predict.tab"))
    visitor.wait("() => document.querySelector('#vd-predict ol.vd-bars')")


def test_a_view_that_is_hidden_gives_the_camera_back(visit):
    visitor = visit()
    live(visitor)
    visitor.tab(say("predict.tab"))
    visitor.wait("() => document.querySelector('.vd-live-box').hidden")
    asked = len([url for url in visitor.asked if "/live?" in url])
    visitor.page.wait_for_timeout(1500)
    assert len([url for url in visitor.asked if "/live?" in url]) == asked
    assert visitor.page.evaluate("() => document.querySelector('.vd-live video').srcObject") is None
    visitor.tab(say("attention.tab"))
    assert visitor.page.locator(".vd-live-said").inner_text() == say("live.hidden")
    live(visitor)  # and begins again


def test_an_example_that_is_picked_ends_it(visit):
    visitor = visit()
    live(visitor)
    visitor.page.locator("#vd-examples button").nth(4).click()
    visitor.wait("() => document.querySelector('.vd-live-box').hidden")
    visitor.settle()
    assert visitor.page.locator("#vd-attention").is_visible()


def test_frames_are_kept_nowhere(visit, address, tmp_path_factory):
    """No file of the server's is written while frames come."""
    visitor = visit()
    folder = next(path for path in Path(tmp_path_factory.getbasetemp()).glob("app*/gradio"))
    live(visitor, 2)
    files = {path for path in folder.rglob("*") if path.is_file()}
    visitor.wait(FRAMES, 12)
    assert {path for path in folder.rglob("*") if path.is_file()} == files
    press(visitor, "stop")
    assert visitor.page.evaluate("() => document.querySelector('.vd-live-frame').width") == 0


def test_two_visitors_are_told_their_rates(visit):
    one, other = visit(), visit()
    live(one)
    live(other)
    for visitor in (one, other):
        frames = int(visitor.page.locator(".vd-live").get_attribute("data-frames"))
        visitor.page.bring_to_front()
        visitor.wait(FRAMES, frames + 4)
        assert "frames a second" in visitor.page.locator(".vd-live-rate").inner_text()


def test_without_a_camera_the_reason_is_said(browser, address):
    """The usual browser has no camera."""
    visitor = Visitor(browser, address + "?side=224")
    press(visitor, "open")
    said = {say("live.no_camera"), say("live.not_allowed"), say("live.camera_failed")}
    visitor.wait("(said) => said.includes(document.querySelector('.vd-live-said').textContent)", list(said))
    assert visitor.page.locator(".vd-live-box").is_hidden()
    visitor.context.close()


def test_a_page_without_https_says_how_to_open_it(visit):
    visitor = visit()
    visitor.page.evaluate("() => Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    press(visitor, "open")
    assert visitor.page.locator(".vd-live-said").inner_text() == say("live.no_camera_here")


def test_a_server_that_was_started_anew_asks_for_a_reload(visit):
    visitor = visit()
    visitor.page.evaluate("() => { document.getElementById('vd-access').dataset.access = 'of before' }")
    press(visitor, "open")
    visitor.wait("(said) => document.querySelector('.vd-live-said').textContent === said", say("live.reload"))
    visitor.errors.clear()  # Chromium logs every 403
