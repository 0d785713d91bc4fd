"""A Hub on the loopback device, and a process that asks it.

huggingface_hub reads HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE when it is imported, so the questions are asked in a
process of its own with these set. It lives for the whole module: starting one takes longer than most tests.
"""

from __future__ import annotations

import importlib.util
import json
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
ANSWER_WITHIN_S = 60
WORKER = r"""
import json, logging, socket, sys, threading, time, traceback
from unittest import mock
from vit_demo.checkpoints import sources
from vit_demo.checkpoints.hub_cache import on_disk
from vit_demo.checkpoints.reach import hub_reachable
from vit_demo.contract import ModelError

logging.basicConfig(level=logging.DEBUG)  # what goes to the log is searched for secrets, too
answers, sys.stdout = sys.stdout, sys.stderr

def slow_name_lookup(*_, **__):
    time.sleep(30)

def full_disk(*_, **__):
    raise OSError(28, "No space left on device", "/home/somebody/.cache/blob")

def locked_disk(*_, **__):
    raise PermissionError(13, "Permission denied", "/home/somebody/.cache/blob")

FAULTS = {"slow_name_lookup": slow_name_lookup, "full_disk": full_disk, "locked_disk": locked_disk}

CALLS = {"on_disk": on_disk, "hub_reachable": hub_reachable}

def ask(call, args, options, progress_error):
    told = []
    def progress(done, total):
        told.append((done, total))
        if progress_error:
            raise RuntimeError("enough")
    if call == "find":
        found = sources.find(*args, progress=progress, **options)
        value = dict(vars(found), weights=[str(file) for file in found.weights])
    elif call == "find_together":
        values = [None] * 4
        def run(i):
            values[i] = sources.find(*args).revision
        threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        value = values
    elif call == "find_all":
        value = [error_of(name) for name in args[0]]
    elif call == "loaded":
        value = args[0] in sys.modules
    else:
        value = CALLS[call](*args, **options)
    return value, told

def error_of(name):
    try:
        sources.find(name)
    except ModelError as error:
        return error.key

for line in sys.stdin:
    asked = json.loads(line)
    start, reply = time.perf_counter(), {}
    patches = [mock.patch(where, FAULTS.get(value, value) if isinstance(value, str) else value)
               for where, value in asked["patch"].items()]
    try:
        for patch in patches:
            patch.start()
        reply["value"], reply["progress"] = ask(asked["call"], asked["args"], asked["options"], asked["progress_error"])
    except ModelError as error:
        reply.update(error=error.key, text=str(error), chinese=error.say("zh"), trace=traceback.format_exc())
    except Exception as error:
        reply.update(error=type(error).__name__, text=str(error), trace=traceback.format_exc())
    finally:
        for patch in patches:
            patch.stop()
    reply["seconds"] = time.perf_counter() - start
    print(json.dumps(reply), file=answers, flush=True)
"""


class Asker:
    """A process that looks for models, with a cache of its own."""

    def __init__(self, folder: Path, endpoint: str, **environment: str):
        self.cache, self.log = folder / "hub", folder / "log.txt"
        self.work = folder / "work"
        self.work.mkdir(parents=True)
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith("HF_") and "proxy" not in key.lower()
        }
        kept |= {"HF_HOME": str(folder), "HF_ENDPOINT": endpoint, "PYTHONPATH": str(ROOT), **environment}
        self._errors = self.log.open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=self.work,
            env=kept,
        )

    def __call__(self, call: str, *args, patch: dict | None = None, progress_error=False, **options) -> SimpleNamespace:
        """The answer: `value` and `progress`, or `error` (a key of text/, or an exception's name), and `seconds`."""
        asked = dict(call=call, args=args, options=options, patch=patch or {}, progress_error=progress_error)
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], ANSWER_WITHIN_S)
        line = self._process.stdout.readline() if ready else ""
        assert line, f"no answer to {call} {args}; the log ends: {self.log.read_text()[-2000:]}"
        return SimpleNamespace(**{"error": None, "value": None, "progress": [], **json.loads(line)})

    def clear(self) -> None:
        shutil.rmtree(self.cache, ignore_errors=True)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()


@pytest.fixture(scope="module")
def _server():
    path = Path(__file__).with_name("hub_server.py")  # not importable by name: the tests are no package
    spec = importlib.util.spec_from_file_location("hub_server", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    server = module.HubServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def _asker(_server, tmp_path_factory):
    asker = Asker(tmp_path_factory.mktemp("online"), _server.address())
    yield asker
    asker.close()


@pytest.fixture(scope="module")
def _offline_asker(_server, tmp_path_factory):
    asker = Asker(tmp_path_factory.mktemp("offline"), _server.address(), HF_HUB_OFFLINE="1")
    yield asker
    asker.close()


@pytest.fixture
def server(_server):
    """The Hub, empty."""
    _server.reset()
    return _server


@pytest.fixture
def ask(_asker):
    """A process that reaches the Hub, with an empty cache."""
    _asker.clear()
    return _asker


@pytest.fixture
def ask_offline(_offline_asker):
    """A process started with HF_HUB_OFFLINE=1, with an empty cache."""
    _offline_asker.clear()
    return _offline_asker
