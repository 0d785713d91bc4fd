"""The Relevance tab: what a class, or the likeness to an example, owes to each patch, by many methods; and how far
such maps can be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import gradio as gr
import numpy as np

from vit_demo.contract import BASELINES, Relevance, RelevanceMap, RelevanceOptions, RunInfo
from vit_demo.contract.relevance import LONG_METHODS, QUICK_METHODS
from vit_demo.render.colour import DIVERGING
from vit_demo.render.overlay import enlarge, overlay
from vit_demo.render.paper import Panel, paper_pdf
from vit_demo.ui.kit.choices import LenientDropdown, LenientRadio, LenientSlider
from vit_demo.ui.kit.download import Download, download_block, npz_bytes, python_lines
from vit_demo.ui.kit.html import png_bytes, progress_html
from vit_demo.ui.kit.parts import run_and_stop
from vit_demo.ui.page import LIGHT, Page, Updates
from vit_demo.ui.state import PageState
from vit_demo.ui.tab import Tab
from vit_demo.ui.tabs.relevance.choices import (
    FUSIONS,
    PAIR_METHODS,
    choices_of,
    kept_target,
    shown_name,
    target_names,
)
from vit_demo.ui.tabs.relevance.figures import (
    RelevanceView,
    curves_html,
    difference_tile,
    limits_of,
    method_name,
    tile,
    view_value,
)

OPTIONS = dict(
    fusion="relevance_fusion",
    discard="relevance_discard",
    start="relevance_start",
    baseline="relevance_baseline",
)
TARGET = dict(target="relevance_target")
LISTS = ("relevance_best", "relevance_target", "relevance_other", "relevance_pair_method", "relevance_long_method")
BELOW = ("relevance_pair", "relevance_long", "relevance_progress", "relevance_curves", "relevance_found")
TOP, CELL_PX, ACROSS = 5, 224, 4
# Not the model pool: minutes of masks must not keep others from their views.
LONG = dict(concurrency_limit=None, show_progress="hidden")


def layout(page: Page) -> None:
    page.say(gr.Markdown(elem_classes="vd-help"), value="relevance.help")
    page.add("relevance_chosen", gr.State({}))
    page.add("relevance_found", gr.State({}))
    page.add("relevance_best", LenientRadio([], elem_id="vd-relevance-best"), label="relevance.target")
    page.add("relevance_target", LenientDropdown([], elem_id="vd-relevance-target"), label="relevance.any_target")
    page.add("relevance_note", gr.Markdown(elem_classes="vd-help"))
    page.add("relevance_view", RelevanceView(elem_id="vd-relevance-view"))
    with page.say(gr.Accordion(open=False, elem_id="vd-relevance-more"), label="relevance.more"), gr.Row():
        page.add("relevance_fusion", LenientRadio(list(FUSIONS), value="mean"), label="relevance.fusion")
        page.add("relevance_discard", LenientSlider(0, 0.95, value=0, step=0.05), label="relevance.discard")
        page.add("relevance_start", LenientSlider(1, 12, value=1, step=1), label="relevance.start")
        page.add("relevance_baseline", LenientRadio(list(BASELINES), value="dropped"), label="relevance.baseline")
    page.say(gr.Markdown(), value="relevance.pair_heading")
    with gr.Row():
        page.add("relevance_other", LenientDropdown([], elem_id="vd-relevance-other"), label="relevance.other")
        page.add("relevance_pair_method", LenientDropdown([]), label="relevance.method")
    page.add("relevance_pair", RelevanceView(elem_id="vd-relevance-pair"))
    page.say(gr.Markdown(), value="relevance.long_heading")
    page.say(gr.Markdown(elem_classes="vd-help"), value="relevance.long_help")
    page.add("relevance_long_method", LenientRadio([], elem_id="vd-relevance-long-method"), label="relevance.method")
    run_and_stop(page, "relevance", "long", "relevance.compute", "relevance.stop", 200)
    page.add("relevance_progress", gr.HTML(elem_id="vd-relevance-progress"))
    page.add("relevance_long", RelevanceView(elem_id="vd-relevance-long"))
    page.say(gr.Markdown(), value="relevance.faith_heading")
    page.say(gr.Markdown(elem_classes="vd-help"), value="relevance.faith_help")
    run_and_stop(page, "relevance", "faith", "relevance.measure", "relevance.stop", 200)
    page.add("relevance_curves", gr.HTML(elem_id="vd-relevance-curves"))
    download_block(page, "relevance", download, {**TARGET, **OPTIONS})


def wire(page: Page) -> None:
    parts = page.parts
    found = dict(found="relevance_found")
    long = page.listener(
        compute_long,
        {**TARGET, "method": "relevance_long_method", **found, **OPTIONS},
        ("relevance_long", "relevance_progress", "relevance_found"),
        **LONG,
    )
    faith = page.listener(measure, {**TARGET, **found, **OPTIONS}, ("relevance_curves",), **LONG)
    running = {}
    for name, computed in (("long", long), ("faith", faith)):
        running[name] = parts[f"relevance_{name}_run"].click(**computed)
        parts[f"relevance_{name}_stop"].click(None, cancels=[running[name]], api_visibility="private")
    # What goes on in parts would paint over the answers to a new question.
    page.stop_on_change(*running.values())
    stop = dict(fn=None, cancels=list(running.values()), api_visibility="private")

    chosen = ("relevance_view", "relevance_best", "relevance_target", "relevance_chosen", *BELOW, "relevance_other")
    for name in ("relevance_best", "relevance_target"):
        parts[name].input(**page.listener(pick, {"target": name, **OPTIONS}, chosen))
        parts[name].input(**stop)
    redrawn = page.listener(redraw, {**TARGET, **OPTIONS}, ("relevance_view", "relevance_other", *BELOW))
    for name, event in zip(OPTIONS.values(), ("input", "release", "release", "input"), strict=True):
        getattr(parts[name], event)(**redrawn)
        getattr(parts[name], event)(**stop)
    pair_in = {**TARGET, "other": "relevance_other", "method": "relevance_pair_method", **OPTIONS}
    for name in ("relevance_other", "relevance_pair_method"):
        parts[name].input(**page.listener(compare, pair_in, ("relevance_pair",)))
    _wire_see_why(page, stop)


def _wire_see_why(page: Page, stop: dict) -> None:
    """“See why” in the Predict tab opens this one, which begins with the best answer."""
    see_why = page.parts["predict_why"]
    opened = "() => { document.querySelector('#vd-tabs [data-tab-id=relevance]').click(); return [] }"
    anew = page.plain_listener(begin_anew, ("shown",), ("relevance_chosen", "shown"), **LIGHT)
    see_why.click(**anew).then(fn=None, js=opened, api_visibility="private")
    see_why.click(**stop)


# ----------------------------------------------------------------------------------------------------------- handlers


def begin_anew(shown: object) -> Updates:
    """Nothing chosen and nothing shown here."""
    shown = shown if isinstance(shown, dict) else {}
    return {"relevance_chosen": None, "shown": {name: one for name, one in shown.items() if name != "relevance"}}


def show(
    state: PageState, chosen: object, pair_method: object, long_method: object, **options
) -> tuple[Updates, RunInfo]:
    """The quick methods on the target that the visitor chose for this model, or on the best one."""
    targets = state.explainer.targets(*state.picture, TOP)
    names = target_names(state, targets)
    target = kept_target(chosen, state.model, len(names))
    if target is None:
        target = targets.best[0] if targets.best else 0
    answer = quick(state, target, options, targets.layer + 1)
    key = "note_class" if targets.kind == "class" else "note_example"
    note = state.say(f"relevance.{key}", layer=targets.layer + 1, depth=targets.info.depth)
    updates = {
        **blank(),
        "relevance_view": maps_of(state, answer),
        "relevance_note": note,
        **choices_of(state, targets, names, target, pair_method, long_method),
        "relevance_start": gr.update(
            maximum=max(2, targets.layer + 1), value=options_of(options, targets.layer + 1).start_layer + 1
        ),
    }
    return updates, answer.info


def pick(state: PageState, target: object, **options) -> Updates:
    """Another target, from the buttons or the list."""
    if not isinstance(target, int):
        return {}
    return {
        "relevance_view": maps_of(state, quick(state, target, options)),
        "relevance_best": gr.update(value=target),
        "relevance_target": gr.update(value=target),
        "relevance_chosen": {"model": state.model, "target": target},
        **blank(),
    }


def redraw(state: PageState, target: object, **options) -> Updates:
    """The same target under other options."""
    if not isinstance(target, int):
        return {}
    return {"relevance_view": maps_of(state, quick(state, target, options)), **blank()}


def compare(state: PageState, target: object, other: object, method: object, **options) -> Updates:
    """One method on two targets, on one scale, and the difference."""
    if not isinstance(target, int) or not isinstance(other, int) or method not in PAIR_METHODS:
        return {"relevance_pair": None}
    chosen = options_of(options)
    answers = [state.explainer.relevance(*state.picture, one, (method,), chosen) for one in (target, other)]
    one, two = (answer.maps[0] for answer in answers)
    limits = limits_of(np.stack([one.values, two.values]), one.signed)
    names = [shown_name(state, answer) for answer in answers]
    kind = answers[0].kind
    tiles = [tile(made, kind, state.language, name, limits) for made, name in zip((one, two), names, strict=True)]
    between = state.say("relevance.difference", one=names[0], other=names[1])
    tiles.append(difference_tile(one, two, kind, between, state.language))
    return {"relevance_pair": view_value(answers[0], tiles, state.language)}


def compute_long(state: PageState, target: object, method: object, found: object, **options) -> Iterator[Updates]:
    """A long method part by part; what is there so far is shown after each."""
    if not isinstance(target, int) or method not in LONG_METHODS:
        return
    name, part, parts, total, elapsed_ms = method_name(method, state.language), 0, 1, 0.0, 0.0
    yield {"relevance_progress": progress_html(0, 1, state.say("relevance.begins", method=name))}
    while part < parts:
        answer = state.explainer.relevance(*state.picture, target, (method,), options_of(options), part)
        made = answer.maps[0]
        parts, part, total = made.parts, part + 1, total + made.values
        elapsed_ms += made.elapsed_ms
        so_far = RelevanceMap(
            method, np.asarray(total, np.float32), made.signed, made.unit, made.prefix, parts, None, elapsed_ms
        )
        words = state.say("relevance.parts_done", method=name, part=part, parts=parts)
        updates = {
            "relevance_long": view_value(answer, [tile(so_far, answer.kind, state.language)], state.language),
            "relevance_progress": progress_html(part, parts, words),
        }
        if part == parts:
            kept = found if isinstance(found, dict) else {}
            updates["relevance_found"] = {**kept, method: so_far.values}
        yield updates


def measure(state: PageState, target: object, found: object, **options) -> Iterator[Updates]:
    """Deletion and insertion curves of every map that is there, one after the other, the random order first."""
    if not isinstance(target, int):
        return
    answer = quick(state, target, options)
    maps = {made.method: made.values for made in answer.maps}
    maps |= {method: found[method] for method in LONG_METHODS if isinstance(found, dict) and method in found}
    baseline, count = options_of(options).baseline, len(maps) + 1
    name = shown_name(state, answer)

    def bar(done: int) -> str:
        return progress_html(done, count, state.say("relevance.measured", done=done, count=count))

    yield {"relevance_curves": bar(0)}
    control = state.explainer.faithfulness(*state.picture, target, None, baseline)
    measured = []
    yield {"relevance_curves": curves_html(measured, control, bar(1), name, state.language)}
    for method, values in maps.items():
        curves = state.explainer.faithfulness(*state.picture, target, values, baseline)
        measured.append((method, curves))
        yield {"relevance_curves": curves_html(measured, control, bar(len(measured) + 1), name, state.language)}


# -------------------------------------------------------------------------------------------------------------- parts


def quick(state: PageState, target: int, options, layers: int | None = None) -> Relevance:
    return state.explainer.relevance(*state.picture, target, QUICK_METHODS, options_of(options, layers))


def maps_of(state: PageState, answer: Relevance) -> dict:
    return view_value(answer, [tile(made, answer.kind, state.language) for made in answer.maps], state.language)


def options_of(values: Mapping[str, object], layers: int | None = None) -> RelevanceOptions:
    """From the tab's own controls; the layer counts from 1 on screen. `layers`: as many as the target's model has."""
    fusion, discard, start, baseline = (values.get(name) for name in OPTIONS)
    start, discard = (value if isinstance(value, int | float) and value == value else 0 for value in (start, discard))
    start_layer = max(0, round(start) - 1)
    start_layer = start_layer if layers is None else min(start_layer, layers - 1)
    return RelevanceOptions(fusion or "mean", float(discard), start_layer, baseline or "dropped")


def blank() -> Updates:
    """What belongs to an earlier question goes."""
    return {
        "relevance_pair": None,
        "relevance_other": gr.update(value=None),
        "relevance_long": None,
        "relevance_progress": "",
        "relevance_curves": "",
        "relevance_found": {},
    }


# ---------------------------------------------------------------------------------------------------------- downloads


def download(state: PageState, target: object, **options) -> Download:
    """The quick maps over the picture as a sheet, their numbers, and the lines that compute them again."""
    target = target if isinstance(target, int) else 0
    answer = quick(state, target, options)
    arrays = {made.method: made.values for made in answer.maps}
    axes = dict.fromkeys(arrays, "row, column")
    code = python_lines(
        state,
        "from vit_demo.contract import RelevanceOptions",
        "from vit_demo.contract.relevance import QUICK_METHODS",
        f"options = {options_of(options)!r}",
        f"target = {target}  # {one_line(answer.name)}",
        "answer = explainer.relevance(picture, model, size, target, QUICK_METHODS, options)",
        "maps = {made.method: made.values for made in answer.maps}",
        "print({method: values.shape for method, values in maps.items()})  # (rows, columns)",
    )
    files = {
        "relevance-maps.png": png_bytes(sheet(answer)),
        "relevance-maps.pdf": paper_pdf(paper_panels(state.on_paper, answer)),
        "relevance-maps.npz": npz_bytes(arrays, axes),
    }
    return Download(files, code)


def paper_panels(state: PageState, answer: Relevance) -> list[Panel]:
    """Every map over the picture, with its method's name and its own scale."""
    panels = [Panel(state.class_name(answer.name), answer.picture)]
    for made in answer.maps:
        limits, table = limits_of(made.values, made.signed), DIVERGING if made.signed else "viridis"
        panels.append(Panel(state.say(f"relevance.method_{made.method}"), answer.picture, made.values, limits, table))
    return panels


def sheet(answer: Relevance) -> np.ndarray:
    """Every map over the picture on its own scale, left to right, top to bottom, on white: (H, W, 3) uint8."""
    height, width = answer.picture.shape[:2]
    height, width = (round(side * CELL_PX / max(height, width)) for side in (height, width))
    small, gap, count = enlarge(answer.picture, height, width, smooth=True), 8, len(answer.maps)
    down = -(-count // ACROSS)
    whole = np.full((down * (height + gap) - gap, min(count, ACROSS) * (width + gap) - gap, 3), 255, np.uint8)
    for index, made in enumerate(answer.maps):
        top, left = (index // ACROSS) * (height + gap), (index % ACROSS) * (width + gap)
        table = DIVERGING if made.signed else "viridis"
        laid = overlay(small, made.values, limits_of(made.values, made.signed), table=table)
        whole[top : top + height, left : left + width] = laid
    return whole


def one_line(words: str) -> str:
    """Words of a checkpoint in a comment of lines that people run: no line may begin inside them."""
    return " ".join(words.split())


TAB = Tab(
    name="relevance",
    layout=layout,
    show=show,
    inputs=dict(
        chosen="relevance_chosen",
        pair_method="relevance_pair_method",
        long_method="relevance_long_method",
        **OPTIONS,
    ),
    outputs=("relevance_view", *LISTS, *OPTIONS.values(), "relevance_note", *BELOW),
    wire=wire,
    cleared=dict.fromkeys(
        ("relevance_view", "relevance_pair", "relevance_long", "relevance_progress", "relevance_curves")
    ),
    keeps_state=True,  # long maps and curves take minutes
)
