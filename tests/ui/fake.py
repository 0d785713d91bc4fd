"""An engine without a model: numbers by formula, so that every value on the page can be computed again by a test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vit_demo.contract import (
    FilterBank,
    HeadMaps,
    ModelCard,
    ModelDetails,
    ModelError,
    ModelStatus,
    Neighbours,
    Prediction,
    PreprocessSpec,
    RunInfo,
    Similarity,
    SizeChoice,
    SizeOption,
    TokenQuery,
)
from vit_demo.grid import PatchGrid
from vit_demo.preprocess import input_size

PATCH_PX, NATIVE_SIZE = 16, (48, 80)  # 3 × 5 patches: rows and columns cannot be mistaken for each other
OTHER_SIDE = 96  # 6 × 10 patches
REGISTERS = ("cls", "reg1", "reg2")
HEAD, FEATURES, BROKEN = "fake/head", "fake/features", "fake/broken"


def card(model: str, **changes) -> ModelCard:
    made = ModelCard(
        id=model,
        title=f"Fake {model.removeprefix('fake/')}",
        family="ViT",
        parameters=5_700_000,
        download_bytes=22_000_000,
        licence="Apache-2.0",
        licence_url="https://www.apache.org/licenses/LICENSE-2.0",
        has_head=model == HEAD,
        native_size=NATIVE_SIZE,
        patch_px=PATCH_PX,
        why="catalog.why_own",
    )
    return replace(made, **changes)


class FakeExplainer:
    """ExplainerProtocol in numpy. `calls` keeps (question, arguments); what `errors` holds for a question is raised.

    The model with a head has 6 layers, 3 heads and two registers; the one without has 4 layers, 2 heads and none.
    """

    def __init__(self):
        self.calls: list[tuple[str, tuple]] = []
        self.errors: dict[str, Exception] = {}
        self.labels = ("tabby", "lynx")
        self.neighbours = (("kitten.jpg", "dog.jpg"), ("kitten", "dog"))
        self.kind = "learned"
        self.cached = False

    @property
    def questions(self) -> list[str]:
        return [question for question, _ in self.calls]

    def _asked(self, question: str, *args) -> None:
        self.calls.append((question, args))
        if question in self.errors:
            raise self.errors[question]

    def statuses(self) -> tuple[ModelStatus, ...]:
        self._asked("statuses")
        return (
            ModelStatus(card(BROKEN), "out_of_reach", "catalog.hub_out_of_reach"),
            ModelStatus(card(FEATURES), "downloadable"),
            ModelStatus(card(HEAD), "on_disk"),
        )

    def default_model(self) -> str:
        return HEAD

    def details(self, model: str, progress=None) -> ModelDetails:
        self._asked("details", model)
        if progress is not None:
            progress(11_000_000, 22_000_000)
        self._require(model)
        depth, heads, prefixes = self._shape(model)
        sizes = tuple(
            SizeOption(side, rows, cols, rows * cols + len(prefixes), float(cost), side == min(NATIVE_SIZE))
            for side, rows, cols, cost in ((48, 3, 5, 1), (OTHER_SIDE, 6, 10, 5))
        )
        return ModelDetails(card(model), depth, heads, prefixes, PATCH_PX, sizes, PreprocessSpec(NATIVE_SIZE))

    def predict(self, image: np.ndarray, model: str, size: SizeChoice, top: int = 5) -> Prediction | Neighbours:
        self._asked("predict", model, size)
        info, picture = self._run(image, model, size)
        if model == HEAD:
            return Prediction(self.labels, (0.75, 0.125), 0.125, 1000, picture, info)
        names, labels = self.neighbours
        return Neighbours(names, labels, (0.5, -0.25), (("kitten", 0.995), ("dog", 0.005)), 2, True, picture, info)

    def attention(self, image: np.ndarray, model: str, size: SizeChoice, query: TokenQuery, layer: int) -> HeadMaps:
        self._asked("attention", model, size, query, layer)
        info, picture = self._run(image, model, size)
        rows = self.rows(info, query, layer)
        prefix = info.grid.num_prefix_tokens
        return HeadMaps(rows[:, prefix:].reshape(-1, *info.grid.shape), rows[:, :prefix], query, layer, picture, info)

    @staticmethod
    def rows(info: RunInfo, query: TokenQuery, layer: int) -> np.ndarray:
        """(heads, tokens) positive, rows sum to 1, different for every head, layer and token."""
        noise = np.random.default_rng([layer, query.token(info.grid)])
        rows = noise.exponential(size=(info.heads, info.grid.num_tokens)) ** 2
        return rows / rows.sum(axis=1, keepdims=True)

    def position_similarity(self, model: str, size: SizeChoice, image: np.ndarray | None = None) -> Similarity:
        self._asked("position_similarity", model, size)
        grid = self._grid(np.zeros((*NATIVE_SIZE, 3), np.uint8) if image is None else image, model, size)
        matrix = np.random.default_rng(3).uniform(-1, 1, (grid.num_patches, grid.num_patches))
        low = -1.0 if self.kind == "learned" else float(matrix.min())
        native = grid.shape == (3, 5)
        return Similarity(matrix.astype(np.float32), grid, self.kind, (low, 1.0), native)

    def filters(self, model: str, count: int = 28) -> FilterBank:
        self._asked("filters", model)
        noise = np.random.default_rng(4)
        return FilterBank(noise.uniform(size=(count, PATCH_PX, PATCH_PX, 3)), np.full(count, 0.5 / count), 192)

    @staticmethod
    def _require(model: str) -> None:
        if model not in (HEAD, FEATURES):
            raise ModelError("models.unreachable", name=model)

    @staticmethod
    def _shape(model: str) -> tuple[int, int, tuple[str, ...]]:
        return (6, 3, REGISTERS) if model == HEAD else (4, 2, ("cls",))

    def _grid(self, image: np.ndarray, model: str, size: SizeChoice) -> PatchGrid:
        height, width = input_size(PreprocessSpec(NATIVE_SIZE), PATCH_PX, size, *image.shape[:2])
        return PatchGrid.of(height, width, PATCH_PX, self._shape(model)[2])

    def _run(self, image: np.ndarray, model: str, size: SizeChoice) -> tuple[RunInfo, np.ndarray]:
        self._require(model)
        grid = self._grid(image, model, size)
        depth, heads, _ = self._shape(model)
        picture = np.full((grid.rows * PATCH_PX, grid.cols * PATCH_PX, 3), 127, np.uint8)
        info = RunInfo(
            model_id=model,
            title=card(model).title,
            parameters=5_700_000,
            grid=grid,
            depth=depth,
            heads=heads,
            position="table",
            resampled=False,
            device="cpu",
            dtype="float32",
            forward_ms=12.0,
            cached=self.cached,
        )
        return info, picture
