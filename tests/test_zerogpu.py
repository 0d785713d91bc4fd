"""The app as ZeroGPU runs it: `spaces.GPU` sends a question's function and values to another process and its answer
back. The package itself asks for its infrastructure, so its documented contract stands in: a forked process that is
used again, everything pickled, at most so many seconds."""

from __future__ import annotations

import os
import textwrap

import pytest
from gradio_client import Client, handle_file

from vit_demo.benchmark.load import photograph
from vit_demo.benchmark.server import APP, running
from vit_demo.benchmark.visitor import Visitor, run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="ZeroGPU forks"),
]
SPACES = '''
    """As spaces 0.51: zero/wrappers.py forks a worker, and uses it again while it is idle."""
    import functools, multiprocessing, os, pathlib, pickle, threading

    NOTES = pathlib.Path(os.environ["FAKE_SPACES_NOTES"])
    lock, workers = threading.Lock(), {}
    fork = multiprocessing.get_context("fork")

    def gradio_auto_wrap(function):  # gradio hands every listener to it
        return function

    def _serve(function, pipe):
        while True:
            args = pickle.loads(pipe.recv_bytes())
            try:
                answer = (True, function(*args))
            except Exception as error:
                answer = (False, error)
            pipe.send_bytes(pickle.dumps(answer))

    def GPU(function=None, duration=60):
        if function is None:
            return functools.partial(GPU, duration=duration)
        assert duration <= 30
        def call(*args):
            with lock:
                sent = pickle.dumps(args)
                if function not in workers:
                    here, there = multiprocessing.Pipe()
                    fork.Process(target=_serve, args=(function, there), daemon=True).start()
                    workers[function] = here
                with NOTES.open("a") as notes:
                    notes.write(f"{len(sent)} bytes\\n")
                workers[function].send_bytes(sent)
                assert workers[function].poll(120), "the worker does not answer"
                fine, answer = pickle.loads(workers[function].recv_bytes())
            if not fine:
                raise answer
            return answer
        return call
'''


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zerogpu")
    (folder / "spaces.py").write_text(textwrap.dedent(SPACES))
    told = {
        "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]),
        "FAKE_SPACES_NOTES": str(folder / "notes"),
        "SPACES_ZERO_GPU": "true",
        "SPACE_ID": "somebody/vit",
        "SYSTEM": "spaces",
        "VIT_DEMO_DEVICE": "cpu",
        "VIT_DEMO_MODEL": "vit-demo/digits",
        "VIT_DEMO_MODELS": "vit-demo/digits,vit-demo/dino-digits",
    }
    with running(APP, folder / "files", told) as (url, _):
        yield url, folder / "notes"


def test_a_visitor_sees_views_that_were_computed_in_the_other_process(app):
    url, notes = app

    async def visit() -> list[str]:
        async with Visitor(url) as visitor:
            await visitor.open("predict")
            await visitor.upload(photograph(5), "photograph.jpg")
            for tab in ("attention", "relevance", "depth", "embeddings", "features"):
                await visitor.open_tab(tab)
            return [visitor.values[visitor.named["vd-predict"]], visitor.values[visitor.named["vd-status"]]]

    predicted, status = run(visit())
    assert "<figure>" in predicted
    assert "Digits" in status
    assert len(notes.read_text().splitlines()) >= 6


def test_a_program_is_answered_and_refused_as_elsewhere(app):
    url, _ = app
    client = Client(url, verbose=False)
    dog = handle_file(str(APP.parent / "examples" / "dog.jpg"))
    assert len(client.predict(dog, top=2, api_name="/predict")["labels"]) == 2
    with pytest.raises(Exception, match="no layer 9"):
        client.predict(dog, layer=9, api_name="/attention")


def test_what_is_asked_for_the_gpu_is_short():
    from vit_demo.hardware import GPU_SECONDS

    assert GPU_SECONDS <= 30
