"""The questions of the page: what it needs of an Explainer, and all that it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from vit_demo.contract.attention import HeadMaps, LayerTensors, LiveFrame, Wall
from vit_demo.contract.compare import Agreement, Comparison, JointColours
from vit_demo.contract.core import CLASS_TOKEN, NATIVE_SIZE, ModelDetails, ModelStatus, SizeChoice, TokenQuery
from vit_demo.contract.depth import LayerHeadTable
from vit_demo.contract.draw import DigitReadings, TrainingRecord
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
    Alike,
    Correspondences,
    Evolution,
    Facet,
    PatchFeatures,
    PcaImages,
    PcaMethod,
    PictureSummary,
    Plane,
    Segmentation,
    SegmentMethod,
    TokenNorms,
)
from vit_demo.contract.film import FilmPart
from vit_demo.contract.own_classes import OwnClasses, OwnPrediction, PictureVectors
from vit_demo.contract.predict import Neighbours, Prediction
from vit_demo.contract.relevance import (
    DEFAULT_OPTIONS,
    QUICK_METHODS,
    Faithfulness,
    Relevance,
    RelevanceOptions,
    Targets,
)
from vit_demo.contract.walk import WalkStep, WalkStepName
from vit_demo.contract.what_if import Scan, ScanHow, ScanKind, Search, SearchMethod, WhatIf
from vit_demo.edits import NO_EDITS, Edits


class ExplainerProtocol(Protocol):
    """One method per question; numpy pictures (H, W, 3) uint8 in, the contract's dataclasses out. Each call carries all
    that it needs. Raises DemoError with a sentence for people. What a question means stands at the Explainer's method
    of its name; a test holds both, the answers' functions and the tests' fake to the same names and defaults."""

    @property
    def takes_frames(self) -> bool: ...

    def statuses(self) -> tuple[ModelStatus, ...]: ...

    def forget(self, visitor: str) -> None: ...

    def default_model(self, download: bool = True) -> str: ...

    def details(self, model: str, progress: Callable[[int, int], None] | None = None) -> ModelDetails: ...

    def predict(
        self, image: np.ndarray, model: str, size: SizeChoice = NATIVE_SIZE, top: int = 5
    ) -> Prediction | Neighbours: ...

    def attention(
        self,
        image: np.ndarray,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        query: TokenQuery = CLASS_TOKEN,
        layer: int = -1,
    ) -> HeadMaps: ...

    def attention_layer(
        self, image: np.ndarray, model: str, size: SizeChoice = NATIVE_SIZE, layer: int = -1
    ) -> LayerTensors: ...

    def attention_wall(self, image: np.ndarray, model: str, size: SizeChoice = NATIVE_SIZE) -> Wall: ...

    def live(
        self,
        frame: np.ndarray,
        model: str,
        query: TokenQuery = CLASS_TOKEN,
        layer: int = -1,
        basis: np.ndarray | None = None,
    ) -> LiveFrame: ...

    def film_part(
        self, frames: np.ndarray, model: str, size: SizeChoice = NATIVE_SIZE, layer: int = -1
    ) -> FilmPart: ...

    def film_colours(self, features: Sequence[np.ndarray]) -> np.ndarray: ...

    def depth(
        self, image: np.ndarray, model: str, size: SizeChoice = NATIVE_SIZE, keep_pass: bool = True
    ) -> LayerHeadTable: ...

    def position_similarity(
        self, model: str, size: SizeChoice = NATIVE_SIZE, image: np.ndarray | None = None
    ) -> Similarity: ...

    def filters(self, model: str, count: int = 28) -> FilterBank: ...

    def position_structure(
        self, model: str, size: SizeChoice = NATIVE_SIZE, image: np.ndarray | None = None, components: int = 12
    ) -> PositionStructure: ...

    def filter_responses(
        self, image: np.ndarray, model: str, size: SizeChoice = NATIVE_SIZE, count: int | None = 28
    ) -> FilterResponses: ...

    def input_parts(self, image: np.ndarray, model: str, size: SizeChoice = NATIVE_SIZE) -> InputParts: ...

    def interpolation(
        self,
        image: np.ndarray,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        first: str | None = None,
        second: str = "google",
    ) -> Interpolation: ...

    def stretched_table(
        self, model: str, grid: tuple[int, int], first: str | None = None, second: str = "google", component: int = 0
    ) -> StretchedTable: ...

    def rotation(
        self,
        image: np.ndarray,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        query: TokenQuery = CLASS_TOKEN,
        layer: int = -1,
        head: int = 0,
    ) -> Rotation: ...

    def read_drawing(self, ink: np.ndarray) -> DigitReadings: ...

    def ink_of_photograph(self, image: np.ndarray) -> np.ndarray: ...

    def training_record(self) -> TrainingRecord: ...

    def pca(
        self,
        images: Sequence[np.ndarray],
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        layer: int = -1,
        facet: Facet = "token",
        method: PcaMethod = "dinov2",
        foreground: bool = True,
        flip: bool = False,
    ) -> PcaImages: ...

    def patch_features(
        self, image: np.ndarray, model: str, size: SizeChoice = NATIVE_SIZE, layer: int = -1, facet: Facet = "token"
    ) -> PatchFeatures: ...

    def correspondences(
        self,
        first: np.ndarray,
        second: np.ndarray,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        layer: int = -1,
        facet: Facet = "key",
        pairs: int = 10,
        surroundings: bool = False,
        least_saliency: float = 0.05,
    ) -> Correspondences: ...

    def segments(
        self,
        image: np.ndarray,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        layer: int = -1,
        facet: Facet = "key",
        method: SegmentMethod = "kmeans",
        count: int = 4,
        flip: bool = False,
    ) -> Segmentation: ...

    def token_norms(
        self,
        image: np.ndarray,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        layer: int = -1,
        threshold: float | None = None,
    ) -> TokenNorms: ...

    def evolution(self, image: np.ndarray, model: str, size: SizeChoice = NATIVE_SIZE) -> Evolution: ...

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

    def targets(self, image: np.ndarray, model: str, size: SizeChoice = NATIVE_SIZE, top: int = 5) -> Targets: ...

    def relevance(
        self,
        image: np.ndarray,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        target: int = 0,
        methods: tuple[str, ...] = QUICK_METHODS,
        options: RelevanceOptions = DEFAULT_OPTIONS,
        part: int | None = None,
    ) -> Relevance: ...

    def faithfulness(
        self,
        image: np.ndarray,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        target: int = 0,
        values: np.ndarray | None = None,
        baseline: str = "dropped",
        steps: int = 16,
        seed: int = 0,
    ) -> Faithfulness: ...

    def walk(
        self,
        image: np.ndarray,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        step: WalkStepName = "pixels",
        query: TokenQuery | None = None,
        layer: int = -1,
        head: int = 0,
    ) -> WalkStep: ...

    def what_if(
        self,
        image: np.ndarray,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        edits: Edits = NO_EDITS,
        target: int | None = None,
        query: TokenQuery | None = None,
        layer: int = -1,
        other: np.ndarray | None = None,
        fit: bool = False,
    ) -> WhatIf: ...

    def scan(
        self,
        image: np.ndarray,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        kind: ScanKind = "heads",
        target: int | None = None,
        how: ScanHow = "mean",
        other: np.ndarray | None = None,
        part: int | None = None,
    ) -> Scan: ...

    def fewest_patches(
        self, image: np.ndarray, model: str, size: SizeChoice = NATIVE_SIZE, method: SearchMethod = "greedy"
    ) -> Search: ...

    def agreement(
        self, image: np.ndarray, model: str, other_model: str, size: SizeChoice = NATIVE_SIZE
    ) -> Agreement: ...

    def joint_colours(
        self, image: np.ndarray, models: Sequence[str], size: SizeChoice = NATIVE_SIZE, depth: float = 1.0
    ) -> JointColours: ...

    def compare(self, image: np.ndarray, models: Sequence[str], size: SizeChoice = NATIVE_SIZE) -> Comparison: ...
