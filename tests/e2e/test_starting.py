"""A browser that comes while the app starts: it gets the page that says so, and then the app."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from vit_demo.text import say

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.browser
def test_a_browser_that_came_too_early_gets_to_the_app(browser, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {key: value for key, value in os.environ.items() if not key.startswith(("GRADIO_", "SPACE"))}
    env |= {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    app = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                pytest.fail("the app was there at once")
            except urllib.error.HTTPError as error:
                early = error.code
                break
            except OSError:
                time.sleep(0.02)
        assert early == 503
        page = browser.new_context(locale="zh-CN").new_page()
        page.goto(f"http://127.0.0.1:{port}/?lang=zh", wait_until="domcontentloaded")
        page.wait_for_function("() => document.querySelector('.vd-explorer .vd-picture[src]')", timeout=60_000)
        assert say("page.picture", "zh") in page.locator("body").inner_text()
    finally:
        app.terminate()
        app.wait(30)
