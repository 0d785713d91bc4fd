"""A bounded memory: the least recently used goes first, counted in bytes; nothing is computed twice at once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any


class ByteCache:
    """Values by key, up to `limit_bytes` in all (the newest is always kept). Safe to share between threads.

    An optimisation, never a meaning: whatever is gone is computed again.
    """

    def __init__(self, limit_bytes: int):
        self.limit_bytes = limit_bytes
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._under_way: dict[Hashable, tuple[threading.Lock, int]] = {}  # gate, and how many hold or await it

    def get(self, key: Hashable) -> Any | None:
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def get_or_make(self, key: Hashable, make: Callable[[], Any], size: Callable[[Any], int]) -> tuple[Any, bool]:
        """(value, whether it was there already). Others who want the same key wait for the one who makes it."""
        found = self.get(key)
        if found is not None:
            return found, True
        with self._lock:
            gate, waiting = self._under_way.get(key, (threading.Lock(), 0))
            self._under_way[key] = gate, waiting + 1
        try:
            with gate:
                found = self.get(key)
                if found is not None:
                    return found, True
                value = make()
                self._put(key, value, size(value))
                return value, False
        finally:
            with self._lock:  # the last one out takes the gate away, also after a failure
                gate, waiting = self._under_way[key]
                if waiting == 1:
                    del self._under_way[key]
                else:
                    self._under_way[key] = gate, waiting - 1

    def _put(self, key: Hashable, value: Any, nbytes: int) -> None:
        with self._lock:
            self._values[key] = (value, nbytes)
            while len(self._values) > 1 and sum(n for _, n in self._values.values()) > self.limit_bytes:
                self._values.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._values.clear()

    @property
    def nbytes(self) -> int:
        with self._lock:
            return sum(n for _, n in self._values.values())
