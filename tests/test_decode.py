"""Pictures as people and pranksters bring them: each has known pixels, or the name of the sentence that refuses it."""

from __future__ import annotations

import io
import json
import re
import signal
import string
import struct
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL
import pillow_heif
import pytest
from PIL import Image, ImageCms

from vit_demo import decode
from vit_demo.contract import PictureError
from vit_demo.decode import _webp_size, decode_picture, decode_untrusted, decode_with_profile
from vit_demo.text import say
from vit_demo.text.en.picture import WORDS as ENGLISH
from vit_demo.text.zh.picture import WORDS as CHINESE

ROOT = Path(__file__).resolve().parents[1]
RED, GREEN, BLUE, GREY, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128), (255, 255, 255)
HEIGHT, WIDTH = 24, 40


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def quadrants(height: int = HEIGHT, width: int = WIDTH) -> Image.Image:
    """Red, green / blue, grey."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2], pixels[: height // 2, width // 2 :] = RED, GREEN
    pixels[height // 2 :, : width // 2], pixels[height // 2 :, width // 2 :] = BLUE, GREY
    return Image.fromarray(pixels)


def assert_quadrants(pixels: np.ndarray, off_by: int = 0, size: tuple[int, int] = (HEIGHT, WIDTH)) -> None:
    assert pixels.shape == (*size, 3)
    assert pixels.dtype == np.uint8
    rows, cols = (size[0] // 4, 3 * size[0] // 4), (size[1] // 4, 3 * size[1] // 4)
    seen = [pixels[row, col].astype(int) for row in rows for col in cols]
    assert np.abs(np.array(seen) - [RED, GREEN, BLUE, GREY]).max() <= off_by


def refusal(data: bytes, read=decode_picture, **options) -> str:
    """The name of the sentence that refuses `data`."""
    with pytest.raises(PictureError) as caught:
        read(data, **options)
    for language in ("en", "zh"):
        assert_for_people(caught.value.say(language))
    assert str(caught.value) == caught.value.say("en")
    assert caught.value.__cause__ is None
    return caught.value.key.removeprefix("picture.")


def assert_for_people(sentence: str) -> None:
    for sign in ("/", "\\", "Traceback", "Error", "PIL", "<", "{", "object at"):
        assert sign not in sentence


def ramp(dtype: type, high: float) -> np.ndarray:
    """(2, 3): black, a fifth, two fifths / three fifths, four fifths, `high`."""
    return (np.array([[0, 0.2, 0.4], [0.6, 0.8, 1.0]]) * high).astype(dtype)


RAMP = np.array([[0, 51, 102], [153, 204, 255]], np.uint8)


def tiff_of_grey(raw: bytes, bits: int, white_is_zero: bool, height: int, width: int) -> bytes:
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, 0 if white_is_zero else 1)]
    tags += [(273, 8 + 2 + 9 * 12 + 4), (277, 1), (278, height), (279, len(raw))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + raw


def tiff_of_bands(bands: int, bits: int, sample_format: int = 1, photometric: int = 1) -> bytes:
    """A sound little TIFF of 4×4 pixels with that many interleaved bands (TIFF 6.0), all zero."""
    size, tail = 4 * 4 * bands * bits // 8, 8 + 2 + 11 * 12 + 4
    in_place = bands <= 2  # two 16-bit numbers fit into the entry itself
    lists = b"".join(struct.pack("<" + "H" * bands, *[number] * bands) for number in (bits, sample_format))
    places = [
        number | number << 16 if in_place else tail + i * 2 * bands for i, number in enumerate((bits, sample_format))
    ]
    tags = [(256, 3, 1, 4), (257, 3, 1, 4), (258, 3, bands, places[0]), (259, 3, 1, 1), (262, 3, 1, photometric)]
    tags += [(273, 4, 1, tail + len(lists)), (277, 3, 1, bands), (278, 3, 1, 4), (279, 4, 1, size), (284, 3, 1, 1)]
    tags += [(339, 3, bands, places[1])]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + lists + bytes(size)


def with_png_size(data: bytes, width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def with_jpeg_size(data: bytes, width: int, height: int) -> bytes:
    at = data.index(b"\xff\xc0\x00\x11\x08") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def with_gif_size(data: bytes, width: int, height: int) -> bytes:
    return data[:6] + struct.pack("<HH", width, height) + data[10:]


def gif_with_comments(count: int) -> bytes:
    data = encoded(quadrants(), "GIF")
    at = 13 + 3 * 2 ** ((data[10] & 7) + 1)  # after the colour table
    return data[:at] + b"!\xfe\x10a comment of six\0" * count + data[at:]


# ---- kinds of file ----


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_lossless_kinds_keep_every_pixel(kind):
    assert_quadrants(decode_picture(encoded(quadrants(), kind)))


def test_lossless_webp_keeps_every_pixel():
    assert_quadrants(decode_picture(encoded(quadrants(), "WEBP", lossless=True)))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}], ids=str)
def test_jpeg_keeps_colours_and_shape(options):
    assert_quadrants(decode_picture(encoded(quadrants(), "JPEG", quality=95, **options)), off_by=8)


def test_jpeg_with_a_second_picture_gives_the_first():
    other = Image.new("RGB", (WIDTH, HEIGHT), "black")
    data = encoded(quadrants(), "MPO", save_all=True, append_images=[other], quality=95)
    assert_quadrants(decode_picture(data), off_by=8)


def test_file_is_known_by_its_content_not_by_a_name():
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"):
        assert decode._check_bytes(encoded(quadrants(), kind)) == kind


@pytest.mark.parametrize(("kind", "options"), [("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})])
def test_first_picture_of_several_is_taken(kind, options):
    others = [Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in ("black", "white")]
    data = encoded(quadrants(), kind, save_all=True, append_images=others, **options)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.n_frames == 3
    assert_quadrants(decode_picture(data))


# ---- orientation ----


def test_exif_orientation_six_is_turned_upright():
    stored = quadrants().transpose(Image.Transpose.ROTATE_90)  # a camera held upright stores its picture lying
    exif = Image.Exif()
    exif[0x0112] = 6
    assert stored.size == (HEIGHT, WIDTH)
    assert_quadrants(decode_picture(encoded(stored, "JPEG", exif=exif, quality=95)), off_by=8)


# EXIF 2.3, tag Orientation: where the stored first row's first and last pixel belong, as (row, col) of corners.
CORNERS = {
    1: ((0, 0), (0, -1)),
    2: ((0, -1), (0, 0)),
    3: ((-1, -1), (-1, 0)),
    4: ((-1, 0), (-1, -1)),
    5: ((0, 0), (-1, 0)),
    6: ((0, -1), (-1, -1)),
    7: ((-1, -1), (0, -1)),
    8: ((-1, 0), (0, 0)),
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "packed TIFF"])
@pytest.mark.parametrize("orientation", CORNERS)
def test_every_orientation_brings_corners_home(orientation, kind):
    stored = np.zeros((5, 8, 3), np.uint8)
    stored[0, 0], stored[0, -1] = RED, GREEN
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"compression": "tiff_adobe_deflate"} if kind == "packed TIFF" else {}
    pixels = decode_picture(encoded(Image.fromarray(stored), kind.split()[-1], exif=exif, **options))
    assert pixels.shape == ((8, 5, 3) if orientation > 4 else (5, 8, 3))
    first, last = CORNERS[orientation]
    assert tuple(pixels[first]) == RED
    assert tuple(pixels[last]) == GREEN
    assert pixels.sum() == 2 * 255


def test_broken_exif_does_not_spoil_a_sound_picture():
    for exif in (b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0nonsense", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"):
        assert_quadrants(decode_picture(encoded(quadrants(), "JPEG", exif=exif, quality=95)), off_by=8)


# ---- transparency ----


def test_hidden_colours_of_rgba_are_laid_on_white():
    pixels = np.zeros((3, 5, 4), np.uint8)
    pixels[..., :3] = RED
    pixels[0, 0, 3], pixels[0, 1, 3] = 255, 102  # the rest is invisible red
    for kind, options in (("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True, "exact": True})):
        seen = decode_picture(encoded(Image.fromarray(pixels), kind, **options))
        assert tuple(seen[0, 0]) == RED
        assert tuple(seen[0, 1]) == (255, 153, 153)  # 0.4 red + 0.6 white
        assert (seen[1:] == 255).all()


def test_hidden_colours_do_not_bleed_when_shrunk():
    pixels = np.zeros((4, 4096, 4), np.uint8)
    pixels[..., :3] = RED
    pixels[:, 1024:3072] = (0, 0, 255, 255)
    data = encoded(Image.fromarray(np.repeat(pixels, 32, axis=0)), "PNG", compress_level=1)
    seen = decode_picture(data)
    assert seen.shape == (64, 2048, 3)
    assert (seen[..., 0] <= seen[..., 2]).all()  # nowhere redder than white


def test_grey_with_alpha_is_laid_on_white():
    pixels = np.array([[[0, 255], [0, 102], [0, 0]], [[128, 255], [255, 0], [255, 255]]], np.uint8)
    seen = decode_picture(encoded(Image.fromarray(pixels, "LA"), "PNG"))
    assert (seen == np.array([[0, 153, 255], [128, 255, 255]])[..., None]).all()


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_transparent_palette_entry_becomes_white(kind):
    palette = Image.fromarray(np.array([[0, 1, 2], [2, 1, 0]], np.uint8), "P")
    palette.putpalette([*RED, *GREEN, *BLUE])
    seen = decode_picture(encoded(palette, kind, transparency=1))
    assert (seen == np.array([[RED, WHITE, BLUE], [BLUE, WHITE, RED]])).all()


def test_half_transparent_palette_entry_is_mixed_with_white():
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    palette.putpalette([*RED, *GREEN, *BLUE])
    seen = decode_picture(encoded(palette, "PNG", transparency=bytes([255, 102, 0])))
    assert (seen == np.array([[RED, (153, 255, 153), WHITE]])).all()


def test_transparent_colour_of_plain_png_becomes_white():
    seen = decode_picture(encoded(quadrants(), "PNG", transparency=RED))
    assert tuple(seen[0, 0]) == WHITE
    assert tuple(seen[0, -1]) == GREEN
    seen = decode_picture(encoded(Image.fromarray(ramp(np.uint16, 65535)), "PNG", transparency=0))
    assert (seen[..., 0] == [[255, 51, 102], [153, 204, 255]]).all()


# ---- colours and depths ----


def test_cmyk_jpeg_keeps_its_colours():
    picture = Image.new("CMYK", (WIDTH, HEIGHT), (0, 255, 255, 0))
    picture.paste((255, 255, 0, 0), (WIDTH // 2, 0, WIDTH, HEIGHT))
    seen = decode_picture(encoded(picture, "JPEG", quality=95)).astype(int)  # written inverted, as Adobe does
    assert np.abs(seen[12, 10] - RED).max() <= 8
    assert np.abs(seen[12, 30] - BLUE).max() <= 8


def test_lab_tiff_keeps_its_colours():
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    data = encoded(ImageCms.applyTransform(quadrants(), to_lab), "TIFF")
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.mode == "LAB"
    assert_quadrants(decode_picture(data), off_by=25)  # eight-bit Lab steps are coarse at the edge of the gamut


def test_grey_and_one_bit_become_rgb():
    seen = decode_picture(encoded(Image.fromarray(RAMP), "PNG"))
    assert (seen == RAMP[..., None]).all()
    bits = np.array([[True, False, True], [False, False, True]])
    for kind in ("PNG", "TIFF", "BMP"):
        assert (decode_picture(encoded(Image.fromarray(bits), kind)) == bits[..., None] * 255).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_not_clipped(kind):
    seen = decode_picture(encoded(Image.fromarray(ramp(np.uint16, 65535)), kind))
    assert (seen == RAMP[..., None]).all()


def test_dark_sixteen_bit_grey_stays_dark():
    seen = decode_picture(encoded(Image.fromarray(ramp(np.uint16, 257 * 50)), "PNG"))
    assert (seen[..., 0] == [[0, 10, 20], [30, 40, 50]]).all()


def test_twelve_bit_tiff_uses_its_own_range():
    raw = bytes([0x00, 0x0F, 0xFF, 0x80, 0x00, 0x00])  # 0, 4095 / 2048, 0: two values in three bytes
    seen = decode_picture(tiff_of_grey(raw, 12, False, 2, 2))
    assert (seen[..., 0] == [[0, 255], [128, 0]]).all()


def test_sixteen_bit_tiff_with_white_as_zero_is_not_a_negative():
    raw = ramp(np.uint16, 65535).tobytes()
    assert (decode_picture(tiff_of_grey(raw, 16, False, 2, 3))[..., 0] == RAMP).all()
    assert (decode_picture(tiff_of_grey(raw, 16, True, 2, 3))[..., 0] == 255 - RAMP).all()


def test_thirty_two_bit_integers_are_stretched_only_beyond_sixteen_bits():
    assert (decode_picture(encoded(Image.fromarray(ramp(np.int32, 65535)), "TIFF"))[..., 0] == RAMP).all()
    assert (decode_picture(encoded(Image.fromarray(ramp(np.int32, 10**6)), "TIFF"))[..., 0] == RAMP).all()
    assert (decode_picture(encoded(Image.fromarray(ramp(np.int32, 100) - 50), "TIFF"))[..., 0] == RAMP).all()


def test_floats_from_zero_to_one_keep_their_brightness():
    assert (decode_picture(encoded(Image.fromarray(ramp(np.float32, 1)), "TIFF"))[..., 0] == RAMP).all()
    seen = decode_picture(encoded(Image.fromarray(ramp(np.float32, 0.2)), "TIFF"))
    assert (seen[..., 0] == [[0, 10, 20], [31, 41, 51]]).all()


def test_other_floats_are_stretched_from_smallest_to_largest():
    assert (decode_picture(encoded(Image.fromarray(ramp(np.float32, 3000)), "TIFF"))[..., 0] == RAMP).all()
    assert (decode_picture(encoded(Image.fromarray(ramp(np.float32, 2) - 1), "TIFF"))[..., 0] == RAMP).all()


def test_floats_that_are_no_numbers_spoil_only_themselves():
    values = ramp(np.float32, 1)
    values[0, 1], values[0, 2], values[1, 0] = np.nan, np.inf, -np.inf
    seen = decode_picture(encoded(Image.fromarray(values), "TIFF"))
    assert (seen[..., 0] == [[0, 0, 255], [0, 204, 255]]).all()
    for constant in (np.nan, -3.0, 7.0):
        seen = decode_picture(encoded(Image.fromarray(np.full((2, 3), constant, np.float32)), "TIFF"))
        assert (seen == 0).all()


# ---- size ----


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_long_picture_is_shrunk_in_its_shape(kind):
    seen = decode_picture(encoded(quadrants(1200, 4800), kind))
    assert_quadrants(seen, off_by=8, size=(512, 2048))


def test_shrinking_averages_instead_of_skipping():
    stripes = np.zeros((200, 6000), np.uint8)
    stripes[:, ::2] = 255
    seen = decode_picture(encoded(Image.fromarray(stripes), "PNG")).astype(int)
    assert np.abs(seen[:, 8:-8] - 127).max() < 40


def test_phone_photo_of_48_megapixels_passes_the_header_check():
    decode._check_header(8064, 6048)
    decode._check_header(6048, 8064)


def test_small_pictures_are_not_enlarged():
    assert decode_picture(encoded(Image.new("RGB", (1, 1), "red"), "PNG")).tolist() == [[[255, 0, 0]]]


@pytest.mark.parametrize("side", [13_000, 14_000, 65_000])
@pytest.mark.parametrize("lie", ["JPEG", "PNG", "GIF"])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_header_that_claims_too_many_pixels_is_refused_undecoded(lie, side):
    change = {"JPEG": with_jpeg_size, "PNG": with_png_size, "GIF": with_gif_size}[lie]
    data = change(encoded(quadrants(), lie), side, side)
    start = time.perf_counter()
    assert refusal(data) == "too_many_pixels"
    assert time.perf_counter() - start < 1


def test_one_pixel_high_gif_is_refused():
    assert refusal(with_gif_size(encoded(quadrants(), "GIF"), 65_535, 1)) == "side_too_long"
    assert refusal(with_gif_size(encoded(quadrants(), "GIF"), 16_000, 1)) == "too_thin"
    assert refusal(with_gif_size(encoded(quadrants(), "GIF"), 1, 16_000)) == "too_thin"


def test_sizes_at_the_limits_are_taken():
    assert decode_picture(encoded(Image.new("L", (100, 5_000)), "PNG")).shape == (2048, 41, 3)
    assert refusal(encoded(Image.new("L", (100, 5_001)), "PNG")) == "too_thin"
    assert decode_picture(encoded(Image.new("L", (16_384, 400)), "PNG")).shape == (50, 2048, 3)
    assert refusal(encoded(Image.new("L", (16_385, 400)), "PNG")) == "side_too_long"


def test_refused_size_is_told():
    with pytest.raises(PictureError, match=r"16385 × 400 pixels.*16384"):
        decode_picture(encoded(Image.new("L", (16_385, 400)), "PNG"))


# ---- what is no picture, or a broken one ----


FOREIGN = {
    "MOV": b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(100),
    "MP4": b"\0\0\0\x18ftypisom\0\0\2\0isommp41" + bytes(100),
    "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj",
    "SVG": b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="http://www.w3.org/2000/svg" width="4"/>',
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_kinds_that_people_bring_are_called_by_name(kind):
    with pytest.raises(PictureError, match=kind) as caught:
        decode_picture(FOREIGN[kind])
    assert caught.value.key == "picture.other_kind"
    assert "JPEG" in str(caught.value)
    assert kind in caught.value.say("zh")


def test_bare_svg_is_called_by_name():
    assert refusal(b"\xef\xbb\xbf\n<svg><rect/></svg>") == "other_kind"


BROKEN_PHONE = {
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100),
    "AVIF": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(100),
    "AVIF in a general wrapper": b"\0\0\0\x20ftypmif1\0\0\0\0mif1avifmiaf" + bytes(100),
}


@pytest.mark.parametrize("read", [decode_picture, decode_untrusted])
@pytest.mark.parametrize("kind", BROKEN_PHONE)
def test_a_broken_file_of_a_phone_is_damaged(kind, read):
    assert refusal(BROKEN_PHONE[kind], read) == "damaged"


def phone_file(picture: Image.Image, kind: str, **more) -> bytes:
    if kind == "HEIF":
        pillow_heif.register_heif_opener()
    return encoded(picture, kind, quality=95, **more)


@pytest.mark.parametrize("read", [decode_picture, decode_untrusted])
@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_what_phones_write_is_read(kind, read):
    assert_quadrants(read(phone_file(quadrants(), kind)), off_by=20)


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_a_phones_picture_too_large_is_refused_by_its_header(kind):
    data = phone_file(Image.new("RGB", (9000, 64)), kind)
    assert refusal(data) == "too_thin"


def test_without_its_reader_a_heic_photo_is_told_by_its_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert refusal(phone_file_of_disk()) == "heic"


def phone_file_of_disk() -> bytes:
    return BROKEN_PHONE["HEIC"]


# ---- colour profiles ----


def icc_profile(red, green, blue, gamma: float = 2.2, name: str = "Test P3") -> bytes:
    """A matrix profile (ICC.1:2001-04) with these primaries, given as XYZ under D50, and a pure gamma."""

    def padded(body: bytes) -> bytes:
        return body + bytes(-len(body) % 4)

    def xyz(values) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    text = name.encode() + b"\0"
    described = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)
    tags = {b"desc": described, b"wtpt": xyz((0.9642, 1.0, 0.8249)), b"rXYZ": xyz(red), b"gXYZ": xyz(green)}
    tags |= {b"bXYZ": xyz(blue), b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    table, bodies, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for tag, body in tags.items():
        table += tag + struct.pack(">II", at, len(body))
        bodies += padded(body)
        at += len(padded(body))
    header = struct.pack(">I", at) + b"\0\0\0\0\x02\x40\0\0mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28)
    header += struct.pack(">iii", *(round(value * 65536) for value in (0.9642, 1.0, 0.8249)))
    return header + bytes(128 - len(header)) + table + bodies


# Display P3's primaries under D50 (Apple's profile; SMPTE EG 432-1 adapted by Bradford)
P3 = dict(red=(0.51512, 0.2412, -0.00105), green=(0.29198, 0.69225, 0.04189), blue=(0.1571, 0.06657, 0.78407))


def test_a_phones_red_arrives_as_red():
    """(220, 40, 40) of sRGB is (201, 62, 55) in Display P3: these numbers must not be taken as they stand."""
    picture = Image.new("RGB", (32, 32), (201, 62, 55))
    for kind in ("PNG", "JPEG", "WEBP"):
        data = encoded(picture, kind, icc_profile=icc_profile(**P3), **({"quality": 100} if kind != "PNG" else {}))
        assert np.abs(decode_picture(data)[16, 16].astype(int) - (220, 40, 40)).max() <= 6, kind
    assert (decode_picture(encoded(picture, "PNG"))[16, 16] == (201, 62, 55)).all()  # none: as they stand


def test_the_profiles_name_is_told_with_the_pixels():
    data = encoded(Image.new("RGB", (8, 8)), "PNG", icc_profile=icc_profile(**P3, name="Test P3"))
    assert decode_with_profile(data)[1] == "Test P3"
    assert decode_with_profile(encoded(Image.new("RGB", (8, 8)), "PNG"))[1] == ""
    hostile = icc_profile(**P3, name="<b>\x07" + "x" * 90)
    told = decode_with_profile(encoded(Image.new("RGB", (8, 8)), "PNG", icc_profile=hostile))[1]
    assert len(told) <= 40
    assert told.isprintable()


def test_a_profile_does_not_change_what_is_seen_through():
    picture = Image.new("RGBA", (32, 32), (201, 62, 55, 0))
    data = encoded(picture, "PNG", icc_profile=icc_profile(**P3))
    assert (decode_picture(data) == 255).all()


@pytest.mark.parametrize(
    "profile", [b"x", b"x" * 500, icc_profile(**P3)[:200], icc_profile(**P3).replace(b"RGB ", b"CMYK")]
)
def test_a_broken_profile_is_no_broken_picture(profile):
    data = encoded(Image.new("RGB", (8, 8), (201, 62, 55)), "PNG", icc_profile=profile)
    assert (decode_untrusted(data)[0, 0] == (201, 62, 55)).all()


def test_srgbs_own_profile_changes_nothing():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(Image.new("RGB", (8, 8), (201, 62, 55)), "PNG", icc_profile=profile)
    assert (decode_picture(data)[0, 0] == (201, 62, 55)).all()


@pytest.mark.parametrize(
    "data",
    [
        b"just some text, named png",
        b"BMW, a text on cars that begins with two letters",
        b"<html><p>hi</p></html>",
        b"\0",
    ],
)
def test_text_named_png_is_not_a_picture(data):
    assert refusal(data) == "not_a_picture"


@pytest.mark.parametrize("read", [decode_picture, decode_untrusted])
def test_empty_and_oversized_files_are_refused_before_any_work(read, monkeypatch):
    monkeypatch.setattr(subprocess, "run", None)  # would fail if a child were started
    assert refusal(b"", read) == "empty"
    assert refusal(b"\xff\xd8\xff" + bytes(20_000_000), read) == "too_many_bytes"
    assert refusal(FOREIGN["MOV"], read) == "other_kind"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
def test_truncated_file_is_refused(kind):
    noise = np.random.default_rng(0).integers(0, 256, (120, 200, 3), np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    for kept in (len(data) // 2, 40):
        assert refusal(data[:kept]) == "damaged"


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        (tiff_of_bands(3, 32, sample_format=3, photometric=2), "tiff_floats", "3 band(s) of 32-bit"),
        (tiff_of_bands(1, 64, sample_format=3), "tiff_floats", "1 band(s) of 64-bit"),
        (tiff_of_bands(1, 64, sample_format=6), "tiff_complex", "64 bits"),
        (tiff_of_bands(4, 16), "tiff_bands", "4 bands of 16 bits"),
        (tiff_of_bands(7, 8), "tiff_bands", "7 bands of 8 bits"),
        pytest.param(
            *(encoded(quadrants().convert("YCbCr"), "TIFF"), "tiff_ycbcr", "YCbCr"),
            marks=pytest.mark.skipif(PIL.__version__ >= "13", reason="Pillow 13 reads them"),
        ),
    ],
)
@pytest.mark.parametrize("read", [decode_picture, decode_untrusted])
def test_sound_tiff_of_a_kind_that_is_not_read_is_called_by_its_kind(data, name, said, read):
    assert refusal(data, read) == name
    with pytest.raises(PictureError, match=re.escape(said)):
        read(data)


@pytest.mark.parametrize("data", [encoded(quadrants(), "TIFF")[:-900], tiff_of_bands(4, 16)[:60]])
def test_truncated_tiff_is_still_called_damaged(data):
    assert refusal(data) == "damaged"


def test_damaged_png_is_refused():
    data = encoded(Image.radial_gradient("L").resize((320, 200)), "PNG")
    middle = len(data) // 2
    assert refusal(data[:middle] + b"\xff" * 40 + data[middle + 40 :]) == "damaged"
    assert refusal(data[:20] + b"\1" + data[21:]) == "damaged"  # the header no longer fits its checksum


def test_flipped_bytes_end_in_pixels_or_a_sentence():
    rng = np.random.default_rng(1)
    for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF"):
        sound = encoded(quadrants(), kind)
        for _ in range(40):
            data = np.frombuffer(sound, np.uint8).copy()
            data[rng.integers(8, len(data), 3)] = rng.integers(0, 256, 3)
            try:
                pixels = decode_picture(data.tobytes())
            except PictureError as error:
                assert_for_people(str(error))
            else:
                assert pixels.dtype == np.uint8
                assert max(pixels.shape) <= decode.MAX_KEPT_SIDE


# ---- bombs, and the child ----


def test_jpeg_with_thousands_of_scans_is_refused_at_once():
    data = encoded(quadrants(240, 400), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    bomb = data[:last] + data[last:-2] * 3_000 + data[-2:]
    start = time.perf_counter()
    assert refusal(bomb, decode_untrusted) == "too_slow"
    assert time.perf_counter() - start < 1


def test_gif_with_200_000_comments_cannot_hold_a_worker():
    assert_read_or_given_up(gif_with_comments(200_000))  # PIL 12 gives up, 13 reads it


def test_jpeg_with_very_many_segments_cannot_hold_a_worker():
    data = encoded(quadrants(), "JPEG", quality=95)
    assert_read_or_given_up(data[:2] + b"\xff\xe1\x00\x08Exif\0\0" * 500_000 + data[2:])


def assert_read_or_given_up(bomb: bytes, timeout_s: float = 1.5) -> None:
    start = time.perf_counter()
    try:
        assert_quadrants(decode_untrusted(bomb, timeout_s), off_by=8)
    except PictureError as error:
        key = error.key
    else:
        key = "picture.too_slow"
    assert key == "picture.too_slow"
    assert time.perf_counter() - start < timeout_s + 4  # generous: the machine may be busy


def test_child_is_dead_when_time_is_up(monkeypatch):
    children = []

    class Recorded(subprocess.Popen):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            children.append(self)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    assert refusal(encoded(quadrants(), "PNG"), decode_untrusted, timeout_s=0.001) == "too_slow"
    assert len(children) == 1
    assert children[0].returncode is not None


@pytest.mark.parametrize(("kind", "size"), [("PNG", (HEIGHT, WIDTH)), ("JPEG", (1200, 4800))])
def test_child_gives_the_same_pixels(kind, size):
    data = encoded(quadrants(*size), kind)
    seen = decode_untrusted(data)
    assert (seen == decode_picture(data)).all()
    assert seen.flags.writeable


def test_child_needs_no_particular_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    assert_quadrants(decode_untrusted(encoded(quadrants(), "PNG")))


def test_child_refuses_with_the_same_words():
    for data in (
        encoded(Image.new("L", (16_385, 400)), "PNG"),
        with_png_size(encoded(quadrants(), "PNG"), 14_000, 14_000),
        encoded(quadrants(), "PNG")[:60],
    ):
        with pytest.raises(PictureError) as here:
            decode_picture(data)
        with pytest.raises(PictureError) as there:
            decode_untrusted(data)
        assert (there.value.key, there.value.values) == (here.value.key, here.value.values)


def test_children_of_several_threads_do_not_mix():
    colours = [RED, GREEN, BLUE, GREY]
    files = [encoded(Image.new("RGB", (30 + index, 20), colour), "PNG") for index, colour in enumerate(colours)]
    with ThreadPoolExecutor(4) as pool:
        for index, seen in enumerate(pool.map(decode_untrusted, files)):
            assert seen.shape == (20, 30 + index, 3)
            assert (seen == colours[index]).all()


def test_child_starts_without_numpy():
    code = "import sys, vit_demo.decode; sys.exit(bool({'numpy', 'torch', 'gradio'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_child_works_where_python_has_no_resource_module():
    code = "import sys; sys.modules['resource'] = None; import vit_demo.decode as d; d._serve(10)"
    data = encoded(quadrants(), "PNG")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, input=data, capture_output=True, check=False)
    header, _, body = done.stdout.partition(b"\n")
    assert json.loads(header) == {"height": HEIGHT, "width": WIDTH, "profile": ""}
    assert body == quadrants().tobytes()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds processes to their address space")
def test_child_short_of_memory_says_so():
    code = (
        "import vit_demo.decode as d; pages = int(open('/proc/self/statm').read().split()[0]);"
        "d.MAX_CHILD_BYTES = pages * 4096 + 40_000_000; d._serve(10)"
    )
    data = encoded(Image.new("RGB", (6_000, 5_000)), "PNG", compress_level=1)  # 120 MB
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, input=data, capture_output=True, check=False)
    assert json.loads(done.stdout) == {"error": "too_much_memory", "values": {}}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to end by")
@pytest.mark.parametrize(
    ("code", "name"), [("SIGSEGV", "damaged"), ("SIGXCPU", "too_slow"), ("SIGKILL", "too_much_memory"), (1, "busy")]
)
def test_how_the_child_ended_is_put_into_words(monkeypatch, code, name):
    code = code if isinstance(code, int) else -signal.Signals[code]
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], code, b""))
    assert refusal(encoded(quadrants(), "PNG"), decode_untrusted) == name


def test_child_that_cannot_start_is_not_blamed_on_the_picture(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    assert refusal(encoded(quadrants(), "PNG"), decode_untrusted) == "busy"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\xff\xfe\n",
        b"[]\n",
        b"5\n",
        b'{"height": 2, "width": 3}\n' + bytes(17),
        b'{"height": -2, "width": -3}\n' + bytes(18),
        b'{"height": Infinity, "width": 3}\n' + bytes(18),
        b'{"height": 9000, "width": 1}\n' + bytes(27_000),
        b'{"error": "../../secret", "values": {}}\n',
        b'{"error": "too_thin", "values": {"width": "<b>", "height": 1, "limit": 1}}\n',
        b'{"error": "damaged", "values": {"key": 1}}\n',
    ],
)
def test_child_that_a_file_took_over_is_not_believed(monkeypatch, said):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, said))
    assert refusal(encoded(quadrants(), "PNG"), decode_untrusted) == "damaged"


def test_decoding_changes_nothing_for_the_rest_of_the_process():
    from PIL import ImageFile

    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    decode_picture(encoded(quadrants(), "PNG"))
    refusal(encoded(quadrants(), "PNG")[:60])
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)


# ---- words ----


def placeholders(phrase: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(phrase) if name}


def test_both_languages_have_the_same_sentences_and_placeholders():
    assert ENGLISH.keys() == CHINESE.keys()
    for name in ENGLISH:
        assert placeholders(ENGLISH[name]) == placeholders(CHINESE[name])


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", ENGLISH)
def test_every_sentence_is_for_people_and_says_what_to_do(name, language):
    values = {"width": 5000, "height": 20, "size": 21, "limit": 20, "kind": "PDF", "bands": 4, "bits": 16}
    needed = {key: values[key] for key in placeholders(ENGLISH[name])}
    sentence = say(f"picture.{name}", language, **needed)
    assert_for_people(sentence)
    assert sentence.endswith("." if language == "en" else "。")
    assert sentence.count(". " if language == "en" else "。") >= (1 if language == "en" else 2)


def test_accepted_kinds_are_named():
    for kind in decode._KINDS:
        assert kind in ENGLISH["not_a_picture"].upper()
        assert kind in CHINESE["not_a_picture"].upper()


@pytest.mark.parametrize("size", [(1, 1), (37, 2000), (16_383, 3)])
@pytest.mark.parametrize(
    ("mode", "options"),
    [("RGB", {"lossless": True}), ("RGB", {"quality": 50}), ("RGBA", {"quality": 50, "alpha_quality": 50})],
    ids=["lossless", "lossy", "extended"],
)
def test_a_webps_size_is_read_off_its_header(size, mode, options):
    data = encoded(Image.new(mode, size, (200, 40, 40, 128)[: len(mode)]), "WEBP", **options)
    assert _webp_size(data) == size


@pytest.mark.parametrize(
    "chunk",
    [
        b"VP8X" + struct.pack("<IB3x", 10, 0) + (16_382).to_bytes(3, "little") * 2,
        b"VP8L" + struct.pack("<IBI", 10, 0x2F, 16_382 | 16_382 << 14) + bytes(5),
        b"VP8 " + struct.pack("<I", 10) + b"\x10\x00\x00\x9d\x01\x2a" + struct.pack("<HH", 16_383, 16_383),
    ],
    ids=["extended", "lossless", "lossy"],
)
def test_a_webp_of_the_largest_size_is_called_too_large_and_not_damaged(chunk):
    data = b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
    with pytest.raises(PictureError) as caught:
        decode_untrusted(data)
    assert caught.value.key == "picture.too_many_pixels"
