"""A module a topic: what the Explainer answers. An Engine and plain data in, dataclasses of the contract out.

A question's function has the name of the Explainer's method. The modules load on first use (PEP 562), since they import
torch: `answers.attention.attention` can be followed in an editor, and `import vit_demo` needs no torch.

When an answer takes the engine's turn: whatever computes on tensors stands inside `with engine.computing()`, which
also switches gradients off. `engine.load`, `run` and `encode`, and `kept.get_or_make`, stand outside of it: they take
their turn themselves, and it cannot be taken twice. Long computations leave it between their parts. What computes on
arrays alone (scikit-learn, UMAP) takes none.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vit_demo.answers import (
        alike,
        attention,
        compare,
        depth,
        details,
        draw,
        embeddings,
        features,
        film,
        interpolation,
        live,
        own_classes,
        predict,
        relevance,
        rotation,
        scan,
        search,
        targets,
        walk,
        what_if,
    )

__all__ = [
    "alike",
    "attention",
    "compare",
    "depth",
    "details",
    "draw",
    "embeddings",
    "features",
    "film",
    "interpolation",
    "live",
    "own_classes",
    "predict",
    "relevance",
    "rotation",
    "scan",
    "search",
    "targets",
    "walk",
    "what_if",
]


def __getattr__(name: str):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")
