"""Dots over layers: each stands where its value says, in a figure that is well formed and safe."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from vit_demo.render import scatter
from vit_demo.render.scatter import Series, marker_svg, scatter_svg, ticks

SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)


def of_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [node for node in root.iter() if node.get("class") == name]


def layer_numbers(root: ET.Element) -> dict[int, float]:
    """The numbers under the figure, and where each stands."""
    words = [text for text in of_class(root, "vd-sc-text") if text.get("text-anchor") != "end"]
    return {int(text.text): float(text.get("x")) for text in words}


def centres(group: ET.Element) -> np.ndarray:
    """(dots, 2) x and y of circles, from their paths."""
    found = []
    for path in group.findall(f"{SVG}g/{SVG}path"):
        x, y = re.match(r"M([\d.]+) ([\d.]+)a", path.get("d")).groups()
        found.append((float(x) + scatter.RADIUS, float(y)))
    return np.array(found)


def value_of(root: ET.Element, y: np.ndarray) -> np.ndarray:
    """Values back from heights, by the two outermost tick lines alone."""
    heights = [float(line.get("d").split()[1].split("H")[0]) for line in of_class(root, "vd-sc-line")]
    words = [float(text.text) for text in of_class(root, "vd-sc-text") if text.get("text-anchor") == "end"]
    return words[0] + (y - heights[0]) / (heights[-1] - heights[0]) * (words[-1] - words[0])


@pytest.mark.parametrize("top", [0.013, 1.0, 12.4, 260.0])
def test_every_dot_stands_at_its_value_and_above_its_layer(top):
    values = np.random.default_rng(0).uniform(0, top, (5, 3))
    root = parsed(scatter_svg([Series(values)], "figure"))
    (group,) = of_class(root, "vd-sc-series")
    dots = centres(group)
    assert np.abs(value_of(root, dots[:, 1]) - values.ravel()).max() < 0.002 * top
    layers = layer_numbers(root)
    assert list(layers) == [1, 2, 3, 4, 5]
    assert np.abs(dots[:, 0] - np.repeat(list(layers.values()), 3)).max() < 0.2


def test_the_line_goes_through_the_means_of_the_layers():
    values = np.random.default_rng(1).uniform(0, 9, (4, 6))
    root = parsed(scatter_svg([Series(values)], "figure"))
    points = root.find(f".//{SVG}polyline").get("points").split()
    heights = np.array([float(point.split(",")[1]) for point in points])
    assert np.abs(value_of(root, heights) - values.mean(axis=1)).max() < 0.03


def test_guides_stand_at_their_value_and_widen_the_scale():
    root = parsed(scatter_svg([Series(np.ones((2, 2)))], "figure", guides=(7.5,)))
    (guide,) = of_class(root, "vd-sc-guide")
    height = float(guide.get("d").split()[1].split("H")[0])
    assert value_of(root, np.array([height]))[0] == pytest.approx(7.5, abs=0.05)


def test_series_stand_beside_each_other_in_colours_and_shapes_of_their_own():
    root = parsed(scatter_svg([Series(np.full((3, 2), 1.0))] * 4, "figure"))
    groups = of_class(root, "vd-sc-series")
    assert len({group.get("style") for group in groups}) == 4
    shapes = {re.sub(r"[\d.\-]+", "", group.find(f"{SVG}g/{SVG}path").get("d")) for group in groups}
    assert len(shapes) == 4
    starts = [float(group.find(f"{SVG}polyline").get("points").split(",")[0]) for group in groups]
    assert starts == sorted(starts)
    assert len(set(starts)) == 4


def test_a_series_without_layers_keeps_its_colour_for_the_next():
    root = parsed(scatter_svg([Series(np.zeros((0, 0))), Series(np.ones((2, 2)))], "figure"))
    empty, full = of_class(root, "vd-sc-series")
    assert empty.findall(f"{SVG}g/{SVG}path") == []
    assert "--vd-series-2" in full.get("style")
    assert "--vd-series-2" in marker_svg(1)


def test_words_are_read_and_never_become_markup():
    bad = '"><script>alert(1)</script>'
    svg = scatter_svg([Series(np.ones((1, 2)), [bad, "second"])], bad, number=lambda value: bad)
    root = parsed(svg)
    assert root.get("aria-label") == bad
    assert [node.text for node in root.iter(f"{SVG}title")] == [bad, "second"]
    assert list(root.iter(f"{SVG}script")) == []


@pytest.mark.parametrize("high", [1e-6, 0.013, 0.3, 1, 4.999, 5, 5.001, 99, 241, 1e5])
def test_ticks_are_round_few_and_reach_the_top(high):
    marks = ticks(high)
    step = marks[1]
    assert marks[0] == 0
    assert 2 <= len(marks) <= 6
    assert marks[-1] >= high * (1 - 1e-9)
    assert marks[-2] < high
    assert np.allclose(np.diff(marks), step)
    mantissa = step / 10 ** np.floor(np.log10(step) + 1e-9)
    assert min(abs(mantissa - round_one) for round_one in (1, 2, 5)) < 1e-6


def test_all_zeros_still_make_a_figure():
    assert ticks(0.0) == [0.0, 1.0]
    assert parsed(scatter_svg([Series(np.zeros((2, 2)))], "figure")) is not None


def test_deep_models_do_not_crowd_their_numbers():
    root = parsed(scatter_svg([Series(np.ones((40, 1)))], "figure"))
    shown = list(layer_numbers(root))
    assert len(shown) <= 14
    assert set(np.diff(shown)) == {3}


def test_the_picture_holds_the_dots_of_every_series_in_its_colour():
    low, high = Series(np.full((3, 2), 1.0)), Series(np.full((3, 2), 9.0))
    pixels = scatter.scatter_picture([low, Series(np.zeros((0, 0))), high], guides=(5.0,), dpi=100).astype(int)
    assert pixels.shape[2] == 3
    rows = []
    for index in (0, 2):
        colour = [int(scatter.COLOURS[index][i : i + 2], 16) for i in (1, 3, 5)]
        rows.append(np.nonzero((np.abs(pixels - colour) < 12).all(axis=2))[0])
    assert min(len(found) for found in rows) > 20
    assert rows[0].min() > rows[1].max()  # small values stand below large ones
    other = [int(scatter.COLOURS[1][i : i + 2], 16) for i in (1, 3, 5)]
    assert not (np.abs(pixels - other) < 12).all(axis=2).any()
