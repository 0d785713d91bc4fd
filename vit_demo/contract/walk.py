"""What the walk through the forward pass shows, a step at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from vit_demo.contract.core import RunInfo, TokenQuery

WalkStepName = Literal[
    "pixels",
    "patches",
    "embedding",
    "prefix",
    "positions",
    "norm",
    "qkv",
    "scores",
    "values",
    "residual",
    "mlp",
    "layers",
    "answer",
    "dino",
]
WALK_STEPS: tuple[WalkStepName, ...] = get_args(WalkStepName)
Fact = int | float | str | bool


@dataclass(frozen=True)
class SourceLines:
    """Lines of our own code: the file from the root of the repository, the number of the first line, the text."""

    file: str
    line: int
    code: str


@dataclass(frozen=True)
class WalkQuestion:
    """A question whose answer was computed from this model and picture. `options` are numbers as they are read, or
    names of phrases; `right` is the index of the one that holds, from 0. `values` are what the sentences mention."""

    name: str
    options: tuple[str, ...]
    right: int
    values: Mapping[str, Fact]


@dataclass(frozen=True)
class WalkStep:
    """One step of the forward pass on one picture.

    `shapes` are those that the step speaks of, by name, and `map_shapes` what leaves each step of the walk; `tensors`
    and `facts` what its figure shows (see analysis/walk.py); `differs` names what this model does otherwise than the
    plain ViT of Dosovitskiy et al. 2021. `layer` and `head` count from 0. `names` are the answers that
    the step tells: classes, or examples (`kind`), as tensors of the same order hold their numbers.
    """

    name: WalkStepName
    shapes: Mapping[str, tuple[int, ...]]
    map_shapes: Mapping[str, tuple[int, ...]]
    tensors: Mapping[str, np.ndarray]
    facts: Mapping[str, Fact]
    differs: tuple[str, ...]
    source: tuple[SourceLines, ...]
    questions: tuple[WalkQuestion, ...]
    names: tuple[str, ...]
    kind: str
    query: TokenQuery
    layer: int
    head: int
    picture: np.ndarray
    info: RunInfo
