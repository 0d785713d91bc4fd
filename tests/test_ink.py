"""Drawings and photographs of digits, brought into MNIST's form."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from vit_demo.contract import DemoError
from vit_demo.ink import as_mnist, as_picture, ink_of_photograph, largest_part, otsu_threshold


def centre_of_mass(ink: np.ndarray) -> np.ndarray:
    from scipy.ndimage import center_of_mass

    return np.array(center_of_mass(ink))


def stroke(shape: tuple[int, int], points: list[tuple[int, int]], width: int) -> np.ndarray:
    """Ink (H, W) of a line through (row, col) points."""
    image = Image.new("L", shape[::-1])
    ImageDraw.Draw(image).line([(col, row) for row, col in points], fill=255, width=width, joint="curve")
    return np.asarray(image, np.float32) / 255


SEVEN = [(20, 30), (20, 90), (150, 50)]


def test_a_digit_is_scaled_to_twenty_pixels_and_centred_by_mass():
    made = as_mnist(stroke((200, 120), SEVEN, 12))
    rows, cols = (np.flatnonzero(made.any(axis=axis)) for axis in (1, 0))
    assert made.shape == (28, 28)
    assert rows[-1] - rows[0] + 1 == 20
    assert cols[-1] - cols[0] + 1 < 20  # the shape is kept
    assert np.abs(centre_of_mass(made) - 13.5).max() <= 0.51
    assert made.max() == pytest.approx(1)


@pytest.mark.parametrize("shift", [(0, 0), (40, 20), (0, 25)])
@pytest.mark.parametrize("zoom", [1, 2])
def test_place_and_size_on_the_pad_do_not_matter(shift, zoom):
    points = [(zoom * (row + shift[0]), zoom * (col + shift[1])) for row, col in SEVEN]
    moved = as_mnist(stroke((zoom * 220, zoom * 140), points, zoom * 12))
    still = as_mnist(stroke((200, 120), SEVEN, 12))
    # the centre of mass is moved to a whole pixel: rounding may go either way
    near = [np.roll(moved, (row, col), axis=(0, 1)) for row in (-1, 0, 1) for col in (-1, 0, 1)]
    assert min(np.abs(one - still).mean() for one in near) < 0.02


def test_nothing_drawn_stays_nothing():
    assert not as_mnist(np.zeros((50, 70))).any()
    assert not as_mnist(np.zeros((1, 1))).any()


def test_a_dot_and_a_hairline_are_digits_too():
    dot = np.zeros((50, 70), np.float32)
    dot[3, 60] = 1
    assert as_mnist(dot).shape == (28, 28)
    line = np.zeros((112, 112), np.float32)
    line[10:100, 50] = 1
    assert as_mnist(line).any(axis=1).sum() == 20


def test_a_picture_is_white_on_black_in_equal_channels():
    picture = as_picture(np.array([[0, 0.5, 1]]))
    assert picture.shape == (1, 3, 3)
    assert picture[0].tolist() == [[0] * 3, [128] * 3, [255] * 3]


def test_otsu_parts_two_heaps_as_scikit_image_and_a_plain_search_would():
    chance = np.random.default_rng(0)
    values = np.concatenate([chance.normal(0.2, 0.05, 900), chance.normal(0.7, 0.05, 100)])
    levels = np.linspace(values.min(), values.max(), 500)[1:-1]
    between = [
        (values < t).mean() * (values >= t).mean() * (values[values < t].mean() - values[values >= t].mean()) ** 2
        for t in levels
    ]
    best = max(between)
    ours = otsu_threshold(values)
    low, high = values[values < ours], values[values >= ours]
    assert len(low) / 1000 * len(high) / 1000 * (low.mean() - high.mean()) ** 2 == pytest.approx(best, rel=1e-3)


def test_parts_are_those_of_scipy():
    from scipy.ndimage import label, uniform_filter

    mask = uniform_filter(np.random.default_rng(3).random((60, 90)), 5) > 0.52
    names, _ = label(mask, np.ones((3, 3)))
    counts = np.bincount(names.ravel())
    counts[0] = 0
    kept = largest_part(mask)
    assert kept[names == counts.argmax()].all()
    assert not kept[~mask].any()
    for name in range(1, len(counts)):  # a part is kept whole or not at all
        assert kept[names == name].all() or not kept[names == name].any()
        assert not kept[names == name].any() or counts[name] >= counts.max() / 10


def photograph(ink: np.ndarray, dark_pen: bool, seed: int = 0) -> np.ndarray:
    """A digit on paper in uneven light, a little blurred, with noise and specks: (H, W, 3) uint8."""
    height, width = ink.shape
    light = np.linspace(0.55, 1, width)[None] * np.linspace(1, 0.8, height)[:, None]
    paper = 0.9 * light if dark_pen else 0.25 * light
    pen = 0.15 * light if dark_pen else 0.95 * light
    chance = np.random.default_rng(seed)
    grey = paper * (1 - ink) + pen * ink + chance.normal(0, 0.015, ink.shape)
    specks = chance.integers(0, [height, width], (12, 2))
    grey[specks[:, 0], specks[:, 1]] = 0.1
    image = Image.fromarray(np.clip(255 * grey, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1))
    return np.repeat(np.asarray(image)[:, :, None], 3, axis=2)


@pytest.mark.parametrize("dark_pen", [True, False])
def test_a_photographs_strokes_are_found_in_uneven_light(dark_pen):
    ink = stroke((400, 300), [(80, 90), (80, 220), (330, 130)], 22)
    found = ink_of_photograph(photograph(ink, dark_pen))
    assert np.abs(as_mnist(found) - as_mnist(ink)).mean() < 0.04
    assert max(found.shape) <= 400


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_picture_without_a_stroke_is_refused(value):
    with pytest.raises(DemoError, match="No digit"):
        ink_of_photograph(np.full((120, 90, 3), value, np.uint8))


def test_noise_is_no_digit():
    noise = np.random.default_rng(0).normal(180, 4, (200, 160, 1)).clip(0, 255).astype(np.uint8)
    with pytest.raises(DemoError):
        ink_of_photograph(np.repeat(noise, 3, axis=2))
