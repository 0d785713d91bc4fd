"""What happens to the page as a whole: functions from plain values to updates by component name."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Sequence
from dataclasses import asdict
from html import escape

import gradio as gr
import numpy as np

from vit_demo.cache import ByteCache
from vit_demo.contract import DemoError, ExplainerProtocol, ModelCard, RunInfo
from vit_demo.gallery import Example
from vit_demo.ink import first_picture
from vit_demo.text import LANGUAGES, say
from vit_demo.ui.captions import card_html, model_choices, size_choices, size_note, status_html, view_status_html
from vit_demo.ui.guide.guide import opened
from vit_demo.ui.kit.inputs import language_of
from vit_demo.ui.kit.reader import Picture
from vit_demo.ui.kit.view import strip_value
from vit_demo.ui.page import Updates
from vit_demo.ui.state import Selection, page_state
from vit_demo.ui.tab import Group, Tab
from vit_demo.ui.visitors import Visitors

# (component, event) after which the page asks something else: what still computes for the question before is stopped.
NEW_QUESTION = (
    ("image", "change"),
    ("model", "select"),
    ("model", "input"),
    ("good_model", "change"),
    ("side", "input"),
    ("keep_shape", "input"),
    ("language", "input"),
)

_squares = ByteCache(8 << 20)  # every visitor begins with the same one

# -------------------------------------------------------------------------------------------------------------- a view


def show(
    tab: Tab,
    explainer: ExplainerProtocol,
    examples: tuple[Example, ...],
    image: Picture | DemoError | None,
    model: str,
    side: object,
    keep_shape: object,
    selection: object,
    language: object,
    shown: object,
    **inputs,
) -> Updates:
    """One tab's view of the page's picture, the status line, and nothing of the tabs that are not open.

    `shown` says what each tab that keeps its state has been computed for, and the status line that came with it: while
    that is still what the page asks for, the tab is left as it is, with all that was added to it since. Whatever was
    computed for another question is forgotten: what ran for it was stopped when the page went on.
    """
    language = language_of(language)
    if isinstance(image, DemoError):
        return cleared(tab, image.say(language))
    if model and image is None:
        return cleared(tab, say("page.no_picture", language))
    state = page_state(explainer, examples, image, model, side, keep_shape, selection, language)
    if state is None:
        return {}
    question, shown = state.fingerprint, shown if isinstance(shown, dict) else {}
    kept = {name: one for name, one in shown.items() if isinstance(one, dict) and one.get("question") == question}
    if tab.name in kept:
        return {"status": kept[tab.name].get("status", ""), "shown": kept, "message": gr.update(visible=False)}
    started = time.perf_counter()
    updates, info = tab.show(state, **inputs)
    view_ms = 1000 * (time.perf_counter() - started)
    if isinstance(info, RunInfo):
        view_ms = max(0.0, view_ms - (0 if info.cached else info.forward_ms))
        status = status_html(info, view_ms, language)
    else:
        status = view_status_html(explainer.details(model), info, view_ms, language)
    if tab.keeps_state:
        kept[tab.name] = {"question": question, "status": status}
    return {**updates, "status": status, "shown": kept, "message": gr.update(visible=False)}


def cleared(tab: Tab, sentence: str) -> Updates:
    """Without a picture, or with one that was refused: what was computed from another goes, and the sentence that says
    why stands where one looks. What shows the model alone stays."""
    message = gr.update(value=f'<p role="alert">{escape(sentence)}</p>', visible=True)
    return {**tab.cleared, "message": message, "status": "", "shown": {}}


# ------------------------------------------------------------------------------------------------------------- a model


def choose_model(
    explainer: ExplainerProtocol,
    image: Picture | DemoError | None,
    model: str,
    good_model: str,
    side: object,
    keep_shape: object,
    language: str,
    progress: gr.Progress = gr.Progress(),  # noqa: B008 – gradio finds it by this default
) -> Updates:
    """Loads a model and fits the controls to it. One that cannot be had leaves the last good one in place; on a page
    that has just been opened, the best on this machine takes its place."""
    language = language_of(language)

    context = contextvars.copy_context()  # gr.Progress finds its event there, and another visitor's thread may download

    def report(done: int, total: int) -> None:
        words = say("page.loading_short", language)
        context.copy().run(progress, (done / 1e6, total / 1e6), unit="MB", desc=words)

    try:
        details = explainer.details(model, progress=report)
    except DemoError as error:
        good = good_model or explainer.default_model(download=False)
        if good == model:
            raise
        gr.Warning(escape(error.say(language)))
        if good_model:
            return {"model": gr.update(value=good_model)}
        opened = choose_model(explainer, image, good, good, side, keep_shape, language, progress)
        return {**opened, "model": gr.update(value=good)}
    sides = [option.side for option in details.sizes]
    chosen = side if side in sides else next(o.side for o in details.sizes if o.native)
    opened = {} if details.card.id == model else {"model": gr.update(value=details.card.id)}  # an address was pasted
    return {
        **opened,
        "good_model": details.card.id,
        "card": card_html(details.card, language, details.report),
        "side": gr.update(choices=size_choices(details, language), value=chosen),
        "size_note": size_note(details, chosen, keep_shape, image, language),
    }


def choose_typed_model(explainer: ExplainerProtocol, model: str, **more) -> Updates:
    """`choose_model` for a name that was typed; names of the list have their own event."""
    if any(status.card.id == model for status in explainer.statuses()):
        return {}
    return choose_model(explainer, model=model, **more)


def refresh_models(explainer: ExplainerProtocol, model: str, language: str) -> Updates:
    """The list of models with their marks, as far as is known now."""
    return {"model": gr.update(choices=model_choices(explainer.statuses(), language_of(language)), value=model)}


def relabelled(explainer: ExplainerProtocol, examples: tuple[Example, ...], good_model: str, language: str) -> Updates:
    """What carries words besides labels, in another language: examples, the model's card, its sizes."""
    language = language_of(language)
    updates: Updates = {"examples": strip_value(examples, language)}
    if good_model:
        details = explainer.details(good_model)
        updates["card"] = card_html(details.card, language, details.report)
        updates["side"] = gr.update(choices=size_choices(details, language))
    return updates


def resized(
    explainer: ExplainerProtocol, image: object, good_model: str, side: object, keep_shape: object, language: str
) -> Updates:
    """The note beside the size control."""
    if not good_model:
        return {}  # the page is still opening
    return {"size_note": size_note(explainer.details(good_model), side, keep_shape, image, language_of(language))}


# ----------------------------------------------------------------------------------------------------------- a picture


def pick_example(examples: tuple[Example, ...], event: dict) -> Updates:
    """The example picture whose button was pressed becomes the page's."""
    index = event.get("index")
    known = isinstance(index, int) and 0 <= index < len(examples)
    return {"image": str(examples[index].path)} if known else {}


# --------------------------------------------------------------------------------------------------------- first look


def first_look(
    tab: Tab,
    groups: Sequence[Group],
    explainer: ExplainerProtocol,
    examples: tuple[Example, ...],
    visitors: Visitors,
    request: gr.Request | None,
) -> Updates:
    """Before any model is there: the language, the list of models, what a link asks for, and what the first tab shows
    while the model loads."""
    language = language_of_request(request)
    try:
        visitors.enter(getattr(request, "session_hash", None))
    except DemoError as error:  # the page does not know yet which language is the visitor's
        raise gr.Error(error.say(language), duration=None, print_exception=False) from None
    wanted = dict(request.query_params) if request is not None else {}
    statuses = explainer.statuses()
    cards = {status.card.id: status.card for status in statuses}
    model = wanted.get("model") if wanted.get("model") in cards else explainer.default_model()
    example = next((one for one in examples if one.key == wanted.get("example")), examples[0])
    card = cards[model]
    status = say("page.loading", language, title=card.title)
    drawn = card.source == "own" and "example" not in wanted  # our digits' models see a drawing, not the dog
    picture = first_picture() if drawn else square_of(example, card)
    updates = {
        "language": language,
        "model": gr.update(choices=model_choices(statuses, language), value=model),
        "card": card_html(card, language),
        "status": f'<div class="vd-status"><p>{escape(status)}</p></div>',
        "selection": asdict(Selection.of_link(wanted)),
        **(tab.while_loading(picture, card, language) if tab.while_loading else {}),
    }
    if language != LANGUAGES[0]:  # in which the page is written
        updates["examples"] = strip_value(examples, language)
    if drawn:
        updates["image"] = picture
    elif example is not examples[0]:
        updates["image"] = str(example.path)
    for group in groups:
        for one in group.tabs:
            if one.of_link:
                updates |= one.of_link(wanted)
    updates |= opened(groups, wanted.get("tab"))
    if wanted.get("side", "").isdecimal():
        side = int(wanted["side"][:5])
        updates["side"] = gr.update(choices=[(str(side), side)], value=side)
    if wanted.get("keep") == "1":
        updates["keep_shape"] = True
    return updates


def square_of(example: Example, card: ModelCard) -> np.ndarray:
    """An example as a model of this card will roughly see it: the centre, at its native size."""
    width, height = reversed(card.native_size)

    def make() -> np.ndarray:
        from PIL import Image, ImageOps

        return np.array(ImageOps.fit(Image.fromarray(example.picture()), (width, height), Image.Resampling.BICUBIC))

    return _squares.get_or_make((example.digest, width, height), make, lambda picture: picture.nbytes)[0]


def language_of_request(request: gr.Request | None) -> str:
    """?lang=… of the address, else the browser's first language, else English."""
    if request is None:
        return "en"
    wanted = request.query_params.get("lang") or request.headers.get("accept-language", "")
    return "zh" if wanted.lower().startswith("zh") else "en"
