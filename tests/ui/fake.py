"""An engine without a model: numbers by formula, so that every value on the page can be computed again by a test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vit_demo.contract import (
    CLASS_TOKEN,
    DEFAULT_OPTIONS,
    SEARCHES,
    Agreement,
    Alike,
    ComparedModel,
    Comparison,
    Correspondences,
    DemoError,
    DigitReading,
    DigitReadings,
    Evolution,
    Faithfulness,
    FilmPart,
    FilterBank,
    FilterResponses,
    HeadMaps,
    InputParts,
    Interpolation,
    JointColours,
    LayerHeadTable,
    LayerTensors,
    Lens,
    LiveFrame,
    ModelCard,
    ModelDetails,
    ModelError,
    ModelStatus,
    Neighbours,
    OwnPrediction,
    PatchFeatures,
    PcaImages,
    PictureVectors,
    PositionStructure,
    Prediction,
    PreprocessSpec,
    Relevance,
    RelevanceMap,
    Rotation,
    RunInfo,
    Scan,
    Search,
    Segmentation,
    Similarity,
    SizeChoice,
    SizeOption,
    SourceLines,
    StretchedTable,
    Targets,
    TokenNorms,
    TokenQuery,
    TrainingRecord,
    WalkQuestion,
    WalkStep,
    Wall,
    WhatIf,
)
from vit_demo.contract import NATIVE_SIZE as NATIVE
from vit_demo.contract.relevance import LONG_METHODS, QUICK_METHODS, SIGNED_METHODS
from vit_demo.edits import NO_EDITS
from vit_demo.grid import PatchGrid
from vit_demo.ink import as_mnist, as_picture, ink_of_photograph
from vit_demo.preprocess import input_size

PATCH_PX, NATIVE_SIZE = 16, (48, 80)  # 3 × 5 patches: rows and columns cannot be mistaken for each other
OTHER_SIDE = 96  # 6 × 10 patches
REGISTERS = ("cls", "reg1", "reg2")
RULES = ("dino", "dinov2_reg", "timm", "transformers", "google")
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
        self.planes = ("pca", "umap")
        self.cached = False
        self.takes_frames = True

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

    def forget(self, visitor: str) -> None:
        self._asked("forget", visitor)

    def default_model(self, download: bool = True) -> str:
        return HEAD

    def details(self, model, progress=None) -> ModelDetails:
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

    def predict(self, image, model, size=NATIVE, top=5) -> Prediction | Neighbours:
        self._asked("predict", model, size)
        info, picture = self._run(image, model, size)
        if model == HEAD:
            return Prediction(self.labels, (0.75, 0.125), 0.125, 1000, picture, info)
        names, labels = self.neighbours
        return Neighbours(names, labels, (0.5, -0.25), (("kitten", 0.995), ("dog", 0.005)), 2, True, picture, info)

    def attention(self, image, model, size=NATIVE, query=CLASS_TOKEN, layer=-1) -> HeadMaps:
        self._asked("attention", model, size, query, layer)
        info, picture = self._run(image, model, size)
        rows = self.rows(info, query, layer)
        prefix = info.grid.num_prefix_tokens
        return HeadMaps(rows[:, prefix:].reshape(-1, *info.grid.shape), rows[:, :prefix], query, layer, picture, info)

    def live(self, frame, model, query=CLASS_TOKEN, layer=-1, basis=None) -> LiveFrame:
        """The attention of the same grid; every patch has the colour of its row and column."""
        self._asked("live", frame.shape, model, query, layer, None if basis is None else basis.shape)
        info, _ = self._run(frame, model, SizeChoice(grid=(frame.shape[0] // PATCH_PX, frame.shape[1] // PATCH_PX)))
        rows, prefix, (high, wide) = self.rows(info, query, layer), info.grid.num_prefix_tokens, info.grid.shape
        colours = np.stack([*np.mgrid[:high, :wide], np.zeros((high, wide))], axis=-1).astype(np.uint8)
        made = np.full((4, 8), frame.mean(), np.float32) if basis is None else basis
        names, values = (self.labels, (0.75, 0.125)) if model == HEAD else (self.neighbours[1], (0.5, -0.25))
        maps = rows[:, prefix:].reshape(-1, high, wide)
        token = query.token(info.grid)
        return LiveFrame(maps, rows[:, :prefix], colours, made, names, values, model != HEAD, layer, token, 12.5)

    def film_part(self, frames, model, size=NATIVE, layer=-1) -> FilmPart:
        """Every frame has the class token's maps; its patches' directions turn with its mean brightness."""
        self._asked("film_part", frames.shape, model, size, layer)
        info, picture = self._run(frames[0], model, size)
        rows, prefix = self.rows(info, CLASS_TOKEN, layer), info.grid.num_prefix_tokens
        maps = rows[:, prefix:].reshape(-1, *info.grid.shape)
        turn = frames.mean(axis=(1, 2, 3))[:, None] / 255 + np.arange(info.grid.num_patches)  # (F, n)
        features = np.stack([np.cos(turn), np.sin(turn), 0 * turn, 0 * turn], axis=-1).astype(np.float16)
        count = len(frames)
        outside = rows[:, :prefix].sum(axis=1)
        many = (np.repeat(one[None], count, axis=0) for one in (picture, maps, outside))
        return FilmPart(*many, features, layer, info)

    def film_colours(self, features) -> np.ndarray:
        self._asked("film_colours", [part.shape for part in features])
        count, patches = sum(len(part) for part in features), features[0].shape[1]
        return np.arange(count * patches * 3).reshape(count, patches, 3).astype(np.uint8)

    @staticmethod
    def queries_and_keys(info: RunInfo, layer: int) -> tuple[np.ndarray, np.ndarray]:
        """(heads, tokens, 4) each, different for every head, layer and grid."""
        noise = np.random.default_rng([layer, info.grid.num_tokens])
        return tuple(noise.normal(size=(2, info.heads, info.grid.num_tokens, 4)) * 1.5)

    @classmethod
    def matrix(cls, info: RunInfo, layer: int) -> np.ndarray:
        """(heads, tokens, tokens), rows sum to 1."""
        queries, keys = cls.queries_and_keys(info, layer)
        powers = np.exp(queries @ keys.transpose(0, 2, 1))
        return powers / powers.sum(axis=-1, keepdims=True)

    @classmethod
    def rows(cls, info: RunInfo, query: TokenQuery, layer: int) -> np.ndarray:
        """(heads, tokens) of one token."""
        return cls.matrix(info, layer)[:, query.token(info.grid)]

    def attention_layer(self, image, model, size=NATIVE, layer=-1) -> LayerTensors:
        self._asked("attention_layer", model, size, layer)
        info, picture = self._run(image, model, size)
        queries, keys = self.queries_and_keys(info, layer)
        steps = [np.abs(values).max(axis=1) / 32767 for values in (queries, keys)]
        integers = [np.round(v / s[:, None]).astype(np.int16) for v, s in zip((queries, keys), steps, strict=True)]
        steps = [step.astype(np.float32) for step in steps]
        return LayerTensors(
            queries=integers[0],
            query_steps=steps[0],
            keys=integers[1],
            key_steps=steps[1],
            log_sums=np.log(np.exp(queries @ keys.transpose(0, 2, 1)).sum(axis=-1)).astype(np.float32),
            features=np.random.default_rng(layer).integers(-32767, 32768, (info.grid.num_tokens, 6), np.int16),
            distance_px=np.arange(1, info.heads + 1, dtype=np.float32) * 10,
            layer=layer,
            picture=picture,
            info=info,
        )

    def attention_wall(self, image, model, size=NATIVE) -> Wall:
        self._asked("attention_wall", model, size)
        info, _ = self._run(image, model, size)
        rows = np.stack([self.rows(info, TokenQuery(), layer) for layer in range(info.depth)])
        patches, prefix = np.split(rows, [info.grid.num_prefix_tokens], axis=-1)[::-1]
        tops = patches.max(axis=-1)
        maps = np.round(patches / tops[..., None] * 255).astype(np.uint8)
        return Wall(
            maps.reshape(*tops.shape, *info.grid.shape),
            tops.astype(np.float32),
            prefix.sum(axis=-1).astype(np.float32),
            info,
        )

    def depth(self, image, model, size=NATIVE, keep_pass=True) -> LayerHeadTable:
        """Different for every picture; the first distance is the mean of the picture's pixels."""
        self._asked("depth", model, size, keep_pass)
        info, _ = self._run(image, model, size)
        noise = np.random.default_rng(int(image.sum()) % 2**32)
        columns = noise.uniform(size=(5, info.depth, info.heads))
        columns[0, 0, 0] = image.mean()
        return LayerHeadTable(
            *columns,
            register_mass=columns[4] / 2 if "reg1" in info.grid.prefix_names else None,
            uniform_distance_px=31.0,
            uniform_entropy_bits=4.2,
            model_id=model,
            title=info.title,
            grid=info.grid,
        )

    def position_similarity(self, model, size=NATIVE, image=None) -> Similarity:
        self._asked("position_similarity", model, size)
        grid = self._grid(np.zeros((*NATIVE_SIZE, 3), np.uint8) if image is None else image, model, size)
        matrix = np.random.default_rng(3).uniform(-1, 1, (grid.num_patches, grid.num_patches))
        low = -1.0 if self.kind == "learned" else float(matrix.min())
        native = grid.shape == (3, 5)
        return Similarity(matrix.astype(np.float32), grid, self.kind, (low, 1.0), native)

    def read_drawing(self, ink) -> DigitReadings:
        """Two moments; different for every drawing."""
        centred = as_mnist(ink)
        picture, noise = as_picture(centred), np.random.default_rng(int(1000 * centred.sum()))
        readings = []
        for epoch, model in self.training_record().moments:
            info, _ = self._run(np.zeros((*NATIVE_SIZE, 3), np.uint8), model, SizeChoice())
            rows = noise.exponential(size=(2, 3, 2 + 35)) ** 2
            rows /= rows.sum(axis=-1, keepdims=True)
            maps = rows[:, :, 2:].reshape(2, 3, 5, 7)
            readings.append(DigitReading(model, epoch, noise.dirichlet(np.ones(10)), maps, rows[:, :, :2], info))
        return DigitReadings(picture, tuple("0123456789"), tuple(readings), not centred.any())

    def ink_of_photograph(self, image) -> np.ndarray:
        return ink_of_photograph(image)

    def training_record(self) -> TrainingRecord:
        curve = np.linspace(2, 0.5, 3)
        moments = ((0, FEATURES), (3, HEAD))
        return TrainingRecord(curve, curve / 2, 1 - curve / 2, np.eye(10, dtype=int), 0.75, 800, 200, moments)

    def filters(self, model, count=28) -> FilterBank:
        self._asked("filters", model)
        noise = np.random.default_rng(4)
        return FilterBank(noise.uniform(size=(count, PATCH_PX, PATCH_PX, 3)), np.full(count, 0.5 / count), 192)

    def position_structure(self, model, size=NATIVE, image=None, components=12) -> PositionStructure:
        self._asked("position_structure", model, size)
        grid, noise = self._grid(image, model, size), np.random.default_rng(5)
        by_offset = noise.uniform(-1, 1, (2 * grid.rows - 1, 2 * grid.cols - 1))
        count = components if self.kind == "learned" else 0
        maps = noise.normal(size=(count, *grid.shape))
        return PositionStructure(by_offset, maps, np.full(count, 0.05), grid, self.kind)

    def filter_responses(self, image, model, size=NATIVE, count=28) -> FilterResponses:
        self._asked("filter_responses", model, size, count)
        info, picture = self._run(image, model, size)
        noise = np.random.default_rng(6)
        filters = noise.uniform(size=(count or 192, PATCH_PX, PATCH_PX, 3))
        return FilterResponses(filters, noise.normal(size=(len(filters), *info.grid.shape)), picture, info.grid)

    def input_parts(self, image, model, size=NATIVE) -> InputParts:
        self._asked("input_parts", model, size)
        info, picture = self._run(image, model, size)
        maps = np.random.default_rng(7).uniform(1, 2, (4, *info.grid.shape))
        table = self.kind == "learned"
        prefix = np.array([[3.25, 0.5, 3.5, -0.125], [2, np.nan, 2, np.nan], [1, np.nan, 1, np.nan]])
        names = info.grid.prefix_names
        places, cosine = (maps[1], maps[3] - 1.5) if table else (None, None)
        return InputParts(maps[0], places, maps[2], cosine, names, prefix[: len(names)], picture, info.grid)

    def stretched_table(self, model, grid, first=None, second="google", component=0) -> StretchedTable:
        self._asked("stretched_table", model, grid, first, second, component)
        if self.kind == "rope":
            raise DemoError("embeddings.no_table", title=card(model).title)
        noise, index = np.random.default_rng(8), RULES.index
        return StretchedTable(
            rules=RULES,
            own=2,
            compared=(index(first or "timm"), index(second)),
            component=component,
            native_map=noise.uniform(-1, 1, (3, 5)),
            maps=noise.uniform(-1, 1, (5, *grid)),
            apart=noise.uniform(size=(5, 5)),
            positions=noise.uniform(size=grid),
        )

    def interpolation(self, image, model, size=NATIVE, first=None, second="google") -> Interpolation:
        self._asked("interpolation", model, size, first, second)
        if self.kind == "rope":
            raise DemoError("embeddings.no_table", title=card(model).title)
        info, picture = self._run(image, model, size)
        head = dict(labels=self.labels, before=(0.75, 0.125), after=(0.5, 0.25), moved=0.25)
        return Interpolation(
            compared=(first or "timm", second),
            features=np.random.default_rng(8).uniform(size=info.grid.shape),
            class_feature=0.0123,
            **(head if model == HEAD else dict(labels=(), before=(), after=(), moved=None)),
            picture=picture,
            grid=info.grid,
        )

    def rotation(self, image, model, size=NATIVE, query=CLASS_TOKEN, layer=-1, head=0) -> Rotation:
        self._asked("rotation", model, size, query, layer, head)
        if self.kind != "rope":
            raise DemoError("embeddings.no_rotation", title=card(model).title)
        info, picture = self._run(image, model, size)
        query.token(info.grid)
        noise = np.random.default_rng(9)
        rows, cols = info.grid.shape
        waves, turns = (noise.uniform(-1, 1, (4, count)) for count in (rows, cols)), np.array([2.0, 4, 8, 16])
        maps = noise.uniform(size=(2, info.heads, rows, cols))
        return Rotation(*waves, turns, turns, *maps, query, layer, picture, info)

    # ----------------------------------------------------------------------------------------------------- relevance

    def targets(self, image, model, size=NATIVE, top=5):
        self._asked("targets", model, size, top)
        info, picture = self._run(image, model, size)
        if model == HEAD:
            scores = np.array([0.125, 0.75], np.float32)
            return Targets("class", ("lynx", "tabby"), scores, (1, 0), info.depth - 1, False, picture, info)
        names, scores = ("dog", "kitten", "koala"), np.array([-0.25, 0.5, 1.0], np.float32)
        files = tuple(f"{name}.jpg" for name in names)
        return Targets("example", names, scores, (1, 0), 2, True, picture, info, files, 2)

    @staticmethod
    def map_of(info: RunInfo, target: int, method: str) -> np.ndarray:
        """(rows, cols), different for every target, method and grid; signed where the method is."""
        noise = np.random.default_rng([target, *method.encode()])
        return noise.uniform(-1 if method in SIGNED_METHODS else 0, 1, info.grid.shape).astype(np.float32)

    def relevance(self, image, model, size=NATIVE, target=0, methods=QUICK_METHODS, options=DEFAULT_OPTIONS, part=None):
        self._asked("relevance", model, size, target, methods, options, part)
        info, picture = self._run(image, model, size)
        maps = []
        for method in methods:
            values, parts = self.map_of(info, target, method), 3 if method in LONG_METHODS else 1
            signed = method in SIGNED_METHODS
            prefix = None if signed else np.full(info.grid.num_prefix_tokens, values.mean())
            share = values if part is None else values / parts
            unit = "score" if signed else "share"
            maps.append(RelevanceMap(method, share, signed, unit, prefix, parts, part, 4.0))
        kind, names = ("class", ("lynx", "tabby")) if model == HEAD else ("example", ("dog", "kitten", "koala"))
        layer = info.depth - 1 if model == HEAD else 2
        return Relevance(tuple(maps), target, names[target], kind, 2.5, None, layer, 9.0, picture, info)

    def faithfulness(self, image, model, size=NATIVE, target=0, values=None, baseline="dropped", steps=16, seed=0):
        self._asked("faithfulness", model, size, target, None if values is None else float(values.sum()), baseline)
        info, _ = self._run(image, model, size)
        fractions = np.linspace(0, 1, 5)
        bend = 1.0 if values is None else 1.5 + float(values.mean())
        deletion, insertion = 0.75 * (1 - fractions) ** bend, 0.75 * fractions ** (1 / bend)
        areas = float(np.trapezoid(deletion, fractions)), float(np.trapezoid(insertion, fractions))
        kind = "class" if model == HEAD else "example"
        random = values is None
        return Faithfulness(fractions, deletion, insertion, *areas, random, baseline, target, "tabby", kind, 5.0, info)

    def walk(self, image, model, size=NATIVE, step="pixels", query=None, layer=-1, head=0):
        """Every step's tensors by formula; the question's right answer is its second."""
        self._asked("walk", model, size, step, query, layer, head)
        info, picture = self._run(image, model, size)
        grid, depth, heads, D, d = info.grid, info.depth, info.heads, 24, 8
        query = query or TokenQuery(None, grid.rows // 2, grid.cols // 2)
        N, p, head_model = grid.num_tokens, grid.num_prefix_tokens, model == HEAD
        wave = lambda *shape: np.sin(np.arange(np.prod(shape), dtype=np.float32)).reshape(shape)  # noqa: E731
        shares = np.full(N, 1 / N, np.float32)
        tensors = {
            "pixels": {"pixels": wave(3, *picture.shape[:2])},
            "embedding": {
                "convolution": wave(grid.num_patches, D),
                "product": wave(grid.num_patches, D),
                "channels": np.array([3, 1, 0, 2], np.float32),
                "filters": wave(4, 3, grid.patch_px, grid.patch_px),
            },
            "prefix": {"tokens": wave(N, D)},
            "positions": {
                **{name: wave(*grid.shape) for name in ("before", "code", "after")},
                "without": np.array([[0.75, 0.25], [0.25, 0.75]], np.float32),
            },
            "norm": {name: wave(D) for name in ("before", "normalised", "after")},
            "qkv": {name: wave(heads, d) for name in "qkv"},
            "scores": {
                "rows": np.full((heads, N), 1 / N, np.float32),
                "raw": wave(N),
                "scaled": wave(N),
                "shares": shares,
                "unscaled": shares,
            },
            "values": {"given": shares, "by_hand": wave(heads, d), "projected": wave(D)},
            "residual": {name: np.arange(1, depth + 1) / depth for name in ("attention", "mlp")}
            | {"stream": np.arange(1, depth + 2, dtype=np.float32)},
            "mlp": {"before": wave(4 * D), "after": wave(4 * D)},
            "layers": {"maps": wave(depth, *grid.shape) + 1, "prefix": np.full((depth, p), 0.125, np.float32)}
            | ({"lens": np.linspace(0.125, 0.875, depth)} if head_model else {}),
            "answer": {"values": np.array([0.5, 2.5] if head_model else [0.25, 0.5, 0.125], np.float32)},
            "dino": {
                "crops": np.array([[0, 0, 0.5, 0.75], [0.25, 0.25, 1, 1]]),
                **{name: np.array([2.0, 1.0, 0.5]) for name in ("loss", "entropy")},
                "knn": np.array([np.nan, 0.5, np.nan]),
                "heads": wave(heads, *grid.shape) + 1,
                "norms": wave(*grid.shape) + 2,
            },
        }.get(step, {})
        names = ("tabby", "lynx") if head_model else ("dog", "kitten", "koala")
        told = {"positions": names[:2], "layers": names[:1] * depth if head_model else (), "answer": names}
        facts = {"difference": 1e-6, "channel": 3, "width": d, "sum": 1.0, "entropy_bits": 3.0, "positive": 0.25}
        facts |= {"entropy_unscaled_bits": 2.0, "activation": "gelu", "global_crops": 1, "local_crops": 1, "outputs": 8}
        facts |= {
            "pool": "token",
            "layer_read": depth,
            "trained_on": 800,
            "knn_accuracy": 0.5,
            "knn_accuracy_of_pixels": 0.75,
        }
        facts |= {"teacher_temperature": 0.04, "student_temperature": 0.1}
        asked = WalkQuestion("row_sum", ("0", "1"), 1, {"sum": "1.000000"})
        return WalkStep(
            name=step,
            shapes={"tokens": (N, D), "token": (D,), "hidden": (4 * D,)},
            map_shapes={"pixels": (3, *picture.shape[:2]), "embedding": (grid.num_patches, D)},
            tensors=tensors,
            facts=facts,
            differs=("registers",) if step == "prefix" and head_model else (),
            source=(SourceLines("vit_demo/model/vit.py", 7, "x = <b>1</b>"),),
            questions=(asked,),
            names=told.get(step, ()),
            kind="class" if head_model else "example",
            query=query,
            layer=layer % depth,
            head=head,
            picture=picture,
            info=info,
        )

    def what_if(
        self, image, model, size=NATIVE, edits=NO_EDITS, target=None, query=None, layer=-1, other=None, fit=False
    ):
        """The answer changes as soon as two patches are dropped; maps are by formula, with holes."""
        self._asked("what_if", model, size, edits, target, query, layer, None if other is None else other.shape)
        info, picture = self._run(image, model, size)
        grid = info.grid
        query = query or TokenQuery()
        query.token(grid)
        fitted = replace(
            edits,
            drop=tuple(patch for patch in edits.drop if patch[0] < grid.rows and patch[1] < grid.cols),
            heads=tuple((at, how) for at, how in edits.heads if at[0] < info.depth and at[1] < info.heads),
        )
        known = self.targets(image, model, size)
        self.calls.pop()
        changed = len(fitted.drop) >= 2
        after = known.scores[::-1].copy() if changed else known.scores
        order = [i for i in np.argsort(-np.maximum(known.scores, after)).tolist() if i != known.same]
        maps = np.stack([self.map_of(info, head, "attention") for head in range(info.heads)]) / grid.num_patches
        holes = maps.copy()
        for row, col in fitted.drop:
            holes[:, row, col] = np.nan
        prefix = np.full((info.heads, grid.num_prefix_tokens), 0.125, np.float32)
        seen = picture if not edits.hide else picture // 2
        return WhatIf(
            kind=known.kind,
            names=tuple(known.names[i] for i in order),
            files=tuple(known.files[i] for i in order) if known.files else (),
            before=known.scores[order],
            after=after[order],
            scores_before=known.scores[order],
            scores_after=after[order],
            target=0,
            best_before=order.index(known.best[0]),
            best_after=int(after[order].argmax()),
            likeness=0.5 if fitted else 1.0,
            layer_read=known.layer,
            layer=layer % info.depth,
            query=query,
            maps_before=maps,
            maps_after=holes,
            prefix_before=prefix,
            prefix_after=prefix,
            edits=fitted,
            left_out=fitted != edits,
            seen=seen,
            order=np.arange(grid.num_patches)[::-1] if edits.shuffle_patches else None,
            tokens=grid.num_tokens - len(fitted.drop),
            has_positions=True,
            has_rope=model == FEATURES,
            after_ms=3.0,
            picture=picture,
            info=info,
        )

    def scan(self, image, model, size=NATIVE, kind="heads", target=None, how="mean", other=None, part=None):
        """A part is a line of the values, which count up from −1."""
        self._asked("scan", model, size, kind, target, how, None if other is None else other.shape, part)
        info, picture = self._run(image, model, size)
        shape = {"heads": (info.depth, info.heads), "patches": info.grid.shape}.get(kind, (info.depth, 2))
        values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 10 - 1
        if part is not None:
            values[np.arange(shape[0]) != part] = np.nan
        known, target = self.targets(image, model, size), target or 0
        self.calls.pop()
        read = known.layer
        name, kind_of = known.names[target], known.kind
        of_other = 0.25 if kind == "states" else None
        return Scan(
            kind, how, values, 1, target, name, kind_of, 0.75, of_other, read, part, shape[0], 4.0, picture, info
        )

    def fewest_patches(self, image, model, size=NATIVE, method="greedy"):
        self._asked("fewest_patches", model, size, method)
        info, _ = self._run(image, model, size)
        names = ("tabby", "lynx") if model == HEAD else ("kitten", "dog")
        changed = method != "rollout"
        count = 2 + SEARCHES.index(method)
        patches = tuple(divmod(i, info.grid.cols) for i in range(count))
        return Search(method, patches, changed, names[0], names[int(changed)], 7, 5.0, info)

    def agreement(self, image, model, other_model, size=NATIVE):
        self._asked("agreement", model, other_model, size)
        (one, _), (two, _) = self._run(image, model, size), self._run(image, other_model, size)
        values = np.linspace(0, 1, one.depth * two.depth, dtype=np.float32).reshape(one.depth, two.depth)
        return Agreement(values, 0.25, one.grid.shape, model, other_model, one.title, two.title)

    def joint_colours(self, image, models, size=NATIVE, depth=1.0):
        self._asked("joint_colours", tuple(models), size, depth)
        infos = [self._run(image, model, size)[0] for model in models]
        colours = tuple(np.full((*info.grid.shape, 3), 0.25 * i, np.float32) for i, info in enumerate(infos))
        layers = tuple(round(depth * (info.depth - 1)) for info in infos)
        return JointColours(colours, (1,) * len(infos), layers, (np.full(3, 0.25),) * len(infos))

    def compare(self, image, models, size=NATIVE):
        self._asked("compare", tuple(models), size)
        found = [
            ComparedModel(m, m, self.predict(image, m, size), self.depth(image, m, size), (0.0, 0.0, 1.0, 1.0))
            for m in models
        ]
        return Comparison(tuple(found), tuple(self.agreement(image, models[0], m, size) for m in models[1:]))

    # -------------------------------------------------------------------------------------- features and own classes

    @staticmethod
    def tokens(image: np.ndarray, info: RunInfo, layer: int, facet: str) -> np.ndarray:
        """(patches, 8) unit vectors, different for every picture, layer and facet."""
        noise = np.random.default_rng([int(image.sum()) % 2**31, layer, len(facet)])
        vectors = noise.normal(size=(info.grid.num_patches, 8))
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    def pca(self, images, model, size=NATIVE, layer=-1, facet="token", method="dinov2", foreground=True, flip=False):
        self._asked("pca", len(images), model, size, layer, facet, method, foreground, flip)
        runs = [self._run(image, model, size) for image in images]
        shown = [np.indices(info.grid.shape).sum(axis=0) % 2 == int(flip) for info, _ in runs]
        shown = [s if foreground else np.ones_like(s) for s in shown]
        colours = [
            (self.tokens(image, info, layer, facet)[:, :3] / 2 + 0.5).reshape(*info.grid.shape, 3) * s[..., None]
            for image, (info, _), s in zip(images, runs, shown, strict=True)
        ]
        pictures = tuple(picture for _, picture in runs)
        explained = np.array([0.5, 0.25, 0.125])
        return PcaImages(tuple(colours), tuple(shown), pictures, explained, method, facet, layer, runs[0][0])

    def patch_features(self, image, model, size=NATIVE, layer=-1, facet="token"):
        self._asked("patch_features", model, size, layer, facet)
        info, picture = self._run(image, model, size)
        return PatchFeatures(self.tokens(image, info, layer, facet), info.grid, facet, layer, picture, info)

    def correspondences(
        self,
        first,
        second,
        model,
        size=NATIVE,
        layer=-1,
        facet="key",
        pairs=10,
        surroundings=False,
        least_saliency=0.05,
    ):
        self._asked("correspondences", model, size, layer, facet, pairs, surroundings)
        info, picture = self._run(first, model, size)
        other, picture2 = self._run(second, model, size)
        places = np.array([[0, 0], [1, 3], [2, 4]])
        maps = np.zeros(info.grid.shape), np.zeros(other.grid.shape)
        cosines = np.array([0.75, 0.5, -0.25])
        return Correspondences(places, places[::-1], cosines, 7, maps, (picture, picture2), facet, layer, info)

    def segments(self, image, model, size=NATIVE, layer=-1, facet="key", method="kmeans", count=4, flip=False):
        self._asked("segments", model, size, layer, facet, method, count, flip)
        info, picture = self._run(image, model, size)
        numbers = np.arange(info.grid.num_patches).reshape(info.grid.shape)
        cut = None if method == "kmeans" else (numbers - numbers.mean()) * (-1 if flip else 1)
        labels = numbers % count if cut is None else (cut > 0).astype(int)
        return Segmentation(labels, count if cut is None else 2, method, facet, layer, cut, picture, info)

    def token_norms(self, image, model, size=NATIVE, layer=-1, threshold=None):
        self._asked("token_norms", model, size, layer, threshold)
        info, picture = self._run(image, model, size)
        noise = np.random.default_rng(7)
        patches = noise.uniform(10, 20, (info.depth, *info.grid.shape))
        patches[:, 1, 2] = 90
        prefix = info.grid.num_prefix_tokens
        maps = noise.uniform(size=(2, prefix, *info.grid.shape)) / info.grid.num_tokens
        limit = 50.0 if threshold is None else threshold
        norms = noise.uniform(10, 30, (info.depth, prefix))
        given = threshold is not None
        return TokenNorms(patches, norms, layer, limit, given, patches[layer] > limit, *maps, picture, info)

    def evolution(self, image, model, size=NATIVE):
        self._asked("evolution", model, size)
        info, picture = self._run(image, model, size)
        depth, noise = info.depth, np.random.default_rng(8)
        cosines = np.eye(depth + 1) * 2 - 1
        lens = None
        if model == HEAD:
            maps = noise.uniform(size=(depth, 2, *info.grid.shape))
            best = noise.integers(0, 2, (depth, *info.grid.shape))
            lens = Lens(self.labels, maps.mean(axis=(2, 3)), maps, best, best[:, 0, 0], self.labels)
        to_final = noise.uniform(-1, 1, (depth + 1, *info.grid.shape))
        return Evolution(cosines, cosines, to_final, lens, picture, info)

    def alike(self, image, own, model, by="cls", plane="pca"):
        self._asked("alike", len(own), model, by, plane)
        info, _ = self._run(image, model, SizeChoice())
        numbers = (*range(len(own)), None, None)
        names = (*[""] * len(own), *self.neighbours[0])
        cosines = np.linspace(0.9, -0.3, len(numbers))
        places = np.random.default_rng(9).normal(size=(len(numbers) + 1, 2))
        explained = None if plane == "umap" and "umap" in self.planes else np.array([0.5, 0.25])
        return Alike(numbers, names, cosines, places, explained, self.planes, by, 2, True, info)

    def picture_vectors(self, images, model):
        self._asked("picture_vectors", len(images), model)
        self._require(model)
        rows = [np.random.default_rng(int(image.sum()) % 2**31).normal(size=6) for image in images]
        vectors = np.array([row / np.linalg.norm(row) for row in rows], np.float32)
        return PictureVectors(vectors, model, "", 2, True)

    def own_classes(self, image, own, model):
        self._asked("own_classes", model, len(own.labels))
        info, picture = self._run(image, model, SizeChoice())
        if own.vectors.model_id != model:
            raise DemoError("own_classes.other_model", theirs=own.vectors.model_id, ours=model)
        if len(set(own.labels.tolist())) < 2:
            raise DemoError("own_classes.too_few_classes")
        count = len(own.names)
        votes, probe = np.arange(count) + 1.0, np.full(count, 1 / count)
        nearest = np.arange(min(3, len(own.labels)))
        cosines = np.array([0.5, 0.25, -0.25])[: len(nearest)]
        return OwnPrediction(
            own.names, votes / votes.sum(), probe, nearest, cosines, len(own.labels), 0.75, 0.5, picture, info
        )

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
