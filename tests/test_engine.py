"""The engine under many visitors: what is computed once, who waits for whom, and when it is said that there is too
much."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
import timm
import torch

from vit_demo import answers
from vit_demo import engine as engines
from vit_demo.contract import DemoError, SizeChoice, TokenQuery
from vit_demo.engine import PLACES, long_work
from vit_demo.explain import Explainer
from vit_demo.fair_queue import VisitorLeft, current_visitor
from vit_demo.memory import Limits
from vit_demo.model import VisionTransformer

SIZE = SizeChoice()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    """A tiny classifier of 32×32 px pictures in Hub layout."""
    target = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    args = dict(img_size=32, depth=2, embed_dim=24, num_heads=3, num_classes=4)
    model = timm.create_model("vit_tiny_patch16_224", **args)
    timm.models.save_for_hf(model, target, model_args=args, safe_serialization=True)
    return str(target)


@pytest.fixture
def explainer(folder) -> Explainer:
    made = Explainer("cpu")
    made.details(folder)
    return made


@pytest.fixture
def engine(explainer):
    return explainer._engine


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)


class Threads:
    """Questions asked at the same time, each by a visitor of its own."""

    def __init__(self):
        self.threads, self.found, self.failed = [], {}, {}

    def ask(self, visitor: str, what) -> threading.Thread:
        def run():
            current_visitor.set(visitor)
            try:
                self.found[visitor] = what()
            except Exception as error:
                self.failed[visitor] = error

        self.threads.append(threading.Thread(target=run))
        self.threads[-1].start()
        return self.threads[-1]

    def join(self) -> None:
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def threads():
    made = Threads()
    yield made
    made.join()


def until(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.002)


@contextmanager
def all_places_taken(engine):
    """By visitors whose computations do not end before this does."""
    release, inside = threading.Event(), []

    def hold():
        with engine._placed():
            inside.append(1)
            release.wait(20)

    holders = [threading.Thread(target=hold) for _ in range(PLACES)]
    for one in holders:
        one.start()
    until(lambda: len(inside) == PLACES)
    try:
        yield
    finally:
        release.set()
        for one in holders:
            one.join(10)


def test_thirty_who_ask_the_same_are_answered_by_one_computation(explainer, folder, threads, monkeypatch):
    passes, original = [], answers.relevance._quick_maps

    def counted(*args):
        passes.append(1)
        time.sleep(0.1)
        return original(*args)

    monkeypatch.setattr(answers.relevance, "_quick_maps", counted)
    for number in range(30):
        threads.ask(str(number), lambda: explainer.relevance(picture(), folder, SIZE, target=1))
    threads.join()
    assert len(passes) == 1
    assert len(threads.found) == 30
    values = [answer.maps[0].values for answer in threads.found.values()]
    assert all(np.array_equal(values[0], one) for one in values)
    assert sum(answer.info.cached for answer in threads.found.values()) == 29


def test_another_question_about_the_same_picture_is_another_answer(explainer, folder):
    one, other = (explainer.relevance(picture(), folder, SIZE, target=target) for target in (0, 1))
    assert not np.array_equal(one.maps[-1].values, other.maps[-1].values)
    assert not np.array_equal(
        explainer.predict(picture(0), folder).probabilities, explainer.predict(picture(1), folder).probabilities
    )


def test_a_failed_answer_is_not_kept(explainer, folder, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(VisionTransformer, "forward", lambda self, pixels, trace=None: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            explainer.predict(picture(), folder)
    assert explainer.predict(picture(), folder).labels


def test_what_needs_no_forward_pass_waits_for_none(explainer, engine, folder):
    explainer.predict(picture(), folder)
    with all_places_taken(engine):
        row = explainer.attention(picture(), folder, SIZE, TokenQuery.named("0,1"), layer=0)
        assert row.maps.shape == (3, 2, 2)
        assert explainer.filters(folder).filters is not None
        assert explainer.position_similarity(folder) is not None


def test_no_more_forward_passes_are_under_way_than_there_are_places(explainer, engine, folder, threads):
    with all_places_taken(engine):
        threads.ask("late", lambda: explainer.predict(picture(7), folder))
        until(lambda: engine._places.waiting == 1)
        assert "late" not in threads.found
    threads.join()
    assert threads.found["late"].labels


def test_a_long_computation_lets_others_in_between(explainer, engine, folder, threads):
    order, begun = [], threading.Event()

    @long_work
    def scan(engine, steps):
        for step in range(steps):
            engine.yield_to_others()
            order.append(f"slice {step}")
            begun.set()
            time.sleep(0.02)
        return steps

    with nullcontext():
        for place in range(PLACES):  # as many long ones as there are places
            threads.ask(f"greedy {place}", lambda place=place: engine.answer(scan, 30 + place))
        begun.wait(5)
        threads.ask("newcomer", lambda: explainer.predict(picture(3), folder) and order.append("newcomer"))
    threads.join()
    assert threads.failed == {}
    assert "newcomer" in order
    assert order.index("newcomer") < len(order) - PLACES * 10  # long before they have ended


def test_beyond_a_class_one_is_told_to_come_back_and_when(explainer, engine, folder, threads, monkeypatch):
    monkeypatch.setattr(engines, "MOST_WAITING", 2)
    with all_places_taken(engine):
        for number in range(2):
            threads.ask(str(number), lambda number=number: explainer.predict(picture(20 + number), folder))
        until(lambda: engine._places.waiting == 2)
        with pytest.raises(DemoError) as caught:
            explainer.predict(picture(30), folder)
    assert caught.value.key == "page.busy"
    assert caught.value.values["seconds"] >= 1
    threads.join()
    assert len(threads.found) == 2
    assert explainer.predict(picture(30), folder).labels


def test_a_visitor_that_leaves_waits_no_longer(explainer, engine, folder, threads):
    with all_places_taken(engine):
        thread = threads.ask("leaver", lambda: explainer.predict(picture(40), folder))
        until(lambda: engine._places.waiting == 1)
        explainer.forget("leaver")
        thread.join(5)
        assert isinstance(threads.failed["leaver"], VisitorLeft)
    threads.ask("leaver", lambda: explainer.predict(picture(40), folder))  # and has come back
    threads.join()
    assert threads.found["leaver"].labels


def test_long_work_ends_when_its_visitor_leaves(engine, threads):
    begun, slices = threading.Event(), []

    @long_work
    def scan(engine):
        for _ in range(500):
            engine.yield_to_others()
            slices.append(1)
            begun.set()
            time.sleep(0.01)
        return True

    threads.ask("leaver", lambda: engine.answer(scan))
    begun.wait(5)
    engine.forget("leaver")
    threads.join()
    assert isinstance(threads.failed["leaver"], VisitorLeft)
    assert len(slices) < 400


def test_a_machine_without_memory_says_so_and_goes_on(explainer, engine, folder, monkeypatch):
    explainer.predict(picture(50), folder)
    with monkeypatch.context() as full:

        def refuse(self, pixels, trace=None):
            return torch.empty(1 << 52)  # more than any machine has: torch's own error

        full.setattr(VisionTransformer, "forward", refuse)
        with pytest.raises(DemoError) as caught:
            explainer.predict(picture(51), folder)
    assert caught.value.key == "page.out_of_main_memory"
    assert engine.runs.nbytes == 0
    assert explainer.predict(picture(51), folder).labels


def test_a_server_without_room_refuses_new_work_and_answers_the_rest(explainer, folder, monkeypatch):
    full = Explainer("cpu", limits=Limits.of_process(2 << 30))
    full.predict(picture(60), folder)
    watch = full._engine._watch
    with monkeypatch.context() as patched:
        patched.setattr(type(watch), "is_full", True)
        with pytest.raises(DemoError) as caught:
            full.predict(picture(61), folder)
        assert caught.value.key == "page.memory_full"
        assert full.attention(picture(60), folder).maps is not None  # its trace is there
    assert full.predict(picture(61), folder).labels


def test_pressure_frees_traces_before_models(explainer, engine, folder):
    explainer.predict(picture(70), folder)
    kept = engine.runs.nbytes
    engine._evict(kept)
    assert engine.runs.nbytes == 0
    assert engine.models.nbytes > 0
    engine._evict(1 << 60)
    assert (engine.answers.nbytes, engine.kept.nbytes, engine.pictures.nbytes) == (0, 0, 0)
    assert engine.models.nbytes > 0  # the one in use


def test_traces_go_with_their_model(explainer, engine, folder):
    """A trace reads its layers of the model, which would stay in memory with it."""
    explainer.predict(picture(80), folder)
    model = weakref.ref(engine.load(folder).model)
    assert engine.runs.nbytes > 0
    engine.models.evict(1 << 60)
    assert engine.runs.nbytes == 0
    gc.collect()
    assert model() is None
    assert explainer.attention(picture(80), folder).maps is not None
