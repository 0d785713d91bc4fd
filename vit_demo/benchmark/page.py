"""What the page weighs and how long its first views take: the app in a process of its own, Chromium as its visitor."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import urllib.request
from pathlib import Path

from vit_demo.benchmark.server import APP, running

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
VIEW_WITHIN_MS = 120_000
READY = r"() => /\d/.test(document.querySelector('.vd-explorer')?.dataset.layer ?? '')"
ANOTHER = "(src) => { const p = document.querySelector('.vd-picture'); return p.src && p.src !== src }"
UPLOADS = 3


def measure_page(app: Path = APP) -> dict[str, float]:
    """Bytes of the page's configuration, its listeners, and where Chromium and Playwright are, milliseconds from an
    address to the first maps and from an uploaded picture to its maps (median). Empty where there is no app.py."""
    if not app.is_file():
        return {}
    with tempfile.TemporaryDirectory() as folder, running(app, Path(folder)) as (url, _):
        config = urllib.request.urlopen(f"{url}config", timeout=60).read()
        dependencies = json.loads(config)["dependencies"]
        sizes = {
            "configuration_kB": len(config) / 1e3,
            "listeners": len(dependencies),
            "most_inputs": max(len(one["inputs"]) for one in dependencies),
            "most_outputs": max(len(one["outputs"]) for one in dependencies),
        }
        return {**sizes, **_visit(url, app.parent / "examples")}


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
