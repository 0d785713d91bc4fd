"""A decoded picture → what the model gets, and exactly what it saw: resize, crop, normalise."""

from __future__ import annotations

import hashlib
import math

import numpy as np
from PIL import Image

from vit_demo.contract import DemoError, PreparedImage, PreprocessSpec, SizeChoice

RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
MAX_PATCHES = 4096  # bounds time and memory of one picture: 64×64, more than DINO's 60×60 at 480 px with patches of 8
MIN_SIDE, MAX_SIDE = 32, 1024


def as_rgb(image: Image.Image | np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 from a PIL image (any mode, EXIF orientation respected) or such an array itself."""
    if isinstance(image, Image.Image):
        from vit_demo.decode import upright_rgb

        return np.asarray(upright_rgb(image, most_px=None))
    array = np.asarray(image)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or 0 in array.shape:
        raise ValueError(f"a picture is (H, W, 3) uint8, not {array.shape} {array.dtype}")
    return array


def input_size(spec: PreprocessSpec, patch_px: int, choice: SizeChoice, height: int, width: int) -> tuple[int, int]:
    """(H, W) that the model gets from a picture of height × width: multiples of the patch.

    Without a side, the checkpoint's own size. `keep_shape` keeps the picture's aspect, to within half a patch, and the
    number of patches under MAX_PATCHES. A grid is taken as it is. Raises DemoError for sides outside MIN_SIDE …
    MAX_SIDE, the checkpoint's own (28 for digits) excepted, and for grids of more than MAX_PATCHES.
    """
    if choice.grid is not None:
        rows, cols = checked_grid(choice.grid)
        return rows * patch_px, cols * patch_px
    own_height, own_width = spec.size
    if choice.side not in (None, min(own_height, own_width)) and not MIN_SIDE <= choice.side <= MAX_SIDE:
        raise DemoError("page.size_out_of_range", side=choice.side, low=MIN_SIDE, high=MAX_SIDE)
    side = choice.side or min(own_height, own_width)
    factor = side / min(own_height, own_width)
    if choice.keep_shape:
        factor, own_height, own_width = side / min(height, width), height, width
    most = MAX_PATCHES * patch_px**2
    factor = min(factor, math.sqrt(most / (own_height * own_width)))
    rows, cols = (max(1, round(length * factor / patch_px)) for length in (own_height, own_width))
    while rows * cols > MAX_PATCHES:  # rounding up can overshoot by a row
        rows, cols = (rows - 1, cols) if rows > cols else (rows, cols - 1)
    return rows * patch_px, cols * patch_px


def checked_grid(grid: tuple[int, int]) -> tuple[int, int]:
    """(rows, columns) that a picture may have. Raises DemoError for none and for more than MAX_PATCHES patches."""
    rows, cols = grid
    if min(rows, cols) < 1 or rows * cols > MAX_PATCHES:
        raise DemoError("page.grid_out_of_range", rows=rows, cols=cols, most=MAX_PATCHES)
    return rows, cols


def prepare(
    image: Image.Image | np.ndarray, spec: PreprocessSpec, patch_px: int, choice: SizeChoice | None = None
) -> PreparedImage:
    """The PreparedImage of a picture under a checkpoint's spec: resized, cropped at the centre, normalised.

    As timm's and torchvision's evaluation transforms do it with Pillow; with `keep_shape` nothing is cropped but a rim
    of less than a patch.
    """
    rgb = as_rgb(image)
    choice = choice or SizeChoice()
    height, width = rgb.shape[:2]
    target = input_size(spec, patch_px, choice, height, width)
    crop_pct = 1.0 if choice.keep_shape else spec.crop_pct
    squash = spec.resize == "squash" and not choice.keep_shape
    resized = _whole(target, crop_pct) if squash else _covering(height, width, target, crop_pct)
    top, left = (round((length - side) / 2.0) for length, side in zip(resized, target, strict=True))
    # Pillow can crop while it resizes, but only whole-picture resizing equals what the reference transforms do.
    shown = Image.fromarray(rgb).resize((resized[1], resized[0]), RESAMPLING[spec.interpolation])
    shown = shown.crop((left, top, left + target[1], top + target[0]))
    picture = np.asarray(shown)
    mean, std = np.float32(spec.mean), np.float32(spec.std)
    pixels = ((picture.astype(np.float32) / 255 - mean) / std).transpose(2, 0, 1)
    per_row, per_col = height / resized[0], width / resized[1]
    box = (top * per_row, left * per_col, (top + target[0]) * per_row, (left + target[1]) * per_col)
    return PreparedImage(np.ascontiguousarray(pixels), picture, box, _digest(picture, spec))


def _whole(target: tuple[int, int], crop_pct: float) -> tuple[int, int]:
    """The size of which the target is `crop_pct`."""
    # + 1e-6: a share made from two whole sizes (224 of 400) must lead back to them
    return tuple(math.floor(side / crop_pct + 1e-6) for side in target)


def _covering(height: int, width: int, target: tuple[int, int], crop_pct: float) -> tuple[int, int]:
    """The size to which a picture of height × width is resized so that it covers the target's whole."""
    wanted = _whole(target, crop_pct)
    factor = max(wanted[0] / height, wanted[1] / width)
    # torchvision's Resize cuts fractions off the longer side; timm's ResizeKeepRatio, for other shapes, rounds
    whole = (lambda length: int(length + 1e-6)) if target[0] == target[1] else round
    return tuple(max(whole(length * factor), side) for length, side in zip((height, width), target, strict=True))


def _digest(picture: np.ndarray, spec: PreprocessSpec) -> str:
    """A name for the content that the model gets."""
    shape = f"{picture.shape}{spec.mean}{spec.std}".encode()
    return hashlib.blake2b(picture.tobytes() + shape, digest_size=12).hexdigest()
