"""Segments, against planted groups and scipy's dense generalised eigenproblem."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from sklearn.metrics import adjusted_rand_score

from vit_demo.analysis.segmentation import k_means_segments, normalised_cut


def planted(sizes: tuple[int, ...], width: int = 12, noise: float = 0.1) -> tuple[torch.Tensor, np.ndarray]:
    """Features (n, D) around one direction a group, shuffled, and each one's group (n,)."""
    rng = np.random.default_rng(0)
    groups = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    directions = np.linalg.qr(rng.normal(size=(width, len(sizes))))[0].T
    lengths = rng.uniform(0.5, 5, size=(len(groups), 1))  # only directions count
    return torch.from_numpy(lengths * (directions[groups] + noise * rng.normal(size=(len(groups), width)))), groups


def test_k_means_finds_planted_groups_and_numbers_the_largest_first():
    patches, groups = planted((9, 21, 15))
    ours = k_means_segments(patches, 3).numpy()
    assert adjusted_rand_score(groups, ours) == 1
    assert np.bincount(ours).tolist() == [21, 15, 9]


def test_k_means_is_the_same_every_time():
    patches = torch.randn(70, 6, generator=torch.Generator().manual_seed(1))
    assert torch.equal(k_means_segments(patches, 5), k_means_segments(patches, 5))


def test_no_more_segments_than_different_patches():
    patches = torch.eye(3).repeat(4, 1)
    assert sorted(k_means_segments(patches, 8).unique().tolist()) == [0, 1, 2]
    assert k_means_segments(torch.ones(6, 4), 4).tolist() == [0] * 6


def dense_vector(patches: torch.Tensor, cosine: float | None) -> np.ndarray:
    """The cut's vector by scipy's dense solver of (D − W)·y = λ·D·y."""
    unit = patches.double().numpy()
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    alike = unit @ unit.T
    weights = np.where(alike > (alike.mean() if cosine is None else cosine), 1.0, 1e-5)
    degrees = np.diag(weights.sum(1))
    return eigh(degrees - weights, degrees, subset_by_index=[1, 1])[1][:, 0]


@pytest.mark.parametrize("cosine", [None, 0.2, 0.5])
def test_the_cut_is_scipys_second_generalised_eigenvector(cosine):
    patches, _ = planted((14, 26), noise=0.25)
    part, vector = normalised_cut(patches, cosine)
    expected = dense_vector(patches, cosine)
    ours = vector.numpy() / np.linalg.norm(vector)
    expected /= np.linalg.norm(expected)
    assert abs(ours @ expected) == pytest.approx(1, abs=1e-6)
    assert torch.equal(part, vector > vector.mean())


def test_the_cut_finds_two_planted_groups_and_calls_the_one_with_the_largest_entry_foreground():
    patches, groups = planted((8, 32))
    part, vector = normalised_cut(patches)
    assert adjusted_rand_score(groups, part.numpy()) == 1
    assert part[vector.abs().argmax()]
    assert int(part.sum()) == 8  # the smaller part lies further from zero


def test_patches_with_a_large_common_part_are_still_cut():
    """Where all cosines are above TokenCut's 0.2, the picture's own mean tells edges apart."""
    patches, groups = planted((10, 30))
    shared = torch.nn.functional.normalize(patches, dim=-1) + 3 * torch.ones(12, dtype=torch.double) / 12**0.5
    assert adjusted_rand_score(groups, normalised_cut(shared)[0].numpy()) == 1
    assert abs(adjusted_rand_score(groups, normalised_cut(shared, 0.2)[0].numpy())) < 0.3


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_tiny_pictures_are_cut_without_an_error(count):
    part, vector = normalised_cut(torch.eye(4)[:count] + 0.01)
    assert part.shape == vector.shape == (count,)
    assert np.isfinite(vector.numpy()).all()
