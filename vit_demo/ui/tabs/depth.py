"""The Depth tab: statistics of attention for every head of every layer, of this picture or over the examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

import gradio as gr
import numpy as np

from vit_demo.contract import DemoError, LayerHeadTable
from vit_demo.grid import PatchGrid
from vit_demo.render.scatter import COLOURS, Series, marker_svg, scatter_picture, scatter_svg
from vit_demo.ui.offered import OfferedDropdown
from vit_demo.ui.page import Asked, Page, Updates
from vit_demo.ui.takeaway import Parcel, lines_for, npz_bytes, png_bytes, take_away

NAME = "depth"
GIVEN = "depth_models depth_renormalised"
FILLS = "depth_html depth_models depth_scope"
OF_PICTURE = "depth_html"
REMAINS = True  # the mean over the examples takes a minute
PICTURE, EXAMPLES = "picture", "examples"
MOST_MODELS = len(COLOURS)
# Not the model pool: a minute of examples must not keep others from their views. The engine itself takes turns.
LONG = dict(concurrency_id="depth", concurrency_limit=1, show_progress="hidden", trigger_mode="always_last")


def layout(page: Page) -> None:
    page.say(gr.Markdown(elem_classes="vd-help"), value="depth.help")
    page.add("depth_html", gr.HTML(elem_id="vd-depth"))
    page.add("depth_scope", gr.State(PICTURE))
    with gr.Row():
        small = dict(size="sm", scale=0)
        page.add("depth_run", gr.Button(min_width=220, elem_id="vd-depth-run", **small), value="depth.run")
        page.add("depth_stop", gr.Button(min_width=100, elem_id="vd-depth-stop", **small), value="depth.stop")
    models = OfferedDropdown([], multiselect=True, max_choices=MOST_MODELS - 1, elem_id="vd-depth-models")
    page.add("depth_models", models, label="depth.models", info="depth.models_info")
    renormalised = gr.Checkbox(container=False, elem_id="vd-depth-renormalised")
    page.add("depth_renormalised", renormalised, label="depth.renormalised")
    take_away(page, NAME, carry, given=f"{GIVEN} depth_scope")


def show(asked: Asked, models: object, renormalised: object) -> tuple[Updates, PatchGrid]:
    """This picture's figures, for the page's model and those laid over it."""
    on_disk = {s.card.id: s.card.title for s in asked.explainer.statuses() if s.availability == "on_disk"}
    others = [model for model in chosen(asked, models)[1:] if model in on_disk]
    tables = [asked.explainer.depth(asked.image, model, asked.size) for model in (asked.model, *others)]
    grid = tables[0].grid
    note = asked.say("depth.this_picture", rows=grid.rows, cols=grid.cols)
    choices = [(title, model) for model, title in on_disk.items() if model != asked.model]
    updates = {
        "depth_html": figures_html(asked, tables, bool(renormalised), escape(note)),
        "depth_models": gr.update(choices=choices, value=others, visible=bool(choices)),
        "depth_scope": PICTURE,
    }
    return updates, grid


def wire(page: Page) -> None:
    parts = page.parts
    run = parts["depth_run"].click(**page.ask(over_examples, GIVEN, "depth_html depth_scope", **LONG))
    again = page.ask(redraw, f"{GIVEN} depth_scope", "depth_html depth_scope", **LONG)
    redrawn = [parts[name].input(**again) for name in GIVEN.split()]
    running = [run, *redrawn]
    parts["depth_stop"].click(None, cancels=running)
    # What runs over the examples is for the model, size and language of before: it must not paint over the new view.
    for name in ("image", "good_model"):
        parts[name].change(None, cancels=running)
    for name in ("side", "keep_shape", "language"):
        parts[name].input(None, cancels=running)


def redraw(asked: Asked, models: object, renormalised: object, scope: object) -> Iterator[Updates]:
    """The same figures with other models or another distance."""
    if scope == EXAMPLES:
        yield from over_examples(asked, models, renormalised)
        return
    tables = [asked.explainer.depth(asked.image, model, asked.size) for model in chosen(asked, models)]
    grid = tables[0].grid
    note = escape(asked.say("depth.this_picture", rows=grid.rows, cols=grid.cols))
    yield {"depth_html": figures_html(asked, tables, bool(renormalised), note), "depth_scope": PICTURE}


def over_examples(asked: Asked, models: object, renormalised: object) -> Iterator[Updates]:
    """The mean over the example pictures, drawn anew after every picture."""
    count, done = len(asked.examples), []
    for model in chosen(asked, models):
        tables: list[LayerHeadTable] = []
        for example in asked.examples:
            tables.append(asked.explainer.depth(example.picture(), model, asked.size, False))
            mean = LayerHeadTable.mean(tables)
            words = escape(asked.say("depth.so_far", title=mean.title, done=len(tables), count=count))
            bar = f"{words} {progress_html(len(tables), count, words)}"
            yield {
                "depth_html": figures_html(asked, [*done, mean], bool(renormalised), bar),
                "depth_scope": EXAMPLES,
            }
        done.append(mean)
    note = escape(asked.say("depth.over_examples", count=count))
    yield {"depth_html": figures_html(asked, done, bool(renormalised), note), "depth_scope": EXAMPLES}


def progress_html(done: int, count: int, words: str) -> str:
    return (
        f'<span class="vd-track vd-dep-bar" role="progressbar" aria-label="{words}" aria-valuemin="0" '
        f'aria-valuemax="{count}" aria-valuenow="{done}">'
        f'<span class="vd-fill" style="width:{100 * done / count:.0f}%"></span></span>'
    )


def chosen(asked: Asked, models: object) -> list[str]:
    """The page's model, then the others that were chosen, each once. DemoError for more than fit."""
    wanted = [model for model in models if isinstance(model, str)] if isinstance(models, list) else []
    found = list(dict.fromkeys([asked.model, *wanted]))
    if len(found) > MOST_MODELS:
        raise DemoError("depth.too_many", most=MOST_MODELS)
    return found


# ------------------------------------------------------------------------------------------------------------- figures


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


def figures_html(asked: Asked, tables: list[LayerHeadTable], renormalised: bool, note_html: str) -> str:
    """The four figures, under a note and a legend."""
    legend = "".join(f"<li>{marker_svg(i)}{escape(table.title)}</li>" for i, table in enumerate(tables))
    legend = f'<ul class="vd-dep-legend">{legend}</ul>' if len(tables) > 1 else ""
    drawn = "".join(_figure(asked, panel, tables) for panel in panels(renormalised))
    head = f'<p class="vd-how">{note_html}</p>{legend}'
    return f'<div class="vd-dep">{head}<div class="vd-dep-panels">{drawn}</div></div>'


def _figure(asked: Asked, panel: Panel, tables: list[LayerHeadTable]) -> str:
    lines = [asked.say(f"depth.{panel.missing}", title=table.title) for table in tables if not has(table, panel)]
    said = "".join(f'<p class="vd-dep-what">{escape(line)}</p>' for line in lines)
    heading = f"<figcaption>{escape(asked.say(f'depth.{panel.phrase}'))}</figcaption>"
    what = f'<p class="vd-dep-what">{escape(asked.say(f"depth.{panel.phrase}_what"))}</p>'
    svg = ""
    if len(lines) < len(tables):
        svg = panel_svg(asked, panel, tables) + f'<p class="vd-dep-axis">{escape(asked.say("depth.layer"))}</p>'
    return f"<figure>{heading}{svg}{what}{said}</figure>"


def has(table: LayerHeadTable, panel: Panel) -> bool:
    """Whether the model has what the panel counts."""
    if panel.column == "prefix_mass":
        return table.grid.num_prefix_tokens > 0
    return getattr(table, panel.column) is not None


def panel_svg(asked: Asked, panel: Panel, tables: list[LayerHeadTable]) -> str:
    """One figure; a model that lacks what is counted keeps its colour for the others and has no dots."""
    first = next(table for table in tables if has(table, panel))
    means = ", ".join(short(value) for value in panel.factor * getattr(first, panel.column).mean(axis=1))
    label = asked.say("depth.figure", what=asked.say(f"depth.{panel.phrase}"), title=first.title, means=means)
    return scatter_svg(series_of(asked, panel, tables), label, guides=guides_of(panel, tables))


def series_of(asked: Asked, panel: Panel, tables: list[LayerHeadTable]) -> list[Series]:
    return [
        Series(panel.factor * getattr(table, panel.column), dots_said(asked, panel, table, len(tables) > 1))
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


def dots_said(asked: Asked, panel: Panel, table: LayerHeadTable, several: bool) -> list[str]:
    """What is shown when a dot is pointed at, row by row."""
    values, words = panel.factor * getattr(table, panel.column), []
    dot = "depth.dot_of" if several else "depth.dot"
    for layer, head in np.ndindex(*values.shape):
        read = {"value": short(values[layer, head])}
        if panel.unit == "bits":
            read["share"] = f"{100 * table.entropy_share[layer, head]:.0f}"
        value = asked.say(f"depth.{panel.unit}", **read)
        words.append(asked.say(dot, title=table.title, layer=layer + 1, head=head + 1, value=value))
    return words


def short(value: float) -> str:
    """Three figures at most."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


# ---------------------------------------------------------------------------------------------------------- take away


def carry(asked: Asked, models: object, renormalised: object, scope: object) -> Parcel:
    """The tables shown: figures as SVG and PNG, numbers as NPZ with the models in the order of the legend."""
    wanted = chosen(asked, models)
    if scope == EXAMPLES:
        tables = [
            LayerHeadTable.mean([asked.explainer.depth(e.picture(), model, asked.size, False) for e in asked.examples])
            for model in wanted
        ]
    else:
        tables = [asked.explainer.depth(asked.image, model, asked.size) for model in wanted]
    arrays = {}
    for number, table in enumerate(tables, 1):
        for panel in (*panels(False), *panels(True)[:1]):
            if has(table, panel):
                arrays[f"{panel.column}_{number}"] = getattr(table, panel.column)
    arrays["models"] = np.array([table.model_id for table in tables])
    axes = {name: "model" if name == "models" else "layer, head" for name in arrays}
    files = {"attention_over_depth.npz": npz_bytes(arrays, axes)}
    for panel in panels(bool(renormalised)):
        if any(has(table, panel) for table in tables):
            drawn = scatter_picture(series_of(asked, panel, tables), guides_of(panel, tables))
            files[f"{panel.column}.svg"] = panel_svg(asked, panel, tables).encode()
            files[f"{panel.column}.png"] = png_bytes(drawn)
    code = lines_for(
        asked,
        "table = explainer.depth(picture, model, size)",
        "print(table.distance_px.mean(axis=1))  # (layers,)",
    )
    return Parcel(files, code)
