"""The page: what stands where, and which event calls which function. Every tab is a module of ui/tabs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import gradio as gr

from vit_demo.contract import ExplainerProtocol
from vit_demo.text import say
from vit_demo.ui import events
from vit_demo.ui.gallery import Example, read_examples
from vit_demo.ui.inputs import SafeImage
from vit_demo.ui.offered import OfferedRadio
from vit_demo.ui.page import LIGHT, MODEL_POOL, QUIET, Page, softened
from vit_demo.ui.tabs import attention, depth, draw, embeddings, features, own_classes, predict, relevance
from vit_demo.ui.views import ExampleStrip, strip_value

# In the order in which they stand
TABS = (predict, attention, relevance, depth, embeddings, features, own_classes, draw)
FIRST_TAB = attention.NAME
LOAD_POOL = dict(concurrency_id="load", concurrency_limit=8)  # a download must not keep others from their views
QUEUE_SIZE = 80  # more than a class of thirty; beyond it one is told to come back


def build_demo(explainer: ExplainerProtocol, examples_folder: Path, any_model: bool = False) -> gr.Blocks:
    """The whole page around an explainer. `any_model` lets ids, folders and files be typed."""
    page = Page(explainer, read_examples(examples_folder))
    with gr.Blocks(title=say("page.title"), analytics_enabled=False, delete_cache=(600, 3000)) as demo:
        page.add("tab", gr.State(FIRST_TAB))
        page.add("good_model", gr.State(""))
        page.add("selection", gr.State({}))
        page.add("shown", gr.State({}))
        _header(page)
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                _inputs(page, any_model)
            with gr.Column(scale=3, min_width=320), gr.Tabs(selected=FIRST_TAB, overflow_behavior="wrap"):
                tabs = {module.NAME: _tab(page, module) for module in TABS}
        _wire(demo, page, tabs)
        for module in TABS:
            module.wire(page)
    demo.queue(max_size=QUEUE_SIZE, api_open=False)  # nobody passes by the queue and its bounds
    return demo


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
    page.add("card", gr.HTML())
    page.add("side", OfferedRadio([], elem_id="vd-side"), label="page.size")
    page.add("keep_shape", gr.Checkbox(elem_id="vd-keep", container=False), label="page.keep_shape")
    page.add("size_note", gr.HTML())
    page.add("status", gr.HTML(elem_id="vd-status"))
    page.say(gr.Markdown(elem_classes="vd-privacy"), value="page.privacy")


def _tab(page: Page, module) -> gr.Tab:
    with gr.Tab(id=module.NAME) as tab:
        module.layout(page)
    page.say(tab, label=f"{module.NAME}.tab")
    return tab


def _wire(demo: gr.Blocks, page: Page, tabs: dict[str, gr.Tab]) -> None:
    """What happens to the page as a whole: opening it, choosing picture, model, size, language or tab."""
    parts, explainer, examples = page.parts, page.explainer, page.examples
    # One event shows whichever tab is open: the others are computed when they are opened.
    given = " ".join(["shown tab", *(module.GIVEN for module in TABS)])
    fills = " ".join(f"{module.FILLS} {module.OF_PICTURE}" for module in TABS)
    fills = " ".join(dict.fromkeys(f"{fills} status shown".split()))
    working = [parts["status"], *(page.of(module.FILLS)[0] for module in TABS)]
    show = partial(events.show, TABS, explainer, examples), given, fills
    seen = page.listen(*show, **MODEL_POOL, show_progress="minimal", show_progress_on=working)
    model_in = "image model good_model side keep_shape language"
    model_out = "model good_model card side size_note"
    loading = dict(LOAD_POOL, show_progress="full", show_progress_on=parts["card"])
    load = _plain(page, partial(events.choose_model, explainer), model_in, model_out, loading, _with_progress)
    typed = _plain(page, partial(events.choose_typed_model, explainer), model_in, model_out, loading, _with_progress)
    marks = _plain(page, partial(events.refresh_models, explainer), "model language", "model", LIGHT)
    size_in = "image good_model side keep_shape language"
    note = _plain(page, partial(events.resized, explainer), size_in, "size_note", QUIET)
    named_out = "examples card side"
    named = _plain(page, partial(events.relabelled, explainer, examples), "good_model language", named_out, QUIET)
    first_out = "language model card attention status image side keep_shape selection"
    first = _plain(page, partial(events.first_look, explainer, examples), "", first_out, LIGHT, _of_request)
    words = page.words
    translate = dict(fn=words.updates, inputs=parts["language"], outputs=words.components, api_visibility="private")
    translate |= LIGHT

    demo.load(**first).then(**translate).then(**load).success(**seen).then(**marks).then(**named)
    parts["language"].input(**translate).then(**marks).then(**named).then(**note).then(**seen)

    picked = dict(api_visibility="private", **LIGHT)
    parts["examples"].select(_picker(examples), None, parts["image"], **picked)
    parts["image"].change(**dict(seen, trigger_mode="always_last")).then(**note)
    # A choice from the list fires `select` once but `input` twice; what is typed fires `input` alone.
    parts["model"].select(**load).success(**seen).then(**marks)
    parts["model"].input(**typed).success(**seen)
    for name in ("side", "keep_shape"):
        parts[name].input(**note).then(**seen)
    for module in TABS:
        # At once, beside its view and not before it: each round trip takes a fifth of a second.
        tabs[module.NAME].select(partial(str, module.NAME), None, parts["tab"], **picked)
        tabs[module.NAME].select(**_opened(page, module))


def _opened(page: Page, module) -> dict:
    """The listener that shows one tab, carrying that tab's values alone."""
    working = [page.parts["status"], page.of(module.FILLS)[0]]
    how = dict(MODEL_POOL, trigger_mode="always_last", show_progress="minimal", show_progress_on=working)
    return page.ask(partial(events.show_tab, module), f"shown {module.GIVEN}", f"{module.FILLS} status shown", **how)


def _plain(page: Page, handler, given: str, fills: str, how: dict, wrap=softened) -> dict:
    """A listener for a handler that takes the values of `given` themselves, the language last."""
    names = tuple(fills.split())
    ins, outs = page.of(given), page.of(fills)
    return dict(fn=wrap(handler, names), inputs=ins, outputs=outs, api_visibility="private", **how)


def _picker(examples: tuple[Example, ...]):
    def run(event: gr.EventData):  # gradio looks for the annotation, which a partial hides
        index = event._data.get("index") if isinstance(event._data, dict) else None
        known = isinstance(index, int) and 0 <= index < len(examples)
        return str(examples[index].path) if known else gr.skip()

    return run


def _with_progress(handler, names):
    """`softened`, with the progress bar that gradio hands to functions that ask for one."""

    def run(*args, progress=gr.Progress()):  # noqa: B008 – gradio finds it by this default
        return softened(partial(handler, progress=progress), names)(*args)

    return run


def _of_request(handler, names):
    """`softened`, for the one handler that looks at the visitor's request."""

    def run(request: gr.Request):
        return softened(lambda _: handler(request), names)(events.language_of_request(request))

    return run
