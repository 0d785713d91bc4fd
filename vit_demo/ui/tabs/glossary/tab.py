"""The Glossary tab: every term of the page with what it means, and the step of the walk where it comes up."""

from __future__ import annotations

from html import escape

import gradio as gr

from vit_demo.ui.kit.links import go_link
from vit_demo.ui.kit.terms import term_names
from vit_demo.ui.page import Page, Updates
from vit_demo.ui.state import PageState
from vit_demo.ui.tab import Tab

# The step of the walk that is about a term
STEPS = {
    "patch": "patches",
    "token": "embedding",
    "class_token": "prefix",
    "register": "prefix",
    "prefix": "prefix",
    "embedding": "embedding",
    "position": "positions",
    "rope": "positions",
    "layer": "layers",
    "attention": "scores",
    "head": "qkv",
    "query": "qkv",
    "key": "qkv",
    "value": "values",
    "softmax": "scores",
    "residual": "residual",
    "mlp": "mlp",
    "norm": "norm",
    "logits": "answer",
    "temperature": "answer",
    "logit_lens": "layers",
    "self_supervised": "dino",
}


def layout(page: Page) -> None:
    page.say(gr.Markdown(elem_classes="vd-help"), value="glossary.help")
    page.add("glossary", gr.HTML(elem_id="vd-glossary"))


def show(state: PageState) -> tuple[Updates, None]:
    """All terms in the page's language."""
    return {
        "glossary": f'<dl class="vd-glossary">{"".join(_entry(state, name) for name in _ordered(state))}</dl>'
    }, None


def _ordered(state: PageState) -> list[str]:
    """By name in English; in Chinese in the order in which the terms come up, which is the glossary's own."""
    names = term_names(state.language)
    return sorted(names, key=lambda name: state.say(f"glossary.{name}").lower()) if state.language == "en" else [*names]


def _entry(state: PageState, name: str) -> str:
    title, means = (escape(state.say(f"glossary.{name}{end}")) for end in ("", "_means"))
    link = ""
    if name in STEPS:
        link = " " + go_link(state, {"tab": "walk", "step": STEPS[name]}, state.say("glossary.link"))
    return f"<dt>{title}</dt><dd>{means}{link}</dd>"


TAB = Tab(name="glossary", layout=layout, show=show, outputs=("glossary",))
