"""Components that several topics lay out alike."""

from __future__ import annotations

import gradio as gr

from vit_demo.ui.kit.inputs import SafeImage
from vit_demo.ui.kit.reader import Picture
from vit_demo.ui.page import Page
from vit_demo.ui.state import PageState


def run_and_stop(page: Page, topic: str, name: str, run: str, stop: str, run_width: int = 220) -> None:
    """A pair of buttons, `<topic>_<name>_run` and `…_stop`, with the phrases on them."""
    small, topic_id = dict(size="sm", scale=0), topic.replace("_", "-")
    with gr.Row():
        for part, width, phrase in (("run", run_width, run), ("stop", 100, stop)):
            button = gr.Button(min_width=width, elem_id=f"vd-{topic_id}-{name}-{part}", **small)
            page.add(f"{topic}_{name}_{part}", button, value=phrase)


def second_picture(page: Page, topic: str, label: str) -> None:
    """A place for a second picture, `<topic>_other`, with our second example in it to begin with."""
    other = SafeImage(
        value=str(page.examples[1].path),
        type="numpy",
        sources=["upload", "clipboard"],
        height=220,
        buttons=[],
        elem_id=f"vd-{topic.replace('_', '-')}-other",
    )
    page.add(f"{topic}_other", other, label=label)


def second_of(state: PageState, value: object) -> tuple[object, object]:
    """A second picture that is not the page's own, and what its place is to show: where both are the same example,
    another example takes its place."""
    same = isinstance(value, Picture) and value.digest == state.digest
    others = [example for example in state.examples if example.digest != state.digest]
    if not same or not others:
        return value, gr.skip()
    return Picture(others[0].picture(), others[0].digest), str(others[0].path)
