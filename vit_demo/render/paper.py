"""Figures for papers: pictures, maps with their scales and titles as PDF, in which words and scales are drawn as lines
and every patch of a map is one pixel, so that they stay sharp at any size."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from vit_demo.render.colour import colourise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL_INCHES, TITLE_POINTS, SCALE_POINTS = 1.7, 8, 7
TITLE_WIDTH, TITLE_LINES = 28, 2  # letters, lines
LATIN = "DejaVu Sans"  # comes with matplotlib
CHINESE = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "SimHei",
)


@dataclass(frozen=True)
class Panel:
    """One cell of a figure: a `picture` (H, W, 3) uint8, and over it `values` (rows, cols) between `limits` in a colour
    table, whose scale stands below with its unit's words; NaN is a hole. Without values the picture stands alone, and
    without a picture the values. `lines` are (x, y) to (x, y) in the picture's pixels, with a colour of matplotlib."""

    title: str = ""
    picture: np.ndarray | None = None
    values: np.ndarray | None = None
    limits: tuple[float, float] = (0.0, 1.0)
    table: str = "viridis"
    opacity: float = 0.6
    scale: str = ""
    lines: Sequence[tuple[tuple[float, float], tuple[float, float], str]] = ()


@cache
def chinese_font() -> str | None:
    """A font of this machine that can write Chinese, None where there is none."""
    from matplotlib import font_manager

    names = set(font_manager.get_font_names())
    return next((name for name in CHINESE if name in names), None)


def paper_language(language: str) -> str:
    """The language in which this machine can write a figure's words: Chinese needs a font."""
    return language if language != "zh" or chinese_font() else "en"


def paper_pdf(panels: Sequence[Panel], across: int = 4) -> bytes:
    """The panels row by row, at most `across` beside one another, as one page of PDF. ValueError for none."""
    from matplotlib.figure import Figure

    if not panels:
        raise ValueError("a figure has at least one panel")
    across = min(across, len(panels))
    down = -(-len(panels) // across)
    shapes = [(one.picture if one.picture is not None else one.values).shape for one in panels]  # type: ignore[union-attr]
    tall = max(shape[0] / shape[1] for shape in shapes)
    wide = max(1.0, max(shape[1] / shape[0] for shape in shapes) / 2)  # of tables that are long and low
    size = across * CELL_INCHES * wide, down * CELL_INCHES * (min(2.0, tall) * wide + 0.42)
    figure = Figure(figsize=size, layout="constrained")
    for index, panel in enumerate(panels):
        axes = figure.add_subplot(down, across, index + 1)
        _draw(axes, panel)
        if any(one.values is not None for one in panels):  # also where there is none, for all to stand in line
            _scale(figure, axes, panel)
    return pdf_bytes(figure)


def pdf_bytes(figure: Figure) -> bytes:
    """A figure of matplotlib as one page of PDF, which says nothing of when it was made."""
    file = io.BytesIO()
    figure.savefig(file, format="pdf", bbox_inches="tight", metadata={"CreationDate": None, "Creator": None})
    return file.getvalue()


def _words() -> dict:
    """How words are written: as they are, a $ is no formula."""
    return {"fontfamily": [LATIN, *filter(None, [chinese_font()])], "parse_math": False}


def _draw(axes: Axes, panel: Panel) -> None:
    axes.set_axis_off()
    if panel.title:
        title = textwrap.shorten(panel.title, TITLE_WIDTH * TITLE_LINES, placeholder=" …")
        lines = textwrap.wrap(title, TITLE_WIDTH)[:TITLE_LINES]
        axes.set_title("\n".join(lines), fontsize=TITLE_POINTS, **_words())
    shape = panel.picture.shape if panel.picture is not None else panel.values.shape  # type: ignore[union-attr]
    extent = (0.0, float(shape[1]), float(shape[0]), 0.0)  # x to the right, y down
    if panel.picture is not None:
        axes.imshow(panel.picture, extent=extent, interpolation="none")
    if panel.values is not None:
        colours = colourise(np.nan_to_num(panel.values, nan=panel.limits[0]), panel.limits, panel.table) / 255
        opacity = panel.opacity if panel.picture is not None else 1.0
        alpha = np.where(np.isnan(panel.values), 0.0, opacity)[..., None]
        axes.imshow(np.concatenate([colours, alpha], axis=-1), extent=extent, interpolation="none")
    for start, end, colour in panel.lines:
        axes.plot([start[0], end[0]], [start[1], end[1]], "o-", color=colour, linewidth=1, markersize=3)
    axes.set_xlim(extent[0], extent[1])
    axes.set_ylim(extent[2], extent[3])


def _scale(figure: Figure, axes: Axes, panel: Panel) -> None:
    """The colour bar below a panel; its place alone where the panel has no values."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    from vit_demo.render.colour import colour_table

    low, high = panel.limits
    ends = [low, high] if high > low else [low]  # of a map that is the same everywhere: the lowest colour
    shown = ScalarMappable(Normalize(low, max(high, low + 1e-12)), ListedColormap(colour_table(panel.table) / 255))
    bar = figure.colorbar(shown, ax=axes, orientation="horizontal", fraction=0.06, pad=0.03, ticks=ends)
    if panel.values is None:
        bar.ax.set_axis_off()
        bar.solids.set_visible(False)
        bar.outline.set_visible(False)  # type: ignore[operator]
        return
    bar.ax.set_xticklabels([f"{end:.3g}".replace("-", "−") for end in ends], fontsize=SCALE_POINTS, **_words())
    bar.ax.tick_params(length=2, pad=1)
    bar.outline.set_linewidth(0.4)  # type: ignore[operator]
    if panel.scale:
        bar.set_label(
            textwrap.shorten(panel.scale, TITLE_WIDTH, placeholder=" …"), fontsize=SCALE_POINTS, labelpad=1, **_words()
        )
