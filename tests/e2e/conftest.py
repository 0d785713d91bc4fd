"""The app in a process of its own, a browser, and a visitor: what every browser test begins with.

Every visit also holds that no other host is asked and that the browser's console has no errors.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from vit_demo.checkpoints import embedded
from vit_demo.text import LANGUAGES, say
from vit_demo.ui.tabs import GROUPS

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT_MS, START_WITHIN_S = 60_000, 120
SETTLED_MS = 300  # with nothing pending for so long, an action has run its course
SILENT_MS = 4_000  # longer than any computation here


@pytest.fixture(scope="session")
def address(tmp_path_factory) -> Iterator[str]:
    """The app in a process of its own, offline, on a free port."""
    if CHROMIUM is None:
        pytest.skip(f"none of the browsers {BROWSERS} is installed")
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("playwright is not installed")
    if not (embedded.is_converted() or embedded.is_installed()):
        pytest.skip("the embedded weights are not installed")
    folder = tmp_path_factory.mktemp("app")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {key: value for key, value in os.environ.items() if not key.startswith(("GRADIO_", "SPACE"))}
    if hasattr(os, "sched_setaffinity"):  # the app and the browser share all cores, also where tests have one each
        os.sched_setaffinity(0, range(os.cpu_count()))
    env |= {
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "gradio"),
        "HF_HUB_OFFLINE": "1",
        "VIT_DEMO_ANY_MODEL": "1",
    }
    with (folder / "log").open("wb") as log:
        app = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=env, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}/"
        _wait_for(url, app, folder / "log")
        yield url
    finally:
        app.terminate()
        try:
            app.wait(10)
        except subprocess.TimeoutExpired:
            app.kill()
            app.wait()


def _wait_for(url: str, app: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + START_WITHIN_S
    while time.monotonic() < end and app.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the app did not start:\n{log.read_text(errors='replace')[-3000:]}")


@pytest.fixture(scope="session")
def browser(address):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


class Visitor:
    """A page, and what a visitor does with it. `asked` are the addresses of all requests, `errors` the console's."""

    def __init__(self, browser, address: str, width: int = 1280, height: int = 900, locale: str = "en-GB"):
        self.context = browser.new_context(viewport={"width": width, "height": height}, locale=locale)
        self.page = self.context.new_page()
        self.page.set_default_timeout(TIMEOUT_MS)
        self.asked: list[str] = []
        self.errors: list[str] = []
        self._pending: list[str] = []
        self.page.on("request", self._began)
        self.page.on("requestfinished", self._ended)
        self.page.on("requestfailed", self._ended)
        self.page.on("console", lambda line: line.type == "error" and self.errors.append(line.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(address, wait_until="domcontentloaded")
        if "tab=" in address:
            self.wait("() => [...document.querySelectorAll('.vd-view')].some((view) => view.dataset.ready > 0)")
        else:
            shown = "const v = document.querySelector('.vd-explorer'); return v && /\\d/.test(v.dataset.layer)"
            self.wait(f"() => {{ {shown} }}")
        self.settle()

    def _began(self, request) -> None:
        self.asked.append(request.url)
        if "/heartbeat/" not in request.url:  # stays open as long as the page
            self._pending.append(request.url)

    def _ended(self, request) -> None:
        if request.url in self._pending:
            self._pending.remove(request.url)

    def wait(self, condition: str, value=None) -> None:
        self.page.wait_for_function(condition, arg=value, timeout=TIMEOUT_MS)

    def settle(self) -> None:
        """Waits until no request is pending for a while. A silent stream of answers is given up after some seconds:
        the browser does not always tell that it was closed."""
        end, seen, since = time.monotonic() + TIMEOUT_MS / 1000, -1, 0.0
        while time.monotonic() < end:
            quiet_ms = 1000 * (time.monotonic() - since)
            streams = [url for url in self._pending if "/queue/data" in url]
            if len(self.asked) != seen or len(streams) < len(self._pending):
                seen, since = len(self.asked), time.monotonic()
            elif quiet_ms > (SILENT_MS if streams else SETTLED_MS):
                return
            self.page.wait_for_timeout(25)
        pytest.fail(f"the page did not come to rest: {self._pending}")

    def data(self, name: str) -> str:
        return self.page.locator(".vd-explorer").get_attribute(f"data-{name}")

    def until_data(self, name: str, value: str) -> None:
        self.wait(f"(v) => document.querySelector('.vd-explorer').dataset.{name} === v", value)

    @property
    def grid(self) -> tuple[int, int]:
        style = self.stage.get_attribute("style")
        return tuple(int(re.search(rf"--{side}: *(\d+)", style)[1]) for side in ("rows", "cols"))

    def until_grid(self, rows: int, cols: int) -> None:
        self.wait(
            "([rows, cols]) => { const s = document.querySelector('.vd-explorer .vd-stage').style;"
            "return s.getPropertyValue('--rows') == rows && s.getPropertyValue('--cols') == cols }",
            [rows, cols],
        )

    @property
    def picture(self) -> str:
        return self.page.locator(".vd-picture").first.get_attribute("src")

    def painted(self, selector: str = ".vd-explorer .vd-overlay") -> bytes:
        """The pixels of a canvas, as a data URL's text."""
        return self.page.evaluate("(s) => document.querySelector(s).toDataURL()", selector)

    def upload(self, path: Path) -> None:
        self.page.locator("#vd-image input[type=file]").set_input_files(path)

    def at_patch(self, row: int, col: int) -> dict[str, float]:
        """Where the middle of a patch is on the stage, for clicks."""
        rows, cols = self.grid
        box = self.stage.bounding_box()
        return {"x": (col + 0.5) * box["width"] / cols, "y": (row + 0.5) * box["height"] / rows}

    @property
    def stage(self):
        return self.page.locator(".vd-explorer .vd-stage").first

    def point(self, row: int, col: int) -> None:
        """Moves the pointer over a patch, and waits for the frame that follows."""
        self.stage.hover(position=self.at_patch(row, col))
        self.until_data("token", f"{row},{col}")

    def leave(self) -> None:
        self.page.mouse.move(2, 2)

    def requests_during(self, action: Callable[[], None]) -> list[str]:
        self.settle()
        before = len(self.asked)
        action()
        self.page.wait_for_timeout(SETTLED_MS)
        return self.asked[before:]

    def violations(self, selector: str) -> list[str]:
        """What axe-core finds wrong with a part of the page."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page, context=selector).response["violations"]
        return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]

    def tab(self, name: str) -> None:
        """Opens a topic's tab, in whichever group it stands, or a tab of its own that a topic has."""
        for group in GROUPS:
            labels = [say(f"{tab.name}.tab", language) for tab in group.tabs for language in LANGUAGES]
            if len(group.tabs) > 1 and name in labels:
                self.page.locator(f"#vd-tabs > .tab-wrapper [data-tab-id={group.name}]").click()
                self.page.locator(f"#vd-tabs-{group.name}").get_by_role("tab", name=name, exact=True).click()
                return
        self.page.get_by_role("tab", name=name, exact=True).click()


@pytest.fixture
def visit(browser, address):
    """Opens the page and waits for its first maps; holds at the end what every visit must hold."""
    visitors: list[Visitor] = []

    def open_page(path: str = "", **options) -> Visitor:
        visitors.append(Visitor(browser, address + path, **options))
        return visitors[-1]

    yield open_page
    for visitor in visitors:
        visitor.context.close()
        hosts = {urlsplit(url).hostname for url in visitor.asked if not url.startswith(("data:", "blob:"))}
        assert hosts <= {"127.0.0.1"}
        assert visitor.errors == []
