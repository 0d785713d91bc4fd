"""Browsers besides Chromium, as Debian packages them, for pages opened from disk: Firefox over WebDriver BiDi,
WebKitGTK over WebDriver (W3C). Each gives a page with `open`, `value` and `point`."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

START_S, ANSWER_S = 60, 60
WIDTH, HEIGHT = 1280, 900


class Page:
    """A browser's only page."""

    def open(self, address: str) -> None:
        raise NotImplementedError

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives, as JSON has it."""
        raise NotImplementedError

    def point(self, x: float, y: float) -> None:
        """Moves the pointer there, in CSS pixels of the window."""
        raise NotImplementedError

    def wait(self, expression: str, seconds: float = ANSWER_S) -> Any:
        """The expression's value, once it is true."""
        until = time.monotonic() + seconds
        while not (found := self.value(expression)):
            if time.monotonic() > until:
                raise AssertionError(f"never true: {expression}")
            time.sleep(0.1)
        return found


class Firefox(Page):
    """https://w3c.github.io/webdriver-bidi/"""

    def __init__(self, socket: ClientConnection):
        self.socket, self.count = socket, 0
        self.ask("session.new", {"capabilities": {}})
        self.context = self.ask("browsingContext.getTree", {})["contexts"][0]["context"]

    def ask(self, method: str, params: dict) -> dict:
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": params}))
        while True:
            answer = json.loads(self.socket.recv(timeout=ANSWER_S))
            if answer.get("id") == self.count:
                assert answer["type"] == "success", answer
                return answer["result"]

    def open(self, address: str) -> None:
        self.ask("browsingContext.navigate", {"context": self.context, "url": address, "wait": "complete"})

    def value(self, expression: str) -> Any:
        code = f"JSON.stringify({expression} ?? null)"
        how = {"target": {"context": self.context}, "awaitPromise": True}
        found = self.ask("script.evaluate", {"expression": code, **how})
        assert found["type"] == "success", found
        return json.loads(found["result"]["value"])

    def point(self, x: float, y: float) -> None:
        move = {"type": "pointerMove", "x": round(x), "y": round(y)}
        actions = [{"type": "pointer", "id": "mouse", "actions": [move]}]
        self.ask("input.performActions", {"context": self.context, "actions": actions})


class WebKit(Page):
    """https://www.w3.org/TR/webdriver2/"""

    def __init__(self, port: int, program: Path):
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=ANSWER_S)
        options = {"binary": str(program), "args": ["--automation"]}
        wanted = {"alwaysMatch": {"browserName": "MiniBrowser", "webkitgtk:browserOptions": options}}
        self.session = ""
        self.session = f"/session/{self.ask('/session', {'capabilities': wanted})['sessionId']}"
        self.ask("/window/rect", {"width": WIDTH, "height": HEIGHT})

    def ask(self, path: str, body: dict) -> Any:
        answer = self.client.post(self.session + path, json=body)
        assert answer.is_success, answer.text
        return answer.json()["value"]

    def open(self, address: str) -> None:
        self.ask("/url", {"url": address})

    def value(self, expression: str) -> Any:
        return json.loads(
            self.ask("/execute/sync", {"script": f"return JSON.stringify({expression} ?? null)", "args": []})
        )

    def point(self, x: float, y: float) -> None:
        move = {"type": "pointerMove", "duration": 0, "x": round(x), "y": round(y), "origin": "viewport"}
        actions = [{"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": [move]}]
        self.ask("/actions", {"actions": actions})


def programs() -> dict[str, Path]:
    """What of the two can be started here, by name."""
    found = {"firefox": next((path for name in ("firefox-esr", "firefox") if (path := shutil.which(name))), None)}
    if shutil.which("WebKitWebDriver") and shutil.which("Xvfb"):
        found["webkit"] = next(map(str, sorted(Path("/usr/lib").glob("*/webkit2gtk-4*/MiniBrowser"))), None)
    return {name: Path(path) for name, path in found.items() if path}


@contextmanager
def page_of(name: str, folder: Path) -> Iterator[Page]:
    """The page of a browser started for it, which ends with it. `folder` is empty, for the browser's own files."""
    program, port = programs()[name], _free_port()
    with ExitStack() as stack:
        if name == "firefox":
            flags = ["--headless", "--no-remote", "--profile", str(folder), "--remote-debugging-port", str(port)]
            stack.enter_context(_started([str(program), *flags, f"--width={WIDTH}", f"--height={HEIGHT}"], folder))
            _wait_for(port)
            address = f"ws://127.0.0.1:{port}/session"
            page: Page = Firefox(stack.enter_context(connect(address, max_size=None, open_timeout=START_S)))
        else:
            screen = f":{_free_screen()}"
            stack.enter_context(
                _started(["Xvfb", screen, "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp"], folder)
            )
            stack.enter_context(_started(["WebKitWebDriver", f"--port={port}"], folder, DISPLAY=screen))
            _wait_for(port)
            page = WebKit(port, program)
            stack.callback(page.client.close)
            stack.callback(page.client.delete, page.session)
        yield page


@contextmanager
def _started(command: list[str], folder: Path, **settings: str) -> Iterator[None]:
    environment = {**os.environ, "HOME": str(folder), "WEBKIT_DISABLE_COMPOSITING_MODE": "1", **settings}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int) -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _free_screen() -> int:
    return next(number for number in range(90, 400) if not Path(f"/tmp/.X11-unix/X{number}").exists())
