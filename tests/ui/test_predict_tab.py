"""The Predict tab: no word becomes markup, and numbers have no more digits than they deserve."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from vit_demo.contract import SizeChoice
from vit_demo.text import say
from vit_demo.ui.kit.html import cosine_text, percent
from vit_demo.ui.tabs.predict import tab as predict

HEAD, FEATURES = "fake/head", "fake/features"
SCRIPT = '<script>alert("x")</script>'


class Tags(HTMLParser):
    """The tags of some HTML, and its text."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


# ------------------------------------------------------------------------------------------------------------- predict


def predict_html(state):
    updates, info = predict.show(state)
    return updates["predict_html"], info


def test_labels_never_become_markup(explainer, state):
    explainer.labels = (SCRIPT, "a & b")
    html, _ = predict_html(state())
    page = Tags(html)
    assert "script" not in page.tags
    assert SCRIPT in page.text
    assert "a & b" in page.text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_bars_hold_the_probabilities_and_the_rest(state, language):
    html, info = predict_html(state(language=language))
    assert re.findall(r'class="vd-number">([\d.]+) %', html) == ["75", "12", "12"]
    assert say("predict.rest", language, count="998") in html
    assert info.model_id == HEAD


@pytest.mark.parametrize("language", ["en", "zh"])
def test_neighbours_are_named_in_the_visitors_language(state, examples, language):
    html, _ = predict_html(state(model=FEATURES, language=language))
    names = {example.path.name: example.labels[language] for example in examples}
    assert names["kitten.jpg"] in html
    assert names["dog.jpg"] in html
    assert re.findall(r'class="vd-number">([^<]+)<', html) == ["0.50", "−0.25"]
    assert "width:0.0%" in html  # a negative cosine has no bar


def test_neighbours_name_the_layer_from_one_and_drop_tiny_votes(state):
    html, _ = predict_html(state(model=FEATURES))
    assert "after layer 3 of 4" in html
    assert "kitten 100 %" in html or "kitten 99" in html
    assert "dog 0" not in html


def test_no_neighbours_are_said(explainer, image, examples):
    explainer.neighbours = ((), ())
    with_none = explainer.predict(image, FEATURES, SizeChoice())
    from dataclasses import replace

    assert say("predict.no_neighbours") in predict._neighbours(replace(with_none, cosines=()), examples, "en")


@pytest.mark.parametrize(
    ("share", "read"),
    [
        (1, "100"),
        (0.5, "50"),
        (0.0999, "10.0"),
        (0.0123, "1.2"),
        (0.00042, "0.042"),
        (0.0001, "0.01"),
        (0.00009, "< 0.01"),
        (0, "0.0"),
    ],
)
def test_a_percentage_has_no_more_digits_than_it_deserves(share, read):
    assert percent(share) == read


@pytest.mark.parametrize(("cosine", "read"), [(0.5, "0.50"), (-0.25, "−0.25"), (-0.001, "0.00"), (0.0, "0.00")])
def test_a_cosine_has_a_real_minus_and_no_negative_zero(cosine, read):
    assert cosine_text(cosine) == read


@pytest.mark.parametrize(
    ("model", "names"), [(HEAD, {"classes", "probabilities"}), (FEATURES, {"examples", "cosines"})]
)
def test_answers_can_be_taken_away_with_their_names(state, model, names):
    parcel = predict.download(state(model=model))
    with np.load(io.BytesIO(parcel.files["predict.npz"]), allow_pickle=False) as numbers:
        assert {name for name in numbers if not name.startswith("axes_")} == names
    assert "predict-saw.png" in parcel.files


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_multi_label_answer_has_no_bar_for_the_rest(explainer, state, language, monkeypatch):
    from dataclasses import replace

    several = replace(explainer.predict(state().picture[0], HEAD, SizeChoice()), rest=None, multi_label=True)
    monkeypatch.setattr(explainer, "predict", lambda *_, **__: several)
    updates, _ = predict.show(state(language=language))
    assert re.findall(r'class="vd-number">([\d.]+) %', updates["predict_html"]) == ["75", "12"]
    assert updates["predict_help"] == say("predict.help_multi_label", language)
