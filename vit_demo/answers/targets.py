"""What relevance can be asked for: a target of one picture under one model, and the options, checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from vit_demo.analysis import perturbation, relevance
from vit_demo.analysis.relevance import Target
from vit_demo.answers.examples import COMPARED_SIDE, ExampleVectors, example_vectors, neighbour_layer
from vit_demo.answers.predict import class_names
from vit_demo.checkpoints.load import LoadedModel
from vit_demo.contract import (
    BASELINES,
    BaselineName,
    DemoError,
    RelevanceOptions,
    SizeChoice,
    TargetKind,
    Targets,
)
from vit_demo.engine import Engine, Run

OCCLUSION_PLACES = 200  # about as many windows by default, on any grid
LIMITS = {
    "discard": (0.0, 0.99),
    "steps": (2, 128),
    "masks": (8, 2048),
    "keep_share": (0.05, 0.95),
    "curve_steps": (2, 64),
}


@dataclass(frozen=True)
class Subject:
    """One target of one picture under one model. `key` names it by content, for what is kept."""

    engine: Engine
    loaded: LoadedModel
    run: Run
    target: Target
    index: int
    name: str
    key: tuple

    @property
    def kind(self) -> TargetKind:
        return "example" if self.target.index is None else "class"

    @property
    def pixels(self) -> torch.Tensor:
        """(1, 3, H, W), normalised, on the model's device."""
        return self.engine.pixels(self.run.prepared)

    def baseline(self, kind: str) -> torch.Tensor:
        """The picture that stands where patches are hidden, (1, 3, H, W): for "dropped", where a method cannot drop
        them, the mean colour."""
        spec = self.loaded.preprocess
        black = -torch.tensor(spec.mean) / torch.tensor(spec.std)
        known = checked_baseline(kind)
        shown = "mean" if known == "dropped" else known
        return perturbation.baseline_picture(self.pixels, shown, self.run.trace.grid.patch_px, black)

    def score(self) -> float:
        with self.engine.computing():
            residual = self.run.trace.layers[self.target.layer].residual
            return float(relevance.score(self.loaded.model, self.target, residual)[0])

    def baseline_score(self, kind: str) -> float:
        def make() -> float:
            with self.engine.computing():
                vit, keep = self.loaded.model, torch.zeros(1, *self.run.trace.grid.shape)
                return float(perturbation.scores_of_hidden(vit, self.target, self.pixels, self.baseline(kind), keep))

        return self.engine.kept.get_or_make((*self.key, "baseline", kind), make, lambda _: 64)[0]


# ------------------------------------------------------------------------------------------------------------ targets


def targets(engine: Engine, image: np.ndarray, model: str, size: SizeChoice, top: int) -> Targets:
    """What relevance can be asked for: every class with its probability, or every example with its cosine."""
    loaded, run = engine.load(model), engine.run(image, model, size)
    files, same, centred = (), None, False
    layer = loaded.model.config.depth - 1
    if loaded.model.head is not None:
        kind, names = "class", class_names(loaded)
        with engine.computing():
            scores = loaded.model.probabilities(run.encoded.class_logits[0]).cpu().numpy()
    else:
        kind = "example"
        layer, centred = neighbour_layer(loaded)
        examples = _examples(engine, model)
        names, files = examples.keys, examples.files
        with engine.computing():
            residual = run.trace.layers[layer].residual
            made = [relevance.example_target(layer, examples.vectors, i, centred) for i in range(len(names))]
            scores = np.array([float(relevance.score(loaded.model, one, residual)[0]) for one in made], np.float32)
        digest = engine.prepared(image, loaded, SizeChoice(COMPARED_SIDE)).digest
        same = next((i for i, one in enumerate(examples.digests) if one == digest), None)
    best = [i for i in np.argsort(-scores, kind="stable").tolist() if i != same][: max(1, top)]
    return Targets(kind, names, scores, tuple(best), layer, centred, run.prepared.picture, run.info, files, same)


def _examples(engine: Engine, model: str) -> ExampleVectors:
    if not engine.examples:
        raise DemoError("relevance.no_examples")
    return example_vectors(engine, model)


def subject_of(engine: Engine, image: np.ndarray, model: str, size: SizeChoice, index: int) -> Subject:
    """The target of that index, as in `targets`. DemoError where there is none."""
    loaded = engine.load(model)
    if loaded.model.head is not None:
        names = class_names(loaded)
        make = lambda: Target(loaded.model.config.depth - 1, index)  # noqa: E731
    else:
        layer, centred = neighbour_layer(loaded)
        examples = _examples(engine, model)
        names = examples.keys
        make = lambda: relevance.example_target(layer, examples.vectors, index, centred)  # noqa: E731
    if not 0 <= index < len(names):
        raise DemoError("relevance.no_such_target", number=index + 1, count=len(names))
    run = engine.run(image, model, size)
    key = ("relevance", model, loaded.revision, run.prepared.digest, index)
    with engine.computing():
        target = make()
    return Subject(engine, loaded, run, target, index, names[index], key)


# ------------------------------------------------------------------------------------------------------------- checks


def check_options(subject: Subject, options: RelevanceOptions) -> None:
    """DemoError, naming the option, where one is out of its range."""
    for name in ("discard", "steps", "masks", "keep_share"):
        check_range(name, getattr(options, name))
    check(options.head_fusion in ("mean", "max", "min"), "head_fusion", options.head_fusion, "mean, max, min")
    last, grid = subject.target.layer, subject.run.trace.grid
    check(0 <= options.start_layer <= last, "start_layer", options.start_layer + 1, f"1 … {last + 1}")
    window, stride = occlusion_window(options, grid.shape)
    check(1 <= window <= min(grid.shape), "window", window, f"1 … {min(grid.shape)}")
    check(1 <= stride <= window, "stride", stride, f"1 … {window}")


def check_range(name: str, value: float) -> None:
    low, high = LIMITS[name]
    check(low <= value <= high, name, value, f"{low} … {high}")


def checked_baseline(kind: str) -> BaselineName:
    """DemoError for a baseline that there is not."""
    if kind not in BASELINES:
        raise refused("baseline", kind, ", ".join(BASELINES))
    return kind


def check(holds: bool, name: str, value: object, allowed: str) -> None:
    if not holds:
        raise refused(name, value, allowed)


def refused(name: str, value: object, allowed: str) -> DemoError:
    return DemoError("relevance.option_out_of_range", name=name, value=str(value)[:40], allowed=allowed)


def occlusion_window(options: RelevanceOptions, grid: tuple[int, int]) -> tuple[int, int]:
    """(window, stride) of occlusion in patches; by default windows overlap by half."""
    stride = max(1, round((grid[0] * grid[1] / OCCLUSION_PLACES) ** 0.5))
    stride = options.stride or min(stride, options.window or stride)
    return options.window or min(2 * stride, *grid), stride
