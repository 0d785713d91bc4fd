"""A process that reads a stranger's file for this one: bounded in memory and time, without secrets, and killed when its
time is up. A file that crashes or exhausts a decoder, or takes it over, ends there.

The child is `python -m <module> <seconds> …`: the file's bytes on its stdin, on its stdout a line of JSON and then
bytes. Nothing of what it says is taken on trust.
"""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)


class Refusal(Exception):
    """Why a file is not taken: a phrase's name, and its placeholders' values."""

    def __init__(self, name: str, **values: object):
        super().__init__(name)
        self.name, self.values = name, values


def ask(module: str, data: bytes, timeout_s: float, most_cpu_s: int, *arguments: str) -> tuple[dict, bytes]:
    """What the child says of a file: its header and the bytes after it. Raises Refusal for what it refuses, and for how
    it ended: "too_slow", "too_much_memory", "busy" (our fault) or "damaged". Safe to call from many threads; each call
    is one process, so it is for the caller to bound how many run at once."""
    root = str(Path(__file__).resolve().parents[1])
    # The child finds the modules that this process finds; numpy's threads would reserve address space without need.
    paths = os.pathsep.join([root, *map(os.path.abspath, filter(None, sys.path))])
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, str(min(math.ceil(timeout_s), most_cpu_s)), *arguments],
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
            cwd=root,
            env={**_without_secrets(), "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired:
        raise Refusal("too_slow") from None
    except OSError as error:
        log.error("a decoder could not be started: %s", error)
        raise Refusal("busy") from None
    if done.returncode != 0:
        raise Refusal(_why_it_ended(done.returncode))
    line, _, body = done.stdout.partition(b"\n")
    header: object = None
    with suppress(ValueError, RecursionError):
        header = json.loads(line)
    if not isinstance(header, dict):
        raise Refusal("damaged")
    if "error" in header:
        raise _told(header)
    return header, body


def _told(header: dict) -> Refusal:
    """The refusal that a child wrote: a name, and numbers for its sentence."""
    with suppress(Exception):
        name, values = header["error"], header["values"]
        if isinstance(name, str) and all(isinstance(value, int) for value in values.values()):
            return Refusal(name, **values)
    return Refusal("damaged")


def answer(header: dict, body: bytes = b"") -> None:
    """What the child writes, in the child."""
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n" + body)


def refuse(refusal: Refusal) -> None:
    """The same for a file that it does not take."""
    answer({"error": refusal.name, "values": refusal.values})


def limit_this_process(seconds: int, most_bytes: int) -> None:
    """Bounds memory and time, and forbids writing files, as far as the system has such limits."""
    with suppress(OSError):  # Linux: short of memory, end this process and not the app
        Path("/proc/self/oom_score_adj").write_text("1000")
    with suppress(ImportError):  # Windows has no resource
        import resource

        for name, limit in (("AS", most_bytes), ("CPU", seconds), ("FSIZE", 0), ("CORE", 0)):
            with suppress(AttributeError, ValueError, OSError):  # macOS refuses some
                # Hard above soft: out of time ends in SIGXCPU, which can be told from the kernel's own SIGKILL.
                resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limit, limit + 1))


def _without_secrets() -> dict[str, str]:
    """The environment for a child that reads strangers' files: tokens and keys stay here."""
    return {
        k: v
        for k, v in os.environ.items()
        if not any(word in k.upper() for word in ("TOKEN", "SECRET", "KEY", "AUTH", "PASS"))
    }


def _why_it_ended(code: int) -> str:
    """What a child's exit status other than 0 says about the file: the name of a refusal."""
    if code == 1:  # Python itself failed: our fault, not the file's
        log.error("a decoder ended before it looked at the file")
        return "busy"
    # SIGKILL was not ours: the kernel was short of memory. All others are crashes of the decoder.
    names = {-number: number.name for number in signal.Signals}
    return {"SIGXCPU": "too_slow", "SIGKILL": "too_much_memory"}.get(names.get(code, ""), "damaged")
