"""A camera's frame: what it shows equals what the other questions say of the same picture, and nothing of it stays."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import timm
import torch
from sklearn.decomposition import PCA

from vit_demo.analysis.features import colour_basis, colours_on, pca_colours
from vit_demo.contract import CLASS_TOKEN, NATIVE_SIZE, DemoError, SizeChoice, TokenQuery
from vit_demo.explain import Explainer
from vit_demo.fair_queue import current_visitor
from vit_demo.gallery import Example
from vit_demo.preprocess import normalised, prepare, seen_box

HEIGHT, WIDTH = 64, 96  # 4 × 6 patches


def frame(seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def folder_of(target, shape=(HEIGHT, WIDTH), **more) -> str:
    torch.manual_seed(0)
    args = dict(img_size=shape, depth=3, embed_dim=48, num_heads=3, **more)
    whole = dict(crop_pct=1.0)  # a picture of the model's size is taken as it is
    twin = timm.create_model("vit_tiny_patch16_224", pretrained_cfg_overlay=whole, **args)
    timm.models.save_for_hf(twin, target, model_args=args, safe_serialization=True)
    return str(target)


@pytest.fixture(scope="module")
def head(tmp_path_factory) -> str:
    return folder_of(tmp_path_factory.mktemp("head"), num_classes=7, reg_tokens=2)


@pytest.fixture(scope="module")
def headless(tmp_path_factory) -> str:
    return folder_of(tmp_path_factory.mktemp("headless"), (224, 224), num_classes=0)


@pytest.fixture
def explainer(tmp_path) -> Explainer:
    from PIL import Image

    examples = []
    for seed in range(4):
        Image.fromarray(frame(seed, 240, 230)).save(tmp_path / f"{seed}.png")
        examples.append(Example(tmp_path / f"{seed}.png", f"kind {seed}"))
    return Explainer("cpu", examples=tuple(examples))


@pytest.mark.parametrize("query", [CLASS_TOKEN, TokenQuery("reg2"), TokenQuery(None, 2, 5)], ids=lambda one: one.name)
@pytest.mark.parametrize("layer", [0, 2])
def test_a_frame_of_the_models_size_is_answered_as_a_picture_is(explainer, head, query, layer):
    live = explainer.live(frame(), head, query, layer)
    maps = explainer.attention(frame(), head, NATIVE_SIZE, query, layer)
    assert np.abs(live.maps - maps.maps).max() < 1e-6
    assert np.abs(live.prefix - maps.prefix).max() < 1e-6
    assert live.token == query.token(maps.info.grid)
    classes = explainer.predict(frame(), head, NATIVE_SIZE, 5)
    assert live.names == classes.labels
    assert live.values == pytest.approx(classes.probabilities, abs=1e-6)
    assert not live.neighbours


def test_a_model_without_classes_names_the_nearest_examples(explainer, headless):
    live = explainer.live(frame(3, 224, 224), headless)
    near = explainer.predict(frame(3, 224, 224), headless)
    assert live.neighbours
    assert live.names[: len(near.labels)] == near.labels
    assert live.values[: len(near.cosines)] == pytest.approx(near.cosines, abs=1e-5)


def test_the_colours_of_the_first_frame_are_those_of_its_own_components(explainer, head):
    live = explainer.live(frame(), head)
    loaded = explainer._engine.load(head)
    run = explainer._engine.run(frame(), head, NATIVE_SIZE)
    tokens = loaded.model.norm(run.trace.layers[-1].residual)[0, 3:].double().numpy()
    scores = PCA(3).fit(tokens).transform(tokens)
    colours = 1 / (1 + np.exp(-2 * scores / scores.std(axis=0, ddof=1)))
    found = live.colours.reshape(-1, 3) / 255
    for i in range(3):  # a component's sign is open
        apart = min(np.abs(found[:, i] - colours[:, i]).max(), np.abs(found[:, i] - 1 + colours[:, i]).max())
        assert apart < 0.51 / 255 + 1e-5
    assert live.colours.shape == (4, 6, 3)


def test_later_frames_are_coloured_on_the_basis_of_the_first(explainer, head):
    first, second = explainer.live(frame(0), head), explainer.live(frame(1), head)
    again = explainer.live(frame(0), head, basis=second.basis)
    assert not np.array_equal(first.colours, again.colours)
    assert np.array_equal(explainer.live(frame(0), head, basis=first.basis).colours, first.colours)
    assert np.array_equal(again.basis, second.basis)


def test_a_basis_of_patches_that_are_all_alike_colours_everything_grey():
    patches = torch.ones(12, 8)
    assert torch.allclose(colours_on(colour_basis(patches), patches), torch.full((12, 3), 0.5))


def test_colours_on_a_basis_equal_dinov3s():
    patches = torch.randn(40, 16, generator=torch.Generator().manual_seed(0))
    (expected,), _ = pca_colours([patches], [torch.ones(40, dtype=torch.bool)], "dinov3")
    assert torch.allclose(colours_on(colour_basis(patches), patches).double(), expected, atol=1e-5)


# ------------------------------------------------------------------------------------------------------- nothing stays


def test_nothing_of_a_frame_is_kept(explainer, head, headless):
    for model in (head, headless):
        explainer.live(frame(9, 224, 224), model)  # a model, and the examples that it is compared with, do stay
    before = explainer.figures().kept_bytes
    for seed in range(5):
        for model in (head, headless):
            explainer.live(frame(seed, 224, 224), model, TokenQuery(None, 1, 1), 1)
    assert explainer.figures().kept_bytes == before
    assert explainer.figures().questions["live"].kept == 0


def test_the_same_frame_is_computed_each_time(explainer, head, monkeypatch):
    model, passes = explainer._engine.load(head).model, []
    forward = type(model).forward
    monkeypatch.setattr(type(model), "forward", lambda *args, **more: passes.append(1) or forward(*args, **more))
    for _ in range(3):
        explainer.live(frame(), head)
    assert len(passes) == 3


def test_visitors_with_a_camera_each_get_as_many_frames(explainer, head):
    explainer.live(frame(), head)
    stop, count = time.monotonic() + 1.5, dict.fromkeys("abc", 0)

    def ask(visitor: str) -> None:
        current_visitor.set(visitor)
        while time.monotonic() < stop:
            explainer.live(frame(), head)
            count[visitor] += 1

    threads = [threading.Thread(target=ask, args=(name,)) for name in count]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert min(count.values()) > 10
    assert min(count.values()) > 0.6 * max(count.values())


# ------------------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize("shape", [(63, 96), (64, 97), (8, 8)])
def test_a_frame_that_is_no_whole_patches_is_refused(explainer, head, shape):
    with pytest.raises(DemoError) as refused:
        explainer.live(frame(0, *shape), head)
    assert refused.value.key == "live.not_patches"


def test_too_many_patches_are_refused(explainer, head):
    with pytest.raises(DemoError) as refused:
        explainer.live(frame(0, 16 * 65, 16 * 64), head)
    assert refused.value.key == "page.grid_out_of_range"


@pytest.mark.parametrize(
    "basis",
    [np.zeros((4, 47), np.float32), np.zeros((3, 48), np.float32), np.zeros((4, 48)), np.full((4, 48), np.nan, "f4")],
)
def test_a_basis_of_another_model_is_refused(explainer, head, basis):
    with pytest.raises(DemoError) as refused:
        explainer.live(frame(), head, basis=basis)
    assert refused.value.key == "live.other_basis"


# --------------------------------------------------------------------------------------------------- what a frame is


def test_a_frame_is_normalised_as_a_picture_is(explainer, head):
    loaded = explainer._engine.load(head)
    ready = normalised(frame(), loaded.preprocess)
    prepared = prepare(frame(), loaded.preprocess, 16, NATIVE_SIZE)
    assert np.array_equal(ready.picture, frame())
    assert np.array_equal(ready.pixels, prepared.pixels)
    assert ready.box == (0, 0, HEIGHT, WIDTH)


@pytest.mark.parametrize("shape", [(480, 640), (640, 480), (97, 131), (1080, 1920), (64, 96)])
@pytest.mark.parametrize("size", [NATIVE_SIZE, SizeChoice(128), SizeChoice(128, True), SizeChoice(grid=(3, 7))])
def test_the_part_that_the_model_sees_is_known_without_the_picture(explainer, head, shape, size):
    spec = explainer._engine.load(head).preprocess
    assert seen_box(spec, 16, size, *shape) == prepare(frame(0, *shape), spec, 16, size).box
