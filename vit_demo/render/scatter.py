"""Dots over layers as SVG: a dot for each head, a line through the means of the layers. Wordless but for numbers; what
is read aloud or shown when pointing is handed in. Colours are CSS variables: the figure follows light and dark. What
the page's styles say is also said by attributes, so that the figure can be saved as a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 380, 250  # units of the view box
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 26  # of the axes
RADIUS = 3.4
# Okabe & Ito 2008, "Color Universal Design": colour-blind eyes tell them apart; each series has its own shape as well
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
SHAPES = ("circle", "square", "triangle", "diamond")
MARKERS = ("o", "s", "^", "D")  # the same in matplotlib's letters


@dataclass(frozen=True)
class Series:
    """One model: `values` (layers, heads), and for each dot what is shown when it is pointed at, row by row. Without
    layers it takes a colour and draws nothing."""

    values: np.ndarray
    said: Sequence[str] = ()


def ticks(high: float, most: int = 5) -> list[float]:
    """Round numbers from 0 to just above `high`: steps of 1, 2 or 5 times a power of ten, at most `most` steps."""
    if not (math.isfinite(high) and high > 0):
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(high / most))
    step = next(factor * power for factor in (1, 2, 5, 10) if high <= factor * power * most * (1 + 1e-9))
    count = math.ceil(high / step - 1e-9)
    return [float(f"{index * step:.12g}") for index in range(count + 1)]  # 3·0.1 is to read 0.3


def scatter_svg(
    series: Sequence[Series],
    label: str,
    number: Callable[[float], str] = "{:g}".format,
    guides: Sequence[float] = (),
    high: float | None = None,
) -> str:
    """An <svg> of several series over layers counted from 1; values from 0 to `high` (None: the largest of all).

    `label` is read for those who do not see it, `number` writes the ticks, `guides` are values marked by dashed lines.
    """
    most = high or max([float(one.values.max()) for one in series if one.values.size] + [float(g) for g in guides])
    marks = ticks(most)
    depth = max(len(one.values) for one in series)
    across, down = _scales(depth, marks[-1])
    parts = [*_axes(depth, marks, across, down, number)]
    dashed = 'class="vd-sc-guide" fill="none" stroke="#555" stroke-dasharray="5 4"'
    parts += [f'<path {dashed} d="M{LEFT} {down(value):.1f}H{WIDTH - RIGHT}"/>' for value in guides]
    for index, one in enumerate(series):
        shift = (index - (len(series) - 1) / 2) * min(9.0, 0.5 * (across(1) - across(0)) / len(series))
        parts.append(_dots(one, index, lambda layer, by=shift: across(layer) + by, down))
    return (
        f'<svg class="vd-scatter" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def _scales(depth: int, high: float) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """From a layer (from 0) to x, and from a value to y."""
    cell = (WIDTH - LEFT - RIGHT) / max(depth, 1)
    tall = HEIGHT - TOP - BOTTOM
    return lambda layer: LEFT + (layer + 0.5) * cell, lambda value: TOP + tall * (1 - value / high)


def _axes(depth: int, marks: list[float], across, down, number: Callable[[float], str]):
    for value in marks:
        y = down(value)
        yield f'<path class="vd-sc-line" fill="none" stroke="#ddd" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        words = escape(number(value))
        yield f'<text class="vd-sc-text" font-size="11" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{words}</text>'
    every = math.ceil(depth / 14)  # two digits each, without touching
    for layer in range(0, depth, every):
        place = f'x="{across(layer):.1f}" y="{HEIGHT - 8}"'
        yield f'<text class="vd-sc-text" font-size="11" {place} text-anchor="middle">{layer + 1}</text>'


def _dots(one: Series, index: int, across, down) -> str:
    colour, shape = colour_of(index), SHAPES[index % len(SHAPES)]
    said = iter(one.said)
    dots = []
    for layer, heads in enumerate(one.values):
        for value in heads:
            words = next(said, "")
            title = f"<title>{escape(words)}</title>" if words else ""
            dots.append(f'<path d="{_shape(shape, across(layer), down(value))}">{title}</path>')
    means = " ".join(f"{across(layer):.1f},{down(float(np.mean(heads))):.1f}" for layer, heads in enumerate(one.values))
    style = f"fill:{colour};stroke:{colour}"
    line = f'<polyline fill="none" points="{means}"/>'
    return f'<g class="vd-sc-series" style="{style}">{line}<g stroke="none">{"".join(dots)}</g></g>'


def scatter_picture(series: Sequence[Series], guides: Sequence[float] = (), dpi: int = 150) -> np.ndarray:
    """The same figure as pixels, (H, W, 3) uint8 on white, for those who want to take it away."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(scatter_figure(series, guides, dpi))
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def scatter_figure(series: Sequence[Series], guides: Sequence[float] = (), dpi: int = 150) -> Figure:
    """The same as a figure of matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / 75, HEIGHT / 75), dpi=dpi, layout="constrained")
    axes = figure.add_subplot()
    for index, one in enumerate(series):
        if not one.values.size:
            continue
        layers = np.arange(1, len(one.values) + 1)
        marker, colour = MARKERS[index % len(MARKERS)], COLOURS[index % len(COLOURS)]
        axes.plot(np.repeat(layers, one.values.shape[1]), one.values.ravel(), marker, color=colour, alpha=0.6, ms=5)
        axes.plot(layers, one.values.mean(axis=1), "-", color=colour)
    for value in guides:
        axes.axhline(value, color="#555", linestyle="--", linewidth=1)
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def colour_of(index: int) -> str:
    """The CSS colour of a series: a variable of the page, and a value where there is no page."""
    return f"var(--vd-series-{index % len(COLOURS) + 1}, {COLOURS[index % len(COLOURS)]})"


def marker_svg(index: int) -> str:
    """The mark of a series alone, for a legend."""
    shape = _shape(SHAPES[index % len(SHAPES)], 7, 7, 4.5)
    head = f'<svg class="vd-sc-marker" viewBox="0 0 14 14" aria-hidden="true" style="fill:{colour_of(index)}">'
    return f'{head}<path d="{shape}"/></svg>'


def _shape(kind: str, x: float, y: float, r: float = RADIUS) -> str:
    """Path of a mark around a point; all have about the same area."""
    if kind == "circle":
        return f"M{x - r:.1f} {y:.1f}a{r} {r} 0 1 0 {2 * r} 0a{r} {r} 0 1 0 {-2 * r} 0z"
    if kind == "square":
        s = 0.89 * r
        return f"M{x - s:.1f} {y - s:.1f}h{2 * s:.2f}v{2 * s:.2f}h{-2 * s:.2f}z"
    s = 1.25 * r
    if kind == "triangle":
        return f"M{x:.1f} {y - s:.1f}l{s:.2f} {1.8 * s:.2f}h{-2 * s:.2f}z"
    return f"M{x:.1f} {y - s:.1f}l{s:.2f} {s:.2f}l{-s:.2f} {s:.2f}l{-s:.2f} {-s:.2f}z"
