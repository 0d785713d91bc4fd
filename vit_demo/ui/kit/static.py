"""The browser's side of the page: modules that import one another, published as files, and one style sheet."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import quote

import gradio as gr
from gradio.utils import get_upload_folder

UI = Path(__file__).parents[1]
# The page's own rules weigh as much as Gradio's.
SCOPE = ".gradio-container.gradio-container.gradio-container"


def ui_text(name: str) -> str:
    """A file of ui/ by its path from there."""
    return (UI / name).read_text(encoding="utf-8")


def module_address(name: str) -> str:
    """The address of a module of ui/ by its path from there, relative to the page."""
    return "gradio_api/file=" + quote((Path(published()) / name).as_posix())


@cache
def published() -> str:
    """The folder from which this process serves the modules, all of them, made now where it is not there.

    Its name follows from their content: a browser that kept those of another version asks for these. It lies among
    Gradio's own temporary files, so that no address tells where the app is installed.
    """
    modules = {path.relative_to(UI): path.read_bytes() for path in sorted(UI.rglob("*.js"))}
    name = hashlib.blake2b(repr(sorted(modules.items())).encode(), digest_size=8).hexdigest()
    folder = Path(get_upload_folder()) / f"vit-demo-{name}"
    for path, content in modules.items():
        _write(folder / path, content)
    gr.set_static_paths([folder])
    return str(folder)


def published_words(words: object) -> str:
    """Publishes words that a module reads as JSON. Their address, relative to the page."""
    content = json.dumps(words, ensure_ascii=False).encode()
    name = f"words-{hashlib.blake2b(content, digest_size=8).hexdigest()}.json"
    _write(Path(published()) / name, content)
    return module_address(name)


def _write(target: Path, content: bytes) -> None:
    """A file, whole or not at all; one that is there is left alone."""
    if target.is_file() and target.read_bytes() == content:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as draft:
        draft.write(content)
    os.chmod(draft.name, 0o644)
    os.replace(draft.name, target)


def page_style() -> str:
    """Every rule of the page in one style sheet: the kit's, the page's, and each tab's."""
    sheets = [UI / "kit" / "kit.css", UI / "page.css", UI / "guide" / "view.css", *sorted(UI.glob("tabs/*/*.css"))]
    rules = "\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets)
    return f"{SCOPE} {{\n{rules}\n}}\n"
