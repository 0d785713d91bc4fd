"""A server's own folder for visitors' files: removed when it ends, and by the next server where it could not."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from vit_demo.memory import use_few_arenas

PREFIX, LOCK = "vit-demo-files-", "owner.lock"
LEFT_AFTER_S = 24 * 3600  # where the system has no locks
_locks: list[int] = []  # held as long as this process lives: the system frees them however it ends


def own_folder(base: str | Path | None = None) -> Path:
    """A new folder for uploads and results, in `base` (the system's folder for temporary files otherwise); those of
    servers that are no longer there, however they ended, are removed."""
    base = Path(base or tempfile.gettempdir()).resolve()
    base.mkdir(parents=True, exist_ok=True)
    for left in base.glob(f"{PREFIX}*"):
        if _is_abandoned(left):
            shutil.rmtree(left, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=f".new-{PREFIX}", dir=base))
    lock = os.open(new / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    _try_lock(lock)
    _locks.append(lock)
    folder = base / new.name.removeprefix(".new-")
    new.rename(folder)  # under this name it is owned from the first moment on: another server may be looking
    return folder


def prepare_process() -> Path:
    """What a server's process does before gradio is imported, which remembers it, and before there are threads: no
    analytics, few arenas, and a folder of its own for visitors' files, which this gives."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    use_few_arenas()
    folder = own_folder(os.environ.get("GRADIO_TEMP_DIR"))
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    return folder


def _is_abandoned(folder: Path) -> bool:
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
