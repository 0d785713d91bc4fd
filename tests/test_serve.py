"""A server's own folder, and its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest

from vit_demo import serve

posix = pytest.mark.skipif(os.name != "posix", reason="signals and file locks of POSIX")
# A server whose one listener takes two seconds; it notes when that begins and ends.
SERVER = """
    import sys, time
    from pathlib import Path
    import gradio as gr
    from vit_demo.explain import Explainer
    from vit_demo.serve import own_folder, serve

    base, note = Path(sys.argv[1]), Path(sys.argv[2])
    folder = own_folder(base)
    (folder / "upload.jpg").write_bytes(b"a visitor's picture")
    explainer = Explainer("cpu")

    def slow(engine):
        (note / "begun").touch()
        time.sleep(2)
        (note / "answered").touch()
        return 1

    with gr.Blocks() as demo:
        gr.Button().click(lambda: explainer._compute(slow), None, None, api_name="slow")

    serve(demo, explainer, folder, quiet=True, server_port=int(sys.argv[3]))
"""


def until(condition: Callable[[], bool], process: subprocess.Popen) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


def asked(request: urllib.request.Request) -> bool:
    """Whether the server is there and has taken a request."""
    try:
        urllib.request.urlopen(request, timeout=10).close()
    except ConnectionError:
        return False
    except urllib.error.URLError as error:
        if isinstance(error.reason, ConnectionError):
            return False
        raise
    return True


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_told_to_end_answers_what_is_under_way_and_leaves_no_file(number, tmp_path):
    base, note = tmp_path / "files", tmp_path / "note"
    note.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = [sys.executable, "-c", textwrap.dedent(SERVER), str(base), str(note), str(port)]
    env = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"}
    process = subprocess.Popen(program, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=env)
    url, kind = f"http://127.0.0.1:{port}/gradio_api/call/slow", {"Content-Type": "application/json"}
    until(lambda: asked(urllib.request.Request(url, b'{"data": []}', kind)), process)
    until((note / "begun").exists, process)
    assert any(base.iterdir())
    process.send_signal(number)
    assert process.wait(30) == 0
    assert (note / "answered").exists()
    assert list(base.iterdir()) == []
    assert "Traceback" not in process.stderr.read()


@posix
def test_what_a_killed_server_left_is_removed_by_the_next(tmp_path):
    program = f"""
        import os, time
        from vit_demo.serve import own_folder
        (own_folder({str(tmp_path)!r}) / "upload.jpg").touch()
        print("ready", flush=True)
        time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    killed, living = (subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2))
    try:
        for process in (killed, living):
            assert process.stdout.readline() == "ready\n"
        assert len(list(tmp_path.glob("*/upload.jpg"))) == 2
        killed.kill()
        killed.wait()
        own = serve.own_folder(tmp_path)
        assert len(list(tmp_path.glob("*/upload.jpg"))) == 1  # the other server's
        assert own.is_dir()
    finally:
        for process in (killed, living):
            process.kill()
            process.wait()


def test_other_folders_are_left_alone(tmp_path):
    for name in ("somebody's", "vit-demo-other"):
        (tmp_path / name).mkdir()
    serve.own_folder(tmp_path)
    assert {"somebody's", "vit-demo-other"} < {path.name for path in tmp_path.iterdir()}
