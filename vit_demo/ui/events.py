"""What happens on the page: module-level functions from plain values to updates by component name."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr
import numpy as np

from vit_demo.contract import (
    DemoError,
    ExplainerProtocol,
    ModelCard,
    RunInfo,
    SizeChoice,
    TokenQuery,
)
from vit_demo.grid import PatchGrid
from vit_demo.text import say
from vit_demo.ui.captions import card_html, embeddings_status_html, model_choices, size_choices, size_note, status_html
from vit_demo.ui.gallery import Example
from vit_demo.ui.inputs import language_of, query_of, size_of
from vit_demo.ui.tabs.attention import attention_view, patches_data, token_choices
from vit_demo.ui.tabs.embeddings import filters_view, positions_view
from vit_demo.ui.tabs.predict import predict_view
from vit_demo.ui.views import strip_value

log = logging.getLogger(__name__)
TABS = ("predict", "attention", "embeddings")
Updates = dict[str, Any]


def softened(handler: Callable[..., Updates], names: tuple[str, ...]) -> Callable[..., tuple]:
    """The one edge where errors become words for visitors. `handler` takes the language as its last argument and
    gives updates by component name; what it leaves out stays as it is."""

    def run(*args):
        language = language_of(args[-1])
        try:
            updates = handler(*args)
        except DemoError as error:
            raise gr.Error(escape(error.say(language)), print_exception=False) from None
        except Exception:
            log.exception("unexpected error in %s", getattr(handler, "__name__", handler))
            raise gr.Error(say("page.unexpected", language), print_exception=False) from None
        values = tuple(updates.get(name, gr.skip()) for name in names)
        return values if len(values) != 1 else values[0]  # gradio would take a tuple of one for a value

    return run


# ------------------------------------------------------------------------------------------------------------- views


def show(
    explainer: ExplainerProtocol,
    examples: tuple[Example, ...],
    image: np.ndarray | DemoError | None,
    model: str,
    side: object,
    keep_shape: object,
    layer: object,
    token: object,
    tab: str,
    language: str,
) -> Updates:
    """The open tab's view of this picture, and the status line. Other tabs are computed when they are opened."""
    language = language_of(language)
    if isinstance(image, DemoError):
        raise image
    if not model:
        return {}  # the page is still opening
    if image is None:
        words = f'<div class="vd-status"><p>{say("page.no_picture", language)}</p></div>'
        return {"status": words, "attention": None, "predict_html": words}
    size = size_of(side, keep_shape)
    started = time.perf_counter()
    if tab == "predict":
        html, info = predict_view(explainer, image, model, size, examples, language)
        help_key = "predict.help" if explainer.details(model).card.has_head else "predict.help_neighbours"
        updates = {"predict_html": html, "predict_help": say(help_key, language)}
    elif tab == "embeddings":
        updates, grid = _embeddings(explainer, image, model, size, language)
        view_ms = 1000 * (time.perf_counter() - started)
        return {**updates, "status": embeddings_status_html(explainer.details(model), grid, view_ms, language)}
    else:
        updates, info = _attention(explainer, image, model, size, token, layer, language)
    view_ms = max(0.0, 1000 * (time.perf_counter() - started) - (0 if info.cached else info.forward_ms))
    return {**updates, "status": status_html(info, view_ms, language)}


def _attention(explainer, image, model, size: SizeChoice, token, layer, language) -> tuple[Updates, RunInfo]:
    wanted = query_of(token)
    details = explainer.details(model)
    data, query, info = attention_view(explainer, image, model, size, wanted, layer_of(layer, details.depth), language)
    if query != wanted:
        gr.Info(say("page.moved_token", language))
    choices = token_choices(details.prefix_names, query, language)
    return {"attention": data, "token": gr.update(choices=choices, value=query.name)}, info


def _embeddings(explainer, image, model, size: SizeChoice, language) -> tuple[Updates, PatchGrid | None]:
    html, filters_help = filters_view(explainer, model, language)
    updates = {"filters_html": html, "filters_help": filters_help}
    try:
        data, help_key, grid = positions_view(explainer, image, model, size, language)
    except DemoError as error:
        if error.key != "embeddings.no_positions":
            raise
        return {**updates, "similarity": gr.update(visible=False), "positions_help": error.say(language)}, None
    shown = gr.update(value=data, visible=True)
    return {**updates, "similarity": shown, "positions_help": say(help_key, language)}, grid


def layer_of(layer: object, depth: int) -> int:
    """The slider's layer (from 1) as an index from 0, moved into the model's range."""
    try:
        return min(max(round(float(layer)), 1), depth) - 1
    except (TypeError, ValueError, OverflowError):
        return depth - 1


def picked_patch(event: gr.EventData) -> str | dict:
    """The patch that was clicked in the view, as a token; nothing for an event of another shape."""
    index = event._data.get("index") if isinstance(event._data, dict) else None
    if not isinstance(index, list) or len(index) != 2 or not all(isinstance(i, int) for i in index):
        return gr.skip()
    return TokenQuery(None, *index).name


# ------------------------------------------------------------------------------------------------------------- model


def choose_model(
    explainer: ExplainerProtocol,
    image: np.ndarray | DemoError | None,
    model: str,
    good_model: str,
    side: object,
    keep_shape: object,
    layer: object,
    language: str,
    progress: gr.Progress = gr.Progress(),  # noqa: B008 – gradio finds it by this default
) -> Updates:
    """Loads a model and fits the controls to it. One that cannot be had leaves the last good one in place."""
    language = language_of(language)

    def report(done: int, total: int) -> None:
        progress((done / 1e6, total / 1e6), unit="MB", desc=say("page.loading_short", language))

    try:
        details = explainer.details(model, progress=report)
    except DemoError as error:
        if good_model == model or not good_model:
            raise
        gr.Warning(escape(error.say(language)))
        return {"model": gr.update(value=good_model)}
    sides = [option.side for option in details.sizes]
    chosen = side if side in sides else next(o.side for o in details.sizes if o.native)
    last = layer_of(layer, details.depth) + 1 if good_model and layer else details.depth
    return {
        "good_model": model,
        "card": card_html(details.card, language, details.report),
        "side": gr.update(choices=size_choices(details, language), value=chosen),
        "size_note": size_note(details, chosen, keep_shape, image, language),
        "layer": gr.update(maximum=details.depth, value=last),
    }


def refresh_models(explainer: ExplainerProtocol, model: str, language: str) -> Updates:
    """The list of models with their marks, as far as is known now."""
    return {"model": gr.update(choices=model_choices(explainer.statuses(), language_of(language)), value=model)}


def choose_typed_model(explainer: ExplainerProtocol, image, model: str, *rest, **more) -> Updates:
    """`choose_model` for a name that was typed; names of the list have their own event."""
    if any(status.card.id == model for status in explainer.statuses()):
        return {}
    return choose_model(explainer, image, model, *rest, **more)


def relabelled(explainer: ExplainerProtocol, examples: tuple[Example, ...], model: str, language: str) -> Updates:
    """What carries words besides labels, in another language: examples, the model's card, its sizes."""
    language = language_of(language)
    updates: Updates = {"examples": strip_value(examples, language)}
    if model:
        details = explainer.details(model)
        updates["card"] = card_html(details.card, language, details.report)
        updates["side"] = gr.update(choices=size_choices(details, language))
    return updates


def resized(
    explainer: ExplainerProtocol, image: object, model: str, side: object, keep_shape: object, language: str
) -> Updates:
    """The note beside the size control."""
    if not model:
        return {}  # the page is still opening
    return {"size_note": size_note(explainer.details(model), side, keep_shape, image, language_of(language))}


# --------------------------------------------------------------------------------------------------------- first look


def first_look(explainer: ExplainerProtocol, examples: tuple[Example, ...], request: gr.Request | None) -> Updates:
    """Before any model is there: the language, the list of models, and the picture cut into patches."""
    language = language_of_request(request)
    statuses = explainer.statuses()
    model = explainer.default_model()
    card = next(status.card for status in statuses if status.card.id == model)
    status = say("page.loading", language, title=card.title)
    return {
        "language": language,
        "model": gr.update(choices=model_choices(statuses, language), value=model),
        "card": card_html(card, language),
        "attention": patches_data(square_of(examples[0], card), card, language),
        "status": f'<div class="vd-status"><p>{escape(status)}</p></div>',
    }


def square_of(example: Example, card: ModelCard) -> np.ndarray:
    """An example as a model of this card will roughly see it: the centre, at its native size."""
    from PIL import Image, ImageOps

    with Image.open(example.path) as picture:
        height, width = card.native_size
        return np.asarray(ImageOps.fit(picture.convert("RGB"), (width, height), Image.Resampling.BICUBIC))


def language_of_request(request: gr.Request | None) -> str:
    """?lang=… of the address, else the browser's first language, else English."""
    if request is None:
        return "en"
    wanted = request.query_params.get("lang") or request.headers.get("accept-language", "")
    return "zh" if wanted.lower().startswith("zh") else "en"
