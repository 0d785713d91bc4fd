"""Pairs of patches, against a known shift, brute force, and loops for the bins."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vit_demo.analysis.correspondence import log_bin, match_patches, mutual_neighbours

ROWS, COLS = 5, 8


def random_patches(seed: int = 0, count: int = ROWS * COLS, width: int = 12) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def shifted(patches: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """The same picture moved by whole patches; what comes in at the rim is new."""
    plane = patches.reshape(ROWS, COLS, -1)
    moved = random_patches(9).reshape(ROWS, COLS, -1).clone()
    moved[down:, right:] = plane[: ROWS - down, : COLS - right]
    return moved.reshape(ROWS * COLS, -1)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (1, 0), (0, 3), (2, 1)])
def test_matches_under_a_known_shift_are_the_shift(down, right):
    first = random_patches()
    second = 2.5 * shifted(first, down, right)  # lengths do not matter
    i, j, cosine = mutual_neighbours(first, second)
    (row, col), (row2, col2) = (np.divmod(n.numpy(), COLS) for n in (i, j))
    kept = (row < ROWS - down) & (col < COLS - right)
    assert kept.sum() == (ROWS - down) * (COLS - right)
    assert (row2 - row == down)[kept].all()
    assert (col2 - col == right)[kept].all()
    assert cosine.numpy()[kept] == pytest.approx(1, abs=1e-5)


def test_mutual_neighbours_equal_brute_force_for_pictures_of_different_size():
    first, second = random_patches(1, 13), random_patches(2, 21)
    unit = [(p / p.norm(dim=1, keepdim=True)).double().numpy() for p in (first, second)]
    alike = unit[0] @ unit[1].T
    expected = {
        (a, b)
        for a in range(13)
        for b in range(21)
        if alike[a, b] >= alike[a].max() - 1e-9 and alike[a, b] >= alike[:, b].max() - 1e-9
    }
    i, j, cosine = mutual_neighbours(first, second)
    assert set(zip(i.tolist(), j.tolist(), strict=True)) == expected
    assert cosine.numpy() == pytest.approx([alike[a, b] for a, b in zip(i, j, strict=True)], abs=1e-5)


def looped_bins(plane: np.ndarray, row: int, col: int) -> list[np.ndarray]:
    """The 17 bins of one place, cell by cell."""
    rows, cols, _ = plane.shape

    def mean_at(r: int, c: int, reach: int) -> np.ndarray:
        r, c, half = min(max(r, 0), rows - 1), min(max(c, 0), cols - 1), reach // 2
        return plane[max(0, r - half) : r + half + 1, max(0, c - half) : c + half + 1].mean(axis=(0, 1))

    near = [mean_at(row + dr, col + dc, 1) for dr in (-1, 0, 1) for dc in (-1, 0, 1)]
    far = [mean_at(row + dr, col + dc, 3) for dr in (-3, 0, 3) for dc in (-3, 0, 3) if (dr, dc) != (0, 0)]
    return near + far


def test_bins_equal_loops_over_places_and_offsets():
    patches = random_patches(3, width=4)
    plane = patches.double().numpy().reshape(ROWS, COLS, 4)
    ours = log_bin(patches, (ROWS, COLS)).numpy()
    assert ours.shape == (ROWS * COLS, 17 * 4)
    for place in range(ROWS * COLS):
        expected = np.stack(looped_bins(plane, *divmod(place, COLS)))  # (17, D)
        assert np.abs(ours[place].reshape(17, 4) - expected).max() < 1e-5


def test_chosen_pairs_are_mutual_salient_few_and_best_first():
    first = random_patches()
    second = shifted(first, 1, 2)
    salient = tuple(torch.rand(ROWS * COLS, generator=torch.Generator().manual_seed(seed)) for seed in (4, 5))
    matches = match_patches((first, second), salient, 0.3, 6)
    i, j, _ = mutual_neighbours(first, second)
    every = {(a, b) for a, b in zip(i.tolist(), j.tolist(), strict=True) if salient[0][a] > 0.3 and salient[1][b] > 0.3}
    chosen = list(zip(matches.first.tolist(), matches.second.tolist(), strict=True))
    assert set(chosen) <= every
    assert (len(chosen), len(set(chosen)), matches.mutual) == (6, 6, len(every))
    assert matches.cosine.tolist() == sorted(matches.cosine.tolist(), reverse=True)


def test_of_pairs_that_look_alike_the_most_salient_is_taken():
    """Three kinds of patches, four of each: one pair of each kind is chosen, the most salient."""
    kinds = torch.eye(3).repeat_interleave(4, dim=0)
    own = 0.05 * torch.eye(12)  # makes each patch its own best match
    patches = torch.cat([kinds, own], dim=1)
    salient = torch.linspace(0.1, 0.9, 12)
    matches = match_patches((patches, patches), (salient, salient), 0.05, 3)
    assert sorted(matches.first.tolist()) == [3, 7, 11]
    assert matches.first.tolist() == matches.second.tolist()
    assert matches.mutual == 12


def test_nothing_salient_has_no_pairs():
    patches = random_patches()
    matches = match_patches((patches, patches), (torch.zeros(ROWS * COLS), torch.ones(ROWS * COLS)), 0.05, 10)
    assert len(matches.first) == len(matches.cosine) == matches.mutual == 0
