"""How the answers of a model are read off a residual stream: every class, or every example, at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vit_demo.analysis import relevance
from vit_demo.analysis.features import picture_feature
from vit_demo.answers.examples import COMPARED_SIDE, example_vectors, neighbour_layer
from vit_demo.answers.predict import class_names
from vit_demo.checkpoints.load import LoadedModel
from vit_demo.contract import DemoError, SizeChoice, TargetKind
from vit_demo.engine import Engine
from vit_demo.model import Trace


@dataclass(frozen=True)
class Reader:
    """How the answers of one model are read from a residual stream: all of them at once.

    `layer` (from 0) is the one read; `feature` gives from its output (1, N, D) the picture's feature, a unit vector
    (D,), less what all examples share where they are compared without it; `values` every class's logit or every
    example's cosine, (n,), and `shown` makes of these what a person reads: probabilities, or the cosines themselves.
    """

    kind: TargetKind
    names: tuple[str, ...]
    files: tuple[str, ...]
    layer: int
    feature: Callable[[Tensor], Tensor]
    values: Callable[[Tensor], Tensor]
    shown: Callable[[Tensor], Tensor]
    left_out: int | None  # the example that is this very picture

    def best(self, values: Tensor) -> int:
        """The best answer of values (n,); not the example that is this very picture."""
        if self.left_out is not None:
            values = values.clone()
            values[self.left_out] = -torch.inf
        return int(values.argmax())


def reader_of(engine: Engine, image: np.ndarray, model: str, loaded: LoadedModel) -> Reader:
    """The reader of a model with a head, or else by the example pictures. DemoError where there are neither."""
    vit = loaded.model
    if vit.head is not None:
        layer = vit.config.depth - 1
        logits = lambda residual: vit.logits_of(vit.norm(residual))[0]  # noqa: E731
        own = lambda residual: picture_feature(vit, residual)[0]  # noqa: E731
        return Reader("class", class_names(loaded), (), layer, own, logits, vit.probabilities, None)
    if not engine.examples:
        raise DemoError("relevance.no_examples")
    layer, centred = neighbour_layer(loaded)
    examples = example_vectors(engine, model)
    with engine.computing():
        made = [relevance.example_target(layer, examples.vectors, i, centred) for i in range(len(examples.keys))]
        mean = made[0].mean
        references = torch.stack([one.reference for one in made if one.reference is not None])

    def compared(residual: Tensor) -> Tensor:
        feature = picture_feature(vit, residual)[0]
        return feature if mean is None else F.normalize(feature - mean, dim=-1)

    def cosines(residual: Tensor) -> Tensor:
        return references @ compared(residual)

    digest = engine.prepared(image, loaded, SizeChoice(COMPARED_SIDE)).digest
    same = next((i for i, one in enumerate(examples.digests) if one == digest), None)
    return Reader("example", examples.keys, examples.files, layer, compared, cosines, lambda values: values, same)


def reader_values(engine: Engine, reader: Reader, trace: Trace) -> Tensor:
    with engine.computing():
        return reader.values(trace.layers[reader.layer].residual)


def best_target(engine: Engine, image: np.ndarray, model: str, size: SizeChoice) -> int:
    """The best answer of an unchanged picture."""
    loaded, run = engine.load(model), engine.run(image, model, size)
    reader = reader_of(engine, image, model, loaded)
    return reader.best(reader_values(engine, reader, run.trace))
