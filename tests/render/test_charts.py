"""Charts: marks stand where their numbers say, read back out of the SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from vit_demo.render.charts import HEIGHT, Line, histogram, line_chart, round_step, tick_values

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-0.37, 1, [0, 0.5, 1]),
        (0, 104, [0, 50, 100]),
        (33.1, 55.5, [35, 40, 45, 50, 55]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_ticks_are_round_and_within(low, high, ticks):
    assert tick_values(low, high) == pytest.approx(ticks)


@pytest.mark.parametrize("span", [0, -1, float("nan")])
def test_a_span_of_nothing_has_a_step(span):
    assert round_step(span) == 1


def test_points_of_a_line_are_its_values():
    values = np.array([0.0, 2.5, 10.0, 5.0])
    svg = ET.fromstring(line_chart([Line("a < b", values, 1)], "label & more", (0.0, 10.0), 1))
    (line,) = svg.iter(f"{SVG}polyline")
    points = np.array([[float(n) for n in pair.split(",")] for pair in line.get("points").split()])
    assert np.allclose(np.diff(points[:, 0]), np.diff(points[:, 0])[0], atol=0.11)
    bottom, top = points[0, 1], points[2, 1]
    assert (bottom - points[:, 1]) / (bottom - top) == pytest.approx(values / 10, abs=0.002)
    assert line.find(f"{SVG}title").text == "a < b"
    assert svg.get("aria-label") == "label & more"
    words = [text.text for text in svg.iter(f"{SVG}text")]
    assert words[-4:] == ["1", "2", "3", "4"]


def test_bars_hold_the_counts_and_stand_out_beyond_the_mark():
    values = np.concatenate([np.full(30, 10.0), np.full(60, 20.0), [90.0]])
    svg = ET.fromstring(histogram(values, "norms", 50.0))
    bars = list(svg.iter(f"{SVG}rect"))
    assert [int(bar.find(f"{SVG}title").text) for bar in bars] == [30, 60, 1]
    assert [bar.get("class") for bar in bars] == ["vd-bar-in", "vd-bar-in", "vd-bar-out"]
    heights = [float(bar.get("height")) for bar in bars]
    assert heights[0] / heights[1] == pytest.approx(0.5, abs=0.01)
    assert heights[2] >= 2  # a single outlier is seen
    assert all(float(bar.get("y")) + float(bar.get("height")) <= HEIGHT for bar in bars)


def test_equal_values_have_a_histogram():
    svg = ET.fromstring(histogram(np.full(5, 3.0), "norms", 3.0))
    assert [int(bar.find(f"{SVG}title").text) for bar in svg.iter(f"{SVG}rect")] == [5]
