"""What the interface and the engine share: frozen numpy dataclasses, one error, and the Explainer protocol.

Nothing here knows torch or gradio, so every value can cross a process boundary and every handler can be tested with a
fake engine. A module a topic, as in answers/ and ui/tabs/; `core` is what all of them share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from vit_demo.contract.attention import HeadMaps
from vit_demo.contract.core import (
    HALF_MEAN,
    HALF_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Availability,
    DemoError,
    ModelCard,
    ModelDetails,
    ModelError,
    ModelStatus,
    PictureError,
    PreparedImage,
    PreprocessSpec,
    RunInfo,
    SizeChoice,
    SizeOption,
    TokenQuery,
)
from vit_demo.contract.embeddings import FilterBank, Similarity
from vit_demo.contract.predict import Neighbours, Prediction

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "HALF_MEAN",
    "HALF_STD",
    "DemoError",
    "PictureError",
    "ModelError",
    "PreprocessSpec",
    "ModelCard",
    "Availability",
    "ModelStatus",
    "PreparedImage",
    "SizeChoice",
    "TokenQuery",
    "RunInfo",
    "SizeOption",
    "ModelDetails",
    "ExplainerProtocol",
    "FilterBank",
    "HeadMaps",
    "Neighbours",
    "Prediction",
    "Similarity",
]


class ExplainerProtocol(Protocol):
    """One method per question; numpy pictures (H, W, 3) uint8 in, the dataclasses above out. Each call carries all
    that it needs. Raises DemoError with a sentence for people."""

    def statuses(self) -> tuple[ModelStatus, ...]: ...

    def default_model(self) -> str: ...

    def details(self, model: str, progress: Callable[[int, int], None] | None = None) -> ModelDetails: ...

    def predict(self, image: np.ndarray, model: str, size: SizeChoice, top: int = 5) -> Prediction | Neighbours: ...

    def attention(self, image: np.ndarray, model: str, size: SizeChoice, query: TokenQuery, layer: int) -> HeadMaps: ...

    def position_similarity(self, model: str, size: SizeChoice, image: np.ndarray | None = None) -> Similarity: ...

    def filters(self, model: str, count: int = 28) -> FilterBank: ...
