"""A drawing or a photograph of a digit → 28×28 pixels as MNIST has them. Numpy and Pillow alone."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from vit_demo.contract import DemoError

SIDE_PX, BOX_PX = 28, 20  # MNIST: scaled into a box of 20×20, then centred by mass in 28×28
FAINTEST = 0.08  # below this share of the strongest stroke, ink is a trace that nobody meant
LONGEST_PX = 400  # of a photograph while its strokes are looked for: pen strokes stay several pixels wide
LEAST_CONTRAST = 0.12  # between ink and paper, of 0…1
MOST_INK = 0.5  # of a photograph: more is not a pen on paper


def as_mnist(ink: np.ndarray) -> np.ndarray:
    """Ink (H, W) in 0…1 (0: paper), scaled and centred as MNIST's digits: (28, 28) float32 in 0…1.

    The bounding box is scaled, its shape kept, so that its longer side is 20 pixels, and placed so that the centre of
    mass is the centre of the picture (LeCun et al. 1998, section III.A; http://yann.lecun.com/exdb/mnist/). All 0 where
    there is no ink.
    """
    ink = np.asarray(ink, dtype=np.float32)
    out = np.zeros((SIDE_PX, SIDE_PX), np.float32)
    drawn = ink > FAINTEST * max(float(ink.max(initial=0.0)), 1e-6)
    if not drawn.any():
        return out
    rows, cols = (np.flatnonzero(drawn.any(axis=axis)) for axis in (1, 0))
    cut = ink[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    factor = BOX_PX / max(cut.shape)
    height, width = (max(1, round(length * factor)) for length in cut.shape)
    small = np.asarray(Image.fromarray(cut).resize((width, height), Image.Resampling.BOX if factor < 1 else 2))
    small = np.clip(small / max(float(small.max()), 1e-6), 0, 1)
    mass = small / small.sum()
    centre = (mass.sum(axis=1) @ np.arange(height), mass.sum(axis=0) @ np.arange(width))
    top, left = (
        int(np.clip(round((SIDE_PX - 1) / 2 - middle), 0, SIDE_PX - length))
        for middle, length in zip(centre, (height, width), strict=True)
    )
    out[top : top + height, left : left + width] = small
    return out


def as_picture(ink: np.ndarray) -> np.ndarray:
    """Ink (H, W) in 0…1 as a picture (H, W, 3) uint8: white on black, as MNIST is."""
    grey = np.clip(np.asarray(ink) * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def ink_of_photograph(picture: np.ndarray) -> np.ndarray:
    """The strokes of a digit in a photograph (H, W, 3) uint8: (h, w) float32 in 0…1, its longer side at most 400.

    Light that falls unevenly is taken off first (the difference to a strongly blurred copy), then Otsu's threshold
    parts ink from paper; ink is what the smaller part is, dark on light or light on dark. Specks and what touches the
    edge alone do not count. Raises DemoError where no stroke stands out.
    """
    image = Image.fromarray(picture).convert("L")
    image.thumbnail((LONGEST_PX, LONGEST_PX))
    grey = np.asarray(image.filter(ImageFilter.MedianFilter(3)), dtype=np.float32) / 255
    paper = np.asarray(image.filter(ImageFilter.GaussianBlur(max(image.size) / 6)), dtype=np.float32) / 255
    difference = paper - grey  # dark strokes positive
    level = otsu_threshold(np.abs(difference))
    dark, light = difference > level, -difference > level
    # A pen is dark on paper or light on a board: the sign that holds more of what stands out
    strokes = difference if (difference * dark).sum() >= (-difference * light).sum() else -difference
    kept = largest_part(strokes > level)
    inside = strokes[kept]
    if not kept.any() or inside.mean() < LEAST_CONTRAST or kept.mean() > MOST_INK:
        raise DemoError("draw.no_digit_found")
    return np.where(kept, np.clip(strokes / np.quantile(inside, 0.8), 0, 1), 0).astype(np.float32)


def otsu_threshold(values: np.ndarray, bins: int = 128) -> float:
    """The level that parts values into two classes with the largest variance between them. Otsu 1979."""
    if float(np.ptp(values)) == 0.0:  # nothing to part
        return float(values.max())
    counts, edges = np.histogram(values, bins=bins)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1 + int(np.nanargmax(between[:-1]))])


def largest_part(mask: np.ndarray) -> np.ndarray:
    """The connected part (8 neighbours) of a mask (H, W) with most pixels, and others at least a tenth as large that
    come near it: the bar of a 5 may hang loose."""
    names = _names_of_parts(mask)
    counts = np.bincount(names.ravel())
    counts[0] = 0
    if not counts.any():
        return np.zeros_like(mask)
    main = int(counts.argmax())
    rows, cols = np.nonzero(names == main)
    reach = max(rows.max() - rows.min(), cols.max() - cols.min(), 1) // 4
    near = np.zeros_like(mask)
    near[max(rows.min() - reach, 0) : rows.max() + reach + 1, max(cols.min() - reach, 0) : cols.max() + reach + 1] = (
        True
    )
    touching = set(np.unique(names[near & mask]).tolist())
    large = {name for name in touching if counts[name] >= counts[main] / 10}
    return np.isin(names, list(large | {main}))


def _names_of_parts(mask: np.ndarray) -> np.ndarray:
    """A number for each connected part (8 neighbours), 0 outside: the largest index spreads until nothing changes.

    Each round looks along whole rows and columns, so a stroke with few bends takes few rounds.
    """
    names = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        before = names.copy()
        padded = np.pad(names, 1)
        for row in (0, 1, 2):
            for col in (0, 1, 2):
                names = np.maximum(names, padded[row : row + mask.shape[0], col : col + mask.shape[1]])
        names = np.where(mask, names, 0)
        for axis in (0, 1):
            for step in (1, -1):
                names = _spread(names, mask, axis, step)
        if np.array_equal(names, before):
            return np.unique(names, return_inverse=True)[1].reshape(mask.shape) if names.any() else names


def _spread(names: np.ndarray, mask: np.ndarray, axis: int, step: int) -> np.ndarray:
    """The largest name so far along each unbroken run of the mask, in one direction."""
    turned = np.moveaxis(names, axis, 0)[::step].copy()
    inside = np.moveaxis(mask, axis, 0)[::step]
    for line in range(1, len(turned)):
        turned[line] = np.where(
            inside[line], np.maximum(turned[line], np.where(inside[line - 1], turned[line - 1], 0)), 0
        )
    return np.moveaxis(turned[::step], 0, axis)


# --------------------------------------------------------------------------------------------------------- the pad

PAD_PX = 112  # of the drawing as it travels: four times MNIST's side
START = (((30, 30), (84, 28), (60, 62), (48, 92)), ((42, 60), (76, 60)))  # a 7, (x, y) on the pad
START_WIDTH = 9


def first_drawing() -> np.ndarray:
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


def first_picture() -> np.ndarray:
    """The drawing that is there from the start as the classifier gets it, (28, 28, 3) uint8."""
    return as_picture(as_mnist(first_drawing() / 255))


def on_pad(ink: np.ndarray) -> np.ndarray:
    """Ink (h, w) in 0…1 of any shape, its bounding box in the middle of the pad: (PAD_PX, PAD_PX) uint8."""
    rows, cols = (np.flatnonzero((ink > 0).any(axis=axis)) for axis in (1, 0))
    cut = Image.fromarray((255 * ink[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]).astype(np.uint8))
    factor = 0.72 * PAD_PX / max(cut.size)
    cut = cut.resize(tuple(max(1, round(side * factor)) for side in cut.size), Image.Resampling.BILINEAR)
    pad = Image.new("L", (PAD_PX, PAD_PX))
    pad.paste(cut, tuple((PAD_PX - side) // 2 for side in cut.size))
    return np.asarray(pad)
