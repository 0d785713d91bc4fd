"""The walk's arithmetic in the browser against Python: the toy in numpy, shares, scores, and where a patch stands."""

from __future__ import annotations

import numpy as np
import pytest

TOY, ANSWER, QUESTIONS, SEQUENCE, CLASS = (
    "tabs/walk/toy.js",
    "tabs/walk/answer.js",
    "tabs/walk/questions.js",
    "tabs/walk/sequence.js",
    "guide/class.js",
)


def normalised(a):
    spread = a.std(axis=1, keepdims=True)
    return np.divide(a - a.mean(axis=1, keepdims=True), spread, out=np.zeros_like(a), where=spread > 1e-9)


def softmax(a):
    raised = np.exp(a - a.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def computed(toy: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The toy's forward pass, written anew."""
    out = {"x": (toy["picture"] - toy["mean"]) / toy["spread"]}
    out["patches"] = out["x"].reshape(2, 2, 2, 2).swapaxes(1, 2).reshape(4, 4)
    out["tokens"] = out["patches"] @ toy["E"]
    out["sequence"] = np.vstack([toy["cls"], out["tokens"]])
    out["placed"] = out["sequence"] + toy["P"]
    out["normed"] = normalised(out["placed"])
    for name in "qkv":
        out[name] = out["normed"] @ toy[f"W{name}"]
    out["scores"] = out["q"] @ out["k"].T / 2
    out["shares"] = softmax(out["scores"])
    out["collected"] = out["shares"] @ out["v"]
    out["projected"] = out["collected"] @ toy["Wo"]
    out["middle"] = out["placed"] + out["projected"]
    out["normed2"] = normalised(out["middle"])
    out["hidden"] = out["normed2"] @ toy["W1"]
    out["bent"] = np.maximum(out["hidden"], 0)
    out["added"] = out["bent"] @ toy["W2"]
    out["out"] = out["middle"] + out["added"]
    out["final"] = normalised(out["out"][:1])
    out["logits"] = out["final"] @ toy["H"]
    out["answer"] = softmax(out["logits"])
    return out


@pytest.fixture(scope="module")
def start(node):
    return {name: np.array(rows, dtype=float) for name, rows in node("js.START", [TOY]).items()}


@pytest.mark.parametrize("seed", [None, 0, 1, 2])
def test_every_number_of_the_toy_is_numpys(node, start, seed):
    toy = dict(start)
    if seed is not None:  # as edited by somebody
        chance = np.random.default_rng(seed)
        toy = {name: np.round(chance.normal(0, 2, one.shape), 1) for name, one in start.items()}
        toy["spread"] = np.array([[2.5]])
    found = node("js.compute(given.toy)", [TOY], toy={name: one.tolist() for name, one in toy.items()})
    for name, expected in computed(toy).items():
        assert np.allclose(found[name], expected, atol=1e-9), name


def test_the_toys_rows_of_shares_make_one_and_its_answer_is_not_a_tie(start):
    found = computed(start)
    assert np.allclose(found["shares"].sum(axis=1), 1)
    best, second = np.sort(found["answer"][0])[::-1][:2]
    assert best - second > 0.1


def test_a_picture_without_contrast_breaks_nothing(node, start):
    toy = {name: one.tolist() for name, one in start.items()}
    toy["picture"], toy["spread"] = [[5] * 4] * 4, [[0]]
    found = node("js.compute(given.toy)", [TOY], toy=toy)
    assert np.isfinite(np.concatenate([np.ravel(one) for one in found.values()])).all()


def test_what_can_be_edited_and_what_follows_are_all_shown(node, start):
    tables = node("js.TABLES", [TOY])
    shown = {name for names in tables.values() for name in names}
    assert shown >= set(start) | set(computed(start))


def test_shares_at_a_temperature_are_the_softmax(node):
    scores = [3.0, -1.0, 0.5, 2.0]
    for temperature in (0.05, 1.0, 10.0):
        found = node("js.sharesAt(given.scores, given.temperature)", [ANSWER], scores=scores, temperature=temperature)
        assert np.allclose(found, softmax(np.array([scores]) / temperature)[0])


def test_classes_that_are_asked_one_by_one_have_their_own_probability(node):
    found = node("js.sharesAt(given.scores, 2, true)", [ANSWER], scores=[3.0, -1.0])
    assert np.allclose(found, 1 / (1 + np.exp(-np.array([3.0, -1.0]) / 2)))


BASE, MARKUP = "http://127.0.0.1:7860/", ["kit/markup.js"]
RUN = ["javascript:x", "java\nscript:x", "\x01javascript:x", " JavaScript:x", "vbscript:x"]


@pytest.mark.parametrize("address", RUN)
def test_an_address_that_would_run_is_not_taken_over(node, address):
    assert node("js.isSafe(given.address, given.base)", MARKUP, address=address, base=BASE) is False
    assert node("js.isSafe(given.address, given.base)", MARKUP, address="?tab=walk", base=BASE) is True


def test_the_score_counts_first_answers(node):
    answers = {"row_sum": True, "spread": False, "head_width": True}
    assert node("js.scoreOf(given.answers)", [QUESTIONS], answers=answers) == {"right": 2, "asked": 3}
    assert node("js.scoreOf({})", [QUESTIONS]) == {"right": 0, "asked": 0}


def test_a_patch_in_the_line_is_found_where_it_was_drawn(node):
    for index in (0, 6, 7, 34):
        tile = node("js.tileOf(given.index, 7)", [SEQUENCE], index=index)
        x, y = tile["x"] * 20 + 11, tile["y"] * 20 + 3
        assert node("js.indexAt(given.x, given.y, 20, 7, 35)", [SEQUENCE], x=x, y=y) == index
    assert node("js.indexAt(10, 101, 20, 7, 35)", [SEQUENCE]) == -1  # below the last line
    assert node("js.indexAt(141, 1, 20, 7, 35)", [SEQUENCE]) == -1  # right of it


def test_a_follower_takes_a_step_only_where_nothing_else_changed(node):
    now = {"base": "a", "query": {"tab": "walk", "step": "norm"}}
    ask = lambda before, open_tab: node(  # noqa: E731
        "js.isStep(given.before, given.now, given.open)", [CLASS], before=before, now=now, open=open_tab
    )
    assert ask({**now}, "walk") is True
    assert ask({**now, "base": "b"}, "walk") is False
    assert ask(None, "walk") is False
    assert ask({**now}, "attention") is False


def test_a_teachers_step_counts_from_zero_for_the_view(node):
    query = {"step": "scores", "token": "3,1", "layer": "12", "head": "2"}
    assert node("js.stepOf(given.query)", [CLASS], query=query) == {
        "step": "scores",
        "token": "2,0",
        "layer": 11,
        "head": 1,
    }
    assert node("js.stepOf(given.query)", [CLASS], query={"token": "cls"}) == {"step": "pixels", "token": ""}
