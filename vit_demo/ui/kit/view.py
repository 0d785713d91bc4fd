"""Our own components: gr.HTML with a static template, painted in the browser from data that is sent once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData, GradioModel

from vit_demo.gallery import Example
from vit_demo.text import say
from vit_demo.ui.kit.cache import cached_file
from vit_demo.ui.kit.html import SMALL_QUALITY, jpeg_bytes
from vit_demo.ui.kit.static import module_address, ui_text


class ViewData(GradioModel):
    """`picture` and `files` are files, so that they are fetched once and only when shown; `data` is the rest."""

    picture: FileData | None = None
    files: dict[str, FileData] | None = None
    data: dict[str, Any] | None = None


class View(gr.HTML):
    """A component of ours: `source` names its files in ui/ without their ends, <source>.html for what stands there and
    <source>.js, a module whose `mount({ element, props, trigger, watch })` brings it to life."""

    data_model = ViewData
    is_template = True  # in the browser it is a gr.HTML
    source = ""

    def __init__(self, value=None, **kwargs):
        # The module is a file beside the page, so that views share what they import; `document.baseURI` is the page's
        # own address, also behind a path prefix.
        address = module_address(f"{self.source}.js")
        super().__init__(
            value,
            html_template=ui_text(f"{self.source}.html"),
            js_on_load=f'import(new URL("{address}", document.baseURI).href)'
            ".then((module) => module.mount({ element, props, trigger, watch }));",
            apply_default_css=False,
            **kwargs,
        )

    def get_block_name(self) -> str:
        return "html"

    def preprocess(self, payload) -> None:
        return None  # what a browser sends back of a view is never used

    def postprocess(self, value: dict | None) -> ViewData | None:
        """{"picture": (H, W, 3) uint8 or None, "files": {name: bytes}, "data": {…}} → what the browser gets. A file's
        name without an end is that of packed arrays; what `kept` has written before may stand for its bytes."""
        if value is None:
            return None
        picture, files = value.get("picture"), value.get("files") or {}
        return ViewData(
            picture=None if picture is None else self._file("picture.jpg", jpeg_bytes(picture)),
            files={name: self._file(name if "." in name else f"{name}.bin", one) for name, one in files.items()},
            data=value["data"],
        )

    def _file(self, name: str, content: bytes | Path) -> FileData:
        return FileData(path=str(content if isinstance(content, Path) else self.kept(name, content)))

    def kept(self, name: str, content: bytes) -> Path:
        """Writes a file that several values name."""
        return cached_file(content, name, self.GRADIO_CACHE)

    def api_info(self) -> dict[str, str]:
        return {"type": "object"}

    def example_payload(self) -> None:
        return None

    def example_value(self) -> None:
        return None


class ExampleStrip(View):
    """Our pictures as buttons with names. `select` tells the number of the one clicked."""

    source = "kit/examples"


def strip_value(examples: tuple[Example, ...], language: str) -> dict:
    """The value of an ExampleStrip."""
    pictures = [
        {
            "file": f"{example.key}.jpg",
            "label": example.label(language),
            "title": say("page.example_of", language, **example.credits()),
        }
        for example in examples
    ]
    files = {f"{example.key}.jpg": jpeg_bytes(example.thumbnail, SMALL_QUALITY) for example in examples}
    return {"files": files, "data": {"heading": say("page.examples", language), "pictures": pictures}}
