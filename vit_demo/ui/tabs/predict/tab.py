"""The Predict tab: class probabilities, or the closest examples for a model without a head."""

from __future__ import annotations

from html import escape

import gradio as gr
import numpy as np

from vit_demo.contract import Neighbours, Prediction, RunInfo
from vit_demo.gallery import Example, example_by_file
from vit_demo.text import class_name, say
from vit_demo.ui.kit.download import Download, download_block, npz_bytes, python_lines
from vit_demo.ui.kit.html import bar, cosine_text, jpeg_url, percent, png_bytes
from vit_demo.ui.page import Page, Updates
from vit_demo.ui.state import PageState
from vit_demo.ui.tab import Tab

THUMB_PX = 96
ALL = 1 << 20  # every class
SMALLEST_VOTE = 0.01  # below a percent a vote is not worth a word


def layout(page: Page) -> None:
    page.add("predict_help", gr.Markdown(elem_classes="vd-help"))
    page.add("predict_html", gr.HTML(elem_id="vd-predict", min_height=200))
    why = gr.Button(size="sm", scale=0, min_width=160, visible=False, elem_id="vd-predict-why")
    page.add("predict_why", why, value="predict.why")
    download_block(page, "predict", download)


def show(state: PageState) -> tuple[Updates, RunInfo]:
    """Classes, or the nearest examples."""
    answer = state.explainer.predict(*state.picture)
    classes = isinstance(answer, Prediction)
    body = _bars(answer, state.language) if classes else _neighbours(answer, state.examples, state.language)
    saw = state.say("predict.saw")
    picture = f'<figure><img src="{jpeg_url(answer.picture, 448)}" alt="{saw}"><figcaption>{saw}</figcaption></figure>'
    html = f'<div class="vd-predict">{picture}<div class="vd-answers">{body}</div></div>'
    help_key = "predict.help_neighbours"
    if classes:
        help_key = "predict.help_multi_label" if answer.multi_label else "predict.help"
    shown = {"predict_html": html, "predict_help": state.say(help_key), "predict_why": gr.update(visible=True)}
    return shown, answer.info


def download(state: PageState) -> Download:
    """What the model saw, and its answers: classes with probabilities, or examples with cosines."""
    answer = state.explainer.predict(*state.picture, top=ALL)
    names = np.array(answer.labels)
    if isinstance(answer, Prediction):
        numbers = {"classes": names, "probabilities": np.array(answer.probabilities)}
        lines = "print(list(zip(answer.labels, answer.probabilities)))"
    else:
        numbers = {"examples": names, "cosines": np.array(answer.cosines)}
        lines = "print(list(zip(answer.labels, answer.cosines)))"
    files = {
        "predict-saw.png": png_bytes(answer.picture),
        "predict.npz": npz_bytes(numbers, dict.fromkeys(numbers, "answer, best first")),
    }
    return Download(files, python_lines(state, "answer = explainer.predict(picture, model, size)", lines))


def _bars(answer: Prediction, language: str) -> str:
    rows = [bar(class_name(label, language), p) for label, p in zip(answer.labels, answer.probabilities, strict=True)]
    others = answer.num_classes - len(answer.labels)
    if others > 0 and answer.rest is not None:
        rows.append(bar(say("predict.rest", language, count=f"{others:,}"), answer.rest, "vd-rest"))
    return f'<ol class="vd-bars">{"".join(rows)}</ol>'


def _neighbours(answer: Neighbours, examples: tuple[Example, ...], language: str) -> str:
    if not answer.names:
        return f"<p>{say('predict.no_neighbours', language)}</p>"
    rows = []
    for name, cosine in zip(answer.names, answer.cosines, strict=True):
        example = example_by_file(examples, name)
        rows.append(
            f'<li><img src="{jpeg_url(example.thumbnail, THUMB_PX)}" alt="">'
            f'<span class="vd-label">{escape(example.label(language))}</span>'
            f'<span class="vd-track"><span class="vd-fill" style="width:{100 * max(0, cosine):.1f}%"></span></span>'
            f'<span class="vd-number">{cosine_text(cosine)}</span></li>'
        )
    how = say(
        "predict.layer", language, layer=answer.layer + 1, depth=answer.info.depth, side=min(answer.picture.shape[:2])
    )
    if answer.centred:
        how += ", " + say("predict.centred", language)
    votes = ", ".join(
        f"{escape(next(e for e in examples if e.key == key).label(language))} {percent(share)} %"
        for key, share in answer.votes[:3]
        if share >= SMALLEST_VOTE
    )
    head = f"{say('predict.cosine', language)} ({how})"
    return f'<p class="vd-how">{head}</p><ol class="vd-bars vd-near">{"".join(rows)}</ol>' + (
        f'<p class="vd-how">{say("predict.vote", language, votes=votes)}</p>'
    )


TAB = Tab(
    name="predict",
    layout=layout,
    show=show,
    outputs=("predict_html", "predict_help", "predict_why"),
    cleared={"predict_html": None, "predict_why": gr.update(visible=False)},
)
