"""The Walk tab: every step is drawn from what was computed, in both languages; the handout holds all of it."""

from __future__ import annotations

import base64
import json
import re
from html import unescape

import numpy as np
import pytest

from vit_demo.contract import WALK_STEPS
from vit_demo.edits import Edits
from vit_demo.text import LANGUAGES, say
from vit_demo.ui.kit.static import ui_text
from vit_demo.ui.kit.words import view_words
from vit_demo.ui.tabs.walk import tab as walk
from vit_demo.ui.tabs.walk.figures import FIGURES
from vit_demo.ui.tabs.walk.steps import END, FORMULAS, STEPS, experiments, idea_words

HEAD, FEATURES = "fake/head", "fake/features"
MOST_WORDS, MOST_LETTERS = 60, 130  # of an idea in English; Chinese has no spaces between words


def figure(state, step, **changes) -> dict:
    return walk.show(state(**changes), step)[0]["walk"]["data"]


def maps_of(html: str) -> list[np.ndarray]:
    """The numbers that every map of a figure holds for the pointer."""
    found = re.findall(r'data-rows="(\d+)" data-cols="(\d+)" data-values="([^"]*)"', html)
    return [np.frombuffer(base64.b64decode(text), "<f4").reshape(int(rows), int(cols)) for rows, cols, text in found]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_the_view_is_there(language):
    words = view_words("walk", language)
    used = set(re.findall(r"data-(?:word|label)=\"(\w+)\"", ui_text("tabs/walk/view.html")))
    for module in ("view.js", "map.js", "questions.js", "present.js", "toy_view.js"):
        used |= set(
            re.findall(r"\b(?:words|said)\.([a-z]\w+)", re.sub(r'"[^"]*?"', "", ui_text(f"tabs/walk/{module}")))
        )
    used -= {"textContent", "setAttribute"}
    tables = re.findall(r"^  (\w+): \[(.*)\],$", ui_text("tabs/walk/toy.js").partition("TABLES")[2], re.MULTILINE)
    used |= {f"toy_{step}" for step, _ in tables}
    used |= {f"toy_m_{name}" for _, names in tables for name in re.findall(r'"(\w+)"', names)}
    assert len(tables) == 13
    assert used <= set(words)


@pytest.mark.parametrize("step", WALK_STEPS)
def test_every_step_has_a_figure_a_formula_and_words_enough_to_read_at_once(step):
    assert step in FIGURES
    assert step in FORMULAS
    for key in [f"walk.{step}_idea", *(["walk.answer_idea_no_head"] if step == "answer" else [])]:
        assert len(say(key).split()) <= MOST_WORDS
        assert len(say(key, "zh")) <= MOST_LETTERS


def test_the_terms_of_the_walk_have_their_english_names_beside_them_in_chinese():
    said = "".join(say(f"walk.{step}{end}", "zh") for step in WALK_STEPS for end in ("", "_idea"))
    for term in (
        "（patch）",
        "（token）",
        "（class token）",
        "（position embedding）",
        "（LayerNorm）",
        "（query）",
        "（head）",
    ):
        assert said.count(term) >= 1, term
    for term in ("位置嵌入", "注意力头", "残差连接", "类别词元"):
        assert term in said


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("model", [HEAD, FEATURES])
@pytest.mark.parametrize("step", STEPS)
def test_every_step_is_drawn_for_models_with_and_without_classes(state, step, model, language):
    data = figure(state, step, model=model, language=language)
    assert data["step"] == step
    assert data["title"] == say(f"walk.{step}", language)
    assert "{" not in re.sub(r'data-go="[^"]*"|href="[^"]*"', "", data["figure"])  # every placeholder is filled
    assert [one["name"] for one in data["map"]] == list(STEPS)
    if step == END:
        assert data["figure"].count("vd-go") == 7
        return
    assert len(data["figure"]) > 200
    assert data["formula"]
    assert data["questions"][0]["right"] == 1
    assert data["questions"][0]["why"] == say("walk.why_row_sum", language, sum="1.000000")


def test_a_map_holds_the_very_numbers_that_were_computed(state, explainer):
    shown = figure(state, "positions")
    found = explainer.walk(*state().picture, "positions")
    before, code, after = maps_of(shown["figure"])[:3]
    for drawn, name in ((before, "before"), (code, "code"), (after, "after")):
        assert np.allclose(drawn, found.tensors[name])
    heads = maps_of(figure(state, "qkv")["figure"])
    assert [one.shape for one in heads] == [(found.info.heads, 8)] * 3


def test_a_pixel_is_normalised_by_hand_in_the_table(state, explainer):
    found, spec = explainer.walk(*state().picture, "pixels"), explainer.details(HEAD).preprocess
    P, (row, col) = found.info.grid.patch_px, (found.info.grid.rows // 2, found.info.grid.cols // 2)
    red = int(found.picture[row * P + P // 2, col * P + P // 2, 0])
    cells = re.findall(r"<td>([^<]+)</td>", figure(state, "pixels")["figure"])
    assert cells[:3] == [str(red), f"{spec.mean[0]:.3g}", f"{spec.std[0]:.3g}"]
    assert float(cells[3].replace("−", "-")) == pytest.approx((red / 255 - spec.mean[0]) / spec.std[0], rel=0.01)


def test_names_of_code_and_classes_are_no_html(state, explainer):
    explainer.labels = ("<b>tabby</b>", "lynx")
    data = figure(state, "layers")
    assert data["code"] == [{"place": "vit_demo/model/vit.py:7", "code": "x = <b>1</b>"}]  # put there as text
    assert "<b>" not in figure(state, "answer")["figure"]


def test_the_figure_that_would_give_the_answer_away_waits_for_it(state):
    assert 'class="vd-walk-later"' in figure(state, "positions")["figure"]
    assert 'class="vd-walk-later"' in figure(state, "layers")["figure"]


def test_the_last_step_hands_over_every_score(state):
    answer = figure(state, "answer")["answer"]
    assert answer["scores"] == [0.5, 2.5]
    assert answer["names"] == ["lynx", "tabby"]
    assert answer["temperature"] == 1.0
    assert figure(state, "answer", language="zh")["answer"]["names"] == ["猞猁", "虎斑猫"]
    assert figure(state, "answer", model=FEATURES)["answer"]["temperature"] == 0.07


def test_what_the_view_sends_chooses_step_token_layer_and_head(state, explainer):
    event = {"step": "scores", "token": "0,2", "layer": 1, "head": 2, "times": 7}
    updates = walk.stepped(state(), event, "pixels")
    name, args = explainer.calls[-1][0], explainer.calls[-1][1]
    assert name != "walk" or args[2] == "scores"
    asked = [args for question, args in explainer.calls if question == "walk"][-1]
    assert (asked[2], asked[3].name, asked[4], asked[5]) == ("scores", "0,2", 1, 2)
    assert updates["walk_step"] == "scores"
    assert updates["selection"] == {"layer": 1, "head": 2, "token": "0,2"}
    data = updates["walk"]["data"]
    assert (data["times"], data["chosen"], data["token"]) == (7, "0,2", "0,2")
    assert "words" not in data  # the browser has them


@pytest.mark.parametrize("event", [{}, {"step": 3, "token": 5, "layer": "x", "head": -1, "times": "y"}])
def test_what_makes_no_sense_is_the_default(state, event):
    updates = walk.stepped(state(), event, "norm")
    assert updates["walk_step"] == "norm"
    assert updates["walk"]["data"]["times"] == 0


def test_the_whole_depth_is_looked_at_from_the_class_token_unless_another_is_chosen(state, explainer):
    walk.show(state(), "layers")
    asked = [args for question, args in explainer.calls if question == "walk"][-1]
    assert asked[3].name == "cls"
    walk.show(state(), "norm")
    assert [args for question, args in explainer.calls if question == "walk"][-1][3] is None


def test_a_link_and_its_inverse():
    assert walk.of_link({"step": "scores"}) == {"walk_step": "scores"}
    assert walk.of_link({"step": "nowhere"}) == {}
    assert walk.as_link({"walk_step": "scores"}) == {"step": "scores"}
    assert walk.as_link({"walk_step": ["x"]}) == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_handout_is_one_file_with_every_step_and_the_answers(state, explainer, language):
    found = {step: explainer.walk(*state().picture, step) for step in WALK_STEPS}
    *said, done = walk.handout(state(language=language))
    assert len(said) == len(WALK_STEPS)
    assert said[0]["walk"]["data"]["making"] == say("walk.handout_making", language, number=1, count=len(WALK_STEPS))
    html = done["walk"]["files"]["handout.html"].decode()
    for step in WALK_STEPS:
        assert say(f"walk.{step}", language) in unescape(html)
        assert idea_words(state(language=language), step, found[step]) in unescape(html)
    assert html.count(say("walk.why_row_sum", language, sum="1.000000")) == len(WALK_STEPS)
    assert "<script" not in html
    assert "x = &lt;b&gt;1" in html
    # nothing is fetched: every source is inside
    assert set(re.findall(r'src="([a-z]+):', html)) == {"data"}
    assert "url(" not in html


def test_the_experiments_are_changes_of_the_what_if_tab_that_can_matter(state, explainer):
    found = explainer.walk(*state().picture, "dino")
    tried = [edits for each in experiments(found).values() for _, edits in each]
    assert all(Edits.of_plain(edits) for edits in tried)
    bright = found.tensors["heads"].mean(axis=0)
    brightest, others = (tried[i]["drop"] for i in (0, 1))
    assert len(brightest) == len(others)
    assert not {tuple(patch) for patch in brightest} & {tuple(patch) for patch in others}
    least = min(bright[tuple(patch)] for patch in brightest)
    assert least >= np.sort(bright, axis=None)[-len(brightest)]
    (layer, _), _ = experiments(found)["heads"][0][1]["heads"][0]
    assert layer < found.facts["layer_read"]  # a head above the layer that is read could change nothing
    links = [json.loads(unescape(text)) for text in re.findall(r'data-go="([^"]*)"', figure(state, END)["figure"])]
    assert {link["tab"] for link in links} == {"what_if"}
    assert [json.loads(link["edits"]) for link in links] == tried
