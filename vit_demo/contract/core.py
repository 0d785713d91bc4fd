"""What every part shares: errors for people, models, pictures, sizes, tokens, and how a pass came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from vit_demo.grid import PatchGrid
from vit_demo.text import say

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF_MEAN, HALF_STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


class DemoError(Exception):
    """A failure that a person can act on: what happened, and what to do.

    `str(error)` is the English sentence; `key` and `values` let the interface say it in another language.
    """

    def __init__(self, key: str, /, **values):
        super().__init__(say(key, "en", **values))
        self.key, self.values = key, values

    def __reduce__(self):  # keeps key and values when the error crosses a process boundary
        return _rebuild_error, (type(self), self.key, self.values)

    def say(self, language: str) -> str:
        return say(self.key, language, **self.values)


def _rebuild_error(kind: type[DemoError], key: str, values: dict) -> DemoError:
    return kind(key, **values)


class PictureError(DemoError):
    """A picture that cannot be used."""


class ModelError(DemoError):
    """A model that cannot be found, fetched or represented faithfully."""


ResizeFilter = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]


@dataclass(frozen=True)
class PreprocessSpec:
    """How a checkpoint wants its pictures: sizes in pixels, rows first; the model gets (bytes · rescale − mean) / std.

    size       of the picture that is cut into patches. What no whole patch covers, at the bottom and the right, is not
               seen by the model, as in the reference implementations
    resize     "shortest" (keep the shape), "squash" (both sides at once) or "none"
    crop_pct   `size` is this share of what is resized to; `resized` says the latter where the checkpoint does
    mean, std  per channel: three for RGB, one for a model of grey pictures
    crop       where a centred crop begins: "round" at the half rounded (torchvision, timm), "floor" at the half rounded
               down (transformers); "none": there is no crop, pictures keep their shape and `size` is a square one's
    source     whence the numbers come, for people
    """

    size: tuple[int, int]
    resize: Literal["shortest", "squash", "none"] = "shortest"
    crop_pct: float = 0.9
    interpolation: ResizeFilter = "bicubic"
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    source: str = ""
    resized: tuple[int, int] | None = None
    rescale: float = 1 / 255
    crop: Literal["round", "floor", "none"] = "round"


@dataclass(frozen=True)
class ModelCard:
    """What a person should know of a model before choosing it. `source` is "hub", "embedded" or "local"."""

    id: str
    title: str
    family: str
    parameters: int
    download_bytes: int
    licence: str
    licence_url: str
    has_head: bool
    native_size: tuple[int, int]
    patch_px: int
    why: str  # a key of text/: why a teacher would pick it
    gated: bool = False
    source: str = "hub"
    top1: float | None = None  # ImageNet-1k top-1 accuracy, percent, as published
    note: str = ""  # a key of text/: what to keep in mind
    neighbour_layer: int | None = None  # layer (from 0) whose class token tells pictures apart best; None = last


Availability = Literal["on_disk", "downloadable", "out_of_reach", "unknown"]


@dataclass(frozen=True)
class ModelStatus:
    """A card and whether its weights can be had now; `reason` is a key of text/ where they cannot."""

    card: ModelCard
    availability: Availability
    reason: str = ""


@dataclass(frozen=True)
class PreparedImage:
    """`pixels` (3, H, W) float32, or (1, H, W) for a model of grey pictures, normalised: what the model gets.
    `picture` (H, W, 3) uint8: the same values shown.
    `box` is the part of the original kept, (top, left, bottom, right) in its pixels. `digest` names pixels' content."""

    pixels: np.ndarray
    picture: np.ndarray
    box: tuple[float, float, float, float]
    digest: str


@dataclass(frozen=True)
class SizeChoice:
    """The input size asked for: the shortest side in pixels (None = the checkpoint's own size), and whether the
    picture keeps its shape instead of being cropped to the native aspect. Or the `grid` itself, (rows, columns) of
    patches, to whose shape the picture is cropped, or squashed where the checkpoint's own preprocessing does that."""

    side: int | None = None
    keep_shape: bool = False
    grid: tuple[int, int] | None = None


@dataclass(frozen=True)
class TokenQuery:
    """From which token one looks: a prefix token by name ("cls", "dist", "reg1" …) or a patch by (row, col)."""

    prefix: str | None = "cls"
    row: int = 0
    col: int = 0

    @classmethod
    def named(cls, name: str) -> TokenQuery:
        """The query of a name: "cls", "dist", "reg1" …, or "row,col" of a patch from 0. DemoError for other names."""
        if "," not in name:
            return cls(name)
        row, _, col = name.partition(",")
        try:
            return cls(None, int(row), int(col))
        except ValueError:
            raise DemoError("attention.no_such_token", name=name, names="cls; row,col") from None

    @classmethod
    def counted_from_one(cls, name: str) -> TokenQuery:
        """`named` for what a person writes: "1,1" is the first patch."""
        query = cls.named(name)
        return query if query.prefix is not None else cls(None, query.row - 1, query.col - 1)

    @property
    def name(self) -> str:
        """The inverse of `named`."""
        return self.prefix if self.prefix is not None else f"{self.row},{self.col}"

    @property
    def name_from_one(self) -> str:
        """The inverse of `counted_from_one`: for names of files, links, and whatever else people read."""
        return self.prefix if self.prefix is not None else f"{self.row + 1},{self.col + 1}"

    def token(self, grid: PatchGrid) -> int:
        """Number of the token in that grid. Raises DemoError where the grid has no such token."""
        if self.prefix is not None:
            if self.prefix not in grid.prefix_names:
                names = ", ".join(grid.prefix_names) or "–"
                raise DemoError("attention.no_such_token", name=self.prefix, names=names)
            return grid.prefix_names.index(self.prefix)
        if not (0 <= self.row < grid.rows and 0 <= self.col < grid.cols):
            at = {"row": self.row + 1, "col": self.col + 1}  # people count from 1
            raise DemoError("attention.outside_grid", **at, rows=grid.rows, cols=grid.cols)
        return grid.token_of_patch(self.row, self.col)


NATIVE_SIZE, CLASS_TOKEN = SizeChoice(), TokenQuery()


@dataclass(frozen=True)
class RunInfo:
    """How one forward pass came about, for the status line. Times in milliseconds."""

    model_id: str
    title: str
    parameters: int
    grid: PatchGrid
    depth: int
    heads: int
    position: str  # "table", "rope", "table_rope", "none"; off the native grid, the resampling convention's title
    resampled: bool
    device: str
    dtype: str
    forward_ms: float
    cached: bool
    revision: str = ""


@dataclass(frozen=True)
class SizeOption:
    """One entry of the size control and what it costs: patches and tokens, and the work relative to the native size.
    `side` is the shorter side in pixels."""

    side: int
    rows: int
    cols: int
    tokens: int
    cost: float
    native: bool


@dataclass(frozen=True)
class ModelDetails:
    """What a loaded model is made of, for the interface: known only after loading."""

    card: ModelCard
    depth: int
    heads: int
    prefix_names: tuple[str, ...]
    patch_px: int
    sizes: tuple[SizeOption, ...]
    preprocess: PreprocessSpec
    report: Mapping[str, object] = field(default_factory=dict)
