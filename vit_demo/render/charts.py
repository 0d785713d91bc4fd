"""Plain charts as SVG from arrays: lines over depth, a histogram, and a square table of values as a small picture.

Colours are CSS variables and `currentColor`, so that a chart follows light and dark; words are arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

import numpy as np

WIDTH, HEIGHT = 420, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 10, 24
NAME_HEIGHT = 20  # below the marks, for the name of the horizontal axis
MOST_MARKS = 13  # along the horizontal axis


class Line(NamedTuple):
    """One line: its name for a tooltip, its values from left to right, which colour (a CSS class `vd-line-<n>`), and
    how it is drawn: "" is solid, "dashed" or "thin" (of what is only there for comparison)."""

    name: str
    values: np.ndarray
    colour: int
    drawn: str = ""


def round_step(span: float, most: int = 5) -> float:
    """The smallest of 1, 2, 5 × 10^k of which at most `most` fit into `span`."""
    if not span > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(span / most))
    return float(next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= most))


def tick_values(low: float, high: float) -> list[float]:
    """Round numbers between low and high, both ends within."""
    step = round_step(high - low)
    first = np.ceil(low / step - 1e-9)
    return [float(step * k) + 0.0 for k in np.arange(first, np.floor(high / step + 1e-9) + 1)]


def line_chart(
    lines: Sequence[Line],
    label: str,
    limits: tuple[float, float],
    first: int = 0,
    number: Callable[[float], str] = "{:g}".format,
    across: Sequence[float] | None = None,
    across_marks: Sequence[tuple[float, str]] | None = None,
    across_name: str = "",
) -> str:
    """Lines from left to right. `limits` are the vertical axis' ends; `label` is read to those who do not see it.

    The values stand at equal distances and are counted from `first`; or at `across`, shares of the width, with marks at
    (share, words). `across_name` says what the horizontal axis is. data-plot holds the plot's left, top, width and
    height, for those who put marks of their own on it.
    """
    low, high = limits
    count = max(len(line.values) for line in lines)
    places = across if across is not None else [i / max(1, count - 1) for i in range(count)]
    if across_marks is None:
        across_marks = [(places[i], str(first + i)) for i in range(0, count, -(-count // MOST_MARKS))]
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    down = lambda v: TOP + tall * (1 - (v - low) / ((high - low) or 1))  # noqa: E731
    parts = [_rule(down(v), number(v)) for v in tick_values(low, high)]
    parts += [_below(LEFT + wide * share, words) for share, words in across_marks]
    if across_name:
        parts.append(_below(LEFT + wide / 2, across_name, HEIGHT + NAME_HEIGHT))
    for line in lines:
        ends = zip(places[: len(line.values)], line.values, strict=True)  # a line may end early
        points = " ".join(f"{LEFT + wide * float(x):.1f},{down(float(y)):.1f}" for x, y in ends)
        title = f"<title>{escape(line.name)}</title>"
        parts.append(f'<polyline class="{_kind(line)}" points="{points}">{title}</polyline>')
    return _svg(label, parts, HEIGHT + (NAME_HEIGHT if across_name else 0))


def keys(lines: Sequence[Line]) -> str:
    """What each of a chart's lines stands for."""
    items = "".join(
        f'<li><svg class="vd-key" viewBox="0 0 24 6" aria-hidden="true"><path class="{_kind(line)}" d="M0 3H24"/></svg>'
        f"{escape(line.name)}</li>"
        for line in lines
    )
    return f'<ul class="vd-legend">{items}</ul>'


def _kind(line: Line) -> str:
    """The CSS classes of a line."""
    return f"vd-line vd-line-{line.colour}" + (f" vd-line-{line.drawn}" if line.drawn else "")


def histogram(values: np.ndarray, label: str, mark: float, number: Callable[[float], str] = "{:g}".format) -> str:
    """How many values lie where, in 40 bins from the least to the largest or the mark; bars beyond the mark stand
    out."""
    low, high = float(values.min()), float(max(values.max(), mark))
    high += (high - low) * 0.02 or 1.0
    counts, edges = np.histogram(values, bins=40, range=(low, high))
    across = lambda v: LEFT + (WIDTH - LEFT - RIGHT) * (v - low) / (high - low)  # noqa: E731
    down = lambda c: TOP + (HEIGHT - TOP - BOTTOM) * (1 - c / max(1, counts.max()))  # noqa: E731
    parts = [_rule(down(c), str(int(c))) for c in tick_values(0, float(counts.max())) if float(c).is_integer()]
    parts += [_below(across(v), number(v)) for v in tick_values(low, high)]
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        if count:
            kind = "vd-bar-out" if left >= mark else "vd-bar-in"
            x, width = across(left), across(right) - across(left) - 0.6
            tall = max(2.0, HEIGHT - BOTTOM - down(count))  # a single outlier must be seen
            parts.append(
                f'<rect class="{kind}" x="{x:.1f}" y="{HEIGHT - BOTTOM - tall:.1f}" width="{width:.1f}" '
                f'height="{tall:.1f}"><title>{int(count)}</title></rect>'
            )
    parts.append(f'<path class="vd-chart-mark" d="M{across(mark):.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
    return _svg(label, parts)


def _rule(y: float, words: str) -> str:
    return (
        f'<path class="vd-chart-rule" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        f'<text class="vd-chart-text" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(words)}</text>'
    )


def _below(x: float, words: str, bottom: float = HEIGHT) -> str:
    return f'<text class="vd-chart-text" x="{x:.1f}" y="{bottom - 7}" text-anchor="middle">{escape(words)}</text>'


def _svg(label: str, parts: Sequence[str], height: float = HEIGHT) -> str:
    plot = f"{LEFT} {TOP} {WIDTH - LEFT - RIGHT} {HEIGHT - TOP - BOTTOM}"
    return (
        f'<svg class="vd-chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}" '
        f'data-plot="{plot}" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )
