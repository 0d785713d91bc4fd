"""The figures of the Depth tab: dots for every head over the layers, as SVG, with what is said of each."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np

from vit_demo.contract import LayerHeadTable
from vit_demo.render.scatter import Series, marker_svg, scatter_svg
from vit_demo.ui.state import PageState


@dataclass(frozen=True)
class Panel:
    """One figure: which column of a LayerHeadTable, times what, under which phrases."""

    column: str
    phrase: str
    unit: str
    factor: float = 1.0
    missing: str = ""


def panels(renormalised: bool) -> tuple[Panel, ...]:
    far = ("distance_renormalised_px", "distance_renormalised") if renormalised else ("distance_px", "distance")
    return (
        Panel(*far, "px"),
        Panel("entropy_bits", "entropy", "bits"),
        Panel("prefix_mass", "prefix", "percent", 100, "no_prefix"),
        Panel("register_mass", "register", "percent", 100, "no_registers"),
    )


def figures_html(state: PageState, tables: list[LayerHeadTable], renormalised: bool, note_html: str) -> str:
    """The four figures, under a note (HTML) and a legend."""
    legend = "".join(f"<li>{marker_svg(i)}{escape(table.title)}</li>" for i, table in enumerate(tables))
    legend = f'<ul class="vd-dep-legend">{legend}</ul>' if len(tables) > 1 else ""
    drawn = "".join(_figure(state, panel, tables) for panel in panels(renormalised))
    return f'<div class="vd-dep">{note_html}{legend}<div class="vd-dep-panels">{drawn}</div></div>'


def _figure(state: PageState, panel: Panel, tables: list[LayerHeadTable]) -> str:
    lines = [state.say(f"depth.{panel.missing}", title=table.title) for table in tables if not has(table, panel)]
    said = "".join(f'<p class="vd-dep-what">{escape(line)}</p>' for line in lines)
    heading = f"<figcaption>{escape(state.say(f'depth.{panel.phrase}'))}</figcaption>"
    what = f'<p class="vd-dep-what">{escape(state.say(f"depth.{panel.phrase}_what"))}</p>'
    svg = ""
    if len(lines) < len(tables):
        svg = panel_svg(state, panel, tables) + f'<p class="vd-dep-axis">{escape(state.say("depth.layer"))}</p>'
    return f"<figure>{heading}{svg}{what}{said}</figure>"


def has(table: LayerHeadTable, panel: Panel) -> bool:
    """Whether the model has what the panel counts."""
    if panel.column == "prefix_mass":
        return table.grid.num_prefix_tokens > 0
    return getattr(table, panel.column) is not None


def panel_svg(state: PageState, panel: Panel, tables: list[LayerHeadTable]) -> str:
    """One figure; a model that lacks what is counted keeps its colour for the others and has no dots."""
    first = next(table for table in tables if has(table, panel))
    means = ", ".join(short(value) for value in panel.factor * getattr(first, panel.column).mean(axis=1))
    label = state.say("depth.figure", what=state.say(f"depth.{panel.phrase}"), title=first.title, means=means)
    return scatter_svg(series_of(state, panel, tables), label, guides=guides_of(panel, tables))


def series_of(state: PageState, panel: Panel, tables: list[LayerHeadTable]) -> list[Series]:
    return [
        Series(panel.factor * getattr(table, panel.column), dots_said(state, panel, table, len(tables) > 1))
        if has(table, panel)
        else Series(np.zeros((0, 0)))
        for table in tables
    ]


def guides_of(panel: Panel, tables: list[LayerHeadTable]) -> tuple[float, ...]:
    """Of one model alone: several grids would have several."""
    return () if len(tables) > 1 else uniform(tables[0], panel)


def uniform(table: LayerHeadTable, panel: Panel) -> tuple[float, ...]:
    """What a head would have that looks at every token alike, where that says something."""
    grid = table.grid
    values = {
        "distance_px": table.uniform_distance_px * grid.num_patches / grid.num_tokens,
        "distance_renormalised_px": table.uniform_distance_px,
        "entropy_bits": table.uniform_entropy_bits,
        "prefix_mass": 100 * grid.num_prefix_tokens / grid.num_tokens,
    }
    return (values[panel.column],) if panel.column in values else ()


def dots_said(state: PageState, panel: Panel, table: LayerHeadTable, several: bool) -> list[str]:
    """What is shown when a dot is pointed at, row by row."""
    values, words = panel.factor * getattr(table, panel.column), []
    dot = "depth.dot_of" if several else "depth.dot"
    for layer, head in np.ndindex(*values.shape):
        read = {"value": short(values[layer, head])}
        if panel.unit == "bits":
            read["share"] = f"{100 * table.entropy_share[layer, head]:.0f}"
        value = state.say(f"depth.{panel.unit}", **read)
        words.append(state.say(dot, title=table.title, layer=layer + 1, head=head + 1, value=value))
    return words


def short(value: float) -> str:
    """Three figures at most."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
