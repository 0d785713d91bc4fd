"""A bounded memory: the least recently used goes first, counted in bytes; nothing is computed twice at once. And plain
data by its content: a key that is equal for equal data, and how many bytes it holds."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np


class ByteCache:
    """Values by key, up to `limit_bytes` in all (the newest is always kept). Safe to share between threads.

    An optimisation, never a meaning: whatever is gone is computed again. `gone` is told the key of each value that made
    room for another or was evicted, after it went.
    """

    def __init__(self, limit_bytes: int, gone: Callable[[Hashable], None] = lambda key: None):
        self.limit_bytes, self._gone = limit_bytes, gone
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
        dropped = []
        with self._lock:
            self._values[key] = (value, nbytes)
            while len(self._values) > 1 and sum(n for _, n in self._values.values()) > self.limit_bytes:
                dropped.append(self._values.popitem(last=False)[0])
        for one in dropped:
            self._gone(one)

    def evict(self, nbytes: int, keep: int = 0) -> int:
        """Drops the least recently used until `nbytes` are free or `keep` values are left. Bytes dropped."""
        freed, dropped = 0, []
        with self._lock:
            while freed < nbytes and len(self._values) > keep:
                key, (_, size) = self._values.popitem(last=False)
                freed += size
                dropped.append(key)
        for one in dropped:
            self._gone(one)
        return freed

    def discard(self, which: Callable[[Any], bool]) -> None:
        """Drops every value whose key is one of those."""
        with self._lock:
            for key in [key for key in self._values if which(key)]:
                del self._values[key]

    def clear(self) -> None:
        with self._lock:
            self._values.clear()

    @property
    def nbytes(self) -> int:
        with self._lock:
            return sum(n for _, n in self._values.values())


def content_key(value: Any) -> Hashable:
    """A key for plain data (numbers, text, arrays, tuples, dataclasses of these): equal for equal data alone."""
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, hashlib.sha256(np.ascontiguousarray(value).data).digest()
    if isinstance(value, tuple | list):
        return tuple(content_key(one) for one in value)
    if isinstance(value, Mapping):
        return tuple((content_key(name), content_key(one)) for name, one in value.items())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return type(value), *(content_key(getattr(value, field.name)) for field in fields)
    return type(value), value  # 1, 1.0 and True are equal, but not the same question


def content_bytes(value: Any) -> int:
    """The bytes of all arrays in plain data, and a little for the rest."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, tuple | list):
        return 64 + sum(map(content_bytes, value))
    if isinstance(value, Mapping):
        return 64 + sum(content_bytes(one) for one in value.values())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return 64 + sum(content_bytes(getattr(value, field.name)) for field in dataclasses.fields(value))
    return 64
