"""Choices that change while the page is open: a value that is no longer offered is no value, not a refusal.

Gradio refuses a whole event when one of its inputs is outside what the server thinks is offered: after a change of
model, or when the page outlived the server's session. Handlers take None for "as by default".
"""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr


def _or_none(preprocess: Callable, payload):
    try:
        return preprocess(payload)
    except gr.Error:
        return None


class LenientRadio(gr.Radio):
    """gr.Radio."""

    is_template = True  # it looks and behaves as its parent does in the browser

    def preprocess(self, payload):
        return _or_none(super().preprocess, payload)


class LenientDropdown(gr.Dropdown):
    """gr.Dropdown. Of several values the ones still offered are kept, each once, at most `max_choices`."""

    is_template = True

    def preprocess(self, payload):
        if self.multiselect and isinstance(payload, list):
            offered = [value for _, value in self.choices]
            payload = [value for value in dict.fromkeys(map(str, payload)) if value in offered][: self.max_choices]
        return _or_none(super().preprocess, payload)


class LenientSlider(gr.Slider):
    """gr.Slider."""

    is_template = True

    def preprocess(self, payload):
        return _or_none(super().preprocess, payload)
