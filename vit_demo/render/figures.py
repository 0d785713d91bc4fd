"""Figures of many small pictures: the tile grid of position similarity and the sheet of filters (ViT Fig. 7)."""

from __future__ import annotations

import numpy as np

from vit_demo.grid import PatchGrid
from vit_demo.render.colour import colourise
from vit_demo.render.overlay import enlarge


def tile_positions(grid: PatchGrid, most: int = 14) -> tuple[list[int], list[int]]:
    """Rows and columns of the positions that get a tile: all of them up to `most` per axis, else evenly spread ones
    that include the first and the last."""
    return tuple(
        list(range(count)) if count <= most else [round(i * (count - 1) / (most - 1)) for i in range(most)]
        for count in grid.shape
    )


def similarity_tiles(
    matrix: np.ndarray,
    grid: PatchGrid,
    limits: tuple[float, float],
    table: str = "viridis",
    tile_px: int = 44,
    most: int = 14,
) -> np.ndarray:
    """A tile for every shown position: its similarity with all positions, laid on the grid (ViT Fig. 7 centre).

    `matrix` (n, n) over the grid's patches. (H, W, 3) uint8, tiles on white with gaps of 2 px.
    """
    rows, cols = tile_positions(grid, most)
    longest = max(grid.shape)
    height, width = (max(1, round(tile_px * side / longest)) for side in grid.shape)
    gap = 2
    sheet = np.full((len(rows) * (height + gap) - gap, len(cols) * (width + gap) - gap, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for j, col in enumerate(cols):
            values = matrix[row * grid.cols + col].reshape(grid.shape)
            top, left = i * (height + gap), j * (width + gap)
            sheet[top : top + height, left : left + width] = enlarge(colourise(values, limits, table), height, width)
    return sheet


def filter_sheet(filters: np.ndarray, across: int = 7, cell_px: int = 56, gap_px: int = 4) -> np.ndarray:
    """Filters (k, P, P, 3) in 0…1 as a sheet, row by row, on white: (H, W, 3) uint8."""
    count = len(filters)
    down = -(-count // across)
    cell = cell_px + gap_px
    sheet = np.full((down * cell - gap_px, across * cell - gap_px, 3), 255, np.uint8)
    for index, values in enumerate(filters):
        top, left = (index // across) * cell, (index % across) * cell
        colours = (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
        sheet[top : top + cell_px, left : left + cell_px] = enlarge(colours, cell_px, cell_px)
    return sheet
