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


class Line(NamedTuple):
    """One line: its name for a tooltip, its values from left to right, and which colour (a CSS class `vd-line-<n>`)."""

    name: str
    values: np.ndarray
    colour: int


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
    high_marks: Sequence[float] = (),
) -> str:
    """Lines over depth; the first value stands at `first` on the horizontal axis. `limits` are the vertical axis' ends,
    `high_marks` values marked by dashed lines."""
    low, high = limits
    count = max(len(line.values) for line in lines)
    across = lambda i: LEFT + (WIDTH - LEFT - RIGHT) * (i / max(1, count - 1))  # noqa: E731
    down = lambda v: TOP + (HEIGHT - TOP - BOTTOM) * (1 - (v - low) / ((high - low) or 1))  # noqa: E731
    parts = [_rule(down(v), number(v)) for v in tick_values(low, high)]
    every = -(-count // 13)
    parts += [_below(across(i), str(first + i)) for i in range(0, count, every)]
    parts += [f'<path class="vd-chart-mark" d="M{LEFT} {down(v):.1f}H{WIDTH - RIGHT}"/>' for v in high_marks]
    for line in lines:
        points = " ".join(f"{across(i):.1f},{down(float(v)):.1f}" for i, v in enumerate(line.values))
        title = f"<title>{escape(line.name)}</title>"
        parts.append(f'<polyline class="vd-line vd-line-{line.colour}" points="{points}">{title}</polyline>')
    return _svg(label, parts)


def keys(said: list[tuple[int, str]]) -> str:
    """What each colour of a chart's lines stands for."""
    items = "".join(f'<li><span class="vd-feat-key vd-line-{colour}"></span>{escape(w)}</li>' for colour, w in said)
    return f'<ul class="vd-feat-legend">{items}</ul>'


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


def _below(x: float, words: str) -> str:
    return f'<text class="vd-chart-text" x="{x:.1f}" y="{HEIGHT - 7}" text-anchor="middle">{escape(words)}</text>'


def _svg(label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="vd-chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )
