"""What the Explainer answers of features and own classes, with tiny models that timm made and wrote."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from vit_demo.analysis import features
from vit_demo.answers import alike
from vit_demo.contract import DemoError, OwnClasses, SizeChoice
from vit_demo.contract.own_classes import THUMB_PX
from vit_demo.explain import Explainer
from vit_demo.gallery import Example
from vit_demo.memory import Limits
from vit_demo.model import VisionTransformer

LABELS = ["ant", "bee", "crab", "dove", "eel", "frog", "goat"]
GRID, DEPTH = (4, 6), 3


def save(target, classes: int, registers: int) -> str:
    """A tiny timm model with random weights for pictures of 64×96."""
    torch.manual_seed(registers)
    args = dict(img_size=(64, 96), depth=DEPTH, embed_dim=48, num_heads=3, reg_tokens=registers)
    model = timm.create_model("vit_tiny_patch16_224", num_classes=classes, **args)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    settings = {"label_names": LABELS} if classes else {}
    timm.models.save_for_hf(model, target, model_config=settings, model_args=args, safe_serialization=True)
    return str(target)


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    return save(tmp_path_factory.mktemp("head"), len(LABELS), 0)


@pytest.fixture(scope="module")
def registers(tmp_path_factory):
    return save(tmp_path_factory.mktemp("registers"), 0, 4)


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """Five labelled pictures."""
    folder = tmp_path_factory.mktemp("examples")
    for seed in range(5):
        Image.fromarray(picture(seed)).save(folder / f"{seed}.png")
    return tuple(Example(folder / f"{seed}.png", f"kind {seed % 2}") for seed in range(5))


@pytest.fixture
def explainer(examples):
    return Explainer("cpu", examples=examples)


def picture(seed: int = 0, height: int = 90, width: int = 140) -> np.ndarray:
    """Smooth blots: unlike noise, no two of them are the same to a model."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture
def forwards(monkeypatch):
    seen, original = [], VisionTransformer.forward

    def counted(self, pixels, trace=None):
        seen.append(tuple(pixels.shape))
        return original(self, pixels, trace)

    monkeypatch.setattr(VisionTransformer, "forward", counted)
    return seen


def same(answer):
    """The answer, having crossed a process boundary."""
    return pickle.loads(pickle.dumps(answer))


# ------------------------------------------------------------------------------------------------------------- PCA


@pytest.mark.parametrize("method", ["dinov2", "dinov3"])
@pytest.mark.parametrize("facet", ["token", "key", "query", "value"])
def test_pca_colours_pictures_of_different_shape_on_one_basis(explainer, registers, facet, method):
    pictures = [picture(0), picture(1, 150, 90)]
    answer = same(explainer.pca(pictures, registers, SizeChoice(64, keep_shape=True), 1, facet, method))
    assert [c.shape for c in answer.colours] == [(4, 6, 3), (7, 4, 3)]
    assert [p.shape for p in answer.pictures] == [(64, 96, 3), (112, 64, 3)]
    for colours, shown in zip(answer.colours, answer.foreground, strict=True):
        assert colours.min() >= 0
        assert colours.max() <= 1
        assert not colours[~shown].any()
        assert 0 < shown.sum() < shown.size
    assert answer.explained.sum() <= 1
    assert (answer.layer, answer.facet, answer.method) == (1, facet, method)


def test_all_patches_are_shown_where_the_background_is_kept(explainer, head):
    answer = explainer.pca([picture()], head, foreground=False)
    assert answer.foreground[0].all()
    assert answer.layer == DEPTH - 1
    assert [answer.colours[0][..., c].min() for c in range(3)] == pytest.approx([0] * 3, abs=1e-9)
    assert [answer.colours[0][..., c].max() for c in range(3)] == pytest.approx([1] * 3, abs=1e-9)


def test_flipping_takes_the_other_side(explainer, head):
    one, other = (explainer.pca([picture()], head, flip=flip).foreground[0] for flip in (False, True))
    assert np.array_equal(one, ~other)


@pytest.mark.parametrize("count", [0, 9])
def test_none_or_more_than_eight_pictures_are_refused(explainer, head, count):
    with pytest.raises(DemoError) as caught:
        explainer.pca([picture()] * count, head)
    assert caught.value.key == "features.too_many_pictures"


def test_pictures_are_run_once_whatever_is_asked_of_them(explainer, head, forwards):
    for facet in ("token", "key"):
        explainer.pca([picture(0), picture(1)], head, facet=facet)
    explainer.segments(picture(0), head)
    explainer.token_norms(picture(1), head)
    explainer.evolution(picture(0), head)
    explainer.correspondences(picture(0), picture(1), head)
    assert len(forwards) == 2


def test_pictures_whose_traces_do_not_fit_together_are_not_run_again(head, examples, forwards):
    small = Explainer("cpu", examples=examples, limits=Limits(runs=1))  # room for one trace
    for _ in range(2):
        first = small.pca([picture(0), picture(1), picture(2)], head)
        for seed in range(3):
            small.patch_features(picture(seed), head)
    assert len(forwards) == 3
    assert first.info.cached
    roomy = Explainer("cpu", examples=examples).pca([picture(0), picture(1), picture(2)], head)
    assert all(np.array_equal(a, b) for a, b in zip(first.colours, roomy.colours, strict=True))


@pytest.mark.parametrize("ask", ["patch_features", "segments", "token_norms"])
def test_a_layer_that_is_not_there_is_an_error_with_a_key(explainer, head, ask):
    with pytest.raises(DemoError) as caught:
        getattr(explainer, ask)(picture(), head, layer=DEPTH)
    assert caught.value.key == "attention.no_such_layer"


# ------------------------------------------------------------------------------------------------------ one picture


def test_dot_products_of_patch_features_are_cosines(explainer, registers):
    answer = same(explainer.patch_features(picture(), registers, layer=0, facet="value"))
    assert answer.vectors.shape == (24, 48)
    assert np.linalg.norm(answer.vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert answer.grid.prefix_names == ("cls", "reg1", "reg2", "reg3", "reg4")


@pytest.mark.parametrize("surroundings", [False, True])
def test_a_picture_matches_itself_place_by_place(explainer, registers, surroundings):
    answer = same(explainer.correspondences(picture(), picture(), registers, surroundings=surroundings))
    assert np.array_equal(answer.first, answer.second)
    assert 1 <= len(answer.first) <= 10
    assert answer.mutual == (answer.saliencies[0] > 0.05).sum()
    assert answer.cosines == pytest.approx(1, abs=1e-5)
    assert (answer.first < GRID).all()


def test_pairs_of_pictures_of_different_shape_lie_in_their_own_grids(explainer, head):
    size = SizeChoice(64, keep_shape=True)
    answer = explainer.correspondences(picture(0), picture(1, 150, 90), head, size, pairs=4, least_saliency=0.0)
    assert [s.shape for s in answer.saliencies] == [(4, 6), (7, 4)]
    assert 1 <= len(answer.cosines) <= 4
    vectors = [explainer.patch_features(p, head, size, facet="key") for p in (picture(0), picture(1, 150, 90))]
    for (r, c), (r2, c2), cosine in zip(answer.first, answer.second, answer.cosines, strict=True):
        assert vectors[0].vectors[r * 6 + c] @ vectors[1].vectors[r2 * 4 + c2] == pytest.approx(cosine, abs=1e-5)


def test_segments_cover_the_grid(explainer, registers):
    answer = same(explainer.segments(picture(), registers, count=3))
    assert answer.labels.shape == GRID
    assert sorted(np.unique(answer.labels)) == [0, 1, 2]
    assert answer.count == 3
    assert answer.cut is None


def test_the_cut_is_two_segments_and_flipping_exchanges_them(explainer, registers):
    one, other = (explainer.segments(picture(), registers, method="ncut", flip=flip) for flip in (False, True))
    assert np.array_equal(one.labels, 1 - other.labels)
    assert one.cut.shape == GRID
    assert np.array_equal(one.labels == 1, one.cut > one.cut.mean())
    assert np.array_equal(other.cut, -one.cut)


def test_norms_and_what_registers_absorb(explainer, registers):
    answer = same(explainer.token_norms(picture(), registers, layer=1))
    assert answer.patches.shape == (DEPTH, *GRID)
    assert answer.prefix.shape == (DEPTH, 5)
    assert answer.looks.shape == answer.absorbs.shape == (5, *GRID)
    assert np.array_equal(answer.outliers, answer.patches[1] > answer.threshold)
    assert not answer.given
    for token, name in enumerate(("cls", "reg1")):
        from vit_demo.contract import TokenQuery

        rows = explainer.attention(picture(), registers, query=TokenQuery(name), layer=1).maps.mean(0)
        assert answer.looks[token] == pytest.approx(rows, abs=1e-6)


def test_a_threshold_that_is_given_is_used(explainer, head):
    middle = float(np.median(explainer.token_norms(picture(), head).patches[-1]))
    answer = explainer.token_norms(picture(), head, threshold=middle)
    assert (answer.threshold, answer.given) == (middle, True)
    assert answer.outliers.sum() == 12


def test_the_way_through_the_layers_ends_at_itself_and_the_lens_at_the_prediction(explainer, head):
    answer = same(explainer.evolution(picture(), head))
    assert answer.patches.shape == answer.cls.shape == (DEPTH + 1, DEPTH + 1)
    assert answer.to_final.shape == (DEPTH + 1, *GRID)
    assert answer.to_final[-1] == pytest.approx(1, abs=1e-5)
    assert answer.patches[-1] == pytest.approx(answer.to_final.mean(axis=(1, 2)), abs=1e-5)
    prediction, lens = explainer.predict(picture(), head), answer.lens
    assert lens.labels == prediction.labels
    assert lens.picture[-1] == pytest.approx(prediction.probabilities, abs=1e-5)
    assert lens.best_labels[lens.top[-1]] == prediction.labels[0]
    assert lens.patches.shape == (DEPTH, 5, *GRID)
    assert lens.best.shape == (DEPTH, *GRID)
    first = lens.patches[0, 0]  # the predicted class, after the first layer
    where = np.array(lens.best_labels)[lens.best[0]] == lens.labels[0]
    assert (first[where] >= lens.patches[0][:, where].max(0) - 1e-7).all()


def test_a_model_without_a_head_has_no_lens_but_an_evolution(explainer, registers):
    answer = explainer.evolution(picture(), registers)
    assert answer.lens is None
    assert answer.cls.shape == (DEPTH + 1, DEPTH + 1)


# ------------------------------------------------------------------------------------------------------ whole pictures


@pytest.mark.parametrize("by", ["cls", "patches"])
def test_ones_own_and_the_examples_are_ranked_together(explainer, registers, by):
    own = [picture(20), picture(21)]
    answer = same(explainer.alike(picture(2), own, registers, by))
    assert sorted(i for i in answer.own if i is not None) == [0, 1]
    assert set(answer.names) - {""} == {"0.png", "1.png", "3.png", "4.png"}  # 2 is the picture itself
    assert [name == "" for name in answer.names] == [i is not None for i in answer.own]
    assert answer.cosines.tolist() == sorted(answer.cosines.tolist(), reverse=True)
    vectors = explainer.picture_vectors([*own, picture(2)], registers).vectors
    if by == "cls":
        place = {i: n for n, i in enumerate(answer.own)}
        for i in (0, 1):
            assert answer.cosines[place[i]] == pytest.approx(float(vectors[i] @ vectors[2]), abs=1e-5)


def test_places_on_the_plane_are_sklearns_pca_up_to_sign(explainer, registers):
    from sklearn.decomposition import PCA

    own = [picture(20), picture(21), picture(22)]
    answer = explainer.alike(picture(30), own, registers)
    everything = [
        own[i] if i is not None else picture(int(n[0])) for i, n in zip(answer.own, answer.names, strict=True)
    ]
    vectors = explainer.picture_vectors([*everything, picture(30)], registers).vectors.astype(np.float64)
    pca = PCA(2, svd_solver="full").fit(vectors)
    assert np.abs(answer.places) == pytest.approx(np.abs(pca.transform(vectors)), abs=1e-5)
    assert answer.explained == pytest.approx(pca.explained_variance_ratio_, rel=1e-4)


@pytest.mark.slow
def test_umap_keeps_two_groups_apart_and_gives_the_same_places_again():
    pytest.importorskip("umap", reason="umap-learn is installed with the tests' requirements alone")
    noise = torch.Generator().manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(2, 32, generator=noise), dim=-1)
    groups = torch.arange(40) % 2
    vectors = torch.nn.functional.normalize(centres[groups] + 0.05 * torch.randn(40, 32, generator=noise), dim=-1)
    places = features.umap_places(vectors)
    assert places.shape == (40, 2)
    nearest = np.linalg.norm(places[:, None] - places[None], axis=-1) + 1e9 * np.eye(40)
    assert (groups.numpy()[nearest.argmin(axis=1)] == groups.numpy()).all()
    assert np.array_equal(features.umap_places(vectors), places)


@pytest.mark.slow
def test_pictures_are_laid_on_a_plane_by_umap_where_it_is_installed(explainer, registers, monkeypatch):
    pytest.importorskip("umap", reason="umap-learn is installed with the tests' requirements alone")
    own = [picture(20), picture(21), picture(22)]
    answer = explainer.alike(picture(30), own, registers, plane="umap")
    assert answer.planes == ("pca", "umap")
    assert answer.places.shape == (len(answer.names) + 1, 2)
    assert answer.explained is None
    monkeypatch.setattr(alike, "find_spec", lambda name: None)
    without = explainer.alike(picture(31), own, registers, plane="umap")  # another picture: answers are kept
    assert without.planes == ("pca",)
    assert without.explained is not None  # by PCA instead


def test_a_few_pictures_are_not_enough_for_umap(explainer, registers):
    few = explainer.alike(picture(0), [], registers, plane="umap")  # the examples alone
    assert len(few.names) + 1 < alike.FEWEST_FOR_UMAP
    assert few.planes == ("pca",)


def test_a_picture_is_described_once(explainer, registers, forwards):
    explainer.picture_vectors([picture(5), picture(6)], registers)
    explainer.picture_vectors([picture(6), picture(7)], registers)
    assert len(forwards) == 3


def test_more_than_a_few_dozen_pictures_are_refused(explainer, registers):
    with pytest.raises(DemoError) as caught:
        explainer.alike(picture(), [picture()] * 49, registers)
    assert caught.value.key == "features.too_many_pictures"
    with pytest.raises(DemoError) as caught:
        explainer.picture_vectors([picture()] * 121, registers)
    assert caught.value.key == "own_classes.too_many_examples"


def collected(explainer: Explainer, model: str) -> OwnClasses:
    vectors = explainer.picture_vectors([picture(seed) for seed in range(6)], model)
    thumbnails = np.zeros((6, THUMB_PX, THUMB_PX, 3), np.uint8)
    return OwnClasses(("left", "right"), np.array([0, 1, 0, 1, 0, 1]), thumbnails, vectors)


def test_a_picture_like_an_example_is_of_its_class_for_both_ways(explainer, registers):
    own = OwnClasses.from_bytes(collected(explainer, registers).to_bytes())
    slightly_darker = (picture(3) * 0.98).astype(np.uint8)
    answer = same(explainer.own_classes(slightly_darker, own, registers))
    assert answer.names == ("left", "right")
    assert answer.votes.sum() == pytest.approx(1)
    assert answer.probe.sum() == pytest.approx(1)
    assert answer.votes.argmax() == answer.probe.argmax() == 1
    assert answer.nearest[0] == 3
    assert answer.cosines[0] > 0.99
    assert len(answer.nearest) == 5
    assert answer.neighbours == 6
    assert 0 <= answer.knn_right <= 1
    assert answer.knn_right * 6 == pytest.approx(round(answer.knn_right * 6))


def test_examples_of_another_model_are_refused(explainer, head, registers):
    own = collected(explainer, registers)
    with pytest.raises(DemoError) as caught:
        explainer.own_classes(picture(), own, head)
    assert caught.value.key == "own_classes.other_model"
    narrow = replace(own, vectors=replace(own.vectors, vectors=own.vectors.vectors[:, :7]))
    with pytest.raises(DemoError) as caught:
        explainer.own_classes(picture(), narrow, registers)
    assert caught.value.key == "own_classes.other_model"


def test_a_single_class_is_nothing_to_tell_apart(explainer, registers):
    own = replace(collected(explainer, registers), labels=np.ones(6, np.int64))
    with pytest.raises(DemoError) as caught:
        explainer.own_classes(picture(), own, registers)
    assert caught.value.key == "own_classes.too_few_classes"
