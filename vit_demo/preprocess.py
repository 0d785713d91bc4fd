"""A decoded picture → what the model gets, and exactly what it saw: resize, crop, normalise."""

from __future__ import annotations

import hashlib
import math

import numpy as np
from PIL import Image

from vit_demo.contract import DemoError, PreparedImage, PreprocessSpec, SizeChoice

RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
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

    Without a side, the checkpoint's own size. `keep_shape`, and a checkpoint that does not crop, keep the picture's
    aspect, to within half a patch, and the number of patches under MAX_PATCHES. A grid is taken as it is. Raises
    DemoError for sides outside MIN_SIDE … MAX_SIDE, the checkpoint's own (28 for digits) excepted, and for grids of
    more than MAX_PATCHES.
    """
    if choice.grid is not None:
        rows, cols = checked_grid(choice.grid)
        return rows * patch_px, cols * patch_px
    own = _own_window(spec, patch_px, choice, height, width)
    if own is not None:
        return tuple(side // patch_px * patch_px for side in own)
    own_height, own_width = spec.size
    if choice.side not in (None, min(spec.size)) and not MIN_SIDE <= choice.side <= MAX_SIDE:
        raise DemoError("page.size_out_of_range", side=choice.side, low=MIN_SIDE, high=MAX_SIDE)
    side = choice.side or min(own_height, own_width)
    factor = side / min(own_height, own_width)
    if _keeps_shape(spec, choice):
        factor, own_height, own_width = side / min(height, width), height, width
    most = MAX_PATCHES * patch_px**2
    factor = min(factor, math.sqrt(most / (own_height * own_width)))
    rows, cols = (max(1, round(length * factor / patch_px)) for length in (own_height, own_width))
    while rows * cols > MAX_PATCHES:  # rounding up can overshoot by a row
        rows, cols = (rows - 1, cols) if rows > cols else (rows, cols - 1)
    return rows * patch_px, cols * patch_px


def _keeps_shape(spec: PreprocessSpec, choice: SizeChoice) -> bool:
    return choice.grid is None and (choice.keep_shape or spec.crop == "none")


def _own_window(
    spec: PreprocessSpec, patch_px: int, choice: SizeChoice, height: int, width: int
) -> tuple[int, int] | None:
    """(H, W) that the checkpoint's own preprocessing cuts into patches; None where another size is asked for, or where
    they would be none or more than MAX_PATCHES."""
    if choice.grid is not None or choice.keep_shape or choice.side not in (None, min(spec.size)):
        return None
    window = _own_resized(spec, height, width) if spec.crop == "none" else spec.size
    return window if 1 <= (window[0] // patch_px) * (window[1] // patch_px) <= MAX_PATCHES else None


def _own_resized(spec: PreprocessSpec, height: int, width: int) -> tuple[int, int]:
    """(H, W) to which the checkpoint's own preprocessing resizes a picture before it crops."""
    if spec.resize == "none":
        return height, width
    if spec.resize == "squash":
        return spec.resized or _before_crop(spec, spec.size)
    if spec.resized is None:
        return _covering(height, width, _before_crop(spec, spec.size), spec.size)
    edge, shortest = min(spec.resized), min(height, width)
    # the longer side loses its fraction: transformers' get_resize_output_image_size
    return tuple(edge if side == shortest else int(edge * side / shortest) for side in (height, width))


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

    At the checkpoint's own size as timm's and torchvision's evaluation transforms do it with Pillow, or transformers'
    Pillow processors; with `keep_shape` nothing is cropped but a rim of less than a patch. A crop of more than there is
    has black around the picture.
    """
    rgb = as_rgb(image)
    choice = choice or SizeChoice()
    height, width = rgb.shape[:2]
    target, resized, (top, left) = _cut(spec, patch_px, choice, height, width)
    # Pillow can crop while it resizes, but only whole-picture resizing equals what the reference transforms do.
    shown = _in_bands(rgb, spec).resize((resized[1], resized[0]), RESAMPLING[spec.interpolation])
    shown = shown.crop((left, top, left + target[1], top + target[0]))
    return _prepared(shown, spec, _box(target, resized, (top, left), height, width))


def seen_box(
    spec: PreprocessSpec, patch_px: int, choice: SizeChoice, height: int, width: int
) -> tuple[float, float, float, float]:
    """(top, left, bottom, right) of what the model sees of a picture of height × width, in its pixels; outside of it
    where a crop takes more than there is."""
    return _box(*_cut(spec, patch_px, choice, height, width), height, width)


def normalised(frame: np.ndarray, spec: PreprocessSpec) -> PreparedImage:
    """The PreparedImage of a picture (H, W, 3) uint8 that has the model's size already: neither resized nor cropped."""
    height, width = as_rgb(frame).shape[:2]
    return _prepared(_in_bands(frame, spec), spec, (0.0, 0.0, float(height), float(width)))


def _cut(
    spec: PreprocessSpec, patch_px: int, choice: SizeChoice, height: int, width: int
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """What becomes of a picture of height × width: the model's (H, W), the (H, W) that it is resized to, and the row
    and column at which the model's part begins there."""
    target = input_size(spec, patch_px, choice, height, width)
    window = _own_window(spec, patch_px, choice, height, width)
    if window is not None:
        resized = _own_resized(spec, height, width)
    else:
        resized = _other_resized(spec, choice, target, height, width)
    top, left = (_begin(*sides, spec.crop) for sides in zip(resized, window or target, strict=True))
    return target, resized, (top, left)


def _box(
    target: tuple[int, int], resized: tuple[int, int], start: tuple[int, int], height: int, width: int
) -> tuple[float, float, float, float]:
    """What `_cut` takes, in pixels of the picture before it was resized."""
    per_row, per_col = height / resized[0], width / resized[1]
    (top, left), (tall, wide) = start, target
    return top * per_row, left * per_col, (top + tall) * per_row, (left + wide) * per_col


def _in_bands(rgb: np.ndarray, spec: PreprocessSpec) -> Image.Image:
    """A picture in as many bands as the model reads: three, or one of grey."""
    picture = Image.fromarray(rgb)
    return picture.convert("L") if len(spec.mean) == 1 else picture


def _prepared(shown: Image.Image, spec: PreprocessSpec, box: tuple[float, float, float, float]) -> PreparedImage:
    seen = np.asarray(shown).reshape(shown.height, shown.width, len(spec.mean))
    # In double precision first, as transformers does it; torchvision's division gives the same to the last bit or so.
    scaled = (seen.astype(np.float64) * spec.rescale).astype(np.float32)
    pixels = ((scaled - np.float32(spec.mean)) / np.float32(spec.std)).transpose(2, 0, 1)
    picture = np.ascontiguousarray(np.broadcast_to(seen, (*seen.shape[:2], 3)))
    return PreparedImage(np.ascontiguousarray(pixels), picture, box, _digest(picture, spec))


def _begin(length: int, side: int, rule: str) -> int:
    """Where a centred crop of `side` begins; below 0 where it is longer than what it is taken from."""
    return round((length - side) / 2.0) if rule == "round" else (length - side) // 2


def _other_resized(
    spec: PreprocessSpec, choice: SizeChoice, target: tuple[int, int], height: int, width: int
) -> tuple[int, int]:
    """(H, W) to which a picture of height × width is resized where the model gets another size than its own."""
    keeps_shape = _keeps_shape(spec, choice)
    wanted = target if keeps_shape else _before_crop(spec, target)
    return wanted if spec.resize == "squash" and not keeps_shape else _covering(height, width, wanted, target)


def _before_crop(spec: PreprocessSpec, target: tuple[int, int]) -> tuple[int, int]:
    """The size of which the target is the same share as the checkpoint's own size is of what is resized to."""
    own = zip(spec.size, spec.resized, strict=True) if spec.resized else ((spec.crop_pct, 1.0),) * 2
    # + 1e-6: a share made from two whole sizes (224 of 400) must lead back to them
    return tuple(math.floor(side * whole / share + 1e-6) for side, (share, whole) in zip(target, own, strict=True))


def _covering(height: int, width: int, wanted: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """The size, of the picture's shape, that covers `wanted`, and the target in any case."""
    factor = max(wanted[0] / height, wanted[1] / width)
    # torchvision's Resize cuts fractions off the longer side; timm's ResizeKeepRatio, for other shapes, rounds
    whole = (lambda length: int(length + 1e-6)) if target[0] == target[1] else round
    return tuple(max(whole(length * factor), side) for length, side in zip((height, width), target, strict=True))


def _digest(picture: np.ndarray, spec: PreprocessSpec) -> str:
    """A name for the content that the model gets."""
    shape = f"{picture.shape}{spec.mean}{spec.std}{spec.rescale}".encode()
    return hashlib.blake2b(picture.tobytes() + shape, digest_size=12).hexdigest()
