"""Who computes next, where many visitors ask at once: a fair order, and nothing behind somebody else's long work.

The order is start-time fair queueing (Goyal, Vin and Cheng 1996): a visitor's next turn is due when its last one, by
the seconds that it took, is used up. Somebody who asked for much stands behind somebody who asked for little, and
nobody can take a second's worth more by asking twice. A head start moves it forward by some seconds, for a question
that costs less now than it would later. `current_visitor` names the visitor of the current thread.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

current_visitor: ContextVar[str] = ContextVar("current_visitor", default="")


class VisitorLeft(Exception):
    """The visitor has left: nobody would read the answer."""


@dataclass
class _Waiting:
    visitor: str
    first: bool
    head_start_s: float
    number: int
    called: threading.Event = field(default_factory=threading.Event)
    gone: bool = False


class FairQueue:
    """At most `places` hold a turn at a time. Those who ask with `first` are served before all others: what takes a
    moment should not wait behind what takes a second."""

    def __init__(self, places: int = 1):
        self._places = self._free = places
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._due: dict[str, float] = {}  # by visitor: when its next turn is due, in seconds of computing
        self._now = 0.0  # when the turn that was last given was due
        self._numbers = itertools.count()

    @property
    def waiting(self) -> int:
        """How many wait for a turn."""
        return len(self._waiting)

    @property
    def taken(self) -> int:
        """How many have a turn."""
        return self._places - self._free

    @contextmanager
    def turn(self, first: bool = False, head_start_s: float = 0.0) -> Iterator[None]:
        """A turn for the visitor of this thread. Raises VisitorLeft where it has left while it waited."""
        visitor = current_visitor.get()
        due = self._enter(visitor, first, head_start_s)
        started = time.perf_counter()
        try:
            yield
        finally:
            self._leave(visitor, due, time.perf_counter() - started)

    def _enter(self, visitor: str, first: bool, head_start_s: float) -> float:
        with self._lock:
            one = _Waiting(visitor, first, head_start_s, next(self._numbers))
            if self._free and not self._waiting:
                return self._call(one)
            self._waiting.append(one)
        one.called.wait()
        if one.gone:
            raise VisitorLeft
        return self._due_of(visitor)

    def _leave(self, visitor: str, due: float, took_s: float) -> None:
        with self._lock:
            self._due[visitor] = due + took_s
            self._free += 1
            if self._free == self._places and not self._waiting:  # nobody competes: nobody is ahead of anybody
                self._due.clear()
                self._now = 0.0
            elif self._waiting:
                chosen = min(self._waiting, key=self._order)
                self._waiting.remove(chosen)
                self._call(chosen)

    def _call(self, one: _Waiting) -> float:
        self._free -= 1
        due = self._due_of(one.visitor)
        if not one.first:
            self._now = max(self._now, due)
            # whoever is not ahead of the others need not be remembered
            self._due = {visitor: due for visitor, due in self._due.items() if due > self._now}
        one.called.set()
        return due

    def _order(self, one: _Waiting) -> tuple[bool, float, int]:
        return not one.first, self._due_of(one.visitor) - one.head_start_s, one.number

    def _due_of(self, visitor: str) -> float:
        return max(self._now, self._due.get(visitor, 0.0))

    def forget(self, visitor: str) -> None:
        """The visitor has left: those of its questions that wait are given up."""
        with self._lock:
            for one in [one for one in self._waiting if one.visitor == visitor]:
                self._waiting.remove(one)
                one.gone = True
                one.called.set()
