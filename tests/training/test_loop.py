"""The supervised training, end to end on a few hundred digits, and its parts against explicit numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from vit_demo.checkpoints.load import load_model
from vit_demo.contract import DemoError
from vit_demo.training.data import Digits, split
from vit_demo.training.evaluate import confusion_matrix, knn_predictions, logits_of
from vit_demo.training.export import write_settings, write_weights
from vit_demo.training.loop import initialised, logits_of_inked, make_optimiser, normalised, tensors, train
from vit_demo.training.publish import in_channels, publish_digits, sum_of_parts
from vit_demo.training.schedule import cosine, warm_cosine


@pytest.fixture(scope="module")
def run(digits8, small_config, two_epochs, tmp_path_factory):
    """(folder, model, reports, training digits, held-out digits, bytes kept) of two epochs on 400 digits."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("run")
    training, held = split(digits8.upscaled(500))
    keep = lambda model, epoch: write_weights(model, folder / f"epoch-{epoch}.safetensors")  # noqa: E731
    model, reports = train(training, held, folder, two_epochs, config=small_config, keep=keep)
    write_weights(model, folder / "model.safetensors")
    return folder, model, reports, training, held


def test_the_loss_falls_over_two_epochs(run):
    _, _, reports, _, _ = run
    assert [report.epoch for report in reports] == [1, 2]
    assert reports[1].loss < reports[0].loss
    assert reports[1].held_loss < reports[0].held_loss < math.log(10) + 0.5


def test_published_files_load_and_say_what_the_trained_model_says(run, small_config, two_epochs, tmp_path):
    folder, model, reports, training, held = run
    record = publish_digits(
        folder, tmp_path, small_config, two_epochs, reports, held, len(training), kept=(0, 1), machine="test"
    )
    loaded = load_model(str(tmp_path))
    pictures, labels = tensors(held)
    found = logits_of(loaded.model, in_channels(pictures))
    assert torch.allclose(found, logits_of(model, pictures), atol=0.02)  # float16 has 11 bits
    assert loaded.labels == tuple("0123456789")
    assert loaded.report.summary()["dropped"] == 0
    assert record["accuracy"] == float((found.argmax(1) == labels).float().mean())
    assert np.trace(record["confusion"]) == round(record["accuracy"] * 100)
    assert np.sum(record["confusion"]) == 100
    first = load_model(str(tmp_path / "epoch-0.safetensors"))
    wanted = initialised(small_config, two_epochs.seed, two_epochs.token_deviation)
    assert torch.allclose(first.model.position, wanted.position, atol=1e-3)


def test_three_equal_channels_give_the_tokens_of_the_grey_picture(small_config, tmp_path):
    model = initialised(small_config, 1)
    write_settings(small_config, tmp_path)
    write_weights(model, tmp_path / "model.safetensors")
    published = load_model(str(tmp_path)).model
    grey = torch.rand(2, 1, 28, 28)
    assert torch.allclose(published(in_channels(grey)).tokens, model(grey).tokens, atol=0.02)
    with pytest.raises(RuntimeError):
        published(grey)


def test_a_run_broken_off_ends_where_an_unbroken_one_does(run, small_config, two_epochs, digits8, tmp_path):
    _, model, _, training, held = run

    class BrokenOffError(Exception):
        pass

    def stop(report):
        raise BrokenOffError

    how = dict(config=small_config, keep=lambda *_: None)
    with pytest.raises(BrokenOffError):
        train(training, held, tmp_path, two_epochs, finished=stop, **how)
    resumed, reports = train(training, held, tmp_path, two_epochs, **how)
    assert len(reports) == 2
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), resumed.parameters(), strict=True))
    with pytest.raises(DemoError, match="other settings"):
        train(training, held, tmp_path, replace(two_epochs, batch=20), **how)


def test_all_patches_of_a_digit_are_the_whole_digit(small_config):
    model = initialised(small_config, 2).eval()
    pictures = torch.rand(3, 1, 28, 28)
    some = logits_of_inked(model, pictures, 49, torch.Generator().manual_seed(0))
    assert torch.allclose(some, model(normalised(pictures)).logits, atol=1e-5)  # the order of patches does not matter


def test_patches_with_ink_are_the_ones_that_are_seen(small_config):
    """What lies in patches outside the chosen ones can be anything that is fainter."""
    model = initialised(small_config, 2).eval()
    pictures = torch.zeros(1, 1, 28, 28)
    pictures[:, :, 4:12, 8:20] = 1  # 2 × 3 patches
    changed = pictures.clone()
    changed[:, :, 20:24, 20:24] = 0.5
    look = lambda digits: logits_of_inked(model, digits, 6, torch.Generator().manual_seed(0))  # noqa: E731
    assert torch.equal(look(pictures), look(changed))
    changed[:, :, 4:8, 8:12] = 0
    assert not torch.allclose(look(pictures), look(changed))


def test_only_matrices_decay(small_config):
    model = initialised(small_config, 0)
    decayed, plain = make_optimiser(model, 0.05, (0.9, 0.99)).param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.05, 0.0)
    names = {id(p): name for name, p in model.named_parameters()}
    assert {names[id(p)] for p in plain["params"]} >= {"position", "class_token", "norm.weight", "patch_embed.bias"}
    assert all(p.ndim >= 2 for p in decayed["params"])
    assert len(decayed["params"]) + len(plain["params"]) == len(names)


def test_the_rate_warms_up_and_falls_as_half_a_cosine():
    rates = [warm_cosine(step, 110, 10, 1.0, 0.1) for step in range(110)]
    assert rates[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    share = np.arange(100) / 99
    assert rates[10:] == pytest.approx(0.1 + 0.9 * (1 + np.cos(np.pi * share)) / 2)
    assert cosine(0, 50, 0.99, 1.0) == pytest.approx(0.99)
    assert cosine(49, 50, 0.99, 1.0) == pytest.approx(1.0)


def test_the_split_is_stratified_fixed_and_leaves_nothing_out():
    labels = np.repeat(np.arange(10), [11, 27, 31, 52, 48, 63, 14, 70, 44, 40])
    chance = np.random.default_rng(5)
    digits = Digits(chance.random((len(labels), 28, 28), np.float32), chance.permutation(labels))
    training, held = split(digits)
    assert (len(training), len(held)) == (320, 80)
    for digit in range(10):
        assert abs((held.labels == digit).sum() - 0.2 * (labels == digit).sum()) < 1
    both = np.concatenate([training.pictures, held.pictures])
    assert len(np.unique(both.reshape(len(both), -1), axis=0)) == 400
    assert np.array_equal(split(digits)[1].pictures, held.pictures)


def test_confusions_and_votes_are_those_of_scikit_learn():
    from sklearn.metrics import confusion_matrix as oracle
    from sklearn.neighbors import KNeighborsClassifier

    chance = np.random.default_rng(0)
    truth, found = chance.integers(0, 10, 300), chance.integers(0, 10, 300)
    ours = confusion_matrix(torch.from_numpy(found), torch.from_numpy(truth), 10)
    assert np.array_equal(ours, oracle(truth, found, labels=range(10)))
    known, asked = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in chance.normal(size=(2, 300, 6)))
    votes = KNeighborsClassifier(
        9, weights=lambda distance: np.exp((1 - distance) / 0.07), metric="cosine", algorithm="brute"
    )
    wanted = votes.fit(known, truth).predict(asked)
    got = knn_predictions(torch.from_numpy(asked), torch.from_numpy(known), torch.from_numpy(truth), 10, 9, 0.07)
    assert np.array_equal(got.numpy(), wanted)


def test_times_of_resumed_parts_add_up():
    assert sum_of_parts([3.0, 6.0, 9.0]) == 9.0
    assert sum_of_parts([3.0, 6.0, 2.0, 5.0]) == 11.0
