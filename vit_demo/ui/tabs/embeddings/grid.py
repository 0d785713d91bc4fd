"""The position table stretched to another grid, by five conventions, and what the difference does to the picture. A
part of the Embeddings tab."""

from __future__ import annotations

import gradio as gr
import numpy as np

from vit_demo.contract import DemoError, Interpolation, SizeChoice, StretchedTable
from vit_demo.render.colour import DIVERGING
from vit_demo.ui.kit.choices import LenientDropdown, LenientSlider
from vit_demo.ui.kit.html import jpeg_url, note, table_html
from vit_demo.ui.kit.inputs import number_of
from vit_demo.ui.page import QUIET, Page, Updates
from vit_demo.ui.state import PageState
from vit_demo.ui.tabs.embeddings.maps import Map, MapsView, around_zero, from_zero, maps_value

CONTROLS = dict(
    rows="embeddings_rows",
    cols="embeddings_cols",
    component="embeddings_shown",
    first="embeddings_first",
    second="embeddings_second",
)
TABLES = ("embeddings_stretched", "embeddings_stretched_html")
OUTPUTS = (*TABLES, "embeddings_shown", "embeddings_first", "embeddings_second")
EFFECT = ("embeddings_maps", "embeddings_compare_html")
RULES = ("dino", "dinov2_reg", "timm", "transformers", "google")
OWN = "own"
# Not square, and few patches: on any machine the picture's passes follow the sliders.
ROWS, COLS, MOST = 16, 24, 64
COMPONENTS = 4
SAW_PX = 320


def layout(page: Page) -> None:
    page.say(gr.Markdown(elem_classes="vd-help"), value="embeddings.help_stretch")
    with gr.Row():
        for name, value in (("rows", ROWS), ("cols", COLS)):
            slider = LenientSlider(1, MOST, value=value, step=1, elem_id=f"vd-embeddings-{name}", min_width=220)
            page.add(f"embeddings_{name}", slider, label=f"embeddings.{name}")
        _choice(page, "shown", 0)
    with gr.Row():
        _choice(page, "first", OWN)
        _choice(page, "second", "google")
    page.add("embeddings_stretched", MapsView(elem_id="vd-embeddings-stretched"))
    with gr.Row():
        with gr.Column(scale=1, min_width=240):
            page.add("embeddings_maps", MapsView(elem_id="vd-embeddings-maps"))
        with gr.Column(scale=2, min_width=300):
            page.add("embeddings_compare_html", gr.HTML(elem_id="vd-embeddings-compared"))
    page.add("embeddings_stretched_html", gr.HTML(elem_id="vd-embeddings-apart"))


def _choice(page: Page, name: str, value: int | str) -> None:
    chosen = LenientDropdown([("–", value)], value=value, min_width=220, elem_id=f"vd-embeddings-{name}")
    page.add(f"embeddings_{name}", chosen, label=f"embeddings.{name}")


def wire(page: Page) -> None:
    for name in CONTROLS.values():
        page.parts[name].input(**page.listener(redraw, CONTROLS, TABLES, **QUIET))
    # Whatever changed the tables, the picture's two passes follow by themselves. What stands in a tab that is not open
    # tells of no change.
    seen = dict(QUIET, show_progress="minimal", show_progress_on=page.of(["embeddings_compare_html"]))
    followed = page.listener(effect, CONTROLS, EFFECT, **seen)
    page.parts["embeddings_stretched"].change(**followed)
    page.parts["embeddings_tab_grid"].select(**followed)


def show(state: PageState, **controls) -> Updates:
    """The tables and the choices in this language; a sentence for a model that has no table."""
    choices = {
        "embeddings_shown": [(state.say("embeddings.likeness"), 0)]
        + [(state.say("embeddings.component", number=number), number) for number in range(1, COMPONENTS + 1)],
        "embeddings_first": [(state.say("embeddings.rule_own"), OWN), *_named(state)],
        "embeddings_second": _named(state),
    }
    return {**{name: gr.update(choices=those) for name, those in choices.items()}, **redraw(state, **controls)}


def _named(state: PageState) -> list[tuple[str, str]]:
    return [(state.say(f"embeddings.rule_{rule}"), rule) for rule in RULES]


def redraw(state: PageState, **controls) -> Updates:
    """The five tables on the grid of the sliders."""
    grid, component, first, second = chosen(**controls)
    try:
        found = state.explainer.stretched_table(state.model, grid, first, second, component)
    except DemoError as error:
        if error.key != "embeddings.no_table":
            raise
        words = note(error.say(state.language))
        return {"embeddings_stretched": maps_value([], state.language), "embeddings_stretched_html": words}
    value = maps_value(table_maps(state, found), state.language, "embeddings.hint_stretched")
    # The tables are the model's alone, but what they do is the picture's: another picture is a change too.
    value["data"]["of"] = state.fingerprint
    return {"embeddings_stretched": value, "embeddings_stretched_html": apart_html(state, found)}


def effect(state: PageState, **controls) -> Updates:
    """Two passes of the picture, on the grid of the sliders, that differ in the convention alone."""
    grid, _, first, second = chosen(**controls)
    try:
        found = state.explainer.interpolation(state.image, state.model, SizeChoice(grid=grid), first, second)
    except DemoError as error:
        if error.key != "embeddings.no_table":
            raise
        return {"embeddings_maps": maps_value([], state.language), "embeddings_compare_html": ""}
    features = Map(state.say("embeddings.features_apart"), found.features, from_zero(found.features))
    saw = jpeg_url(found.picture, SAW_PX)
    return {
        "embeddings_maps": maps_value([features], state.language, "embeddings.hint_features"),
        "embeddings_compare_html": f'<img class="vd-emb-saw" src="{saw}" alt="">{effect_html(state, found)}',
    }


def chosen(
    rows: object, cols: object, component: object, first: object, second: object
) -> tuple[tuple[int, int], int, str | None, str]:
    """((rows, columns), component, first convention or None for the checkpoint's own, second), from the controls."""
    grid = tuple(min(max(round(number_of(n, default)), 1), MOST) for n, default in ((rows, ROWS), (cols, COLS)))
    number = min(max(int(number_of(component, 0)), 0), COMPONENTS)
    return grid, number, first if first in RULES else None, second if second in RULES else "google"


# ------------------------------------------------------------------------------------------------------------- figures


def table_maps(state: PageState, found: StretchedTable) -> list[Map]:
    """The native table, the five stretched ones on one scale with it, and how far the two compared lie apart."""
    together = np.concatenate([found.native_map.ravel(), found.maps.ravel()])
    limits = around_zero(together) if found.component else (-1.0, 1.0)
    rows, cols = found.native_map.shape
    name = state.say("embeddings.as_trained", rows=rows, cols=cols)
    maps = [Map(name, found.native_map, limits, DIVERGING, digits=2, group="native")]
    for rule, values in zip(titles_of(state, found), found.maps, strict=True):
        maps.append(Map(rule, values, limits, DIVERGING, digits=2))
    apart = 100 * found.positions
    maps.append(Map(state.say("embeddings.table_apart"), apart, from_zero(apart), unit=" %"))
    return maps


def titles_of(state: PageState, found: StretchedTable) -> list[str]:
    """The conventions' names; the checkpoint's own is marked."""
    titles = [state.say(f"embeddings.rule_{rule}") for rule in found.rules]
    return [title + (" *" if i == found.own else "") for i, title in enumerate(titles)]


def apart_html(state: PageState, found: StretchedTable) -> str:
    """How far each two of the tables lie apart."""
    titles = titles_of(state, found)
    pairs = [[titles[i], *(f"{100 * value:.1f}" for value in row)] for i, row in enumerate(found.apart)]
    return note(state.say("embeddings.all_pairs")) + table_html(["", *titles], pairs)


def effect_html(state: PageState, found: Interpolation) -> str:
    """What the change of convention did to the picture, in words and numbers."""
    first, second = (state.say(f"embeddings.rule_{rule}") for rule in found.compared)
    rows, cols = found.grid.shape
    lines = [state.say("embeddings.stretched", first=first, second=second, rows=rows, cols=cols)]
    if found.class_feature is not None:
        lines.append(state.say("embeddings.class_apart", value=f"{found.class_feature:.4f}"))
    if found.moved is not None:
        lines.append(state.say("embeddings.moved", value=f"{100 * found.moved:.2f}"))
    words = "".join(map(note, lines))
    body = [
        [state.class_name(label), f"{100 * p:.2f} %", f"{100 * q:.2f} %"]
        for label, p, q in zip(found.labels, found.before, found.after, strict=True)
    ]
    return words + (table_html(["", first, second], body) if body else "")
