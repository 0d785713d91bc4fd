"""The walk's answers: our own lines of code, what a model does otherwise, and questions whose right answer holds."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vit_demo import Explainer
from vit_demo.answers.walk import differences, source_of
from vit_demo.contract import WALK_STEPS, DemoError, SizeChoice, TokenQuery
from vit_demo.edits import Edits
from vit_demo.gallery import read_gallery
from vit_demo.model import RopeConfig, ViTConfig

ROOT = Path(__file__).parents[2]
DIGITS = "vit-demo/digits"
CONFIG = ViTConfig(num_classes=5)
CONFIGS = [
    CONFIG,
    replace(CONFIG, mlp="gated", activation="silu"),
    replace(CONFIG, position="none", position_prefix=0, rope=RopeConfig()),
    replace(CONFIG, rope=RopeConfig()),
    replace(CONFIG, block_norm="post"),
]


@pytest.fixture(scope="module")
def explainer():
    return Explainer("cpu")


@pytest.fixture(scope="module")
def image():
    return read_gallery()[0].picture()


@pytest.fixture(scope="module")
def walk(explainer, image):
    return {step: explainer.walk(image, DIGITS, step=step, layer=2, head=1) for step in WALK_STEPS}


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("step", WALK_STEPS)
def test_the_code_of_a_step_stands_in_the_file_at_that_line(step, config):
    found = source_of(step, config)
    for one in found:
        lines = (ROOT / one.file).read_text(encoding="utf-8").splitlines()
        code = one.code.splitlines()
        assert [line.strip() for line in lines[one.line - 1 : one.line - 1 + len(code)]] == [c.strip() for c in code]
    without_positions = step == "positions" and config.position != "learned" and config.rope is None
    assert found or without_positions


def test_a_gated_mlp_shows_the_gates_own_line():
    plain, gated = (source_of("mlp", config)[0].code for config in CONFIGS[:2])
    assert "gate" in gated
    assert "gate" not in plain


@pytest.mark.parametrize(
    ("step", "changes", "expected"),
    [
        ("positions", dict(position="none", position_prefix=0, rope=RopeConfig()), ("rope",)),
        ("positions", dict(rope=RopeConfig()), ("table_and_rope",)),
        ("positions", dict(position="none", position_prefix=0), ("no_positions",)),
        ("prefix", dict(num_registers=4), ("registers",)),
        ("prefix", dict(class_token=False, position_prefix=0, pool="avg"), ("no_class_token",)),
        ("prefix", dict(distillation_token=True, position_prefix=2), ("distillation",)),
        ("mlp", dict(mlp="gated", activation="silu"), ("gated",)),
        ("norm", dict(norm="rms", block_norm="post"), ("rms_norm", "post_norm")),
        ("answer", dict(num_classes=0), ("no_head",)),
        ("answer", dict(pool="map"), ("map_pool",)),
        ("residual", dict(layer_scale=True), ("layer_scale",)),
        ("scores", {}, ()),
    ],
)
def test_what_a_model_does_otherwise_is_named(step, changes, expected):
    assert differences(step, replace(CONFIG, **changes)) == expected


def right(question) -> str:
    return question.options[question.right]


def asked(walk, step, name):
    return next(one for one in walk[step].questions if one.name == name)


def test_counts_are_those_of_the_model(walk):
    assert right(asked(walk, "pixels", "pixels_count")) == f"{3 * 28 * 28:,}"
    assert right(asked(walk, "patches", "patches_bigger")) == f"{(384 // 4) ** 2:,}"
    assert right(asked(walk, "embedding", "filter_numbers")) == str(3 * 4 * 4)
    assert right(asked(walk, "prefix", "token_count")) == str(49 + 1)
    assert right(asked(walk, "qkv", "head_width")) == str(96 // 4)
    assert right(asked(walk, "norm", "spread")) == "1"
    assert right(asked(walk, "scores", "row_sum")) == "1"


def test_the_answer_without_positions_is_that_of_the_changed_pass(explainer, image, walk):
    changed = explainer.what_if(image, DIGITS, edits=Edits(positions="none"))
    same = changed.best_before == changed.best_after
    assert right(asked(walk, "positions", "no_positions")) == ("walk.option_same" if same else "walk.option_changes")


def test_the_nearest_head_is_that_of_the_depth_view(explainer, image):
    """Held against attention itself: the mean distance of a patch's own row."""
    query = TokenQuery(None, 2, 3)
    step = explainer.walk(image, DIGITS, step="scores", query=query, layer=2)
    maps = explainer.attention(image, DIGITS, query=query, layer=2)
    rows, cols = np.mgrid[:7, :7]
    distance = 4 * np.hypot(rows - 2, cols - 3)
    patches = np.asarray(maps.maps)
    mean = (patches * distance).sum(axis=(1, 2)) / patches.sum(axis=(1, 2))
    question = next(one for one in step.questions if one.name == "nearest_head")
    assert right(question) == str(int(mean.argmin()) + 1)
    assert float(question.values["distance"]) == pytest.approx(mean.min(), abs=0.51)


def test_what_adds_more_is_the_longer_of_the_two(walk):
    attention, mlp = (walk["residual"].tensors[name][2] for name in ("attention", "mlp"))
    expected = "walk.option_attention" if attention > mlp else "walk.option_mlp"
    assert right(asked(walk, "residual", "adds_more")) == expected


def test_the_final_answer_stays_from_the_layer_that_is_told(explainer, image, walk):
    names, since = walk["layers"].names, int(right(asked(walk, "layers", "final_since")))
    assert set(names[since - 1 :]) == {names[-1]}
    assert since == 1 or names[since - 2] != names[-1]
    assert names[-1] == explainer.predict(image, DIGITS).labels[0]


def test_the_scores_of_the_last_step_are_the_models_logits(explainer, image, walk):
    step, prediction = walk["answer"], explainer.predict(image, DIGITS)
    scores = step.tensors["values"]
    shares = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    assert step.names[int(scores.argmax())] == prediction.labels[0]
    assert shares.max() == pytest.approx(prediction.probabilities[0], abs=1e-5)


def test_every_option_stands_once_and_the_right_one_is_among_them(walk):
    for step in walk.values():
        for question in step.questions:
            assert len(set(question.options)) == len(question.options) >= 2
            assert 0 <= question.right < len(question.options)
    assert sum(len(step.questions) for step in walk.values()) >= 14


def test_a_token_that_the_grid_does_not_have_becomes_the_middle_patch(explainer, image):
    for query in (None, TokenQuery("reg1"), TokenQuery(None, 40, 0)):
        assert explainer.walk(image, DIGITS, query=query).query.name == "3,3"
    assert explainer.walk(image, DIGITS, query=TokenQuery("cls")).query.name == "cls"


def test_a_step_that_there_is_not_is_refused_in_a_sentence(explainer, image):
    with pytest.raises(DemoError, match=re.escape("pixels, patches")):
        explainer.walk(image, DIGITS, SizeChoice(), "nowhere")  # type: ignore[arg-type]


def test_our_own_run_without_labels_is_the_evidence_of_the_last_step(walk):
    from vit_demo.checkpoints.assets import DINO_DIGITS_ID, record_of

    record, step = record_of(DINO_DIGITS_ID), walk["dino"]
    assert step.tensors["loss"].tolist() == pytest.approx(record["loss"])
    assert step.facts["knn_accuracy"] == record["knn_accuracy"]
    crops = step.tensors["crops"]
    assert len(crops) == record["recipe"]["global_crops"] + record["recipe"]["local_crops"]
    area = (crops[:, 2] - crops[:, 0]) * (crops[:, 3] - crops[:, 1])
    low, high = record["recipe"]["local_share"]
    assert ((crops >= 0) & (crops <= 1)).all()
    assert low - 1e-6 <= area[-1] <= high + 1e-6
