"""What is there while the app starts: a page that says so, on the app's own port, which it then leaves to the app."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from vit_demo.starting import StartingPage, starting_page
from vit_demo.text import LANGUAGES, say

ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def asked(port: int) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/?lang=zh", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_it_says_that_the_app_starts_and_nobody_takes_it_for_the_app():
    page = StartingPage("127.0.0.1", free_port())
    try:
        status, text = asked(page.port)
    finally:
        page.close()
    assert status == 503
    for language in LANGUAGES:
        assert say("page.starting", language) in text
    with pytest.raises(OSError, match=r"refused|111"):
        urllib.request.urlopen(f"http://127.0.0.1:{page.port}/", timeout=5)


def test_its_port_can_be_taken_at_once():
    port = free_port()
    page = StartingPage("127.0.0.1", port)
    asked(port)
    page.close()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))


@pytest.mark.parametrize("port", ["no port", "99999999", "-1"])
def test_where_there_is_no_such_port_the_app_says_so_itself(port):
    assert starting_page("127.0.0.1", port) is None


def test_a_port_that_is_taken_is_left_alone():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert starting_page("127.0.0.1", str(taken.getsockname()[1])) is None


def test_it_needs_the_standard_library_alone():
    code = "import sys, vit_demo.starting; sys.exit(bool({'numpy', 'torch', 'gradio', 'PIL'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
