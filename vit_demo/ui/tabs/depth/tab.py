"""The Depth tab: statistics of attention for every head of every layer, of this picture or over the examples."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr
import numpy as np

from vit_demo.contract import DemoError, LayerHeadTable
from vit_demo.grid import PatchGrid
from vit_demo.render.paper import pdf_bytes
from vit_demo.render.scatter import COLOURS, scatter_figure, scatter_picture
from vit_demo.ui.kit.choices import LenientDropdown
from vit_demo.ui.kit.download import Download, download_block, npz_bytes, python_lines
from vit_demo.ui.kit.html import note, png_bytes, progress_html
from vit_demo.ui.page import Page, Updates
from vit_demo.ui.state import PageState
from vit_demo.ui.tab import Tab
from vit_demo.ui.tabs.depth.figures import figures_html, guides_of, has, panel_svg, panels, series_of

CONTROLS = dict(models="depth_models", renormalised="depth_renormalised")
PICTURE, EXAMPLES = "picture", "examples"
MOST_MODELS = len(COLOURS)
# Not the model pool: a minute of examples must not keep others from their views. The engine itself takes turns.
LONG = dict(concurrency_limit=None, show_progress="hidden", trigger_mode="always_last")


def layout(page: Page) -> None:
    page.say(gr.Markdown(elem_classes="vd-help"), value="depth.help")
    page.add("depth_html", gr.HTML(elem_id="vd-depth"))
    page.add("depth_scope", gr.State(PICTURE))
    with gr.Row():
        small = dict(size="sm", scale=0)
        page.add("depth_run", gr.Button(min_width=220, elem_id="vd-depth-run", **small), value="depth.run")
        page.add("depth_stop", gr.Button(min_width=100, elem_id="vd-depth-stop", **small), value="depth.stop")
    models = LenientDropdown([], multiselect=True, max_choices=MOST_MODELS - 1, elem_id="vd-depth-models")
    page.add("depth_models", models, label="depth.models", info="depth.models_info")
    renormalised = gr.Checkbox(container=False, elem_id="vd-depth-renormalised")
    page.add("depth_renormalised", renormalised, label="depth.renormalised")
    download_block(page, "depth", download, {**CONTROLS, "scope": "depth_scope"})


def show(state: PageState, models: object, renormalised: object) -> tuple[Updates, PatchGrid]:
    """This picture's figures, for the page's model and those laid over it."""
    on_disk = {s.card.id: s.card.title for s in state.explainer.statuses() if s.availability == "on_disk"}
    others = [model for model in chosen(state, models)[1:] if model in on_disk]
    tables = [state.explainer.depth(state.image, model, state.size) for model in (state.model, *others)]
    grid = tables[0].grid
    words = state.say("depth.this_picture", rows=grid.rows, cols=grid.cols)
    choices = [(title, model) for model, title in on_disk.items() if model != state.model]
    updates = {
        "depth_html": figures_html(state, tables, bool(renormalised), note(words)),
        "depth_models": gr.update(choices=choices, value=others, visible=bool(choices)),
        "depth_scope": PICTURE,
    }
    return updates, grid


def wire(page: Page) -> None:
    parts = page.parts
    drawn = ("depth_html", "depth_scope")
    run = parts["depth_run"].click(**page.listener(over_examples, CONTROLS, drawn, **LONG))
    again = page.listener(redraw, {**CONTROLS, "scope": "depth_scope"}, drawn, **LONG)
    running = [run, *(parts[name].input(**again) for name in CONTROLS.values())]
    parts["depth_stop"].click(None, cancels=running, api_visibility="private")
    page.stop_on_change(*running)


def redraw(state: PageState, models: object, renormalised: object, scope: object) -> Iterator[Updates]:
    """The same figures with other models or another distance."""
    if scope == EXAMPLES:
        yield from over_examples(state, models, renormalised)
        return
    tables = [state.explainer.depth(state.image, model, state.size) for model in chosen(state, models)]
    grid = tables[0].grid
    words = note(state.say("depth.this_picture", rows=grid.rows, cols=grid.cols))
    yield {"depth_html": figures_html(state, tables, bool(renormalised), words), "depth_scope": PICTURE}


def over_examples(state: PageState, models: object, renormalised: object) -> Iterator[Updates]:
    """The mean over the example pictures, drawn anew after every picture."""
    count, done = len(state.examples), []
    for model in chosen(state, models):
        tables: list[LayerHeadTable] = []
        for example in state.examples:
            tables.append(state.explainer.depth(example.picture(), model, state.size, False))
            mean = LayerHeadTable.mean(tables)
            bar = progress_html(
                len(tables), count, state.say("depth.so_far", title=mean.title, done=len(tables), count=count)
            )
            yield {
                "depth_html": figures_html(state, [*done, mean], bool(renormalised), bar),
                "depth_scope": EXAMPLES,
            }
        done.append(mean)
    words = note(state.say("depth.over_examples", count=count))
    yield {"depth_html": figures_html(state, done, bool(renormalised), words), "depth_scope": EXAMPLES}


def chosen(state: PageState, models: object) -> list[str]:
    """The page's model, then the others that were chosen, each once. DemoError for more than fit."""
    wanted = [model for model in models if isinstance(model, str)] if isinstance(models, list) else []
    found = list(dict.fromkeys([state.model, *wanted]))
    if len(found) > MOST_MODELS:
        raise DemoError("depth.too_many", most=MOST_MODELS)
    return found


# ---------------------------------------------------------------------------------------------------------- downloads


def download(state: PageState, models: object, renormalised: object, scope: object) -> Download:
    """The tables shown: figures as SVG and PNG, numbers as NPZ with the models in the order of the legend."""
    wanted = chosen(state, models)
    if scope == EXAMPLES:
        tables = [
            LayerHeadTable.mean([state.explainer.depth(e.picture(), model, state.size, False) for e in state.examples])
            for model in wanted
        ]
    else:
        tables = [state.explainer.depth(state.image, model, state.size) for model in wanted]
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
            shown = series_of(state, panel, tables), guides_of(panel, tables)
            files[f"{panel.column}.svg"] = panel_svg(state, panel, tables).encode()
            files[f"{panel.column}.png"] = png_bytes(scatter_picture(*shown))
            files[f"{panel.column}.pdf"] = pdf_bytes(scatter_figure(*shown))
    code = python_lines(
        state,
        "table = explainer.depth(picture, model, size)",
        "print(table.distance_px.mean(axis=1))  # (layers,)",
    )
    return Download(files, code)


TAB = Tab(
    name="depth",
    layout=layout,
    show=show,
    inputs=CONTROLS,
    outputs=("depth_html", "depth_models", "depth_scope"),
    wire=wire,
    cleared={"depth_html": None},
    keeps_state=True,  # the mean over the examples takes a minute
)
