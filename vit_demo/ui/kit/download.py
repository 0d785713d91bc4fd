"""Downloads: what a view shows as a picture, as raw numbers, and as the Python lines that compute them again."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import gradio as gr
import numpy as np
from PIL import Image

from vit_demo.contract import SizeChoice
from vit_demo.ui.kit.cache import cached_file
from vit_demo.ui.kit.html import png_bytes
from vit_demo.ui.page import QUEUED, Inputs, Page, Updates
from vit_demo.ui.state import PageState

PICTURE = "picture.png"  # the page's picture, before a model's cropping: what the lines begin with
FRAME_MS = 700  # of a GIF: slow enough to see each layer


@dataclass(frozen=True)
class Download:
    """Files by name (what a browser saves them as), and Python lines that run."""

    files: Mapping[str, bytes]
    code: str


def gif_bytes(frames: list[np.ndarray], frame_ms: int = FRAME_MS) -> bytes:
    """Pictures (H, W, 3) uint8 of one size as an animation that repeats."""
    buffer = io.BytesIO()
    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=frame_ms, loop=0)
    return buffer.getvalue()


def npz_bytes(arrays: Mapping[str, np.ndarray], axes: Mapping[str, str]) -> bytes:
    """Arrays as a compressed NPZ; `axes_<name>` beside each says what its axes mean ("head, row, column")."""
    if missing := set(arrays) - set(axes):
        raise ValueError(f"what are the axes of {', '.join(sorted(missing))}?")
    buffer = io.BytesIO()
    named = {f"axes_{name}": np.array(text) for name, text in axes.items()}
    np.savez_compressed(buffer, **arrays, **named)
    return buffer.getvalue()


def python_lines(state: PageState, *body: str) -> str:
    """The Python lines that recompute a view; `picture`, `model`, `size` and `explainer` are there for `body`."""
    size = "SizeChoice()" if state.size == SizeChoice() else repr(state.size)
    return "\n".join(
        [
            "from PIL import Image",
            "from vit_demo.contract import SizeChoice, TokenQuery",
            "from vit_demo.explain import Explainer",
            "",
            "explainer = Explainer()",
            f'picture = Image.open("{PICTURE}")  # {state.say("download.your_picture")}',
            f"model, size = {state.model!r}, {size}",
            *body,
            "",
        ]
    )


def download_block(page: Page, name: str, download: Callable[..., Download], inputs: Inputs = ()) -> None:
    """A folded block at the end of a tab that makes the files when it is asked to, by `download(state, **inputs)`."""
    with page.say(gr.Accordion(open=False, elem_id=f"vd-{name}-take"), label="download.heading"):
        page.say(gr.Markdown(elem_classes="vd-help"), value="download.help")
        button = page.say(gr.Button(size="sm", elem_id=f"vd-{name}-make"), value="download.make")
        files = gr.Files(visible=False, interactive=False, elem_id=f"vd-{name}-files")
        page.add(f"{name}_files", files, label="download.files")
        code = gr.Code(language="python", visible=False, elem_id=f"vd-{name}-code")
        page.add(f"{name}_code", code, label="download.code")
    how = dict(QUEUED, show_progress="minimal", show_progress_on=[button])
    made = partial(_made, name, download, files.GRADIO_CACHE)
    button.click(**page.listener(made, inputs, (f"{name}_files", f"{name}_code"), **how))


def _made(name: str, download: Callable[..., Download], cache: str, state: PageState, **inputs) -> Updates:
    """Writes the files, and puts them and the code on the page."""
    made = download(state, **inputs)
    files = {**made.files, PICTURE: png_bytes(state.image)}
    paths = [str(cached_file(content, file, cache)) for file, content in files.items()]
    return {
        f"{name}_files": gr.update(value=paths, visible=True),
        f"{name}_code": gr.update(value=made.code, visible=True),
    }
