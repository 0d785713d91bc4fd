"""Maps over pictures: one patch, one flat square of colour (nearest), unless smoothing is asked for."""

from __future__ import annotations

import numpy as np
from PIL import Image

from vit_demo.render.colour import DIVERGING, colourise


def enlarge(colours: np.ndarray, height: int, width: int, smooth: bool = False) -> np.ndarray:
    """(rows, cols, 3) uint8 stretched to (height, width, 3), each patch a flat block unless `smooth`."""
    how = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(colours).resize((width, height), how))


def overlay(
    picture: np.ndarray,
    values: np.ndarray,
    limits: tuple[float, float],
    opacity: float = 0.6,
    table: str = "viridis",
    smooth: bool = False,
) -> np.ndarray:
    """A map (rows, cols) laid over the picture (H, W, 3) that the model saw; opacity 0…1. Where there is no value (NaN)
    the picture stands alone."""
    height, width = picture.shape[:2]
    missing = np.isnan(values)
    layer = enlarge(colourise(np.where(missing, limits[0], values), limits, table), height, width, smooth)
    laid = (picture * (1 - opacity) + layer.astype(np.float32) * opacity + 0.5).astype(np.uint8)
    if not missing.any():
        return laid
    holes = enlarge(np.repeat(255 * missing[..., None], 3, axis=2).astype(np.uint8), height, width) > 0
    return np.where(holes, picture, laid)


def before_and_after(picture: np.ndarray, before: np.ndarray, after: np.ndarray) -> list[np.ndarray]:
    """The mean over heads of maps (heads, rows, cols) before and after a change, on one scale, and after less before,
    over the picture. What is not there (NaN) is a hole."""
    one, two = before.mean(axis=0), after.mean(axis=0)
    top, apart = float(np.nanmax([one, two])), float(np.nanmax(np.abs(two - one))) or 1.0
    laid = [overlay(picture, values, (0.0, top)) for values in (one, two)]
    return [*laid, overlay(picture, two - one, (-apart, apart), table=DIVERGING)]


def head_sheet(
    maps: np.ndarray, limits: tuple[float, float] | None, cell_px: int = 224, table: str = "viridis", gap_px: int = 8
) -> np.ndarray:
    """All heads of a layer (h, rows, cols) side by side, left to right, top to bottom, on white.

    With `limits` they share one scale; None gives each head its own, from 0 to its maximum.
    """
    count, rows, cols = maps.shape
    height = max(1, round(cell_px * rows / max(rows, cols)))
    width = max(1, round(cell_px * cols / max(rows, cols)))
    across = min(count, 6 if count % 6 == 0 else 4)
    down = -(-count // across)
    sheet = np.full((down * (height + gap_px) - gap_px, across * (width + gap_px) - gap_px, 3), 255, np.uint8)
    for index, values in enumerate(maps):
        top, left = (index // across) * (height + gap_px), (index % across) * (width + gap_px)
        own = limits or (0.0, float(values.max()))
        sheet[top : top + height, left : left + width] = enlarge(colourise(values, own, table), height, width)
    return sheet
