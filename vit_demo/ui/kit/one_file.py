"""A button below a view that makes of it one HTML file, which works without a server; its size is said before."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape

import gradio as gr

from vit_demo.ui.kit.cache import cached_file
from vit_demo.ui.page import QUEUED, Inputs, Page, Updates
from vit_demo.ui.state import PageState

OTHER_BYTES = 180_000  # modules, styles and words
TEXT = 4 / 3  # base64, of bytes


def file_block(page: Page, name: str) -> None:
    """The button of the tab `name`, the line beside it and the place of the file."""
    with gr.Row(elem_classes="vd-one-file"):
        button = gr.Button(size="sm", scale=0, min_width=320, visible=False, elem_id=f"vd-{name}-file-make")
        page.add(f"{name}_file_make", button, value="download.one_file")
        page.add(f"{name}_file_note", gr.HTML(elem_id=f"vd-{name}-file-note"))
    file = gr.File(visible=False, interactive=False, elem_id=f"vd-{name}-file")
    page.add(f"{name}_file", file, label="download.one_file_label")


def file_outputs(name: str) -> tuple[str, ...]:
    """What `file_offered` and `no_file` update."""
    return f"{name}_file_make", f"{name}_file_note", f"{name}_file"


def wire_file(page: Page, name: str, make: Callable[..., str], inputs: Inputs = ()) -> None:
    """`make(state, **inputs)` gives the file's HTML."""
    file = page.parts[f"{name}_file"]
    making = partial(_made, name, make, file.GRADIO_CACHE)
    made = page.listener(making, inputs, [f"{name}_file"], **dict(QUEUED, show_progress="minimal"))
    page.parts[f"{name}_file_make"].click(**made)


def file_offered(
    state: PageState, name: str, packed_bytes: float, phrase: str = "download.one_file_size", **values: object
) -> Updates:
    """The button for the view that is shown, whose files take so many bytes packed; a file of another view goes. The
    phrase says the size."""
    size = max(1, round((packed_bytes * TEXT + OTHER_BYTES) / 1e6))
    note = state.say(phrase, size=size, **values)
    return {
        f"{name}_file_make": gr.update(visible=True),
        f"{name}_file_note": f'<p class="vd-note">{escape(note)}</p>',
        f"{name}_file": gr.update(visible=False),
    }


def no_file(name: str) -> Updates:
    """Nothing to take away."""
    return {
        f"{name}_file_make": gr.update(visible=False),
        f"{name}_file_note": None,
        f"{name}_file": gr.update(visible=False),
    }


def _made(name: str, make: Callable[..., str], cache: str, state: PageState, **inputs) -> Updates:
    path = cached_file(make(state, **inputs).encode(), f"{name}.html", cache)
    return {f"{name}_file": gr.update(value=str(path), visible=True)}
