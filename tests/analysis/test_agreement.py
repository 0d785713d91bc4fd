"""How far models agree: CKA against its definition by Gram matrices, and places against scipy's interpolation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from vit_demo.analysis.agreement import at_places, chance, cka_row, common_box, linear_cka, scaled


def features(seed: int, n: int = 40, d: int = 7) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def by_gram_matrices(x: np.ndarray, y: np.ndarray) -> float:
    """HSIC(K, L) ∕ √(HSIC(K, K)·HSIC(L, L)) of linear kernels: eqs. 2 and 3 of Kornblith et al. 2019."""
    n = len(x)
    centring = np.eye(n) - np.ones((n, n)) / n
    hsic = lambda a, b: np.trace(a @ a.T @ centring @ b @ b.T @ centring)  # noqa: E731
    return hsic(x, y) / np.sqrt(hsic(x, x) * hsic(y, y))


def test_cka_is_its_definition_by_gram_matrices():
    x, y = features(0), features(1, d=11) + features(0) @ torch.randn(7, 11, generator=torch.Generator().manual_seed(2))
    assert float(linear_cka(x, y)) == pytest.approx(by_gram_matrices(x.double().numpy(), y.double().numpy()), abs=1e-9)


def test_cka_with_itself_is_one_turned_scaled_and_shifted():
    x = features(0)
    turned = 3 * x @ torch.linalg.qr(features(5, 7, 7)).Q + 2
    assert float(linear_cka(x, x)) == pytest.approx(1)
    assert float(linear_cka(x, turned)) == pytest.approx(1, abs=1e-6)


def test_another_order_of_places_lowers_it_and_nothing_agrees_with_what_does_not_differ():
    x = features(0)
    assert float(linear_cka(x, x[torch.randperm(40, generator=torch.Generator().manual_seed(0))])) < 0.6
    assert float(linear_cka(x, torch.ones(40, 3))) == 0


def test_a_row_is_every_pair_and_chance_is_what_shuffled_places_give():
    first, second = [features(i) for i in range(3)], [features(i, d=5) for i in range(4)]
    second[1] = torch.ones(40, 5)
    seconds = [scaled(y) for y in second]
    for x in first:
        row = cka_row(scaled(x), seconds)
        for j, y in enumerate(second):
            assert float(row[j]) == pytest.approx(float(linear_cka(x, y)), abs=1e-6)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    pairs = [(first[0], second[0]), (first[1], second[2]), (first[2], second[3])]
    expected = np.mean([float(linear_cka(x, y[order])) for x, y in pairs])
    assert chance(first, second) == pytest.approx(expected, abs=1e-9)


def test_places_of_the_grid_itself_are_the_patches():
    x, box = features(0, 12, 3), (0.0, 10.0, 60.0, 90.0)
    assert torch.equal(at_places(x, (3, 4), box, (3, 4), box), x)
    nearly = (0.0, 10.0, 60.0, 90.0 + 1e-6)
    assert torch.allclose(at_places(x, (3, 4), box, (3, 4), nearly), x, atol=1e-4)


def test_places_between_patches_are_interpolated_as_scipy_does():
    x, box, within = features(1, 30, 2), (10.0, 0.0, 110.0, 120.0), (20.0, 30.0, 90.0, 100.0)
    got = at_places(x, (5, 6), box, (4, 3), within)
    rows = 20 + (np.arange(4) + 0.5) * 70 / 4
    cols = 30 + (np.arange(3) + 0.5) * 70 / 3
    y, x_ = np.meshgrid((rows - 10) / 20 - 0.5, cols / 20 - 0.5, indexing="ij")  # patches of 20 pixels
    for channel in range(2):
        plane = x[:, channel].reshape(5, 6).numpy()
        expected = map_coordinates(plane, [y, x_], order=1, mode="nearest")
        assert got[:, channel].reshape(4, 3).numpy() == pytest.approx(expected, abs=1e-5)


def test_what_two_crops_share():
    assert common_box((0, 0, 10, 10), (2, -3, 12, 8)) == (2, 0, 10, 8)
    with pytest.raises(ValueError, match="nothing in common"):
        common_box((0, 0, 10, 10), (10, 0, 20, 10))
