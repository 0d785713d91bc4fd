"""From a notebook: the explorer in a frame of its own, and the app with a running event loop."""

from __future__ import annotations

import html
import json
import re
import urllib.request

import numpy as np
import pytest

import vit_demo
from vit_demo.benchmark.visitor import run
from vit_demo.contract import DemoError, SizeChoice
from vit_demo.explain import Explainer
from vit_demo.text import say

DIGITS = "vit-demo/digits"


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(0).integers(0, 256, (60, 40, 3), np.uint8)


def test_a_picture_is_shown_in_a_frame_that_nothing_gets_out_of(picture):
    shown = vit_demo.show(picture, DIGITS, height_px=500, layers=(0, 3))
    frame = shown._repr_html_()
    assert frame.count("<iframe") == 1
    assert 'sandbox="allow-scripts"' in frame
    assert 'height="500"' in frame
    inside = re.search(r'srcdoc="([^"]*)"', frame)[1]
    assert html.unescape(inside) == shown.page
    assert shown.page.startswith("<!doctype html>")


def test_the_file_is_written_as_it_is_shown(picture, tmp_path):
    shown = vit_demo.show(picture, DIGITS, language="zh")
    shown.save(str(tmp_path / "explorer.html"))
    assert (tmp_path / "explorer.html").read_text(encoding="utf-8") == shown.page
    assert '<html lang="zh">' in shown.page


def test_fewer_layers_make_a_smaller_file(picture):
    all_layers, one = (vit_demo.explorer_html(picture, DIGITS, layers=layers) for layers in (None, (3,)))
    assert len(one) < len(all_layers)


def test_what_cannot_be_had_is_said(picture):
    with pytest.raises(DemoError):
        vit_demo.explorer_html(picture, "no/such-model-anywhere", SizeChoice(3))
    with pytest.raises(ValueError, match="layers"):
        vit_demo.explorer_html(picture, DIGITS, layers=(9,))


def test_features_of_several_pictures_and_several_models_are_shown_too(picture):
    both = vit_demo.show([picture, picture[:, ::-1]], DIGITS, view="features", layer=1)
    assert say("features.file_title", title=Explainer().details(DIGITS).card.title, layer=2) in both.page
    beside = vit_demo.show(picture, [DIGITS, f"{DIGITS}@epoch-0"], view="compare", depth=0.5)
    assert (
        json.loads(re.search(r'id="vd-page">(.*?)</script>', beside.page, re.DOTALL)[1])["values"][0]["data"]["depth"]
        == 0.5
    )


def test_views_layers_and_models_that_there_are_not_are_refused(picture):
    with pytest.raises(ValueError, match="attention, features, compare"):
        vit_demo.show(picture, DIGITS, view="depth")
    with pytest.raises(ValueError, match="layers"):
        vit_demo.features_html(picture, DIGITS, layer=4)
    with pytest.raises(ValueError, match="models"):
        vit_demo.compare_html(picture, [])


def test_the_app_starts_while_an_event_loop_is_running(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))

    async def cell():
        return vit_demo.launch(DIGITS, server_name="127.0.0.1", inbrowser=False)

    demo = run(cell())  # in a thread of its own: another test's loop may be running in this one
    try:
        with urllib.request.urlopen(demo.local_url, timeout=30) as answer:
            assert answer.status == 200
    finally:
        demo.close(verbose=False)
