"""The plain route of a layer's numbers: the same file as gradio's own way brings, for pages alone."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from vit_demo.contract import DemoError, SizeChoice
from vit_demo.fair_queue import VisitorLeft
from vit_demo.ui.blocks import for_pages
from vit_demo.ui.kit.binary import features_file, layer_file
from vit_demo.ui.kit.reader import read_bytes, remembered
from vit_demo.ui.tabs.attention import layers

HEAD, ACCESS = "fake/head", "a secret"


@pytest.fixture
def picture():
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(7).integers(0, 256, (60, 100, 3), np.uint8)).save(file, "PNG")
    return read_bytes(file.getvalue())


@pytest.fixture
def get(explainer):
    client = TestClient(Starlette(routes=[Route("/layer", for_pages(layers.endpoint(explainer), ACCESS))]))
    return lambda access=ACCESS, **query: client.get("/layer", params=query, headers={"X-Access": access})


@pytest.mark.parametrize("size", [SizeChoice(), SizeChoice(96), SizeChoice(96, True)])
def test_it_gives_the_file_that_the_page_would_fetch(get, state, explainer, picture, size):
    asked = layers.layer_query(state(image=picture.pixels, digest=picture.digest, size=size))
    tensors = explainer.attention_layer(picture.pixels, HEAD, size, 2)
    explainer.calls.clear()
    answer = get(**asked, layer="2")
    assert (answer.status_code, answer.content) == (200, layer_file(tensors))
    assert explainer.calls[-1] == ("attention_layer", (HEAD, size, 2))
    assert get(**asked, layer="2", part="features").content == features_file(tensors)


def test_whoever_has_no_page_gets_nothing(get, explainer, picture):
    assert get("another", picture=picture.digest, model=HEAD, layer="2").status_code == 403
    assert "attention_layer" not in explainer.questions


@pytest.mark.parametrize(
    "change", [{"picture": "of nobody"}, {"layer": "x"}, {"layer": "²"}, {"layer": "-1"}, {"layer": ""}]
)
def test_what_is_not_there_is_asked_of_the_page(get, picture, change):
    assert get(**{"picture": picture.digest, "model": HEAD, "layer": "2", **change}).status_code == 404


@pytest.mark.parametrize("error", [DemoError("page.closing"), VisitorLeft()])
def test_what_cannot_be_answered_is_asked_of_the_page_which_says_why(get, explainer, picture, error):
    explainer.errors["attention_layer"] = error
    assert get(picture=picture.digest, model=HEAD, layer="2").status_code == 404


def test_a_picture_is_remembered_by_its_content_and_refusals_are_none(picture):
    assert remembered(picture.digest) is picture
    with pytest.raises(DemoError):
        read_bytes(b"no picture")
    assert remembered("") is None
