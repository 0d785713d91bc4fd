"""What a model is made of, known once it is loaded."""

from __future__ import annotations

from collections.abc import Callable

from vit_demo.answers.examples import example_vectors
from vit_demo.contract import ModelDetails
from vit_demo.engine import Engine
from vit_demo.sizes import size_options


def details(engine: Engine, model: str, progress: Callable[[int, int], None] | None = None) -> ModelDetails:
    """Loads a model and tells what it is made of; `progress(done_bytes, total_bytes)` follows a download."""
    loaded = engine.load(model, progress)
    config = loaded.model.config
    return ModelDetails(
        card=loaded.card,
        depth=config.depth,
        heads=config.heads,
        prefix_names=config.prefix_names,
        patch_px=config.patch_px,
        sizes=size_options(loaded),
        preprocess=loaded.preprocess,
        report={**loaded.report.summary(), "assumed": "; ".join(loaded.report.assumed)},
    )


def prepare_views(engine: Engine, model: str) -> None:
    """What somebody's first look at a view would wait for: scikit-learn and scipy, two seconds of import, and for a
    model without classes the examples that it is asked about instead."""
    import sklearn.cluster
    import sklearn.linear_model  # noqa: F401

    if engine.load(model).model.head is None:
        example_vectors(engine, model)
