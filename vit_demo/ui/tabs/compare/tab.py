"""The Compare tab: up to four columns, each a model or a second picture, under one pointer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import gradio as gr
import numpy as np

from vit_demo.contract import MOST_COMPARED, RunInfo
from vit_demo.render.overlay import enlarge
from vit_demo.render.paper import Panel, paper_pdf
from vit_demo.ui.captions import model_choices
from vit_demo.ui.kit.choices import LenientDropdown, LenientRadio
from vit_demo.ui.kit.download import Download, download_block, npz_bytes, python_lines
from vit_demo.ui.kit.html import png_bytes, progress_html
from vit_demo.ui.kit.inputs import number_of, picture_of
from vit_demo.ui.kit.one_file import file_block, file_offered, file_outputs, no_file, wire_file
from vit_demo.ui.kit.parts import second_of, second_picture
from vit_demo.ui.page import Page, Updates
from vit_demo.ui.state import PageState
from vit_demo.ui.tab import Tab
from vit_demo.ui.tabs.compare.columns import (
    Column,
    CompareView,
    agreements_of,
    coloured,
    compare_value,
    computed,
    curves_html,
    filled,
    size_for,
    title_of,
)
from vit_demo.ui.tabs.compare.file import compare_file, packed_bytes

# Two models each, and the phrase that says why they are worth a look side by side
PAIRS = {
    "registers": ("timm/vit_small_patch14_dinov2.lvd142m", "timm/vit_small_patch14_reg4_dinov2.lvd142m"),
    "labels": ("timm/vit_small_patch16_224.augreg_in21k_ft_in1k", "timm/vit_small_patch16_224.dino"),
    "width": ("timm/vit_base_patch16_224.augreg2_in21k_ft_in1k", "timm/vit_small_patch16_224.augreg_in21k_ft_in1k"),
    "generations": ("timm/vit_small_patch16_224.dino", "timm/vit_small_patch16_dinov3.lvd1689m"),
    "digits": ("vit-demo/digits", "vit-demo/digits@epoch-0"),
}
CHOSEN = dict(models="compare_models", second="compare_second", other="compare_other", depth="compare_depth")
CHANGED = ("compare", "compare_curves", "compare_progress", *file_outputs("compare"))
LONG = dict(concurrency_limit=None, show_progress="hidden", trigger_mode="always_last")
CELL_PX = 224


def layout(page: Page) -> None:
    page.say(gr.Markdown(elem_classes="vd-help"), value="compare.help")
    page.add("compare_pair", LenientRadio([], elem_id="vd-compare-pair"), label="compare.pairs")
    models = LenientDropdown([], multiselect=True, max_choices=MOST_COMPARED - 1, elem_id="vd-compare-models")
    page.add("compare_models", models, label="compare.models", info="compare.models_info")
    page.add("compare_second", gr.Checkbox(container=False, elem_id="vd-compare-second"), label="compare.second")
    with page.say(gr.Accordion(open=False, elem_id="vd-compare-picture"), label="compare.second_picture"):
        second_picture(page, "compare", "compare.second_label")
    page.add("compare_depth", gr.Number(1.0, visible="hidden", elem_id="vd-compare-depth"))
    page.add("compare_progress", gr.HTML(elem_id="vd-compare-progress"))
    page.add("compare", CompareView(elem_id="vd-compare"))
    page.add("compare_curves", gr.HTML(elem_id="vd-compare-curves"))
    file_block(page, "compare")
    download_block(page, "compare", download, CHOSEN)


def wire(page: Page) -> None:
    parts = page.parts
    started = [
        parts[name].input(**page.listener(compared, CHOSEN, CHANGED, **LONG))
        for name in ("compare_models", "compare_second")
    ]
    started.append(parts["compare_other"].change(**page.listener(compared, CHOSEN, CHANGED, **LONG)))
    pair = page.listener(
        paired, dict(pair="compare_pair", **CHOSEN), (*CHANGED, "compare_models", "compare_second"), **LONG
    )
    started.append(parts["compare_pair"].input(**pair))
    deeper = page.listener(at_depth, CHOSEN, ("compare", "compare_depth"), extra="event", **LONG)
    started.append(parts["compare"].input(**deeper))
    wire_file(page, "compare", one_file, CHOSEN)
    page.stop_on_change(*started)


# ----------------------------------------------------------------------------------------------------------- handlers


def show(
    state: PageState, models: object, second: object, other: object, depth: object
) -> tuple[Updates, RunInfo | None]:
    """The page's model beside those chosen that are on this machine; beside a second picture where none is chosen."""
    offered = offers(state)
    on_disk = [model for model, (_, availability) in offered.items() if availability == "on_disk"]
    wanted = [model for model in chosen_models(models, state.model) if model in on_disk]
    alone = not wanted
    other, another = second_of(state, other)
    columns = columns_of(state, wanted, bool(second) or alone, other)
    at = depth_of(depth)
    columns, agreements = computed(state, columns, at)
    choices = [(words, model) for model, (words, _) in offered.items() if model != state.model]
    updates: Updates = {
        "compare": compare_value(state, columns, at, agreements),
        "compare_curves": curves_html(state, columns),
        "compare_progress": "",
        **file_offered(state, "compare", packed_bytes(columns)),
        "compare_models": gr.update(choices=choices, value=wanted),
        "compare_second": bool(second) or alone,
        "compare_other": another,
        "compare_pair": gr.update(choices=[(state.say(f"compare.pair_{name}"), name) for name in PAIRS], value=None),
    }
    first = columns[0].tensors
    return updates, first.info if first else None


def offers(state: PageState) -> dict[str, tuple[str, str]]:
    """(what the list says, availability) of every model, and of our own classifier at earlier moments of its training,
    which lie in the package."""
    statuses = state.explainer.statuses()
    availability = {status.card.id: str(status.availability) for status in statuses}
    found = {m: (words, availability[m]) for words, m in model_choices(statuses, state.language) if m in availability}
    for epoch, model in state.explainer.training_record().moments:
        if model not in found:
            found[model] = state.say("compare.moment", epoch=epoch), "on_disk"
    return found


def chosen_models(models: object, own: str) -> list[str]:
    """Names that the page sent, each once, without its own."""
    names = [model for model in models if isinstance(model, str)] if isinstance(models, list) else []
    return [model for model in dict.fromkeys(names) if model != own][: MOST_COMPARED - 1]


def columns_of(state: PageState, models: list[str], second: bool, other: object) -> list[Column]:
    """What stands side by side, before anything is asked: the page's model first."""
    titles = {model: words for model, (words, _) in offers(state).items()}
    columns = [Column(model, titles.get(model, model), state.image) for model in (state.model, *models)]
    pixels = picture_of(other)
    if second and pixels is not None:
        columns.insert(1, replace(columns[0], image=pixels, own_picture=True))
    return columns[:MOST_COMPARED]


def depth_of(value: object) -> float:
    """A relative depth that the page sent; the last layer for what is none."""
    return min(1.0, max(0.0, number_of(value, 1.0)))


def compared(state: PageState, models: object, second: object, other: object, depth: object = 1.0) -> Iterator[Updates]:
    """The columns one after the other, as their models come."""
    at = depth_of(depth)
    names = chosen_models(models, state.model)
    columns = columns_of(state, names, bool(second), other)
    size = size_for(state, state.explainer.details(state.model))
    for number, column in enumerate(columns):
        words = state.say("compare.loading", title=column.title)
        yield {"compare_progress": progress_html(number, len(columns), words)}
        columns[number] = filled(state, column, size, at)
        yield {"compare": compare_value(state, columns, at, [])}
    columns = coloured(state, columns, size, at)
    yield {
        "compare": compare_value(state, columns, at, agreements_of(state, columns)),
        "compare_curves": curves_html(state, columns),
        "compare_progress": "",
        **file_offered(state, "compare", packed_bytes(columns)),
    }


def paired(
    state: PageState, pair: object, models: object, second: object, other: object, depth: object = 1.0
) -> Iterator[Updates]:
    """A pair that is offered: both its models beside the page's, or the other one where the page has one of them."""
    if not isinstance(pair, str) or pair not in PAIRS:
        return
    known = offers(state)
    wanted = [model for model in PAIRS[pair] if model != state.model]
    yield {"compare_models": gr.update(value=[model for model in wanted if model in known]), "compare_second": False}
    yield from compared(state, wanted, False, other, depth)


def at_depth(
    state: PageState, event: dict, models: object, second: object, other: object, depth: object = 1.0
) -> Iterator[Updates]:
    """The same columns at another relative depth."""
    wanted, times = event.get("depth"), event.get("times")
    if isinstance(wanted, bool) or not isinstance(wanted, int | float) or not 0 <= wanted <= 1:
        return
    columns = columns_of(state, chosen_models(models, state.model), bool(second), other)
    columns, agreements = computed(state, columns, float(wanted))
    times = times if isinstance(times, int) else 0
    yield {"compare": compare_value(state, columns, float(wanted), agreements, times), "compare_depth": wanted}


# ---------------------------------------------------------------------------------------------------------- downloads


def one_file(state: PageState, models: object, second: object, other: object, depth: object = 1.0) -> str:
    """The columns that are shown, as one HTML file."""
    at = depth_of(depth)
    columns = columns_of(state, chosen_models(models, state.model), bool(second), other)
    columns, agreements = computed(state, columns, at)
    return compare_file(state, columns, at, agreements)


def download(state: PageState, models: object, second: object, other: object, depth: object = 1.0) -> Download:
    """What every model saw with its principal components, the agreements, and the lines that compute them again."""
    columns = columns_of(state, chosen_models(models, state.model), bool(second), other)
    columns, agreements = computed(state, columns, depth_of(depth))
    arrays = {f"agreement_{number}": one.values for number, one in enumerate(agreements, start=1)}
    axes = dict.fromkeys(arrays, "layer of the first model, layer of the other")
    for number, column in enumerate(columns, start=1):
        if column.colours is not None:
            arrays[f"colours_{number}"] = column.colours
            axes[f"colours_{number}"] = "row, column, red green blue"
    names = tuple(column.model for column in columns if not column.own_picture)
    size = size_for(state, state.explainer.details(state.model))
    code = python_lines(
        replace(state, size=size),
        f"models = {names!r}",
        "answer = explainer.compare(picture, models, size)",
        "for one in answer.models:",
        "    print(one.title, one.problem or one.prediction)",
        "for one in answer.agreements:",
        "    print(one.title, one.other_title, one.values.shape)  # layers, layers",
    )
    files = {"compare.png": png_bytes(_sheet(columns)), "compare.npz": npz_bytes(arrays, axes)}
    if shown := [column for column in columns if column.tensors is not None]:
        files["compare.pdf"] = paper_pdf(_panels(state.on_paper, shown), across=len(shown))
    return Download(files, code)


def _panels(state: PageState, columns: list[Column]) -> list[Panel]:
    """Every picture as its model saw it under its name, and below the colours of its patches."""
    seen = [Panel(title_of(state, one), one.tensors.picture) for one in columns if one.tensors]
    colours = [np.zeros((1, 1, 3)) if one.colours is None else np.clip(one.colours, 0, 1) for one in columns]
    return [*seen, *(Panel("", np.round(255 * one).astype(np.uint8)) for one in colours)]


def _sheet(columns: list[Column]) -> np.ndarray:
    """Every picture as its model saw it, and its colours below, side by side on white."""
    parts = []
    for column in columns:
        if column.tensors is None:
            continue
        height, width = column.tensors.picture.shape[:2]
        height, width = (round(side * CELL_PX / max(height, width)) for side in (height, width))
        cell = np.full((2 * CELL_PX + 8, CELL_PX + 8, 3), 255, np.uint8)
        cell[:height, :width] = enlarge(column.tensors.picture, height, width, smooth=True)
        if column.colours is not None:
            colours = np.round(255 * np.clip(column.colours, 0, 1)).astype(np.uint8)
            cell[CELL_PX + 8 : CELL_PX + 8 + height, :width] = enlarge(colours, height, width)
        parts.append(cell)
    return np.hstack(parts) if parts else np.full((CELL_PX, CELL_PX, 3), 255, np.uint8)


TAB = Tab(
    name="compare",
    layout=layout,
    show=show,
    inputs=CHOSEN,
    outputs=(
        *CHANGED,
        "compare_models",
        "compare_second",
        "compare_other",
        "compare_pair",
    ),
    wire=wire,
    cleared={**dict.fromkeys(("compare", "compare_curves", "compare_progress")), **no_file("compare")},
)
