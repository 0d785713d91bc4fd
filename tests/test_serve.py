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
from gradio_client import Client
from gradio_client.exceptions import AppError

from vit_demo import files
from vit_demo.benchmark.server import APP, running
from vit_demo.benchmark.visitor import Refused, Visitor, run

posix = pytest.mark.skipif(os.name != "posix", reason="signals and file locks of POSIX")
# A server whose one listener takes two seconds; it notes when that begins and ends.
SERVER = """
    import sys, time
    from pathlib import Path
    import gradio as gr
    from vit_demo.explain import Explainer
    from vit_demo.files import own_folder
    from vit_demo.serve import serve

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
        gr.Button().click(lambda: explainer.compute(slow), None, None, api_name="slow")

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
        from vit_demo.files import own_folder
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
        own = files.own_folder(tmp_path)
        assert len(list(tmp_path.glob("*/upload.jpg"))) == 1  # the other server's
        assert own.is_dir()
    finally:
        for process in (killed, living):
            process.kill()
            process.wait()


def test_other_folders_are_left_alone(tmp_path):
    for name in ("somebody's", "vit-demo-other"):
        (tmp_path / name).mkdir()
    files.own_folder(tmp_path)
    assert {"somebody's", "vit-demo-other"} < {path.name for path in tmp_path.iterdir()}


# ------------------------------------------------------------------------------------------- what a server is told


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    told = {
        "VIT_DEMO_MODEL": "vit-demo/digits",
        "VIT_DEMO_MODELS": "vit-demo/digits, vit-demo/dino-digits",
        "VIT_DEMO_MAX_VISITORS": "2",
        "VIT_DEMO_MEMORY_GB": "2.5",
    }
    with running(APP, tmp_path_factory.mktemp("app"), told) as (address, _):
        yield address


def test_health_says_ready_only_when_the_first_model_answers(tmp_path):
    with running(APP, tmp_path, {"VIT_DEMO_MODEL": "vit-demo/digits"}) as (url, _):
        codes, end = [], time.monotonic() + 60
        while 200 not in codes and time.monotonic() < end:
            codes.append(get(f"{url}health")[0])
            time.sleep(0.1)
        assert set(codes) == {200, 503}
        assert codes[0] == 503  # the page answers before the model is there
        assert Client(url, verbose=False).predict("vit-demo/digits", api_name="/patch_filters")


def test_a_server_offers_the_models_that_it_was_told_and_no_others(url):
    client = Client(url, verbose=False)
    found = client.predict(api_name="/models")
    assert found["default"] == "vit-demo/digits"
    assert [one["id"] for one in found["models"]] == ["vit-demo/digits", "vit-demo/dino-digits"]
    with pytest.raises(AppError, match="not among the models offered"):
        client.predict("vit-demo/dinov2-small-saliency", api_name="/patch_filters")


def test_metrics_count_questions_and_seconds_and_nothing_of_anybody(url):
    client = Client(url, verbose=False)
    for _ in range(2):
        client.predict("vit-demo/digits", api_name="/patch_filters")
    status, text = get(f"{url}metrics")
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert status == 200
    assert float(lines['vit_demo_question_seconds_count{question="filters"}']) >= 2
    assert float(lines['vit_demo_answers_kept_total{question="filters"}']) >= 1
    assert float(lines['vit_demo_kept_bytes{kind="models"}']) > 500_000
    assert float(lines["vit_demo_memory_bytes"]) > 100e6
    assert float(lines["vit_demo_ready"]) == 1


def test_beyond_so_many_visitors_one_is_asked_to_come_back(url):
    async def visit() -> list[str]:
        said = []
        async with Visitor(url) as one, Visitor(url) as two, Visitor(url) as three:
            for visitor in (one, two, three):
                try:
                    await visitor.open("predict")
                    said.append("")
                except Refused as refused:
                    said.append(str(refused))
        return said

    first, second, third = run(visit())
    assert (first, second) == ("", "")
    assert "has its 2 visitors already" in third


def test_settings_come_from_the_environment(monkeypatch):
    from vit_demo.serve import Settings

    assert Settings.of_environment() == Settings()
    monkeypatch.setenv("VIT_DEMO_MODELS", "a/b, c/d")
    monkeypatch.setenv("VIT_DEMO_AUTH", "class:with:colon")
    monkeypatch.setenv("VIT_DEMO_MEMORY_GB", "1.5")
    told = Settings.of_environment()
    assert (told.models, told.auth, told.memory_gb) == (("a/b", "c/d"), ("class", "with:colon"), 1.5)
    monkeypatch.setenv("VIT_DEMO_AUTH", "secret")  # an open server would be started without a word
    with pytest.raises(ValueError, match="name:password"):
        Settings.of_environment()
    monkeypatch.setenv("VIT_DEMO_AUTH", "")
    monkeypatch.setenv("VIT_DEMO_MAX_VISITORS", "many")
    with pytest.raises(ValueError, match="many"):
        Settings.of_environment()


def test_a_page_that_offers_what_is_not_on_disk_opens_on_the_first_that_is_offered():
    from vit_demo.checkpoints.offers import Offers

    only = ("timm/vit_base_patch8_224.dino", "timm/vit_large_patch16_dinov3.lvd1689m")
    assert Offers(lambda: False, only=only).default_model() in only
    first = Offers(lambda: False, first=only[1], only=(*only, "vit-demo/digits"))
    assert first.default_model() == only[1]
    assert first.default_model(download=False) == "vit-demo/digits"  # where it cannot be had


def test_a_password_is_asked_of_everybody_also_of_agents(tmp_path):
    told = {"VIT_DEMO_MODEL": "vit-demo/digits", "VIT_DEMO_AUTH": "class:secret"}
    with running(APP, tmp_path / "files", told) as (url, _):
        assert get(f"{url}gradio_api/info")[0] == 401
        assert get(f"{url}gradio_api/mcp/")[0] in (401, 404)
        assert get(f"{url}gradio_api/mcp/schema")[0] in (401, 404)
        assert Client(url, verbose=False, auth=("class", "secret")).predict(api_name="/models")["models"]


@pytest.mark.parametrize("told", [{"model": "/etc"}, {"models": ("vit-demo/digits", "somebody/else")}])
def test_a_server_that_is_told_of_an_unknown_model_says_so_and_does_not_start(told):
    from vit_demo.contract import DemoError
    from vit_demo.serve import Settings, build

    with pytest.raises(DemoError) as caught:
        build(Settings(**told))
    assert caught.value.key == "page.not_in_catalogue"


def test_a_setting_that_is_no_number_ends_the_terminals_command_in_a_sentence(monkeypatch, capsys):
    from vit_demo.cli import main

    monkeypatch.setenv("VIT_DEMO_MAX_VISITORS", "many")
    for name in ("GRADIO_TEMP_DIR", "GRADIO_SERVER_PORT", "GRADIO_ANALYTICS_ENABLED"):
        monkeypatch.setenv(name, "")  # restored afterwards: the command sets them
    assert main(["serve", "--port", "1"]) == 2
    assert "no number" in capsys.readouterr().err


MOUNTED = """
    import sys
    import fastapi, uvicorn
    import vit_demo

    site = fastapi.FastAPI()

    @site.get("/")
    def home():
        return {"site": "of somebody else"}

    site = vit_demo.mount(site, "/lab/vit", vit_demo.Settings(model="vit-demo/digits"))
    uvicorn.run(site, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
"""


def test_the_page_works_under_a_path_of_another_site(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {**os.environ, "GRADIO_TEMP_DIR": str(tmp_path), "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    program = [sys.executable, "-c", textwrap.dedent(MOUNTED), str(port)]
    process = subprocess.Popen(program, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=env)
    url = f"http://127.0.0.1:{port}/"
    try:
        until(lambda: asked(urllib.request.Request(url)), process)
        assert "of somebody else" in get(url)[1]

        async def visit() -> str:
            async with Visitor(f"{url}lab/vit/") as visitor:
                await visitor.open("predict")  # fetches every file that a view names
                await visitor.upload((APP.parent / "examples" / "cat.jpg").read_bytes(), "cat.jpg")
                return visitor.values[visitor.named["vd-predict"]]

        assert "<figure>" in run(visit())
        assert get(f"{url}lab/vit/health")[0] == 200
        with pytest.raises(urllib.error.HTTPError) as refused:  # the camera's route stands there too, for pages alone
            urllib.request.urlopen(f"{url}lab/vit/live?model=vit-demo/digits", data=b"")
        assert refused.value.code == 403
    finally:
        process.terminate()
        process.wait(30)


def test_a_first_model_that_cannot_be_had_is_tried_again(monkeypatch):
    from vit_demo import serve

    tried = []

    class Explainer:
        def look_for_hub(self):
            return False

        def warm_up(self):
            tried.append(1)
            if len(tried) < 3:
                raise OSError("the network is not up yet")
            return "a model"

        def prepare_views(self, model):
            tried.append(model)

    monkeypatch.setattr(serve, "TRY_AGAIN_S", 0.01)
    monkeypatch.setattr(serve, "SETTLE_S", 0)
    serve.load(Explainer())
    assert tried == [1, 1, 1, "a model"]
