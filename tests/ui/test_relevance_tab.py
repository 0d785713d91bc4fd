"""The Relevance tab: what is drawn are the maps that were answered, in the visitor's language."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ET
from html import unescape

import numpy as np
import pytest
from PIL import Image

from vit_demo.contract import DemoError, RelevanceOptions, SizeChoice
from vit_demo.contract.relevance import LONG_METHODS, METHODS, QUICK_METHODS
from vit_demo.text import say
from vit_demo.ui.page import Page
from vit_demo.ui.state import PageState, Selection
from vit_demo.ui.tabs.relevance import tab as relevance
from vit_demo.ui.tabs.relevance.choices import PAIR_METHODS
from vit_demo.ui.tabs.relevance.figures import FORMULAS, PAPERS, RelevanceView, limits_of, method_name

HEAD, FEATURES = "fake/head", "fake/features"
OPTIONS = dict(fusion="mean", discard=0.0, start=1, baseline="mean")


@pytest.fixture(params=["en", "zh"])
def state(request, explainer, examples, image):
    return PageState(explainer, examples, image, HEAD, SizeChoice(), Selection(), request.param)


@pytest.fixture
def headless(explainer, examples, image):
    return PageState(explainer, examples, image, FEATURES, SizeChoice(), Selection(), "zh")


def maps(value: dict) -> list[np.ndarray]:
    data = value["data"]
    return [
        np.frombuffer(base64.b64decode(made["values"]), "<f4").reshape(data["rows"], data["cols"])
        for made in data["maps"]
    ]


def shown(state, chosen=None, options=OPTIONS, **more) -> dict:
    pair, long = more.get("pair"), more.get("long")
    return relevance.show(state, chosen or {}, pair, long, **options)[0]


def asked_for(explainer, question: str = "relevance") -> list[tuple]:
    return [args for name, args in explainer.calls if name == question]


# --------------------------------------------------------------------------------------------------------------- show


def test_the_best_target_is_explained_by_every_quick_method(state):
    updates = shown(state)
    value = updates["relevance_view"]
    info = state.explainer.targets(*state.picture).info
    assert [made["method"] for made in value["data"]["maps"]] == list(QUICK_METHODS)
    for made, values in zip(value["data"]["maps"], maps(value), strict=True):
        assert np.array_equal(values, state.explainer.map_of(info, 1, made["method"]))
        assert made["title"] == method_name(made["method"], state.language)
        assert made["high"] == pytest.approx(float(np.abs(values).max()))
        assert made["low"] == (-made["high"] if made["signed"] else 0)
        assert [part["text"] for part in made["fold"]][:2] == [FORMULAS[made["method"]], PAPERS[made["method"]]]
    assert (value["data"]["rows"], value["data"]["cols"]) == info.grid.shape
    assert value["picture"].shape[:2] == (48, 80)


def test_the_share_on_prefix_tokens_stands_under_a_map_that_has_one(state):
    answer = state.explainer.relevance(*state.picture, 1, ("chefer",), RelevanceOptions())
    share = f"{100 * answer.maps[0].prefix_share:.1f}"
    notes = {made["method"]: made["note"] for made in shown(state)["relevance_view"]["data"]["maps"]}
    assert say("relevance.prefix", state.language, share=share) in notes["chefer"]
    assert "%" not in notes["gradient_input"]


def test_targets_are_offered_best_first_and_all_of_them_in_the_list(state):
    updates = shown(state)
    tabby, lynx = map(state.class_name, ("tabby", "lynx"))
    assert updates["relevance_best"]["choices"] == [(f"{tabby} · 75.0 %", 1), (f"{lynx} · 12.5 %", 0)]
    assert updates["relevance_best"]["value"] == 1
    assert updates["relevance_target"]["choices"] == [(lynx, 0), (tabby, 1)]
    assert updates["relevance_target"]["value"] == 1
    assert updates["relevance_other"]["choices"] == [(lynx, 0), (tabby, 1)]
    assert updates["relevance_other"]["value"] is None


def test_without_a_head_examples_are_offered_by_their_names_and_it_is_said(headless):
    updates = shown(headless)
    assert updates["relevance_best"]["choices"] == [("小猫 · 0.50", 1), ("狗 · −0.25", 0)]
    assert [index for _, index in updates["relevance_target"]["choices"]] == [0, 1, 2]
    assert updates["relevance_note"] == say("relevance.note_example", "zh", layer=3, depth=4)
    units = {made["method"]: made["unit_name"] for made in updates["relevance_view"]["data"]["maps"]}
    assert units["gradient_input"] == say("relevance.unit_cosine", "zh")


def test_the_chosen_target_stays_for_its_model_alone(state):
    assert shown(state, {"model": HEAD, "target": 0})["relevance_target"]["value"] == 0
    for other in ({"model": FEATURES, "target": 0}, {"model": HEAD, "target": 7}, {"target": True}, 5):
        assert shown(state, other)["relevance_target"]["value"] == 1


def test_what_belongs_to_an_earlier_question_goes(state):
    updates = shown(state)
    assert updates["relevance_long"] is None
    assert updates["relevance_pair"] is None
    assert (updates["relevance_curves"], updates["relevance_progress"], updates["relevance_found"]) == ("", "", {})
    assert relevance.pick(state, 0, **OPTIONS)["relevance_long"] is None


def test_options_reach_the_question_and_layers_count_from_one_on_screen(state):
    shown(state, options=dict(fusion="max", discard=0.5, start=4, baseline="blur"))
    assert asked_for(state.explainer)[-1][-2] == RelevanceOptions("max", 0.5, 3, "blur")
    shown(state, options=OPTIONS | {"start": 99})  # a deeper model's layer
    assert asked_for(state.explainer)[-1][-2].start_layer == 5


# -------------------------------------------------------------------------------------------------------------- events


def test_a_picked_target_is_explained_and_kept(state):
    updates = relevance.pick(state, 0, **OPTIONS)
    info = state.explainer.targets(*state.picture).info
    assert np.array_equal(maps(updates["relevance_view"])[3], state.explainer.map_of(info, 0, "chefer"))
    assert updates["relevance_chosen"] == {"model": HEAD, "target": 0}
    assert updates["relevance_best"]["value"] == updates["relevance_target"]["value"] == 0
    assert relevance.pick(state, None, **OPTIONS) == {}


@pytest.mark.parametrize("method", PAIR_METHODS)
def test_two_targets_share_a_scale_and_their_difference_is_two_sided(state, method):
    value = relevance.compare(state, 1, 0, method, **OPTIONS)["relevance_pair"]
    one, two, between = maps(value)
    tiles = value["data"]["maps"]
    info = state.explainer.targets(*state.picture).info
    assert np.array_equal(one, state.explainer.map_of(info, 1, method))
    assert np.array_equal(between, one - two)
    assert (tiles[0]["low"], tiles[0]["high"]) == (tiles[1]["low"], tiles[1]["high"])
    assert tiles[0]["high"] == pytest.approx(max(np.abs(one).max(), np.abs(two).max()))
    assert tiles[2]["signed"]
    assert tiles[2]["low"] == -tiles[2]["high"]
    tabby, lynx = map(state.class_name, ("tabby", "lynx"))
    assert [made["title"] for made in tiles[:2]] == [tabby, lynx]
    assert tiles[2]["title"] == say("relevance.difference", state.language, one=tabby, other=lynx)


@pytest.mark.parametrize("given", [(1, None, "chefer"), (1, 0, "rollout"), (None, 0, "chefer"), (1, 0, "lime")])
def test_an_unfinished_comparison_shows_nothing(state, given):
    assert relevance.compare(state, *given, **OPTIONS) == {"relevance_pair": None}


@pytest.mark.parametrize("method", LONG_METHODS)
def test_a_long_method_grows_part_by_part(state, method):
    steps = list(relevance.compute_long(state, 1, method, {"occlusion": 0}, **OPTIONS))
    whole = state.explainer.map_of(state.explainer.targets(*state.picture).info, 1, method)
    assert len(steps) == 4  # the beginning, and three parts
    for part, step in enumerate(steps[1:], 1):
        assert np.allclose(maps(step["relevance_long"])[0], whole * part / 3, atol=1e-6)
        words = say(
            "relevance.parts_done", state.language, method=method_name(method, state.language), part=part, parts=3
        )
        assert words in step["relevance_progress"]
        assert f'aria-valuenow="{part}"' in step["relevance_progress"]
    assert [args[-1] for args in asked_for(state.explainer)] == [0, 1, 2]
    assert np.allclose(steps[-1]["relevance_found"][method], whole, atol=1e-6)
    assert all("relevance_found" not in step for step in steps[:-1])
    assert list(relevance.compute_long(state, 1, "chefer", {}, **OPTIONS)) == []


def test_faithfulness_streams_the_control_first_and_then_every_map(state):
    found = {"occlusion": np.full((3, 5), 0.25, np.float32), "forged": np.zeros(3)}
    steps = [step["relevance_curves"] for step in relevance.measure(state, 1, found, **OPTIONS)]
    methods = [*QUICK_METHODS, "occlusion"]
    assert len(steps) == 2 + len(methods)
    asked_orders = asked_for(state.explainer, "faithfulness")
    assert asked_orders[0][3] is None
    assert asked_orders[-1][3] == pytest.approx(15 * 0.25)
    last = steps[-1]
    names = [unescape(name) for name in re.findall(r'<th scope="row">(.*?)</th>', last)]
    assert names == [
        *(method_name(method, state.language) for method in methods),
        say("relevance.random", state.language),
    ]
    assert last.count('<svg class="vd-chart"') == len(methods)
    assert say("relevance.curve_class", state.language, name=state.class_name("tabby")) in last


def test_areas_in_the_table_are_those_measured_and_the_best_is_marked(state):
    html = [step["relevance_curves"] for step in relevance.measure(state, 1, {}, **OPTIONS)][-1]
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", html)[1:]]
    info = state.explainer.targets(*state.picture).info
    wanted = [
        state.explainer.faithfulness(*state.picture, 1, state.explainer.map_of(info, 1, method), "mean")
        for method in QUICK_METHODS
    ]
    plain = [[float(re.sub(r"</?b>", "", cell)) for cell in row] for row in rows]
    for numbers, curves in zip(plain, wanted, strict=False):
        assert numbers == pytest.approx([curves.deletion_area, curves.insertion_area], abs=6e-4)
    best = min(range(len(wanted)), key=lambda i: wanted[i].deletion_area)
    assert rows[best][0].startswith("<b>")
    assert not rows[-1][0].startswith("<b>")  # the control is no competitor


def test_curves_are_drawn_where_their_values_lie(state):
    html = [step["relevance_curves"] for step in relevance.measure(state, 1, {}, **OPTIONS)][-1]
    info = state.explainer.targets(*state.picture).info
    values = state.explainer.map_of(info, 1, QUICK_METHODS[0])
    curves = state.explainer.faithfulness(*state.picture, 1, values, "mean")
    svg = ET.fromstring(re.search(r"<svg class=.vd-chart.*?</svg>", html).group())
    left, top, width, height = map(float, svg.get("data-plot").split())
    lines = {line.get("class"): line.get("points") for line in svg.iter("{http://www.w3.org/2000/svg}polyline")}
    points = lines["vd-line vd-line-2"].split()
    x, y = np.array([[float(number) for number in point.split(",")] for point in points]).T
    assert np.allclose((x - left) / width, curves.fractions, atol=0.001)
    assert np.allclose(0.75 * (1 - (y - top) / height), curves.deletion, atol=0.001)


def test_names_from_a_checkpoint_are_escaped(state, monkeypatch):
    bad = '<img src=x onerror="alert(1)">'
    answer = state.explainer.relevance

    def renamed(*args):
        from dataclasses import replace

        return replace(answer(*args), name=bad)

    monkeypatch.setattr(state.explainer, "relevance", renamed)
    html = [step["relevance_curves"] for step in relevance.measure(state, 1, {}, **OPTIONS)][-1]
    assert bad not in html
    assert "&lt;img" in html


def test_errors_of_the_engine_are_left_to_the_page(state):
    state.explainer.errors["relevance"] = DemoError("relevance.no_such_target", number=9, count=2)
    with pytest.raises(DemoError):
        relevance.pick(state, 9, **OPTIONS)


# --------------------------------------------------------------------------------------------------------------- rest


@pytest.mark.parametrize(("values", "signed", "limits"), [([0, 2.0], False, (0, 2)), ([-3.0, 1], True, (-3, 3))])
def test_a_scale_begins_at_zero_or_is_two_sided(values, signed, limits):
    assert limits_of(np.array(values), signed) == limits


def test_every_method_has_its_formula_paper_and_weakness_in_both_languages():
    assert set(FORMULAS) == set(PAPERS) == set(METHODS)
    for language in ("en", "zh"):
        assert all(say(f"relevance.weakness_{method}", language) for method in METHODS)


def test_what_is_taken_away_are_the_maps_and_lines_that_compile(state):
    parcel = relevance.download(state, 1, fusion="max", discard=0.5, start=2, baseline="blur")
    assert set(parcel.files) == {f"relevance-maps.{end}" for end in ("png", "pdf", "npz")}
    kept = np.load(io.BytesIO(parcel.files["relevance-maps.npz"]), allow_pickle=False)
    info = state.explainer.targets(*state.picture).info
    for method in QUICK_METHODS:
        assert np.array_equal(kept[method], state.explainer.map_of(info, 1, method))
        assert str(kept[f"axes_{method}"]) == "row, column"
    picture = np.asarray(Image.open(io.BytesIO(parcel.files["relevance-maps.png"])))
    assert picture.shape == (2 * (134 + 8) - 8, 4 * (224 + 8) - 8, 3)
    compile(parcel.code, "parcel", "exec")
    assert repr(RelevanceOptions("max", 0.5, 1, "blur")) in parcel.code


def test_the_taken_lines_run(state, image, tmp_path, monkeypatch):
    import vit_demo.explain

    monkeypatch.chdir(tmp_path)
    Image.fromarray(image).save("picture.png")
    explainer = state.explainer
    monkeypatch.setattr(vit_demo.explain, "Explainer", lambda: explainer)
    explainer_relevance = explainer.relevance
    monkeypatch.setattr(explainer, "relevance", lambda picture, *more: explainer_relevance(np.asarray(picture), *more))
    names: dict = {}
    exec(relevance.download(state, 1, **OPTIONS).code, names)
    assert set(names["maps"]) == set(QUICK_METHODS)


def test_the_tab_can_be_laid_out_and_fills_only_what_it_has(explainer, examples):
    import gradio as gr

    page = Page(explainer, examples)
    with gr.Blocks():
        for name in ("image", "good_model", "model", "side", "keep_shape", "selection", "language", "shown"):
            page.add(name, gr.Textbox() if name in ("model", "side", "keep_shape", "image") else gr.State())
        page.parts["model"], page.parts["side"] = gr.Dropdown([]), gr.Radio([])
        page.parts["language"] = gr.Radio([])
        page.parts["image"], page.parts["keep_shape"] = gr.Image(), gr.Checkbox()
        page.parts["predict_why"] = gr.Button()
        relevance.layout(page)
        relevance.wire(page)
    names = {*relevance.TAB.inputs.values(), *relevance.TAB.outputs, *relevance.TAB.cleared}
    assert names <= set(page.parts)
    assert isinstance(page.parts["relevance_view"], RelevanceView)
    assert relevance.TAB.outputs[0] == "relevance_view"
    given = page.parts["relevance_fusion"], page.parts["relevance_baseline"]
    assert all(radio.value in [value for _, value in radio.choices] for radio in given)  # or gradio refuses them


def test_the_view_takes_no_number_that_json_has_not(state):
    import json

    json.dumps(shown(state)["relevance_view"]["data"], allow_nan=False)
