"""Take it away: what a view shows as a picture, as raw numbers, and as the Python lines that compute them again."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import gradio as gr
import numpy as np
from gradio.processing_utils import save_bytes_to_cache
from PIL import Image

from vit_demo.contract import SizeChoice
from vit_demo.ui.page import MODEL_POOL, Asked, Page, Updates

PICTURE = "picture.png"  # the page's picture, before a model's cropping: what the lines begin with
FRAME_MS = 700  # of a GIF: slow enough to see each layer


@dataclass(frozen=True)
class Parcel:
    """Files by name (what a browser saves them as), and Python lines that run."""

    files: Mapping[str, bytes]
    code: str


def png_bytes(picture: np.ndarray) -> bytes:
    """(H, W, 3) uint8 without loss."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


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


def lines_for(asked: Asked, *body: str) -> str:
    """The Python lines that recompute a view; `picture`, `model`, `size` and `explainer` are there for `body`."""
    size = "SizeChoice()" if asked.size == SizeChoice() else repr(asked.size)
    return "\n".join(
        [
            "from PIL import Image",
            "from vit_demo.contract import SizeChoice, TokenQuery",
            "from vit_demo.explain import Explainer",
            "",
            "explainer = Explainer()",
            f'picture = Image.open("{PICTURE}")  # {asked.say("takeaway.your_picture")}',
            f"model, size = {asked.model!r}, {size}",
            *body,
            "",
        ]
    )


def take_away(page: Page, name: str, carry: Callable[..., Parcel], given: str = "") -> None:
    """A folded block at the end of a tab that makes the files when it is asked to, by `carry(asked, *given)`."""
    with page.say(gr.Accordion(open=False, elem_id=f"vd-{name}-take"), label="takeaway.heading"):
        page.say(gr.Markdown(elem_classes="vd-help"), value="takeaway.help")
        button = page.say(gr.Button(size="sm", elem_id=f"vd-{name}-make"), value="takeaway.make")
        files = gr.Files(visible=False, interactive=False, elem_id=f"vd-{name}-files")
        page.add(f"{name}_files", files, label="takeaway.files")
        page.add(
            f"{name}_code", gr.Code(language="python", visible=False, elem_id=f"vd-{name}-code"), label="takeaway.code"
        )
    how = dict(MODEL_POOL, show_progress="minimal", show_progress_on=[button])
    packed = partial(_packed, name, carry, files.GRADIO_CACHE)
    button.click(**page.ask(packed, given, f"{name}_files {name}_code", **how))


def _packed(name: str, carry: Callable[..., Parcel], cache: str, asked: Asked, *given) -> Updates:
    parcel = carry(asked, *given)
    files = {**parcel.files, PICTURE: png_bytes(asked.image)}
    paths = [save_bytes_to_cache(content, file, cache) for file, content in files.items()]
    return {
        f"{name}_files": gr.update(value=paths, visible=True),
        f"{name}_code": gr.update(value=parcel.code, visible=True),
    }
