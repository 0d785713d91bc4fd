"""Arrays → pictures: colours, overlays, sheets and tiles, measured pixel by pixel on non-square maps."""

from __future__ import annotations

import numpy as np
import pytest

from vit_demo.grid import PatchGrid
from vit_demo.render.colour import DIVERGING, SEQUENTIAL, colour_table, colourise
from vit_demo.render.figures import filter_sheet, similarity_tiles, tile_positions
from vit_demo.render.overlay import enlarge, head_sheet, overlay

WHITE = 255
ENDS = {  # the published ends of each table
    "viridis": ((68, 1, 84), (253, 231, 37)),
    "cividis": ((0, 34, 78), (254, 232, 56)),
    "grey": ((0, 0, 0), (255, 255, 255)),
    "diverging": ((5, 48, 97), (103, 0, 31)),
}


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("name", [*SEQUENTIAL, DIVERGING])
def test_a_colour_table_runs_between_its_published_ends(name):
    table = colour_table(name)
    assert (table.shape, table.dtype) == ((256, 3), np.uint8)
    assert np.abs(table[[0, -1]].astype(int) - ENDS[name]).max() <= 1


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_a_sequential_table_grows_lighter_throughout(name):
    light = colour_table(name).astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light) >= -0.8).all()
    assert light[-1] - light[0] > 150


def test_the_diverging_table_is_palest_in_its_middle():
    light = colour_table(DIVERGING).astype(float).mean(1)
    assert 120 <= light.argmax() <= 135


def test_a_table_cannot_be_written_to_and_a_strangers_name_is_refused():
    with pytest.raises(ValueError, match="read-only"):
        colour_table("viridis")[0] = 0
    with pytest.raises(ValueError, match="jet"):
        colour_table("jet")


def test_values_take_the_colour_of_their_place_in_the_limits_and_the_ends_outside():
    table = colour_table("viridis")
    colours = colourise(np.array([[-9.0, -1.0, 0.0, 1.0, 9.0]]), (-1, 1))
    assert colours.shape == (1, 5, 3)
    assert np.array_equal(colours[0], table[[0, 0, 128, 255, 255]])


def test_equal_limits_do_not_divide_by_zero():
    assert np.array_equal(
        colourise(np.full((2, 3), 5.0), (5, 5)), np.broadcast_to(colour_table("viridis")[0], (2, 3, 3))
    )


def test_enlarging_by_nearest_gives_flat_blocks():
    small = noise(3, 5, 3)
    assert np.array_equal(enlarge(small, 42, 70), small.repeat(14, 0).repeat(14, 1))


def test_smoothing_is_not_flat_and_only_happens_when_asked_for():
    small = noise(3, 5, 3)
    smooth = enlarge(small, 42, 70, smooth=True)
    assert smooth.shape == (42, 70, 3)
    assert (np.diff(smooth[7].astype(int), axis=0) != 0).any(axis=1).mean() > 0.5


def test_an_overlay_of_opacity_zero_is_the_picture_and_of_one_the_map():
    picture, values = noise(42, 70, 3), np.random.default_rng(1).random((3, 5))
    assert np.array_equal(overlay(picture, values, (0, 1), 0.0), picture)
    blocks = colourise(values, (0, 1)).repeat(14, 0).repeat(14, 1)
    assert np.array_equal(overlay(picture, values, (0, 1), 1.0), blocks)
    half = (picture.astype(float) + blocks) / 2
    assert np.abs(overlay(picture, values, (0, 1), 0.5) - half).max() <= 0.5


def test_an_overlay_leaves_the_picture_as_it_was():
    picture = noise(42, 70, 3)
    before = picture.copy()
    overlay(picture, np.ones((3, 5)), (0, 1))
    assert np.array_equal(picture, before)


@pytest.mark.parametrize(("heads", "across", "down"), [(3, 3, 1), (6, 6, 1), (12, 6, 2), (16, 4, 4), (5, 4, 2)])
def test_heads_lie_left_to_right_and_top_to_bottom_on_white(heads, across, down):
    rows, cols, height, width, gap = 3, 5, 36, 60, 8
    values = np.random.default_rng(0).random((heads, rows, cols))
    sheet = head_sheet(values, (0, 1), cell_px=60, gap_px=gap)
    assert sheet.shape == (down * (height + gap) - gap, across * (width + gap) - gap, 3)
    covered = np.zeros(sheet.shape[:2], bool)
    for head in range(heads):
        top, left = head // across * (height + gap), head % across * (width + gap)
        expected = colourise(values[head], (0, 1)).repeat(12, 0).repeat(12, 1)
        assert np.array_equal(sheet[top : top + height, left : left + width], expected)
        covered[top : top + height, left : left + width] = True
    assert (sheet[~covered] == WHITE).all()


def test_a_shared_scale_compares_heads_and_none_gives_each_its_own():
    values = np.stack([np.full((2, 3), 0.1), np.full((2, 3), 0.4)])
    values[:, 0, 0] = 0
    shared, own = (head_sheet(values, limits, cell_px=3, gap_px=0) for limits in ((0.0, 0.4), None))
    table = colour_table("viridis")
    assert np.array_equal(shared[1, 1], table[64])  # 0.1 of 0.4 is a quarter
    assert np.array_equal(own[1, 1], table[255])
    assert np.array_equal(own[1, 4], table[255])


def test_a_head_that_looks_nowhere_is_the_lowest_colour_not_an_error():
    sheet = head_sheet(np.zeros((1, 2, 3)), None, cell_px=3)
    assert (sheet == colour_table("viridis")[0]).all()


@pytest.mark.parametrize("shape", [(3, 5), (14, 14), (37, 20), (16, 61), (15, 1)])
def test_tiles_are_spread_evenly_over_rows_and_columns_with_both_ends(shape):
    rows, cols = tile_positions(PatchGrid(*shape, 14), most=14)
    for places, count in ((rows, shape[0]), (cols, shape[1])):
        assert len(places) == min(count, 14)
        assert (places[0], places[-1]) == (0, count - 1)
        steps = np.diff(places)
        assert (steps > 0).all()
        assert len(steps) == 0 or steps.max() - steps.min() <= 1


def test_each_tile_of_a_non_square_grid_shows_its_own_position():
    grid, gap = PatchGrid(3, 5, 14), 2
    matrix = np.random.default_rng(0).random((15, 15))
    sheet = similarity_tiles(matrix, grid, (0, 1), tile_px=10)
    assert sheet.shape == (3 * (6 + gap) - gap, 5 * (10 + gap) - gap, 3)
    covered = np.zeros(sheet.shape[:2], bool)
    for row in range(3):
        for col in range(5):
            top, left = row * (6 + gap), col * (10 + gap)
            expected = colourise(matrix[row * 5 + col].reshape(3, 5), (0, 1)).repeat(2, 0).repeat(2, 1)
            assert np.array_equal(sheet[top : top + 6, left : left + 10], expected)
            covered[top : top + 6, left : left + 10] = True
    assert (sheet[~covered] == WHITE).all()


def test_of_a_large_grid_the_last_tile_is_the_last_position():
    grid = PatchGrid(4, 9, 14)
    matrix = np.zeros((36, 36))
    matrix[35] = 1
    sheet = similarity_tiles(matrix, grid, (0, 1), tile_px=9, most=3)
    assert sheet.shape == (3 * (4 + 2) - 2, 3 * (9 + 2) - 2, 3)
    assert (sheet[-4:, -9:] == colour_table("viridis")[255]).all()
    assert (sheet[:4, :9] == colour_table("viridis")[0]).all()


@pytest.mark.parametrize("count", [1, 7, 10])
def test_filters_are_laid_out_row_by_row_in_their_own_colours(count):
    filters = np.random.default_rng(0).random((count, 2, 2, 3))
    sheet = filter_sheet(filters, across=7, cell_px=8, gap_px=4)
    assert sheet.shape == (-(-count // 7) * 12 - 4, 7 * 12 - 4, 3)
    for i in range(count):
        cell = sheet[i // 7 * 12 :, i % 7 * 12 :][:8, :8]
        assert np.abs(cell.astype(float) - 255 * filters[i].repeat(4, 0).repeat(4, 1)).max() <= 0.5 + 1e-9
    if count == 10:
        assert (sheet[12:, 3 * 12 - 4 :] == WHITE).all()
