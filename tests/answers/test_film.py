"""A film's frames: each is answered as if it were a picture alone, and all share one set of colours."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import timm
import torch
from sklearn.decomposition import PCA

from vit_demo.answers import film as answers
from vit_demo.contract import NATIVE_SIZE, DemoError, SizeChoice
from vit_demo.explain import Explainer
from vit_demo.fair_queue import current_visitor

FRAMES, HEIGHT, WIDTH = 5, 60, 90


def frames(count: int = FRAMES) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, HEIGHT, WIDTH, 3), np.uint8)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, str]:
    made = {}
    for kind, more in (("registers", dict(reg_tokens=2)), ("bare", dict(class_token=False, global_pool="avg"))):
        torch.manual_seed(0)
        args = dict(img_size=(64, 96), depth=3, embed_dim=48, num_heads=3, num_classes=0, **more)
        folder = tmp_path_factory.mktemp(kind)
        twin = timm.create_model("vit_tiny_patch16_224", **args)
        timm.models.save_for_hf(twin, folder, model_args=args, safe_serialization=True)
        made[kind] = str(folder)
    return made


@pytest.fixture
def explainer() -> Explainer:
    return Explainer("cpu", examples=())


@pytest.mark.parametrize("size", [NATIVE_SIZE, SizeChoice(96, True)], ids=["native", "whole"])
@pytest.mark.parametrize("layer", [0, -1])
def test_each_frame_is_answered_as_a_picture_alone(explainer, models, size, layer):
    part = explainer.film_part(frames(), models["registers"], size, layer)
    for i, frame in enumerate(frames()):
        alone = explainer.attention(frame, models["registers"], size, layer=layer)
        assert np.abs(part.maps[i] - alone.maps).max() < 1e-6
        assert np.abs(part.prefix[i] - alone.prefix.sum(axis=1)).max() < 1e-6
        assert np.array_equal(part.pictures[i], alone.picture)
    assert np.abs(part.maps.sum(axis=(2, 3)) + part.prefix - 1).max() < 1e-5
    assert part.layer == layer % 3


def test_directions_are_the_layers_patches_of_unit_length(explainer, models):
    part = explainer.film_part(frames(), models["registers"], NATIVE_SIZE, 1)
    loaded = explainer._engine.load(models["registers"])
    for i, frame in enumerate(frames()):
        run = explainer._engine.run(frame, models["registers"], NATIVE_SIZE)
        tokens = loaded.model.norm(run.trace.layers[1].residual)[0, 3:].numpy()
        cosines = tokens @ tokens.T / np.linalg.norm(tokens, axis=1) / np.linalg.norm(tokens, axis=1)[:, None]
        found = part.features[i].astype(np.float32)
        assert np.abs(found @ found.T - cosines).max() < 2e-3


def test_without_a_class_token_the_patches_look_on_average(explainer, models):
    part = explainer.film_part(frames(2), models["bare"])
    assert np.abs(part.maps.sum(axis=(2, 3)) - 1).max() < 1e-5
    assert (part.prefix == 0).all()
    run = explainer._engine.run(frames(2)[1], models["bare"], NATIVE_SIZE)
    q, k = (getattr(run.trace.layers[-1], name)[0] for name in "qk")
    mean = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(dim=-1).mean(dim=1)
    assert np.abs(part.maps[1].reshape(3, -1) - mean.numpy()).max() < 1e-5


def test_frames_in_one_pass_and_alone_are_the_same(explainer, models, monkeypatch):
    together = explainer.film_part(frames(), models["registers"])
    monkeypatch.setattr(answers, "TOKENS_AT_ONCE", 1)
    alone = Explainer("cpu", examples=()).film_part(frames(), models["registers"])
    assert np.abs(together.maps - alone.maps).max() < 1e-6
    assert np.abs(together.features - alone.features).max() < 2e-3


def test_colours_are_one_pca_of_all_frames(explainer, models):
    parts = [explainer.film_part(some, models["registers"]) for some in (frames()[:2], frames()[2:])]
    found = explainer.film_colours([part.features for part in parts]) / 255
    patches = np.concatenate([part.features for part in parts]).reshape(-1, 48).astype(np.float64)
    scores = PCA(3).fit(patches).transform(patches)
    wanted = (1 / (1 + np.exp(-2 * scores / scores.std(axis=0, ddof=1)))).reshape(*found.shape)
    for i in range(3):  # a component's sign is open, once for the whole film
        apart = min(np.abs(found[..., i] - wanted[..., i]).max(), np.abs(found[..., i] - 1 + wanted[..., i]).max())
        assert apart < 0.51 / 255 + 2e-3


def test_a_long_films_basis_is_of_patches_of_all_its_frames(explainer, monkeypatch):
    features = np.random.default_rng(1).standard_normal((40, 30, 8)).astype(np.float16)
    whole = explainer.film_colours([features]).astype(int)
    monkeypatch.setattr(answers, "BASIS_PATCHES", 600)
    some = Explainer("cpu", examples=()).film_colours([features]).astype(int)
    assert np.abs(whole - whole.mean()).mean() > 20
    assert some.shape == whole.shape
    monkeypatch.setattr(answers, "BASIS_PATCHES", 5)
    assert Explainer("cpu", examples=()).film_colours([features]).shape == whole.shape


def test_what_was_computed_for_the_view_is_there_for_the_files(explainer, models):
    for _ in range(2):
        explainer.film_part(frames(), models["registers"])
    assert explainer.figures().questions["film_part"].kept == 1


def test_others_have_their_turn_between_the_frames(explainer, models, monkeypatch):
    """A visitor's picture does not wait until a film is through."""
    monkeypatch.setattr(answers, "TOKENS_AT_ONCE", 1)
    explainer.details(models["registers"])
    order, began = [], threading.Event()

    def watch() -> None:
        current_visitor.set("film")
        for some in range(12):
            explainer.film_part(frames(40)[some : some + 20], models["registers"])
            began.set()
        order.append("film")

    def look() -> None:
        current_visitor.set("picture")
        began.wait(30)
        explainer.attention(frames()[0], models["registers"])
        order.append("picture")

    threads = [threading.Thread(target=one) for one in (watch, look)]
    for thread in threads:
        thread.start()
        time.sleep(0.01)
    for thread in threads:
        thread.join(60)
    assert order == ["picture", "film"]


def test_a_layer_that_is_not_there_is_refused(explainer, models):
    with pytest.raises(DemoError) as refused:
        explainer.film_part(frames(), models["registers"], NATIVE_SIZE, 3)
    assert refused.value.key == "attention.no_such_layer"
