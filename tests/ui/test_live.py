"""The live camera: what the browser gets before and after a frame, and a route that takes frames and nothing else."""

from __future__ import annotations

import base64
from contextlib import ExitStack

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from vit_demo.contract import DemoError, SizeChoice
from vit_demo.fair_queue import VisitorLeft
from vit_demo.preprocess import prepare
from vit_demo.text import LANGUAGES, say
from vit_demo.ui.blocks import for_pages
from vit_demo.ui.state import Selection
from vit_demo.ui.tabs.attention import live

HEAD, FEATURES, ACCESS = "fake/head", "fake/features", "a secret"
HEIGHT, WIDTH = 48, 80  # 3 × 5 patches


@pytest.fixture
def client(explainer, examples) -> TestClient:
    return TestClient(
        Starlette(routes=[Route("/live", for_pages(live.endpoint(explainer, examples), ACCESS), methods=["POST"])])
    )


@pytest.fixture
def post(client):
    """What the route answers to a question, and with a body to a frame."""

    def ask(body: bytes = b"", access: str = ACCESS, **query):
        told = {"model": HEAD, "lang": "en", "height": HEIGHT, "width": WIDTH, **query}
        return client.post("/live", params=told, content=body, headers={"X-Access": access})

    return ask


def frame(height: int = HEIGHT, width: int = WIDTH) -> bytes:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8).tobytes()


def numbers(text: str, kind=np.uint8) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


# ---------------------------------------------------------------------------------------------------- before a camera


def test_the_view_begins_with_what_is_chosen_and_a_size_that_is_quick(state):
    data = live.live_value(state(selection=Selection(2, 1, "1,4")))["data"]
    assert (data["layer"], data["head"], data["token"]) == (2, 1, "1,4")
    assert [one["side"] for one in data["sizes"]] == [48, 96]
    assert data["side"] == 96  # the largest whose 60 patches are still quick
    assert live.live_value(state(size=SizeChoice(48)))["data"]["side"] == 48  # the page's own


def test_a_size_that_is_slow_is_offered_and_not_chosen(state, monkeypatch):
    monkeypatch.setattr(live, "USUAL_PATCHES", 20)
    data = live.live_value(state(size=SizeChoice(96)))["data"]
    assert ([one["side"] for one in data["sizes"]], data["side"]) == ([48, 96], 48)
    monkeypatch.setattr(live, "MOST_PATCHES", 20)
    assert [one["side"] for one in live.live_value(state())["data"]["sizes"]] == [48]


def test_where_frames_are_not_taken_the_view_is_hidden(state, explainer):
    explainer.takes_frames = False
    assert live.live_value(state()) is None


def test_a_picture_or_model_of_its_own_is_another_view(state, tall):
    keys = {live.live_value(one)["data"]["key"] for one in (state(), state(model=FEATURES), state(digest="another"))}
    assert len(keys) == 3


@pytest.mark.parametrize("shape", [(480, 640), (640, 480), (48, 80), (1080, 1920)])
def test_the_model_sees_of_a_camera_what_it_sees_of_a_picture_of_that_shape(post, explainer, shape):
    said = post(height=shape[0], width=shape[1], side=96).json()
    details = explainer.details(HEAD)
    seen = prepare(np.zeros((*shape, 3), np.uint8), details.preprocess, details.patch_px, SizeChoice(96))
    assert (said["rows"] * 16, said["cols"] * 16) == seen.picture.shape[:2]
    assert said["box"] == pytest.approx(seen.box)


# ------------------------------------------------------------------------------------------------------------ a frame


def test_a_frame_comes_back_as_maps_whose_shares_add_up_to_one(post, explainer):
    said = post(frame(), layer=2, token="1,4").json()
    tops, outside = np.array(said["tops"]), np.array(said["outside"])
    maps = numbers(said["maps"]).reshape(3, 3, 5) / 255 * tops[:, None, None]
    assert np.abs(maps.sum(axis=(1, 2)) + outside - 1).max() < 15 * 0.5 / 255 * tops.max() + 1e-6
    asked = dict(explainer.calls)["live"]
    assert (asked[0], asked[1], asked[2].name, asked[3], asked[4]) == ((HEIGHT, WIDTH, 3), HEAD, "1,4", 2, None)
    assert said["token"] == "1,4"
    assert said["compute_ms"] == 12.5
    assert said["wait_ms"] >= 0


def test_the_colours_of_later_frames_stand_on_the_basis_of_the_first(post, explainer):
    first = post(frame()).json()
    assert numbers(first["colours"]).reshape(3, 5, 3)[2, 4].tolist() == [2, 4, 0]
    later = post(frame() + base64.b64decode(first["basis"])).json()
    assert later["basis"] == ""
    assert explainer.calls[-1] == ("live", ((HEIGHT, WIDTH, 3), HEAD, explainer.calls[-1][1][2], 5, (4, 8)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_best_answers_have_the_names_of_the_visitors_language(post, examples, language):
    classes = post(frame(), lang=language).json()
    assert [one["value"] for one in classes["best"]] == [0.75, 0.125]
    assert not classes["neighbours"]
    nearest = post(frame(), model=FEATURES, lang=language).json()
    labels = {one.key: one.label(language) for one in examples}
    assert nearest["neighbours"]
    assert [one["name"] for one in nearest["best"]] == [labels["kitten"], labels["dog"]]


@pytest.mark.parametrize("token", ["", "reg9", "9,9", "1,x", "cls", "x" * 5000])
def test_a_token_that_the_grid_does_not_have_gives_way_to_the_first(post, token):
    assert post(frame(), token=token).json()["token"] == "cls"


LAYERS = [("0", 0), ("", 5), ("-1", 5), ("77", 5), ("x", 5), ("²", 5), ("1" * 99, 5)]


@pytest.mark.parametrize(("layer", "used"), LAYERS)
def test_a_layer_that_the_model_does_not_have_is_its_last(post, explainer, layer, used):
    assert "error" not in post(frame(), layer=layer).json()
    assert explainer.calls[-1][1][3] == used


# ------------------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("query", "body", "reason"),
    [
        ({"height": "0"}, frame(), "live.no_frame"),
        ({"height": "-48"}, frame(), "live.no_frame"),
        ({"height": "4e1"}, frame(), "live.no_frame"),
        ({"height": "٤٨"}, frame(), "live.no_frame"),
        ({"height": "99999"}, frame(), "live.no_frame"),
        ({"width": ""}, b"", "live.no_frame"),
        ({"width": "64"}, b"short", "live.no_frame"),
        ({}, frame() + b"123", "live.other_basis"),
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_no_frame_is_refused_with_a_sentence(post, query, body, reason, language):
    said = post(body, lang=language, **query)
    assert said.status_code == 200
    assert said.json() == {"error": say(reason, language)}


def test_a_model_that_cannot_be_had_is_said_in_the_view(post):
    assert post(frame(), model="fake/broken").json()["error"]
    assert post(frame(), model="nobody/knows").json()["error"]


def test_whoever_has_no_page_can_post_nothing(post, explainer):
    for access in ("", "another", ACCESS + " "):
        assert post(frame(), access=access).status_code == 403
    assert explainer.calls == []


def test_a_body_beyond_any_frame_is_not_read(client, explainer):
    query = {"model": HEAD, "height": HEIGHT, "width": WIDTH}
    long = client.post("/live", params=query, content=b"\0" * (live.MOST_BODY_BYTES + 1), headers={"X-Access": ACCESS})
    assert long.status_code == 413
    unknown = client.post("/live", params=query, content=iter([b"\0"]), headers={"X-Access": ACCESS})  # in chunks
    assert unknown.status_code == 413
    assert explainer.calls == []


def test_a_visitor_who_has_left_gets_nothing(post, explainer):
    explainer.errors["live"] = VisitorLeft()
    assert post(frame()).json() == {}


def test_a_visitor_has_two_frames_under_way_and_all_have_so_many():
    waiting = live.Waiting()
    with waiting.one_more("a") as first, waiting.one_more("a") as second, waiting.one_more("a") as third:
        assert (first, second, third) == (True, True, False)
        with waiting.one_more("b") as other:
            assert other
    with waiting.one_more("a") as again:
        assert again
    with ExitStack() as held:
        taken = [held.enter_context(waiting.one_more(str(i))) for i in range(live.MOST_FRAMES + 5)]
    assert taken == [True] * live.MOST_FRAMES + [False] * 5


def test_a_camera_too_many_is_told_so(post, client, explainer):
    asked, answer = [], explainer.live

    def slow(*args):
        if len(asked) < 3:
            asked.append(post(frame(), visitor="one").json())  # a frame asked for while another is under way
        return answer(*args)

    explainer.live = slow
    post(frame(), visitor="one")
    assert {"error": say("live.too_many")} in asked


# -------------------------------------------------------------------------------------------------------------- frozen


def test_a_frozen_frame_becomes_the_pages_picture_pixel_by_pixel():
    pixels = frame(30, 50)
    event = {"frame": base64.b64encode(pixels).decode(), "height": 30, "width": 50}
    assert live.freeze("en", event)["image"].tobytes() == pixels


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"frame": "AAAA", "height": 1},
        {"frame": "AAAA", "height": 1, "width": 2},
        {"frame": "not base64!", "height": 1, "width": 1},
        {"frame": ["AAAA"], "height": 1, "width": 1},
        {"frame": "AAAA", "height": True, "width": 1},
        {"frame": "AAAA", "height": 99999, "width": 99999},
    ],
)
def test_what_is_no_frame_does_not_become_the_picture(event):
    with pytest.raises(DemoError) as refused:
        live.freeze("en", event)
    assert refused.value.key == "live.no_frame"


# -------------------------------------------------------------------------------------------------- in the browser


def test_rgb_bytes_and_their_text_equal_numpys(node):
    rgba = np.random.default_rng(1).integers(0, 256, (7, 5, 4), np.uint8)
    more = np.arange(9, dtype=np.uint8)
    expression = "js.textOf(js.rgbOf(Uint8ClampedArray.from(given.rgba), Uint8Array.from(given.more)))"
    text = node(expression, ("tabs/attention/frames.js",), rgba=rgba.ravel().tolist(), more=more.tolist())
    assert base64.b64decode(text) == rgba[..., :3].tobytes() + more.tobytes()


def test_the_rate_is_that_of_the_last_seconds(node):
    expression = (
        "(() => { const pace = new js.Pace(3000); const at = [];"
        "for (let t = 0; t <= given.until; t += given.every) { pace.add(t - 90, t, 60, 10); at.push(pace.figures); }"
        "return [at[0], at.at(-1)] })()"
    )
    first, last = node(expression, ("tabs/attention/frames.js",), until=10_000, every=125)
    assert first is None
    assert last == {"rate": 8, "total": 90, "compute": 60, "wait": 10, "rest": 20}
