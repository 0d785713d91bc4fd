"""The page: what stands where, and which event calls which function."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import gradio as gr

from vit_demo.contract import ExplainerProtocol
from vit_demo.text import say
from vit_demo.ui import events
from vit_demo.ui.events import TABS, softened
from vit_demo.ui.gallery import Example, read_examples
from vit_demo.ui.inputs import SafeImage, language_of
from vit_demo.ui.views import AttentionView, ExampleStrip, SimilarityView, strip_value

MODEL_POOL = dict(concurrency_id="model", concurrency_limit=1)  # one computation at a time, whoever asks
VIEWS = "predict_html predict_help attention token similarity positions_help filters_html filters_help status"
LOAD_POOL = dict(concurrency_id="load", concurrency_limit=8)  # a download must not keep others from their views
QUEUE_SIZE = 80  # more than a class of thirty; beyond it one is told to come back


class Words:
    """Which phrases stand on which component, so that the whole page can change its language."""

    def __init__(self):
        self._said: dict[gr.blocks.Block, dict[str, str]] = {}

    def on(self, component, **phrases: str):
        """`label="page.model"`: this property of the component is this phrase. The component, with it set."""
        self._said[component] = phrases
        for name, key in phrases.items():
            setattr(component, name, say(key))
        return component

    @property
    def components(self) -> list:
        return list(self._said)

    def updates(self, language: str) -> list:
        language = language_of(language)
        said = self._said.values()
        return [gr.update(**{name: say(key, language) for name, key in phrases.items()}) for phrases in said]


def build_demo(explainer: ExplainerProtocol, examples_folder: Path, any_model: bool = False) -> gr.Blocks:
    """The whole page around an explainer. `any_model` lets ids, folders and files be typed."""
    examples = read_examples(examples_folder)
    words, parts = Words(), {}
    with gr.Blocks(title=say("page.title"), analytics_enabled=False, delete_cache=(600, 3000)) as demo:
        parts["tab"], parts["good_model"] = gr.State("attention"), gr.State("")
        _header(words, parts)
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                _inputs(words, parts, examples, any_model)
            with gr.Column(scale=3, min_width=320), gr.Tabs(selected="attention"):
                tabs = _tabs(words, parts)
        _wire(demo, explainer, examples, words, parts, tabs)
    demo.queue(max_size=QUEUE_SIZE, api_open=False)  # nobody passes by the queue and its bounds
    return demo


def _header(words: Words, parts: dict) -> None:
    with gr.Row(elem_id="vd-header"):
        words.on(gr.Markdown(elem_id="vd-title"), value="page.heading")
        parts["language"] = gr.Radio(
            [("English", "en"), ("中文", "zh")],
            value="en",
            show_label=False,
            container=False,
            scale=0,
            min_width=210,
            elem_id="vd-language",
        )
        words.on(parts["language"], label="page.language")


def _inputs(words: Words, parts: dict, examples: tuple[Example, ...], any_model: bool) -> None:
    parts["image"] = SafeImage(
        value=str(examples[0].path),
        type="numpy",
        sources=["upload", "webcam", "clipboard"],
        height=250,
        buttons=[],
        elem_id="vd-image",
        alt_text=say("page.picture_alt"),
    )
    words.on(parts["image"], label="page.picture")
    parts["examples"] = ExampleStrip(strip_value(examples, "en"), elem_id="vd-examples")
    parts["model"] = gr.Dropdown([], allow_custom_value=True, elem_id="vd-model")
    words.on(parts["model"], label="page.model", **({"info": "page.model_info"} if any_model else {}))
    parts["card"] = gr.HTML()
    parts["side"] = words.on(gr.Radio([], elem_id="vd-side"), label="page.size")
    parts["keep_shape"] = words.on(gr.Checkbox(elem_id="vd-keep", container=False), label="page.keep_shape")
    parts["size_note"] = gr.HTML()
    parts["status"] = gr.HTML(elem_id="vd-status")
    words.on(gr.Markdown(elem_classes="vd-privacy"), value="page.privacy")


def _tabs(words: Words, parts: dict) -> dict:
    tabs = {}
    with gr.Tab(id="predict") as tabs["predict"]:
        parts["predict_help"] = gr.Markdown(elem_classes="vd-help")
        parts["predict_html"] = gr.HTML(elem_id="vd-predict", min_height=200)
    with gr.Tab(id="attention") as tabs["attention"]:
        words.on(gr.Markdown(elem_classes="vd-help"), value="attention.help")
        with gr.Row():
            parts["layer"] = gr.Slider(1, 12, value=12, step=1, elem_id="vd-layer", scale=2, min_width=260)
            parts["token"] = gr.Dropdown(
                [(say("attention.token_cls"), "cls")],
                value="cls",
                allow_custom_value=True,
                scale=1,
                min_width=220,
                elem_id="vd-from",
            )
        words.on(parts["layer"], label="attention.layer")
        words.on(parts["token"], label="attention.from")
        parts["attention"] = AttentionView(elem_id="vd-attention")
    with gr.Tab(id="embeddings") as tabs["embeddings"]:
        words.on(gr.Markdown(), value="embeddings.positions_heading")
        parts["positions_help"] = gr.Markdown(elem_classes="vd-help")
        parts["similarity"] = SimilarityView(elem_id="vd-similarity")
        words.on(gr.Markdown(), value="embeddings.filters_heading")
        parts["filters_help"] = gr.Markdown(elem_classes="vd-help")
        parts["filters_html"] = gr.HTML(elem_id="vd-filters")
    for name, tab in tabs.items():
        words.on(tab, label=f"{name}.tab")
    return tabs


def _wire(demo: gr.Blocks, explainer: ExplainerProtocol, examples, words: Words, parts: dict, tabs: dict) -> None:
    """Every event of the page: which function, from what, to what. Errors are softened in one place."""

    def ask(handler, given: str, fills: str, how: dict, wrap=softened) -> dict:
        """The arguments of one event listener, by names of components."""
        names = tuple(fills.split())
        inputs, outputs = [parts[name] for name in given.split()], [parts[name] for name in names]
        return dict(fn=wrap(handler, names), inputs=inputs, outputs=outputs, api_visibility="private", **how)

    light = dict(queue=False, show_progress="hidden")  # no model needed: answered at once
    quiet = dict(MODEL_POOL, show_progress="hidden")
    show = partial(events.show, explainer, examples), "image good_model side keep_shape layer token tab language", VIEWS
    working = [parts["status"], parts["attention"], parts["predict_html"]]
    seen = ask(*show, dict(MODEL_POOL, show_progress="minimal", show_progress_on=working))
    latest = ask(*show, dict(quiet, trigger_mode="always_last"))
    model_in = "image model good_model side keep_shape layer language"
    model_out = "model good_model card side size_note layer"
    loading = dict(LOAD_POOL, show_progress="full", show_progress_on=parts["card"])
    load = ask(partial(events.choose_model, explainer), model_in, model_out, loading, _with_progress)
    typed = ask(partial(events.choose_typed_model, explainer), model_in, model_out, loading, _with_progress)
    marks = ask(partial(events.refresh_models, explainer), "model language", "model", light)
    note = ask(partial(events.resized, explainer), "image good_model side keep_shape language", "size_note", quiet)
    named = ask(partial(events.relabelled, explainer, examples), "good_model language", "examples card side", quiet)
    first = ask(
        partial(events.first_look, explainer, examples), "", "language model card attention status", light, _of_request
    )
    translate = dict(
        fn=words.updates, inputs=parts["language"], outputs=words.components, api_visibility="private", **light
    )

    demo.load(**first).then(**translate).then(**load).success(**seen).then(**marks).then(**named)
    parts["language"].input(**translate).then(**marks).then(**named).then(**note).then(**seen)

    picked = dict(api_visibility="private", **light)
    parts["examples"].select(_picker(examples), None, parts["image"], **picked)
    parts["image"].change(**dict(seen, trigger_mode="always_last")).then(**note)
    # A choice from the list fires `select` once but `input` twice; what is typed fires `input` alone.
    parts["model"].select(**load).success(**seen).then(**marks)
    parts["model"].input(**typed).success(**seen)
    for name in ("side", "keep_shape"):
        parts[name].input(**note).then(**seen)
    for name in ("layer", "token"):
        parts[name].input(**latest)
    parts["attention"].select(events.picked_patch, None, parts["token"], **picked).then(**latest)
    for name in TABS:
        tabs[name].select(partial(str, name), None, parts["tab"], **picked).then(**seen)


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
