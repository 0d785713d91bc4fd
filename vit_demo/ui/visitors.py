"""Who is on the page, where a server takes no more than so many."""

from __future__ import annotations

import threading

from vit_demo.contract import DemoError


class Visitors:
    """The sessions of pages that are open, at most `most` (None: as many as come)."""

    def __init__(self, most: int | None = None):
        self.most = most
        self._here: set[str] = set()
        self._lock = threading.Lock()

    def enter(self, session: str | None) -> None:
        """A page was opened. Raises DemoError where there are too many."""
        if self.most is None or not session:
            return
        with self._lock:
            if session not in self._here and len(self._here) >= self.most:
                raise DemoError("page.full", most=self.most)
            self._here.add(session)

    def leave(self, session: str | None) -> None:
        """A page was closed."""
        with self._lock:
            self._here.discard(session or "")
