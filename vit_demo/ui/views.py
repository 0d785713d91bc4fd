"""Our own components: gr.HTML with a static template, painted in the browser from data that is sent once."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import gradio as gr
import numpy as np
from gradio.data_classes import FileData, GradioModel
from gradio.processing_utils import save_bytes_to_cache
from PIL import Image

from vit_demo.render.colour import DIVERGING, SEQUENTIAL, colour_table
from vit_demo.text import say
from vit_demo.ui.gallery import Example
from vit_demo.ui.web import web_text

JPEG_QUALITY = 95


def base64_of(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def jpeg_bytes(picture: np.ndarray, quality: int = JPEG_QUALITY) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def jpeg_url(picture: np.ndarray, side_px: int | None = None) -> str:
    """A small picture as a data URL, for static HTML; its longest side at most `side_px`."""
    image = Image.fromarray(picture)
    if side_px:
        image.thumbnail((side_px, side_px))
    return "data:image/jpeg;base64," + base64.b64encode(jpeg_bytes(np.asarray(image), 88)).decode("ascii")


def png_url(picture: np.ndarray) -> str:
    """A picture without loss as a data URL, for figures with hard edges."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


class ViewData(GradioModel):
    """`picture` and `files` are files, so that they are fetched once and only when shown; `data` is the rest."""

    picture: FileData | None = None
    files: dict[str, FileData] | None = None
    data: dict[str, Any] | None = None


class View(gr.HTML):
    """A component of ours: web/<stem>.html, and web/<stem>.js after paint.js and the `scripts` it names."""

    data_model = ViewData
    is_template = True  # in the browser it is a gr.HTML
    stem = ""
    scripts: tuple[str, ...] = ()

    def __init__(self, value=None, **kwargs):
        # Constants travel in the script: a component in a tab not yet opened loses its other properties.
        tables = {name: base64_of(colour_table(name)) for name in (*SEQUENTIAL, DIVERGING)}
        constants = f"const TABLES = {json.dumps(tables)};\n"
        super().__init__(
            value,
            html_template=web_text(f"{self.stem}.html"),
            css_template=web_text("views.css"),
            js_on_load=constants + "".join(web_text(f"{name}.js") for name in ("paint", *self.scripts, self.stem)),
            apply_default_css=False,
            **kwargs,
        )

    def get_block_name(self) -> str:
        return "html"

    def preprocess(self, payload) -> None:
        return None  # what a browser sends back of a view is never used

    def postprocess(self, value: dict | None) -> ViewData | None:
        """{"picture": (H, W, 3) uint8 or None, "files": {name: bytes}, "data": {…}} → what the browser gets."""
        if value is None:
            return None
        picture, files = value.get("picture"), value.get("files") or {}
        return ViewData(
            picture=None if picture is None else self._file("picture.jpg", jpeg_bytes(picture)),
            files={name: self._file(f"{name}.bin", content) for name, content in files.items()},
            data=value["data"],
        )

    def _file(self, name: str, content: bytes) -> FileData:
        return FileData(path=save_bytes_to_cache(content, name, self.GRADIO_CACHE))

    def api_info(self) -> dict[str, str]:
        return {"type": "object"}

    def example_payload(self) -> None:
        return None

    def example_value(self) -> None:
        return None


class ExampleStrip(View):
    """Our pictures as buttons with names. `select` tells the number of the one clicked."""

    stem = "examples"


def strip_value(examples: tuple[Example, ...], language: str) -> dict:
    """The value of an ExampleStrip."""
    pictures = [
        {
            "src": jpeg_url(example.thumbnail, 160),
            "label": example.label(language),
            "title": say("page.example_of", language, **example.credits()),
        }
        for example in examples
    ]
    return {"picture": None, "data": {"heading": say("page.examples", language), "pictures": pictures}}


class SimilarityView(View):
    """A tile of similarity for each position, and the one pointed at in large."""

    stem = "similarity"
