"""How much memory the machine allows, how much this process has, and what the allocator keeps of what was freed.

glibc gives each thread an arena of its own to allocate from, and returns the middle of none: with Gradio's threads a
process of 1 GB of live tensors grew beyond 5 GB. Two arenas, and `malloc_trim` from time to time, keep it flat.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

MEGABYTE = 1 << 20
BASE_BYTES = 1200 * MEGABYTE  # Python, torch, Gradio and what a pass needs while it runs
USUAL_BYTES = 3000 * MEGABYTE  # what a server is held to where the machine has more
SHARE_OF_MACHINE = 0.8  # the system, and children that decode pictures, need the rest
M_ARENA_MAX = -8  # glibc's malloc.h
ARENAS = 2
CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True)
class Limits:
    """Bytes that may be kept: `models`, traces (`runs`), small results that cost more than a forward pass (`kept`),
    whole `answers`, prepared `pictures` (64 of 224 px). With `process_bytes` the whole process is held to it."""

    models: int = 1536 * MEGABYTE
    runs: int = 768 * MEGABYTE
    kept: int = 128 * MEGABYTE
    answers: int = 96 * MEGABYTE
    pictures: int = 48 * MEGABYTE
    process_bytes: int | None = None

    @classmethod
    def of_process(cls, process_bytes: int) -> Limits:
        """What may be kept in a process of that size: the usual shares of what Python, torch and Gradio leave."""
        usual = cls()
        shares = {field.name: getattr(usual, field.name) for field in fields(cls)[:-1]}
        scale = max(0.1, (process_bytes - BASE_BYTES) / sum(shares.values()))
        return cls(**{name: int(share * scale) for name, share in shares.items()}, process_bytes=process_bytes)

    @classmethod
    def of_machine(cls, wanted_bytes: int | None = None) -> Limits:
        """For a server: what is wanted, or what is usual, as far as the machine allows it."""
        machine = machine_bytes()
        most = wanted_bytes or USUAL_BYTES
        return cls.of_process(most if machine is None else min(most, int(SHARE_OF_MACHINE * machine)))


def machine_bytes() -> int | None:
    """The memory that this process may use: the container's limit, or what the machine has. None where neither is
    told."""
    found = []
    for file in CGROUP_LIMITS:
        with suppress(OSError, ValueError):  # "max": no limit
            found.append(int(Path(file).read_text()))
    with suppress(OSError, ValueError, AttributeError):  # Windows has no sysconf
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(found, default=None)


def resident_bytes() -> int | None:
    """What this process has in memory now; None where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def use_few_arenas() -> bool:
    """Bounds the arenas that glibc makes from now on. Whether this system's allocator heeded it."""
    libc = _glibc()
    return libc is not None and libc.mallopt(M_ARENA_MAX, ARENAS) == 1


def return_freed() -> bool:
    """Gives freed pieces back to the system, where the allocator can: some ten milliseconds. Whether there were any."""
    libc = _glibc()
    return libc is not None and libc.malloc_trim(0) == 1


def _glibc() -> ctypes.CDLL | None:
    with suppress(OSError, TypeError):
        libc = ctypes.CDLL(None)
        if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt"):  # musl, macOS and Windows have none
            return libc
    return None


class MemoryWatch:
    """Holds the process to `limit_bytes`: freed pieces go back to the system every few seconds while there is work,
    and where that is not enough, `evict(bytes)` is asked to free that much of what is kept."""

    def __init__(self, limit_bytes: int, evict: Callable[[int], None], every_s: float = 1.0):
        self.limit_bytes, self._evict, self._every_s = limit_bytes, evict, every_s
        # A single large question may pass the limit for a while, where the machine has room for it.
        self._full_bytes = max(limit_bytes, int(SHARE_OF_MACHINE * (machine_bytes() or 0)))
        self._notified = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def notify(self) -> None:
        """Tells that memory was used; begins to watch at the first time."""
        self._notified.set()
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._watch, name="memory watch", daemon=True)
                    self._thread.start()

    def _watch(self) -> None:
        pause = threading.Event()
        while True:
            self._notified.wait()
            pause.wait(self._every_s)
            self._notified.clear()
            self.enforce()

    def enforce(self) -> None:
        """Frees what can be freed, as far as it is needed."""
        return_freed()
        over = (resident_bytes() or 0) - self.limit_bytes
        if over > 0:
            self._evict(over)
            return_freed()

    @property
    def is_full(self) -> bool:
        """Whether the machine has no room for more work, also after freeing what can be freed."""
        if (resident_bytes() or 0) <= self._full_bytes:
            return False
        self.enforce()
        return (resident_bytes() or 0) > self._full_bytes
