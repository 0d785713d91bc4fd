"""Hidden parts of a picture: against captum, scipy, scikit-learn and brute force in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, Occlusion
from scipy.ndimage import gaussian_filter
from sklearn.metrics import auc

from vit_demo.analysis.perturbation import (
    area_under,
    baseline_picture,
    deletion_masks,
    hide,
    integrated_gradients,
    occlusion_map,
    occlusion_masks,
    quadrature,
    random_mask_map,
    random_masks,
    scores_of_hidden,
)
from vit_demo.analysis.relevance import Target, score
from vit_demo.model import VisionTransformer, ViTConfig

PATCH_PX, ROWS, COLS, CLASS = 8, 4, 7, 1
BLACK = torch.tensor([-2.0, -1.5, -1.0])


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Models this small only wait for a second thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=[dict(num_registers=1), dict(pool="avg", class_token=False, position_prefix=0)])
def model(request):
    torch.manual_seed(0)
    base = dict(image_size=(32, 56), patch_px=PATCH_PX, dim=24, depth=2, heads=3, mlp_hidden=40, num_classes=4)
    model = VisionTransformer(ViTConfig(**base, **request.param)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return model.requires_grad_(False)


TARGET = Target(1, CLASS)


def pixels(seed: int = 1) -> torch.Tensor:
    return torch.randn(1, 3, 32, 56, generator=torch.Generator().manual_seed(seed))


def baseline(kind: str = "mean") -> torch.Tensor:
    return baseline_picture(pixels(), kind, PATCH_PX, BLACK)


def logit(model, x: torch.Tensor) -> float:
    return model(x).logits[0, CLASS].item()


# ----------------------------------------------------------------------------------------------------------- baseline


def test_the_mean_baseline_is_each_channels_mean():
    assert np.allclose(baseline("mean")[0, :, 5, 9], pixels().numpy().mean(axis=(0, 2, 3)), atol=1e-6)
    assert baseline("mean").std(dim=(2, 3)).max() < 1e-6


def test_the_black_baseline_is_black_after_normalisation():
    assert torch.equal(baseline("black")[0, :, 31, 55], BLACK)


def test_blur_equals_scipys():
    wanted = [gaussian_filter(plane, sigma=PATCH_PX, mode="nearest", truncate=3.0) for plane in pixels()[0].numpy()]
    assert np.abs(baseline("blur")[0].numpy() - np.stack(wanted)).max() < 1e-5


@pytest.mark.parametrize("kind", ["mean", "blur", "black"])
def test_a_flat_picture_blurs_to_itself_and_a_baseline_has_the_pictures_shape(kind):
    flat = torch.full((1, 3, 32, 56), 0.7)
    got = baseline_picture(flat, kind, PATCH_PX, BLACK)
    assert got.shape == flat.shape
    assert torch.allclose(got, flat, atol=1e-6) == (kind != "black")


def test_hiding_nothing_and_everything_is_exact_and_one_patch_is_its_pixels():
    keep = torch.ones(3, ROWS, COLS)
    keep[1] = 0
    keep[2, 3, 6] = 0
    hidden = hide(pixels(), baseline(), keep, PATCH_PX)
    assert torch.equal(hidden[0], pixels()[0])
    assert torch.equal(hidden[1], baseline()[0])
    assert torch.equal(hidden[2, :, 24:, 48:], baseline()[0, :, 24:, 48:])
    changed = (hidden[2] != pixels()[0]).any(dim=0)
    assert changed.sum() == PATCH_PX**2 == changed[24:, 48:].sum()


def test_scores_are_those_of_the_hidden_pictures_in_any_batch(model, monkeypatch):
    keep = (torch.rand(7, ROWS, COLS, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    got = scores_of_hidden(model, TARGET, pixels(), baseline(), keep)
    for mask, value in zip(keep, got, strict=True):
        picture = pixels().clone()
        for row, col in zip(*np.nonzero(mask.numpy() == 0), strict=True):
            where = (..., slice(row * PATCH_PX, (row + 1) * PATCH_PX), slice(col * PATCH_PX, (col + 1) * PATCH_PX))
            picture[where] = baseline()[where]
        assert value.item() == pytest.approx(logit(model, picture), abs=1e-5)
    monkeypatch.setattr("vit_demo.analysis.perturbation.TOKENS_AT_ONCE", 2 * (ROWS * COLS + 2))
    assert torch.allclose(scores_of_hidden(model, TARGET, pixels(), baseline(), keep), got, atol=1e-5)


# ---------------------------------------------------------------------------------------------------------- occlusion


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (2, 1), (3, 2), (4, 3), (2, 2)])
def test_occlusion_equals_captum(model, window, stride):
    theirs = Occlusion(lambda x: model(x).logits).attribute(
        pixels(),
        sliding_window_shapes=(3, window * PATCH_PX, window * PATCH_PX),
        strides=(3, stride * PATCH_PX, stride * PATCH_PX),
        baselines=baseline(),
        target=CLASS,
    )
    masks = occlusion_masks((ROWS, COLS), window, stride)
    scores = scores_of_hidden(model, TARGET, pixels(), baseline(), masks)
    ours = occlusion_map(logit(model, pixels()) - scores, masks, slice(None))
    assert np.abs(ours.numpy() - theirs[0, 0, ::PATCH_PX, ::PATCH_PX].numpy()).max() < 1e-5
    assert ours.abs().max() > 0.01


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (2, 1), (3, 2), (4, 3)])
def test_windows_cover_every_patch_and_no_place_is_left_out(window, stride):
    masks = occlusion_masks((ROWS, COLS), window, stride)
    assert (masks.min(dim=0).values == 0).all()
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    assert len(masks.flatten(1).unique(dim=0)) == len(masks)


def test_a_target_that_reads_one_patch_is_found_by_occlusion():
    masks = occlusion_masks((ROWS, COLS), 1, 1)
    drops = (1 - masks[:, 2, 5]) * 3.0
    found = occlusion_map(drops, masks, slice(None))
    assert found[2, 5] == 3
    assert found.sum() == 3


# ------------------------------------------------------------------------------------------------------- random masks


def test_random_masks_keep_their_share_and_are_the_same_for_a_seed():
    masks = random_masks((14, 20), 4000, 0.3, 5)
    assert masks.shape == (4000, 14, 20)
    assert masks.min() >= 0
    assert masks.max() <= 1
    assert np.abs(masks.mean(dim=0).numpy() - 0.3).max() < 0.05  # every patch alike, those at the rim too
    assert torch.equal(masks[:10], random_masks((14, 20), 4000, 0.3, 5)[:10])
    assert not torch.equal(masks[:10], random_masks((14, 20), 4000, 0.3, 6)[:10])
    assert ((masks > 0) & (masks < 1)).float().mean() > 0.1  # enlarged bilinearly


def test_the_random_mask_map_is_the_mean_of_those_that_keep_less_the_mean_of_all():
    noise = np.random.default_rng(0)
    masks, scores = noise.uniform(size=(40, ROWS, COLS)), noise.normal(size=40)
    wanted = np.empty((ROWS, COLS))
    for row in range(ROWS):
        for col in range(COLS):
            wanted[row, col] = np.average(scores, weights=masks[:, row, col]) - scores.mean()
    ours = random_mask_map(torch.from_numpy(scores), torch.from_numpy(masks), slice(None))
    assert np.abs(ours.numpy() - wanted).max() < 1e-9
    shifted = random_mask_map(torch.from_numpy(scores + 100), torch.from_numpy(masks), slice(None))
    assert np.abs(shifted.numpy() - wanted).max() < 1e-9


def test_a_target_that_reads_one_patch_is_found_by_random_masks():
    masks = random_masks((ROWS, COLS), 500, 0.5, 0)
    found = random_mask_map(masks[:, 1, 4], masks, slice(None))
    assert divmod(int(found.argmax()), COLS) == (1, 4)
    assert found[1, 4] == pytest.approx(0.5, abs=0.05)  # kept: 1, else: 0, on average a half


@pytest.mark.parametrize("kind", [occlusion_map, random_mask_map])
def test_parts_add_up_and_what_never_changes_gives_zero(kind):
    masks = random_masks((ROWS, COLS), 23, 0.5, 0) if kind is random_mask_map else occlusion_masks((ROWS, COLS), 2, 1)
    values = torch.randn(len(masks), generator=torch.Generator().manual_seed(0))
    parts = [slice(0, 7), slice(7, 20), slice(20, len(masks))]
    summed = sum(kind(values[part], masks, part) for part in parts)
    assert torch.allclose(summed, kind(values, masks, slice(None)), atol=1e-6)
    constant = torch.zeros(len(masks)) if kind is occlusion_map else torch.full((len(masks),), 3.0)
    assert kind(constant, masks, slice(None)).abs().max() < 1e-5


# ----------------------------------------------------------------------------------------------- integrated gradients


@pytest.mark.parametrize("steps", [1, 4, 9])
def test_the_quadrature_is_exact_for_polynomials(steps):
    nodes, weights = (t.double().numpy() for t in quadrature(steps))
    for power in range(2 * steps):
        assert (weights * nodes**power).sum() == pytest.approx(1 / (power + 1), abs=1e-6)


@pytest.mark.parametrize("kind", ["mean", "black"])
def test_integrated_gradients_equal_captum(model, kind):
    theirs = IntegratedGradients(lambda x: model(x).logits).attribute(
        pixels(), baselines=baseline(kind), target=CLASS, n_steps=12, method="gausslegendre"
    )
    ours = integrated_gradients(model, TARGET, pixels(), baseline(kind), *quadrature(12))
    wanted = theirs[0].reshape(3, ROWS, PATCH_PX, COLS, PATCH_PX).sum(dim=(0, 2, 4))
    assert (ours - wanted).abs().max() / wanted.abs().max() < 1e-4


@pytest.mark.parametrize("kind", ["mean", "blur", "black"])
def test_integrated_gradients_add_up_to_the_difference(model, kind):
    ours = integrated_gradients(model, TARGET, pixels(), baseline(kind), *quadrature(64))
    difference = logit(model, pixels()) - logit(model, baseline(kind))
    assert abs(difference) > 0.05
    assert ours.sum().item() == pytest.approx(difference, abs=0.005)


def test_integrated_gradients_in_parts_and_small_batches_add_up(model, monkeypatch):
    fractions, weights = quadrature(10)
    whole = integrated_gradients(model, TARGET, pixels(), baseline(), fractions, weights)
    monkeypatch.setattr("vit_demo.analysis.perturbation.TOKENS_AT_ONCE", 1)
    parts = [slice(0, 3), slice(3, 4), slice(4, 10)]
    summed = sum(
        integrated_gradients(model, TARGET, pixels(), baseline(), fractions[part], weights[part]) for part in parts
    )
    assert torch.allclose(summed, whole, atol=1e-5)


# ------------------------------------------------------------------------------------------------------- faithfulness


@pytest.mark.parametrize("steps", [2, 5, 28])
def test_deletion_hides_the_most_relevant_patches_first(steps):
    values = np.random.default_rng(0).normal(size=(ROWS, COLS))
    keep, fractions = deletion_masks(torch.from_numpy(values), steps)
    assert keep.shape == (steps + 1, ROWS, COLS)
    assert keep[0].min() == 1
    assert keep[-1].max() == 0
    for mask, fraction in zip(keep.numpy(), fractions.numpy(), strict=True):
        hidden = int((mask == 0).sum())
        assert hidden == pytest.approx(fraction * ROWS * COLS)
        assert set(values[mask == 0]) == set(np.sort(values.ravel())[::-1][:hidden])


def test_ties_are_hidden_row_by_row():
    keep, _ = deletion_masks(torch.zeros(ROWS, COLS), ROWS * COLS)
    for hidden, mask in enumerate(keep):
        assert mask.flatten().tolist() == [0.0] * hidden + [1.0] * (ROWS * COLS - hidden)


def test_everything_deleted_scores_as_the_baseline_picture(model):
    keep, _ = deletion_masks(torch.rand(ROWS, COLS), 6)
    for kind in ("mean", "blur", "black"):
        scores = scores_of_hidden(model, TARGET, pixels(), baseline(kind), keep, probability=True)
        for value, picture in ((scores[0], pixels()), (scores[-1], baseline(kind))):
            odds = np.exp(model(picture).logits[0].double().numpy())
            assert value.item() == pytest.approx(odds[CLASS] / odds.sum(), abs=1e-6)


def test_the_area_is_scikit_learns():
    noise = np.random.default_rng(0)
    fractions = np.sort(np.concatenate([[0, 1], noise.uniform(size=9)]))
    scores = noise.normal(size=11)
    assert area_under(torch.from_numpy(fractions), torch.from_numpy(scores)) == pytest.approx(auc(fractions, scores))


def test_a_target_below_the_last_layer_is_read_there(model):
    target = Target(0, CLASS)
    got = scores_of_hidden(model, target, pixels(), baseline(), torch.ones(1, ROWS, COLS))
    assert got[0].item() == pytest.approx(score(model, target, model.tokens_after(pixels(), 0))[0].item(), abs=1e-6)
