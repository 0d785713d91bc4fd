"""The Python lines that the page gives away run as they stand, and compute the very numbers that the page shows."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vit_demo.checkpoints import embedded
from vit_demo.checkpoints.catalog import EMBEDDED_ID
from vit_demo.contract import SizeChoice
from vit_demo.contract.relevance import QUICK_METHODS
from vit_demo.explain import Explainer
from vit_demo.gallery import read_gallery
from vit_demo.ui.kit.download import PICTURE
from vit_demo.ui.state import PageState, Selection
from vit_demo.ui.tabs.attention import tab as attention
from vit_demo.ui.tabs.depth import tab as depth
from vit_demo.ui.tabs.embeddings import tab as embeddings
from vit_demo.ui.tabs.features import tab as features
from vit_demo.ui.tabs.own_classes import tab as own_classes
from vit_demo.ui.tabs.predict import tab as predict
from vit_demo.ui.tabs.relevance import tab as relevance

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def state() -> PageState:
    if not (embedded.is_converted() or embedded.is_installed()):
        pytest.skip("the embedded weights are not installed")
    examples = read_gallery()
    image = next(example for example in examples if example.key == "koala").picture()
    size, selection = SizeChoice(224, keep_shape=True), Selection(layer=4, head=1, token="3,2")
    return PageState(Explainer("cpu"), examples, image, EMBEDDED_ID, size, selection, "en")


@pytest.fixture
def run(state, tmp_path, monkeypatch, capsys):
    """`run(download)`: the names that its lines leave behind, run beside the picture and the files that they open."""

    def lines(made) -> dict:
        Image.fromarray(state.image).save(tmp_path / PICTURE)
        for name, content in made.files.items():
            (tmp_path / name).write_bytes(content)
        monkeypatch.chdir(tmp_path)
        names: dict = {"__name__": "__main__"}
        exec(compile(made.code, "lines.py", "exec"), names)
        assert capsys.readouterr().out.strip()  # they print what they are about
        return names

    return lines


def close(ours: np.ndarray, theirs: np.ndarray) -> bool:
    return np.shape(ours) == np.shape(theirs) and np.allclose(ours, theirs, rtol=1e-3, atol=1e-6)


def test_the_lines_of_attention_give_the_maps(state, run):
    made = run(attention.download(state))
    assert close(made["maps"].maps, state.explainer.attention(*state.picture, made["maps"].query, 4).maps)
    assert made["maps"].query.name == "3,2"


def test_the_lines_of_depth_give_the_table(state, run):
    made = run(depth.download(state, [], False, depth.PICTURE))
    assert close(made["table"].distance_px, state.explainer.depth(*state.picture).distance_px)


def test_the_lines_of_embeddings_give_filters_parts_and_positions(state, run):
    made = run(embeddings.download(state))
    image, model, size = state.picture
    assert close(made["filters"].filters, state.explainer.filters(model).filters)
    assert close(made["parts"].content, state.explainer.input_parts(*state.picture).content)
    assert close(made["similarity"].matrix, state.explainer.position_similarity(model, size, image).matrix)


def test_the_lines_of_relevance_give_every_methods_map_under_the_options(state, run):
    target = state.explainer.targets(*state.picture, 1).best[0]
    options = dict(fusion="max", discard=0.5, start=2, baseline="blur")
    made = run(relevance.download(state, target, **options))
    shown = relevance.quick(state, target, options)
    assert tuple(made["maps"]) == QUICK_METHODS
    for one in shown.maps:
        assert close(made["maps"][one.method], one.values), one.method


def test_the_lines_of_predict_give_the_answer(state, run):
    made, shown = run(predict.download(state))["answer"], state.explainer.predict(*state.picture)
    assert made.labels == shown.labels
    assert close(made.cosines, shown.cosines)


@pytest.mark.parametrize(
    ("view", "controls", "number"),
    [
        ("colours", dict(facet="key", method="dinov3"), lambda found: found.colours[0]),
        ("segments", dict(count=3), lambda found: found.labels),
        ("norms", dict(threshold=30), lambda found: found.patches),
        ("evolution", {}, lambda found: found.to_final),
    ],
)
def test_the_lines_of_features_give_the_open_view(state, run, view, controls, number):
    made = run(features.download(state, view=view, **controls))
    choices = dict(view=view, **controls)
    with np.load(next(iter(_npz(features.download(state, **choices))))) as kept:
        names = {"colours": "colours_0", "segments": "labels", "norms": "patches", "evolution": "to_final"}
        assert close(number(made["found"]), kept[names[view]])


def _npz(made):
    import io

    return [io.BytesIO(content) for name, content in made.files.items() if name.endswith(".npz")]


def test_the_lines_of_own_classes_give_votes_and_probabilities(state, run):
    own = None
    for name, example in zip("ab", state.examples, strict=False):
        own = own_classes.extended(state, own, name, (example.picture(),))
    made, shown = run(own_classes.download(state, own)), state.explainer.own_classes(state.image, own, state.model)
    assert close(made["answer"].votes, shown.votes)
    assert close(made["answer"].probe, shown.probe)
