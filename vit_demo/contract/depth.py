"""What the Depth tab shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from vit_demo.grid import PatchGrid


@dataclass(frozen=True)
class LayerHeadTable:
    """Statistics of attention over depth, each (layers, heads), for one picture or as the mean of several.

    Queries are the patches, but in `register_mass`, where it is the class token (None without it or without registers).
    `distance_px` drops prefix columns without making up for them (ViT App. D.7), `distance_renormalised_px` divides by
    the mass on patches; pixels of the input. `entropy_share` is the entropy over log2 of the number of tokens.
    `prefix_mass` is the patches' attention on prefix tokens. `uniform_distance_px` (renormalised) and
    `uniform_entropy_bits` are what a head would have that looks at every token alike. `grid` is that of the (last)
    picture.
    """

    distance_px: np.ndarray
    distance_renormalised_px: np.ndarray
    entropy_bits: np.ndarray
    entropy_share: np.ndarray
    prefix_mass: np.ndarray
    register_mass: np.ndarray | None
    uniform_distance_px: float
    uniform_entropy_bits: float
    model_id: str
    title: str
    grid: PatchGrid
    pictures: int = 1

    @property
    def depth(self) -> int:
        return self.distance_px.shape[0]

    @property
    def heads(self) -> int:
        return self.distance_px.shape[1]

    @classmethod
    def mean(cls, tables: Sequence[LayerHeadTable]) -> LayerHeadTable:
        """The mean over pictures under one model, each with the weight of its pictures. ValueError for several models
        or none."""
        if len({table.model_id for table in tables}) != 1:
            raise ValueError("a mean is over pictures under one model")
        last, weights = tables[-1], [table.pictures for table in tables]

        def of(name: str) -> np.ndarray | None:
            columns = [getattr(table, name) for table in tables]
            return None if columns[0] is None else np.average(columns, axis=0, weights=weights)

        return replace(last, **{name: of(name) for name in AVERAGED}, pictures=sum(weights))


NAMES = ("model_id", "title", "grid", "pictures")
AVERAGED = tuple(field.name for field in fields(LayerHeadTable) if field.name not in NAMES)
