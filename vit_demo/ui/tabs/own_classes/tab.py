"""The Own classes tab: a few pictures for each of a few names, and the page's picture by them."""

from __future__ import annotations

from dataclasses import replace
from html import escape

import gradio as gr
import numpy as np
from PIL import Image, ImageOps

from vit_demo.contract import DemoError, OwnClasses, OwnPrediction, PictureVectors, RunInfo
from vit_demo.contract.own_classes import MAX_CLASSES, MAX_EXAMPLES, MAX_NAME, THUMB_PX, class_name
from vit_demo.ui.kit.choices import LenientDropdown
from vit_demo.ui.kit.download import Download, download_block, npz_bytes, python_lines
from vit_demo.ui.kit.html import bar, cosine_text, jpeg_url, note, percent
from vit_demo.ui.kit.pictures import chosen_pictures, example_choices, several
from vit_demo.ui.page import QUEUED, Page, Updates
from vit_demo.ui.state import PageState
from vit_demo.ui.tab import Tab

OWN = dict(own="own_classes_set")
ANSWER = ("own_classes_board", "own_classes_answer", "own_classes_set", "own_classes_removed", "own_classes_begin")
# What a visitor finds with one click, of the example pictures: enough to see how the tab works.
BEGINNING = {"animals": ("cat", "macaw", "koala", "horses"), "things": ("coffee", "temple", "flower")}
AT_ONCE = 24  # pictures added in one go
COMPARED_PX = 768  # they are compared at 224 and shown small
BUSY = dict(QUEUED, show_progress="minimal")


def layout(page: Page) -> None:
    page.say(gr.Markdown(elem_classes="vd-help"), value="own_classes.help")
    page.add("own_classes_set", gr.State(None))
    page.add("own_classes_answer", gr.HTML(elem_id="vd-own-answer"))
    begin = gr.Button(size="sm", elem_id="vd-own-begin")
    page.add("own_classes_begin", begin, value="own_classes.begin")
    page.add("own_classes_board", gr.HTML(elem_id="vd-own-board"))
    with gr.Row():
        with gr.Column(scale=3, min_width=280):
            name = gr.Textbox(max_lines=1, max_length=MAX_NAME, elem_id="vd-own-name")
            page.add("own_classes_name", name, label="own_classes.name")
            examples = LenientDropdown([], multiselect=True, elem_id="vd-own-examples")
            page.add("own_classes_examples", examples, label="own_classes.examples")
        with gr.Column(scale=2, min_width=240):
            uploads = several(AT_ONCE, COMPARED_PX, elem_id="vd-own-uploads")
            page.add("own_classes_uploads", uploads, label="own_classes.uploads")
    with gr.Row():
        add = gr.Button(variant="primary", size="sm", elem_id="vd-own-add", min_width=160)
        page.add("own_classes_add", add, value="own_classes.add")
        this = gr.Button(size="sm", elem_id="vd-own-add-this", min_width=160)
        page.add("own_classes_add_this", this, value="own_classes.add_this")
    with page.say(gr.Accordion(open=False, elem_id="vd-own-more"), label="own_classes.more"), gr.Row():
        with gr.Column(min_width=240):
            removed = LenientDropdown([], elem_id="vd-own-removed")
            page.add("own_classes_removed", removed, label="own_classes.removed")
            page.add("own_classes_remove", gr.Button(size="sm", elem_id="vd-own-remove"), value="own_classes.remove")
        with gr.Column(min_width=240):
            kept = gr.File(type="binary", file_types=[".npz"], height=140, elem_id="vd-own-file")
            page.add("own_classes_file", kept, label="own_classes.file")
    with page.say(gr.Accordion(open=False, elem_id="vd-own-sources"), label="features.sources_heading"):
        page.say(gr.Markdown(elem_classes="vd-help"), value="own_classes.sources")
    download_block(page, "own_classes", download, OWN)


def show(state: PageState, own: object) -> tuple[Updates, RunInfo | None]:
    """What has been collected, and the page's picture by it."""
    updates, info = _answered(state, own if isinstance(own, OwnClasses) else None)
    return {**updates, "own_classes_examples": gr.update(choices=example_choices(state))}, info


def wire(page: Page) -> None:
    parts = page.parts
    named = {**OWN, "name": "own_classes_name"}
    chosen = {**named, "examples": "own_classes_examples", "uploads": "own_classes_uploads"}
    gone = {**OWN, "name": "own_classes_removed"}
    emptied = (*ANSWER, "own_classes_uploads", "own_classes_examples")
    parts["own_classes_begin"].click(**page.listener(begin, OWN, ANSWER, **BUSY))
    parts["own_classes_add"].click(**page.listener(add, chosen, emptied, **BUSY))
    parts["own_classes_add_this"].click(**page.listener(add_this, named, ANSWER, **BUSY))
    parts["own_classes_remove"].click(**page.listener(remove, gone, ANSWER, **BUSY))
    parts["own_classes_file"].upload(**page.listener(bring_back, {"data": "own_classes_file"}, ANSWER, **BUSY))


# ------------------------------------------------------------------------------------------------------------ handlers


def begin(state: PageState, own: object) -> Updates:
    """Two classes of example pictures, to see what comes of them; what was collected already stays."""
    if isinstance(own, OwnClasses):
        return {}
    own = None
    for name, keys in BEGINNING.items():
        pictures = tuple(example.picture() for example in state.examples if example.key in keys)
        own = extended(state, own, state.say(f"own_classes.{name}"), pictures)
    return _answered(state, own)[0]


def add(state: PageState, own: object, name: object, examples: object, uploads: object) -> Updates:
    """The chosen examples and uploads as examples of a class; the inputs are emptied for the next."""
    pictures = chosen_pictures(state, examples, uploads)
    updates = _answered(state, extended(state, own, name, pictures))[0]
    return {**updates, "own_classes_uploads": None, "own_classes_examples": []}


def add_this(state: PageState, own: object, name: object) -> Updates:
    """The page's picture as an example of a class."""
    return _answered(state, extended(state, own, name, (state.image,)))[0]


def extended(state: PageState, own: object, name: object, pictures: tuple[np.ndarray, ...]) -> OwnClasses:
    """What was collected, with pictures added to the class of that name. A picture that is there already is not added
    twice: left out, it would find itself. Raises DemoError for what cannot be added."""
    own, name = own if isinstance(own, OwnClasses) else None, class_name(name)
    if not name:
        raise DemoError("own_classes.no_name")
    if not pictures:
        raise DemoError("own_classes.nothing_to_add")
    have = 0 if own is None else len(own.labels)
    if have + len(pictures) > MAX_EXAMPLES:
        raise DemoError("own_classes.too_many_examples", most=MAX_EXAMPLES)
    names = () if own is None else own.names
    if name not in names and len(names) >= MAX_CLASSES:
        raise DemoError("own_classes.too_many_classes", most=MAX_CLASSES)
    fresh = state.explainer.picture_vectors(pictures, state.model)
    thumbnails = np.stack([thumbnail(picture) for picture in pictures])
    names = names if name in names else (*names, name)
    labels = np.full(len(pictures), names.index(name), np.int64)
    if own is None:
        return _without_twins(OwnClasses(names, labels, thumbnails, fresh))
    if own.vectors.origin != fresh.origin:
        raise DemoError("own_classes.other_model", theirs=own.vectors.model_id, ours=state.model)
    return _without_twins(
        OwnClasses(
            names,
            np.concatenate([own.labels, labels]),
            np.concatenate([own.thumbnails, thumbnails]),
            replace(fresh, vectors=np.concatenate([own.vectors.vectors, fresh.vectors])),
        )
    )


def _without_twins(own: OwnClasses) -> OwnClasses:
    """Each vector once, the first of its kind."""
    _, first = np.unique(own.vectors.vectors, axis=0, return_index=True)
    return _only(own, np.sort(first))


def _only(own: OwnClasses, kept: np.ndarray) -> OwnClasses:
    """The examples of these numbers alone."""
    vectors: PictureVectors = replace(own.vectors, vectors=own.vectors.vectors[kept])
    return OwnClasses(own.names, own.labels[kept], own.thumbnails[kept], vectors)


def remove(state: PageState, own: object, name: object) -> Updates:
    """A class and its examples are taken out; the last one leaves nothing."""
    if not isinstance(own, OwnClasses) or name not in own.names:
        raise DemoError("own_classes.no_such_class")
    gone = own.names.index(name)
    left = _only(own, np.flatnonzero(own.labels != gone))
    names = tuple(other for other in own.names if other != name)
    if not names or not len(left.labels):
        return _answered(state, None)[0]
    return _answered(state, replace(left, names=names, labels=left.labels - (left.labels > gone)))[0]


def bring_back(state: PageState, data: object) -> Updates:
    """Classes that were taken away, from their file."""
    if not isinstance(data, bytes):
        return {}
    return _answered(state, OwnClasses.from_bytes(data))[0]


def thumbnail(picture: np.ndarray) -> np.ndarray:
    """The centre of a picture, (THUMB_PX, THUMB_PX, 3) uint8."""
    return np.asarray(ImageOps.fit(Image.fromarray(picture), (THUMB_PX, THUMB_PX), Image.Resampling.BICUBIC))


# -------------------------------------------------------------------------------------------------------------- figures


def _answered(state: PageState, own: OwnClasses | None) -> tuple[Updates, RunInfo | None]:
    """Everything the tab shows of a collection."""
    html, info = _answer_html(state, own)
    names = list(own.names) if own else []
    return {
        "own_classes_set": own,
        "own_classes_board": board_html(state, own) if own else "",
        "own_classes_answer": html,
        "own_classes_removed": gr.update(choices=names, value=names[-1] if names else None),
        "own_classes_begin": gr.update(visible=own is None),
    }, info


def board_html(state: PageState, own: OwnClasses) -> str:
    """Every class with its examples."""
    rows = []
    for label, name in enumerate(own.names):
        numbers = np.flatnonzero(own.labels == label)
        pictures = "".join(f'<img src="{jpeg_url(own.thumbnails[i])}" alt="">' for i in numbers)
        count = state.say("own_classes.count", count=len(numbers))
        rows.append(f'<div class="vd-own-class"><b>{escape(name)} ({escape(count)})</b>{pictures}</div>')
    return f'<div class="vd-own">{"".join(rows)}</div>'


def _answer_html(state: PageState, own: OwnClasses | None) -> tuple[str, RunInfo | None]:
    """The page's picture by the collection, or what is still missing."""
    if own is None:
        words = f"{state.say('own_classes.empty')} {state.say('own_classes.or_begin')}"
        return note(words), None
    try:
        answer = state.explainer.own_classes(state.image, own, state.model)
    except DemoError as error:  # no toast: the tab is only being looked at
        if error.key not in ("own_classes.too_few_classes", "own_classes.other_model"):
            raise
        return note(error.say(state.language)), None
    return prediction_html(state, own, answer), answer.info


def prediction_html(state: PageState, own: OwnClasses, answer: OwnPrediction) -> str:
    saw = escape(state.say("own_classes.saw"))
    picture = f'<figure><img src="{jpeg_url(answer.picture, 448)}" alt="{saw}"><figcaption>{saw}</figcaption></figure>'
    knn = state.say("own_classes.knn", k=answer.neighbours, right=percent(answer.knn_right), count=len(own.labels))
    probe = state.say("own_classes.probe", right=percent(answer.probe_right), count=len(own.labels))
    near = "".join(
        f'<li><img src="{jpeg_url(own.thumbnails[i])}" alt="">'
        f"{escape(own.names[own.labels[i]])} {cosine_text(float(c))}</li>"
        for i, c in zip(answer.nearest.tolist(), answer.cosines, strict=True)
    )
    return (
        f'<div class="vd-predict">{picture}<div class="vd-answers">'
        f'<p class="vd-how">{escape(knn)}</p>{_bars(answer.names, answer.votes)}'
        f'<p class="vd-how">{escape(state.say("own_classes.reasons"))}</p><ul class="vd-own-near">{near}</ul>'
        f'<p class="vd-how">{escape(probe)}</p>{_bars(answer.names, answer.probe)}</div></div>'
    )


def _bars(names: tuple[str, ...], shares: np.ndarray) -> str:
    order = np.argsort(-shares, kind="stable")
    return f'<ol class="vd-bars">{"".join(bar(names[i], float(shares[i])) for i in order)}</ol>'


# -------------------------------------------------------------------------------------------------------- downloads


def download(state: PageState, own: object) -> Download:
    """The classes as a file that this tab takes back, and the answer's numbers."""
    if not isinstance(own, OwnClasses):
        return Download({}, "# " + state.say("own_classes.empty"))
    files = {"own-classes.npz": own.to_bytes()}
    if len(np.unique(own.labels)) > 1:
        answer = state.explainer.own_classes(state.image, own, state.model)
        numbers = {"names": np.array(answer.names), "votes": answer.votes, "probe": answer.probe}
        files["own-classes-answer.npz"] = npz_bytes(numbers, dict.fromkeys(numbers, "class"))
    return Download(
        files,
        python_lines(
            state,
            "from vit_demo.contract import OwnClasses",
            'own = OwnClasses.from_bytes(open("own-classes.npz", "rb").read())',
            "answer = explainer.own_classes(picture, own, model)",
            "print(answer.names, answer.votes, answer.probe)",
        ),
    )


TAB = Tab(
    name="own_classes",
    layout=layout,
    show=show,
    inputs=OWN,
    outputs=(*ANSWER, "own_classes_examples"),
    wire=wire,
    cleared={"own_classes_answer": None},
)
