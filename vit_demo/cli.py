"""The same questions from a terminal: `python -m vit_demo models | predict | attention | convert | train | bench |
load`."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vit_demo.contract import DemoError, Neighbours, PictureError, Prediction, SizeChoice, TokenQuery
from vit_demo.text import LANGUAGES, say

if TYPE_CHECKING:
    import numpy as np

    from vit_demo.explain import Explainer

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
MARKS = {"on_disk": "on disk", "downloadable": "download", "out_of_reach": "out of reach", "unknown": "not asked"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. 0; 1 where some of several pictures could not be used, each named on standard error; 2 after a
    sentence on standard error that says what to do."""
    _never_fail_to_print()
    options = _parser().parse_args(arguments)
    try:
        return options.command(options) or 0
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

    predict = commands.add_parser("predict", help="most probable classes, or the closest examples")
    _picture_options(predict, several=True)
    predict.add_argument("--top", type=int, default=5)
    predict.set_defaults(command=_predict)

    attention = commands.add_parser("attention", help="where a token looks: numbers, or a picture of all heads")
    _picture_options(attention, several=False)
    attention.add_argument("--layer", type=int, default=0, help="from 1, or from the end: -1; the last by default")
    attention.add_argument("--token", default="cls", help="cls, dist, reg1 … or row,col of a patch from 1")
    attention.add_argument("--out", type=Path, help="write a PNG: the picture and every head, one scale")
    attention.set_defaults(command=_attention)

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
    bench.set_defaults(command=_bench)

    load = commands.add_parser("load", help="a class of students on one server: how long they wait, what it needs")
    load.add_argument("--students", type=int, default=30)
    load.add_argument("--rounds", type=int, default=3, help="classes, one after the other")
    load.add_argument("--model", default="", help="of the catalogue; the page's default otherwise")
    load.add_argument("--json", action="store_true")
    load.set_defaults(command=_load)
    return parser


def _picture_options(parser: argparse.ArgumentParser, several: bool) -> None:
    what = "picture files, or folders of them" if several else "a picture file"
    parser.add_argument("picture", type=Path, nargs="+" if several else None, help=what)
    parser.add_argument("--model", help="a catalogue or Hub id, a folder or a file; the page's default otherwise")
    parser.add_argument("--size", type=int, help="shortest side in pixels; the model's own otherwise")
    parser.add_argument("--keep-shape", action="store_true", help="do not crop to the model's own shape")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--device", default=os.environ.get("VIT_DEMO_DEVICE", "auto"))


def _explainer(device: str = "auto") -> Explainer:
    from vit_demo.explain import Explainer

    return Explainer(device)


def _models(options: argparse.Namespace) -> None:
    explainer = _explainer()
    if not options.no_hub:
        explainer.look_for_hub()
    statuses = explainer.statuses()
    if options.json:
        rows = [
            {
                **status.card.__dict__,
                "why": say(status.card.why, options.language),
                "note": say(status.card.note, options.language) if status.card.note else "",
                "availability": status.availability,
                "reason": say(status.reason, options.language) if status.reason else "",
            }
            for status in statuses
        ]
        _print_json(rows)
        return
    for status in statuses:
        card = status.card
        kind = "classes" if card.has_head else "features"
        size = f"{card.download_bytes / 1e6:5.0f} MB"
        side = card.native_size[0]
        print(f"{MARKS[status.availability]:<13}{size}  {kind:<9}{side:>4} px  {card.id}  [{card.licence}]")


def _predict(options: argparse.Namespace) -> int:
    """Each picture's answer as soon as it is there. In a folder, one that cannot be used is named and passed over."""
    explainer = _explainer(options.device)
    model = options.model or explainer.default_model()
    pictures = _pictures(options.picture)
    rows, failed = [], 0
    for path in pictures:
        try:
            answer = explainer.predict(_read(path), model, _size(options), options.top)
        except PictureError as error:
            if len(pictures) == 1:
                raise
            failed += 1
            print(f"error: {path}: {error.say(options.language)}", file=sys.stderr)
            rows.append({"picture": str(path), "model": model, "error": error.say(options.language)})
            continue
        rows.append({"picture": str(path), "model": model, **_answer_dict(answer)})
        if not options.json:
            _print_answer(path, answer, several=len(pictures) > 1)
    if options.json:
        _print_json(rows if len(pictures) > 1 else rows[0])
    return 1 if failed else 0


def _print_answer(path: Path, answer: Prediction | Neighbours, several: bool) -> None:
    if several:
        print(f"{path}:")
    if isinstance(answer, Prediction):
        for label, probability in zip(answer.labels, answer.probabilities, strict=True):
            print(f"{100 * probability:6.2f} %  {label}")
        others = answer.num_classes - len(answer.labels)
        if answer.multi_label:
            print(f"each class has a probability of its own; {others} others are not shown")
        else:
            print(f"{100 * answer.rest:6.2f} %  {others} others")
        return
    print(f"no classifier; closest examples by the class token after layer {answer.layer + 1} (cosine):")
    for label, cosine in zip(answer.labels, answer.cosines, strict=True):
        print(f"{cosine:7.3f}  {label}")


def _answer_dict(answer: Prediction | Neighbours) -> dict:
    if isinstance(answer, Prediction):
        classes = [{"label": n, "probability": p} for n, p in zip(answer.labels, answer.probabilities, strict=True)]
        kind = {"multi_label": answer.multi_label, "rest": answer.rest}
        return {"classes": classes, **kind, "num_classes": answer.num_classes}
    closest = [
        {"picture": name, "label": label, "cosine": cosine}
        for name, label, cosine in zip(answer.names, answer.labels, answer.cosines, strict=True)
    ]
    return {"closest": closest, "votes": dict(answer.votes), "layer": answer.layer + 1, "centred": answer.centred}


def _attention(options: argparse.Namespace) -> None:
    explainer = _explainer(options.device)
    model = options.model or explainer.default_model()
    layer = options.layer if options.layer < 0 else options.layer - 1  # 0: the last
    query = TokenQuery.counted_from_one(options.token)  # as on the page
    maps = explainer.attention(_read(options.picture), model, _size(options), query, layer)
    if options.out:
        _write_sheet(maps, options.out)
        print(f"{options.out}: the picture, then heads 1 to {len(maps.maps)}; one scale, 0 to {maps.maps.max():.4f}")
        return
    grid = maps.info.grid
    if options.json:
        result = {
            "model": model,
            "layer": maps.layer + 1,
            "token": options.token,
            "grid": grid.shape,
            "prefix_tokens": grid.prefix_names,
            "prefix": maps.prefix.tolist(),
            "maps": maps.maps.tolist(),
        }
        _print_json(result)
        return
    print(f"layer {maps.layer + 1} of {maps.info.depth}, {grid.rows}×{grid.cols} patches of {grid.patch_px} px")
    for head, (values, prefix) in enumerate(zip(maps.maps, maps.prefix, strict=True), start=1):
        row, col = divmod(int(values.argmax()), grid.cols)
        shares = ", ".join(f"{n} {100 * p:.1f} %" for n, p in zip(grid.prefix_names, prefix, strict=True))
        print(f"head {head:2}: most on row {row + 1}, column {col + 1} ({100 * values.max():.2f} %); {shares}")


def _write_sheet(maps, path: Path) -> None:
    import numpy as np
    from PIL import Image

    from vit_demo.render.overlay import head_sheet

    sheet = head_sheet(maps.maps, (0.0, float(maps.maps.max())))
    height, width = maps.picture.shape[:2]
    shown = np.asarray(Image.fromarray(maps.picture).resize((round(width * sheet.shape[0] / height), sheet.shape[0])))
    try:
        Image.fromarray(np.hstack([shown, np.full((sheet.shape[0], 8, 3), 255, np.uint8), sheet])).save(path, "PNG")
    except OSError as error:
        raise DemoError("page.not_written", path=str(path), reason=error.strerror or "?") from None


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
    from vit_demo.benchmark import benchmark

    benchmark(rounds=max(1, options.rounds), as_json=options.json)


def _load(options: argparse.Namespace) -> int:
    from vit_demo.benchmark.load import measure_load, print_load

    figures = measure_load(max(1, options.students), max(1, options.rounds), model=options.model)
    print_load(figures, options.json)
    return 1 if figures.failed else 0


def _size(options: argparse.Namespace) -> SizeChoice:
    return SizeChoice(options.size, options.keep_shape)


def _pictures(paths: Sequence[Path]) -> list[Path]:
    """The files named, and the pictures in the folders named, in order."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES)
            if not inside:
                raise DemoError("page.empty_folder", path=str(path))
            found += inside
        else:
            found.append(path)
    return found


def _read(path: Path) -> np.ndarray:
    """The picture in a file, decoded as carefully as an upload."""
    from vit_demo.decode import decode_untrusted

    try:
        data = path.read_bytes()
    except OSError as error:
        raise PictureError("page.no_such_picture", path=str(path), reason=error.strerror or "?") from None
    return decode_untrusted(data)
