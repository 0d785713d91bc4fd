"""Models side by side: what each says alone, at the same places, and one that cannot be had beside others that can."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from vit_demo.contract import DemoError, SizeChoice
from vit_demo.explain import Explainer
from vit_demo.gallery import Example


def picture(seed: int) -> np.ndarray:
    rough = np.random.default_rng(seed).integers(0, 256, (8, 13, 3), np.uint8)
    return rough.repeat(10, 0).repeat(10, 1)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, str]:
    made = {}
    for kind, args in {
        "one": dict(img_size=(64, 96), num_classes=5),
        "two": dict(img_size=(64, 96), num_classes=0),
        "coarse": dict(img_size=(64, 96), patch_size=32, num_classes=0, depth=2),
        "wide": dict(img_size=(48, 48), embed_dim=96, num_classes=0),
    }.items():
        torch.manual_seed(len(made))
        args = {**dict(depth=3, embed_dim=48, num_heads=3), **args}
        model = timm.create_model("vit_tiny_patch16_224", **args)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.2 * torch.randn(parameter.shape))
        folder = tmp_path_factory.mktemp(kind)
        timm.models.save_for_hf(model, folder, model_args=args, safe_serialization=True)
        made[kind] = str(folder)
    return made


@pytest.fixture(scope="module")
def explainer(tmp_path_factory) -> Explainer:
    folder = tmp_path_factory.mktemp("examples")
    for seed in range(3):
        Image.fromarray(picture(seed)).save(folder / f"{seed}.png")
    return Explainer("cpu", examples=tuple(Example(folder / f"{seed}.png", f"kind {seed}") for seed in range(3)))


def patches(explainer, model: str, layer: int) -> np.ndarray:
    run = explainer._engine.run(picture(7), model, SizeChoice())
    return run.trace.layers[layer].residual[0, run.info.grid.num_prefix_tokens :].double().numpy()


def cka(x: np.ndarray, y: np.ndarray) -> float:
    x, y = (one - one.mean(0) for one in (x, y))
    return np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))


def test_agreement_is_cka_of_the_patches_layer_by_layer(explainer, models):
    got = explainer.agreement(picture(7), models["one"], models["two"])
    assert got.places == (4, 6)
    assert got.values.shape == (3, 3)
    for i, j in np.ndindex(3, 3):
        expected = cka(patches(explainer, models["one"], i), patches(explainer, models["two"], j))
        assert got.values[i, j] == pytest.approx(expected, abs=1e-5)


def test_a_model_agrees_with_itself(explainer, models):
    got = explainer.agreement(picture(7), models["one"], models["one"])
    assert np.diag(got.values) == pytest.approx(np.ones(3), abs=1e-5)
    assert got.values == pytest.approx(got.values.T, abs=1e-5)


@pytest.mark.parametrize(("other", "places", "layers"), [("coarse", (2, 3), 2), ("wide", (3, 3), 3)])
def test_grids_of_other_sizes_meet_at_the_same_places(explainer, models, other, places, layers):
    got = explainer.agreement(picture(7), models["one"], models[other])
    assert got.places == places
    assert got.values.shape == (3, layers)
    assert ((got.values >= 0) & (got.values <= 1 + 1e-6)).all()


def test_models_of_one_width_share_a_basis_and_others_have_their_own(explainer, models):
    names = [models[name] for name in ("one", "wide", "two")]
    got = explainer.joint_colours(picture(7), names)
    assert got.shares == (2, 1, 2)
    assert got.layers == (2, 2, 2)
    assert [one.shape for one in got.colours] == [(4, 6, 3), (3, 3, 3), (4, 6, 3)]
    assert np.array_equal(got.explained[0], got.explained[2])
    alone = explainer.joint_colours(picture(7), [models["wide"]])
    np.testing.assert_allclose(alone.colours[0], got.colours[1], atol=1e-6)
    first = explainer.joint_colours(picture(7), names, depth=0.0)
    assert first.layers == (0, 0, 0)


def test_a_comparison_is_what_each_says_alone(explainer, models):
    got = explainer.compare(picture(7), [models["one"], models["two"]])
    one, two = got.models
    assert one.prediction.probabilities == explainer.predict(picture(7), models["one"]).probabilities
    assert two.prediction.names == explainer.predict(picture(7), models["two"]).names
    np.testing.assert_array_equal(two.depth.entropy_bits, explainer.depth(picture(7), models["two"]).entropy_bits)
    (agreement,) = got.agreements
    np.testing.assert_array_equal(
        agreement.values, explainer.agreement(picture(7), models["one"], models["two"]).values
    )
    assert all(0 <= share <= 1 for share in one.box)


def test_one_that_cannot_be_had_keeps_its_place_with_the_reason(explainer, models, tmp_path):
    got = explainer.compare(picture(7), [models["one"], str(tmp_path / "nowhere"), models["wide"]])
    assert [one.problem is None for one in got.models] == [True, False, True]
    assert "nowhere" in str(got.models[1].problem)
    assert [one.other_model for one in got.agreements] == [models["wide"]]
    with pytest.raises(DemoError, match="nowhere"):
        explainer.compare(picture(7), [str(tmp_path / "nowhere")])


def test_too_many_models_and_depths_outside_are_refused(explainer, models):
    with pytest.raises(DemoError, match="up to 4"):
        explainer.compare(picture(7), [models["one"]] * 5)
    with pytest.raises(DemoError, match="from 0 to 1"):
        explainer.joint_colours(picture(7), [models["one"]], depth=1.5)
