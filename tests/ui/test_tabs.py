"""Each tab's data: numbers survive the way to the browser, and no word becomes markup."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from vit_demo.contract import DemoError, SizeChoice, TokenQuery
from vit_demo.text import say
from vit_demo.ui.tabs import attention, embeddings, predict

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


def decoded_maps(data: dict) -> np.ndarray:
    """(heads, rows, cols) as the browser reads them."""
    numbers = np.frombuffer(base64.b64decode(data["maps"]), "<u2").astype(float)
    tops = np.array(data["tops"])
    return numbers.reshape(len(tops), data["rows"], data["cols"]) / 65535 * tops[:, None, None]


# ----------------------------------------------------------------------------------------------------------- attention


@pytest.mark.parametrize("query", [TokenQuery(), TokenQuery("reg2"), TokenQuery(None, 2, 4)])
@pytest.mark.parametrize("model", [HEAD, FEATURES])
def test_maps_reach_the_browser_to_sixteen_bits_of_each_heads_top(explainer, image, model, query):
    if model == FEATURES and query.prefix == "reg2":
        query = TokenQuery(None, 0, 4)
    maps = explainer.attention(image, model, SizeChoice(), query, 1)
    data = attention.view_data(maps, "en")["data"]
    tops = maps.maps.max(axis=(1, 2))[:, None, None]
    assert np.all(np.abs(decoded_maps(data) - maps.maps) <= tops / 65535)


def test_maps_and_prefix_tokens_add_up_to_one_in_the_browser(explainer, image):
    data, _, _ = attention.attention_view(explainer, image, HEAD, SizeChoice(96), TokenQuery(), 2, "en")
    sums = decoded_maps(data["data"]).sum(axis=(1, 2)) + np.array(data["data"]["prefix"]).sum(axis=1)
    assert sums == pytest.approx(1, abs=60 / 65535)


def test_rows_and_columns_are_the_grids(explainer, image):
    data = attention.attention_view(explainer, image, HEAD, SizeChoice(), TokenQuery(None, 2, 4), 0, "en")[0]["data"]
    assert (data["rows"], data["cols"]) == (3, 5)
    assert data["token"] == {"row": 2, "col": 4}
    assert data["prefix_token"] is None
    assert data["prefix_labels"] == ["CLS", "REG1", "REG2"]
    assert np.array(data["prefix"]).shape == (3, 3)  # heads, prefix tokens


def test_a_head_that_looks_at_no_patch_is_all_zeros(explainer, image):
    from dataclasses import replace

    maps = explainer.attention(image, HEAD, SizeChoice(), TokenQuery(), 0)
    empty = replace(maps, maps=np.zeros_like(maps.maps))
    assert not decoded_maps(attention.view_data(empty, "en")["data"]).any()


def test_failures_other_than_a_missing_token_are_raised(explainer, image):
    explainer.errors["attention"] = DemoError("attention.no_such_layer", layer=9, depth=6)
    with pytest.raises(DemoError):
        attention.attention_view(explainer, image, HEAD, SizeChoice(), TokenQuery(), 8, "en")
    assert explainer.questions == ["attention"]


def test_a_model_without_prefix_tokens_falls_back_to_its_first_patch(explainer, image, monkeypatch):
    monkeypatch.setattr(explainer, "_shape", lambda model: (4, 2, ()))
    data, query, _ = attention.attention_view(explainer, image, FEATURES, SizeChoice(), TokenQuery(), 0, "en")
    assert query == TokenQuery(None, 0, 0)
    assert data["data"]["token"] == {"row": 0, "col": 0}
    assert np.array(data["data"]["prefix"]).shape == (2, 0)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_word_of_the_view_is_there(language):
    words = attention.view_words(language)
    assert all(words.values())
    for name in re.findall(r"data-word=\"(\w+)\"", web_text("attention.html")):
        assert name in words
    for name in re.findall(r"data\.words\.(\w+)", web_text("attention.js")):
        assert name in words


@pytest.mark.parametrize("language", ["en", "zh"])
def test_tokens_are_read_by_name_and_patches_count_from_one(language):
    choices = attention.token_choices(("cls", "dist", "reg1"), TokenQuery(None, 0, 4), language)
    assert choices == [
        (say("attention.token_cls", language), "cls"),
        (say("attention.token_dist", language), "dist"),
        (say("attention.token_reg", language, number="1"), "reg1"),
        (say("attention.token_patch", language, row=1, col=5), "0,4"),
    ]


def web_text(name: str) -> str:
    from vit_demo.ui.web import web_text

    return web_text(name)


# ------------------------------------------------------------------------------------------------------------- predict


def test_labels_never_become_markup(explainer, image, examples):
    explainer.labels = (SCRIPT, "a & b")
    html, _ = predict.predict_view(explainer, image, HEAD, SizeChoice(), examples, "en")
    page = Tags(html)
    assert "script" not in page.tags
    assert SCRIPT in page.text
    assert "a & b" in page.text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_bars_hold_the_probabilities_and_the_rest(explainer, image, examples, language):
    html, info = predict.predict_view(explainer, image, HEAD, SizeChoice(), examples, language)
    assert re.findall(r'class="vd-number">([\d.]+) %', html) == ["75", "12", "12"]
    assert say("predict.rest", language, count="998") in html
    assert info.model_id == HEAD


@pytest.mark.parametrize("language", ["en", "zh"])
def test_neighbours_are_named_in_the_visitors_language(explainer, image, examples, language):
    html, _ = predict.predict_view(explainer, image, FEATURES, SizeChoice(), examples, language)
    names = {example.path.name: example.labels[language] for example in examples}
    assert names["kitten.jpg"] in html
    assert names["dog.jpg"] in html
    assert re.findall(r'class="vd-number">([^<]+)<', html) == ["0.50", "−0.25"]
    assert "width:0.0%" in html  # a negative cosine has no bar


def test_neighbours_name_the_layer_from_one_and_drop_tiny_votes(explainer, image, examples):
    html, _ = predict.predict_view(explainer, image, FEATURES, SizeChoice(), examples, "en")
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
    [(1, "100"), (0.5, "50"), (0.0999, "10.0"), (0.0123, "1.2"), (0.00042, "0.042"), (0, "0.0")],
)
def test_a_percentage_has_no_more_digits_than_it_deserves(share, read):
    assert predict.percent(share) == read


@pytest.mark.parametrize(("cosine", "read"), [(0.5, "0.50"), (-0.25, "−0.25"), (-0.001, "0.00"), (0.0, "0.00")])
def test_a_cosine_has_a_real_minus_and_no_negative_zero(cosine, read):
    assert predict.signed(cosine) == read


# ---------------------------------------------------------------------------------------------------------- embeddings


@pytest.mark.parametrize("kind", ["learned", "rope"])
@pytest.mark.parametrize("side", [48, 96, 320])
def test_a_tile_is_its_positions_row_of_the_matrix(explainer, image, kind, side):
    explainer.kind = kind
    size = SizeChoice(side)
    data = embeddings.positions_view(explainer, image, HEAD, size, "en")[0]["data"]
    similarity = explainer.position_similarity(HEAD, size, image)
    rows, cols = data["tile_rows"], data["tile_cols"]
    tiles = np.frombuffer(base64.b64decode(data["matrix"]), np.uint8).reshape(len(rows), len(cols), -1)
    values = data["low"] + tiles / 255 * (data["high"] - data["low"])
    for i, row in enumerate(rows):
        for j, col in enumerate(cols):
            expected = similarity.matrix[row * similarity.grid.cols + col]
            assert np.abs(values[i, j] - expected).max() <= (data["high"] - data["low"]) / 255


def test_large_grids_show_evenly_spread_tiles_and_say_so(explainer, image):
    data = embeddings.positions_view(explainer, image, HEAD, SizeChoice(320), "en")[0]["data"]
    assert (data["rows"], data["cols"]) == (20, 33)
    assert data["tile_rows"][0] == data["tile_cols"][0] == 0
    assert (data["tile_rows"][-1], data["tile_cols"][-1]) == (19, 32)
    assert "14×14 are shown" in data["words"]["note"]
    assert "20×33" in data["words"]["note"]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("kind", "key"), [("learned", "embeddings.help_learned"), ("rope", "embeddings.help_rope")])
def test_learned_and_rotary_positions_are_explained_apart(explainer, image, language, kind, key):
    explainer.kind = kind
    value, found, _ = embeddings.positions_view(explainer, image, HEAD, SizeChoice(), language)
    assert found == key
    assert value["data"]["table"] == ("viridis" if kind == "rope" else "diverging")
    assert not any(re.search(r"\{\w+\}", words) for name, words in value["data"]["words"].items() if name != "large")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_filters_are_a_picture_with_words_for_those_who_do_not_see_it(explainer, language):
    html, words = embeddings.filters_view(explainer, HEAD, language)
    assert f'alt="{say("embeddings.filters_alt", language)}"' in html
    assert say("embeddings.explained", language, count=28, share="50") in Tags(html).text
    assert "28" in words
    assert "192" in words
