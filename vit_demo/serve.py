"""A server's life: a folder of its own for visitors' files, and an end that loses nothing and leaves nothing."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from vit_demo.explain import Explainer
from vit_demo.ui.launch import launch_arguments

if TYPE_CHECKING:
    import gradio as gr

PREFIX, LOCK = "vit-demo-files-", "owner.lock"
LEFT_AFTER_S = 24 * 3600  # where the system has no locks
DRAIN_S = 20  # for questions under way when the server is told to end
_locks: list[int] = []  # held as long as this process lives: the system frees them however it ends


def own_folder(base: str | Path | None = None) -> Path:
    """A new folder for uploads and results, in `base` (the system's folder for temporary files otherwise); those of
    servers that are no longer there, however they ended, are removed."""
    base = Path(base or tempfile.gettempdir()).resolve()
    base.mkdir(parents=True, exist_ok=True)
    for left in base.glob(f"{PREFIX}*"):
        if _is_left(left):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    _try_lock(lock)
    _locks.append(lock)
    return folder


def _is_left(folder: Path) -> bool:
    """Whether no process owns a folder any more."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR)
    except OSError:  # just being made, or another user's
        return False
    try:
        locked = _try_lock(lock)
        return locked if locked is not None else time.time() - folder.stat().st_mtime > LEFT_AFTER_S
    finally:
        os.close(lock)


def _try_lock(lock: int) -> bool | None:
    """Whether this process has the lock now; None where the system has no such locks."""
    try:
        import fcntl
    except ImportError:
        return None
    with suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def serve(demo: gr.Blocks, explainer: Explainer, folder: Path | None = None, **launch) -> None:
    """Runs the page until the process is told to end (SIGINT, SIGTERM): then no new questions are taken, those under
    way are answered, `folder` is removed, and the process ends. A second signal ends it at once. `launch` are
    arguments of gradio's launch besides those of ui/launch.py."""
    ending = threading.Event()

    def end(number, frame) -> None:
        if ending.is_set():
            _end_process(folder, 1)
        ending.set()

    demo.launch(prevent_thread_lock=True, **{**launch_arguments(), **launch})
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    while not ending.wait(0.5):  # with a time-out, so that the signal is heard on every system
        pass
    explainer.close(DRAIN_S)
    demo.close(verbose=False)
    _end_process(folder, 0)


def _end_process(folder: Path | None, status: int) -> None:
    """Ends the process here and now: threads that still compute would make torch's libraries abort it."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    logging.shutdown()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
