"""Strangers' pictures: from the bytes of a file to upright RGB pixels, or one sentence that says why not.

`decode_picture` works in this process; `decode_untrusted` does the same in a child that can be killed and whose memory
is bounded, since a file of a few hundred kilobytes can keep a decoder busy for minutes. A picture with a colour profile
of its own (Display P3 of a phone, Adobe RGB of a camera) becomes sRGB, which is what models were trained on: without
that its colours arrive duller than they were.
"""

from __future__ import annotations

import importlib
import io
import math
import re
import sys
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

from PIL import Image

from vit_demo import child
from vit_demo.child import Refusal
from vit_demo.icc import in_srgb, name_of

if TYPE_CHECKING:  # otherwise imported where they are used: a child that needs no numpy starts twice as fast
    import numpy as np

    from vit_demo.contract import PictureError

MAX_BYTES = 20_000_000
MAX_PIXELS = 50_000_000  # the 48-megapixel photos of phones pass
MAX_SIDE = 16_384  # px
MAX_ASPECT = 50  # long side / short side
MAX_KEPT_SIDE = 2_048  # px; what is handed on is shrunk to this
MAX_CHILD_BYTES = 1_500_000_000  # address space; the dearest permitted picture needs about half of it

MAX_CHILD_CPU_S = 5  # the dearest permitted picture, 48 megapixels of WebP, needs about one

# Every kind that is read: the PIL module that reads it, and a pattern of its first bytes.
_KINDS = {
    "JPEG": ("JpegImagePlugin", rb"\xff\xd8\xff"),
    "PNG": ("PngImagePlugin", rb"\x89PNG\r\n\x1a\n"),
    "WEBP": ("WebPImagePlugin", rb"RIFF....WEBP"),
    "GIF": ("GifImagePlugin", rb"GIF8[79]a"),
    "BMP": ("BmpImagePlugin", rb"BM.{13}\0\0\0"),  # the header's length, so that a text on BMWs is not one
    "TIFF": ("TiffImagePlugin", rb"II[*+]\0|MM\0[*+]"),
    "AVIF": ("AvifImagePlugin", rb".{4}ftyp.{0,40}?avi[fs]"),
    "HEIC": ("", rb".{4}ftyp(?:hei|hev|mif1|msf1)"),  # pillow-heif's own reader, where it is installed
}
# Kinds that people bring and that are not read, to be called by their names.
_FOREIGN_KINDS = {
    "MOV": rb".{4}ftypqt",
    "MP4": rb".{4}ftyp",
    "PDF": rb".{0,1000}?%PDF-",
    "SVG": rb"(\xef\xbb\xbf)?\s*<(.{0,2000}?<)?svg[\s>:]",
}
# The start of a JPEG scan: marker, length, components. The length tells it from chance hits in other data.
_JPEG_SCAN = re.compile(rb"\xff\xda\0[\x06\x08\x0a\x0c][\1-\4]")
MAX_JPEG_SCANS = 100  # progressive files have about ten; each costs a walk over all of the picture

_UPRIGHT = {  # EXIF orientation: what turns the stored picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_EXIF_ORIENTATION, _TIFF_BITS, _TIFF_COMPRESSION, _TIFF_PHOTOMETRIC = 0x0112, 258, 259, 262
_TIFF_BANDS, _TIFF_SAMPLE_FORMAT = 277, 339
_RGB, _YCBCR = 2, 6  # values of the photometric tag


def _has_words(refusal: Refusal) -> bool:
    """Whether there is such a sentence: a file that has taken the child over can make it say anything."""
    with suppress(Exception):
        _error(refusal)
        return True
    return False


def _error(refusal: Refusal) -> PictureError:
    """A refusal as the sentence for people. KeyError for one that there are no words for."""
    from vit_demo.contract import PictureError

    return PictureError(f"picture.{refusal.name}", **refusal.values)


def decode_picture(data: bytes) -> np.ndarray:
    """The picture in a file's bytes: (H, W, 3) uint8 RGB, upright, at most MAX_KEPT_SIDE long.

    Transparency is laid on white; of animations and many-paged files the first picture is taken; grey of more than 8
    bits is scaled to 8. Raises PictureError. Nothing bounds the time: for strangers' files take `decode_untrusted`.
    """
    import numpy as np

    try:
        return np.array(_picture(data)[0])  # (H, W, 3)
    except Refusal as refusal:
        raise _error(refusal) from None


def decode_untrusted(data: bytes, timeout_s: float = 15.0) -> np.ndarray:
    """`decode_picture` in a child process: held to MAX_CHILD_BYTES of memory and MAX_CHILD_CPU_S of computing, and
    killed after `timeout_s` seconds, which is longer: on a machine that is busy a sound picture takes its time.

    Raises PictureError, also for files that crash or exhaust the decoder. Safe to call from many threads; each call
    is one process, so it is for the caller to bound how many run at once.
    """
    return decode_with_profile(data, timeout_s)[0]


def decode_with_profile(data: bytes, timeout_s: float = 15.0) -> tuple[np.ndarray, str]:
    """As `decode_untrusted`, and the name of the colour profile that the picture had before; "" for sRGB and none."""
    import numpy as np

    try:
        _check_bytes(data)
        height, width, profile, body = _ask_child(data, timeout_s)
        pixels = np.frombuffer(body, np.uint8).reshape(height, width, 3).copy()  # copied: the buffer is read-only
        return pixels, profile
    except Refusal as refusal:
        raise _error(refusal) from None


def _picture(data: bytes) -> tuple[Image.Image, str]:
    """The picture in `data` as `decode_picture` promises it, in PIL's mode RGB, and the name of the colour profile that
    it had. Raises Refusal."""
    kind = _check_bytes(data)
    try:
        # Imported by name: asked for a kind that it has not loaded, PIL imports all of its forty readers.
        _import_reader(kind)
        if kind == "WEBP":  # PIL has room for all of the picture before it tells its size
            _check_header(*_webp_size(data))
        with Image.open(io.BytesIO(data), formats=["HEIF" if kind == "HEIC" else kind]) as picture:
            _check_header(*picture.size)
            scale = min(1, MAX_KEPT_SIDE / max(picture.size))
            picture.draft(None, [math.floor(side * scale) for side in picture.size])  # JPEG: half, quarter or eighth
            picture.load()
            return _upright_rgb(picture, MAX_KEPT_SIDE)
    except Refusal:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Refusal("too_many_pixels", limit=MAX_PIXELS) from None
    except Exception as error:  # broken files make the decoders raise nearly anything
        if isinstance(error, MemoryError) or "out of memory" in str(error):  # PIL has its own OSError for it
            raise Refusal("too_much_memory") from None
        raise (_unread_tiff(data) if kind == "TIFF" else None) or Refusal("damaged") from None


def _import_reader(kind: str) -> None:
    """Makes PIL know a kind of file. Raises Refusal where what reads it is not installed."""
    if kind != "HEIC":
        importlib.import_module(f"PIL.{_KINDS[kind][0]}")
        return
    try:
        import pillow_heif
    except ImportError:
        raise Refusal("heic") from None
    pillow_heif.options.DECODE_THREADS = 1  # threads would reserve address space without need
    pillow_heif.register_heif_opener(thumbnails=False)


def _unread_tiff(data: bytes) -> Refusal | None:
    """What a TIFF is that PIL has no reader for, by its header: undamaged, of a kind from satellites, microscopes or
    scanners. None where the header tells of nothing unusual. TIFF 6.0: 8.5 and 21 (YCbCr), "SampleFormat"."""
    from PIL import TiffImagePlugin

    with suppress(Exception):  # a damaged header is a damaged file
        file = io.BytesIO(data)
        tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
        file.seek(tags.next)
        tags.load(file)
        bits, bands = tags.get(_TIFF_BITS, (1,)), tags.get(_TIFF_BANDS, 1)
        if tags.get(_TIFF_PHOTOMETRIC) == _YCBCR and tags.get(_TIFF_COMPRESSION, 1) == 1:
            return Refusal("tiff_ycbcr")
        form = {3: "tiff_floats", 6: "tiff_complex"}.get(tags.get(_TIFF_SAMPLE_FORMAT, (1,))[0], "tiff_bands")
        usual = bands in (1, 3) or (bands == 4 and tags.get(_TIFF_PHOTOMETRIC) == _RGB)
        if form != "tiff_bands" or not usual:
            return Refusal(form, bands=int(bands), bits=int(max(bits)))
    return None


def _check_bytes(data: bytes) -> str:
    """The kind of picture, a name in _KINDS, by its first bytes. Raises Refusal for all that is seen undecoded."""
    if not data:
        raise Refusal("empty")
    if len(data) > MAX_BYTES:
        raise Refusal("too_many_bytes", size=math.ceil(len(data) / 1e6), limit=MAX_BYTES // 1_000_000)
    for kind, (_, magic) in _KINDS.items():
        if re.match(magic, data, re.DOTALL):
            if kind == "JPEG" and sum(1 for _ in _JPEG_SCAN.finditer(data)) > MAX_JPEG_SCANS:
                raise Refusal("too_slow")
            return kind
    for kind, magic in _FOREIGN_KINDS.items():
        if re.match(magic, data[:4096], re.DOTALL):
            raise Refusal("other_kind", kind=kind)
    raise Refusal("not_a_picture")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height that a WebP file's first chunk claims (RFC 9649); 0, 0 where it claims none."""
    chunk, body = data[12:16], data[20:30]
    if len(body) < 10:
        return 0, 0
    if chunk == b"VP8X":  # each less one in 24 bits
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if chunk == b"VP8L":  # a byte of signature, then each less one in 14 bits
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 ":  # a frame tag and a start code, then 14 bits each
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    return 0, 0


def _check_header(width: int, height: int) -> None:
    """Raises Refusal where the size that the header claims is out of bounds."""
    long, short = max(width, height), max(1, min(width, height))
    if width * height > MAX_PIXELS:
        raise Refusal("too_many_pixels", limit=MAX_PIXELS)
    if long > MAX_SIDE:
        raise Refusal("side_too_long", width=width, height=height, limit=MAX_SIDE)
    if long > MAX_ASPECT * short:
        raise Refusal("too_thin", width=width, height=height, limit=MAX_ASPECT)


def upright_rgb(picture: Image.Image, most_px: int | None = MAX_KEPT_SIDE) -> Image.Image:
    """A loaded picture of any mode as upright RGB, its longer side at most `most_px` (None: as large as it is).

    It is shrunk first, and in place, for the rest to need less memory."""
    return _upright_rgb(picture, most_px)[0]


def _upright_rgb(picture: Image.Image, most_px: int | None) -> tuple[Image.Image, str]:
    """`upright_rgb`, and the name of the colour profile that the picture had."""
    orientation, profile = _orientation(picture), picture.info.get("icc_profile")
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        picture = _grey_of_numbers(picture)
    elif picture.has_transparency_data:
        picture = picture.convert("RGBA")
    elif picture.mode != "L" and not (picture.mode == "CMYK" and profile):
        picture = picture.convert("RGB")
    # RGBA is premultiplied while it shrinks, so that hidden colours do not bleed.
    if most_px is not None:
        picture.thumbnail((most_px, most_px), Image.Resampling.BICUBIC, reducing_gap=3.0)
    picture, name = in_srgb(picture, profile)
    if orientation in _UPRIGHT:
        picture = picture.transpose(_UPRIGHT[orientation])
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB"), name


def _orientation(picture: Image.Image) -> int:
    """EXIF orientation, 1 where there is none or it cannot be read: broken metadata does not make a broken picture."""
    with suppress(Exception):
        if picture.format != "TIFF":  # PIL has turned those already
            return int(picture.getexif().get(_EXIF_ORIENTATION, 1))
    return 1


def _grey_of_numbers(picture: Image.Image) -> Image.Image:
    """Integers of more than 8 bits, or floats, as 8-bit grey (mode L).

    Integers are taken as 16 bits (or as the TIFF says), floats as 0…1, where they keep to that range; otherwise the
    smallest value becomes black and the largest white. NaN becomes black.
    """
    import numpy as np

    tags = getattr(picture, "tag_v2", {})
    see_through = picture.info.get("transparency")
    values = np.array(picture, np.float32)  # (H, W); a copy, scaled in place below
    finite = np.isfinite(values)
    low = float(np.min(values, where=finite, initial=np.inf))
    high = float(np.max(values, where=finite, initial=-np.inf))
    white = 1.0 if picture.mode == "F" else 2.0 ** min(16, tags.get(_TIFF_BITS, (16,))[0]) - 1
    if isinstance(see_through, int):
        values[values == see_through] = white
    black, white = (low, high) if low < 0 or high > white else (0.0, white)
    scale = 255 / ((white - black) or 1.0)
    values *= scale
    values -= black * scale
    values[~finite & ~np.isposinf(values)] = 0
    if tags.get(_TIFF_PHOTOMETRIC) == 0:  # white is zero: PIL heeds it for 8 bits only
        values = 255 - values
    return Image.fromarray(np.clip(np.rint(values, out=values), 0, 255, out=values).astype(np.uint8))


def _ask_child(data: bytes, timeout_s: float) -> tuple[int, int, str, bytes]:
    """Height, width, profile's name and RGB pixels from the child. Raises Refusal."""
    try:
        header, body = child.ask("vit_demo.decode", data, timeout_s, MAX_CHILD_CPU_S)
    except Refusal as refusal:
        raise (refusal if _has_words(refusal) else Refusal("damaged")) from None
    with suppress(Exception):
        height, width = int(header["height"]), int(header["width"])
        if min(height, width) > 0 and max(height, width) <= MAX_KEPT_SIDE and len(body) == height * width * 3:
            return height, width, name_of(header.get("profile")), body
    raise Refusal("damaged")


def _serve(seconds: int) -> None:
    """The child: a file's bytes on stdin; on stdout a line of JSON, then the RGB pixels row by row."""
    child.limit_this_process(seconds, MAX_CHILD_BYTES)
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        picture, profile = _picture(sys.stdin.buffer.read())
    except Refusal as refusal:
        child.refuse(refusal)
        return
    child.answer({"height": picture.height, "width": picture.width, "profile": profile}, picture.tobytes())


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
