"""Drawings of digits as arrays: the one that is there from the start, and strokes put on the pad."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from vit_demo.ink import as_mnist, as_picture

PAD_PX = 112  # of the drawing as it travels: four times MNIST's side
START = (((30, 30), (84, 28), (60, 62), (48, 92)), ((42, 60), (76, 60)))  # a 7, (x, y) on the pad
START_WIDTH = 9


def start_ink() -> np.ndarray:
    """The drawing that is there from the start, (PAD_PX, PAD_PX) uint8."""
    image = Image.new("L", (4 * PAD_PX, 4 * PAD_PX))  # drawn large, for smooth edges
    pen = ImageDraw.Draw(image)
    for stroke in START:
        points = [(4 * x, 4 * y) for x, y in stroke]
        pen.line(points, fill=255, width=4 * START_WIDTH, joint="curve")
        for x, y in (points[0], points[-1]):
            reach = 2 * START_WIDTH
            pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=255)
    return np.asarray(image.resize((PAD_PX, PAD_PX), Image.Resampling.BOX))


def start_picture() -> np.ndarray:
    """The drawing that is there from the start as the classifier gets it, (28, 28, 3) uint8."""
    return as_picture(as_mnist(start_ink() / 255))


def on_pad(ink: np.ndarray) -> np.ndarray:
    """Ink (h, w) in 0…1 of any shape, its bounding box in the middle of the pad: (PAD_PX, PAD_PX) uint8."""
    rows, cols = (np.flatnonzero((ink > 0).any(axis=axis)) for axis in (1, 0))
    cut = Image.fromarray((255 * ink[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]).astype(np.uint8))
    factor = 0.72 * PAD_PX / max(cut.size)
    cut = cut.resize(tuple(max(1, round(side * factor)) for side in cut.size), Image.Resampling.BILINEAR)
    pad = Image.new("L", (PAD_PX, PAD_PX))
    pad.paste(cut, tuple((PAD_PX - side) // 2 for side in cut.size))
    return np.asarray(pad)
