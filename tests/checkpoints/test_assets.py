"""The models that this project trained: always there, read like any other, and as good as their record says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from vit_demo.checkpoints import assets, catalog, offers
from vit_demo.checkpoints.assets import DIGITS_ID, DINO_DIGITS_ID, FOLDER, file_of, is_own, moments, record_of
from vit_demo.checkpoints.load import load_model
from vit_demo.contract import ModelError, SizeChoice
from vit_demo.explain import Explainer
from vit_demo.text import LANGUAGES, say

BUDGET_BYTES = 3_000_000
DRAWN = Path(__file__).parents[1] / "training" / "digits8.py"


@pytest.fixture(autouse=True)
def _offline(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))


@pytest.fixture(scope="module")
def names():
    return [DIGITS_ID, DINO_DIGITS_ID, *(f"{DIGITS_ID}@{moment}" for moment in moments(DIGITS_ID))]


def test_every_model_and_moment_loads_strictly_in_the_same_shape(names):
    for name in names:
        loaded = load_model(name)
        config = loaded.model.config
        assert (config.image_size, config.patch_px, config.in_channels) == ((28, 28), 4, 3)
        assert config.num_classes == (0 if name == DINO_DIGITS_ID else 10)
        assert loaded.report.summary()["dropped"] == loaded.report.summary()["filled"] == 0
        assert loaded.preprocess.size == (28, 28)
        assert loaded.card.id == name
        assert loaded.card.source == "own"
        assert loaded.card.licence == "Apache-2.0"
        assert loaded.card.parameters == sum(p.numel() for p in loaded.model.parameters())
        # grey filters: a picture in colour is seen by its mean
        weight = loaded.model.patch_embed.weight
        assert torch.equal(weight[:, 0], weight[:, 1])
        assert torch.equal(weight[:, 0], weight[:, 2])


def test_the_moments_differ_and_go_forward_in_time(names):
    epochs = [assets.epoch_of(moment) for moment in moments(DIGITS_ID)]
    assert epochs == sorted(set(epochs))
    assert epochs[0] == 0
    assert len(epochs) >= 3
    assert epochs[-1] < len(record_of(DIGITS_ID)["loss"])
    tables = [load_model(name).model.position for name in names if name != DINO_DIGITS_ID]
    assert all(not torch.equal(tables[0], table) for table in tables[1:])


def test_transformers_own_classes_read_the_files():
    from transformers import ViTForImageClassification

    ours = load_model(DIGITS_ID).model
    theirs = ViTForImageClassification.from_pretrained(FOLDER / "digits", local_files_only=True).float().eval()
    pixels = torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(ours(pixels).logits, theirs(pixels).logits, atol=1e-4)
    assert theirs.config.id2label == {i: str(i) for i in range(10)}


def test_a_moment_that_is_not_kept_is_refused_by_name():
    for name in (
        f"{DIGITS_ID}@epoch-9999",
        f"{DIGITS_ID}@main",
        f"{DINO_DIGITS_ID}@epoch-1",
        f"{DIGITS_ID}@../digits/x",
    ):
        assert not is_own(name)
        with pytest.raises(ModelError, match="is not kept"):
            load_model(name)
    assert not is_own("vit-demo/other")


def test_a_public_page_offers_the_moments_and_no_other_revision():
    explainer = Explainer("cpu", any_model=False)
    moment = moments(DIGITS_ID)[0]
    assert explainer._may_load(DIGITS_ID)
    assert explainer._may_load(f"{DIGITS_ID}@{moment}")
    assert not explainer._may_load(f"{DIGITS_ID}@refs/pr/1")
    assert not explainer._may_load("timm/vit_small_patch16_224.dino@refs/pr/1")
    assert not explainer._may_load(str(file_of(DIGITS_ID)))
    offers.fetch(DIGITS_ID)  # nothing to fetch, and nobody is asked


def test_all_assets_together_are_small():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < BUDGET_BYTES


def test_the_record_agrees_with_itself():
    record = record_of(DIGITS_ID)
    confusion = np.array(record["confusion"])
    assert confusion.sum() == record["held_out"] == 2000
    assert record["accuracy"] == pytest.approx(np.trace(confusion) / 2000)
    assert record["accuracy"] == pytest.approx(record["held_accuracy"][-1], abs=0.003)  # float16, and read back
    epochs = record["recipe"]["epochs"]
    assert len(record["loss"]) == len(record["held_loss"]) == len(record["held_accuracy"]) == epochs
    assert record["loss"][-1] < record["loss"][0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_cards_say_the_figures_that_were_measured(language):
    wanted = {DIGITS_ID: ["accuracy"], DINO_DIGITS_ID: ["knn_accuracy", "knn_accuracy_of_pixels"]}
    for model_id, keys in wanted.items():
        note, record = say(catalog.card_of(model_id).note, language), record_of(model_id)
        said = [float(number) for number in re.findall(r"([\d.]+) %", note)]
        assert said == pytest.approx([100 * record[key] for key in keys], abs=0.051)
        assert "MNIST" in note
        assert "LeCun" in note
    assert str(len(record_of(DINO_DIGITS_ID)["loss"])) in say(catalog.card_of(DINO_DIGITS_ID).note, language)


def test_with_nothing_else_on_disk_the_page_opens_with_our_own_model(monkeypatch):
    monkeypatch.setattr("vit_demo.checkpoints.hub_cache.on_disk", lambda name: False)
    monkeypatch.setattr("vit_demo.checkpoints.embedded.is_converted", lambda: False)
    monkeypatch.setattr("vit_demo.checkpoints.embedded.is_installed", lambda: False)
    for hub in (None, False):
        assert catalog.default_model(catalog.statuses(hub)) == DIGITS_ID
    assert catalog.default_model(catalog.statuses(True), download=False) == DIGITS_ID


def test_the_committed_weights_read_strangers_digits(capsys):
    """scikit-learn's 8×8 digits, upscaled: other writers, other pens. The figure is reported; the bar is chance."""
    pytest.importorskip("sklearn")
    spec = importlib.util.spec_from_file_location("digits8", DRAWN)
    digits8 = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(digits8)
    from vit_demo.training.evaluate import logits_of
    from vit_demo.training.publish import in_channels

    digits = digits8.upscaled(600)
    logits = logits_of(load_model(DIGITS_ID).model, in_channels(torch.from_numpy(digits.pictures)[:, None]))
    accuracy = float((logits.argmax(dim=1).numpy() == digits.labels).mean())
    with capsys.disabled():
        print(f"\naccuracy on 600 of scikit-learn's digits, upscaled: {100 * accuracy:.1f} %")
    assert accuracy > 0.2


def test_a_drawing_is_read_at_every_moment_and_maps_add_up():
    explainer = Explainer("cpu", any_model=False)
    ink = np.zeros((90, 60), np.float32)
    ink[10:80, 28:34] = 1
    answer = explainer.read_drawing(ink)
    assert [reading.epoch for reading in answer.readings][:-1] == [assets.epoch_of(m) for m in moments(DIGITS_ID)]
    for reading in answer.readings:
        assert reading.probabilities.sum() == pytest.approx(1, abs=1e-5)
        assert np.allclose(reading.maps.sum(axis=(2, 3)) + reading.prefix.sum(axis=-1), 1, atol=1e-5)
    assert answer.labels[int(answer.readings[-1].probabilities.argmax())] == "1"
    assert not answer.empty
    prediction = explainer.predict(answer.picture, DIGITS_ID, SizeChoice(28))  # as a picture of the whole page
    assert prediction.labels[0] == "1"
    assert prediction.probabilities[0] == pytest.approx(float(answer.readings[-1].probabilities.max()), abs=1e-6)
    assert explainer.read_drawing(np.zeros((9, 9))).empty
