"""The app in a process of its own, as a benchmark's visitors meet it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

APP = Path(__file__).parents[2] / "app.py"  # in a clone; an installed package has none
START_WITHIN_S = 120


@contextmanager
def running(
    app: Path, folder: Path, variables: Mapping[str, str] = {}, command: Sequence[str] = ()
) -> Iterator[tuple[str, subprocess.Popen]]:
    """The app's address and process while it runs, offline, its files in `folder`; `variables` of its environment.
    `command` starts it otherwise than by its file."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(folder), "HF_HUB_OFFLINE": "1"}
    log = folder.parent / f"{folder.name}.log"
    with log.open("wb") as output:
        told = {**os.environ, **env, **variables}
        command = command or (sys.executable, app.name)
        process = subprocess.Popen(command, cwd=app.parent, env=told, stdout=output, stderr=output)
    try:
        yield _answering(f"http://127.0.0.1:{port}/", process, log), process
    finally:
        process.terminate()
        process.wait(60)
        log.unlink(missing_ok=True)


def _answering(url: str, process: subprocess.Popen, log: Path) -> str:
    end = time.monotonic() + START_WITHIN_S
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return url
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the app did not start: {log.read_text(errors='replace')[-3000:]}")


def memory_mb(process: subprocess.Popen) -> float | None:
    """What a process has in memory, in MB (10⁶ bytes); None where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def random_model(architecture: str, folder: Path) -> Path:
    """A timm architecture with random weights, in Hub layout in a folder of its name: time and memory are the same."""
    import timm

    made = folder / architecture
    timm.models.save_for_hf(timm.create_model(architecture), made, safe_serialization=True)
    return made
