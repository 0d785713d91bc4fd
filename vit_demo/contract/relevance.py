"""What the Relevance tab shows: targets, maps of many methods, and how far the maps can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vit_demo.contract.core import RunInfo

# From the trace and one backward pass: all of them together take a few forward passes.
QUICK_METHODS = ("attention", "rollout", "gradient_rollout", "chefer", "legrad", "grad_cam", "gradient_input")
# Many forward passes: their maps come in parts that add up.
LONG_METHODS = ("integrated_gradients", "occlusion", "random_masks")
METHODS = QUICK_METHODS + LONG_METHODS
SIGNED_METHODS = ("gradient_input", *LONG_METHODS)
UNTARGETED_METHODS = ("attention", "rollout")  # the same map whatever the target: they see no more than the layer

BaselineName = Literal["dropped", "mean", "blur", "black"]
BASELINES: tuple[BaselineName, ...] = ("dropped", "mean", "blur", "black")
TargetKind = Literal["class", "example"]
RelevanceUnit = Literal["share", "score", "relative"]


@dataclass(frozen=True)
class RelevanceOptions:
    """What an expert may change; the defaults are those of the papers, but for numbers of passes.

    head_fusion   rollout: "mean", "max" or "min" over heads
    discard       rollout and gradient rollout: the share of a layer's entries, the lowest, set to 0; 0 ≤ … < 1
    start_layer   rollout, gradient rollout and Chefer: the layer (from 0) down to which the walk goes
    baseline      long methods: what becomes of hidden patches: "dropped" (they do not enter the model: occlusion alone;
                  the others take the mean), the picture's "mean" colour, a "blur", or "black"
    steps         integrated gradients: pictures on the path
    window, stride  occlusion, in patches; None = by the grid, so that there are about 200 places
    masks, keep_share, seed  random masks: how many, the probability that a cell is kept, and their seed
    """

    head_fusion: Literal["mean", "max", "min"] = "mean"
    discard: float = 0.0
    start_layer: int = 0
    baseline: BaselineName = "dropped"
    steps: int = 32
    window: int | None = None
    stride: int | None = None
    masks: int = 256
    keep_share: float = 0.5
    seed: int = 0


DEFAULT_OPTIONS = RelevanceOptions()


@dataclass(frozen=True)
class Targets:
    """What relevance can be asked for. `kind` "class": the model's classes, `scores` their probabilities. "example",
    for a model without a head: the labelled example pictures, `scores` the cosine of this picture with each.

    A target is an index into `names` and `scores` (all there are); `best` holds the first few, best first. `names` are
    class names, or the examples' keys, whose files are `files`. `layer` (from 0) is the one whose output is read;
    `centred` says that the examples' mean is taken off before comparing. `same` is the example that is this very
    picture, which `best` leaves out, or None.
    """

    kind: TargetKind
    names: tuple[str, ...]
    scores: np.ndarray
    best: tuple[int, ...]
    layer: int
    centred: bool
    picture: np.ndarray
    info: RunInfo
    files: tuple[str, ...] = ()
    same: int | None = None


@dataclass(frozen=True)
class RelevanceMap:
    """One method's map: `values` (rows, cols), `signed` where values below 0 speak against the target.

    `prefix` (p,) is what the method gives the prefix tokens, in the same unit, and None where it sees patches alone;
    `prefix_share` is their part of all (0 where nothing was given). `unit` is "share" (adds up to 1 with the prefix),
    "score" (the target's own unit: logit or cosine) or "relative" (only comparisons within the map mean something).
    `part` of `parts`, from 0; None: the whole. Maps of all parts add up to the whole.
    """

    method: str
    values: np.ndarray
    signed: bool
    unit: RelevanceUnit
    prefix: np.ndarray | None
    parts: int
    part: int | None
    elapsed_ms: float

    @property
    def prefix_share(self) -> float | None:
        if self.prefix is None:
            return None
        total = float(self.prefix.sum() + self.values.sum())
        return float(self.prefix.sum()) / total if total > 0 else 0.0


@dataclass(frozen=True)
class Relevance:
    """Maps of one target, in the order asked for. `score` is the target's value for this picture: a logit or a cosine;
    `baseline_score` its value for the baseline picture where a long method was asked, else None: integrated gradients
    add up to the difference. `shared_ms` is the time of the backward pass that the gradient methods share, 0 if it was
    there already."""

    maps: tuple[RelevanceMap, ...]
    target: int
    name: str
    kind: TargetKind
    score: float
    baseline_score: float | None
    layer: int
    shared_ms: float
    picture: np.ndarray
    info: RunInfo


@dataclass(frozen=True)
class Faithfulness:
    """Deletion and insertion curves of one order of the patches. `fractions` (steps + 1,) of the patches, from 0 to 1;
    `deletion` and `insertion` (steps + 1,): the class's probability or the cosine with the example, when that share of
    patches, most relevant first, is hidden, or shown. `baseline` is what became of hidden patches: "dropped" (Jain et
    al. 2022, arXiv 2204.08945) is "mean" for a model whose answer is read from patches, of which none may be left.
    Areas by the trapezoid rule: small for deletion and large for insertion speak for the order. `random` says that the
    order was drawn, as a control."""

    fractions: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray
    deletion_area: float
    insertion_area: float
    random: bool
    baseline: BaselineName
    target: int
    name: str
    kind: TargetKind
    elapsed_ms: float
    info: RunInfo
