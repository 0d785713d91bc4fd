"""The same questions from a terminal: `python -m vit_demo models | predict | attention | relevance | …`, and what else
there is to run: `serve | convert | train | bench | load`."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vit_demo.api.commands import add_commands, run
from vit_demo.api.questions import QUESTIONS
from vit_demo.contract import DemoError
from vit_demo.text import LANGUAGES

if TYPE_CHECKING:
    from vit_demo.explain import Explainer

MARKS = {"on_disk": "on disk", "downloadable": "download", "out_of_reach": "out of reach", "unknown": "not asked"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. 0; 1 where some of several pictures could not be used, each named on standard error; 2 after a
    sentence on standard error that says what to do."""
    _never_fail_to_print()
    options = _parser().parse_args(arguments)
    try:
        return getattr(options, "command", _ask)(options) or 0
    except DemoError as error:
        print(f"error: {error.say(options.language)}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of a pipe went away; it wants no more
        sys.stderr.close()
    return 0


def _never_fail_to_print() -> None:
    """A console that lacks a letter (cp1252, cp437 …) shows an escape for it, instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _print_json(result: object) -> None:
    """JSON that is valid in every encoding: letters that this console lacks are escaped as JSON escapes them."""
    text = json.dumps(result, ensure_ascii=False, indent=2)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(result, indent=2)
    print(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vit_demo", description=__doc__.split(":")[0] + ".")
    parser.add_argument("--language", choices=LANGUAGES, default="en", help="of messages")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    models = commands.add_parser("models", help="list the models on offer and what is on disk")
    models.add_argument("--json", action="store_true")
    models.add_argument("--no-hub", action="store_true", help="do not ask whether the Hub can be reached")
    models.set_defaults(command=_models)

    add_commands(commands)

    _add_serve(commands)

    convert = commands.add_parser("convert", help="convert the weights that come without a download, once")
    convert.set_defaults(command=_convert)

    train = commands.add_parser("train", help="train this project's own models of digits, or go on with a training")
    train.add_argument("what", choices=("digits", "dino-digits"))
    train.add_argument("--folder", type=Path, help="where an unfinished run is kept; build/train-WHAT otherwise")
    train.add_argument("--device", default="cpu", help="cpu, cuda …")
    train.add_argument("--threads", type=int, default=2, help="of the CPU; 1 is quicker on a machine that is busy")
    train.set_defaults(command=_train)

    bench = commands.add_parser("bench", help="measure against timm and transformers, interleaved in one run")
    bench.add_argument("--json", action="store_true")
    bench.add_argument("--rounds", type=int, default=12)
    bench.add_argument("--page", action="store_true", help="only what a visitor of the page waits for, in Chromium")
    bench.add_argument("--gpu", action="store_true", help="only a GPU: precisions, passes, views, many requests")
    bench.add_argument("--growth", type=Path, metavar="FOLDER", help="only how cost grows: writes growth.md and .webp")
    bench.set_defaults(command=_bench)

    load = commands.add_parser("load", help="a class of students on one server: how long they wait, what it needs")
    load.add_argument("--students", type=int, default=30)
    load.add_argument("--rounds", type=int, default=3, help="classes, one after the other")
    load.add_argument("--model", default="", help="of the catalogue; the page's default otherwise")
    load.add_argument("--random", default="", metavar="ARCHITECTURE", help="timm's, with random weights, instead")
    load.add_argument("--json", action="store_true")
    load.add_argument("--class", dest="follow", action="store_true", help="students' pages follow a teacher's instead")
    load.set_defaults(command=_load)
    return parser


def _add_serve(commands) -> None:
    serve = commands.add_parser("serve", help="the page, its endpoints, /health and /metrics")
    serve.add_argument("--host", help="127.0.0.1, or 0.0.0.0 for all who can reach this machine; GRADIO_SERVER_NAME")
    serve.add_argument("--port", type=int, help="7860, or the next that is free; GRADIO_SERVER_PORT")
    serve.add_argument("--root-path", help="where a proxy puts the page, as /vit; GRADIO_ROOT_PATH")
    serve.add_argument("--model", help="the one that the page opens with; VIT_DEMO_MODEL")
    serve.add_argument("--models", nargs="+", help="those it offers; VIT_DEMO_MODELS, separated by commas")
    serve.add_argument(
        "--any-model", action="store_true", help="any Hub id, folder or file may be typed: not in public"
    )
    serve.add_argument("--offline", action="store_true", help="ask nobody: what is on this machine; HF_HUB_OFFLINE")
    serve.add_argument("--auth", help="NAME:PASSWORD; VIT_DEMO_AUTH keeps it out of the list of processes")
    serve.add_argument("--max-visitors", type=int, help="at a time; VIT_DEMO_MAX_VISITORS")
    serve.add_argument("--memory-gb", type=float, help="of the whole process; VIT_DEMO_MEMORY_GB")
    serve.add_argument("--device", help="auto, cpu, cuda, cuda:1, mps; VIT_DEMO_DEVICE")
    serve.add_argument("--cluster", help="the address of a Ray cluster whose replicas answer; auto; VIT_DEMO_CLUSTER")
    serve.add_argument(
        "--classroom", action="store_true", help="students' pages follow the teacher's: prints addresses and a QR code"
    )
    serve.set_defaults(command=_serve)

    replicas = commands.add_parser("replicas", help="Explainers on a Ray cluster, for `serve --cluster`")
    replicas.add_argument("--cluster", default="auto", help="its address; auto: the one on this machine")
    replicas.add_argument("--least", type=int, default=1)
    replicas.add_argument("--most", type=int, default=4)
    replicas.add_argument("--cpus", type=float, default=2, help="that each is given")
    replicas.add_argument("--gpus", type=float, default=0, help="that each is given")
    replicas.set_defaults(command=_replicas)


def _serve(options: argparse.Namespace) -> None:
    """The options win over the variables of the same meaning, which are set for what reads them when it is imported."""
    host = options.host or ("0.0.0.0" if options.classroom and "GRADIO_SERVER_NAME" not in os.environ else None)
    variables = {
        "GRADIO_SERVER_NAME": host,
        "GRADIO_SERVER_PORT": options.port,
        "GRADIO_ROOT_PATH": options.root_path,
        "HF_HUB_OFFLINE": "1" if options.offline else None,
        "VIT_DEMO_MODEL": options.model,
        "VIT_DEMO_MODELS": ",".join(options.models) if options.models else None,
        "VIT_DEMO_ANY_MODEL": "1" if options.any_model else None,
        "VIT_DEMO_AUTH": options.auth,
        "VIT_DEMO_MAX_VISITORS": options.max_visitors,
        "VIT_DEMO_MEMORY_GB": options.memory_gb,
        "VIT_DEMO_DEVICE": options.device,
        "VIT_DEMO_CLUSTER": options.cluster,
    }
    os.environ.update({name: str(value) for name, value in variables.items() if value is not None})
    from vit_demo.classroom import Room
    from vit_demo.files import prepare_process
    from vit_demo.starting import starting_page

    folder = prepare_process()
    name = os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1"
    starting = starting_page(name, os.environ.get("GRADIO_SERVER_PORT"))
    from vit_demo.serve import Settings, build, load_behind, serve

    try:
        settings = Settings.of_environment()
    except ValueError as error:
        raise DemoError("page.bad_setting", what=str(error)) from None
    if options.classroom and settings.auth:
        raise DemoError("guide.no_password")
    room = Room.of_text(os.environ.get("VIT_DEMO_ROOM", "")) if options.classroom else None
    demo, explainer = build(settings, room)
    load_behind(explainer)
    serve(demo, explainer, folder, room, starting, auth=settings.auth)


def _replicas(options: argparse.Namespace) -> None:
    """What each replica is told comes from the VIT_DEMO_ variables, as for a server."""
    from vit_demo import cluster
    from vit_demo.serve import Settings

    cluster.connect(options.cluster)
    cluster.deploy(Settings.of_environment().explainer, options.least, options.most, options.cpus, options.gpus)
    print(f"{options.least} to {options.most} replicas; `vit-demo serve --cluster {options.cluster}` asks them")


def _explainer(device: str = "auto") -> Explainer:
    from vit_demo.explain import Explainer

    return Explainer(device)


def _models(options: argparse.Namespace) -> None:
    explainer = _explainer()
    if not options.no_hub:
        explainer.look_for_hub()
    if options.json:
        _print_json(QUESTIONS["models"](explainer).numbers)
        return
    statuses = explainer.statuses()
    for status in statuses:
        card = status.card
        kind = "classes" if card.has_head else "features"
        size = f"{card.download_bytes / 1e6:5.0f} MB"
        side = card.native_size[0]
        print(f"{MARKS[status.availability]:<13}{size}  {kind:<9}{side:>4} px  {card.id}  [{card.licence}]")


def _ask(options: argparse.Namespace) -> int:
    """A question about pictures or a model."""
    return run(_explainer(options.device), options, partial(print, file=sys.stderr), print, _print_json)


def _convert(options: argparse.Namespace) -> None:
    from vit_demo.checkpoints import embedded

    print(f"embedded weights: {embedded.ensure()}")


def _train(options: argparse.Namespace) -> None:
    import torch

    from vit_demo.training import command

    torch.set_num_threads(max(1, options.threads))
    folder = options.folder or Path("build") / f"train-{options.what}"
    run = {"digits": command.train_digits, "dino-digits": command.train_dino_digits}[options.what]
    record = run(folder, device=options.device, progress=_bar, finished=_epoch_line)
    what = "accuracy" if options.what == "digits" else "knn_accuracy"
    print(f"{100 * record[what]:.2f} % of {record['held_out']} held-out digits ({what}); written to vit_demo/assets")


def _bar(epoch: int, step: int, steps: int, loss: float) -> None:
    done = round(30 * step / steps)
    print(f"\repoch {epoch:3} [{'#' * done}{'.' * (30 - done)}] {step}/{steps}  loss {loss:.3f}", end="", flush=True)


def _epoch_line(report) -> None:
    numbers = ", ".join(f"{k} {v:.4g}" for k, v in report.__dict__.items() if isinstance(v, float))
    print(f"\repoch {report.epoch:3}: {numbers}".ljust(80))


def _bench(options: argparse.Namespace) -> None:
    from vit_demo.benchmark import benchmark, benchmark_page
    from vit_demo.benchmark.page import RUNS

    if options.growth:
        from vit_demo.benchmark.growth_report import write_growth

        print(*write_growth(options.growth), sep="\n")
        return
    if options.gpu:
        from vit_demo.benchmark.gpu import measure_gpu, print_gpu

        found = measure_gpu()
        print(json.dumps(found, indent=2)) if options.json else print_gpu(found)
        return
    if options.page:
        benchmark_page(RUNS, options.json)
        return
    benchmark(rounds=max(1, options.rounds), as_json=options.json)


def _load(options: argparse.Namespace) -> int:
    from vit_demo.benchmark.load import measure_load, print_load

    if options.follow:
        from vit_demo.benchmark.classroom import measure_class, print_class

        print_class(measure_class(max(1, options.students), options.model), options.json)
        return 0
    students, rounds = max(1, options.students), max(1, options.rounds)
    figures = measure_load(students, rounds, model=options.model, random=options.random)
    print_load(figures, options.json)
    return 1 if figures.failed else 0
