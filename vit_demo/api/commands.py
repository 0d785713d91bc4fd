"""The questions as commands of a terminal: made from their signatures and words, over one picture or a folder."""

from __future__ import annotations

import argparse
import inspect
import json
import os
import sys
import tempfile
import typing
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from vit_demo.api.questions import QUESTIONS, Result
from vit_demo.api.questions.base import Picture, Pictures
from vit_demo.api.values import optional
from vit_demo.contract import DemoError, ExplainerProtocol, PictureError
from vit_demo.decode import decode_untrusted

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
ALIASES = {"features_pca": ["features"], "position_similarity": ["embeddings"], "what_if": ["whatif"]}
OWN_LISTING = ("models",)  # has a command of its own
SHOWN = 5

Tell = Callable[[str], None]  # a line for the person at the terminal
Print = Callable[[object], None]  # JSON


def add_commands(commands: Any) -> None:
    """A command for every question, to argparse's subparsers."""
    for name, question in QUESTIONS.items():
        if name in OWN_LISTING:
            continue
        words, own = _words(question)
        parser = commands.add_parser(
            name, aliases=ALIASES.get(name, []), help=words.partition(";")[0].partition(":")[0]
        )
        parser.description = words
        hints = typing.get_type_hints(question)
        for parameter in list(inspect.signature(question).parameters.values())[1:]:
            _add_argument(parser, parameter, hints[parameter.name], own.get(parameter.name, ""))
        parser.add_argument("--json", action="store_true", help="print all numbers as JSON")
        parser.add_argument(
            "--out",
            type=Path,
            help="a folder for results, a file each; what is there is not computed again. A name that ends in .png "
            "takes the picture of one result",
        )
        parser.add_argument("--device", default=os.environ.get("VIT_DEMO_DEVICE", "auto"))
        parser.set_defaults(question=name)


def _add_argument(parser: argparse.ArgumentParser, parameter: inspect.Parameter, hint: Any, words: str) -> None:
    name, flag = parameter.name, "--" + parameter.name.replace("_", "-")
    default = parameter.default
    if name in ("picture", "pictures"):
        parser.add_argument(name, type=Path, nargs="+", help="picture files, or folders of them")
    elif hint is Picture:
        parser.add_argument(flag, type=Path, required=True, help=words or "another picture file")
    elif hint == Pictures or (typing.get_origin(hint) is list and default is inspect.Parameter.empty):
        kind = Path if hint == Pictures else str
        needed = default is inspect.Parameter.empty
        parser.add_argument(flag, type=kind, nargs="+", default=[], required=needed, help=words)
    elif hint is bool:
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=default, help=words)
    elif typing.get_origin(hint) is Literal:
        parser.add_argument(flag, choices=typing.get_args(hint), default=default, help=words)
    elif typing.get_origin(optional(hint)) is list:
        parser.add_argument(flag, nargs="+", default=default, help=words)
    else:
        names = [flag, "--size"] if name == "size_px" else [flag]
        parser.add_argument(*names, dest=name, type=optional(hint), default=default, help=words)


def _words(question: Callable) -> tuple[str, dict[str, str]]:
    """What a question says of itself, and of its parameters. Percent signs are argparse's own."""
    words, _, parameters = inspect.getdoc(question).partition("\n\nParameters:\n")  # type: ignore[union-attr]
    own: dict[str, str] = {}
    for line in parameters.splitlines():
        name, colon, rest = line.strip().partition(": ")
        if colon and line.startswith("    ") and not line.startswith("     "):
            own[name] = rest
        elif own:
            own[list(own)[-1]] += " " + line.strip()
    return " ".join(words.split()).replace("%", "%%"), {name: text.replace("%", "%%") for name, text in own.items()}


# ------------------------------------------------------------------------------------------------------------- running


def run(explainer: ExplainerProtocol, options: argparse.Namespace, tell: Tell, show: Tell, print_json: Print) -> int:
    """Asks one question of every picture named. `tell` gets what went wrong, `show` what is found. In a folder, a
    picture that cannot be used is named and passed over: 1 then, else 0."""
    question = QUESTIONS[options.question]
    values = {name: getattr(options, name) for name in list(inspect.signature(question).parameters)[1:]}
    if "model" in values:
        values["model"] = values["model"] or explainer.default_model()
    values = {name: _opened(value) for name, value in values.items() if name != "picture"}
    if "picture" not in inspect.signature(question).parameters:
        result = question(explainer, **values)
        written = _write(result, options.out, options.question, several=False) if options.out else []
        if options.json:
            print_json(result.numbers)
        else:
            _give(result, written, options, show)
        return 0
    pictures, rows, failed = pictures_of(options.picture), [], 0
    if options.out and len({path.name for path in pictures}) < len(pictures):
        raise DemoError("api.equal_names")
    asked = {name: str(getattr(options, name)) for name in values} | {"model": str(values.get("model", ""))}
    for number, path in enumerate(pictures, start=1):
        if len(pictures) > 1 and sys.stderr.isatty():
            print(f"\r{number}/{len(pictures)} {path.name}".ljust(70), end="", file=sys.stderr, flush=True)
        name = f"{path.name}.{options.question}"
        if options.out and (made := _made_before(options.out / f"{name}.json", path, asked)):
            rows.append(made)
            continue
        try:
            result = question(explainer, picture=read(path), **values)
        except PictureError as error:
            if len(pictures) == 1:
                raise
            failed += 1
            tell(f"error: {path}: {error.say(options.language)}")
            rows.append({"picture": str(path), "error": error.say(options.language)})
            continue
        row = {"picture": str(path), "asked": asked, **result.numbers}
        written = _write(result, options.out, name, len(pictures) > 1, row) if options.out else []
        rows.append(row)
        if not options.json:
            if len(pictures) > 1:
                show(f"{path}:")
            _give(result, written, options, show)
    if options.json:
        print_json(rows if len(pictures) > 1 else rows[0] if rows else {})
    return 1 if failed else 0


def _made_before(file: Path, picture: Path, asked: dict[str, str]) -> dict | None:
    """The result of the same question about the same picture, where that file holds it."""
    try:
        row = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    same = isinstance(row, dict) and (row.get("picture"), row.get("asked")) == (str(picture), asked)
    return row if same else None


def _opened(value: Any) -> Any:
    """Files among a command's values as pictures."""
    if isinstance(value, Path):
        return read(value)
    if isinstance(value, list) and value and isinstance(value[0], Path):
        return tuple(read(path) for path in pictures_of(value))
    return tuple(value) if value == [] else value


def _give(result: Result, written: list[Path], options: argparse.Namespace, show: Tell) -> None:
    for line in lines_of(options.question, result.numbers):
        show(line)
    for path in written:
        show(f"written: {path}")


def _write(result: Result, out: Path, name: str, several: bool, row: dict | None = None) -> list[Path]:
    """Writes a result, each file whole or not at all. DemoError where that is not possible."""
    try:
        if out.suffix.lower() == ".png" and not several:
            if result.picture is None:
                raise DemoError("api.no_picture", name=name.rpartition(".")[2])
            return [_put(out, _saves(result.picture))]
        out.mkdir(parents=True, exist_ok=True)
        written = []
        if result.picture is not None:
            written.append(_put(out / f"{name}.png", _saves(result.picture)))
        if result.arrays:
            written.append(_put(out / f"{name}.npz", lambda path: _save_arrays(path, result.arrays)))
        text = json.dumps(row or result.numbers, ensure_ascii=False, indent=1)
        written.append(_put(out / f"{name}.json", lambda path: path.write_text(text + "\n", encoding="utf-8")))
        return written
    except OSError as error:
        raise DemoError("page.not_written", path=str(out), reason=error.strerror or "?") from None


def _saves(picture: np.ndarray) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(picture).save(path, "PNG")


def _save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def _put(target: Path, write: Callable[[Path], object]) -> Path:
    handle, draft = tempfile.mkstemp(dir=target.parent, prefix=".")
    os.close(handle)
    try:
        write(Path(draft))
        os.chmod(draft, 0o644)
        os.replace(draft, target)
    except BaseException:
        os.unlink(draft)
        raise
    return target


# --------------------------------------------------------------------------------------------------------------- words


def lines_of(question: str, numbers: dict[str, Any]) -> Iterator[str]:
    """What a person reads of an answer's numbers; --json has all of them."""
    if question == "predict":
        yield from _prediction(numbers)
        return
    if question == "attention":
        yield from _attention(numbers)
        return
    for name, value in numbers.items():
        if name == "info":
            grid = "×".join(map(str, value["grid"]))
            yield f"{value['model']}: {value['layers']} layers, {value['heads']} heads, {grid} patches"
        elif isinstance(value, list):
            yield f"{name}: {_summary(value)}"
        elif not isinstance(value, dict):
            yield f"{name}: {value}"


def _prediction(numbers: dict[str, Any]) -> Iterator[str]:
    if "probabilities" not in numbers:
        yield f"no classifier; closest examples by the class token after layer {numbers['layer']} (cosine):"
        for label, cosine in zip(numbers["labels"], numbers["cosines"], strict=True):
            yield f"{cosine:7.3f}  {label}"
        return
    for label, probability in zip(numbers["labels"], numbers["probabilities"], strict=True):
        yield f"{100 * probability:6.2f} %  {label}"
    others = numbers["num_classes"] - len(numbers["labels"])
    if numbers["multi_label"]:
        yield f"each class has a probability of its own; {others} others are not shown"
    else:
        yield f"{100 * numbers['rest']:6.2f} %  {others} others"


def _attention(numbers: dict[str, Any]) -> Iterator[str]:
    info = numbers["info"]
    rows, cols = info["grid"]
    yield f"layer {numbers['layer']} of {info['layers']}, {rows}×{cols} patches of {info['patch_px']} px"
    for head, (values, prefix) in enumerate(zip(numbers["maps"], numbers["prefix"], strict=True), start=1):
        flat = np.asarray(values)
        row, col = divmod(int(flat.argmax()), cols)
        shares = ", ".join(f"{n} {100 * p:.1f} %" for n, p in zip(info["prefix_tokens"], prefix, strict=True))
        yield f"head {head:2}: most on row {row + 1}, column {col + 1} ({100 * flat.max():.2f} %); {shares}"


def _summary(value: list) -> str:
    """Short lists as they are; of long ones their shape and range."""
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        return ", ".join(str(one) for one in value[:SHOWN]) + (" …" if len(value) > SHOWN else "")
    if array.ndim == 1 and array.size <= 2 * SHOWN:
        return ", ".join(f"{one:.4g}" for one in array)
    shape = "×".join(map(str, array.shape))
    return f"{shape} numbers, {np.nanmin(array):.4g} … {np.nanmax(array):.4g}" if array.size else "none"


# ------------------------------------------------------------------------------------------------------------ pictures


def pictures_of(paths: Sequence[Path]) -> list[Path]:
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


def read(path: Path) -> np.ndarray:
    """The picture in a file, decoded as carefully as an upload."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PictureError("page.no_such_picture", path=str(path), reason=error.strerror or "?") from None
    return decode_untrusted(data)
