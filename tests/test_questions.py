"""Every question of the Explainer at once: one signature everywhere, plain data both ways, and one turn at a time."""

from __future__ import annotations

import ast
import inspect
import pickle
import re
import textwrap
import threading
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from vit_demo import answers
from vit_demo.checkpoints.assets import DIGITS_ID
from vit_demo.contract import (
    WALK_STEPS,
    DemoError,
    ExplainerProtocol,
    OwnClasses,
    PatchFeatures,
    SizeChoice,
    TokenQuery,
)
from vit_demo.contract.own_classes import THUMB_PX
from vit_demo.edits import Edits
from vit_demo.explain import Explainer
from vit_demo.gallery import Example

ROOT = Path(__file__).resolve().parents[1]
NOT_COMPUTED = {"statuses", "default_model", "forget", "details", "training_record", "ink_of_photograph"}
QUESTIONS = {
    name: method
    for name, method in vars(ExplainerProtocol).items()
    if inspect.isfunction(method) and not name.startswith("_") and method is not ExplainerProtocol.__init__
}
SIZE = SizeChoice()
# What computes: not what copies, moves or shapes.
HEAVY = ("mm", "bmm", "addmm", "baddbmm", "convolution", "_softmax", "_scaled_dot_product", "linalg", "svd", "eigh")


def picture(seed: int) -> np.ndarray:
    rough = np.random.default_rng(seed).integers(0, 256, (9, 14, 3), np.uint8)
    return rough.repeat(10, 0).repeat(10, 1)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, str]:
    """Folders of tiny random models: with a head, without one, and with rotary positions."""
    made = {}
    for kind, name, more in (
        ("head", "vit_tiny_patch16_224", dict(num_classes=4, reg_tokens=2)),
        ("headless", "vit_tiny_patch16_224", dict(num_classes=0)),
        ("rotary", "vit_small_patch16_dinov3", dict(num_classes=0)),
    ):
        torch.manual_seed(len(made))
        args = dict(img_size=(64, 96), depth=3, embed_dim=48, num_heads=3, **more)
        folder = tmp_path_factory.mktemp(kind)
        twin = timm.create_model(name, **args)
        timm.models.save_for_hf(twin, folder, model_args=args, safe_serialization=True)
        made[kind] = str(folder)
    return made


@pytest.fixture
def explainer(tmp_path) -> Explainer:
    from PIL import Image

    for seed in range(3):
        Image.fromarray(picture(seed)).save(tmp_path / f"{seed}.png")
    examples = tuple(Example(tmp_path / f"{seed}.png", f"kind {seed}") for seed in range(3))
    return Explainer("cpu", examples=examples)


def own_classes(explainer, model: str) -> OwnClasses:
    vectors = explainer.picture_vectors([picture(seed) for seed in (1, 2, 3, 4)], model)
    thumbnails = np.zeros((4, THUMB_PX, THUMB_PX, 3), np.uint8)
    return OwnClasses(("a", "b"), np.array([0, 0, 1, 1]), thumbnails, vectors)


def asks(explainer: Explainer, models: dict[str, str]) -> dict:
    """A call of every question; those with two kinds of answer come twice."""
    head, headless, rotary, image = models["head"], models["headless"], models["rotary"], picture(0)
    long = ("integrated_gradients", "occlusion", "random_masks")
    return {
        "predict": lambda: [explainer.predict(image, model) for model in (head, headless)],
        "attention": lambda: explainer.attention(image, head, SIZE, TokenQuery(None, 1, 2), 1),
        "attention_layer": lambda: explainer.attention_layer(image, head),
        "attention_wall": lambda: explainer.attention_wall(image, head),
        "live": lambda: [
            explainer.live(image[:64, :96], model, TokenQuery(None, 1, 2), 1) for model in (head, headless)
        ],
        "film_part": lambda: [
            explainer.film_part(np.stack([image, picture(1)]), model, SIZE, 1) for model in (head, headless)
        ],
        "film_colours": lambda: explainer.film_colours([np.ones((count, 5, 8), np.float16) for count in (2, 1)]),
        "depth": lambda: [explainer.depth(image, head, SIZE, keep) for keep in (True, False)],
        "position_similarity": lambda: [explainer.position_similarity(model, SIZE, image) for model in (head, rotary)],
        "filters": lambda: explainer.filters(head),
        "position_structure": lambda: explainer.position_structure(head, SIZE, image),
        "filter_responses": lambda: [explainer.filter_responses(image, head, SIZE, count) for count in (4, None)],
        "input_parts": lambda: explainer.input_parts(image, head),
        "interpolation": lambda: explainer.interpolation(image, head, SizeChoice(grid=(5, 4))),
        "stretched_table": lambda: [explainer.stretched_table(head, (5, 4), component=number) for number in (0, 2)],
        "rotation": lambda: explainer.rotation(image, rotary),
        "read_drawing": lambda: explainer.read_drawing(picture(3)[:, :, 0] / 255),
        "ink_of_photograph": None,
        "training_record": explainer.training_record,
        "pca": lambda: explainer.pca([image, picture(1)], head, foreground=False),
        "patch_features": lambda: explainer.patch_features(image, head),
        "correspondences": lambda: explainer.correspondences(image, picture(1), head, surroundings=True),
        "segments": lambda: [explainer.segments(image, head, method=method) for method in ("kmeans", "ncut")],
        "token_norms": lambda: explainer.token_norms(image, head),
        "evolution": lambda: explainer.evolution(image, head),
        "alike": lambda: explainer.alike(image, [picture(5)], headless),
        "picture_vectors": lambda: explainer.picture_vectors([image], head),
        "own_classes": lambda: explainer.own_classes(image, own_classes(explainer, head), head),
        "targets": lambda: [explainer.targets(image, model) for model in (head, headless)],
        "relevance": lambda: [
            explainer.relevance(image, head),
            explainer.relevance(image, headless, target=1),
            explainer.relevance(image, head, methods=long, part=0),
        ],
        "faithfulness": lambda: explainer.faithfulness(image, head, steps=4),
        "walk": lambda: [
            explainer.walk(image, model, SIZE, step, None, 1, 1)
            for model in (head, headless, rotary)
            for step in WALK_STEPS
        ],
        "what_if": lambda: [
            explainer.what_if(image, head, edits=Edits(drop=((0, 1),), heads={(1, 0): "examples"})),
            explainer.what_if(image, headless, edits=Edits(shuffle_patches=True)),
            explainer.what_if(image, rotary, edits=Edits(patch_in=((1, None),)), other=picture(1)),
        ],
        "scan": lambda: [
            explainer.scan(image, head, kind="heads"),
            explainer.scan(image, headless, kind="patches", part=0),
            explainer.scan(image, rotary, kind="states", other=picture(1)),
        ],
        "fewest_patches": lambda: [
            explainer.fewest_patches(image, model, method="chefer") for model in (head, headless)
        ],
        "agreement": lambda: explainer.agreement(image, head, rotary),
        "joint_colours": lambda: explainer.joint_colours(image, [head, headless, rotary], depth=0.5),
        "compare": lambda: explainer.compare(image, [head, headless, str(ROOT / "nowhere")]),
        "details": lambda: explainer.details(head),
        "statuses": explainer.statuses,
        "default_model": explainer.default_model,
        "forget": lambda: explainer.forget("nobody"),
    }


# ----------------------------------------------------------------------------------------------------- one signature


def parameters(function) -> list[tuple]:
    """(name, default) of everything after self; a picture may be of any kind that the Explainer takes."""
    return [(p.name, p.default) for p in list(inspect.signature(function).parameters.values()) if p.name != "self"]


@pytest.fixture(scope="module")
def fake():
    import importlib.util

    spec = importlib.util.spec_from_file_location("tests_fake_of_questions", ROOT / "tests" / "ui" / "fake.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.FakeExplainer


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_has_one_signature(question, fake):
    """The protocol's, which the page is written against; the Explainer's; and that of the fake in the page's tests."""
    assert parameters(getattr(Explainer, question)) == parameters(QUESTIONS[question])
    assert parameters(getattr(fake, question)) == parameters(QUESTIONS[question])


def answer_of(question: str):
    """The function of answers/ that a method of the Explainer names, read off its source."""
    body = inspect.getsource(getattr(Explainer, question))
    names = [
        (node.value.attr, node.attr)
        for node in ast.walk(ast.parse(textwrap.dedent(body)))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute)
        and getattr(node.value.value, "id", "") == "answers"
    ]
    return {getattr(getattr(answers, topic), name) for topic, name in names}


@pytest.mark.parametrize("question", sorted(set(QUESTIONS) - NOT_COMPUTED))
def test_an_answer_has_its_questions_name_and_arguments(question):
    (function,) = answer_of(question)
    assert function.__name__ == question
    assert list(inspect.signature(function).parameters) == [
        "engine",
        *(name for name, _ in parameters(QUESTIONS[question])),
    ]


# ------------------------------------------------------------------------------------------------- plain data both ways


def same(one, other) -> bool:
    if is_dataclass(one):
        return type(one) is type(other) and all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if isinstance(one, DemoError):
        return type(one) is type(other) and (one.key, one.values) == (other.key, other.values)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return one == other


def test_the_walk_knows_every_question(explainer, models):
    assert set(asks(explainer, models)) == set(QUESTIONS)


@pytest.mark.parametrize("question", sorted(set(QUESTIONS) - {"ink_of_photograph", "forget"}))
def test_what_goes_in_and_comes_out_pickles(question, explainer, models, monkeypatch):
    """On ZeroGPU both cross into another process: here they cross into bytes and back, on the way in and out."""
    crossed, compute = [], explainer.compute

    def elsewhere(function, *arguments):
        function, arguments = pickle.loads(pickle.dumps((function, arguments)))
        answer = compute(function, *arguments)
        crossed.append(answer)
        sent = pickle.dumps(answer)
        # A tensor would drag the device along: no module's name begins so (lines of code that are shown may say torch)
        assert re.search(rb"[\x8c\x93c].?torch[._\x94\n]", sent, re.DOTALL) is None
        returned = pickle.loads(sent)
        assert same(answer, returned)
        return returned

    monkeypatch.setattr(explainer, "_answer", elsewhere)
    monkeypatch.setattr(explainer, "_runs_elsewhere", True)
    answer = asks(explainer, models)[question]()
    assert answer is not None
    assert crossed or question in NOT_COMPUTED


def test_comparing_answers_sees_a_difference():
    grid = PatchFeatures(np.eye(2), None, "key", 0, np.zeros(1), None)
    assert not same(grid, PatchFeatures(np.eye(2) + 1e-9, None, "key", 0, np.zeros(1), None))


# ---------------------------------------------------------------------------------------------------------- one turn


class OutOfTurn(TorchDispatchMode):
    """Notes every operation that computes while nobody holds the engine's turn."""

    def __init__(self, engine):
        super().__init__()
        self.engine, self.seen = engine, []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.name().partition("::")[2].partition(".")[0]
        if name.startswith(HEAVY) and not self.engine._turns.taken:
            self.seen.append(name)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("question", sorted(set(QUESTIONS) - NOT_COMPUTED))
def test_tensors_are_computed_in_turn(question, explainer, models):
    ask = asks(explainer, models)[question]
    for model in models.values():
        explainer.details(model)
    explainer.details(DIGITS_ID)
    with OutOfTurn(explainer._engine) as watch:
        ask()
    assert watch.seen == []


def test_the_watch_sees_what_is_computed_out_of_turn(explainer):
    engine = explainer._engine
    with OutOfTurn(engine) as watch:
        torch.ones(2, 3) @ torch.ones(3, 2)
        with engine.computing(gradients=True):
            torch.ones(2, 3) @ torch.ones(3, 2)
    assert watch.seen == ["mm"]


def test_no_answer_switches_gradients_off_without_taking_the_turn():
    """Which the watch would not see."""
    for path in Path(answers.__file__).parent.glob("*.py"):
        assert "inference_mode" not in path.read_text(encoding="utf-8"), path


def test_a_turn_keeps_others_waiting(explainer):
    engine, inside, order = explainer._engine, threading.Event(), []

    def other():
        inside.wait(10)
        with engine.computing():
            order.append("other")

    thread = threading.Thread(target=other)
    thread.start()
    with engine.computing():
        inside.set()
        thread.join(0.2)
        assert thread.is_alive()
        order.append("first")
    thread.join(10)
    assert order == ["first", "other"]


def test_full_memory_lets_go_of_everything_kept_and_of_the_turn(explainer, models):
    from vit_demo.contract import DemoError

    explainer.attention_layer(picture(0), models["head"])
    engine = explainer._engine
    assert engine.runs.nbytes > 0
    assert engine.kept.nbytes > 0
    with pytest.raises(DemoError) as caught, engine.computing():
        raise torch.OutOfMemoryError("full")
    assert caught.value.key == "page.out_of_memory"
    assert (engine.runs.nbytes, engine.kept.nbytes) == (0, 0)
    assert not engine._turns.taken
