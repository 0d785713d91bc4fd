"""How many frames of a camera the page draws a second: Chromium with a camera of its own making, a real page."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from vit_demo.benchmark.page import BROWSERS, FLAGS, READY, VIEW_WITHIN_MS
from vit_demo.benchmark.server import APP, running

ARCHITECTURE = "vit_small_patch16_224"
CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
LISTED = "#vd-model input"
SETTLE_FRAMES, MEASURE_MS = 10, 8_000
FRAMES = "(count) => Number(document.querySelector('.vd-live').dataset.frames) > count"


def measure_live(app: Path = APP, seconds: float = MEASURE_MS / 1000) -> dict[str, float]:
    """Frames a second that a visitor with ViT-S/16 at 224 px sees (random weights: the time is the same), and the mean
    milliseconds from the camera's picture to what is drawn of it, how many of them computing. Empty without Chromium,
    Playwright or app.py."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return {}
    if browser is None or not app.is_file():
        return {}
    with (
        tempfile.TemporaryDirectory() as folder,
        running(app, Path(folder) / "gradio", {"VIT_DEMO_ANY_MODEL": "1"}) as (url, _),
        sync_playwright() as playwright,
    ):
        model = _random_model(Path(folder) / ARCHITECTURE)
        chromium = playwright.chromium.launch(executable_path=browser, args=FLAGS + CAMERA)
        page = chromium.new_page(viewport={"width": 1280, "height": 900}, locale="en-GB")
        page.set_default_timeout(VIEW_WITHIN_MS)
        page.goto(f"{url}?side=224", wait_until="domcontentloaded")
        page.wait_for_function(READY)
        page.wait_for_timeout(8_000)  # what a page shares is computed behind the first view
        page.locator(LISTED).fill(str(model))
        page.locator(LISTED).press("Enter")
        page.wait_for_function("() => document.querySelector('#vd-status').innerText.includes('14×14')")
        page.wait_for_timeout(2_000)
        page.locator(".vd-live [name=open]").click()
        page.wait_for_function(FRAMES, arg=SETTLE_FRAMES)
        before = int(page.locator(".vd-live").get_attribute("data-frames") or 0)
        page.wait_for_timeout(1000 * seconds)
        data = page.locator(".vd-live").evaluate("(view) => ({...view.dataset})")
        chromium.close()
    return {
        "live_frames_a_second": (int(data["frames"]) - before) / seconds,
        "live_camera_to_picture_ms": float(data["total"]),
        "live_computing_ms": float(data["compute"]),
    }


def _random_model(folder: Path) -> Path:
    """A ViT-S/16 with random weights in Hub layout."""
    import timm

    timm.models.save_for_hf(timm.create_model(ARCHITECTURE), folder, safe_serialization=True)
    return folder
