"""What the Features tab's own controls say, checked: it comes from a browser."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from vit_demo.contract import FACETS, MAX_SEGMENTS
from vit_demo.ui.page import Asked
from vit_demo.ui.tabs.features_pictures import chosen_pictures

VIEWS = ("colours", "segments", "norms", "evolution", "pairs", "alike")
CONTROLS = (
    "facet more uploads method foreground flip segmenter count other_side threshold other lens around by plane own"
)
GIVEN = " ".join(f"features_{name}" for name in ("view", *CONTROLS.split()))


class Controls(NamedTuple):
    """What the tab's own controls say, in the order of GIVEN, checked."""

    view: str
    facet: str
    more: tuple[np.ndarray, ...]  # the other pictures, of the examples and uploads chosen
    method: str
    foreground: bool
    flip: bool
    segmenter: str
    count: int
    other_side: bool
    threshold: float | None
    other: str | None
    lens: int
    around: bool
    by: str
    plane: str
    own: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, asked: Asked, given: tuple) -> Controls:
        (view, facet, more, uploads, method, foreground, flip, segmenter, count, other_side, threshold, other) = given[
            :12
        ]
        lens, around, by, plane, own = given[12:]
        needs = view in ("colours", "pairs")  # elsewhere a broken upload must not be in the way
        return cls(
            view=view if view in VIEWS else VIEWS[0],
            facet=facet if facet in FACETS else FACETS[0],
            more=chosen_pictures(asked, more, uploads) if needs else (),
            method="dinov3" if method == "dinov3" else "dinov2",
            foreground=bool(foreground),
            flip=bool(flip),
            segmenter="ncut" if segmenter == "ncut" else "kmeans",
            count=min(max(round(number_of(count, 4)), 2), MAX_SEGMENTS),
            other_side=bool(other_side),
            threshold=max(number_of(threshold, 0.0), 0.0) or None,
            other=other if isinstance(other, str) and other else None,
            lens=int(number_of(lens, 0)),
            around=bool(around),
            by="patches" if by == "patches" else "cls",
            plane="umap" if plane == "umap" else "pca",
            own=chosen_pictures(asked, None, own) if view == "alike" else (),
        )


def number_of(value: object, otherwise: float | None) -> float | None:
    """A control's number; `otherwise` for what is none."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return otherwise
    return number if math.isfinite(number) else otherwise
