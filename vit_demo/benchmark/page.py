"""What a visitor waits for: the app in a process of its own, Chromium as its visitor, each action ten times."""

from __future__ import annotations

import base64
import io
import json
import shutil
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from vit_demo.benchmark.clock import PARTS, SCRIPT, Taken, timed
from vit_demo.benchmark.server import APP, random_model, running

if TYPE_CHECKING:
    from playwright.sync_api import Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
ARCHITECTURE = "vit_small_patch16_224"
VIEW_WITHIN_MS = 120_000
RUNS = 10
SETTLE_MS = 1_500
READY = r"() => /\d/.test(document.querySelector('.vd-explorer')?.dataset.layer ?? '')"
TABS = {
    "look": ("predict", "relevance", "depth"),
    "know": ("embeddings", "features"),
    "change": ("what_if", "compare"),
}
CLICK = "document.querySelector(argument).click()"
# A picture put into the page as a file that was chosen: the browser's own way begins with its event
UPLOAD = """
  const bytes = Uint8Array.from(atob(argument), (letter) => letter.charCodeAt(0)), data = new DataTransfer();
  data.items.add(new File([bytes], "photo.jpg", { type: "image/jpeg" }));
  const input = document.querySelector("#vd-image input[type=file]");
  input.files = data.files;
  input.dispatchEvent(new Event("change", { bubbles: true }))
"""
# Pointer events at a place, as a mouse would send them
POINT = """
  const point = (selector, kind) => document.querySelector(selector).dispatchEvent(new PointerEvent(kind,
    { clientX: argument[0], clientY: argument[1], bubbles: true, pointerId: 1, button: 0, buttons: 1 }))
"""
STROKE = ("pointermove", "pointerdown", "pointerup", "click")
EXPLORER = "document.querySelector('.vd-explorer')"
ROW = "{:<58}{:>8.0f}{:>8.0f}   {}"


def browser_path() -> str | None:
    """Chromium on this machine, None where it or Playwright is missing."""
    try:
        import playwright  # noqa: F401
    except ImportError:
        return None
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def measure_page(app: Path = APP, runs: int = RUNS) -> dict[str, list[Taken]]:
    """What was measured, by its name, as often as `runs`. Empty without app.py, Chromium or Playwright."""
    if not app.is_file() or browser_path() is None:
        return {}
    found: dict[str, list[Taken]] = {"start of the process to the page": [_start(app) for _ in range(runs)]}
    with tempfile.TemporaryDirectory() as folder:
        model = random_model(ARCHITECTURE, Path(folder))
        for name, chosen, side in (("S/16 at 224 px", str(model), 224), ("S/14 at 518 px", "", 518)):
            with visiting(app, Path(folder) / str(side)) as (page, _):
                if chosen:
                    choose_model(page, chosen)
                found |= {f"{what}, {name}": times for what, times in _actions(page, runs, side).items()}
    return found


def weights(app: Path = APP) -> dict[str, float]:
    """What the page itself is: kilobytes of its configuration, how many listeners it has, and the most values that one
    takes and gives."""
    if not app.is_file():
        return {}
    with tempfile.TemporaryDirectory() as folder, running(app, Path(folder) / "app") as (url, _):
        config = urllib.request.urlopen(f"{url}config", timeout=60).read()
    dependencies = json.loads(config)["dependencies"]
    return {
        "configuration_kB": len(config) / 1e3,
        "listeners": len(dependencies),
        "most_inputs": max(len(one["inputs"]) for one in dependencies),
        "most_outputs": max(len(one["outputs"]) for one in dependencies),
    }


@contextmanager
def visiting(app: Path, folder: Path, flags: tuple[str, ...] = (), query: str = "") -> Iterator[tuple[Page, str]]:
    """A page of an app in a process of its own, its first view there and what views share computed; and its address."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    with running(app, folder / "files", {"VIT_DEMO_ANY_MODEL": "1"}) as (url, _), sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser_path(), args=[*FLAGS, *flags])
        page = chromium.new_page(viewport={"width": 1280, "height": 900}, locale="en-GB")
        page.set_default_timeout(VIEW_WITHIN_MS)
        page.add_init_script(SCRIPT)
        page.goto(f"{url}{query}", wait_until="domcontentloaded")
        page.wait_for_function(READY)
        page.wait_for_timeout(8_000)  # what a page shares is computed behind the first view
        yield page, url
        chromium.close()


def choose_model(page: Page, name: str) -> None:
    """Types a model's name and waits for its view."""
    before = page.evaluate(f"() => {EXPLORER}.dataset.ready")
    listed = page.locator("#vd-model input")
    listed.fill(name)
    listed.press("Enter")
    page.wait_for_function(f"(before) => {EXPLORER}.dataset.ready !== before", arg=before)
    page.wait_for_timeout(SETTLE_MS)


def _start(app: Path) -> Taken:
    """From the start of the process to the page's heading in a browser that is open."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        page = chromium.new_page(viewport={"width": 1280, "height": 900}, locale="en-GB")
        page.set_default_timeout(VIEW_WITHIN_MS)
        started = time.perf_counter()
        with running(app, Path(folder) / "files") as (url, _):
            answered = time.perf_counter()
            page.goto(url, wait_until="domcontentloaded")
            page.wait_for_function("() => document.querySelector('.vd-explorer .vd-picture[src]')")
            end = time.perf_counter()
        chromium.close()
    parts = dict.fromkeys(PARTS, 0.0) | {"computing": 1000 * (answered - started), "browser": 1000 * (end - answered)}
    return Taken(1000 * (end - started), parts)


def _actions(page: Page, runs: int, side: int) -> dict[str, list[Taken]]:
    """Every action of a visitor, `runs` times each, on pictures that are new to the server."""
    photos = photographs(side)
    drawn = f"{EXPLORER}.dataset.ready !== window.before && !{EXPLORER}.classList.contains('vd-waiting')"
    found: dict[str, list[Taken]] = {"upload to the live explorer": [], "layer step": [], "hover": []}
    for number in range(runs):
        page.evaluate(f"() => {{ window.before = {EXPLORER}.dataset.ready }}")
        found["upload to the live explorer"].append(timed(page, UPLOAD, shown=drawn, argument=next(photos)))
        page.wait_for_timeout(SETTLE_MS)
        found["layer step"].append(_layer_step(page))
        found["hover"].append(_hover(page, number))
    found["upload to the prediction"] = _predictions(page, photos, runs)
    found |= _tabs(page, photos, max(3, runs // 3))
    found["a what-if stroke"] = _strokes(page, runs)
    return found


def _layer_step(page: Page) -> Taken:
    """To a layer that the browser does not have yet."""
    layer = page.evaluate(f"() => Number({EXPLORER}.dataset.layer)")
    goal = (layer + 5) % 12
    action = "const i = document.querySelector('.vd-explorer [name=layer]'); i.value = argument + 1;"
    action += "i.dispatchEvent(new Event('input', { bubbles: true }))"
    shown = f"{EXPLORER}.dataset.layer === '{goal}' && !{EXPLORER}.classList.contains('vd-waiting')"
    return timed(page, action, shown=shown, argument=goal)


def _hover(page: Page, number: int) -> Taken:
    """The pointer goes to another patch, the `number`th: until its rows are drawn."""
    box = page.locator(".vd-explorer .vd-stage").first.bounding_box()
    assert box is not None
    across, down = (0.1 + 0.37 * number) % 1, (0.1 + 0.61 * number) % 1
    at = [box["x"] + across * box["width"], box["y"] + down * box["height"]]
    action = f"{POINT}; {EXPLORER}.dataset.ms = ''; point('.vd-explorer .vd-stage', 'pointermove')"
    return timed(page, action, shown=f"{EXPLORER}.dataset.ms !== ''", argument=at)


def _predictions(page: Page, photos: Iterator[str], runs: int) -> list[Taken]:
    _open(page, "look", "predict")
    times = []
    for _ in range(runs):
        page.wait_for_timeout(SETTLE_MS)
        page.evaluate("() => { window.before = document.querySelector('#vd-predict img')?.src }")
        shown = "document.querySelector('#vd-predict img') && document.querySelector('#vd-predict img').src !== before"
        times.append(timed(page, UPLOAD, shown=shown, argument=next(photos)))
    return times


def _tabs(page: Page, photos: Iterator[str], runs: int) -> dict[str, list[Taken]]:
    """Each tab's first view of a picture whose pass is there, and its second."""
    found: dict[str, list[Taken]] = {}
    for _ in range(runs):
        _open(page, "look", "attention")
        before = page.evaluate(f"() => {EXPLORER}.dataset.ready")
        page.evaluate(f"(argument) => {{ {UPLOAD} }}", next(photos))
        page.wait_for_function(f"(before) => {EXPLORER}.dataset.ready !== before", arg=before)
        page.wait_for_timeout(SETTLE_MS)
        for turn in ("first", "second"):
            for group, tabs in TABS.items():
                for tab in tabs:
                    _open(page, group, "", settle=False)
                    taken = timed(page, CLICK, f"#vd-tabs-{group}", argument=f"#vd-tabs-{group} [data-tab-id={tab}]")
                    found.setdefault(f"{turn} view of {tab}", []).append(taken)
    return found


def _strokes(page: Page, runs: int) -> list[Taken]:
    _open(page, "change", "what_if")
    page.wait_for_function("() => document.querySelector('.vd-what')?.dataset.edits")
    times, stage = [], page.locator(".vd-what-stage")
    for number in range(runs):
        box = stage.bounding_box()
        assert box is not None
        at = [box["x"] + (0.1 + 0.07 * number) * box["width"], box["y"] + 0.5 * box["height"]]
        action = POINT + "".join(f"; point('.vd-what-stage', '{kind}')" for kind in STROKE)
        times.append(timed(page, action, ".vd-what", argument=at))
        page.wait_for_timeout(300)
    return times


def _open(page: Page, group: str, tab: str, settle: bool = True) -> None:
    page.evaluate(f"() => document.querySelector('#vd-tabs > .tab-wrapper [data-tab-id={group}]').click()")
    if tab:
        page.evaluate(f"() => document.querySelector('#vd-tabs-{group} [data-tab-id={tab}]').click()")
    page.wait_for_timeout(SETTLE_MS if settle else 300)


def photographs(side: int) -> Iterator[str]:
    """JPEG files as base64, each new to the server: windows of an example, with a little noise."""
    from vit_demo.gallery import read_gallery

    pictures, chance = [one.picture() for one in read_gallery()], np.random.default_rng()
    while True:
        picture = pictures[int(chance.integers(len(pictures)))].astype(int)
        noisy = np.clip(picture + chance.integers(-3, 4, picture.shape), 0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(noisy).save(file, "JPEG", quality=85)
        yield base64.b64encode(file.getvalue()).decode("ascii")


def plain(found: dict[str, list[Taken]]) -> dict[str, dict[str, float]]:
    """Median and 95th percentile of each action, and the median of each part, in milliseconds."""
    rows = {}
    for name, times in found.items():
        totals = np.array([one.total for one in times])
        parts = {part: float(np.median([one.parts[part] for one in times])) for part in PARTS}
        rows[name] = {"median_ms": float(np.median(totals)), "p95_ms": float(np.percentile(totals, 95)), **parts}
    return rows


def print_page(page: dict[str, dict[str, float]]) -> None:
    print(
        "\nthe page, ms" if page else "\nthe page is measured in a clone, where app.py is, with Chromium and Playwright"
    )
    for name, row in page.items():
        parts = ", ".join(f"{part} {row[part]:.0f}" for part in PARTS)
        print(ROW.format(name, row["median_ms"], row["p95_ms"], parts))
