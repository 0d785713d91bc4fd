"""Uploaded pictures, decoded within the bounds of the whole process.

Gradio makes a page's components anew for every visitor, so what all visitors share stands in this module: how many
files are decoded at once, and what was decoded, or refused, lately.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from vit_demo.cache import ByteCache
from vit_demo.contract import DemoError
from vit_demo.decode import MAX_BYTES, decode_with_profile
from vit_demo.gallery import file_digest

DECODED_BYTES = 192 << 20
DECODERS_AT_ONCE = 2  # each may take up to a gigabyte for a hostile file
REFUSAL_BYTES, DIGEST_BYTES = 1024, 256
NOT_LOOKED_AT = "picture.busy"  # the one refusal that says nothing of the file

_decoded = ByteCache(DECODED_BYTES)
_digests = ByteCache(4096 * DIGEST_BYTES)
_decoders = threading.BoundedSemaphore(DECODERS_AT_ONCE)


@dataclass(frozen=True)
class Picture:
    """A picture that came in: `pixels` (H, W, 3) uint8, read-only, upright, alpha on white, in sRGB; `digest` names the
    file's content, `profile` the colour profile that it was brought to sRGB from ("" for none)."""

    pixels: np.ndarray
    digest: str = ""
    profile: str = ""


def read_file(path: str, most_px: int | None = None) -> Picture:
    """The picture in a file of Gradio's cache, its longer side at most `most_px`. Raises PictureError, or OSError where
    the file cannot be read. What was refused is not looked at again while that is remembered."""
    found = os.stat(path)

    def read() -> tuple[str, bytes]:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
        return file_digest(data), data

    # Every event of the page carries its files again: they are told apart without being read.
    place, content = (path, found.st_mtime_ns, found.st_size), b""
    digest = _digests.get(place)
    if digest is None:
        digest, content = read()
        _digests.get_or_make(place, lambda: digest, lambda _: DIGEST_BYTES)
    return _decode(digest, lambda: content or read()[1], most_px)


def remembered(digest: str) -> Picture | None:
    """The picture of that content, where it was decoded lately."""
    made = _decoded.get((digest, None))
    return made if isinstance(made, Picture) else None


def read_bytes(data: bytes, most_px: int | None = None) -> Picture:
    """The same for a file's bytes."""
    return _decode(file_digest(data), lambda: data, most_px)


def _decode(digest: str, content: Callable[[], bytes], most_px: int | None) -> Picture:
    def make() -> Picture | DemoError:
        try:
            with _decoders:
                pixels, profile = decode_with_profile(content())
        except DemoError as error:
            if error.key == NOT_LOOKED_AT:
                raise
            return error
        if most_px is not None and max(pixels.shape[:2]) > most_px:
            picture = Image.fromarray(pixels)
            picture.thumbnail((most_px, most_px), Image.Resampling.BICUBIC)
            pixels = np.array(picture)
        pixels.setflags(write=False)
        return Picture(pixels, digest, profile)

    def size_of(made: Picture | DemoError) -> int:
        return made.pixels.nbytes if isinstance(made, Picture) else REFUSAL_BYTES

    made = _decoded.get_or_make((digest, most_px), make, size_of)[0]
    if isinstance(made, DemoError):
        raise made
    return made
