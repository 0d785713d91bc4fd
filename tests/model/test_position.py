"""Position tables and rotary embeddings against formulas written out here, on non-square grids."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vit_demo.model.config import RopeConfig
from vit_demo.model.position import (
    RESAMPLING,
    bands_of,
    resample_position,
    rope_angles,
    rope_coordinates,
    rope_table,
    rotate,
)

NATIVE, DIM = (4, 6), 5
GRIDS = [(7, 5), (3, 11), (9, 6), (4, 9), (2, 3), (6, 4)]
D = 16  # width of a head


def table(seed: int = 0) -> torch.Tensor:
    return torch.randn(1, NATIVE[0] * NATIVE[1], DIM, generator=torch.Generator().manual_seed(seed))


def ours(rule: str, grid: tuple[int, int]) -> np.ndarray:
    out = resample_position(table(), NATIVE, grid, RESAMPLING[rule])
    assert out.shape == (1, grid[0] * grid[1], DIM)
    return out[0].reshape(*grid, DIM).numpy()


def linear_corner_aligned(plane: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """The four neighbours of each sampling point, corners on corners."""
    out = np.zeros((*grid, plane.shape[-1]))
    for i in range(grid[0]):
        for j in range(grid[1]):
            y, x = i * (NATIVE[0] - 1) / (grid[0] - 1), j * (NATIVE[1] - 1) / (grid[1] - 1)
            y0, x0 = min(int(y), NATIVE[0] - 2), min(int(x), NATIVE[1] - 2)
            fy, fx = y - y0, x - x0
            out[i, j] = (1 - fy) * ((1 - fx) * plane[y0, x0] + fx * plane[y0, x0 + 1]) + fy * (
                (1 - fx) * plane[y0 + 1, x0] + fx * plane[y0 + 1, x0 + 1]
            )
    return out


def cubic_weight(distance: float, a: float) -> float:
    """Keys' cubic kernel."""
    d = abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0


def cubic_matrix(old: int, new: int, scale: float) -> np.ndarray:
    """(new, old): each sample of plain bicubic interpolation from its four neighbours, `scale` old steps per new one,
    borders repeated. a = −0.75."""
    matrix = np.zeros((new, old))
    for i in range(new):
        centre = (i + 0.5) * scale - 0.5
        first = math.floor(centre) - 1
        for j in range(first, first + 4):
            matrix[i, min(max(j, 0), old - 1)] += cubic_weight(centre - j, -0.75)
    return matrix


def antialiased_matrix(old: int, new: int) -> np.ndarray:
    """(new, old): bicubic as Pillow does it. The kernel widens when shrinking, is cut at the border and normalised."""
    scale = old / new
    stretch = max(scale, 1.0)
    matrix = np.zeros((new, old))
    for i in range(new):
        centre = (i + 0.5) * scale
        low = max(int(centre - 2 * stretch + 0.5), 0)
        high = min(int(centre + 2 * stretch + 0.5), old)
        for j in range(low, high):
            matrix[i, j] = cubic_weight((j - centre + 0.5) / stretch, -0.5)
    return matrix / matrix.sum(1, keepdims=True)


def along_both_axes(rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    plane = table()[0].reshape(*NATIVE, DIM).numpy().astype(np.float64)
    return np.einsum("ri,cj,ijd->rcd", rows, cols, plane)


@pytest.mark.parametrize("rule", RESAMPLING)
def test_nothing_changes_on_the_native_grid(rule):
    assert torch.equal(resample_position(table(), NATIVE, NATIVE, RESAMPLING[rule]), table())


@pytest.mark.parametrize("grid", GRIDS)
def test_google_is_linear_with_aligned_corners(grid):
    plane = table()[0].reshape(*NATIVE, DIM).numpy().astype(np.float64)
    assert np.abs(ours("google", grid) - linear_corner_aligned(plane, grid)).max() < 1e-5


@pytest.mark.parametrize("grid", GRIDS)
def test_google_equals_scipys_zoom_of_order_one(grid):
    ndimage = pytest.importorskip("scipy.ndimage", reason="scipy is not installed")
    plane = table()[0].reshape(*NATIVE, DIM).numpy()
    zoomed = ndimage.zoom(plane, (grid[0] / NATIVE[0], grid[1] / NATIVE[1], 1), order=1)
    assert np.abs(ours("google", grid) - zoomed).max() < 1e-5


@pytest.mark.parametrize("grid", GRIDS)
def test_dino_hands_scales_with_its_offset_to_interpolate(grid):
    """facebookresearch/dino vision_transformer.py, interpolate_pos_encoding, in its own order of operations."""
    h0, w0 = grid[0] + 0.1, grid[1] + 0.1
    reference = F.interpolate(
        table().reshape(1, *NATIVE, DIM).permute(0, 3, 1, 2),
        scale_factor=(h0 / NATIVE[0], w0 / NATIVE[1]),
        mode="bicubic",
    )
    assert (int(h0), int(w0)) == tuple(reference.shape[-2:])
    assert np.abs(ours("dino", grid) - reference[0].permute(1, 2, 0).numpy()).max() < 1e-6


@pytest.mark.parametrize("grid", GRIDS)
def test_dinos_offset_moves_the_sampling_points(grid):
    rows, cols = (cubic_matrix(old, new, old / (new + 0.1)) for old, new in zip(NATIVE, grid, strict=True))
    assert np.abs(ours("dino", grid) - along_both_axes(rows, cols)).max() < 1e-4
    assert np.abs(ours("dino", grid) - ours("transformers", grid)).max() > 1e-3


@pytest.mark.parametrize("grid", GRIDS)
def test_transformers_is_plain_bicubic(grid):
    rows, cols = (cubic_matrix(old, new, old / new) for old, new in zip(NATIVE, grid, strict=True))
    assert np.abs(ours("transformers", grid) - along_both_axes(rows, cols)).max() < 1e-5


@pytest.mark.parametrize("rule", ["timm", "dinov2_reg"])
@pytest.mark.parametrize("grid", GRIDS)
def test_timm_and_dinov2_with_registers_are_antialiased_bicubic(rule, grid):
    rows, cols = (antialiased_matrix(old, new) for old, new in zip(NATIVE, grid, strict=True))
    assert np.abs(ours(rule, grid) - along_both_axes(rows, cols)).max() < 1e-5


@pytest.mark.parametrize("grid", [(8, 12), (37, 37), (16, 61), (224 // 14, 448 // 14), (64, 64)])
def test_dinos_scales_give_the_grid_asked_for_on_large_grids(grid):
    native = (37, 37) if grid != (37, 37) else (14, 14)
    big = torch.randn(1, native[0] * native[1], 3)
    assert resample_position(big, native, grid, RESAMPLING["dino"]).shape == (1, grid[0] * grid[1], 3)


def test_a_half_precision_table_stays_half_precision():
    assert resample_position(table().bfloat16(), NATIVE, (5, 7), RESAMPLING["timm"]).dtype == torch.bfloat16


# ------------------------------------------------------------------------------------------------------------- rotary

INDEX = RopeConfig("index", 100.0)
CENTRED = RopeConfig("centred", 100.0)
GRID, PREFIX = (3, 5), 2


def rotated(rope: RopeConfig, x: torch.Tensor, grid: tuple[int, int] = GRID) -> torch.Tensor:
    angles = rope_angles(rope, bands_of(rope, x.shape[-1]), grid)
    return rotate(x, rope_table(rope, angles), rope.pairing, PREFIX)


def tokens(seed: int = 0, grid: tuple[int, int] = GRID) -> torch.Tensor:
    return torch.randn(2, 3, PREFIX + grid[0] * grid[1], D, generator=torch.Generator().manual_seed(seed))


ROPES = [
    RopeConfig(kind, 100.0, order, pairing)
    for kind in ("centred", "index")
    for order in ("yx", "xy")
    for pairing in ("half", "interleaved")
]


@pytest.mark.parametrize("rope", ROPES, ids=lambda r: f"{r.kind}-{r.order}-{r.pairing}")
def test_rotating_leaves_norms_and_prefix_tokens(rope):
    x = tokens()
    y = rotated(rope, x)
    assert torch.equal(y[:, :, :PREFIX], x[:, :, :PREFIX])
    assert torch.allclose(y.norm(dim=-1), x.norm(dim=-1), rtol=1e-5)
    assert (y[:, :, PREFIX + 1 :] - x[:, :, PREFIX + 1 :]).abs().max() > 0.1


@pytest.mark.parametrize("pairing", ["half", "interleaved"])
@pytest.mark.parametrize("order", ["yx", "xy"])
def test_q_dot_k_depends_on_the_offset_alone(order, pairing):
    rope = RopeConfig("index", 100.0, order, pairing)
    grid = (4, 6)
    n = grid[0] * grid[1]
    generator = torch.Generator().manual_seed(3)
    one_q, one_k = (torch.randn(D, generator=generator) for _ in range(2))
    q, k = (rotated(rope, v.expand(1, 1, PREFIX + n, D), grid)[0, 0, PREFIX:].double() for v in (one_q, one_k))
    products = (q @ k.T).reshape(*grid, *grid)
    by_offset: dict[tuple[int, int], list[float]] = {}
    for r1 in range(4):
        for c1 in range(6):
            for r2 in range(4):
                for c2 in range(6):
                    by_offset.setdefault((r2 - r1, c2 - c1), []).append(float(products[r1, c1, r2, c2]))
    assert max(max(v) - min(v) for v in by_offset.values()) < 1e-4
    means = [float(np.mean(v)) for v in by_offset.values()]
    assert max(means) - min(means) > 0.5  # and it does depend on the offset


@pytest.mark.parametrize("grid", [(3, 5), (1, 4), (14, 20)])
def test_centred_coordinates_by_closed_form(grid):
    rows, cols = grid
    y, x = rope_coordinates(CENTRED, grid)
    expected = [((2 * r + 1 - rows) / rows, (2 * c + 1 - cols) / cols) for r in range(rows) for c in range(cols)]
    assert np.abs(np.stack([y, x], 1) - np.array(expected)).max() < 1e-6


def test_index_coordinates_are_row_and_column_with_offset_and_reference_grid():
    y, x = rope_coordinates(INDEX, (2, 3))
    assert y.tolist() == [0, 0, 0, 1, 1, 1]
    assert x.tolist() == [0, 1, 2, 0, 1, 2]
    y, x = rope_coordinates(RopeConfig("index", offset=1.0, reference_grid=(8, 3)), (2, 3))
    assert y.tolist() == [4, 4, 4, 8, 8, 8]
    assert x.tolist() == [1, 2, 3, 1, 2, 3]


def test_bands_by_closed_form():
    periods, frequencies = bands_of(CENTRED, 16), bands_of(INDEX, 16)
    assert periods.tolist() == pytest.approx([1, 100**0.25, 10, 100**0.75])
    assert frequencies.tolist() == pytest.approx([1, 100**-0.25, 0.1, 100**-0.75])


@pytest.mark.parametrize("order", ["yx", "xy"])
def test_angles_by_closed_form(order):
    rope = RopeConfig("centred", 100.0, order)
    angles = rope_angles(rope, bands_of(rope, 8), (2, 3))
    for patch in range(6):
        y, x = (2 * (patch // 3) + 1 - 2) / 2, (2 * (patch % 3) + 1 - 3) / 3
        first, second = (y, x) if order == "yx" else (x, y)
        expected = [2 * math.pi * c / p for c in (first, second) for p in (1, 10)]
        assert angles[patch].tolist() == pytest.approx(expected, abs=1e-5)


def test_mixed_angles_use_both_axes_in_every_pair():
    rope = RopeConfig("mixed", order="xy", pairing="interleaved")
    bands = torch.randn(2, 3, 2, D // 2, generator=torch.Generator().manual_seed(1))  # (2, L, h, d/2)
    angles = rope_angles(rope, bands, GRID)
    assert angles.shape == (3, 2, 15, D // 2)
    for patch in (0, 4, 7, 14):
        row, col = divmod(patch, 5)
        assert torch.allclose(angles[:, :, patch], col * bands[0] + row * bands[1], atol=1e-5)


@pytest.mark.parametrize("pairing", ["half", "interleaved"])
def test_rotating_is_multiplication_by_a_complex_unit_in_every_pair(pairing):
    rope = RopeConfig("index", 100.0, pairing=pairing)
    angles = rope_angles(rope, bands_of(rope, D), GRID).numpy()
    x = tokens()
    y = rotated(rope, x)[:, :, PREFIX:].numpy()
    x = x[:, :, PREFIX:].numpy()
    first = slice(0, D // 2) if pairing == "half" else slice(0, D, 2)
    second = slice(D // 2, D) if pairing == "half" else slice(1, D, 2)
    turned = (x[..., first] + 1j * x[..., second]) * np.exp(1j * angles)
    assert np.abs(y[..., first] - turned.real).max() < 1e-5
    assert np.abs(y[..., second] - turned.imag).max() < 1e-5


@pytest.mark.parametrize("kind", ["centred", "index"])
def test_the_two_pairings_are_one_rotation_under_a_permutation_of_channels(kind):
    half, interleaved = (RopeConfig(kind, 100.0, pairing=pairing) for pairing in ("half", "interleaved"))
    order = torch.arange(D).reshape(2, D // 2).T.flatten()  # 0, d/2, 1, d/2 + 1, …
    x = tokens()
    assert torch.allclose(rotated(half, x)[..., order], rotated(interleaved, x[..., order]), atol=1e-6)
    assert (rotated(half, x) - rotated(interleaved, x)).abs().max() > 0.1
