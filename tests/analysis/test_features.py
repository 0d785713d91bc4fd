"""Comparing pictures by their class token, against the formulas written in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vit_demo.analysis.features import compare_with_gallery, knn_votes, picture_features
from vit_demo.model import Trace, VisionTransformer, ViTConfig

LABELS = ["cat", "dog", "cat", "bird", "dog", "dog", "cat"]


def formula_votes(cosines: np.ndarray, labels: list[str], neighbours: int) -> dict[str, float]:
    best = np.argsort(-cosines)[:neighbours]
    votes: dict[str, float] = {}
    for i in best:
        votes[labels[i]] = votes.get(labels[i], 0.0) + np.exp(cosines[i] / 0.07)
    total = sum(votes.values())
    return {label: vote / total for label, vote in votes.items()}


@pytest.mark.parametrize("neighbours", [1, 3, 5, 7, 20])
def test_votes_equal_the_formula_and_come_best_first(neighbours):
    cosines = np.array([0.31, 0.28, 0.05, 0.44, 0.42, 0.40, -0.3])
    votes = knn_votes(torch.from_numpy(cosines), LABELS, neighbours)
    expected = formula_votes(cosines, LABELS, neighbours)
    assert dict(votes) == pytest.approx(expected, rel=1e-5)
    assert [label for label, _ in votes] == sorted(expected, key=lambda label: -expected[label])
    assert sum(share for _, share in votes) == pytest.approx(1)


def test_two_neighbours_outvote_a_single_closer_one():
    votes = knn_votes(torch.tensor([0.44, 0.42, 0.40]), ["bird", "dog", "dog"], 3)
    assert votes[0][0] == "dog"


def test_votes_of_equal_cosines_are_counts():
    assert dict(knn_votes(torch.full((5,), 0.9), ["a", "b", "a", "a", "b"], 5)) == pytest.approx({"a": 0.6, "b": 0.4})


def gallery() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    common = 10 * rng.normal(size=12)  # a large part that all features share
    return common + rng.normal(size=12), common + rng.normal(size=(6, 12))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_comparing_is_the_cosine_and_centred_takes_the_gallerys_mean_off_first():
    query, others = gallery()
    tensors = torch.from_numpy(query).float(), torch.from_numpy(others).float()
    plain = compare_with_gallery(*tensors, centred=False).numpy()
    centred = compare_with_gallery(*tensors, centred=True).numpy()
    mean = others.mean(0)
    assert np.abs(plain - [cosine(query, o) for o in others]).max() < 1e-5
    assert np.abs(centred - [cosine(query - mean, o - mean) for o in others]).max() < 1e-4
    assert plain.min() > 0.9  # all alike, until the common part is gone
    assert centred.max() - centred.min() > 0.3


@pytest.mark.parametrize(
    "prefix", [{}, dict(class_token=False, position_prefix=0, pool="avg")], ids=["class token", "none"]
)
def test_a_pictures_feature_is_the_unit_class_token_or_mean_of_patches(prefix):
    torch.manual_seed(0)
    config = ViTConfig(image_size=(32, 48), patch_px=16, dim=24, depth=2, heads=3, mlp_hidden=40, **prefix)
    model, trace = VisionTransformer(config).eval(), Trace()
    with torch.inference_mode():
        tokens = model(torch.randn(2, 3, 48, 80), trace).tokens.numpy()
        last, first = (picture_features(model, trace, layer).numpy() for layer in (1, 0))
    raw = tokens[:, 0] if config.class_token else tokens.mean(1)
    assert np.abs(last - raw / np.linalg.norm(raw, axis=1, keepdims=True)).max() < 1e-5
    assert np.abs(np.linalg.norm(first, axis=1) - 1).max() < 1e-5
    assert np.abs(first - last).max() > 1e-3
