"""PatchGrid against counting by hand on a non-square picture of 3×5 patches of 14 pixels."""

from __future__ import annotations

import pytest

from vit_demo.grid import PatchGrid

ROWS, COLS, PATCH_PX = 3, 5, 14
NAMES = ("cls", "reg1", "reg2")


@pytest.fixture
def grid():
    return PatchGrid.of(ROWS * PATCH_PX, COLS * PATCH_PX, PATCH_PX, NAMES)


def test_rows_come_from_the_height_and_columns_from_the_width(grid):
    assert grid.shape == (3, 5)
    assert (grid.rows, grid.cols, grid.num_patches, grid.num_prefix_tokens, grid.num_tokens) == (3, 5, 15, 3, 18)


def test_tokens_count_prefix_first_then_patches_row_by_row(grid):
    assert [grid.patch_of_token(t) for t in range(3)] == [None, None, None]
    expected = [(r, c) for r in range(ROWS) for c in range(COLS)]
    assert [grid.patch_of_token(t) for t in range(3, 18)] == expected
    assert [grid.token_of_patch(r, c) for r, c in expected] == list(range(3, 18))


def test_a_model_without_prefix_starts_with_its_first_patch():
    grid = PatchGrid.of(16, 48, 16, ())
    assert grid.num_prefix_tokens == 0
    assert grid.patch_of_token(0) == (0, 0)
    assert grid.token_of_patch(0, 2) == 2 == grid.num_tokens - 1


def test_prefix_names_are_kept_in_order_as_a_hashable_tuple():
    grid = PatchGrid.of(16, 32, 16, ["cls", "dist", "reg1"])
    assert grid.prefix_names == ("cls", "dist", "reg1")
    assert hash(grid) == hash(PatchGrid(1, 2, 16, ("cls", "dist", "reg1")))


@pytest.mark.parametrize(("height", "width"), [(41, 70), (42, 71), (0, 70), (42, 0), (7, 14)])
def test_a_size_that_the_patch_does_not_divide_is_refused_with_both_sides_named(height, width):
    with pytest.raises(ValueError, match=rf"{height}×{width} px.*14"):
        PatchGrid.of(height, width, 14, NAMES)


@pytest.mark.parametrize(("row", "col"), [(-1, 0), (0, -1), (3, 0), (0, 5), (2, 5)])
def test_patches_outside_the_grid_are_refused(grid, row, col):
    with pytest.raises(ValueError, match="3×5"):
        grid.token_of_patch(row, col)


@pytest.mark.parametrize("token", [-1, 18])
def test_tokens_outside_the_grid_are_refused(grid, token):
    with pytest.raises(ValueError, match="17"):
        grid.patch_of_token(token)
