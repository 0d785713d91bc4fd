"""What the page weighs and how long its first views take: the app in a process of its own, Chromium as its visitor."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

APP = Path(__file__).parents[2] / "app.py"  # in a clone; an installed package has none
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
START_WITHIN_S, VIEW_WITHIN_MS = 120, 120_000
READY = r"() => /\d/.test(document.querySelector('.vd-explorer')?.dataset.layer ?? '')"
ANOTHER = "(src) => { const p = document.querySelector('.vd-picture'); return p.src && p.src !== src }"
UPLOADS = 3


def measure_page(app: Path = APP) -> dict[str, float]:
    """Bytes of the page's configuration, its listeners, and where Chromium and Playwright are, milliseconds from an
    address to the first maps and from an uploaded picture to its maps (median). Empty where there is no app.py."""
    if not app.is_file():
        return {}
    with tempfile.TemporaryDirectory() as folder, _running(app, Path(folder)) as url:
        config = urllib.request.urlopen(f"{url}config", timeout=60).read()
        dependencies = json.loads(config)["dependencies"]
        sizes = {
            "configuration_kB": len(config) / 1e3,
            "listeners": len(dependencies),
            "most_inputs": max(len(one["inputs"]) for one in dependencies),
            "most_outputs": max(len(one["outputs"]) for one in dependencies),
        }
        return {**sizes, **_visit(url, app.parent / "examples")}


@contextmanager
def _running(app: Path, folder: Path) -> Iterator[str]:
    """The app's address while it runs, offline."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(folder), "HF_HUB_OFFLINE": "1"}
    quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process = subprocess.Popen([sys.executable, app.name], cwd=app.parent, env={**os.environ, **env}, **quiet)
    try:
        yield _answering(f"http://127.0.0.1:{port}/", process)
    finally:
        process.terminate()
        process.wait(30)


def _answering(url: str, process: subprocess.Popen) -> str:
    end = time.monotonic() + START_WITHIN_S
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return url
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("the app did not start")


def _visit(url: str, examples: Path) -> dict[str, float]:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return {}
    if browser is None:
        return {}
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=FLAGS)
        page = chromium.new_page(viewport={"width": 1280, "height": 900}, locale="en-GB")
        page.set_default_timeout(VIEW_WITHIN_MS)
        page.goto(url, wait_until="domcontentloaded")
        page.wait_for_function(READY)  # the model is loaded, and what a page shares is computed
        page.wait_for_timeout(8_000)
        started = time.perf_counter()
        page.goto(url, wait_until="domcontentloaded")
        page.wait_for_function(READY)
        opened_ms = 1000 * (time.perf_counter() - started)
        times = []
        for name in ("koala", "macaw", "crab")[:UPLOADS]:
            page.wait_for_timeout(3_000)
            shown = page.locator(".vd-picture").first.evaluate("(picture) => picture.src")
            started = time.perf_counter()
            page.locator("#vd-image input[type=file]").set_input_files(examples / f"{name}.jpg")
            page.wait_for_function(ANOTHER, arg=shown)
            times.append(1000 * (time.perf_counter() - started))
        chromium.close()
    return {"opened_ms": opened_ms, "upload_to_maps_ms": sorted(times)[len(times) // 2]}


def print_page(page: dict[str, float]) -> None:
    print("\nthe page" if page else "\nthe page is measured in a clone, where app.py is")
    for name, value in page.items():
        print(f"{name.replace('_', ' '):<66}{value:>10.0f}")
