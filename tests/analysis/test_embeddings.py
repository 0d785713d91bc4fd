"""What the embeddings have learned, against codes and filters whose answer is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vit_demo.analysis.embeddings import (
    filter_components,
    filter_responses,
    input_anatomy,
    position_components,
    position_similarity,
    relative_difference,
    rope_kernel,
    similarity_by_offset,
    with_resampling,
)
from vit_demo.analysis.rotation import band_waves, patches_per_turn, rows_without_rotation
from vit_demo.model.config import RopeConfig
from vit_demo.model.position import bands_of

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
    ours = rope_kernel(rope, bands_of(rope, 16), (ROWS, COLS)).numpy()
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
    bands = bands_of(rope, 16)
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


# --------------------------------------------------------------------------------------- structure, responses, anatomy


def small_model(prefix: int = 1, registers: int = 0, position_prefix: int | None = None, **options):
    """A tiny ViT for 48×80 pictures with patches of 16: 3 × 5 of them; every parameter is random."""
    from vit_demo.model import VisionTransformer, ViTConfig

    torch.manual_seed(1)
    settings = dict(class_token=prefix > 0, distillation_token=prefix > 1, num_registers=registers)
    settings |= dict(pool="token" if prefix else "avg", num_classes=4)
    learned = options.get("position", "learned") == "learned"
    settings["position_prefix"] = (prefix if learned else 0) if position_prefix is None else position_prefix
    config = ViTConfig(image_size=(48, 80), dim=24, depth=2, heads=3, mlp_hidden=40, **{**settings, **options})
    model = VisionTransformer(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.3 * torch.randn(parameter.shape))
    return model


def some_pixels(height: int = 48, width: int = 80) -> torch.Tensor:
    return torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(5))


def test_similarity_by_offset_is_the_mean_over_pairs():
    matrix = np.random.default_rng(0).uniform(-1, 1, (15, 15))
    ours = similarity_by_offset(torch.from_numpy(matrix), (ROWS, COLS)).numpy()
    assert ours.shape == (2 * ROWS - 1, 2 * COLS - 1)
    for down in range(-ROWS + 1, ROWS):
        for right in range(-COLS + 1, COLS):
            pairs = [
                matrix[a, b]
                for a in range(15)
                for b in range(15)
                if b // COLS - a // COLS == down and b % COLS - a % COLS == right
            ]
            assert ours[down + ROWS - 1, right + COLS - 1] == pytest.approx(np.mean(pairs), abs=1e-6)


@pytest.mark.parametrize("kind", ["centred", "index"])
def test_the_rotary_kernel_is_its_own_similarity_by_offset(kind):
    """RoPE's match depends on the step alone, so the mean over pairs loses nothing."""
    rope = RopeConfig(kind)
    kernel = rope_kernel(rope, bands_of(rope, 16), (ROWS, COLS))
    by_offset = similarity_by_offset(kernel, (ROWS, COLS)).numpy()
    for a in range(15):
        for b in range(15):
            step = by_offset[b // COLS - a // COLS + ROWS - 1, b % COLS - a % COLS + COLS - 1]
            assert step == pytest.approx(float(kernel[a, b]), abs=1e-5)


def test_components_of_a_constructed_table_are_the_waves_it_was_made_of():
    row, col = np.divmod(np.arange(15), COLS)
    waves = np.linalg.qr(np.stack([np.ones(15), row, col - col.mean(), (col - 2.0) ** 2], 1))[0][:, 1:]  # centred
    channels = np.linalg.qr(np.random.default_rng(0).normal(size=(24, 3)))[0]
    table = waves * np.array([5.0, 3.0, 1.0]) @ channels.T + np.random.default_rng(1).normal(size=24)
    maps, share = position_components(torch.from_numpy(table).float(), (ROWS, COLS), 3)
    assert maps.shape == (3, ROWS, COLS)
    assert np.abs(np.abs(maps.reshape(3, 15).numpy() @ waves) - np.diag([5, 3, 1])).max() < 1e-3
    assert np.abs(share.numpy()[:3] - np.array([25, 9, 1]) / 35).max() < 1e-5
    assert (maps.flatten(1).max(1).values == maps.flatten(1).abs().max(1).values).all()


def test_components_of_a_table_equal_sklearns_pca_up_to_sign():
    decomposition = pytest.importorskip("sklearn.decomposition", reason="scikit-learn is not installed")
    table = torch.randn(15, 24, generator=torch.Generator().manual_seed(2)) * torch.linspace(0.3, 2, 24)
    maps, share = position_components(table, (ROWS, COLS), 5)
    pca = decomposition.PCA(5, svd_solver="full")
    scores = pca.fit_transform(table.double().numpy())
    ours = maps.flatten(1).numpy().T
    assert np.abs(ours * np.sign((ours * scores).sum(0)) - scores).max() < 1e-3
    assert np.abs(share.numpy()[:5] - pca.explained_variance_ratio_).max() < 1e-5


def test_responses_are_dot_products_patch_by_patch():
    filters = torch.randn(6, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    pixels = some_pixels()
    ours = filter_responses(pixels, filters).numpy()
    assert ours.shape == (6, ROWS, COLS)
    for k, row, col in np.ndindex(*ours.shape):
        patch = pixels[0, :, 16 * row : 16 * row + 16, 16 * col : 16 * col + 16].numpy()
        assert ours[k, row, col] == pytest.approx(float((patch * filters[k].numpy()).sum()), abs=1e-3)


def test_a_patch_that_is_the_filter_answers_most():
    filters = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    pixels = some_pixels()
    pixels[0, :, 16:32, 48:64] = filters[0]
    answers = filter_responses(pixels, filters)[0]
    assert answers.argmax() == 1 * COLS + 3
    assert answers.max() == pytest.approx(float(filters.square().sum()), rel=1e-5)


def test_relative_difference_is_the_root_mean_square_over_the_tables_spread():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(15, 24)), rng.normal(size=(15, 24))
    ours = relative_difference(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    assert np.allclose(ours, np.sqrt(((a - b) ** 2).mean(1)) / a.std(ddof=1), rtol=1e-5)
    assert relative_difference(torch.from_numpy(a), torch.from_numpy(a)).abs().max() == 0


@pytest.mark.parametrize("rule", ["dino", "dinov2_reg", "timm", "transformers", "google"])
def test_the_twin_is_a_model_made_for_that_convention(rule):
    from dataclasses import replace as replaced

    from vit_demo.model import VisionTransformer

    model = small_model(position_resampling="timm")
    twin = with_resampling(model, rule)
    made = VisionTransformer(replaced(model.config, position_resampling=rule)).eval()
    made.load_state_dict(model.state_dict())
    pixels = some_pixels(64, 112)  # 4 × 7 patches
    assert torch.equal(twin(pixels).tokens, made(pixels).tokens)
    assert model.config.position_resampling == "timm"
    assert twin.position is model.position
    changed = not torch.allclose(twin(pixels).tokens, model(pixels).tokens, atol=1e-6)
    assert changed == (rule not in ("timm", "dinov2_reg"))  # these two are the same call
    assert torch.equal(twin(some_pixels()).tokens, model(some_pixels()).tokens)  # nothing to resample


ANATOMIES = {
    "no prefix": dict(prefix=0),
    "class": dict(prefix=1),
    "class and distillation": dict(prefix=2),
    "registers without a place": dict(prefix=1, registers=4),
    "no token has a place": dict(prefix=1, registers=2, position_prefix=0),
    "no table": dict(prefix=1, position="none"),
    "patches normed alone": dict(prefix=0, patch_norm=True),
}


@pytest.mark.parametrize("options", ANATOMIES.values(), ids=ANATOMIES)
def test_the_parts_of_the_input_add_up_to_what_enters_the_first_layer(options):
    from vit_demo.model import Trace

    model, trace, pixels = small_model(**options), Trace(), some_pixels(64, 80)
    model(pixels, trace)
    parts = input_anatomy(model, pixels)
    assert torch.allclose(parts.total, trace.embedded[0], atol=1e-5)
    grid = trace.grid
    if model.config.position == "none":
        assert parts.positions is None
        assert not parts.placed.any()
        return
    placed = [*range(model.config.position_prefix), *range(grid.num_prefix_tokens, grid.num_tokens)]
    assert parts.placed.nonzero().flatten().tolist() == placed
    assert parts.positions[~parts.placed].abs().sum() == 0
    assert torch.equal(parts.positions[grid.num_prefix_tokens :], model.positions(grid.shape)[1][0])


# ------------------------------------------------------------------------------------------------------------ rotation


ROPES = {
    "dinov3": RopeConfig("centred"),
    "eva": RopeConfig("index", base=10000.0, pairing="interleaved", reference_grid=(6, 6)),
    "xy": RopeConfig("index", order="xy"),
    "mixed": RopeConfig("mixed", order="xy"),
}


@pytest.mark.parametrize("rope", ROPES.values(), ids=ROPES)
def test_without_rotation_attention_is_that_of_plain_projections(rope):
    from vit_demo.analysis.attention import attention_rows
    from vit_demo.model import Trace

    model, trace = small_model(rope=rope, position="none", registers=2), Trace()
    model(some_pixels(), trace)
    inputs = [trace.embedded, trace.layers[0].residual]
    for layer, block in enumerate(model.blocks):
        normed = torch.nn.functional.layer_norm(inputs[layer], (24,), block.norm1.weight, block.norm1.bias, 1e-6)
        q, k, _ = block.attn.qkv(normed)[0].double().numpy().reshape(18, 3, 3, 8).transpose(1, 2, 0, 3)
        for token in (0, 2, 3, 17):
            scores = np.einsum("hd,hnd->hn", q[:, token], k) / np.sqrt(8)
            expected = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
            ours = rows_without_rotation(model, trace, layer, token)[0]
            assert np.abs(ours.numpy() - expected).max() < 1e-5
            if token >= 3:  # for a patch, the rotation matters
                assert (ours - attention_rows(trace, layer, token)[0]).abs().max() > 1e-3


def test_a_model_that_does_not_rotate_is_refused():
    from vit_demo.model import Trace

    model, trace = small_model(), Trace()
    model(some_pixels(), trace)
    with pytest.raises(ValueError, match="does not rotate"):
        rows_without_rotation(model, trace, 0, 0)


@pytest.mark.parametrize("order", ["yx", "xy"])
@pytest.mark.parametrize("reference", [None, (6, 20)])
@pytest.mark.parametrize("kind", ["centred", "index"])
def test_a_band_is_a_cosine_that_comes_round_after_its_period(kind, order, reference):
    rope = RopeConfig(kind, base=50.0, order=order, reference_grid=reference)
    bands = bands_of(rope, 16)
    down, right = band_waves(rope, bands, (ROWS, COLS), 0, 0)
    assert (down.shape, right.shape) == ((4, ROWS), (4, COLS))
    for waves, turns, count in zip(
        (down, right), patches_per_turn(rope, bands, (ROWS, COLS)), (ROWS, COLS), strict=True
    ):
        steps = np.arange(count)
        start = np.pi * (1 / count - 1) if kind == "centred" else 0.0  # the first patch's coordinate is 1/G − 1
        for wave, turn, k in zip(waves.numpy(), turns.numpy(), range(4), strict=True):
            first = 2 * start / 50.0 ** (k / 4) if kind == "centred" else 0.0
            assert np.abs(wave - np.cos(first + 2 * np.pi * steps / turn)).max() < 1e-4


def test_periods_of_dinov3_are_half_the_grid_for_the_fastest_band():
    """Coordinates run from −1 to 1 and the fastest period is 1: two turns across the picture, on either axis."""
    down, right = patches_per_turn(ROPES["dinov3"], bands_of(ROPES["dinov3"], 16), (14, 20))
    assert float(down[0]) == pytest.approx(7)
    assert float(right[0]) == pytest.approx(10)
    assert float(down[2] / down[0]) == pytest.approx(10, rel=1e-5)  # base 100, two of four quarters on


def test_learned_frequencies_turn_with_both_axes_by_layer_and_head():
    rope = ROPES["mixed"]
    bands = torch.randn(2, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    down, right = band_waves(rope, bands, (ROWS, COLS), 1, 2)
    assert np.abs(down.numpy() - np.cos(np.outer(bands[1, 1, 2], np.arange(ROWS)))).max() < 1e-5
    assert np.abs(right.numpy() - np.cos(np.outer(bands[0, 1, 2], np.arange(COLS)))).max() < 1e-5
    with pytest.raises(ValueError, match="no period"):
        patches_per_turn(rope, bands, (ROWS, COLS))
