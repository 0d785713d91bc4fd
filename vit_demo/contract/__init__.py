"""What the interface and the engine share: frozen numpy dataclasses, one error, and the Explainer protocol.

Nothing here knows torch or gradio, so every value can cross a process boundary and every handler can be tested with a
fake engine. A module a topic, as in answers/ and ui/tabs/; `core` is what all of them share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from vit_demo.contract.attention import HeadMaps, LayerTensors, Wall
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
from vit_demo.contract.depth import LayerHeadTable
from vit_demo.contract.draw import DigitReading, DigitReadings, TrainingRecord
from vit_demo.contract.embeddings import (
    FilterBank,
    FilterResponses,
    InputParts,
    Interpolation,
    PositionStructure,
    Rotation,
    Similarity,
    StretchedTable,
)
from vit_demo.contract.features import (
    FACETS,
    MAX_OWN_PICTURES,
    MAX_PAIRS,
    MAX_PCA_PICTURES,
    MAX_SEGMENTS,
    Alike,
    Correspondences,
    Evolution,
    Facet,
    Lens,
    PatchFeatures,
    PcaImages,
    PcaMethod,
    PictureSummary,
    Plane,
    Segmentation,
    SegmentMethod,
    TokenNorms,
)
from vit_demo.contract.own_classes import OwnClasses, OwnPrediction, PictureVectors
from vit_demo.contract.predict import Neighbours, Prediction
from vit_demo.contract.relevance import Faithfulness, Relevance, RelevanceMap, RelevanceOptions, Targets

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
    "LayerTensors",
    "Wall",
    "LayerHeadTable",
    "FilterResponses",
    "InputParts",
    "Interpolation",
    "StretchedTable",
    "PositionStructure",
    "Rotation",
    "DigitReading",
    "DigitReadings",
    "TrainingRecord",
    "Neighbours",
    "Prediction",
    "Faithfulness",
    "Relevance",
    "RelevanceMap",
    "RelevanceOptions",
    "Targets",
    "Similarity",
    "FACETS",
    "MAX_OWN_PICTURES",
    "MAX_PAIRS",
    "MAX_PCA_PICTURES",
    "MAX_SEGMENTS",
    "Alike",
    "Correspondences",
    "Evolution",
    "Facet",
    "Lens",
    "PatchFeatures",
    "PcaImages",
    "PcaMethod",
    "PictureSummary",
    "Plane",
    "Segmentation",
    "SegmentMethod",
    "TokenNorms",
    "OwnClasses",
    "OwnPrediction",
    "PictureVectors",
]


class ExplainerProtocol(Protocol):
    """One method per question; numpy pictures (H, W, 3) uint8 in, the dataclasses above out. Each call carries all
    that it needs. Raises DemoError with a sentence for people."""

    def statuses(self) -> tuple[ModelStatus, ...]: ...

    def default_model(self) -> str: ...

    def details(self, model: str, progress: Callable[[int, int], None] | None = None) -> ModelDetails: ...

    def predict(self, image: np.ndarray, model: str, size: SizeChoice, top: int = 5) -> Prediction | Neighbours: ...

    def attention(self, image: np.ndarray, model: str, size: SizeChoice, query: TokenQuery, layer: int) -> HeadMaps: ...

    def attention_layer(self, image: np.ndarray, model: str, size: SizeChoice, layer: int) -> LayerTensors: ...

    def attention_wall(self, image: np.ndarray, model: str, size: SizeChoice) -> Wall: ...

    def depth(self, image: np.ndarray, model: str, size: SizeChoice, keep_pass: bool = True) -> LayerHeadTable: ...

    def position_similarity(self, model: str, size: SizeChoice, image: np.ndarray | None = None) -> Similarity: ...

    def filters(self, model: str, count: int = 28) -> FilterBank: ...

    def position_structure(
        self, model: str, size: SizeChoice, image: np.ndarray | None = None, components: int = 12
    ) -> PositionStructure: ...

    def filter_responses(
        self, image: np.ndarray, model: str, size: SizeChoice, count: int | None = 28
    ) -> FilterResponses: ...

    def input_parts(self, image: np.ndarray, model: str, size: SizeChoice) -> InputParts: ...

    def interpolation(
        self, image: np.ndarray, model: str, size: SizeChoice, first: str | None, second: str
    ) -> Interpolation: ...

    def stretched_table(
        self, model: str, grid: tuple[int, int], first: str | None, second: str, component: int = 0
    ) -> StretchedTable: ...

    def rotation(
        self, image: np.ndarray, model: str, size: SizeChoice, query: TokenQuery, layer: int, head: int = 0
    ) -> Rotation: ...

    def read_drawing(self, ink: np.ndarray) -> DigitReadings: ...

    def ink_of_photograph(self, image: np.ndarray) -> np.ndarray: ...

    def training_record(self) -> TrainingRecord: ...

    def pca(
        self,
        images: Sequence[np.ndarray],
        model: str,
        size: SizeChoice,
        layer: int = -1,
        facet: Facet = "token",
        method: PcaMethod = "dinov2",
        foreground: bool = True,
        flip: bool = False,
    ) -> PcaImages: ...

    def patch_features(
        self, image: np.ndarray, model: str, size: SizeChoice, layer: int = -1, facet: Facet = "token"
    ) -> PatchFeatures: ...

    def correspondences(
        self,
        first: np.ndarray,
        second: np.ndarray,
        model: str,
        size: SizeChoice,
        layer: int = -1,
        facet: Facet = "key",
        pairs: int = MAX_PAIRS,
        surroundings: bool = False,
        least_saliency: float = 0.05,
    ) -> Correspondences: ...

    def segments(
        self,
        image: np.ndarray,
        model: str,
        size: SizeChoice,
        layer: int = -1,
        facet: Facet = "key",
        method: SegmentMethod = "kmeans",
        count: int = 4,
        flip: bool = False,
    ) -> Segmentation: ...

    def token_norms(
        self, image: np.ndarray, model: str, size: SizeChoice, layer: int = -1, threshold: float | None = None
    ) -> TokenNorms: ...

    def evolution(self, image: np.ndarray, model: str, size: SizeChoice) -> Evolution: ...

    def alike(
        self,
        image: np.ndarray,
        own: Sequence[np.ndarray],
        model: str,
        by: PictureSummary = "cls",
        plane: Plane = "pca",
    ) -> Alike: ...

    def picture_vectors(self, images: Sequence[np.ndarray], model: str) -> PictureVectors: ...

    def own_classes(self, image: np.ndarray, own: OwnClasses, model: str) -> OwnPrediction: ...

    def targets(self, image: np.ndarray, model: str, size: SizeChoice, top: int = 5) -> Targets: ...

    def relevance(
        self,
        image: np.ndarray,
        model: str,
        size: SizeChoice,
        target: int,
        methods: tuple[str, ...],
        options: RelevanceOptions,
        part: int | None = None,
    ) -> Relevance: ...

    def faithfulness(
        self,
        image: np.ndarray,
        model: str,
        size: SizeChoice,
        target: int,
        values: np.ndarray | None,
        baseline: str = "mean",
        steps: int = 16,
        seed: int = 0,
    ) -> Faithfulness: ...
