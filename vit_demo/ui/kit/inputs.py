"""What comes in from the page: pictures, and everything else checked in one place."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import gradio as gr
import numpy as np

from vit_demo.contract import DemoError, PictureError, SizeChoice
from vit_demo.text import LANGUAGES
from vit_demo.ui.kit.reader import Picture, read_file

T = TypeVar("T")


def read_or_refused(read: Callable[[], T]) -> T | DemoError:
    """What `read` gives of uploaded files, or the sentence that says why there is nothing."""
    try:
        return read()
    except DemoError as error:
        return error
    except FileNotFoundError:
        return PictureError("picture.gone")
    except OSError:
        return PictureError("picture.busy")


class SafeImage(gr.Image):
    """gr.Image whose files are decoded by `vit_demo.decode` in a child process, instead of by Gradio in this one.

    Gives the handler a Picture, or as a value the DemoError that says why there is none: the handler knows the
    visitor's language.
    """

    is_template = True  # it looks and behaves as gr.Image does in the browser

    # No __init__ of its own: gradio reads the browser's properties off the signature of gr.Image's.

    def preprocess(self, payload) -> Picture | DemoError | None:
        if payload is None:
            return None
        if not payload.path:  # a data: URL in the value would pass by the upload limit
            return PictureError("picture.not_a_picture")
        return read_or_refused(lambda: read_file(payload.path))


def picture_of(value: object) -> np.ndarray | None:
    """The pixels (H, W, 3) of a second picture, if there is one. Raises what is wrong with it."""
    if isinstance(value, DemoError):
        raise value
    return value.pixels if isinstance(value, Picture) else None


def language_of(value: object) -> str:
    return value if value in LANGUAGES else LANGUAGES[0]


def size_of(side: object, keep_shape: object) -> SizeChoice:
    """The size asked for by the page or an API caller; "native" or nothing means the checkpoint's own."""
    try:
        number = None if side in (None, "", "native") else int(side)
    except (TypeError, ValueError, OverflowError):
        number = -1  # refused with a sentence where the size is used
    return SizeChoice(number, bool(keep_shape))


def number_of(value: object, otherwise: float) -> float:
    """A control's number; `otherwise` for what is none."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return otherwise
    return number if math.isfinite(number) else otherwise
