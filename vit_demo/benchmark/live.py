"""What moves: frames of a camera a second, and how long a film takes, on a real page in Chromium, whose camera is one
of its own making."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vit_demo.benchmark.page import ARCHITECTURE, browser_path, choose_model, visiting
from vit_demo.benchmark.server import APP, random_model
from vit_demo.film import film_bytes

if TYPE_CHECKING:
    from playwright.sync_api import Page

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
FILM_S, FPS = 20, 30
SETTLE_FRAMES, MEASURE_MS = 10, 8_000
FRAMES = "(count) => Number(document.querySelector('.vd-live').dataset.frames) > count"


def measure_live(app: Path = APP, seconds: float = MEASURE_MS / 1000) -> dict[str, float]:
    """Frames a second that a visitor with ViT-S/16 at 224 px sees (random weights: the time is the same), the mean
    milliseconds from the camera's picture to what is drawn of it, how many of them computing, and the milliseconds
    that a film of 60 frames takes. Empty without Chromium, Playwright or app.py."""
    if not app.is_file() or browser_path() is None:
        return {}
    with tempfile.TemporaryDirectory() as folder, visiting(app, Path(folder), CAMERA, "?side=224") as (page, _):
        choose_model(page, str(random_model(ARCHITECTURE, Path(folder))))
        page.locator(".vd-live [name=open]").click()
        page.wait_for_function(FRAMES, arg=SETTLE_FRAMES)
        before = int(page.locator(".vd-live").get_attribute("data-frames") or 0)
        page.wait_for_timeout(1000 * seconds)
        data = page.locator(".vd-live").evaluate("(view) => ({...view.dataset})")
        page.locator(".vd-live [name=stop]").click()
        film_ms = _film(page, Path(folder) / "made.mp4")
    return {
        "live_frames_a_second": (int(data["frames"]) - before) / seconds,
        "live_camera_to_picture_ms": float(data["total"]),
        "live_computing_ms": float(data["compute"]),
        "film_of_60_frames_ms": film_ms,
    }


def _film(page: Page, path: Path) -> float:
    """Milliseconds from the button to the colours of a film of FILM_S seconds, 60 frames of it; the upload not
    counted."""
    noise = np.random.default_rng(0).integers(0, 256, (36, 64 + FILM_S * FPS, 3), np.uint8)
    wide = noise.repeat(20, axis=0).repeat(20, axis=1)  # 720 px high
    path.write_bytes(film_bytes([wide[:, 20 * i :][:, :1280] for i in range(FILM_S * FPS)], FPS))
    page.locator("#vd-tabs-look").get_by_role("tab", name="Film", exact=True).click()
    page.locator("#vd-film-file input[type=file]").set_input_files(path)
    page.wait_for_function("() => document.querySelector('#vd-film-file').innerText.includes('.mp4')")
    page.wait_for_timeout(2_000)
    started = time.perf_counter()
    page.locator("#vd-film-run").click()
    page.wait_for_function("() => document.querySelector('.vd-film').dataset.coloured === 'true'")
    return 1000 * (time.perf_counter() - started)
