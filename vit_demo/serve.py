"""A server's life: what it is told, what it tells of itself, and an end that loses nothing and leaves nothing."""

from __future__ import annotations

import importlib.util
import logging
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vit_demo import classroom
from vit_demo.api.endpoints import add_endpoints
from vit_demo.contract import DemoError
from vit_demo.explain import Explainer
from vit_demo.gallery import read_gallery
from vit_demo.memory import Limits
from vit_demo.starting import StartingPage
from vit_demo.ui.blocks import PageBlocks
from vit_demo.ui.build import build_demo
from vit_demo.ui.launch import launch_arguments, mount_arguments

if TYPE_CHECKING:
    import fastapi
    import gradio as gr
    from starlette.routing import Route

DRAIN_S = 20  # for questions under way when the server is told to end
LOAD_AFTER_S = 2.5  # a first visitor's page comes before the import of torch, which would keep it from being answered
TRY_AGAIN_S = 30
SETTLE_S = 4  # a first visitor's first view comes before what later views share
log = logging.getLogger("vit_demo")


@dataclass(frozen=True)
class Settings:
    """What a server is told. `model` is the one that the page opens with, `models` those it offers; "" and () for what
    is usual. `any_model` lets any Hub id, folder or file be typed: for one's own machine. `memory_gb` is the budget of
    the whole process, None for 3 GB or what the machine allows. `auth` is (name, password). `cluster` is the address of
    a Ray cluster whose replicas answer instead of this process."""

    device: str = "auto"
    model: str = ""
    models: tuple[str, ...] = ()
    any_model: bool = False
    memory_gb: float | None = None
    most_visitors: int | None = None
    auth: tuple[str, str] | None = None
    cluster: str = ""

    @classmethod
    def of_environment(cls) -> Settings:
        """The variables VIT_DEMO_DEVICE, _MODEL, _MODELS (separated by commas), _ANY_MODEL (1), _MEMORY_GB,
        _MAX_VISITORS, _CLUSTER, and _AUTH (name:password). ValueError for what is no number."""

        def read(name: str) -> str:
            return os.environ.get(f"VIT_DEMO_{name}", "").strip()

        name, colon, password = read("AUTH").partition(":")
        if read("AUTH") and not (name and colon and password):
            raise ValueError("VIT_DEMO_AUTH is not name:password")
        return cls(
            device=read("DEVICE") or "auto",
            model=read("MODEL"),
            models=tuple(one.strip() for one in read("MODELS").split(",") if one.strip()),
            any_model=read("ANY_MODEL") == "1",
            memory_gb=float(read("MEMORY_GB")) if read("MEMORY_GB") else None,
            most_visitors=int(read("MAX_VISITORS")) if read("MAX_VISITORS") else None,
            auth=(name, password) if colon else None,
            cluster=read("CLUSTER"),
        )

    @property
    def explainer(self) -> dict[str, Any]:
        """What an Explainer is made with."""
        budget = None if self.memory_gb is None else int(self.memory_gb * 1e9)
        return {
            "device": self.device,
            "any_model": self.any_model,
            "limits": Limits.of_machine(budget),
            "first": self.model,
            "only": self.models,
        }


def build(settings: Settings, room: classroom.Room | None = None) -> tuple[PageBlocks, Explainer]:
    """The page with its endpoints, and the Explainer behind it. Nothing is loaded yet. In a `room`, pages can follow a
    teacher's. Raises DemoError for models that the catalogue does not have."""
    examples = read_gallery()
    if settings.cluster:
        from vit_demo import cluster

        cluster.connect(settings.cluster)
        explainer: Explainer = cluster.ClusterExplainer(**settings.explainer, examples=examples)
    else:
        explainer = Explainer(**settings.explainer, examples=examples)
    offered = [status.card.id for status in explainer.statuses()]
    if unknown := [model for model in (settings.model, *settings.models) if model and model not in offered]:
        raise DemoError("page.not_in_catalogue", name=unknown[0])
    demo = build_demo(explainer, examples, settings.any_model, settings.most_visitors, room)
    add_endpoints(demo, explainer)
    return demo, explainer


def load(explainer: Explainer) -> None:
    """What happens behind a page that stands: ask for the Hub, load the first model, compute what views share. A
    visitor hears of what fails here."""
    while True:
        try:
            explainer.look_for_hub()
            model = explainer.warm_up()
            break
        except Exception as error:
            log.warning("the first model is not ready, and is tried again: %s", error)
            time.sleep(TRY_AGAIN_S)
    time.sleep(SETTLE_S)
    explainer.prepare_views(model)


def load_behind(explainer: Explainer) -> None:
    """`load`, in a thread of its own, a moment later."""
    waiting = threading.Timer(LOAD_AFTER_S, load, (explainer,))
    waiting.daemon = True
    waiting.start()


def serve(
    demo: gr.Blocks,
    explainer: Explainer,
    folder: Path | None = None,
    room: classroom.Room | None = None,
    starting: StartingPage | None = None,
    **launch: Any,
) -> None:
    """Runs the page until the process is told to end (SIGINT, SIGTERM): then no new questions are taken, those under
    way are answered, `folder` is removed, and the process ends. A second signal ends it at once. A `room`'s addresses
    are printed. What held the port while the app was `starting` leaves it. `launch` are arguments of gradio's launch
    besides those of ui/launch.py."""
    ending = threading.Event()

    def end(number, frame) -> None:
        if ending.is_set():
            _end_process(folder, 1)
        ending.set()

    arguments = {
        **launch_arguments(),
        "mcp_server": _has_mcp() and not launch.get("auth"),
        "app_kwargs": {"routes": [*reports(explainer), *(classroom.routes(room) if room else ())]},
        **launch,
    }
    if starting is not None:
        starting.close()
        arguments["server_port"] = starting.port
    demo.launch(prevent_thread_lock=True, **arguments)
    if room is not None:
        host = arguments.get("server_name") or os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0")
        print_room(room, demo.server_port, host, os.environ.get("GRADIO_ROOT_PATH", ""))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    while not ending.wait(0.5):  # with a time-out, so that the signal is heard on every system
        pass
    explainer.close(DRAIN_S)
    demo.close(verbose=False)
    _end_process(folder, 0)


def mount(app: fastapi.FastAPI, path: str = "/vit", settings: Settings | None = None) -> fastapi.FastAPI:
    """Puts the page under a path of a site of yours: `vit_demo.mount(app, "/vit")`. The first model loads behind it.
    `settings` None: as the environment says."""
    import gradio as gr

    settings = settings or Settings.of_environment()
    demo, explainer = build(settings)
    # before the page, which answers everything below its path
    app.router.routes += [*reports(explainer, path), *demo.routes(path)]
    load_behind(explainer)
    return gr.mount_gradio_app(
        app, demo, path, auth=settings.auth, mcp_server=_has_mcp() and not settings.auth, **mount_arguments(demo)
    )


def _has_mcp() -> bool:
    """Whether the questions can be offered as tools for agents: the extra vit-demo[mcp] is installed. Not beside a
    password: gradio does not ask agents for it."""
    return importlib.util.find_spec("mcp") is not None


def print_room(room: classroom.Room, port: int, host: str = "0.0.0.0", root_path: str = "") -> None:
    """The addresses of a room, for the terminal: the students' with its QR code, and the teacher's own."""
    reached = classroom.lan_address() if host in ("0.0.0.0", "::", "") else host
    found = classroom.addresses(room, reached, port, root_path)
    room.address = found.students
    drawn = classroom.qr_terminal(found.students)
    lines = [
        "",
        f"Students open   {found.students}   (room {room.code})",
        drawn or "pip install segno prints a QR code of it here.",
        f"Teacher opens   {found.teacher}   (keep this address to yourself)",
        "",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


# -------------------------------------------------------------------------------------------------------------- reports


def reports(explainer: Explainer, path: str = "") -> list[Route]:
    """The routes `/health`, 200 once the first model answers and 503 before, and where prometheus-client is installed
    `/metrics`, for a web application of Starlette or FastAPI."""
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    def health(request) -> Response:
        ready = explainer.is_ready
        return PlainTextResponse("ready\n" if ready else "loading\n", 200 if ready else 503)

    routes = [Route(f"{path}/health", health)]
    if importlib.util.find_spec("prometheus_client") is not None:
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.exposition import CONTENT_TYPE_LATEST

        registry = CollectorRegistry()
        registry.register(_Collector(explainer))

        def metrics(request) -> Response:
            return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

        routes.append(Route(f"{path}/metrics", metrics))
    return routes


class _Collector:
    """The Explainer's figures as Prometheus wants them, read when they are asked for."""

    def __init__(self, explainer: Explainer):
        self._explainer = explainer

    def collect(self):
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily

        figures = self._explainer.figures()
        seconds = SummaryMetricFamily("vit_demo_question_seconds", "From asking to the answer", labels=["question"])
        kept = CounterMetricFamily("vit_demo_answers_kept", "Answers that were there already", labels=["question"])
        failed = CounterMetricFamily("vit_demo_questions_failed", "Questions without an answer", labels=["question"])
        for name, one in figures.questions.items():
            seconds.add_metric([name], one.asked, one.seconds)
            kept.add_metric([name], one.kept)
            failed.add_metric([name], one.failed)
        held = GaugeMetricFamily("vit_demo_kept_bytes", "Bytes kept, by what they are", labels=["kind"])
        for kind, count in figures.kept_bytes.items():
            held.add_metric([kind], count)
        yield from (seconds, kept, failed, held)
        yield GaugeMetricFamily("vit_demo_waiting", "Questions that wait for a place", value=figures.waiting)
        yield GaugeMetricFamily("vit_demo_ready", "1 once the first model answers", value=self._explainer.is_ready)
        if figures.memory_bytes is not None:
            yield GaugeMetricFamily("vit_demo_memory_bytes", "Resident memory", value=figures.memory_bytes)


# -------------------------------------------------------------------------------------------------------------- the end


def _end_process(folder: Path | None, status: int) -> None:
    """Ends the process here and now: threads that still compute would make torch's libraries abort it."""
    for child in multiprocessing.active_children():  # ZeroGPU's workers, which nobody else would end
        child.kill()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    logging.shutdown()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
