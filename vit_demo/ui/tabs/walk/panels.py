"""What the figures of the walk are made of: maps with a scale and their numbers, spreads, bars. HTML of values."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from vit_demo.render.charts import Line, keys, line_chart, tick_values
from vit_demo.render.colour import DIVERGING, colourise
from vit_demo.ui.kit.html import base64_of, jpeg_url, number, png_url, scale

BINS = 40
MOST_CHANNEL_PX = 320


def limits_of(*arrays: np.ndarray, signed: bool = True) -> tuple[float, float]:
    """One scale for several arrays: symmetric about 0 where they are signed, else from 0."""
    top = max((float(np.abs(one).max()) for one in arrays if one.size), default=0.0) or 1.0
    return (-top, top) if signed else (0.0, top)


def map_panel(
    values: np.ndarray,
    words: str,
    limits: tuple[float, float],
    marked: tuple[int, int] | None = None,
    kind: str = "",
    with_scale: bool = True,
    rows_named: Sequence[str] = (),
) -> str:
    """Values (rows, cols) as coloured cells, with their scale and, for the pointer, the numbers themselves. `marked` is
    a cell (row, col) with a frame. `rows_named` stand beside the rows."""
    table = DIVERGING if limits[0] < 0 else "viridis"
    rows, cols = values.shape
    image = f'<img src="{png_url(colourise(values, limits, table))}" alt="">'
    frame = ""
    if marked is not None:
        top, left = (100 * at / count for at, count in zip(marked, (rows, cols), strict=True))
        place = f"top:{top:.3f}%;left:{left:.3f}%;height:{100 / rows:.3f}%;width:{100 / cols:.3f}%"
        frame = f'<span class="vd-walk-mark" style="{place}"></span>'
    cells = (
        f'<div class="vd-walk-cells vd-pixels" data-rows="{rows}" data-cols="{cols}" '
        f'data-values="{base64_of(np.asarray(values, dtype="<f4"))}">{image}{frame}</div>'
    )
    if rows_named:
        named = "".join(f"<span>{escape(name)}</span>" for name in rows_named)
        cells = f'<div class="vd-walk-named"><div class="vd-walk-names">{named}</div>{cells}</div>'
    ramp = scale(*limits, table) if with_scale else ""
    said = f"<figcaption>{escape(words)}</figcaption>" if words else ""
    return f'<figure class="vd-figure vd-walk-map-figure {kind}">{said}{cells}{ramp}</figure>'


def channel_panel(values: np.ndarray, words: str, limits: tuple[float, float]) -> str:
    """One channel of the picture (H, W), as large as it need be to be recognised."""
    image = f'<img src="{jpeg_url(colourise(values, limits, DIVERGING), MOST_CHANNEL_PX)}" alt="">'
    caption = f"<figcaption>{escape(words)}</figcaption>"
    return f'<figure class="vd-figure vd-walk-small">{caption}{image}{scale(*limits, DIVERGING)}</figure>'


def picture_panel(picture: np.ndarray, words: str, kind: str = "vd-walk-tiny") -> str:
    """A small picture (h, w, 3) whose pixels are to be seen."""
    image = f'<img src="{png_url(np.ascontiguousarray(picture))}" alt="">'
    return f'<figure class="vd-figure vd-pixels {kind}"><figcaption>{escape(words)}</figcaption>{image}</figure>'


def chart_panel(svg: str, words: str, lines: Sequence[Line] = ()) -> str:
    """A chart under its heading, with what each line stands for."""
    legend = keys(lines) if len(lines) > 1 else ""
    head = f"<figcaption>{escape(words)}</figcaption>"
    return f'<figure class="vd-figure vd-figure-chart">{head}{legend}{svg}</figure>'


def spread_chart(parts: Sequence[tuple[str, np.ndarray]], words: str, across_name: str) -> str:
    """How several lists of numbers are spread, each as a line over the same bins: the share of its numbers in each."""
    every = np.concatenate([values for _, values in parts])
    low, high = (float(np.quantile(every, share)) for share in (0.002, 0.998))
    high = high if high > low else low + 1.0
    lines = []
    for colour, (name, values) in enumerate(parts, start=1):
        counts, _ = np.histogram(np.clip(values, low, high), bins=BINS, range=(low, high))
        lines.append(Line(name, counts / max(1, values.size), colour, "dashed" if colour == 2 else ""))
    top = max(float(line.values.max()) for line in lines)
    marks = [((at - low) / (high - low), number(at)) for at in tick_values(low, high)]
    svg = line_chart(lines, words, (0.0, top), across_marks=marks, across_name=across_name, number=percent_mark)
    return chart_panel(svg, words, lines)


def depth_chart(lines: Sequence[Line], words: str, across_name: str, as_percent: bool = False) -> str:
    """Lines over layers, from 0 to their largest value."""
    top = max(float(np.nanmax(line.values)) for line in lines) or 1.0
    mark = percent_mark if as_percent else "{:g}".format
    svg = line_chart(lines, words, (0.0, top), first=1, across_name=across_name, number=mark)
    return chart_panel(svg, words, lines)


def percent_mark(value: float) -> str:
    return f"{100 * value:g} %"


def bars(rows: Sequence[tuple[str, float, str]], words: str = "") -> str:
    """Names with a bar of a share 0…1 and what is read beside it."""
    items = "".join(
        f'<li><span class="vd-label">{escape(name)}</span><span class="vd-track">'
        f'<span class="vd-fill" style="width:{100 * min(1.0, max(0.0, share)):.2f}%"></span></span>'
        f'<span class="vd-number">{escape(read)}</span></li>'
        for name, share, read in rows
    )
    head = f'<p class="vd-walk-heading">{escape(words)}</p>' if words else ""
    return f'<div class="vd-walk-bars">{head}<ol class="vd-bars">{items}</ol></div>'


def heading(words: str) -> str:
    return f'<p class="vd-walk-heading">{escape(words)}</p>'


def note(words: str) -> str:
    return f'<p class="vd-walk-note">{escape(words)}</p>'


def row(*parts: str, kind: str = "") -> str:
    return f'<div class="vd-walk-row {kind}">{"".join(parts)}</div>'


def short(value: float) -> str:
    """Three figures, or as a power of ten where it is tiny; with a real minus."""
    if value and abs(value) < 1e-3:
        base, _, power = f"{value:.1e}".partition("e")
        raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{base}·10{raised}".replace("-", "−")
    return number(value)
