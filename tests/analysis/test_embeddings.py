"""What the embeddings have learned, against codes and filters whose answer is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vit_demo.analysis.embeddings import filter_components, position_similarity, rope_kernel
from vit_demo.model.config import RopeConfig
from vit_demo.model.position import rope_bands

ROWS, COLS = 3, 5


def test_similarity_of_a_sinusoidal_code_is_the_mean_cosine_of_its_offsets():
    """Positions coded as (cos ωr, sin ωr, cos ωc, sin ωc): their cosine depends on the offset alone."""
    omega = 0.4
    row, col = np.divmod(np.arange(ROWS * COLS), COLS)
    code = np.stack([np.cos(omega * row), np.sin(omega * row), np.cos(omega * col), np.sin(omega * col)], 1)
    expected = (np.cos(omega * np.subtract.outer(row, row)) + np.cos(omega * np.subtract.outer(col, col))) / 2
    ours = position_similarity(torch.from_numpy(3.7 * code).float()).numpy()
    assert ours.shape == (15, 15)
    assert np.abs(ours - expected).max() < 1e-6


def test_similarity_of_opposite_and_orthogonal_embeddings():
    matrix = position_similarity(torch.tensor([[2.0, 0.0], [-5.0, 0.0], [0.0, 0.1]]))
    assert torch.allclose(matrix, torch.tensor([[1.0, -1, 0], [-1, 1, 0], [0, 0, 1]]), atol=1e-6)


def test_similarity_stays_within_one_although_rounding_would_leave_it():
    matrix = position_similarity(torch.randn(200, 384, generator=torch.Generator().manual_seed(0)))
    assert matrix.max() <= 1
    assert matrix.min() >= -1
    assert torch.allclose(matrix, matrix.T, atol=1e-6)


def brute_force_kernel(rope: RopeConfig, head_dim: int, grid: tuple[int, int]) -> np.ndarray:
    """Mean cosine of the difference of angles, pair by pair, from the formula of the family."""
    places = [(r, c) for r in range(grid[0]) for c in range(grid[1])]
    quarter = head_dim // 4
    out = np.zeros((len(places), len(places)))
    for i, a in enumerate(places):
        for j, b in enumerate(places):
            total = 0.0
            for axis in (0, 1):
                for k in range(quarter):
                    if rope.kind == "centred":
                        step = 2 * (a[axis] - b[axis]) / grid[axis]
                        total += np.cos(2 * np.pi * step / rope.base ** (k / quarter))
                    else:
                        total += np.cos((a[axis] - b[axis]) * rope.base ** (-k / quarter))
            out[i, j] = total / (2 * quarter)
    return out


@pytest.mark.parametrize("pairing", ["half", "interleaved"])
@pytest.mark.parametrize(("kind", "base"), [("centred", 100.0), ("index", 100.0), ("index", 10000.0)])
def test_the_rotary_kernel_equals_brute_force(kind, base, pairing):
    rope = RopeConfig(kind, base, pairing=pairing)
    ours = rope_kernel(rope, rope_bands(rope, 16), (ROWS, COLS)).numpy()
    assert np.abs(ours - brute_force_kernel(rope, 16, (ROWS, COLS))).max() < 1e-5
    assert np.allclose(np.diag(ours), 1, atol=1e-6)


def test_the_kernel_of_learned_frequencies_is_the_mean_over_layers_and_heads():
    bands = torch.randn(2, 2, 3, 4, generator=torch.Generator().manual_seed(0))  # (2, L, h, d/2)
    ours = rope_kernel(RopeConfig("mixed", order="xy"), bands, (ROWS, COLS)).numpy()
    col_speed, row_speed = bands.numpy()
    expected = np.zeros((15, 15))
    for i in range(15):
        for j in range(15):
            rows, cols = i // COLS - j // COLS, i % COLS - j % COLS
            expected[i, j] = np.cos(rows * row_speed + cols * col_speed).mean()
    assert np.abs(ours - expected).max() < 1e-5


def test_the_kernel_is_what_rotation_gives_for_a_vector_of_equal_energy():
    from vit_demo.model.position import rope_angles, rope_table, rotate

    rope = RopeConfig("centred")
    bands = rope_bands(rope, 16)
    ones = torch.full((1, 1, 15, 16), 16**-0.5)  # unit length, the same energy in every pair
    turned = rotate(ones, rope_table(rope, rope_angles(rope, bands, (ROWS, COLS))), "half", 0)[0, 0]
    assert torch.allclose(turned @ turned.T, rope_kernel(rope, bands, (ROWS, COLS)), atol=1e-5)


def low_rank_filters(count: int = 40, patch_px: int = 4) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Filters (D, 3, P, P) made of three orthogonal pictures with known variances around a mean."""
    rng = np.random.default_rng(0)
    size = 3 * patch_px**2
    pictures = np.linalg.qr(rng.normal(size=(size, 3)))[0].T
    scores = rng.normal(size=(count, 3))
    scores = np.linalg.qr(scores - scores.mean(0))[0] * np.array([6.0, 3.0, 1.0])
    samples = scores @ pictures + rng.normal(size=size)
    return torch.from_numpy(samples.reshape(count, 3, patch_px, patch_px)).float(), pictures, np.array([36, 9, 1]) / 46


def test_components_of_constructed_filters_are_those_they_were_made_of():
    weight, pictures, variances = low_rank_filters()
    components, share = filter_components(weight, 3)
    assert components.shape == (3, 3, 4, 4)
    overlap = np.abs(components.reshape(3, -1).numpy() @ pictures.T)
    assert np.abs(overlap - np.eye(3)).max() < 1e-4
    assert np.abs(share.numpy() - variances).max() < 1e-5


@pytest.mark.parametrize("count", [1, 5, 48])
def test_components_equal_sklearns_pca_up_to_sign(count):
    decomposition = pytest.importorskip("sklearn.decomposition", reason="scikit-learn is not installed")
    weight = torch.randn(70, 3, 4, 4, generator=torch.Generator().manual_seed(2)) * torch.linspace(0.2, 2, 48).reshape(
        3, 4, 4
    )
    components, share = filter_components(weight, count)
    pca = decomposition.PCA(count, svd_solver="full").fit(weight.reshape(70, -1).double().numpy())
    ours = components.reshape(count, -1).numpy()
    same = np.abs((ours * pca.components_).sum(1))
    assert np.abs(same - 1).max() < 1e-3
    assert np.abs(share.numpy() - pca.explained_variance_ratio_).max() < 1e-5


def test_the_largest_entry_of_every_component_is_positive():
    components, _ = filter_components(torch.randn(50, 3, 4, 4, generator=torch.Generator().manual_seed(3)), 20)
    flat = components.reshape(20, -1)
    assert (flat.max(1).values == flat.abs().max(1).values).all()


def test_no_more_components_than_there_are_filters_or_dimensions():
    assert filter_components(torch.randn(5, 3, 4, 4), 28)[0].shape[0] == 5
    assert filter_components(torch.randn(90, 3, 2, 2), 28)[0].shape[0] == 12
