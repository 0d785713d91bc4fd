"""What the Features tab shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vit_demo.contract.core import RunInfo
from vit_demo.grid import PatchGrid

Facet = Literal["token", "key", "query", "value"]
PcaMethod = Literal["dinov2", "dinov3"]
SegmentMethod = Literal["kmeans", "ncut"]
Plane = Literal["pca", "umap"]
PictureSummary = Literal["cls", "patches"]
FACETS: tuple[Facet, ...] = ("token", "key", "query", "value")
MAX_PCA_PICTURES = 8
MAX_PAIRS = 10
MAX_SEGMENTS = 12
MAX_OWN_PICTURES = 48


@dataclass(frozen=True)
class PcaImages:
    """The first three principal components of the patches as colours, for some pictures on one basis.

    For each picture: `colours` (rows, cols, 3) in 0…1, `foreground` (rows, cols) booleans (what is not, is black), and
    `pictures` (H, W, 3) uint8. `explained` (3,) is each component's share of the variance. `info` is of the first.
    """

    colours: tuple[np.ndarray, ...]
    foreground: tuple[np.ndarray, ...]
    pictures: tuple[np.ndarray, ...]
    explained: np.ndarray
    method: PcaMethod
    facet: Facet
    layer: int
    info: RunInfo


@dataclass(frozen=True)
class PatchFeatures:
    """What a layer holds of each patch, as unit vectors (rows·cols, D) float32: the cosine of two patches is their dot
    product."""

    vectors: np.ndarray
    grid: PatchGrid
    facet: Facet
    layer: int
    picture: np.ndarray
    info: RunInfo


@dataclass(frozen=True)
class Correspondences:
    """Patches of two pictures that are each other's most similar: `first` and `second` (m, 2) rows and columns,
    `cosines` (m,), best first. `mutual` counts all such pairs among the salient patches; these were chosen of them.

    `saliencies` are maps (rows, cols) in 0…1 and `pictures` (H, W, 3) uint8, of both.
    """

    first: np.ndarray
    second: np.ndarray
    cosines: np.ndarray
    mutual: int
    saliencies: tuple[np.ndarray, np.ndarray]
    pictures: tuple[np.ndarray, np.ndarray]
    facet: Facet
    layer: int
    info: RunInfo


@dataclass(frozen=True)
class Segmentation:
    """A segment for each patch: `labels` (rows, cols) int, from 0. For "kmeans" the largest is 0; for "ncut" 1 is the
    foreground, and `cut` (rows, cols) is the eigenvector that was cut."""

    labels: np.ndarray
    count: int
    method: SegmentMethod
    facet: Facet
    layer: int
    cut: np.ndarray | None
    picture: np.ndarray
    info: RunInfo


@dataclass(frozen=True)
class TokenNorms:
    """Lengths of the tokens in the residual stream: `patches` (layers, rows, cols) and `prefix` (layers, prefix
    tokens).

    At `layer`, patches above `threshold` are `outliers` (rows, cols); it was worked out of the norms unless `given`.
    `looks` and `absorbs` (prefix tokens, rows, cols), mean over heads: where each prefix token looks, and how much of
    each patch's attention it gets.
    """

    patches: np.ndarray
    prefix: np.ndarray
    layer: int
    threshold: float
    given: bool
    outliers: np.ndarray
    looks: np.ndarray
    absorbs: np.ndarray
    picture: np.ndarray
    info: RunInfo


@dataclass(frozen=True)
class Evolution:
    """How tokens change through the layers; depth 0 is the input to the first block, l the output of layer l.

    `patches` (L+1, L+1): cosine of a patch's token at two depths, mean over patches; `cls` the same of the class token,
    or None. `to_final` (L+1, rows, cols): each patch with its own last state. `lens`: what the head reads, or None.
    """

    patches: np.ndarray
    cls: np.ndarray | None
    to_final: np.ndarray
    lens: Lens | None
    picture: np.ndarray
    info: RunInfo


@dataclass(frozen=True)
class Lens:
    """The logit lens: the head, applied to every layer's output as if it were the last.

    `labels` are the most probable classes at the end; `picture` (L, k) their probabilities at each layer, and `patches`
    (L, k, rows, cols) those of each patch put in the place of what the head reads. `best` (L, rows, cols) points into
    `best_labels`: the class that is most probable for the patch; `top` (L,) points there too, for the whole picture.
    """

    labels: tuple[str, ...]
    picture: np.ndarray
    patches: np.ndarray
    best: np.ndarray
    top: np.ndarray
    best_labels: tuple[str, ...]


@dataclass(frozen=True)
class Alike:
    """Pictures in order of likeness to the one asked for. `own` says whether each is one of the visitor's, by number,
    `names` the file of an example else ""; `cosines` (n,). `places` (n + 1, 2) lays all of them on a plane, the picture
    itself last: by PCA, where `explained` (2,) is each axis' share of the variance, or by UMAP, whose axes explain
    nothing (None). `planes` are the ways there are: UMAP where its package is installed and there are pictures enough.

    `layer` counts from 0; `centred` says that the mean of all was taken off first.
    """

    own: tuple[int | None, ...]
    names: tuple[str, ...]
    cosines: np.ndarray
    places: np.ndarray
    explained: np.ndarray | None
    planes: tuple[Plane, ...]
    by: PictureSummary
    layer: int
    centred: bool
    info: RunInfo
