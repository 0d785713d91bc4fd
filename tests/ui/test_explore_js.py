"""The explorer's mathematics in Node against NumPy: rows, columns, cosines, statistics, and the file they come in."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from vit_demo.ui.kit.binary import pack_arrays

MODULES = ("kit/files.js", "kit/explore.js")
LOAD = (
    "(() => { const bytes = Buffer.from(given.file, 'base64');"
    "const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);"
    "return js.layerFrom(js.unpack(buffer)) })()"
)
PREFIX, ROWS, COLS = 3, 4, 6


@pytest.fixture(scope="module")
def ask(node):
    return lambda expression, **given: node(expression, MODULES, **given)


@pytest.fixture
def layer(explainer, image, fake):
    """A layer's tensors, its file as text, and its exact attention (h, N, N)."""
    from vit_demo.contract import SizeChoice
    from vit_demo.ui.tabs.attention.tab import layer_file

    tensors = explainer.attention_layer(image, fake.HEAD, SizeChoice(), 2)
    return tensors, base64.b64encode(layer_file(tensors)).decode(), explainer.matrix(tensors.info, 2)


def test_arrays_of_every_kind_cross_with_their_shapes(ask):
    arrays = {
        kind: np.random.default_rng(1).integers(0, 100, shape).astype(kind)
        for kind, shape in [("u1", (3,)), ("i1", (2, 3)), ("i2", (1, 5)), ("u2", (7,)), ("f4", (2, 2, 2))]
    }
    unpacked = ask(
        "(() => { const b = Buffer.from(given.file, 'base64');"
        "const a = js.unpack(b.buffer.slice(b.byteOffset, b.byteOffset + b.length));"
        "return Object.keys(a).map((name) => [name, a[name].shape, Array.from(a[name])]) })()",
        file=base64.b64encode(pack_arrays(arrays)).decode(),
    )
    assert [name for name, *_ in unpacked] == list(arrays)
    for name, shape, values in unpacked:
        assert np.array_equal(np.array(values).reshape(shape), arrays[name])


def test_other_element_types_are_refused():
    with pytest.raises(ValueError, match="float64"):
        pack_arrays({"a": np.zeros(3)})


@pytest.mark.parametrize("direction", ["rowOf", "columnOf"])
def test_rows_and_columns_equal_the_attention_matrix_to_a_thousandth_of_their_top(ask, layer, direction):
    _, file, exact = layer
    heads, tokens = exact.shape[:2]
    ours = ask(
        f"(() => {{ const layer = {LOAD}, out = [];"
        "for (let h = 0; h < layer.heads; h++) for (let t = 0; t < layer.tokens; t++)"
        f"out.push(Array.from(js.{direction}(layer, h, t))); return out }})()",
        file=file,
    )
    ours = np.array(ours).reshape(heads, tokens, tokens)  # head, asked token, other token
    wanted = exact if direction == "rowOf" else exact.transpose(0, 2, 1)
    assert (np.abs(ours - wanted).max(axis=-1) < 1e-3 * wanted.max(axis=-1)).all()
    if direction == "rowOf":
        assert ours.sum(axis=-1) == pytest.approx(1, abs=1e-5)


def test_similarity_is_the_cosine_of_the_directions_sent(ask, layer):
    tensors = layer[0]
    file = base64.b64encode(pack_arrays({"features": tensors.features})).decode()
    sent = LOAD.replace("js.layerFrom(js.unpack(buffer))", "js.directionsOf(js.unpack(buffer).features)")
    features = tensors.features.astype(float)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    ours = ask(f"[0, 5].map((t) => js.cosinesOf({sent}, {len(unit)}, t))", file=file)
    assert np.array(ours) == pytest.approx((unit @ unit.T)[[0, 5]], abs=1e-5)


def test_the_distance_of_a_head_comes_with_its_layer(ask, layer):
    assert ask(f"{LOAD}.distance", file=layer[1]) == layer[0].distance_px.tolist()


@pytest.mark.parametrize(("how", "numpys"), [("mean", np.mean), ("max", np.max), ("sum", np.sum)])
def test_heads_are_fused(ask, how, numpys):
    maps = np.random.default_rng(2).uniform(size=(3, 5)).astype(np.float32)
    ours = ask("js.fused(given.maps.map((m) => Float32Array.from(m)), given.how)", maps=maps.tolist(), how=how)
    assert np.array(ours) == pytest.approx(numpys(maps, axis=0), rel=1e-5)


def test_the_entropy_of_an_even_row_is_the_logarithm_of_its_length_and_of_one_place_nothing(ask):
    assert ask("js.entropyBits(new Float32Array(8).fill(1 / 8))") == pytest.approx(3)
    assert ask("js.entropyBits([0, 1, 0])") == 0


@pytest.mark.parametrize("token", [PREFIX, PREFIX + 7, PREFIX + ROWS * COLS - 1])
def test_the_distance_of_a_row_counts_patches_alone(ask, token):
    row = np.random.default_rng(token).dirichlet(np.ones(PREFIX + ROWS * COLS))
    y, x = np.divmod(np.arange(ROWS * COLS), COLS)
    far = np.hypot(y - y[token - PREFIX], x - x[token - PREFIX])
    ours = ask("js.distancePx(given.row, given.token, 3, 6, 14)", row=row.tolist(), token=token)
    assert ours == pytest.approx(14 * (row[PREFIX:] * far).sum(), rel=1e-9)


def test_a_prefix_token_has_no_place_and_no_distance(ask):
    assert ask("Number.isNaN(js.distancePx([1, 0, 0, 0], 0, 3, 1, 14))") is True


def test_names_of_tokens_are_those_of_the_page_both_ways(ask):
    names = ["cls", "reg1", "reg2"]
    told = ask("[0, 2, 3, 9, 26].map((t) => js.tokenName(t, given.names, 6))", names=names)
    assert told == ["cls", "reg2", "0,0", "1,0", "3,5"]
    back = ask("given.told.map((name) => js.tokenNumber(name, given.names, 4, 6))", told=told, names=names)
    assert back == [0, 2, 3, 9, 26]
    lost = ask("['4,0', '0,6', 'dist', 'x,y', ''].map((n) => js.tokenNumber(n, given.names, 4, 6))", names=names)
    assert lost == [-1] * 5


def test_heads_together_are_laid_over_one_another_with_the_papers_weights(ask):
    maps = np.random.default_rng(3).exponential(size=(3, 10))
    colours = np.array([[230, 159, 0], [86, 180, 233]])
    picture = np.full((10, 3), 100.0)
    expected = picture.copy()
    for h, values in enumerate(maps):
        scaled = (values - values.min()) / (values.max() - values.min())
        weight = np.where(scaled > 0.2, 0.5 * np.sqrt(scaled), 0)[:, None]
        expected = expected * (1 - weight) + colours[h % 2] * weight
    rgba = np.array(ask("js.together(given.maps, given.colours)", maps=maps.tolist(), colours=colours.tolist()))
    rgba = rgba.reshape(10, 4).astype(float)
    alpha = rgba[:, 3:] / 255
    assert np.abs(picture * (1 - alpha) + rgba[:, :3] * alpha - expected).max() < 1.5
