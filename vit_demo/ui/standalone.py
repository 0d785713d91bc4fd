"""A view as one HTML file: its modules, styles, words and numbers inside, and no request when it is opened.

The modules are those of the page. A file cannot import a file beside it, so each is a data: address under its own name,
and an import map says which (WHATWG HTML, section 8.1.5.2).
"""

from __future__ import annotations

import base64
import gzip
import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np

from vit_demo.text import LANGUAGES
from vit_demo.ui.kit.html import jpeg_bytes
from vit_demo.ui.kit.static import ui_text

HOST = "kit/standalone.js"
IMPORT = re.compile(r'(?P<head>^import\b[^"]*|^} from )"(?P<path>\.[^"]*)"', re.MULTILINE)
# What the page's theme gives the views' styles
LIGHT = {
    "body-background-fill": "#fff",
    "body-text-color": "#1e293b",
    "body-text-color-subdued": "#475569",
    "background-fill-primary": "#fff",
    "background-fill-secondary": "#f1f5f9",
    "border-color-primary": "#cbd5e1",
    "color-accent": "#6366f1",
    "input-background-fill": "#fff",
    "primary-700": "#4338ca",
    "neutral-400": "#94a3b8",
    "link-text-color": "#4338ca",
    "button-primary-background-fill": "#4f46e5",
}
DARK = {
    **LIGHT,
    "body-background-fill": "#0f172a",
    "body-text-color": "#f1f5f9",
    "body-text-color-subdued": "#cbd5e1",
    "background-fill-primary": "#1e293b",
    "background-fill-secondary": "#1e293b",
    "border-color-primary": "#475569",
    "input-background-fill": "#1e293b",
    "link-text-color": "#a5b4fc",
}


@dataclass(frozen=True)
class Value:
    """What the page's server would send: data, and files by name."""

    data: Mapping[str, object]
    files: Mapping[str, bytes] = field(default_factory=dict)


def in_languages(values: Mapping[str, Mapping[str, object]]) -> tuple[dict[str, object], dict[str, dict[str, object]]]:
    """The same data said in each language, as what all have and what each says in its own way."""
    first, *others = values.values()
    same = {name for name, one in first.items() if all(other.get(name) == one for other in others)}
    common = {name: first[name] for name in first if name in same}
    return common, {each: {name: data[name] for name in data if name not in same} for each, data in values.items()}


def standalone_html(
    source: str,
    picture: np.ndarray | None,
    values: Sequence[Value],
    words: Mapping[str, Mapping[str, object]],
    said: Mapping[str, str],
    styles: Sequence[str] = (),
    first: int = 0,
    language: str = LANGUAGES[0],
) -> str:
    """A whole HTML page around the view `source` (as in View.source). `values` are all that it can be given, `first`
    the one it begins with; `words` what its data says in each language, `said` the title in each; `styles` are style
    sheets of ui/ besides the kit's; `picture` (H, W, 3) None where the values hold their own."""
    files: dict[str, str] = {}
    listed = []
    for number, value in enumerate(values):
        names = {}
        for name, content in value.files.items():
            names[name] = f"vd-file-{number}-{name}"
            files[names[name]] = packed(content)
        listed.append({"data": value.data, "files": names})
    page = {
        "words": words,
        "language": language,
        "picture": None if picture is None else f"data:image/jpeg;base64,{_base64(jpeg_bytes(picture))}",
        "values": listed,
        "first": first,
    }
    modules = modules_of(f"{source}.js", HOST)
    imports = {name: "data:text/javascript;base64," + _base64(code) for name, code in modules.items()}
    titles = "".join(
        f'<span data-said="{one}"{"" if one == language else " hidden"}>{escape(said[one])}</span>' for one in said
    )
    names = {"en": "English", "zh": "中文"}
    buttons = "".join(
        f'<button data-language="{one}" aria-pressed="{json.dumps(one == language)}">{names[one]}</button>'
        for one in words
    )
    blocks = "".join(f'<script type="text/plain" id="{name}">{text}</script>' for name, text in files.items())
    start = f'import {{ mount }} from "vd/{source}.js"; import {{ start }} from "vd/{HOST}";'
    start += 'start(mount, document.getElementById("view"));'
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(said[language])}</title><style>{style_of(styles)}</style>"
        f'<script type="importmap">{_in_script({"imports": imports})}</script></head>'
        f'<body><main class="vd-file"><header><h1>{titles}</h1><p>{buttons}</p></header>'
        f'<div id="view">{ui_text(f"{source}.html")}</div></main>'
        f'<script type="application/json" id="vd-page">{_in_script(page)}</script>{blocks}'
        f'<script type="module">{start}</script></body></html>\n'
    )


def packed(content: bytes) -> str:
    """A file as text: its even bytes and then its odd ones, gzip, base64. Read by kit/standalone.js."""
    return base64.b64encode(gzip.compress(content[::2] + content[1::2], 9, mtime=0)).decode("ascii")


def modules_of(*entries: str) -> dict[str, str]:
    """The modules that these need (paths from ui/), under the names by which they import one another: "vd/<path>"."""
    found: dict[str, str] = {}
    waiting = list(entries)
    while waiting:
        path = waiting.pop()
        if f"vd/{path}" in found:
            continue

        def name(match: re.Match[str], folder: str = posixpath.dirname(path)) -> str:
            needed = posixpath.normpath(posixpath.join(folder, match["path"]))
            waiting.append(needed)
            return f'{match["head"]}"vd/{needed}"'

        found[f"vd/{path}"] = IMPORT.sub(name, ui_text(path))
    return found


def style_of(styles: Sequence[str]) -> str:
    """The kit's rules and those of `styles`, with the colours that the page's theme has."""
    rules = "\n".join(ui_text(name) for name in ("kit/kit.css", "kit/file.css", *styles))
    light, dark = ("".join(f"--{name}:{value};" for name, value in theme.items()) for theme in (LIGHT, DARK))
    return (
        "body{margin:0;background:var(--body-background-fill)}"
        f":root{{{light}--text-md:15px;}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        f".vd-file{{{rules}}}"
    )


def _in_script(value: object) -> str:
    """JSON that cannot end the script it stands in."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _base64(content: str | bytes) -> str:
    return base64.b64encode(content.encode() if isinstance(content, str) else content).decode("ascii")
