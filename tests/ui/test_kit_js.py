"""The browser's pure functions, run by Node and compared with Python's numbers."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from vit_demo.render.colour import colour_table, colourise


@pytest.fixture(scope="module")
def js(node):
    """The value of a JavaScript expression over `js` (kit/maps.js, kit/words.js) and `given`."""
    return lambda expression, **given: node(expression, ("kit/maps.js", "kit/words.js"), **given)


def test_the_mask_is_dinos(js):
    torch = pytest.importorskip("torch")
    from vit_demo.analysis.attention import smallest_mass_mask

    maps = np.random.default_rng(5).exponential(size=(12, 35)).astype(np.float32) ** 2
    shares = [0.01, 0.1, 0.35, 0.6, 0.9, 0.99]
    masks = js(
        "given.maps.flatMap((map) => given.shares.map((share) => js.massMask(Float32Array.from(map), share)))",
        maps=maps.tolist(),
        shares=shares,
    )
    weights = torch.from_numpy(maps.astype(np.float64))
    expected = torch.stack([smallest_mass_mask(weights, share) for share in shares], dim=1)  # (maps, shares, n)
    assert np.array_equal(np.array(masks, bool), expected.reshape(-1, 35).numpy())


def test_the_mask_is_the_fewest_strongest_patches(js):
    assert js("js.massMask(Float32Array.from([1, 5, 2, 8]), 0.5)") == [0, 0, 0, 1]
    assert js("js.massMask(Float32Array.from([1, 5, 2, 8]), 0.51)") == [0, 1, 0, 1]
    assert js("js.massMask(Float32Array.from([1, 5, 2, 8]), 1)") == [1, 1, 1, 1]


def test_an_empty_map_has_an_empty_mask(js):
    assert js("js.massMask(new Float32Array(3), 0.6)") == [0, 0, 0]


@pytest.mark.parametrize(
    ("x", "y", "row", "col"),
    [
        (0, 0, 0, 0),
        (599 / 600, 299 / 300, 2, 4),  # the last pixel is the last patch
        (1, 1, 2, 4),
        (1.2, -0.1, 0, 4),
        (-0.1, 1.2, 2, 0),
        (0.2, 1 / 3, 1, 1),  # an edge belongs to the patch that begins there
        (0.1999, 0.3333, 0, 0),
    ],
)
def test_a_point_is_in_its_patch(js, x, y, row, col):
    assert js("js.patchAt(given.x, given.y, 3, 5)", x=x, y=y) == {"row": row, "col": col}


@pytest.mark.parametrize(
    ("key", "at", "to"),
    [
        ("ArrowUp", (1, 1), (0, 1)),
        ("ArrowDown", (1, 1), (2, 1)),
        ("ArrowLeft", (1, 1), (1, 0)),
        ("ArrowRight", (1, 1), (1, 2)),
        ("ArrowUp", (0, 4), (0, 4)),
        ("ArrowDown", (2, 4), (2, 4)),
        ("ArrowLeft", (2, 0), (2, 0)),
        ("ArrowRight", (0, 4), (0, 4)),
    ],
)
def test_arrow_keys_move_by_one_and_stop_at_the_edge(js, key, at, to):
    answer = js("js.stepOf(given.key, given.at, 3, 5)", key=key, at={"row": at[0], "col": at[1]})
    assert answer == {"row": to[0], "col": to[1]}


def test_other_keys_do_not_move(js):
    assert js("['Enter', ' ', 'a', 'Tab'].map((key) => js.stepOf(key, {row: 1, col: 1}, 3, 5))") == [None] * 4


def test_maps_are_little_endian_and_follow_each_other(js):
    numbers = np.array([[0, 1, 256], [65535, 258, 32768]], "<u2")
    data = base64.b64encode(numbers.tobytes()).decode()
    values = js("[0, 1].map((h) => js.mapOf(js.bytesOf(given.data), h, 3, 0.5))", data=data)
    assert np.array(values) == pytest.approx(numbers / 65535 * 0.5, rel=1e-6)


def test_colours_are_pythons(js):
    table = colour_table("viridis")
    values = [-1.0, 0.0, 0.3, 1.0, 1.9, 2.0, 3.0]
    colours = js(
        "js.coloursOf(given.values, 0, 2, Uint8Array.from(given.table))",
        values=values,
        table=table.ravel().tolist(),
    )
    colours = np.array(colours).reshape(-1, 4)
    assert np.array_equal(colours[:, :3], colourise(np.array(values), (0, 2)))
    assert np.array_equal(colours[0, :3], table[0])
    assert np.array_equal(colours[-1, :3], table[255])
    assert (colours[:, 3] == 255).all()


def test_masked_places_are_transparent(js):
    table = list(range(256)) * 3
    assert js("js.coloursOf([0, 1], 0, 1, given.table, [0, 1])", table=table)[3::4] == [0, 255]


def test_a_flat_map_has_the_lowest_colour(js):
    table = colour_table("grey").ravel().tolist()
    assert js("js.coloursOf([4, 4], 4, 4, given.table)", table=table) == [0, 0, 0, 255] * 2


def test_ranks_count_from_one_and_ties_share(js):
    assert js("[0, 1, 2, 3].map((i) => js.rankOf([3, 9, 3, 1], i))") == [2, 1, 2, 4]


def test_the_largest_of_negatives_is_negative(js):
    assert js("js.largest([-3, -1, -2])") == -1


@pytest.mark.parametrize(
    ("value", "read"), [(0, "0"), (0.5, "50"), (0.0123, "1.2"), (0.00123, "0.12"), (0.000123, "0.012")]
)
def test_percentages_have_three_figures_at_most(js, value, read):
    assert js("js.percent(given.value)", value=value) == read


def test_phrases_are_filled_and_unknown_names_stay(js):
    assert js("js.fill('row {row}, {other}', {row: 0})") == "row 0, {other}"
