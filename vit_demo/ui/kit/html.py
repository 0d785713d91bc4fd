"""HTML of values: pictures as data URLs, figures with captions, bars, scales, tables. Words handed in are escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

from vit_demo.render.colour import colourise

JPEG_QUALITY, SMALL_QUALITY = 95, 88
RAMP_STEPS = 64

# ------------------------------------------------------------------------------------------------------------ pictures


def base64_of(array: np.ndarray) -> str:
    """An array's bytes, row by row."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def jpeg_bytes(picture: np.ndarray, quality: int = JPEG_QUALITY) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def png_bytes(picture: np.ndarray) -> bytes:
    """(H, W, 3) uint8 without loss."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def jpeg_url(picture: np.ndarray, side_px: int | None = None) -> str:
    """A small picture as a data URL, for static HTML; its longest side at most `side_px`."""
    image = Image.fromarray(picture)
    if side_px:
        image.thumbnail((side_px, side_px))
    return "data:image/jpeg;base64," + base64.b64encode(jpeg_bytes(np.asarray(image), SMALL_QUALITY)).decode("ascii")


def png_url(picture: np.ndarray) -> str:
    """A picture without loss as a data URL, for figures with hard edges."""
    return "data:image/png;base64," + base64.b64encode(png_bytes(picture)).decode("ascii")


# ------------------------------------------------------------------------------------------------------------- numbers


def percent(share: float) -> str:
    """A share in percent with no more digits than it deserves, without the sign."""
    value = 100 * share
    if 0 < value < 0.01:
        return "< 0.01"
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 0.95 or value == 0 else f"{value:.2g}"


def cosine_text(value: float) -> str:
    """A cosine with two digits and a real minus sign."""
    return f"{value:.2f}".replace("-", "−").replace("−0.00", "0.00")


def number(value: float) -> str:
    """Three figures, with a real minus."""
    return f"{value + 0.0:.3g}".replace("-", "−")  # + 0.0: there is no negative zero on a scale


# ------------------------------------------------------------------------------------------------------------- figures


def figure(source: str, words: str, kind: str = "", scale_html: str = "") -> str:
    """A picture, its colour bar, and a caption: what is read aloud, so the picture itself has no words."""
    image = f'<img src="{source}" alt="">{scale_html}'
    return f'<figure class="vd-figure {kind}">{image}<figcaption>{escape(words)}</figcaption></figure>'


def chart(svg: str, words: str) -> str:
    return f'<figure class="vd-figure vd-figure-chart">{svg}<figcaption>{escape(words)}</figcaption></figure>'


def row(*figures: str) -> str:
    return f'<div class="vd-figures">{"".join(figures)}</div>'


def scale(low: float, high: float, table: str = "viridis") -> str:
    """A colour bar with its two ends."""
    ramp = png_url(colourise(np.linspace(0, 1, RAMP_STEPS)[None], (0.0, 1.0), table))
    return f'<span class="vd-ramp">{number(low)}<img src="{ramp}" alt="">{number(high)}</span>'


def note(words: str) -> str:
    """A sentence under or above a figure."""
    return f'<p class="vd-how">{escape(words)}</p>'


def bar(label: str, share: float, kind: str = "") -> str:
    """A line of a list: a name, a bar, its share."""
    return (
        f'<li class="{kind}"><span class="vd-label">{escape(label)}</span>'
        f'<span class="vd-track"><span class="vd-fill" style="width:{100 * share:.2f}%"></span></span>'
        f'<span class="vd-number">{escape(percent(share))} %</span></li>'
    )


def progress_html(done: int, count: int, words: str) -> str:
    """What is being done, and how far it is; `words` are not HTML."""
    escaped = escape(words)
    return (
        f'<p class="vd-progress" role="status">{escaped} <span class="vd-track" role="progressbar" '
        f'aria-label="{escaped}" aria-valuemin="0" aria-valuemax="{count}" aria-valuenow="{done}">'
        f'<span class="vd-fill" style="width:{100 * done / max(1, count):.0f}%"></span></span></p>'
    )


def table_html(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column names the rows; it scrolls by itself where the page is narrow."""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' if cell else "<td></td>" for cell in head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    table = f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="vd-table" tabindex="0">{table}</div>'  # tabindex: what scrolls must be reached by keys
