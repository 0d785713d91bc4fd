"""The app in a process of its own, and many visitors who follow its protocol."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from vit_demo.benchmark.load import photograph, walk
from vit_demo.benchmark.server import APP, memory_mb, running
from vit_demo.benchmark.visitor import Refused, Visitor, run

DIGITS = "?model=vit-demo/digits"


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    with running(APP, tmp_path_factory.mktemp("app")) as started:
        yield started


@pytest.fixture(scope="module")
def url(app) -> str:
    return app[0]


def test_a_class_is_answered_and_measured(app):
    url, process = app
    figures = run(walk(url, process, students=4, rounds=2, tabs=("attention", "depth"), address=DIGITS))
    assert dict(figures.failed) == {}
    assert {step: len(seconds) for step, seconds in figures.seconds.items()} == {
        "page": 8,
        "first view": 8,
        "predict, before the upload": 8,
        "upload to predict": 8,
        "attention": 8,
        "depth": 8,
    }
    assert len(figures.memory_by_round_mb) == 2
    assert memory_mb(process) > 100
    assert figures.answers >= 8 * 7
    assert figures.sent_mb > 1


def test_no_two_students_bring_the_same_photograph():
    files = {photograph(seed) for seed in range(6)}
    assert len(files) == 6
    assert photograph(3) in files
    with Image.open(io.BytesIO(photograph(0))) as picture:
        assert picture.size == (1600, 1200)


def test_a_visitor_whom_the_server_has_forgotten_is_answered_about_the_new_picture(url):
    async def visit() -> tuple[str, str, str]:
        async with Visitor(url) as visitor:
            await visitor.open("predict", DIGITS)
            await visitor.upload(photograph(1), "one.jpg")
            before = visitor.values[visitor.named["vd-predict"]]
            visitor.session = "anothersession"  # what a server knows that was restarted, or has had many visitors since
            await visitor.upload(photograph(2), "two.jpg")
            return before, visitor.values[visitor.named["vd-predict"]], visitor.values[visitor.named["vd-good-model"]]

    before, after, model = run(visit())
    assert "<figure>" in after
    assert after != before
    assert model == "vit-demo/digits"


def test_a_refused_picture_is_told_and_the_next_is_answered(url):
    async def visit() -> tuple[str, str]:
        async with Visitor(url) as visitor:
            await visitor.open("predict", DIGITS)
            await visitor.upload(b"no picture at all", "photograph.jpg")
            message = visitor.values[visitor.named["vd-message"]]
            await visitor.upload(photograph(3), "three.jpg")
            return message, visitor.values[visitor.named["vd-predict"]]

    message, answer = run(visit())
    assert "not a picture" in message
    assert "<figure>" in answer


def test_a_model_that_is_not_offered_is_refused_in_a_sentence(url):
    async def visit() -> None:
        async with Visitor(url) as visitor:
            await visitor.open("predict", DIGITS)
            visitor.values[visitor.named["vd-good-model"]] = "/etc"
            await visitor.upload(photograph(4), "four.jpg")

    with pytest.raises(Refused, match="not among the models offered"):
        run(visit())
