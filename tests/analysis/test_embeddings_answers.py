"""What the Explainer answers about embeddings: the right numbers for the right picture, as plain data that pickles."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
import torch

from vit_demo.contract import DemoError, ModelCard, PreprocessSpec, SizeChoice, TokenQuery
from vit_demo.memory import Limits
from vit_demo.model import RopeConfig, VisionTransformer, ViTConfig
from vit_demo.model.position import RESAMPLING

NATIVE, OTHER = SizeChoice(), SizeChoice(64)  # 3 × 5 patches; 4 × 7
LABELS = ("ant", "bee", "crab", "dove")


def explainer_of(folder, **options):
    """An Explainer whose one model is a tiny ViT for pictures of 48×80."""
    from vit_demo.checkpoints.load import LoadedModel
    from vit_demo.engine import Engine
    from vit_demo.explain import Explainer
    from vit_demo.hardware import Hardware

    torch.manual_seed(0)
    settings = dict(image_size=(48, 80), dim=24, depth=3, heads=3, mlp_hidden=40, num_registers=2, num_classes=4)
    model = VisionTransformer(ViTConfig(**{**settings, **options})).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.25 * torch.randn(parameter.shape))
    fields = dict.fromkeys(field.name for field in dataclasses.fields(LoadedModel))
    card = ModelCard("tiny", "Tiny", "ViT", 1, 1, "", "", True, (48, 80), 16, "catalog.why_own")
    spec = PreprocessSpec((48, 80), crop_pct=1.0)
    fields |= dict(model=model, card=card, preprocess=spec, labels=LABELS if model.head else None, revision="1")
    explainer = Explainer("cpu")
    explainer._made = Engine(Hardware("cpu", None), Limits(), folder, lambda name: True)
    explainer._made.load = lambda name, progress=None: LoadedModel(**fields)
    return explainer, model


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (96, 160, 3), np.uint8)


def pixels_of(explainer, size) -> torch.Tensor:
    return torch.from_numpy(explainer._made.run(picture(), "tiny", size).prepared.pixels)[None]


def plain(answer):
    """The answer after a journey to another process; every field is numpy, a string, a number or a dataclass."""
    again = pickle.loads(pickle.dumps(answer))
    assert not any(isinstance(value, torch.Tensor) for value in vars(again).values())
    return again


def test_every_filter_answers_what_the_patch_embedding_makes_of_it(tmp_path):
    explainer, model = explainer_of(tmp_path)
    answer = plain(explainer.filter_responses(picture(), "tiny", OTHER, None))
    embedded = model.patch_embed(pixels_of(explainer, OTHER))[0] - model.patch_embed.bias[:, None, None]
    assert answer.responses.shape == (24, 4, 7)
    assert np.abs(answer.responses - embedded.numpy()).max() < 1e-4
    assert answer.filters.shape == (24, 16, 16, 3)
    weight = model.patch_embed.weight[5].permute(1, 2, 0).numpy()
    assert np.allclose(answer.filters[5], 0.5 + weight / (2 * np.abs(weight).max()), atol=1e-6)
    assert answer.picture.shape == (64, 112, 3)


def test_components_answer_in_the_order_of_the_bank(tmp_path):
    explainer, _ = explainer_of(tmp_path)
    bank, answer = explainer.filters("tiny", 7), explainer.filter_responses(picture(), "tiny", NATIVE, 7)
    assert np.array_equal(bank.filters, answer.filters)
    assert answer.responses.shape == (7, 3, 5)


def test_structure_follows_the_grid_of_the_picture(tmp_path):
    explainer, _ = explainer_of(tmp_path)
    answer = plain(explainer.position_structure("tiny", OTHER, picture(), 6))
    similarity = explainer.position_similarity("tiny", OTHER, picture())
    assert (answer.by_offset.shape, answer.components.shape) == ((7, 13), (6, 4, 7))
    assert answer.by_offset[3, 6] == pytest.approx(1)
    assert answer.by_offset[-1, -1] == pytest.approx(similarity.matrix[0, -1], abs=1e-6)  # one pair alone
    assert answer.explained.sum() == pytest.approx(1, abs=1e-5)


def test_a_model_with_rope_alone_has_a_kernel_and_no_components(tmp_path):
    explainer, _ = explainer_of(tmp_path, position="none", position_prefix=0, rope=RopeConfig(), heads=2, dim=16)
    answer = plain(explainer.position_structure("tiny", OTHER, picture()))
    assert answer.kind == "rope"
    assert answer.components.shape == (0, 4, 7)
    assert answer.by_offset[3, 6] == pytest.approx(1)


def test_a_model_without_places_says_so(tmp_path):
    explainer, _ = explainer_of(tmp_path, position="none", position_prefix=0)
    with pytest.raises(DemoError, match="neither position embeddings nor rotation"):
        explainer.position_structure("tiny")
    with pytest.raises(DemoError, match="no table"):
        explainer.interpolation(picture(), "tiny", OTHER)
    with pytest.raises(DemoError, match="no table"):
        explainer.stretched_table("tiny", (4, 7))
    with pytest.raises(DemoError, match="does not rotate"):
        explainer.rotation(picture(), "tiny", OTHER)


@pytest.mark.parametrize("position_prefix", [0, 1])
def test_parts_of_the_input_have_the_norms_of_their_vectors(tmp_path, position_prefix):
    explainer, model = explainer_of(tmp_path, position_prefix=position_prefix)
    answer = plain(explainer.input_parts(picture(), "tiny", OTHER))
    patches = model.patch_embed(pixels_of(explainer, OTHER)).flatten(2)[0].T.double().numpy()
    places = model.positions((4, 7))[1][0].double().numpy()
    norm = lambda values: np.linalg.norm(values, axis=-1)  # noqa: E731
    assert np.allclose(answer.content.ravel(), norm(patches), rtol=1e-5)
    assert np.allclose(answer.positions.ravel(), norm(places), rtol=1e-5)
    assert np.allclose(answer.total.ravel(), norm(patches + places), rtol=1e-5)
    cosine = (patches * places).sum(-1) / norm(patches) / norm(places)
    assert np.allclose(answer.cosine.ravel(), cosine, atol=1e-5)
    assert answer.prefix_names == ("cls", "reg1", "reg2")
    assert np.isnan(answer.prefix[:, 1]).tolist() == [position_prefix == 0, True, True]
    token = model.class_token[0, 0].double().numpy()
    if position_prefix:
        place = model.position[0, 0].double().numpy()
        expected = [norm(token), norm(place), norm(token + place), token @ place / norm(token) / norm(place)]
        assert np.allclose(answer.prefix[0], expected, atol=1e-5)
    else:
        assert answer.prefix[0, 2] == pytest.approx(norm(token), rel=1e-5)


@pytest.mark.parametrize(("first", "second"), [(None, "dino"), ("google", "transformers"), (None, "dinov2_reg")])
def test_two_conventions_are_compared_by_two_models_made_for_them(tmp_path, first, second):
    explainer, model = explainer_of(tmp_path, position_resampling="timm")
    answer = plain(explainer.interpolation(picture(), "tiny", OTHER, first, second))
    table = plain(explainer.stretched_table("tiny", (4, 7), first, second))
    pixels = pixels_of(explainer, OTHER)
    outputs, tables = [], []
    for rule in (first or "timm", second):
        made = (
            VisionTransformer(dataclasses.replace(model.config, position_resampling=rule)).eval().requires_grad_(False)
        )
        made.load_state_dict(model.state_dict())
        outputs.append(made(pixels))
        tables.append(made.positions((4, 7))[1][0].double().numpy())
    apart = np.sqrt(((tables[0] - tables[1]) ** 2).mean(1)) / tables[0].std(ddof=1)
    assert np.allclose(table.positions.ravel(), apart, atol=1e-5)
    index = table.rules.index
    assert table.rules == tuple(RESAMPLING)
    assert table.apart[index(first or "timm"), index(second)] == pytest.approx(np.sqrt((apart**2).mean()), abs=1e-5)
    assert np.allclose(np.diag(table.apart), 0)
    assert (table.own, table.compared) == (index("timm"), (index(first or "timm"), index(second)))
    a, b = (output.tokens[0].double().numpy() for output in outputs)
    cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    assert np.allclose(answer.features.ravel(), 1 - cosine[3:], atol=1e-5)
    assert answer.class_feature == pytest.approx(1 - cosine[0], abs=1e-5)
    p, q = (torch.softmax(output.logits[0].double(), -1).numpy() for output in outputs)
    order = np.argsort(-p)
    assert answer.labels == tuple(LABELS[i] for i in order)
    assert np.allclose(answer.before, p[order], atol=1e-5)
    assert np.allclose(answer.after, q[order], atol=1e-5)
    assert answer.moved == pytest.approx(np.abs(p - q).sum() / 2, abs=1e-5)
    assert (answer.compared, answer.grid.shape) == ((first or "timm", second), (4, 7))
    assert (answer.moved > 1e-6) == (second != "dinov2_reg")  # which is timm's own call


def test_a_stretched_table_shows_the_likeness_to_its_middle(tmp_path):
    explainer, model = explainer_of(tmp_path)
    table = plain(explainer.stretched_table("tiny", (4, 6), None, "google"))
    native = model.position[0, model.config.position_prefix :].double().numpy()
    for rule, shown in zip(table.rules, table.maps, strict=True):
        stretched = model.positions((4, 6), rule)[1][0].double().numpy()
        unit = stretched / np.linalg.norm(stretched, axis=1, keepdims=True)
        assert np.allclose(shown, (unit @ unit[2 * 6 + 3]).reshape(4, 6), atol=1e-5)
    unit = native / np.linalg.norm(native, axis=1, keepdims=True)
    assert np.allclose(table.native_map, (unit @ unit[1 * 5 + 2]).reshape(3, 5), atol=1e-5)


@pytest.mark.parametrize("component", [1, 3])
def test_a_stretched_table_shows_a_component_of_the_native_one(tmp_path, component):
    from sklearn.decomposition import PCA

    explainer, model = explainer_of(tmp_path)
    table = plain(explainer.stretched_table("tiny", (4, 6), None, "google", component))
    native = model.position[0, model.config.position_prefix :].double().numpy()
    fitted = PCA(component, svd_solver="full").fit(native)
    score = fitted.transform(native)[:, -1]
    sign = np.sign(score[np.abs(score).argmax()])
    assert np.allclose(table.native_map.ravel(), sign * score, atol=1e-5)
    for rule, shown in zip(table.rules, table.maps, strict=True):
        stretched = model.positions((4, 6), rule)[1][0].double().numpy()
        assert np.allclose(shown.ravel(), sign * fitted.transform(stretched)[:, -1], atol=1e-5)


def test_on_the_native_grid_no_convention_changes_anything(tmp_path):
    explainer, _ = explainer_of(tmp_path)
    answer = explainer.interpolation(picture(), "tiny", NATIVE, "dino", "google")
    assert answer.moved == pytest.approx(0, abs=1e-6)
    table = explainer.stretched_table("tiny", (3, 5), "dino", "google")
    assert table.apart.max() == table.positions.max() == 0
    assert np.allclose(table.maps, table.native_map)


def test_a_model_without_a_head_has_no_prediction_to_change(tmp_path):
    explainer, _ = explainer_of(tmp_path, num_classes=0)
    answer = explainer.interpolation(picture(), "tiny", OTHER, "dino", "google")
    assert (answer.labels, answer.moved) == ((), None)
    assert answer.features.max() > 0


def test_a_picture_is_run_on_the_grid_that_is_asked_for(tmp_path):
    explainer, _ = explainer_of(tmp_path)
    answer = explainer.interpolation(picture(), "tiny", SizeChoice(grid=(2, 6)), "dino", "google")
    assert answer.grid.shape == answer.features.shape == (2, 6)


def test_an_unknown_convention_is_refused(tmp_path):
    explainer, _ = explainer_of(tmp_path)
    with pytest.raises(DemoError, match="nobody"):
        explainer.interpolation(picture(), "tiny", OTHER, None, "nobody")
    with pytest.raises(DemoError, match="nobody"):
        explainer.stretched_table("tiny", (4, 7), "nobody", "timm")


@pytest.mark.parametrize("grid", [(0, 5), (3, -1), (65, 64), (10**9, 10**9)])
def test_a_grid_that_no_picture_may_have_is_refused(tmp_path, grid):
    explainer, _ = explainer_of(tmp_path)
    with pytest.raises(DemoError, match="4096"):
        explainer.stretched_table("tiny", grid)
    with pytest.raises(DemoError, match="4096"):
        explainer.interpolation(picture(), "tiny", SizeChoice(grid=grid))


@pytest.mark.parametrize("kind", ["centred", "mixed"])
def test_rotation_shows_one_tokens_attention_with_and_without(tmp_path, kind):
    rope = RopeConfig(kind)
    explainer, _ = explainer_of(tmp_path, position="none", position_prefix=0, rope=rope, heads=2, dim=16)
    query = TokenQuery(None, 2, 6)
    answer = plain(explainer.rotation(picture(), "tiny", OTHER, query, 1, 1))
    attention = explainer.attention(picture(), "tiny", OTHER, query, 1)
    assert np.allclose(answer.turned, attention.maps)
    assert answer.unturned.shape == (2, 4, 7)
    assert np.abs(answer.turned - answer.unturned).max() > 1e-3
    bands = 4 if kind == "mixed" else 2
    assert (answer.down.shape, answer.right.shape) == ((bands, 4), (bands, 7))
    assert answer.turns_down.shape == ((0,) if kind == "mixed" else (2,))
