"""What the Features tab's own controls say, checked: it comes from a browser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vit_demo.contract import FACETS, MAX_SEGMENTS
from vit_demo.ui.kit.inputs import number_of
from vit_demo.ui.kit.pictures import chosen_pictures
from vit_demo.ui.state import PageState

VIEWS = ("colours", "segments", "norms", "evolution", "pairs", "alike")
# The tab's own controls: what `Choices.of` calls their values, and their components.
CONTROLS = {
    name: f"features_{name}"
    for name in (
        *("facet", "more", "uploads", "method", "foreground", "flip", "segmenter", "count", "other_side"),
        *("threshold", "other", "lens", "around", "by", "plane", "own"),
    )
}
INPUTS = {"view": "features_view", **CONTROLS}


@dataclass(frozen=True)
class Choices:
    """What the tab's own controls say, checked."""

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
    def of(cls, state: PageState, values: Mapping[str, object]) -> Choices:
        """From the values of INPUTS by name; what is missing is as by default."""
        get = values.get
        view = one_of(get("view"), VIEWS)
        needs = view in ("colours", "pairs")  # elsewhere a broken upload must not be in the way
        other = get("other")
        return cls(
            view=view,
            facet=one_of(get("facet"), FACETS),
            more=chosen_pictures(state, get("more"), get("uploads")) if needs else (),
            method=one_of(get("method"), ("dinov2", "dinov3")),
            foreground=bool(get("foreground")),
            flip=bool(get("flip")),
            segmenter=one_of(get("segmenter"), ("kmeans", "ncut")),
            count=min(max(round(number_of(get("count"), 4)), 2), MAX_SEGMENTS),
            other_side=bool(get("other_side")),
            threshold=max(number_of(get("threshold"), 0.0), 0.0) or None,
            other=other if isinstance(other, str) and other else None,
            lens=int(number_of(get("lens"), 0)),
            around=bool(get("around")),
            by=one_of(get("by"), ("cls", "patches")),
            plane=one_of(get("plane"), ("pca", "umap")),
            own=chosen_pictures(state, None, get("own")) if view == "alike" else (),
        )


def one_of(value: object, choices: tuple[str, ...]) -> str:
    """A choice's value, the first one where it is none of them."""
    return value if isinstance(value, str) and value in choices else choices[0]
