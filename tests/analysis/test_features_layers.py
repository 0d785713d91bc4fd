"""Facets, PCA as colour, norms and the way through the layers, against numpy, scikit-learn and the model itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vit_demo.analysis import features
from vit_demo.model import Trace, VisionTransformer, ViTConfig

ROWS, COLS = 3, 5
PREFIXES = {
    "no prefix": dict(class_token=False, position_prefix=0, pool="avg"),
    "class token": dict(),
    "distilled": dict(distillation_token=True, distillation_head=True, position_prefix=2),
    "four registers": dict(num_registers=4),
    "token and average": dict(pool="token+avg"),
    "averaged": dict(pool="avg", fc_norm=True),
    "attention pooling": dict(class_token=False, position_prefix=0, pool="map"),
    "norms inside": dict(attention_norm=True, mlp_norm=True, patch_norm=True),
}


def tiny(classes: int = 7, **more) -> VisionTransformer:
    torch.manual_seed(0)
    config = ViTConfig(
        image_size=(48, 80), patch_px=16, dim=24, depth=3, heads=3, mlp_hidden=40, num_classes=classes, **more
    )
    model = VisionTransformer(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return model


def traced(model: VisionTransformer, pictures: int = 1):
    trace = Trace()
    with torch.inference_mode():
        encoded = model(torch.randn(pictures, 3, 48, 80, generator=torch.Generator().manual_seed(1)), trace)
    return trace, encoded


@pytest.fixture(params=PREFIXES.values(), ids=PREFIXES)
def case(request):
    model = tiny(**request.param)
    return model, *traced(model)


# ------------------------------------------------------------------------------------------------------------- facets


def test_tokens_of_the_last_layer_are_the_models_output_without_the_prefix(case):
    model, trace, encoded = case
    prefix = trace.grid.num_prefix_tokens
    with torch.inference_mode():
        assert torch.equal(features.layer_tokens(model, trace, 2), encoded.tokens)
        assert torch.equal(features.patch_facet(model, trace, 2, "token"), encoded.tokens[:, prefix:])


@pytest.mark.parametrize(("facet", "third"), [("query", 0), ("key", 1), ("value", 2)])
def test_other_facets_are_the_third_of_the_projection_with_heads_side_by_side(case, facet, third):
    model, trace, _ = case
    block, prefix, dim = model.blocks[1], trace.grid.num_prefix_tokens, 24
    with torch.inference_mode():
        projected = block.attn.qkv(block.norm1(trace.layers[0].residual))[0, prefix:]
        ours = features.patch_facet(model, trace, 1, facet)
    assert ours.shape == (1, ROWS * COLS, dim)
    assert torch.allclose(ours[0], projected[:, third * dim : (third + 1) * dim], atol=1e-5)


def test_an_unknown_facet_or_layer_is_refused(case):
    model, trace, _ = case
    with pytest.raises(ValueError, match="no facet 'keys'"):
        features.patch_facet(model, trace, 0, "keys")
    with pytest.raises(ValueError, match="layer 3"):
        features.patch_facet(model, trace, 3, "key")


# ---------------------------------------------------------------------------------------------------------------- PCA


@pytest.mark.parametrize(
    ("samples", "width", "count"), [(60, 12, 3), (9, 40, 4), (20, 20, 3), (400, 150, 3), (100, 200, 2)]
)
def test_components_equal_sklearns_up_to_sign(samples, width, count):
    from sklearn.decomposition import PCA

    data = np.random.default_rng(0).normal(size=(samples, width)) * np.linspace(0.3, 3, width) + 5
    ours = features.principal_components(torch.from_numpy(data), count)
    pca = PCA(count, svd_solver="full").fit(data)
    assert np.abs(np.abs((ours.directions.numpy() * pca.components_).sum(1)) - 1).max() < 1e-9
    assert ours.share.numpy() == pytest.approx(pca.explained_variance_ratio_, rel=1e-9)
    assert ours.deviation.numpy() == pytest.approx(np.sqrt(pca.explained_variance_), rel=1e-9)
    assert np.abs(np.abs(ours.scores(torch.from_numpy(data)).numpy()) - np.abs(pca.transform(data))).max() < 1e-8


@pytest.mark.parametrize(("samples", "width"), [(30, 8), (8, 30), (300, 90), (90, 300)])
def test_components_of_a_constructed_low_rank_map_are_those_it_was_made_of(samples, width):
    rng = np.random.default_rng(3)
    directions = np.linalg.qr(rng.normal(size=(width, 2)))[0].T
    scores = rng.normal(size=(samples, 2))
    scores = np.linalg.qr(scores - scores.mean(0))[0] * np.array([6.0, 2.0])
    ours = features.principal_components(torch.from_numpy(scores @ directions + 4), 3)
    assert np.abs(np.abs(ours.directions[:2].numpy() @ directions.T) - np.eye(2)).max() < 1e-9
    assert ours.share.numpy() == pytest.approx([0.9, 0.1, 0], abs=1e-9)
    assert not ours.directions[2].any()


def test_more_components_than_samples_or_dimensions_are_zero():
    for shape in ((2, 6), (6, 2), (1, 5)):
        ours = features.principal_components(torch.randn(shape, generator=torch.Generator().manual_seed(0)), 4)
        assert ours.directions.shape == (4, shape[1])
        real = min(shape[0] - 1, shape[1])
        assert ours.directions.norm(dim=1).round(decimals=9).tolist() == [1.0] * real + [0.0] * (4 - real)


def test_equal_samples_have_no_components():
    for shape in ((7, 4), (200, 100)):
        ours = features.principal_components(torch.full(shape, 2.5), 3)
        assert not ours.share.any()
        assert not ours.scores(torch.full(shape, 2.5)).any()


def test_the_largest_entry_of_every_direction_is_positive():
    ours = features.principal_components(torch.randn(40, 9, generator=torch.Generator().manual_seed(4)), 6).directions
    assert (ours.max(dim=1).values == ours.abs().max(dim=1).values).all()


def blob(rows: int = 6, cols: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of a picture with an object inside: (n, D) and where it is (rows, cols)."""
    inside = torch.zeros(rows, cols, dtype=torch.bool)
    inside[2:5, 3:7] = True
    noise = torch.randn(rows * cols, 16, generator=torch.Generator().manual_seed(5))
    towards = torch.randn(16, generator=torch.Generator().manual_seed(6))
    return noise * 0.3 + inside.flatten()[:, None] * 4 * towards, inside


@pytest.mark.parametrize("sign", [1, -1])
def test_the_first_component_finds_what_does_not_touch_the_rim(sign):
    patches, inside = blob()
    assert torch.equal(features.first_component(sign * patches, (6, 9)) > 0, inside)


def two_pictures() -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(7)
    patches = [torch.randn(n, 10, generator=generator) * torch.linspace(0.5, 3, 10) for n in (15, 24)]
    shown = [torch.rand(len(p), generator=generator) > 0.4 for p in patches]
    return patches, shown


def signed_like(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """`theirs` (n, 3), each column's sign turned to that of `ours`."""
    return theirs * np.sign((ours * theirs).sum(0))


def test_dinov2s_colours_are_a_joint_pca_from_least_to_largest():
    from sklearn.decomposition import PCA

    patches, shown = two_pictures()
    colours, components = features.pca_colours(patches, shown, "dinov2")
    seen = torch.cat([p[s] for p, s in zip(patches, shown, strict=True)]).double().numpy()
    scores = signed_like(
        components.scores(torch.from_numpy(seen)).numpy(), PCA(3, svd_solver="full").fit_transform(seen)
    )
    expected = (scores - scores.min(0)) / (scores.max(0) - scores.min(0))
    ours = torch.cat([c[s] for c, s in zip(colours, shown, strict=True)]).numpy()
    assert np.abs(ours - expected).max() < 1e-6
    assert not any(c[~s].any() for c, s in zip(colours, shown, strict=True))


def test_dinov3s_colours_are_a_sigmoid_of_twice_the_whitened_scores():
    from sklearn.decomposition import PCA

    patches, shown = two_pictures()
    colours, components = features.pca_colours(patches, shown, "dinov3")
    pca = PCA(3, whiten=True, svd_solver="full").fit(
        torch.cat([p[s] for p, s in zip(patches, shown, strict=True)]).double().numpy()
    )
    for p, s, c in zip(patches, shown, colours, strict=True):
        white = signed_like(components.scores(p).numpy(), pca.transform(p.double().numpy()))
        assert np.abs(c[s].numpy() - 1 / (1 + np.exp(-2 * white[s.numpy()]))).max() < 1e-6
        assert not c[~s].any()


def test_the_same_picture_twice_has_the_same_colours():
    patches, shown = two_pictures()
    for method in ("dinov2", "dinov3"):
        colours, _ = features.pca_colours([patches[0], patches[0]], [shown[0], shown[0]], method)
        assert torch.equal(*colours)


def test_an_unknown_way_of_colouring_is_refused():
    with pytest.raises(ValueError, match="no method 'dinov4'"):
        features.pca_colours(*two_pictures(), "dinov4")


# ------------------------------------------------------------------------------------------------- norms and registers


def test_norms_are_those_of_the_residual_stream(case):
    _, trace, _ = case
    ours = features.token_norms(trace).numpy()
    assert ours.shape == (3, 1, trace.grid.num_tokens)
    for layer in range(3):
        stream = trace.layers[layer].residual.double().numpy()
        assert ours[layer] == pytest.approx(np.sqrt((stream**2).sum(-1)), rel=1e-5)


def test_far_out_is_beyond_three_times_the_quartiles_distance():
    norms = np.random.default_rng(8).normal(50, 4, size=301)
    low, high = np.percentile(norms, [25, 75])
    assert features.outlier_threshold(torch.from_numpy(norms)) == pytest.approx(high + 3 * (high - low))
    planted = np.concatenate([norms, [150.0, 180.0]])
    assert (planted > features.outlier_threshold(torch.from_numpy(planted))).nonzero()[0].tolist() == [301, 302]


def explicit_attention(trace: Trace, layer: int) -> np.ndarray:
    """(h, N, N) in float64 by the formula."""
    q, k = (getattr(trace.layers[layer], name)[0].double().numpy() for name in "qk")
    powers = np.exp(q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1]))
    return powers / powers.sum(-1, keepdims=True)


def test_what_prefix_tokens_look_at_and_absorb_are_rows_and_columns_of_the_mean_attention(case):
    _, trace, _ = case
    prefix, mean = trace.grid.num_prefix_tokens, explicit_attention(trace, 1).mean(0)
    looks, absorbs = features.prefix_attention(trace, 1)
    assert looks.shape == absorbs.shape == (1, prefix, ROWS * COLS)
    assert np.abs(looks[0].numpy() - mean[:prefix, prefix:]).max(initial=0) < 1e-6
    assert np.abs(absorbs[0].numpy() - mean[prefix:, :prefix].T).max(initial=0) < 1e-6


def test_saliency_is_the_class_tokens_last_row_or_the_patches_mean_from_least_to_largest(case):
    _, trace, _ = case
    prefix, mean = trace.grid.num_prefix_tokens, explicit_attention(trace, 2).mean(0)
    row = mean[0, prefix:] if trace.grid.prefix_names else mean.mean(0)
    expected = (row - row.min()) / (row.max() - row.min())
    assert np.abs(features.saliency(trace).numpy() - expected).max() < 1e-4


# -------------------------------------------------------------------------------------------------- through the depth


def test_cosines_between_depths_equal_numpys_token_by_token(case, monkeypatch):
    _, trace, _ = case
    monkeypatch.setattr(features, "PATCHES_AT_ONCE", 4)  # several pieces, the last one shorter
    ours = features.layer_cosines(trace)
    states = [trace.embedded[0], *(layer.residual[0] for layer in trace.layers)]
    states = [state.double().numpy() for state in states]
    unit = np.stack([state / np.linalg.norm(state, axis=1, keepdims=True) for state in states])  # (L+1, N, D)
    every = (unit[:, None] * unit[None]).sum(-1)  # (L+1, L+1, N)
    prefix = trace.grid.num_prefix_tokens
    assert np.abs(ours.patches.numpy() - every[..., prefix:].mean(-1)).max() < 1e-5
    assert np.abs(ours.to_final.numpy() - every[-1, :, prefix:]).max() < 1e-5
    if prefix:
        assert np.abs(ours.cls.numpy() - every[..., 0]).max() < 1e-5
    else:
        assert ours.cls is None


def test_the_lens_on_the_last_layer_is_the_prediction(case):
    model, trace, encoded = case
    with torch.inference_mode():
        whole, _ = features.logit_lens(model, trace, 2)
    assert torch.allclose(whole, encoded.logits[0].softmax(-1), atol=1e-6)


@pytest.mark.parametrize("layer", [0, 2])
def test_the_lens_on_a_patch_is_the_prediction_with_that_patch_in_the_place_of_what_the_head_reads(case, layer):
    """The oracle rewrites the tokens and asks the whole model's own head."""
    model, trace, _ = case
    prefix, pool = trace.grid.num_prefix_tokens, model.config.pool
    with torch.inference_mode():
        _, each = features.logit_lens(model, trace, layer)
        tokens = model.norm(trace.layers[layer].residual)
        for patch in range(ROWS * COLS):
            replaced = tokens.clone()
            put = slice(0, prefix) if pool == "token" else slice(prefix, None)
            replaced[:, put] = tokens[:, prefix + patch]
            assert torch.allclose(each[patch], model.classify(replaced)[0].softmax(-1), atol=1e-5)
    assert torch.allclose(each.sum(-1), torch.ones(ROWS * COLS), atol=1e-5)


def test_a_model_without_a_head_has_no_lens():
    model = tiny(classes=0)
    trace, _ = traced(model)
    with pytest.raises(ValueError, match="no head"):
        features.logit_lens(model, trace, 0)


def test_a_picture_by_its_patches_is_the_unit_mean_of_them(case):
    model, trace, encoded = case
    with torch.inference_mode():
        ours = features.picture_features(model, trace, 2, by="patches").numpy()
    mean = encoded.tokens[:, trace.grid.num_prefix_tokens :].double().numpy().mean(1)
    assert ours == pytest.approx(mean / np.linalg.norm(mean, axis=1, keepdims=True), abs=1e-5)
