"""Relevance through the Explainer: tiny models from a folder, with a head and without; each thing computed once."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from vit_demo.analysis import relevance as analysis
from vit_demo.answers.parts import PART_TOKENS
from vit_demo.contract import DemoError, RelevanceOptions, SizeChoice
from vit_demo.contract.relevance import LONG_METHODS, METHODS, QUICK_METHODS, SIGNED_METHODS
from vit_demo.edits import Edits
from vit_demo.explain import Explainer
from vit_demo.model import VisionTransformer

EXAMPLES = Path(__file__).parent.parent / "examples"
LABELS = ["ant", "bee", "crab", "dove", "eel"]
NATIVE, GRID, PATCH_PX, DEPTH = (64, 96), (4, 6), 16, 3
SHORT = RelevanceOptions(steps=6, masks=20, window=2, stride=1)


def save(target: Path, seed: int, labels=LABELS, **more) -> str:
    torch.manual_seed(seed)
    args = dict(img_size=NATIVE, depth=DEPTH, embed_dim=48, num_heads=3, **more)
    model = timm.create_model("vit_tiny_patch16_224", num_classes=len(labels), **args).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    if not labels:
        args["num_classes"] = 0
    timm.models.save_for_hf(
        model, target, model_config={"label_names": labels} if labels else {}, model_args=args, safe_serialization=True
    )
    return str(target)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save(tmp_path_factory.mktemp("tiny"), 0)


@pytest.fixture(scope="module")
def headless(tmp_path_factory):
    return save(tmp_path_factory.mktemp("headless"), 1, labels=[])


@pytest.fixture(scope="module")
def pooled(tmp_path_factory):
    return save(tmp_path_factory.mktemp("pooled"), 2, class_token=False, global_pool="avg")


@pytest.fixture(scope="module")
def shared():
    return one_threaded()


def one_threaded(**options) -> Explainer:
    explainer = Explainer("cpu", **options)
    _ = explainer._engine  # made here, which sets torch's threads
    torch.set_num_threads(1)
    return explainer


@pytest.fixture
def explainer():
    return one_threaded()


@pytest.fixture
def counted(monkeypatch):
    """Backward passes, and forward passes of whole models."""
    seen = {"backward": 0, "forward": 0}
    gradients, forward = analysis.gradients, VisionTransformer.forward

    def count_gradients(*args):
        seen["backward"] += 1
        return gradients(*args)

    def count_forward(self, pixels, trace=None):
        seen["forward"] += 1
        return forward(self, pixels, trace)

    monkeypatch.setattr(analysis, "gradients", count_gradients)
    monkeypatch.setattr(VisionTransformer, "forward", count_forward)
    return seen


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Models this small only wait for a second thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (90, 140, 3), dtype=np.uint8)


def example(name: str) -> np.ndarray:
    with Image.open(EXAMPLES / name) as opened:
        return np.asarray(opened.convert("RGB"))


# ------------------------------------------------------------------------------------------------------------ targets


def test_targets_of_a_classifier_are_all_classes_with_the_predicted_probabilities(shared, folder):
    targets = shared.targets(picture(), folder, top=3)
    predicted = shared.predict(picture(), folder, top=3)
    assert (targets.kind, targets.names, targets.layer, targets.centred) == ("class", tuple(LABELS), DEPTH - 1, False)
    assert tuple(targets.names[i] for i in targets.best) == predicted.labels
    assert targets.scores[list(targets.best)] == pytest.approx(predicted.probabilities)
    assert targets.scores.sum() == pytest.approx(1, abs=1e-5)


def test_targets_without_a_head_are_the_examples_compared_as_on_the_predict_tab(shared, headless):
    size = SizeChoice(224)
    targets = shared.targets(example("koala.jpg"), headless, size, top=5)
    near = shared.predict(example("koala.jpg"), headless, size)
    assert targets.kind == "example"
    assert tuple(targets.files[i] for i in targets.best) == near.names
    assert tuple(targets.names[i] for i in targets.best) == near.labels
    assert targets.scores[list(targets.best)] == pytest.approx(near.cosines, abs=1e-5)
    assert targets.files[targets.same] == "koala.jpg"
    assert targets.same not in targets.best
    assert targets.scores[targets.same] == pytest.approx(1, abs=1e-5)
    assert shared.targets(picture(), headless, size).same is None


@pytest.mark.parametrize("layer", [None, 1])
def test_a_comparison_reads_the_layer_of_the_card_and_its_score_is_the_targets(explainer, headless, layer):
    engine = explainer._engine
    loaded = engine.load(headless)
    changed = replace(loaded, card=replace(loaded.card, neighbour_layer=layer))
    engine.models.clear()
    engine.models.get_or_make(headless, lambda: changed, lambda _: 1)
    targets = explainer.targets(picture(), headless)
    assert (targets.layer, targets.centred) == ((DEPTH - 1, False) if layer is None else (layer, True))
    for target in (0, 4):
        answer = explainer.relevance(picture(), headless, target=target, methods=("chefer", "occlusion"))
        assert (answer.kind, answer.layer, answer.name) == ("example", targets.layer, targets.names[target])
        assert answer.score == pytest.approx(float(targets.scores[target]), abs=1e-6)
        assert all(np.abs(made.values).max() > 0 for made in answer.maps)


@pytest.mark.parametrize("target", [-1, len(LABELS)])
def test_a_target_that_is_not_there_is_refused(shared, folder, target):
    with pytest.raises(DemoError) as caught:
        shared.relevance(picture(), folder, target=target)
    assert caught.value.key == "relevance.no_such_target"


def test_without_examples_and_head_there_is_nothing_to_ask_for(headless):
    bare = one_threaded(examples=())
    with pytest.raises(DemoError) as caught:
        bare.targets(picture(), headless)
    assert caught.value.key == "relevance.no_examples"


# --------------------------------------------------------------------------------------------------------------- maps


def test_maps_come_in_the_order_asked_with_sign_unit_and_prefix(shared, folder):
    answer = shared.relevance(picture(), folder, target=2, methods=METHODS[::-1], options=SHORT)
    assert [made.method for made in answer.maps] == list(METHODS[::-1])
    for made in answer.maps:
        assert made.values.shape == GRID
        assert made.values.dtype == np.float32
        assert made.signed == (made.method in SIGNED_METHODS)
        assert made.signed or made.values.min() >= 0
        assert np.isfinite(made.values).all()
        assert np.ptp(made.values) > 0
        assert made.elapsed_ms > 0
        if made.unit == "share":
            assert made.values.sum() + made.prefix.sum() == pytest.approx(1, abs=1e-5)
            assert 0 < made.prefix_share < 1
        assert (made.prefix is None) == (made.method == "grad_cam" or made.signed)
    logits = shared._engine.run(picture(), folder, SizeChoice()).encoded.logits
    assert (answer.name, answer.kind, answer.score) == ("crab", "class", pytest.approx(logits[0, 2].item(), abs=1e-5))
    assert answer.picture.shape == (*NATIVE, 3)


def test_the_maps_of_two_classes_differ_but_for_those_that_see_no_class(shared, folder):
    one, two = (shared.relevance(picture(), folder, target=target) for target in (0, 3))
    for a, b in zip(one.maps, two.maps, strict=True):
        assert np.array_equal(a.values, b.values) == (a.method in ("attention", "rollout"))


def test_one_backward_pass_serves_all_methods_of_a_target(explainer, folder, counted):
    explainer.targets(picture(), folder)
    first = explainer.relevance(picture(), folder, target=1)
    assert counted == {"backward": 1, "forward": 1}  # each layer is computed again from what its trace holds
    assert first.shared_ms > 0
    for method in QUICK_METHODS:
        assert explainer.relevance(picture(), folder, target=1, methods=(method,)).shared_ms == 0
    explainer.relevance(picture(), folder, target=1, options=RelevanceOptions(head_fusion="max", discard=0.5))
    assert counted == {"backward": 1, "forward": 1}
    explainer.relevance(picture(), folder, target=2, methods=("attention", "rollout"))
    assert counted["backward"] == 1
    explainer.relevance(picture(), folder, target=2)
    explainer.relevance(picture(1), folder, target=1)
    assert counted["backward"] == 3


@pytest.mark.parametrize("method", LONG_METHODS)
def test_parts_of_a_long_method_add_up_to_the_whole(shared, folder, method, monkeypatch):
    monkeypatch.setitem(PART_TOKENS, "cpu", 200)  # eight pictures a part
    ask = lambda part: shared.relevance(picture(), folder, SizeChoice(), 0, (method,), SHORT, part)  # noqa: E731
    whole = ask(None).maps[0]
    assert whole.parts > 1
    assert whole.part is None
    parts = [ask(part).maps[0] for part in range(whole.parts)]
    assert [(made.part, made.parts) for made in parts] == [(part, whole.parts) for part in range(whole.parts)]
    assert np.abs(sum(made.values for made in parts) - whole.values).max() < 1e-4 * np.abs(whole.values).max()
    for part in (-1, whole.parts):
        with pytest.raises(DemoError) as caught:
            ask(part)
        assert caught.value.key == "relevance.no_such_part"


@pytest.mark.parametrize("baseline", ["mean", "blur", "black"])
def test_integrated_gradients_add_up_to_score_less_baseline_score(shared, folder, baseline):
    options = RelevanceOptions(steps=48, baseline=baseline)
    answer = shared.relevance(picture(), folder, target=1, methods=("integrated_gradients",), options=options)
    difference = answer.score - answer.baseline_score
    assert abs(difference) > 0.02
    assert answer.maps[0].values.sum() == pytest.approx(difference, abs=0.01)


def test_quick_methods_need_no_baseline(shared, folder):
    assert shared.relevance(picture(), folder, methods=("chefer",)).baseline_score is None


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (dict(head_fusion="sum"), "head_fusion"),
        (dict(discard=1.0), "discard"),
        (dict(start_layer=DEPTH), "start_layer"),
        (dict(start_layer=-1), "start_layer"),
        (dict(baseline="noise"), "baseline"),
        (dict(steps=0), "steps"),
        (dict(steps=10**6), "steps"),
        (dict(masks=10**9), "masks"),
        (dict(keep_share=0.0), "keep_share"),
        (dict(keep_share=float("nan")), "keep_share"),
        (dict(window=5), "window"),
        (dict(window=2, stride=3), "stride"),
    ],
)
def test_options_out_of_range_are_refused_by_name(shared, folder, options, name):
    with pytest.raises(DemoError) as caught:
        shared.relevance(picture(), folder, methods=METHODS, options=replace(SHORT, **options))
    assert (caught.value.key, caught.value.values["name"]) == ("relevance.option_out_of_range", name)


def test_a_method_that_is_not_there_is_refused_with_the_list(shared, folder):
    with pytest.raises(DemoError, match=r"no method lime.*chefer"):
        shared.relevance(picture(), folder, methods=("chefer", "lime"))


@pytest.mark.parametrize(("grid", "places"), [((14, 14), 169), ((37, 37), 144), ((4, 6), 15), ((64, 64), 144)])
def test_occlusion_has_a_bounded_number_of_places_by_default(grid, places):
    from vit_demo.analysis.perturbation import occlusion_masks
    from vit_demo.answers.targets import occlusion_window

    masks = occlusion_masks(grid, *occlusion_window(RelevanceOptions(), grid))
    assert len(masks) == places
    assert masks.min(dim=0).values.max() == 0


# ------------------------------------------------------------------------------------------------------- faithfulness


def test_curves_start_and_end_at_the_picture_and_the_baseline(shared, folder):
    values = shared.relevance(picture(), folder, target=1, methods=("chefer",)).maps[0].values
    curves = shared.faithfulness(picture(), folder, target=1, values=values, baseline="blur", steps=5)
    probability = float(shared.targets(picture(), folder).scores[1])
    assert curves.fractions == pytest.approx([round(i * 24 / 5) / 24 for i in range(6)])
    assert curves.deletion[0] == curves.insertion[-1] == pytest.approx(probability, abs=1e-5)
    assert curves.deletion[-1] == curves.insertion[0] != curves.deletion[0]
    assert curves.deletion_area == pytest.approx(np.trapezoid(curves.deletion, curves.fractions), abs=1e-6)
    assert curves.insertion_area == pytest.approx(np.trapezoid(curves.insertion, curves.fractions), abs=1e-6)
    assert (curves.random, curves.baseline, curves.name) == (False, "blur", "bee")


def test_dropped_patches_are_not_there_at_every_point_of_the_curves(shared, folder):
    """Each point is a pass of its own without these patches (tests/parity/test_edits.py holds that against timm)."""
    values = np.random.default_rng(3).normal(size=GRID)
    curves = shared.faithfulness(picture(), folder, target=1, values=values, steps=4)
    order = [divmod(int(i), GRID[1]) for i in np.argsort(-values, axis=None, kind="stable")]
    assert curves.baseline == "dropped"
    for step, count in enumerate(round(i * len(order) / 4) for i in range(5)):
        without = shared.what_if(picture(), folder, edits=Edits(drop=tuple(order[:count])), target=1)
        alone = shared.what_if(picture(), folder, edits=Edits(drop=tuple(order[count:])), target=1)
        assert curves.deletion[step] == pytest.approx(without.after[without.target], abs=1e-5)
        assert curves.insertion[step] == pytest.approx(alone.after[alone.target], abs=1e-5)


def test_curves_are_the_same_in_any_batch(shared, folder, monkeypatch):
    values = np.random.default_rng(4).normal(size=GRID)
    ask = lambda: shared.faithfulness(picture(), folder, target=2, values=values, steps=7)  # noqa: E731
    together = ask()
    shared._engine.answers.clear()
    monkeypatch.setattr("vit_demo.analysis.interventions.TOKENS_AT_ONCE", 1)
    alone = ask()
    assert alone.deletion == pytest.approx(together.deletion, abs=1e-5)
    assert alone.insertion == pytest.approx(together.insertion, abs=1e-5)


def test_where_the_answer_is_read_from_patches_hidden_ones_show_the_mean_colour(shared, pooled):
    dropped, mean = (shared.faithfulness(picture(), pooled, target=0, steps=4, baseline=b) for b in ("dropped", "mean"))
    assert dropped.baseline == "mean"
    assert np.array_equal(dropped.deletion, mean.deletion)


def test_occlusion_drops_what_it_hides_by_default(shared, folder):
    options = RelevanceOptions(window=2, stride=2)
    got = shared.relevance(picture(), folder, target=1, methods=("occlusion",), options=options).maps[0].values
    square = tuple((row, col) for row in (2, 3) for col in (0, 1))
    without = shared.what_if(picture(), folder, edits=Edits(drop=square), target=1)
    drop = without.scores_before[without.target] - without.scores_after[without.target]
    assert got[3, 1] == pytest.approx(float(drop), abs=1e-5)
    painted = shared.relevance(
        picture(), folder, target=1, methods=("occlusion",), options=replace(options, baseline="mean")
    )
    assert np.abs(painted.maps[0].values - got).max() > 1e-4


def test_inserting_in_an_order_is_deleting_in_its_reverse_backwards(shared, folder):
    values = np.random.default_rng(0).normal(size=GRID)
    one = shared.faithfulness(picture(), folder, target=0, values=values, steps=6)
    other = shared.faithfulness(picture(), folder, target=0, values=-values, steps=6)
    assert one.insertion == pytest.approx(other.deletion[::-1], abs=1e-5)
    assert np.ptp(one.deletion) > 0.001


def test_a_random_order_is_drawn_by_its_seed(shared, folder):
    draws = [shared.faithfulness(picture(), folder, target=0, steps=6, seed=seed) for seed in (0, 0, 1)]
    assert all(curves.random for curves in draws)
    assert np.array_equal(draws[0].deletion, draws[1].deletion)
    assert not np.array_equal(draws[0].deletion, draws[2].deletion)


def test_curves_of_a_comparison_are_cosines(shared, headless):
    targets = shared.targets(picture(), headless)
    curves = shared.faithfulness(picture(), headless, target=3, steps=4)
    assert curves.kind == "example"
    assert curves.deletion[0] == pytest.approx(float(targets.scores[3]), abs=1e-5)


def test_steps_never_exceed_the_patches(shared, folder):
    assert len(shared.faithfulness(picture(), folder, steps=64).fractions) == GRID[0] * GRID[1] + 1


@pytest.mark.parametrize("values", [np.zeros((6, 4)), np.full(GRID, np.nan), np.zeros(24)])
def test_a_map_that_does_not_fit_is_refused(shared, folder, values):
    with pytest.raises(DemoError) as caught:
        shared.faithfulness(picture(), folder, values=values)
    assert caught.value.key == "relevance.wrong_map"


@pytest.mark.parametrize(("options", "name"), [(dict(steps=0), "curve_steps"), (dict(baseline="x"), "baseline")])
def test_curves_are_bounded_too(shared, folder, options, name):
    with pytest.raises(DemoError) as caught:
        shared.faithfulness(picture(), folder, **options)
    assert caught.value.values["name"] == name


def test_answers_pickle_as_plain_data(shared, folder, headless):
    for model in (folder, headless):
        given = [
            shared.targets(picture(), model),
            shared.relevance(picture(), model, methods=METHODS, options=SHORT),
            shared.faithfulness(picture(), model, steps=3),
        ]
        for answer in given:
            data = pickle.dumps(answer)
            assert b"torch" not in data
            assert type(pickle.loads(data)) is type(answer)
