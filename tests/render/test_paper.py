"""Figures for papers: what stands in the PDF, read back from it."""

from __future__ import annotations

import io
import re
import struct
import zlib
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from vit_demo.render import paper
from vit_demo.render.colour import colour_table
from vit_demo.render.paper import Panel, paper_language, paper_pdf


def streams(pdf: bytes) -> list[bytes]:
    """The content of a PDF's streams, unpacked."""
    found = []
    for raw in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            found.append(zlib.decompress(raw))
        except zlib.error:
            found.append(raw)
    return found


@dataclass(frozen=True)
class Embedded:
    """A picture in a PDF: its size, its pixels, and the bytes of its mask."""

    width: int
    height: int
    pixels: np.ndarray


def pictures(pdf: bytes) -> list[Embedded]:
    """Every picture of 8 bits, read as the PNG that its stream is (ISO 32000-1, 7.4.4.4)."""
    found = []
    for head, stream in re.findall(rb"/Subtype /Image(.*?)stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        number = lambda name, head=head: int(re.search(rb"/%s (\d+)" % name, head)[1])  # noqa: E731
        if number(b"BitsPerComponent") != 8:
            continue
        palette = re.search(rb"/Indexed /DeviceRGB \d+\s*\((.*?)(?<!\\)\)\s*\]", head, re.DOTALL)
        kind = 3 if palette else 0 if b"/DeviceGray" in head else 2
        chunks = [(b"IHDR", struct.pack(">IIBBBBB", number(b"Width"), number(b"Height"), 8, kind, 0, 0, 0))]
        if palette:
            chunks.append((b"PLTE", _unescaped(palette[1])))
        chunks += [(b"IDAT", stream), (b"IEND", b"")]
        png = b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in chunks
        )
        opened = Image.open(io.BytesIO(png))
        pixels = np.flipud(opened if kind == 0 else opened.convert("RGB"))  # a PDF's rows go up
        found.append(Embedded(number(b"Width"), number(b"Height"), pixels))
    return found


def _unescaped(text: bytes) -> bytes:
    named = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
    return re.sub(rb"\\(.)", lambda match: named.get(match[1], match[1]), text, flags=re.DOTALL)


def picture(height: int = 48, width: int = 80) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def maps(rows: int = 5, cols: int = 20) -> np.ndarray:
    return np.arange(rows * cols, dtype=float).reshape(rows, cols)


def test_a_map_is_kept_patch_by_patch():
    pdf = paper_pdf([Panel("a map", picture(), maps(), (0.0, 99.0), scale="attention")])
    assert pdf.startswith(b"%PDF")
    wanted = colour_table("viridis")[np.round(255 * maps() / 99).astype(int)]
    assert any(np.array_equal(one.pixels, wanted) for one in pictures(pdf))  # one pixel for each patch
    assert any(np.array_equal(one.pixels, picture()) for one in pictures(pdf))  # and the picture as it is


def test_the_same_figure_is_the_same_file():
    panels = [Panel("a", picture()), Panel("b", picture(), maps(), (0.0, 99.0))]
    assert paper_pdf(panels) == paper_pdf(panels)


def test_what_has_no_value_is_a_hole():
    values = maps()
    values[1, 2] = np.nan
    found = pictures(paper_pdf([Panel("", picture(), values, (0.0, 99.0))]))
    (mask,) = [one.pixels for one in found if one.pixels.shape == (5, 20)]
    assert mask[1, 2] == 0
    assert (np.delete(mask.ravel(), 22) == 153).all()  # elsewhere 60 %


def test_lines_are_lines():
    pdf = paper_pdf([Panel("", picture(), lines=(((1.0, 2.0), (30.0, 40.0), "#ff0000"),))])
    drawn = b"\n".join(streams(pdf))
    assert re.search(rb"1 0 0 RG", drawn)
    assert len(re.findall(rb" m\n.*? l\n", drawn)) >= 1


def test_titles_and_ends_of_scales_are_in_it():
    bare, titled = (paper_pdf([Panel(title, picture(), maps(), (-2.0, 2.0))]) for title in ("", "head 3"))
    assert len(titled) > len(bare)  # the title's letters
    assert b"DejaVuSans" in titled


@pytest.mark.parametrize("count", [1, 4, 5, 13])
def test_any_number_of_panels_finds_its_place(count):
    assert paper_pdf([Panel(str(i), picture()) for i in range(count)]).startswith(b"%PDF")


def test_a_figure_of_nothing_is_a_slip():
    with pytest.raises(ValueError, match="one panel"):
        paper_pdf([])


def test_chinese_is_written_where_a_font_can(monkeypatch):
    assert paper_language("en") == "en"
    monkeypatch.setattr(paper, "chinese_font", lambda: None)
    assert paper_language("zh") == "en"
    monkeypatch.setattr(paper, "chinese_font", lambda: "a font")
    assert paper_language("zh") == "zh"


def test_chinese_titles_are_drawn():
    if paper.chinese_font() is None:
        pytest.skip("no Chinese font on this machine")
    assert paper_pdf([Panel("所有头的平均", picture())]).startswith(b"%PDF")


@pytest.mark.parametrize(
    "title",
    [
        "cost $\\frac{1}{$",
        "$\\x$",
        "US$ 5 or A$",
        "a_b^c{d}",
        "x" * 500,
        "German shepherd " * 20,
    ],
)
def test_a_title_is_drawn_as_it_stands_and_in_its_cell(title):
    pdf = paper_pdf([Panel(title, picture(), maps(), scale=title), Panel("other", picture())])
    width = float(re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ", pdf)[1])
    assert width < 2 * 72 * 3  # inches of two cells and some room


def test_a_map_that_is_the_same_everywhere_has_a_scale():
    assert paper_pdf([Panel("", picture(), 0 * maps(), (0.0, 0.0))]).startswith(b"%PDF")
