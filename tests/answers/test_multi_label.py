"""A multi-label head gives every class a probability of its own, wherever logits become probabilities."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from transformers import ViTConfig, ViTForImageClassification

from vit_demo.cli import main
from vit_demo.contract import ModelError, SizeChoice
from vit_demo.explain import Explainer

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

NAMES = ("beach", "boat", "sun", "tree")
SMALL = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=32)
HALF = [0.5] * 3
PREPROCESSOR = {"size": {"height": 32, "width": 32}, "image_mean": HALF, "image_std": HALF}


def written(folder, problem: str | None, labels: int = len(NAMES)) -> ViTForImageClassification:
    torch.manual_seed(0)
    model = ViTForImageClassification(ViTConfig(**SMALL, patch_size=8, num_labels=labels, problem_type=problem)).eval()
    model.config.id2label = dict(enumerate(NAMES[:labels]))
    with torch.no_grad():
        model.classifier.bias.copy_(torch.tensor([2.0, 1.5, 1.0, -1.0])[:labels])
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    return model


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("multi-label")


@pytest.fixture(scope="module")
def probabilities(folder, image) -> np.ndarray:
    """transformers' own, (4,): the picture has the input's size, so nothing is resized."""
    model = written(folder, "multi_label_classification")
    pixels = torch.from_numpy(image.transpose(2, 0, 1)[None] / 127.5 - 1).float()
    with torch.inference_mode():
        return torch.sigmoid(model(pixels).logits)[0].numpy()


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return Explainer("cpu")


def test_predict_gives_transformers_sigmoids_and_no_rest(explainer, folder, image, probabilities):
    answer = explainer.predict(image, str(folder), top=3)
    order = np.argsort(-probabilities)[:3]
    assert answer.labels == tuple(NAMES[i] for i in order)
    assert answer.probabilities == pytest.approx(probabilities[order], abs=1e-5)
    assert probabilities.sum() > 1.5
    assert (answer.multi_label, answer.rest) == (True, None)


def test_relevance_targets_have_the_same_probabilities(explainer, folder, image, probabilities):
    assert explainer.targets(image, str(folder)).scores == pytest.approx(probabilities, abs=1e-5)


def test_a_deletion_curve_begins_at_the_labels_own_probability(explainer, folder, image, probabilities):
    curve = explainer.faithfulness(image, str(folder), target=3, values=None, steps=4)
    assert curve.deletion[0] == pytest.approx(probabilities[3], abs=1e-5)
    assert curve.insertion[-1] == pytest.approx(probabilities[3], abs=1e-5)


def test_the_logit_lens_ends_with_the_same_probabilities(explainer, folder, image, probabilities):
    lens = explainer.evolution(image, str(folder)).lens
    expected = [probabilities[NAMES.index(label)] for label in lens.labels]
    assert lens.picture[-1] == pytest.approx(expected, abs=1e-5)


def test_position_conventions_compare_probabilities_that_are_no_shares(explainer, folder, image):
    found = explainer.interpolation(image, str(folder), SizeChoice(64), None, "timm")
    whole = explainer.predict(image, str(folder), SizeChoice(64), top=4)
    assert found.before == pytest.approx(whole.probabilities, abs=1e-5)
    assert found.moved is None


def test_the_terminal_sums_nothing_up(folder, image, tmp_path, capsys, probabilities):
    Image.fromarray(image).save(tmp_path / "noise.png")
    arguments = ("predict", str(tmp_path / "noise.png"), "--model", str(folder), "--device", "cpu", "--top", "2")
    assert main(arguments) == 0
    assert "others are not shown" in capsys.readouterr().out
    main((*arguments, "--json"))
    answer = json.loads(capsys.readouterr().out)
    assert (answer["multi_label"], answer["rest"]) == (True, None)
    assert answer["probabilities"][0] == pytest.approx(probabilities.max(), abs=1e-5)


@pytest.mark.parametrize("problem", [None, "single_label_classification"])
def test_other_classifiers_share_one_whole(explainer, problem, image, tmp_path):
    written(tmp_path, problem)
    answer = explainer.predict(image, str(tmp_path), top=4)
    assert sum(answer.probabilities) == pytest.approx(1, abs=1e-5)
    assert (answer.multi_label, answer.rest) == (False, pytest.approx(0, abs=1e-5))


@pytest.mark.parametrize(("problem", "labels"), [("regression", 4), ("regression", 1), (None, 1), ("ranking", 4)])
def test_heads_whose_outputs_are_no_classes_are_refused(explainer, problem, labels, image, tmp_path):
    written(tmp_path, None, labels)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "problem_type": problem}))
    with pytest.raises(ModelError, match=problem or "one output"):
        explainer.predict(image, str(tmp_path))


def test_one_label_of_a_multi_label_head_is_shown(explainer, image, tmp_path):
    model = written(tmp_path, "multi_label_classification", 1)
    pixels = torch.from_numpy(image.transpose(2, 0, 1)[None] / 127.5 - 1).float()
    with torch.inference_mode():
        expected = float(torch.sigmoid(model(pixels).logits))
    assert explainer.predict(image, str(tmp_path)).probabilities == (pytest.approx(expected, abs=1e-5),)
