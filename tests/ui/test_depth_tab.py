"""The Depth tab: what is drawn are the numbers that were answered, of the right pictures and models."""

from __future__ import annotations

import inspect
import io
import re
import xml.etree.ElementTree as ET
from html import unescape

import numpy as np
import pytest
from PIL import Image

from vit_demo.contract import DemoError, LayerHeadTable, SizeChoice
from vit_demo.text import say
from vit_demo.ui.state import PageState, Selection
from vit_demo.ui.tabs.depth import figures as depth_figures
from vit_demo.ui.tabs.depth import tab as depth

HEAD, FEATURES = "fake/head", "fake/features"


@pytest.fixture
def state(explainer, examples, image):
    return PageState(explainer, examples[:3], image, HEAD, SizeChoice(), Selection(), "en")


def on_disk(explainer, *models: str) -> None:
    """Makes these models of the fake engine be on disk."""
    from dataclasses import replace

    known = explainer.statuses()
    explainer.statuses = lambda: tuple(
        replace(status, availability="on_disk" if status.card.id in models else "downloadable") for status in known
    )


def figures(html: str) -> dict[str, ET.Element | None]:
    """Heading → <svg> of each figure."""
    found = {}
    for figure in re.findall(r"<figure>(.*?)</figure>", html, re.S):
        heading = unescape(re.search(r"<figcaption>(.*?)</figcaption>", figure).group(1))
        svg = re.search(r"<svg class=\"vd-scatter\".*?</svg>", figure, re.S)
        found[heading] = ET.fromstring(svg.group(0)) if svg else None
    return found


def titles(svg: ET.Element) -> list[str]:
    return [node.text for node in svg.iter("{http://www.w3.org/2000/svg}title")]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_head_of_the_table_is_a_dot_with_its_number(explainer, examples, image, language):
    state = PageState(explainer, examples, image, HEAD, SizeChoice(96), Selection(), language)
    updates, grid = depth.show(state, [], False)
    table = explainer.depth(image, HEAD, SizeChoice(96))
    found = figures(updates["depth_html"])
    assert grid == table.grid
    assert list(found) == [say(f"depth.{name}", language) for name in ("distance", "entropy", "prefix", "register")]
    columns = (table.distance_px, table.entropy_bits, 100 * table.prefix_mass, 100 * table.register_mass)
    for svg, column in zip(found.values(), columns, strict=True):
        said = titles(svg)
        assert len(said) == table.depth * table.heads == 18
        for words, (layer, head) in zip(said, np.ndindex(6, 3), strict=True):
            numbers = re.findall(r"\d+\.?\d*", words)
            assert numbers[:3] == [str(layer + 1), str(head + 1), depth_figures.short(column[layer, head])]


def test_the_renormalised_distance_is_the_other_column(state):
    html = depth.show(state, [], True)[0]["depth_html"]
    table = state.explainer.depth(*state.picture)
    svg = figures(html)[say("depth.distance_renormalised")]
    assert titles(svg)[5].endswith(f"{depth_figures.short(table.distance_renormalised_px[1, 2])} px")


def test_models_on_disk_are_laid_over_and_others_are_not_offered(state):
    on_disk(state.explainer, HEAD, FEATURES)
    updates, _ = depth.show(state, [FEATURES, "fake/broken", 7], False)
    assert updates["depth_models"]["choices"] == [("Fake features", FEATURES)]
    assert updates["depth_models"]["value"] == [FEATURES]
    said = titles(figures(updates["depth_html"])[say("depth.distance")])
    assert len(said) == 6 * 3 + 4 * 2
    assert said[0].startswith("Fake head, layer 1")
    assert said[-1].startswith("Fake features, layer 4, head 2")
    assert updates["depth_html"].count("<li>") == 2


def test_a_model_that_lacks_registers_is_named_and_the_other_is_drawn(state):
    on_disk(state.explainer, HEAD, FEATURES)
    html = depth.show(state, [FEATURES], False)[0]["depth_html"]
    assert say("depth.no_registers", title="Fake features") in html
    assert len(titles(figures(html)[say("depth.register")])) == 18


def test_a_model_without_registers_has_words_for_a_figure(explainer, examples, image):
    state = PageState(explainer, examples, image, FEATURES, SizeChoice(), Selection(), "en")
    html = depth.show(state, None, False)[0]["depth_html"]
    assert figures(html)[say("depth.register")] is None
    assert say("depth.no_registers", title="Fake features") in html


def test_a_model_without_prefix_tokens_has_no_figure_of_them(explainer, examples, image, monkeypatch):
    monkeypatch.setattr(explainer, "_shape", lambda model: (4, 2, ()))
    state = PageState(explainer, examples, image, FEATURES, SizeChoice(), Selection(), "en")
    html = depth.show(state, [], False)[0]["depth_html"]
    assert figures(html)[say("depth.prefix")] is None
    assert say("depth.no_prefix", title="Fake features") in html


def test_examples_are_drawn_as_they_come_and_end_in_their_mean(state):
    steps = list(depth.over_examples(state, [], False))
    assert len(steps) == 3 + 1
    tables = []
    for done, (step, example) in enumerate(zip(steps, state.examples, strict=False), 1):
        pixels = np.asarray(Image.open(example.path).convert("RGB"))
        tables.append(state.explainer.depth(pixels, HEAD, SizeChoice(), False))
        assert f'aria-valuemax="3" aria-valuenow="{done}"' in step["depth_html"]
        mean = np.mean([table.distance_px for table in tables], axis=0)
        first = titles(figures(step["depth_html"])[say("depth.distance")])[0]
        assert first == f"layer 1, head 1: {depth_figures.short(mean[0, 0])} px"
        assert mean[0, 0] == pytest.approx(np.mean([t.distance_px[0, 0] for t in tables]))
    assert "progressbar" not in steps[-1]["depth_html"]
    assert say("depth.over_examples", count=3) in steps[-1]["depth_html"]
    assert steps[-1]["depth_scope"] == depth.EXAMPLES
    kept = [args[2] for question, args in state.explainer.calls if question == "depth"]
    assert not any(kept)  # passes of examples push nobody's out of memory


def test_a_stopped_run_asks_for_no_more_pictures(state):
    run = depth.over_examples(state, [], False)
    next(run)
    run.close()
    assert state.explainer.questions.count("depth") == 1


def test_examples_of_several_models_follow_each_other(state):
    steps = list(depth.over_examples(state, [FEATURES], False))
    assert len(steps) == 7
    assert len(titles(figures(steps[-1]["depth_html"])[say("depth.entropy")])) == 18 + 8


def test_another_distance_keeps_what_is_shown(state):
    assert inspect.isgeneratorfunction(depth.redraw)
    (picture,) = depth.redraw(state, [], True, depth.PICTURE)
    assert picture["depth_scope"] == depth.PICTURE
    assert say("depth.distance_renormalised") in picture["depth_html"]
    *_, last = depth.redraw(state, [], True, depth.EXAMPLES)
    assert say("depth.over_examples", count=3) in last["depth_html"]


def test_more_models_than_colours_are_refused(state):
    with pytest.raises(DemoError, match="Up to 4"):
        depth.chosen(state, ["a", "b", "c", "d"])
    assert depth.chosen(state, ["a", HEAD, "a"]) == [HEAD, "a"]


def test_a_models_title_never_becomes_markup(state, monkeypatch):
    original = state.explainer.depth

    def with_title(*args):
        from dataclasses import replace

        return replace(original(*args), title="<script>x</script>")

    monkeypatch.setattr(state.explainer, "depth", with_title)
    on_disk(state.explainer, HEAD, FEATURES)
    assert "<script" not in depth.show(state, [FEATURES], False)[0]["depth_html"]


@pytest.mark.parametrize("scope", [depth.PICTURE, depth.EXAMPLES])
def test_what_is_taken_away_are_the_numbers_shown(state, scope):
    parcel = depth.download(state, [FEATURES], True, scope)
    arrays = np.load(io.BytesIO(parcel.files["attention_over_depth.npz"]), allow_pickle=False)
    for number, model in ((1, HEAD), (2, FEATURES)):
        if scope == depth.PICTURE:
            table = state.explainer.depth(state.image, model, state.size)
        else:
            pictures = [np.asarray(Image.open(e.path).convert("RGB")) for e in state.examples]
            table = LayerHeadTable.mean([state.explainer.depth(p, model, state.size, False) for p in pictures])
        assert np.array_equal(arrays[f"distance_px_{number}"], table.distance_px)
        assert np.array_equal(arrays[f"prefix_mass_{number}"], table.prefix_mass)
    assert arrays["models"].tolist() == [HEAD, FEATURES]
    assert "register_mass_2" not in arrays.files
    assert str(arrays["axes_entropy_bits_1"]) == "layer, head"
    assert ET.fromstring(parcel.files["distance_renormalised_px.svg"].decode()).tag.endswith("svg")
    assert parcel.files["entropy_bits.png"].startswith(b"\x89PNG")
    compile(parcel.code, "code", "exec")
