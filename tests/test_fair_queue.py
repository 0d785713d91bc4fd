"""FairQueue: how many at once, and who is next."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest

from vit_demo.fair_queue import FairQueue, VisitorLeft, current_visitor


class Class:
    """Threads that take turns one after the other, each as a visitor, and in which order they were served."""

    def __init__(self, turns: FairQueue):
        self.turns, self.served, self.threads, self.gone = turns, [], [], []

    def ask(self, visitor: str, name: str, first: bool = False, lasts_s: float = 0.0) -> None:
        """Starts a thread that asks, and comes back when it waits (or has its turn)."""
        waiting, asked = self.turns.waiting, threading.Event()

        def run():
            current_visitor.set(visitor)
            asked.set()
            try:
                with self.turns.turn(first):
                    self.served.append(name)
                    time.sleep(lasts_s)
            except VisitorLeft:
                self.gone.append(name)

        self.threads.append(threading.Thread(target=run))
        self.threads[-1].start()
        asked.wait()
        end = time.monotonic() + 5
        while self.turns.waiting == waiting and name not in self.served and time.monotonic() < end:
            time.sleep(0.001)

    def join(self) -> None:
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive()


@contextmanager
def held(turns: FairQueue, visitor: str = "somebody else"):
    """A turn that is held while others come to wait."""
    before = current_visitor.set(visitor)
    try:
        with turns.turn():
            yield
    finally:
        current_visitor.reset(before)


def test_one_after_the_other_in_the_order_in_which_they_came():
    turns = FairQueue()
    room = Class(turns)
    with held(turns):
        for name in "abcd":
            room.ask(name, name)
        assert turns.waiting == 4
    room.join()
    assert room.served == list("abcd")
    assert turns.waiting == 0


def test_no_more_at_once_than_there_are_places():
    turns, now, most = FairQueue(3), [], []

    def run():
        with turns.turn():
            now.append(1)
            most.append(len(now))
            time.sleep(0.02)
            now.pop()

    threads = [threading.Thread(target=run) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 3
    assert len(most) == 12


def test_what_takes_a_moment_goes_before_what_takes_long():
    turns = FairQueue()
    room = Class(turns)
    with held(turns):
        room.ask("a", "long of a")
        room.ask("b", "long of b")
        room.ask("c", "moment of c", first=True)
    room.join()
    assert room.served[0] == "moment of c"


def test_who_has_used_much_stands_behind_who_has_used_little():
    turns = FairQueue()
    room = Class(turns)
    room.ask("greedy", "first of greedy", lasts_s=0.2)
    room.ask("greedy", "second of greedy")
    room.ask("newcomer", "first of newcomer")
    room.join()
    assert room.served == ["first of greedy", "first of newcomer", "second of greedy"]


def test_asking_often_at_once_gives_no_more_than_the_others_get():
    turns = FairQueue()
    room = Class(turns)
    with held(turns):
        for number in range(4):
            room.ask("greedy", f"greedy {number}", lasts_s=0.03)
        for name in "xyz":
            room.ask(name, name, lasts_s=0.03)
    room.join()
    assert set(room.served[:4]) == {"greedy 0", "x", "y", "z"}


def test_a_head_start_goes_before_others_but_no_further_than_its_seconds():
    for used_s, order in ((0.1, ["second of early", "first of late"]), (0.5, ["first of late", "second of early"])):
        turns = FairQueue()
        room = Class(turns)
        room.ask("early", "first of early", lasts_s=used_s)
        room.ask("late", "first of late")
        asking_again = threading.Thread(target=ask_with_head_start, args=(turns, room.served))
        asking_again.start()
        room.join()
        asking_again.join(5)
        assert room.served == ["first of early", *order]


def ask_with_head_start(turns: FairQueue, served: list[str]) -> None:
    current_visitor.set("early")
    with turns.turn(head_start_s=0.3):
        served.append("second of early")


def test_what_was_used_while_nobody_waited_counts_for_nothing():
    turns = FairQueue()
    room = Class(turns)
    room.ask("greedy", "long ago", lasts_s=0.1)
    room.join()
    with held(turns):
        room.ask("greedy", "greedy again")
        room.ask("late", "late")
    room.join()
    assert room.served[-2:] == ["greedy again", "late"]


def test_visitors_of_the_past_take_no_memory():
    turns = FairQueue()
    for number in range(200):
        current_visitor.set(f"visitor {number}")
        with turns.turn():
            time.sleep(0.0001)
    assert len(turns._due) < 20


def test_a_turn_that_fails_is_given_back():
    turns = FairQueue()
    with pytest.raises(KeyError), turns.turn():
        raise KeyError
    with turns.turn():
        pass


def test_who_has_left_waits_no_longer_and_the_others_go_on():
    turns = FairQueue()
    room = Class(turns)
    with held(turns):
        room.ask("left", "one of left")
        room.ask("stays", "one of stays")
        turns.forget("left")
        room.threads[0].join(5)
        assert room.gone == ["one of left"]
    room.join()
    assert room.served == ["one of stays"]
