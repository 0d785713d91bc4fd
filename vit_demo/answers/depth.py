"""How attention changes over depth."""

from __future__ import annotations

import math

import numpy as np

from vit_demo.analysis.depth import HeadStatistics, depth_statistics, patch_distances_px
from vit_demo.contract import LayerHeadTable, SizeChoice
from vit_demo.engine import Engine, long_work
from vit_demo.grid import PatchGrid
from vit_demo.model import Trace


@long_work
def depth(engine: Engine, image: np.ndarray, model: str, size: SizeChoice, keep_pass: bool) -> LayerHeadTable:
    """Statistics per layer and head for one picture; kept by content.

    Without `keep_pass` (one picture of many) its forward pass is let go, so that it pushes no one else's out of memory.
    """
    loaded = engine.load(model)
    prepared = engine.prepared(image, loaded, size)

    def trace() -> Trace:
        if keep_pass or engine.has_run(model, loaded, prepared):
            return engine.run(image, model, size).trace
        pixels = engine.pixels(prepared)
        return engine.encode(loaded, pixels)[0]

    def make() -> tuple[HeadStatistics, PatchGrid]:
        passed = trace()
        with engine.computing(long=True):
            return depth_statistics(passed), passed.grid

    key = ("depth", model, loaded.revision, prepared.digest)
    found, grid = engine.kept.get_or_make(key, make, lambda made: 5 * made[0].distance_px.nbytes)[0]
    as_numpy = lambda values: values[:, 0].double().numpy()  # noqa: E731
    return LayerHeadTable(
        distance_px=as_numpy(found.distance_px),
        distance_renormalised_px=as_numpy(found.distance_renormalised_px),
        entropy_bits=as_numpy(found.entropy_bits),
        entropy_share=as_numpy(found.entropy_bits) / math.log2(max(2, grid.num_tokens)),
        prefix_mass=as_numpy(found.prefix_mass),
        register_mass=None if found.register_mass is None else as_numpy(found.register_mass),
        uniform_distance_px=float(patch_distances_px(grid).mean()),
        uniform_entropy_bits=math.log2(grid.num_tokens),
        model_id=model,
        title=loaded.card.title,
        grid=grid,
    )
