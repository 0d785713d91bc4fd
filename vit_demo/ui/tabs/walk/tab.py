"""The Walk tab: the forward pass on the visitor's picture, one step a screen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace

import gradio as gr

from vit_demo.contract import WALK_STEPS, RunInfo, TokenQuery, WalkStep, WalkStepName
from vit_demo.ui.kit.view import View
from vit_demo.ui.kit.words import token_title, view_words
from vit_demo.ui.page import LIGHT, Page, Updates
from vit_demo.ui.state import PageState, Selection
from vit_demo.ui.tab import Tab
from vit_demo.ui.tabs.walk.figures import figure_of
from vit_demo.ui.tabs.walk.handout import handout_html
from vit_demo.ui.tabs.walk.steps import (
    END,
    IN_LAYER,
    OVER_DEPTH,
    STEPS,
    WITH_HEAD,
    code_of,
    differs_of,
    end_html,
    followed_words,
    formula_of,
    idea_of,
    map_of,
    questions_of,
    shapes_of,
    title_of,
)

CHOSEN = dict(step="walk_step")
TOKEN = re.compile(r"[a-z]{1,8}\d{0,3}|\d{1,4},\d{1,4}")  # as TokenQuery names it
LONG = dict(concurrency_limit=None, show_progress="hidden")


class WalkView(View):
    """The map of the model and one step. `input` asks for a step, `select` for the handout."""

    source = "tabs/walk/view"


def layout(page: Page) -> None:
    page.add("walk_step", gr.Textbox(STEPS[0], visible="hidden", elem_id="vd-walk-step"))
    page.add("walk", WalkView(elem_id="vd-walk"))
    page.say(gr.Markdown(elem_classes="vd-help"), value="walk.help")


def wire(page: Page) -> None:
    parts = page.parts
    # The view itself asks for one answer at a time, and knows which one it waits for.
    asked = page.listener(stepped, CHOSEN, ("walk", "walk_step", "selection"), extra="event", **LIGHT)
    parts["walk"].input(**asked)
    made = parts["walk"].select(**page.listener(handout, (), ("walk",), **LONG))
    page.stop_on_change(made)


# ------------------------------------------------------------------------------------------------------------ handlers


def show(state: PageState, step: object) -> tuple[Updates, RunInfo]:
    """The step where the visitor is."""
    name = step if step in STEPS else STEPS[0]
    token = "" if state.selection.token == "cls" else state.selection.token
    found = ask(state, name, token)
    return {"walk": value_of(state, name, found, token), "walk_step": name}, found.info


def stepped(state: PageState, event: dict, step: object) -> Updates:
    """Another step, or the same one from another token, layer or head: what the view sent."""
    wanted = event.get("step")
    name = wanted if wanted in STEPS else step if step in STEPS else STEPS[0]
    times = event.get("times")
    sent = event.get("token")
    token = sent if isinstance(sent, str) and TOKEN.fullmatch(sent) else ""
    times = times if isinstance(times, int) and 0 <= times < 1 << 53 else 0
    state = replace(state, selection=Selection.of({**event, "token": token}))
    value = value_of(state, name, ask(state, name, token), token, times, whole=False)
    return {"walk": value, "walk_step": name, "selection": asdict(state.selection)}


def handout(state: PageState) -> Iterator[Updates]:
    """All steps on this picture as one HTML file; how far it is, step by step."""
    found: list[WalkStep] = []
    for number, name in enumerate(WALK_STEPS, start=1):
        said = state.say("walk.handout_making", number=number, count=len(WALK_STEPS))
        yield {"walk": {"data": {"making": said, "question": state.fingerprint}}}
        found.append(ask(state, name, "" if state.selection.token == "cls" else state.selection.token))
    content = handout_html(state, found).encode()
    yield {"walk": {"files": {"handout.html": content}, "data": {"handout": True, "question": state.fingerprint}}}


def ask(state: PageState, name: str, token: str = "") -> WalkStep:
    """A step of the pass; after the last one, the last one's. `token` is the one that the visitor chose to follow; ""
    for the class token where the whole depth is looked at, else the middle patch."""
    chosen, depth = state.selection, state.explainer.details(state.model).depth
    token = token or ("cls" if name in OVER_DEPTH else "")
    query = TokenQuery.named(token) if token else None
    step: WalkStepName = "dino" if name == END else name  # type: ignore[assignment]
    layer = 0 if chosen.layer is None else chosen.layer_in(depth)  # the walk comes from the picture: the first layer
    return state.explainer.walk(*state.picture, step, query, layer, chosen.head or 0)


def of_link(query: Mapping[str, str]) -> Updates:
    """The step that an address names."""
    return {"walk_step": query["step"]} if query.get("step") in STEPS else {}


def as_link(values: Mapping[str, object]) -> dict[str, str]:
    """What an address says to open this step again."""
    step = values.get("walk_step")
    return {"step": step} if isinstance(step, str) and step in STEPS else {}


# --------------------------------------------------------------------------------------------------------------- values


def value_of(state: PageState, name: str, found: WalkStep, token: str = "", times: int = 0, whole: bool = True) -> dict:
    """The view's value for a step; `token` is what the visitor chose to follow. `whole`: with the picture and the
    words; else the browser has them."""
    info, grid = found.info, found.info.grid
    drawn = None if name == END else figure_of(state, found)
    data = {
        **({"words": view_words("walk", state.language), "prefix_titles": _titles(state, found)} if whole else {}),
        "question": state.fingerprint,
        "times": times,  # a value equal to the last would not be delivered
        "step": name,
        "title": title_of(state, name),
        "idea": idea_of(state, name, found),
        "figure": end_html(state, found) if drawn is None else drawn.html,
        "map": map_of(state, dict(found.map_shapes)),
        "shapes": "" if drawn is None else shapes_of(found),
        "formula": "" if drawn is None else formula_of(found),
        "code": [] if drawn is None else code_of(found),
        "differs": [] if drawn is None else differs_of(state, found),
        "questions": [] if drawn is None else [asdict(one) for one in questions_of(state, found)],
        "followed": followed_words(state, found, token),
        "chosen_layer": state.selection.layer,
        "chosen_head": state.selection.head,
        "chosen": token,
        "token": found.query.name,
        "rows": grid.rows,
        "cols": grid.cols,
        "prefix": list(grid.prefix_names),
        "depth": info.depth,
        "heads": info.heads,
        "layer": found.layer,
        "head": found.head,
        "uses_layer": name in IN_LAYER,
        "uses_head": name in WITH_HEAD,
        **(drawn.data or {} if drawn else {}),
    }
    return {"picture": found.picture if whole else None, "data": data}


def _titles(state: PageState, found: WalkStep) -> list[str]:
    return [token_title(name, state.language) for name in found.info.grid.prefix_names]


TAB = Tab(
    name="walk",
    layout=layout,
    show=show,
    inputs=CHOSEN,
    outputs=("walk", "walk_step"),
    wire=wire,
    cleared={"walk": None},
    of_link=of_link,
    as_link=as_link,
    linked=("walk_step",),
)
