"""The What-if tab: what the browser gets are the numbers that were answered, under the edits that were set."""

from __future__ import annotations

import base64
import json
import re
from html import unescape

import numpy as np
import pytest

from vit_demo.contract import SEARCHES, DemoError, SizeChoice
from vit_demo.edits import Edits
from vit_demo.text import LANGUAGES, say
from vit_demo.ui.kit.reader import Picture
from vit_demo.ui.kit.static import ui_text
from vit_demo.ui.kit.words import view_words
from vit_demo.ui.state import Selection
from vit_demo.ui.tabs.what_if import figures
from vit_demo.ui.tabs.what_if import tab as what_if

HEAD, FEATURES = "fake/head", "fake/features"
DROPPED = {"drop": [[0, 1], [2, 3]]}


@pytest.fixture
def other(image) -> Picture:
    return Picture(image[::-1].copy(), "other")


def shown(state, edits=None, target=None, other=None):
    return what_if.show(state, edits or {}, other, target, "heads", "mean")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_the_views_is_there(language):
    words = view_words("what_if", language)
    used = set()
    for page in ("view.html", "scan.html"):
        used |= set(re.findall(r"data-(?:word|label)=\"(\w+)\"", ui_text(f"tabs/what_if/{page}")))
    for module in ("view.js", "scan.js", "pair.js", "switches.js", "answer.js"):
        code = ui_text(f"tabs/what_if/{module}")
        used |= set(re.findall(r"\bwords\.(\w+)", re.sub(r'"[^"]*?"', "", code)))
    used |= {f"chip_{kind}" for kind in ("drop", "hide_mean", "hide_blur", "head", "skip_attention", "skip_mlp")}
    used |= {f"chip_{kind}" for kind in ("positions", "scale", "shuffle", "temperature", "cut", "states")}
    used |= {f"positions_{how}" for how in ("keep", "none", "shuffled", "mirrored", "equal")}
    used |= {"answer_stays", "answer_changes", "like_stays", "like_changes"}
    used |= {f"chip_how_{how}" for how in ("mean", "zero", "examples")}
    used |= {"cell_attention", "cell_mlp", "cell_prefix", "cell_patches", "map_before", "map_after", "map_difference"}
    assert len(used) > 70
    assert used <= set(words)


def test_the_answer_that_is_shown_is_the_one_given(state):
    updates, info = shown(state(), DROPPED)
    data = updates["what_if"]["data"]
    answer = state().explainer.what_if(state().image, HEAD, edits=Edits.of_plain(DROPPED))
    assert info == answer.info
    assert [row["label"] for row in data["rows_of_answers"]] == list(answer.names)
    assert [row["after"] for row in data["rows_of_answers"]] == [float(value) for value in answer.after]
    assert (data["best_before"], data["best_after"]) == (answer.best_before, answer.best_after)
    assert data["edits"] == DROPPED
    assert data["adopt"]
    assert updates["what_if_edits"] == DROPPED
    assert data["tokens"] == data["all_tokens"] - 2


def test_maps_come_back_from_their_bytes(state):
    data = shown(state(), DROPPED)[0]["what_if"]["data"]
    answer = state().explainer.what_if(state().image, HEAD, edits=Edits.of_plain(DROPPED))
    for name, maps in (("before", answer.maps_before), ("after", answer.maps_after)):
        packed = data[name]
        values = np.frombuffer(base64.b64decode(packed["values"]), "<u2") / 65535 * packed["top"]
        np.testing.assert_allclose(values.reshape(maps.shape), np.nan_to_num(maps), atol=packed["top"] / 65000)
        np.testing.assert_allclose(packed["prefix"], 0.375)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_headless_models_answers_have_names_and_pictures(state, examples, language):
    data = shown(state(model=FEATURES, language=language))[0]["what_if"]["data"]
    known = {example.key: example.label(language) for example in examples}
    for row in data["rows_of_answers"]:
        assert row["label"] == known[row["example"]]
        assert data["examples"][row["example"]].startswith("data:image/jpeg")


def test_edits_that_this_grid_does_not_know_are_left_out_and_said(state):
    data = shown(state(), {"drop": [[0, 0], [40, 40]]})[0]["what_if"]["data"]
    assert data["edits"] == {"drop": [[0, 0]]}
    assert data["left_out"]


@pytest.mark.parametrize("edits", [None, "drop", {"nonsense": 1}, {"drop": 4}, [1]])
def test_what_was_kept_and_makes_no_sense_changes_nothing(state, edits):
    assert shown(state(), edits)[0]["what_if_edits"] == {}


def test_a_token_that_this_grid_does_not_have_gives_way_to_the_first(state):
    updates, _ = shown(state(selection=Selection(2, 1, "30,30")))
    assert updates["what_if"]["data"]["token"] == "cls"
    assert updates["what_if"]["data"]["layer"] == 2


def test_a_change_is_answered_without_words_and_pictures_again(state):
    event = {"edits": DROPPED, "layer": 1, "head": 2, "token": "1,4", "times": 7}
    updates = what_if.changed(state(), event, None)
    value = updates["what_if"]
    assert value["picture"] is None
    assert "words" not in value["data"]
    assert not value["data"]["adopt"]
    assert (value["data"]["times"], value["data"]["layer"], value["data"]["token"]) == (7, 1, "1,4")
    assert updates["what_if_edits"] == DROPPED
    assert len(json.dumps(value["data"])) < 6000


def test_a_picture_whose_pixels_change_comes_with_the_answer(state):
    data = what_if.changed(state(), {"edits": {"hide": [[0, 0]]}}, None)["what_if"]["data"]
    assert data["seen"].startswith("data:image/jpeg")
    assert not what_if.changed(state(), {"edits": DROPPED}, None)["what_if"]["data"]["seen"]


@pytest.mark.parametrize("edits", [None, [], {"nonsense": 1}, {"drop": [[1, 2, 3]]}, {"temperature": "x"}])
def test_edits_of_another_form_are_refused_in_a_sentence(state, edits):
    updates = what_if.changed(state(), {"edits": edits, "times": 4}, None)
    assert "does not fit" in updates["what_if"]["data"]["error"]
    assert updates["what_if"]["data"]["times"] == 4
    assert "what_if_edits" not in updates  # what was there stays


def test_what_a_method_calls_relevant_is_taken_away_too(state):
    value = what_if.changed(state(), {"edits": {"drop": [[0, 0]]}, "relevant": "chefer"}, None)["what_if"]
    best = state().explainer.targets(state().image, HEAD).best[0]
    values = state().explainer.relevance(state().image, HEAD, target=best, methods=("chefer",)).maps[0].values
    order = np.argsort(-values, axis=None)[:3]  # a fifth of 15
    expected = {(0, 0), *(divmod(int(i), 5) for i in order)}
    assert {tuple(patch) for patch in value["data"]["edits"]["drop"]} == expected
    assert value["data"]["adopt"]


def test_states_are_taken_from_the_second_picture_if_there_is_one(state, explainer, other):
    edits = {"patch_in": [[1, ["cls"], None]]}
    what_if.changed(state(), {"edits": edits}, other)
    assert explainer.calls[-1][1][-1] == other.pixels.shape
    without = what_if.changed(state(), {"edits": edits}, None)
    assert not explainer.calls[-1][1][2]
    assert without["what_if"]["data"]["left_out"]  # there is nothing to take them from
    refused = what_if.changed(state(), {"edits": edits}, DemoError("picture.gone"))
    assert DemoError("picture.gone").say("en") == refused["what_if"]["data"]["error"]
    again = what_if.other_changed(state(), edits, other)
    assert again["what_if"]["data"]["edits"] == edits


def test_changes_that_cannot_be_had_together_do_not_keep_the_tab_shut(state, explainer):
    real = explainer.what_if

    def refuses(image, model, size=None, edits=Edits(), *args, **more):  # noqa: B008 – frozen
        if edits:
            raise DemoError("what_if.refused", reason="a token would see nothing")
        return real(image, model, size, edits, *args, **more)

    explainer.what_if = refuses
    updates, _ = shown(state(), DROPPED)
    assert updates["what_if"]["data"]["left_out"]
    assert updates["what_if_edits"] == {}


def test_an_answer_names_what_it_was_asked_of(state):
    one = what_if.changed(state(), {"edits": DROPPED}, None)["what_if"]["data"]["question"]
    assert one == shown(state())[0]["what_if"]["data"]["question"]
    other = what_if.changed(state(model=FEATURES), {"edits": DROPPED}, None)["what_if"]["data"]["question"]
    assert one != other


@pytest.mark.parametrize("kind", ["heads", "layers", "patches", "states"])
def test_a_scan_fills_its_map_part_by_part(state, explainer, other, kind):
    steps = list(what_if.run_scan(state(), kind, "zero", 1, other))
    asked = [args for name, args in explainer.calls if name == "scan"]
    assert steps[0]["what_if_scan"] is None
    whole = explainer.scan(state().image, HEAD, kind=kind, target=1, how="zero", other=other.pixels)
    assert len(steps) == 1 + whole.parts
    for part, step in enumerate(steps[1:]):
        values = step["what_if_scan"]["data"]["values"]
        known = np.array([[value is not None for value in row] for row in values])
        assert known.sum() == (part + 1) * whole.values.shape[1]
    expected = whole.values if kind == "patches" else whole.values.T
    np.testing.assert_allclose(np.array(steps[-1]["what_if_scan"]["data"]["values"], float), expected, rtol=1e-6)
    assert steps[-1]["what_if_scan"]["data"]["limit"] == pytest.approx(float(np.abs(whole.values).max()))
    assert ">" in steps[-1]["what_if_progress"]
    assert all((args[5] is None) == (kind != "states") for args in asked)


def test_states_never_come_from_the_pages_own_picture(state, explainer, examples):
    own = Picture(examples[1].picture(), examples[1].digest)
    edits = {"patch_in": [[1, ["cls"], None]]}
    updates, _ = shown(state(image=own.pixels, digest=own.digest), edits, other=own)
    assert updates["what_if_other"] == str(examples[0].path)
    assert any(call[1][-1] == examples[0].picture().shape for call in explainer.calls)


def test_a_scan_over_the_examples_is_their_mean(state, explainer, examples, other):
    steps = list(what_if.run_scan(state(examples=examples[:3]), "layers", "mean", 1, other, True))
    assert len(steps) == 4
    asked = [args for name, args in explainer.calls if name == "scan"]
    assert [args[2:5] for args in asked] == [("layers", None, "mean")] * 3
    values = np.array(steps[-1]["what_if_scan"]["data"]["values"], float)
    expected = explainer.scan(state().image, HEAD, kind="layers").values.T  # the same for every picture of the fake
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    assert steps[-1]["what_if_scan"]["data"]["unit"] == say("what_if.unit_over_class", count=3)
    patches = list(
        what_if.run_scan(state(), "patches", "mean", 1, other, True)
    )  # places differ from picture to picture
    assert say("what_if.unit_class", name="tabby") == patches[-1]["what_if_scan"]["data"]["unit"]


def test_values_of_another_kind_are_the_defaults_of_a_scan(state, explainer):
    list(what_if.run_scan(state(), ["heads"], 5, "one", None))
    _, args = explainer.calls[-1]
    assert args[2:5] == ("heads", None, "mean")


def test_the_game_begins_with_the_visitor(state):
    (only,) = what_if.play(state(), {})
    assert say("what_if.game_first") in unescape(only["what_if_game"])


def test_the_game_tells_what_every_method_needs(state, explainer):
    steps = [step["what_if_game"] for step in what_if.play(state(), DROPPED)]
    assert len(steps) == 1 + len(SEARCHES)
    rows = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in re.findall(r"<tr>(.*?)</tr>", steps[-1])][1:]
    assert rows[0] == [say("what_if.game_you"), "2", say("what_if.game_changes")]
    assert [row[1] for row in rows[1:]] == [str(2 + SEARCHES.index(m)) for m in (*SEARCHES[1:], SEARCHES[0])]
    outcome = {row[0]: unescape(row[2]) for row in rows}
    assert outcome[say("relevance.method_rollout")] == say("what_if.game_never")
    assert outcome[say("what_if.greedy")] == say("what_if.game_becomes", name="lynx")


def test_switched_off_heads_do_not_count_in_the_game(state, explainer):
    next(what_if.play(state(), {**DROPPED, "heads": [[[0, 0], "mean"]]}))
    asked = [args for name, args in explainer.calls if name == "what_if"]
    assert asked[-1][2] == Edits.of_plain(DROPPED)


def test_a_link_opens_with_its_changes():
    assert what_if.of_link({"edits": json.dumps(DROPPED)}) == {"what_if_edits": DROPPED}
    for wrong in (
        "",
        "{",
        "[]",
        '{"drop": 3}',
        "{}",
        '{"drop": [[1e999, 0]]}',
        "[" * 90_000,
        '{"temperature": 1' + "0" * 400 + "}",
    ):
        assert what_if.of_link({"edits": wrong}) == {}
    assert what_if.of_link({}) == {}


def test_the_lines_of_a_download_run_and_give_its_numbers(state, monkeypatch, tmp_path, image):
    import vit_demo.explain

    made = what_if.download(state(), {**DROPPED, "heads": [[[1, 0], "zero"]]}, None)
    explainer = state().explainer
    monkeypatch.setattr(vit_demo.explain, "Explainer", lambda: explainer)
    lines = made.code.replace('Image.open("picture.png")', "PICTURE")
    scope = {"PICTURE": image}
    exec(compile(lines, "lines", "exec"), scope)
    answer = scope["answer"]
    assert answer.edits == Edits.of_plain({**DROPPED, "heads": [[[1, 0], "zero"]]})
    with np.load(__import__("io").BytesIO(made.files["what-if.npz"])) as numbers:
        np.testing.assert_array_equal(numbers["maps_after"], answer.maps_after)
        np.testing.assert_array_equal(numbers["after"], answer.after)
    assert made.files["what-if-maps.png"][:4] == b"\x89PNG"


def test_size_and_model_go_along(state, explainer):
    shown(state(size=SizeChoice(96)))
    args = next(args for name, args in explainer.calls if name == "what_if")
    assert args[:2] == (HEAD, SizeChoice(96))


def test_a_scan_names_what_it_follows(state):
    explainer = state().explainer
    value = figures.scan_value(state(model=FEATURES), explainer.scan(state().image, FEATURES, target=1))
    example = next(one for one in state().examples if one.key == "kitten")
    assert example.label("en") in value["data"]["unit"]
    assert value["data"]["layer_read"] == 2
