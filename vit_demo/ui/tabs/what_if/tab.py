"""The What-if tab: something inside the forward pass is changed, and the answer is read again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace

import gradio as gr
import numpy as np

from vit_demo.contract import SCANS, SEARCHES, DemoError, RunInfo, Scan, TokenQuery, WhatIf
from vit_demo.edits import NO_EDITS, Edits
from vit_demo.render.colour import DIVERGING
from vit_demo.render.overlay import before_and_after
from vit_demo.render.paper import Panel, paper_pdf
from vit_demo.ui.kit.choices import LenientRadio
from vit_demo.ui.kit.download import Download, download_block, npz_bytes, python_lines
from vit_demo.ui.kit.html import note, png_bytes, progress_html
from vit_demo.ui.kit.inputs import picture_of
from vit_demo.ui.kit.parts import run_and_stop, second_of, second_picture
from vit_demo.ui.page import LIGHT, Page, Updates
from vit_demo.ui.state import PageState, Selection
from vit_demo.ui.tab import Tab
from vit_demo.ui.tabs.what_if.figures import (
    ScanView,
    WhatIfView,
    answer_value,
    game_html,
    refused_value,
    scan_value,
    target_name,
)

QUESTION = dict(edits="what_if_edits", other="what_if_other")
SCANNED = dict(
    kind="what_if_scan_kind",
    how="what_if_scan_how",
    target="what_if_target",
    other="what_if_other",
    over="what_if_scan_over",
)
OVER_EXAMPLES = ("heads", "layers")  # which scans mean something over several pictures
HOW = ("mean", "zero", "examples")
TOP = 5
MOST_LETTERS = 100_000  # of changes in an address
RELEVANT_SHARE = 0.2  # of the patches: what “what this method calls relevant” hides
# A minute of scans must not keep others from their views: the engine itself takes turns.
LONG = dict(concurrency_limit=None, show_progress="hidden")


def layout(page: Page) -> None:
    page.say(gr.Markdown(elem_classes="vd-help"), value="what_if.help")
    page.add("what_if_edits", gr.JSON({}, visible="hidden", elem_id="vd-what-if-edits"))
    page.add("what_if", WhatIfView(elem_id="vd-what-if"))
    page.say(gr.Markdown(), value="what_if.scan_heading")
    page.say(gr.Markdown(elem_classes="vd-help"), value="what_if.scan_help")
    page.add("what_if_scan_kind", LenientRadio([], elem_id="vd-what-if-kind"), label="what_if.scan_kind")
    page.add("what_if_target", LenientRadio([], elem_id="vd-what-if-target"), label="what_if.target")
    page.add("what_if_scan_how", LenientRadio([], elem_id="vd-what-if-how"), label="what_if.scan_how")
    over = gr.Checkbox(container=False, elem_id="vd-what-if-over")
    page.add("what_if_scan_over", over, label="what_if.scan_over")
    with page.say(gr.Accordion(open=False, elem_id="vd-what-if-second"), label="what_if.second"):
        page.say(gr.Markdown(elem_classes="vd-help"), value="what_if.second_help")
        second_picture(page, "what_if", "what_if.second_label")
    run_and_stop(page, "what_if", "scan", "what_if.scan_run", "what_if.stop")
    page.add("what_if_progress", gr.HTML(elem_id="vd-what-if-progress"))
    page.add("what_if_scan", ScanView(elem_id="vd-what-if-scan"))
    page.say(gr.Markdown(), value="what_if.game_heading")
    page.say(gr.Markdown(elem_classes="vd-help"), value="what_if.game_help")
    run_and_stop(page, "what_if", "game", "what_if.game_run", "what_if.stop")
    page.add("what_if_game", gr.HTML(elem_id="vd-what-if-game"))
    download_block(page, "what_if", download, QUESTION)


def wire(page: Page) -> None:
    parts = page.parts
    asked = page.listener(
        changed,
        dict(other="what_if_other"),
        ("what_if", "what_if_edits"),
        extra="event",
        **dict(LIGHT, trigger_mode="multiple"),  # the view itself asks for one answer at a time
    )
    parts["what_if"].input(**asked)
    again = page.listener(other_changed, QUESTION, ("what_if", "what_if_edits"))
    parts["what_if_other"].change(**again)
    parts["what_if"].select(**page.plain_listener(remember, outputs=["selection"], extra="event", **LIGHT))
    running = {
        "scan": page.listener(run_scan, SCANNED, ("what_if_scan", "what_if_progress"), **LONG),
        "game": page.listener(play, dict(edits="what_if_edits"), ("what_if_game",), **LONG),
    }
    started = []
    for name, computed in running.items():
        started.append(parts[f"what_if_{name}_run"].click(**computed))
        parts[f"what_if_{name}_stop"].click(None, cancels=[started[-1]], api_visibility="private")
    page.stop_on_change(*started)


# ----------------------------------------------------------------------------------------------------------- handlers


def show(
    state: PageState, edits: object, other: object, target: object, kind: object, how: object
) -> tuple[Updates, RunInfo]:
    """The answer before and after the changes that are set, as far as this model and picture know them."""
    wanted = lenient_edits(edits)
    other, another = second_of(state, other)
    try:
        answer = ask(state, wanted, picture_of(other))
    except DemoError as error:  # changes that cannot be had together: the tab opens without them, and says so
        if error.key not in ("what_if.refused", "what_if.no_other"):
            raise
        answer = replace(ask(state, NO_EDITS), left_out=True)
    targets = state.explainer.targets(*state.picture, top=TOP)
    names = [(target_name(state, targets.names[i], targets.kind), i) for i in targets.best]
    chosen = target if target in targets.best else targets.best[0]
    updates: Updates = {
        "what_if": answer_value(state, answer),
        "what_if_edits": answer.edits.plain(),
        "what_if_other": another,
        "what_if_target": gr.update(choices=names, value=chosen),
        "what_if_scan_kind": _choices(state, SCANS, "scan", kind),
        "what_if_scan_how": _choices(state, HOW, "how", how),
        "what_if_scan": None,
        "what_if_progress": "",
        "what_if_game": "",
    }
    return updates, answer.info


def _choices(state: PageState, values: tuple[str, ...], phrase: str, chosen: object) -> dict:
    named = [(state.say(f"what_if.{phrase}_{value}"), value) for value in values]
    return gr.update(choices=named, value=chosen if chosen in values else values[0])


def changed(state: PageState, event: dict, other: object) -> Updates:
    """The answer under the edits that the view sent; with `relevant`, what that method calls relevant is hidden too.
    What is refused is said in the view, which waits for every answer."""
    times = event.get("times")
    times = times if isinstance(times, int) else 0
    try:
        edits = edits_of(event.get("edits"))
        state = replace(state, selection=Selection.of(event))
        method = event.get("relevant")
        if method in SEARCHES and method != "greedy":
            edits = with_relevant(state, edits, str(method), event.get("filling"))
        answer = ask(state, edits, picture_of(other))
    except DemoError as error:
        return {"what_if": refused_value(state, error.say(state.language), times)}
    value = answer_value(state, answer, method is not None, times, whole=False)
    return {"what_if": value, "what_if_edits": answer.edits.plain()}


def other_changed(state: PageState, edits: object, other: object) -> Updates:
    """The same changes with another second picture."""
    answer = ask(state, lenient_edits(edits), picture_of(other))
    return {"what_if": answer_value(state, answer), "what_if_edits": answer.edits.plain()}


def remember(event: dict) -> Updates:
    """What was chosen in the view, for the whole page."""
    return {"selection": asdict(Selection.of(event))}


def ask(state: PageState, edits: Edits, other: np.ndarray | None = None) -> WhatIf:
    """The answer, from the page's token where this grid has it."""
    depth = state.explainer.details(state.model).depth
    if other is None and edits.patch_in:  # nothing to take states from
        return replace(ask(state, replace(edits, patch_in=())), left_out=True)
    more = dict(layer=state.selection.layer_in(depth), other=other if edits.patch_in else None, fit=True)
    try:
        query = TokenQuery.named(state.selection.token)
        return state.explainer.what_if(*state.picture, edits, None, query, **more)
    except DemoError as error:
        if error.key not in ("attention.outside_grid", "attention.no_such_token"):
            raise
        return state.explainer.what_if(*state.picture, edits, **more)


def edits_of(value: object) -> Edits:
    """Edits that a browser sent. DemoError for what is none."""
    try:
        return Edits.of_plain(value)
    except ValueError as error:
        raise DemoError("what_if.refused", reason=str(error)[:200]) from None


def of_link(query: Mapping[str, str]) -> Updates:
    """The changes that an address names."""
    try:
        edits = lenient_edits(json.loads(query.get("edits", "{}")[:MOST_LETTERS]))
    except (ValueError, RecursionError):
        edits = NO_EDITS
    return {"what_if_edits": edits.plain()} if edits else {}


def as_link(values: Mapping[str, object]) -> dict[str, str]:
    """What an address says to set these changes again."""
    return {"edits": json.dumps(lenient_edits(values.get("what_if_edits")).plain())}


def lenient_edits(value: object) -> Edits:
    """Edits that the page kept; none for what is none."""
    try:
        return Edits.of_plain(value)
    except ValueError:
        return NO_EDITS


def with_relevant(state: PageState, edits: Edits, method: str, filling: object = "drop") -> Edits:
    """These edits, and the most relevant patches for the best answer taken away in the same way as others."""
    best = state.explainer.targets(*state.picture, top=1).best[0]
    values = state.explainer.relevance(*state.picture, best, (method,)).maps[0].values
    count = max(1, round(RELEVANT_SHARE * values.size))
    patches = [divmod(int(i), values.shape[1]) for i in np.argsort(-values, axis=None, kind="stable")[:count]]
    if filling in ("mean", "blur"):
        return replace(edits, hide=(*edits.hide, *patches), hide_with=filling)
    return replace(edits, drop=(*edits.drop, *patches))


def run_scan(
    state: PageState, kind: object, how: object, target: object, other: object, over: object = False
) -> Iterator[Updates]:
    """A scan part by part; what is there so far is shown after each. `over`: the mean over the example pictures, where
    that means something."""
    kind = kind if kind in SCANS else SCANS[0]
    how = how if how in HOW else HOW[0]
    if over is True and kind in OVER_EXAMPLES:
        yield from scan_examples(state, kind, how)
        return
    target = target if isinstance(target, int) else None
    second = picture_of(other) if kind == "states" else None
    words = state.say(f"what_if.scan_{kind}")
    yield {"what_if_progress": progress_html(0, 1, state.say("what_if.scan_begins", what=words)), "what_if_scan": None}
    part, scan = 0, None
    while scan is None or part < scan.parts:
        found: Scan = state.explainer.scan(*state.picture, kind, target, how, second, part)
        scan, part = found if scan is None else scan.with_part(found), part + 1
        said = state.say("what_if.scan_parts", what=words, part=part, parts=scan.parts)
        if part == scan.parts:
            name = target_name(state, scan.name, scan.target_kind)
            seconds = f"{scan.elapsed_ms / 1000:.1f}"
            said = state.say("what_if.scan_done", what=words, name=name, seconds=seconds)
        yield {"what_if_scan": scan_value(state, scan), "what_if_progress": progress_html(part, scan.parts, said)}


def scan_examples(state: PageState, kind: str, how: str) -> Iterator[Updates]:
    """The mean of a scan over the example pictures, each for its own best answer; shown after every picture."""
    words, total, mean = state.say(f"what_if.scan_{kind}"), None, None
    count = len(state.examples)
    yield {"what_if_progress": progress_html(0, count, state.say("what_if.scan_begins", what=words))}
    for done, example in enumerate(state.examples, start=1):
        scan: Scan = state.explainer.scan(example.picture(), state.model, state.size, kind, None, how)
        total = scan.values if total is None else total + scan.values
        mean = replace(scan, values=total / done)
        said = state.say("what_if.scan_pictures", what=words, done=done, count=count)
        yield {
            "what_if_scan": scan_value(state, mean, over=done),
            "what_if_progress": progress_html(done, count, said),
        }


def play(state: PageState, edits: object) -> Iterator[Updates]:
    """How many patches every method needs, after the visitor has tried."""
    mine = lenient_edits(edits)
    hidden = mine.drop or mine.hide
    if not hidden:
        yield {"what_if_game": note(state.say("what_if.game_first"))}
        return
    alone = Edits(drop=mine.drop, hide=mine.hide, hide_with=mine.hide_with)  # heads switched off are no patches
    answer = ask(state, alone)
    changes = answer.best_before != answer.best_after
    methods, found = (*SEARCHES[1:], SEARCHES[0]), []  # the slow one last
    for done, method in enumerate(methods):
        name = state.say("what_if.greedy" if method == "greedy" else f"relevance.method_{method}")
        bar = progress_html(done, len(methods), state.say("what_if.game_tries", name=name))
        yield {"what_if_game": game_html(state, len(hidden), changes, found, bar)}
        found.append(state.explainer.fewest_patches(*state.picture, method))
    yield {"what_if_game": game_html(state, len(hidden), changes, found)}


# ---------------------------------------------------------------------------------------------------------- downloads


def download(state: PageState, edits: object, other: object) -> Download:
    """The picture as seen, the maps before, after and their difference, their numbers, and the lines that compute them
    again."""
    wanted = lenient_edits(edits)
    answer = ask(state, wanted, picture_of(other))
    files = {"what-if-saw.png": png_bytes(answer.seen)}
    arrays = {"answers": np.array(answer.names), "before": answer.before, "after": answer.after}
    axes = dict.fromkeys(arrays, "answer")
    if answer.maps_before is not None and answer.maps_after is not None:
        arrays |= {"maps_before": answer.maps_before, "maps_after": answer.maps_after}
        axes |= dict.fromkeys(("maps_before", "maps_after"), "head, row, column")
        files["what-if-maps.png"] = png_bytes(_sheet(answer.picture, answer.maps_before, answer.maps_after))
        files["what-if-maps.pdf"] = paper_pdf(_panels(state.on_paper, answer))
    files["what-if.npz"] = npz_bytes(arrays, axes)
    second = ['other = picture  # your second picture: Image.open("…")'] if answer.edits.patch_in else []
    code = python_lines(
        state,
        "from vit_demo import Edits",
        f"edits = Edits.of_plain({answer.edits.plain()!r})",
        *second,
        f"answer = explainer.what_if(picture, model, size, edits{', other=other' if second else ''})",
        "print(list(zip(answer.names, answer.before, answer.after)))",
    )
    return Download(files, code)


def _panels(state: PageState, answer: WhatIf) -> list[Panel]:
    """What the model saw, the mean over heads before and after, on one scale, and after less before."""
    before, after = (one.mean(axis=0) for one in (answer.maps_before, answer.maps_after))  # type: ignore[union-attr]
    top, apart = float(np.nanmax([before, after])), float(np.nanmax(np.abs(after - before))) or 1.0
    scale, picture = state.say("attention.scale"), answer.picture
    return [
        Panel(state.say("what_if.paper_saw"), answer.seen),
        Panel(state.say("what_if.paper_before"), picture, before, (0.0, top), scale=scale),
        Panel(state.say("what_if.paper_after"), picture, after, (0.0, top), scale=scale),
        Panel(state.say("what_if.paper_difference"), picture, after - before, (-apart, apart), DIVERGING, scale=scale),
    ]


def _sheet(picture: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The mean over heads before and after, on one scale, and their difference, side by side."""
    gap = np.full((picture.shape[0], 8, 3), 255, np.uint8)
    laid = before_and_after(picture, before, after)
    return np.hstack([laid[0], gap, laid[1], gap, laid[2]])


TAB = Tab(
    name="what_if",
    layout=layout,
    show=show,
    inputs=dict(**QUESTION, target="what_if_target", kind="what_if_scan_kind", how="what_if_scan_how"),
    outputs=(
        "what_if",
        "what_if_edits",
        "what_if_other",
        "what_if_target",
        "what_if_scan_kind",
        "what_if_scan_how",
        "what_if_scan",
        "what_if_progress",
        "what_if_game",
    ),
    wire=wire,
    cleared=dict.fromkeys(("what_if", "what_if_scan", "what_if_progress", "what_if_game")),
    of_link=of_link,
    as_link=as_link,
    linked=("what_if_edits",),
)
