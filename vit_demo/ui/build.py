"""The page: what stands where, and which event calls which function. It knows its tabs as objects (tab.py) alone."""

from __future__ import annotations

import json
from functools import partial

import gradio as gr

from vit_demo.classroom import Room
from vit_demo.contract import ExplainerProtocol
from vit_demo.gallery import Example
from vit_demo.text import say
from vit_demo.ui import events
from vit_demo.ui.blocks import PageBlocks
from vit_demo.ui.guide import guide_block, wire_guide
from vit_demo.ui.kit.choices import LenientRadio
from vit_demo.ui.kit.inputs import SafeImage
from vit_demo.ui.kit.static import page_style
from vit_demo.ui.kit.view import ExampleStrip, strip_value
from vit_demo.ui.page import LIGHT, QUEUED, QUIET, STATE, Page
from vit_demo.ui.tab import Tab
from vit_demo.ui.tabs import FIRST, GROUPS, TABS
from vit_demo.ui.visitors import Visitors

QUEUE_SIZE = 300  # the last resort: the Explainer says long before that there are too many
# Asks for the view of the tab that is open, and of no other: a press of that tab's own hidden button. A group that is
# opened for the first time is passed over: the tab that comes with it asks by itself.
SHOW_OPEN_TAB = """() => {
  const open = (box) => document.querySelector(`${box} [role=tab][aria-selected=true]`)?.dataset.tabId;
  const name = open("#vd-tabs"), box = document.getElementById("vd-tabs-" + name);
  const first = box && !box.dataset.shown;
  if (box) box.dataset.shown = "1";
  if (first && IS_GROUP) return [];
  document.getElementById("vd-show-" + (open("#vd-tabs-" + name) ?? name))?.click();
  return [];
}"""

# Opens the tabs that a handler named. In the browser: were they outputs of a handler, gradio would copy everything that
# stands inside of them for each of its later events.
OPEN_TABS = """(wanted) => LEVELS.map((level) => ({
  __type__: "update", ...(wanted?.[level] ? { selected: wanted[level] } : {}),
}))"""


def build_demo(
    explainer: ExplainerProtocol,
    examples: tuple[Example, ...],
    any_model: bool = False,
    most_visitors: int | None = None,
    room: Room | None = None,
) -> PageBlocks:
    """The whole page around an explainer. `any_model` lets ids, folders and files be typed; more than `most_visitors`
    at a time are asked to come back. In a `room`, pages can follow a teacher's."""
    page = Page(explainer, examples)
    with PageBlocks(title=say("page.title"), analytics_enabled=False, delete_cache=(600, 3000)) as demo:
        opens = f'<div id="vd-access" data-access="{page.access}" hidden></div>'
        # Here, it is also there when the page is mounted in a site
        gr.HTML(f"<style>{page_style()}</style>{opens}", elem_id="vd-style")
        # In the browser, not in gradio's session: a server that has forgotten a visitor, or is another, goes on from it
        page.add("good_model", gr.Textbox("", visible="hidden", elem_id="vd-good-model"))
        page.add("selection", gr.JSON({}, visible="hidden", elem_id="vd-selection"))
        page.add("shown", gr.JSON({}, visible="hidden", elem_id="vd-shown"))
        page.add("open_tabs", gr.JSON({}, visible="hidden", elem_id="vd-open-tabs"))
        _header(page)
        guide_block(page, room)
        with gr.Row():
            with gr.Column(scale=1, min_width=300, elem_id="vd-inputs"):
                _inputs(page, any_model)
            with gr.Column(scale=3, min_width=320):
                page.add("message", gr.HTML(visible=False, elem_id="vd-message"))
                tabs = _groups(page)
        for tab in TABS:
            if tab.wire:
                tab.wire(page)
        for tab in TABS:
            _wire_tab(page, tab, tabs[tab.name])
        _wire_page(demo, page, Visitors(most_visitors), room)
    demo.language, demo.plain_routes = page.parts["language"], tuple(page.plain_routes)
    demo.queue(max_size=QUEUE_SIZE, api_open=False)  # nobody passes by the queue and its bounds
    return demo


# -------------------------------------------------------------------------------------------------------------- layout


def _header(page: Page) -> None:
    with gr.Row(elem_id="vd-header"):
        page.say(gr.Markdown(elem_id="vd-title"), value="page.heading")
        language = gr.Radio(
            [("English", "en"), ("中文", "zh")],
            value="en",
            show_label=False,
            container=False,
            scale=0,
            min_width=210,
            elem_id="vd-language",
        )
        page.add("language", language, label="page.language")


def _inputs(page: Page, any_model: bool) -> None:
    image = SafeImage(
        value=str(page.examples[0].path),
        type="numpy",
        sources=["upload", "webcam", "clipboard"],
        webcam_options=gr.WebcamOptions(mirror=False),  # the model sees what the camera saw
        height=250,
        buttons=[],
        format="png",  # what the page itself puts there, a drawing, keeps every pixel
        elem_id="vd-image",
        alt_text=say("page.picture_alt"),
    )
    page.add("image", image, label="page.picture")
    page.add("examples", ExampleStrip(strip_value(page.examples, "en"), elem_id="vd-examples"))
    model = gr.Dropdown([], allow_custom_value=True, elem_id="vd-model")
    page.add("model", model, label="page.model", **({"info": "page.model_info"} if any_model else {}))
    page.add("card", gr.HTML(elem_id="vd-card"))
    page.add("side", LenientRadio([], elem_id="vd-side"), label="page.size")
    page.add("keep_shape", gr.Checkbox(elem_id="vd-keep", container=False), label="page.keep_shape")
    page.add("size_note", gr.HTML())
    page.add("status", gr.HTML(elem_id="vd-status"))
    page.say(gr.Markdown(elem_classes="vd-privacy"), value="page.privacy")


def _groups(page: Page) -> dict[str, gr.Tab]:
    """The two levels of tabs. Each topic's tab by its name."""
    first = next(group for group in GROUPS if FIRST in group.tabs)
    outer, tabs = _tabs(page, "tabs", "vd-tabs", first.name), {}
    with outer:
        for group in GROUPS:
            if len(group.tabs) == 1:
                tabs[group.tabs[0].name] = _tab(page, group.tabs[0])
                continue
            with gr.Tab(id=group.name) as entry:
                opened = FIRST if group is first else group.tabs[0]
                with _tabs(page, f"tabs_{group.name}", f"vd-tabs-{group.name}", opened.name):
                    tabs |= {tab.name: _tab(page, tab) for tab in group.tabs}
            page.add(f"group_{group.name}", entry, label=f"page.tab_{group.name}")
    return tabs


def _tabs(page: Page, name: str, elem_id: str, selected: str) -> gr.Tabs:
    return page.add(name, gr.Tabs(selected=selected, overflow_behavior="wrap", elem_id=elem_id))


def _tab(page: Page, tab: Tab) -> gr.Tab:
    with gr.Tab(id=tab.name) as component:
        page.add(f"{tab.name}_show", gr.Button(visible="hidden", elem_id=f"vd-show-{tab.name}"))
        tab.layout(page)
    page.say(component, label=f"{tab.name}.tab")
    return component


# -------------------------------------------------------------------------------------------------------------- wiring


def _wire_tab(page: Page, tab: Tab, component: gr.Tab) -> None:
    """The one listener that shows a tab: when it is opened, and when the open tab is asked for."""
    if taken := {*STATE, "shown"} & set(tab.inputs):
        raise ValueError(f"the {tab.name} tab calls inputs {taken}; these names are the page's own")
    show = page.plain_listener(
        partial(events.show, tab, page.explainer, page.examples),
        {**STATE, "shown": "shown", **tab.inputs},
        tuple(dict.fromkeys([*tab.outputs, *tab.cleared, "status", "shown", "message"])),
        **dict(
            QUEUED,
            trigger_mode="always_last",
            show_progress="minimal",
            show_progress_on=page.of(["status", tab.outputs[0]]),
        ),
    )
    component.select(**show)
    page.parts[f"{tab.name}_show"].click(**show)


def _wire_page(demo: gr.Blocks, page: Page, visitors: Visitors, room: Room | None) -> None:
    """What happens to the page as a whole: opening it, choosing picture, model, size, language."""
    parts, explainer, examples = page.parts, page.explainer, page.examples
    show, again = (
        dict(fn=None, js=SHOW_OPEN_TAB.replace("IS_GROUP", group), api_visibility="private")
        for group in ("false", "true")
    )
    loads = dict(QUEUED, extra="progress", show_progress="full", show_progress_on=parts["card"])
    model_in = ("image", "model", "good_model", "side", "keep_shape", "language")
    model_out = ("model", "good_model", "card", "side", "size_note")
    load = page.plain_listener(partial(events.choose_model, explainer), model_in, model_out, **loads)
    typed = page.plain_listener(partial(events.choose_typed_model, explainer), model_in, model_out, **loads)
    marks = page.plain_listener(partial(events.refresh_models, explainer), ("model", "language"), ("model",), **LIGHT)
    note_in = ("image", "good_model", "side", "keep_shape", "language")
    note = page.plain_listener(partial(events.resized, explainer), note_in, ("size_note",), **QUIET)
    named_in, named_out = ("good_model", "language"), ("examples", "card", "side")
    named = page.plain_listener(partial(events.relabelled, explainer, examples), named_in, named_out, **QUIET)
    about = ("language", "examples", "model", "card", "status", "image", "side", "keep_shape", "selection")
    first_out = (*about, "open_tabs", *FIRST.outputs, *(name for tab in TABS for name in tab.linked))
    first = page.plain_listener(
        partial(events.first_look, FIRST, GROUPS, explainer, examples, visitors),
        (),
        first_out,
        extra="request",
        **QUIET,
    )
    levels = ["tabs", *(f"tabs_{group.name}" for group in GROUPS if len(group.tabs) > 1)]
    opens = dict(
        fn=None,
        js=OPEN_TABS.replace("LEVELS", json.dumps(levels)),
        inputs=page.of(["open_tabs"]),
        outputs=page.of(levels),
        api_visibility="private",
    )
    translate = page.words.listener(parts["language"])

    def left(request: gr.Request) -> None:  # the page was closed: nobody waits for what it asked
        visitors.leave(request.session_hash)
        explainer.forget(request.session_hash or "")

    demo.unload(left)
    loaded = demo.load(**first).success(**opens).success(**translate).success(**load)
    loaded.success(**show)
    loaded.then(**marks)
    spoken = parts["language"].input(**translate)
    spoken.then(**show)
    spoken.then(**marks).then(**named).then(**note)

    wire_guide(page, GROUPS, room, (opens, load, show))
    for group in GROUPS:
        if len(group.tabs) > 1:
            parts[f"group_{group.name}"].select(**again)
    picked = page.plain_listener(partial(events.pick_example, examples), (), ("image",), extra="event", **QUIET)
    parts["examples"].select(**picked)
    parts["image"].change(**show)
    parts["image"].change(**note)
    # A choice from the list fires `select` once but `input` twice; what is typed fires `input` alone.
    chosen = parts["model"].select(**load)
    chosen.success(**show)
    chosen.then(**marks)
    parts["model"].input(**typed).success(**show)
    for name in ("side", "keep_shape"):
        parts[name].input(**show)
        parts[name].input(**note)
    if page.running:
        stop = dict(fn=None, cancels=page.running, api_visibility="private")
        for name, event in events.NEW_QUESTION:
            getattr(parts[name], event)(**stop)
