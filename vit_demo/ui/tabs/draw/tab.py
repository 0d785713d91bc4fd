"""The Draw tab: a digit drawn by hand, read by the model that this project trained, and that model's training."""

from __future__ import annotations

import base64
import binascii
import time
from functools import partial

import gradio as gr
import numpy as np

from vit_demo.contract import DemoError, DigitReadings, ExplainerProtocol, RunInfo, SizeChoice
from vit_demo.ink import PAD_PX, as_mnist, as_picture, first_drawing, on_pad
from vit_demo.render.charts import Line, line_chart
from vit_demo.ui.captions import card_html, size_choices, size_note
from vit_demo.ui.kit.binary import pack_arrays
from vit_demo.ui.kit.cache import cached_file
from vit_demo.ui.kit.html import base64_of, png_bytes
from vit_demo.ui.kit.inputs import SafeImage, language_of
from vit_demo.ui.kit.reader import Picture
from vit_demo.ui.kit.view import View
from vit_demo.ui.kit.words import view_words
from vit_demo.ui.page import LIGHT, QUIET, Page, Updates
from vit_demo.ui.state import PageState
from vit_demo.ui.tab import Tab

FILTERS = 16  # as many as a grey 4×4 patch has directions
# What a drawing changes when it becomes the page's picture
USES = ("image", "model", "good_model", "card", "side", "size_note")


class DrawView(View):
    """The pad and all that is seen of a drawing. `select` sends a drawing to be read, `input` one to be used."""

    source = "tabs/draw/view"


def layout(page: Page) -> None:
    page.say(gr.Markdown(elem_classes="vd-help"), value="draw.help")
    page.add("draw_view", DrawView(elem_id="vd-draw"))
    with page.say(gr.Accordion(open=False, elem_id="vd-draw-photo-fold"), label="draw.photo_heading"):
        page.say(gr.Markdown(elem_classes="vd-help"), value="draw.photo_help")
        photo = SafeImage(
            type="numpy",
            sources=["upload", "webcam", "clipboard"],
            webcam_options=gr.WebcamOptions(mirror=False),  # a mirrored 2 reads as a 5
            height=200,
            elem_id="vd-draw-photo",
        )
        page.add("draw_photo", photo, label="draw.photo")


def show(state: PageState) -> tuple[Updates, RunInfo]:
    """The drawing that is there from the start, and everything that does not depend on a drawing."""
    ink = first_drawing()
    answer, ms = timed(state.explainer, ink / 255)
    data = {
        "pad": PAD_PX,
        "ink": base64_of(ink),
        "replace": False,
        "words": view_words("draw", state.language),
        "curves": curves(state),
        "reading": reading_data(answer, ms),
    }
    files = {"still": still_file(state.explainer)}
    return {"draw_view": {"picture": None, "files": files, "data": data}}, answer.readings[-1].info


def wire(page: Page) -> None:
    # A drawing is all that is needed: these answer also while the page has no picture.
    view, explainer = page.parts["draw_view"], page.explainer
    # Not queued, so that a long computation of somebody else does not hold a stroke. Every stroke is sent, and the view
    # drops answers that a later stroke has overtaken.
    stroke = dict(LIGHT, extra="event", trigger_mode="multiple")
    view.select(**page.plain_listener(partial(read_stroke, explainer), ("language",), ("draw_view",), **stroke))
    use = partial(use_drawing, explainer, page.parts["image"].GRADIO_CACHE)
    view.input(**page.plain_listener(use, ("language",), USES, extra="event", **QUIET))
    photograph = {"photo": "draw_photo", "language": "language"}
    read = page.plain_listener(partial(read_photograph, explainer), photograph, ("draw_view",), **QUIET)
    page.parts["draw_photo"].change(**read)


# ------------------------------------------------------------------------------------------------------------ handlers


def read_stroke(explainer: ExplainerProtocol, language: str, event: dict) -> Updates:
    """The readings of the drawing that the pad sent."""
    ink = ink_of(event.get("ink"))
    if ink is None:
        return {}
    answer, ms = timed(explainer, ink / 255)
    number = event.get("number")
    data = {"reading": reading_data(answer, ms), "number": number if isinstance(number, int) else 0}
    return {"draw_view": {"picture": None, "data": data}}


def read_photograph(explainer: ExplainerProtocol, photo: Picture | DemoError | None, language: str) -> Updates:
    """The strokes of a photograph put on the pad, and read."""
    if isinstance(photo, DemoError):
        raise photo
    if photo is None:
        return {}
    ink = on_pad(explainer.ink_of_photograph(photo.pixels))
    answer, ms = timed(explainer, ink / 255)
    data = {"ink": base64_of(ink), "replace": True, "reading": reading_data(answer, ms)}
    return {"draw_view": {"picture": None, "data": data}}


def use_drawing(explainer: ExplainerProtocol, folder: str, language: str, event: dict) -> Updates:
    """The drawing, as the model gets it, becomes the picture of the whole page, and our classifier its model."""
    ink = ink_of(event.get("ink"))
    if ink is None:
        return {}
    picture = as_picture(as_mnist(ink / 255))
    path = str(cached_file(png_bytes(picture), "drawing.png", folder))  # not webp: every pixel counts
    model = explainer.training_record().moments[-1][1]
    details = explainer.details(model)
    native = next(option.side for option in details.sizes if option.native)
    return {
        "image": str(path),
        "model": model,
        "good_model": model,
        "card": card_html(details.card, language_of(language), details.report),
        "side": gr.update(choices=size_choices(details, language_of(language)), value=native),
        "size_note": size_note(details, native, False, None, language_of(language)),
    }


# ------------------------------------------------------------------------------------------------------------- drawings


def ink_of(text: object) -> np.ndarray | None:
    """A drawing (PAD_PX, PAD_PX) uint8 as the browser sends it, None for anything else."""
    if not isinstance(text, str) or len(text) > 2 * PAD_PX**2:
        return None
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return np.frombuffer(data, np.uint8).reshape(PAD_PX, PAD_PX) if len(data) == PAD_PX**2 else None


# ------------------------------------------------------------------------------------------------------ for the browser


def timed(explainer: ExplainerProtocol, ink: np.ndarray) -> tuple[DigitReadings, float]:
    """The readings, and the milliseconds that they took."""
    started = time.perf_counter()
    answer = explainer.read_drawing(ink)
    return answer, 1000 * (time.perf_counter() - started)


def reading_data(answer: DigitReadings, ms: float) -> dict:
    """Every moment's reading of one drawing; maps as 16-bit shares of one largest value, for one scale."""
    maps = np.stack([one.maps for one in answer.readings])  # (moments, L, h, rows, cols)
    top = float(maps.max())
    prefix = np.stack([one.prefix.sum(axis=-1) for one in answer.readings])  # (moments, L, h)
    return {
        "side": answer.picture.shape[0],
        "picture": base64_of(answer.picture[:, :, 0]),
        "labels": list(answer.labels),
        "probabilities": [[round(float(p), 5) for p in one.probabilities] for one in answer.readings],
        "shape": list(maps.shape),
        "maps": base64_of(np.round(maps / top * 65535).astype("<u2")),
        "top": top,
        "prefix": np.round(prefix.reshape(len(prefix), -1), 4).tolist(),
        "empty": answer.empty,
        "ms": ms,
    }


def curves(state: PageState) -> dict[str, str]:
    """How the training went, epoch by epoch: charts by the name of their place."""
    record, epochs = state.explainer.training_record(), state.say("draw.epochs")
    held = Line(state.say("draw.held_out"), record.held_loss, 2, "dashed")
    loss = [Line(state.say("draw.trained_on"), record.loss, 1), held]
    top = np.ceil(2 * max(float(line.values.max()) for line in loss)) / 2
    accuracy = [Line(state.say("draw.held_out"), record.held_accuracy, 1)]
    return {
        "loss": line_chart(loss, state.say("draw.curve_loss"), (0.0, top), 1, across_name=epochs),
        "accuracy": line_chart(
            accuracy, state.say("draw.curve_accuracy"), (0.0, 1.0), 1, "{:.0%}".format, across_name=epochs
        ),
    }


def still_file(explainer: ExplainerProtocol) -> bytes:
    """What does not depend on the drawing: curves, and filters and positions at every kept moment."""
    record = explainer.training_record()
    filters, similarity = [], []
    for _, model in record.moments:
        shown = explainer.filters(model, FILTERS).filters.mean(axis=-1)  # grey: all channels are equal
        filters.append(np.clip(shown * 255 + 0.5, 0, 255).astype(np.uint8))
        matrix = explainer.position_similarity(model, SizeChoice()).matrix
        similarity.append(matrix)
    positions = np.stack(similarity)
    others = ~np.eye(positions.shape[1], dtype=bool)
    return pack_arrays(
        {
            "position_limit": np.array([np.ceil(10 * np.abs(positions[:, others]).max()) / 10], np.float32),
            "epochs": np.array([epoch for epoch, _ in record.moments], np.int16),
            "loss": record.loss.astype(np.float32),
            "held_loss": record.held_loss.astype(np.float32),
            "held_accuracy": record.held_accuracy.astype(np.float32),
            "held_out": np.array([record.held_out], np.int16),
            "filters": np.stack(filters),
            "similarity": np.round(127 * positions).astype(np.int8),
        }
    )


TAB = Tab(name="draw", layout=layout, show=show, outputs=("draw_view",), wire=wire)
