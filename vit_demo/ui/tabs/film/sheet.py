"""The four pictures of a frame side by side, for the film that is taken away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vit_demo.contract import FilmPart
from vit_demo.render.colour import DIVERGING
from vit_demo.render.overlay import enlarge, overlay

GAP_PX = 4
DIMMED = 0.15  # of the picture where the mask is not


@dataclass(frozen=True)
class Chosen:
    """What is chosen in the view: a head (from 0; None: the mean of all), the share of the mask, and the patch that the
    others are compared with: its frame and its number in the grid."""

    head: int | None = None
    share: float = 0.6
    frame: int = 0
    patch: int | None = None

    @classmethod
    def of(cls, value: object) -> Chosen:
        """From what a browser sent; what makes no sense becomes the default."""
        if not isinstance(value, dict):
            return cls()

        def index(name: str) -> int | None:
            one = value.get(name)
            return one if isinstance(one, int) and not isinstance(one, bool) and 0 <= one < 100_000 else None

        share = value.get("share")
        share = share if isinstance(share, int | float) and 0.01 <= share <= 1 else cls.share
        return cls(index("head"), float(share), index("frame") or 0, index("patch"))


def mass_mask(values: np.ndarray, share: float) -> np.ndarray:
    """The fewest strongest places that hold `share` of a map's sum, as booleans of its shape: the mask of
    facebookresearch/dino visualize_attention.py."""
    order = np.argsort(-values, axis=None, kind="stable")
    held = np.cumsum(values.ravel()[order])
    count = int(np.searchsorted(held, share * held[-1] * (1 - 1e-6))) + 1
    mask = np.zeros(values.size, bool)
    mask[order[:count]] = True
    return mask.reshape(values.shape)


def shown_maps(parts: list[FilmPart], head: int | None) -> np.ndarray:
    """The maps (F, rows, cols) of one head, or of the mean of all."""
    maps = np.concatenate([part.maps for part in parts])
    return maps.mean(axis=1) if head is None else maps[:, min(head, maps.shape[1] - 1)]


def sheets(parts: list[FilmPart], colours: np.ndarray, chosen: Chosen) -> Iterator[np.ndarray]:
    """Frame by frame (H, W, 3) uint8: the map over the picture on the film's one scale, the mask, the colours, and how
    alike every patch is to the chosen one."""
    maps, grid = shown_maps(parts, chosen.head), parts[0].info.grid
    top, number = float(maps.max()), 0
    features = [frame for part in parts for frame in part.features]
    patch = min(grid.num_patches - 1, grid.num_patches // 2 if chosen.patch is None else chosen.patch)
    query = features[min(chosen.frame, len(features) - 1)][patch].astype(np.float32)
    for part in parts:
        for picture in part.pictures:
            height, width = picture.shape[:2]
            mask = enlarge(
                np.repeat(255 * mass_mask(maps[number], chosen.share)[..., None], 3, axis=2).astype(np.uint8),
                height,
                width,
            )
            cosines = (features[number].astype(np.float32) @ query).reshape(grid.shape)
            panels = [
                overlay(picture, maps[number], (0.0, top)),
                np.where(mask > 0, picture, (DIMMED * picture).astype(np.uint8)),
                enlarge(colours[number].reshape(*grid.shape, 3), height, width),
                overlay(picture, cosines, (-1.0, 1.0), table=DIVERGING),
            ]
            gap = np.full((height, GAP_PX, 3), 255, np.uint8)
            yield np.hstack([panels[0], *(part for panel in panels[1:] for part in (gap, panel))])
            number += 1
