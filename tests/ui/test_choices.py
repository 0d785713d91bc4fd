"""Controls whose choices change: what is no longer offered is no value, and refuses no event."""

from __future__ import annotations

import gradio as gr
import pytest

from vit_demo.ui.kit.choices import LenientDropdown, LenientRadio, LenientSlider


@pytest.mark.parametrize(
    ("made", "value"),
    [
        (LenientRadio([("a", 1), ("b", 2)]), 3),
        (LenientRadio([]), "mean"),
        (LenientDropdown([("a", "a")]), "b"),
        (LenientDropdown([]), ["x"]),
        (LenientSlider(1, 10, step=1), 11),
        (LenientSlider(1, 10, step=1), -4),
    ],
)
def test_what_is_not_offered_is_no_value(made, value):
    with pytest.raises(gr.Error):
        type(made).__base__.preprocess(made, value)  # gradio's own refuses
    assert made.preprocess(value) is None


@pytest.mark.parametrize(
    ("made", "value"),
    [(LenientRadio([("a", 1)]), 1), (LenientDropdown([("a", "x")]), "x"), (LenientSlider(1, 10, step=1), 4)],
)
def test_what_is_offered_passes(made, value):
    assert made.preprocess(value) == value


def test_of_several_the_offered_ones_are_kept_once_and_no_more_than_may_be():
    made = LenientDropdown([("a", "a"), ("b", "b"), ("c", "c")], multiselect=True, max_choices=2)
    assert made.preprocess(["a", "z", "a", "c", "b"] * 1000) == ["a", "c"]


@pytest.mark.parametrize("kind", [LenientRadio, LenientDropdown, LenientSlider])
def test_in_the_browser_it_is_its_parent(kind):
    assert kind().get_block_name() == kind.__base__.__name__.lower()
