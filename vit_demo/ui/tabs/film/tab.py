"""The Film tab: a short film frame by frame, its numbers sent part by part, what is pointed at computed in the
browser."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial

import gradio as gr
import numpy as np
from PIL import Image

from vit_demo.contract import DemoError, Film, FilmError, FilmPart
from vit_demo.film import MAX_BYTES, RATES, at_rate, film_bytes, read_film
from vit_demo.ui.kit.binary import pack_arrays
from vit_demo.ui.kit.cache import cached_file
from vit_demo.ui.kit.choices import LenientRadio
from vit_demo.ui.kit.download import gif_bytes
from vit_demo.ui.kit.html import jpeg_bytes, note, progress_html
from vit_demo.ui.kit.view import View
from vit_demo.ui.kit.words import view_words
from vit_demo.ui.page import LIGHT, Page, Updates
from vit_demo.ui.state import PageState, Selection
from vit_demo.ui.tab import Tab
from vit_demo.ui.tabs.film.sheet import Chosen, sheets

KINDS = [".mp4", ".mov", ".webm", ".gif", ".m4v"]
USUAL_RATE = 3
FRAMES_AT_ONCE = 4  # of a part: after each, others have their turn and the page what is there
MOST_NUMBERS = 45_000_000  # of the features of all frames, one byte each in the browser
EXAMPLE, EXAMPLE_S = "horses", 8
GIF_PX = 640  # of its width: a GIF packs badly
# One film is decoded, and one computed, at a time: each needs some hundred megabytes.
LONG = dict(needs_picture=False, concurrency_limit=1, concurrency_id="film", show_progress="hidden")

_decoder = threading.BoundedSemaphore(1)


class FilmView(View):
    """Four pictures of a frame under one pointer, and the film's timeline. `select` tells what was chosen."""

    source = "tabs/film/view"


class FilmFile(gr.File):
    """gr.File for one film, which nobody but `vit_demo.film` opens. Gives the handler its path."""

    is_template = True  # it looks and behaves as gr.File does in the browser

    def preprocess(self, payload) -> str | None:
        return None if payload is None else str(getattr(payload, "path", "") or "")


def layout(page: Page) -> None:
    page.say(gr.Markdown(elem_classes="vd-help"), value="film.help")
    with gr.Row():
        page.add("film_file", FilmFile(file_types=KINDS, height=150, elem_id="vd-film-file"), label="film.file")
        rate = LenientRadio([(str(one), one) for one in RATES], value=USUAL_RATE, elem_id="vd-film-rate")
        page.add("film_rate", rate, label="film.rate")
    with gr.Row():
        small = dict(size="sm", scale=0)
        for part, width in (("run", 200), ("example", 260), ("stop", 100)):
            button = gr.Button(min_width=width, elem_id=f"vd-film-{part}", **small)
            page.add(f"film_{part}", button, value=f"film.{part}")
    page.add("film_progress", gr.HTML(elem_id="vd-film-progress"))
    page.add("film_chosen", gr.JSON({}, visible="hidden", elem_id="vd-film-chosen"))
    page.add("film", FilmView(elem_id="vd-film"))
    with page.say(gr.Accordion(open=False, elem_id="vd-film-take"), label="film.take"):
        page.say(gr.Markdown(elem_classes="vd-help"), value="film.take_help")
        button = page.say(gr.Button(size="sm", elem_id="vd-film-make"), value="film.make")
        page.add("film_make", button)
        files = gr.Files(visible=False, interactive=False, elem_id="vd-film-files")
        page.add("film_files", files, label="film.files")


def show(state: PageState) -> tuple[Updates, None]:
    """The words: what was computed of a film stays until another is looked at."""
    return {"film": {"data": {"words": view_words("film", state.language)}}}, None


def wire(page: Page) -> None:
    parts, asked = page.parts, dict(file="film_file", rate="film_rate")
    outputs = ("film", "film_progress", "film_files", "film_source")
    page.add("film_source", gr.State(None))
    cache = parts["film"].GRADIO_CACHE
    run = page.listener(partial(look, cache), asked, outputs, **LONG)
    example = page.listener(partial(look_at_example, cache), dict(rate="film_rate"), outputs, **LONG)
    started = [parts["film_run"].click(**run), parts["film_example"].click(**example)]
    chosen = page.plain_listener(remember, outputs=["film_chosen"], extra="event", **LIGHT)
    parts["film"].select(**chosen)
    taken = dict(chosen="film_chosen", source="film_source")
    how = dict(LONG, show_progress="minimal")
    made = page.listener(partial(take, cache), taken, ("film_files", "film_progress"), **how)
    started.append(parts["film_make"].click(**made))
    parts["film_stop"].click(None, cancels=started, api_visibility="private")


# ----------------------------------------------------------------------------------------------------------- handlers


def look(cache: str, state: PageState, file: object, rate: object) -> Iterator[Updates]:
    """The film that was uploaded, part by part."""
    if not file:
        yield {"film_progress": note(state.say("film.no_film"))}
        return
    yield {"film_progress": progress_html(0, 1, state.say("film.reading"))}
    try:
        film = film_of_file(str(file), rate_of(rate))
        yield from computed(cache, state, film, rate_of(rate), str(file))
    except DemoError:
        yield {"film_progress": ""}  # nothing is under way any more
        raise


def look_at_example(cache: str, state: PageState, rate: object) -> Iterator[Updates]:
    """Our own film."""
    yield from computed(cache, state, example_film(state, rate_of(rate)), rate_of(rate), EXAMPLE)


def computed(cache: str, state: PageState, film: Film, rate: int, source: str) -> Iterator[Updates]:
    """A film's numbers: a file for every part, then the colours of all frames. The view shows what is there so far."""
    count, started, files = len(film.frames), time.perf_counter(), {}
    parts: list[FilmPart] = []
    run = secrets.token_hex(8)
    asked = dict(source=source, rate=rate, model=state.model, size=state.size, layer=state.selection.layer)
    for done, part in parts_of(state, film):
        parts.append(part)
        files[f"part{len(parts)}"] = cached_file(part_file(part), "part.bin", cache)
        yield {
            "film": film_value(state, film, rate, parts, files, run),
            "film_progress": progress_html(done, count, state.say("film.progress", done=done, count=count)),
            "film_files": gr.update(visible=False),
            "film_source": asked,
        }
    yield {"film_progress": progress_html(count, count, state.say("film.colouring"))}
    colours = state.explainer.film_colours([part.features for part in parts])
    files["colours"] = cached_file(pack_arrays({"colours": colours}), "colours.bin", cache)
    seconds = time.perf_counter() - started
    said = state.say("film.done", count=count, seconds=f"{seconds:.1f}", ms=round(1000 * seconds / count))
    yield {"film": film_value(state, film, rate, parts, files, run), "film_progress": note(said)}


def parts_of(state: PageState, film: Film) -> Iterator[tuple[int, FilmPart]]:
    """How many frames are done, and the last of them, a few at a time. Raises FilmError for too many numbers."""
    layer = state.selection.layer_in(state.explainer.details(state.model).depth)
    count = len(film.frames)
    for start in range(0, count, FRAMES_AT_ONCE):
        frames = film.frames[start : start + FRAMES_AT_ONCE]
        part = state.explainer.film_part(frames, state.model, state.size, layer)
        if count * part.features[0].size > MOST_NUMBERS:
            raise FilmError("film.too_many_patches", frames=count, patches=part.info.grid.num_patches)
        yield start + len(frames), part


def take(cache: str, state: PageState, chosen: object, source: object) -> Updates:
    """The four pictures of every frame that the view shows, as MP4 and GIF. What was computed for it is there."""
    if not isinstance(source, dict):
        raise FilmError("film.no_film")
    state = replace(state, model=source["model"], size=source["size"], selection=Selection(source["layer"]))
    own, rate = source["source"] == EXAMPLE, source["rate"]
    film = example_film(state, rate) if own else film_of_file(source["source"], rate)
    parts = [part for _, part in parts_of(state, film)]
    colours = state.explainer.film_colours([part.features for part in parts])
    drawn = list(sheets(parts, colours, Chosen.of(chosen)))
    frames = [drawn[number] for number in at_rate(film.times_s, film.duration_s, rate)]
    small = {id(frame): _narrow(frame, GIF_PX) for frame in drawn}
    made = {
        "vit-film.mp4": film_bytes(frames, rate),
        "vit-film.gif": gif_bytes([small[id(frame)] for frame in frames], round(1000 / rate)),
    }
    paths = [str(cached_file(content, name, cache)) for name, content in made.items()]
    return {"film_files": gr.update(value=paths, visible=True), "film_progress": ""}


def remember(event: dict) -> Updates:
    """What was chosen in the view, for the films that are taken away."""
    return {"film_chosen": asdict(Chosen.of(event))}


# -------------------------------------------------------------------------------------------------------------- films


def rate_of(value: object) -> int:
    return value if value in RATES else USUAL_RATE  # type: ignore[return-value]


def film_of_file(path: str, rate: int) -> Film:
    """The film in a file of Gradio's cache. Raises FilmError."""
    try:
        size = os.path.getsize(path)
        with open(path, "rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise FilmError("film.gone") from None
    except OSError:
        raise FilmError("film.busy") from None
    if size > MAX_BYTES:
        raise FilmError("film.too_many_bytes", size=-(-size // 1_000_000), limit=MAX_BYTES // 1_000_000)
    with _decoder:
        return read_film(data, rate)


def example_film(state: PageState, rate: int) -> Film:
    """A square window that goes along an example picture from its left to its right end."""
    example = next((one for one in state.examples if one.key == EXAMPLE), state.examples[0])
    picture = np.asarray(Image.fromarray(example.picture()))
    side, count = min(picture.shape[:2]), EXAMPLE_S * rate + 1
    steps = np.linspace(0, 1, count)
    frames = [
        picture[round(at * (picture.shape[0] - side)) :, round(at * (picture.shape[1] - side)) :][:side, :side]
        for at in steps
    ]
    return Film(np.stack(frames), tuple(i / rate for i in range(count)), EXAMPLE_S)


def _narrow(frame: np.ndarray, width: int) -> np.ndarray:
    if frame.shape[1] <= width:
        return frame
    height = max(1, round(frame.shape[0] * width / frame.shape[1]))
    return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BOX))


# ------------------------------------------------------------------------------------------------------ for the browser


def film_value(state: PageState, film: Film, rate: int, parts: list[FilmPart], files: dict, run: str) -> dict:
    """The view's value: the files of what is there so far. `run` names the film under this model, anew each time."""
    info = parts[0].info
    return {
        "files": dict(files),
        "data": {
            "run": run,
            "title": info.title,
            "side": min(parts[0].pictures.shape[1:3]),
            "layer": parts[0].layer + 1,
            "depth": info.depth,
            "rows": info.grid.rows,
            "cols": info.grid.cols,
            "count": len(film.frames),
            "times": list(film.times_s),
            "seconds": film.duration_s,
            "rate": rate,
            "has_class_token": bool(info.grid.num_prefix_tokens),
        },
    }


def part_file(part: FilmPart) -> bytes:
    """A part's numbers: maps in steps of their top, directions in steps of their largest, pictures as JPEG files one
    after the other."""
    tops = part.maps.max(axis=(2, 3))  # (F, h)
    maps = np.round(part.maps / np.where(tops > 0, tops, 1)[..., None, None] * 255).astype(np.uint8)
    features = part.features.astype(np.float32)
    most = np.abs(features).max(axis=-1, keepdims=True)
    pictures = [jpeg_bytes(picture) for picture in part.pictures]
    return pack_arrays(
        {
            "maps": maps.reshape(*maps.shape[:2], -1),
            "tops": tops.astype(np.float32),
            "prefix": part.prefix.astype(np.float32),
            "features": np.round(features / np.where(most > 0, most, 1) * 127).astype(np.int8),
            "pictures": np.frombuffer(b"".join(pictures), np.uint8),
            "lengths": np.array([len(one) for one in pictures], np.float32),
        }
    )


TAB = Tab(
    name="film",
    layout=layout,
    show=show,
    outputs=("film",),
    wire=wire,
)
