"""What comes in from the page: pictures, and everything else checked in one place."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import gradio as gr
import numpy as np

from vit_demo.cache import ByteCache
from vit_demo.contract import DemoError, PictureError, SizeChoice
from vit_demo.decode import MAX_BYTES, decode_untrusted
from vit_demo.gallery import file_digest
from vit_demo.text import LANGUAGES

T = TypeVar("T")

DECODED_BYTES = 256 << 20
DECODERS_AT_ONCE = 2  # each may take up to a gigabyte for a hostile file


@dataclass(frozen=True)
class Picture:
    """A picture that came in: `pixels` (H, W, 3) uint8, read-only, upright, alpha on white; `digest` names the file's
    content; `example` is the key of the example picture that it is, None for a visitor's own."""

    pixels: np.ndarray
    digest: str = ""
    example: str | None = None


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
    visitor's language. Decoded pictures are kept for a while by content, so that the next event of the same picture
    costs nothing. `known` are the digests of the example pictures, and their keys.
    """

    is_template = True  # it looks and behaves as gr.Image does in the browser
    known: Mapping[str, str] = {}

    # No __init__ of its own: gradio reads the browser's properties off the signature of gr.Image's.

    @cached_property
    def _decoded(self) -> ByteCache:
        return ByteCache(DECODED_BYTES)

    @cached_property
    def _decoders(self) -> threading.Semaphore:
        return threading.Semaphore(DECODERS_AT_ONCE)

    def preprocess(self, payload) -> Picture | DemoError | None:
        if payload is None:
            return None
        if not payload.path:  # a data: URL in the value would pass by the upload limit
            return PictureError("picture.not_a_picture")

        def read() -> Picture:
            with open(payload.path, "rb") as file:
                return self.decode(file.read(MAX_BYTES + 1))

        return read_or_refused(read)

    def decode(self, data: bytes) -> Picture:
        """The picture in these bytes. Raises PictureError."""
        digest = file_digest(data)

        def make() -> np.ndarray:
            with self._decoders:
                pixels = decode_untrusted(data)
            pixels.setflags(write=False)
            return pixels

        pixels = self._decoded.get_or_make(digest, make, lambda pixels: pixels.nbytes)[0]
        return Picture(pixels, digest, self.known.get(digest))


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
