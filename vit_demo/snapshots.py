"""Watch a model of one's own learn: a few states of a training, and what each makes of a picture.

snapshots = vit_demo.Snapshots()
for epoch in range(30):
    loss = train_one_epoch(model)
    snapshots.add(model, step=epoch, loss=loss)
snapshots.show(picture)        # in a notebook; snapshots.html(picture) is the same as one HTML file
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vit_demo.contract import NATIVE_SIZE, DemoError, PreprocessSpec, SizeChoice

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image
    from torch import nn

    from vit_demo.checkpoints.load import LoadedModel
    from vit_demo.model import VisionTransformer
    from vit_demo.notebook import Shown

MOST = 12
LEAST = 3


@dataclass(frozen=True)
class _State:
    """`call` counts the calls of `add` from 0; the weights in half precision, on the CPU."""

    step: int
    call: int
    loaded: LoadedModel


def _halved(model: VisionTransformer) -> VisionTransformer:
    """The model in half precision on the CPU; as it is where a weight is too large for that."""
    import torch

    largest = max((float(one.detach().abs().max()) for one in model.parameters() if one.numel()), default=0.0)
    return model.half().cpu() if largest < torch.finfo(torch.float16).max else model.cpu()


class Snapshots:
    """At most `most` states of one model while it learns: the first, the latest, and between them ever fewer the later
    it was (each kept call of `add` about the same factor later than the one before), since a model changes most at
    first. What is measured at each step is kept for all.

    `preprocess`, `labels` and `name` as for `vit_demo.from_module`. Weights are kept in half precision: 44 MB for a
    state of ViT-S. ValueError for fewer states than three.
    """

    def __init__(
        self,
        most: int = MOST,
        preprocess: PreprocessSpec | None = None,
        labels: Sequence[str] | None = None,
        name: str = "your model",
    ):
        if most < LEAST:
            raise ValueError(f"a training is seen in {LEAST} states or more")
        self.most, self.name = most, name or "your model"
        self._how = {"preprocess": preprocess, "labels": labels}
        self._states: list[_State] = []
        self._calls = 0
        self._measured: dict[str, list[tuple[float, float]]] = {}

    def add(self, model: nn.Module, step: int | None = None, **measured: float) -> None:
        """Keeps this state of a module of timm, transformers or torchvision, as `from_module` takes it: the weights are
        copied, the module goes on learning in the mode that it is in. `step` counts epochs or whatever you like, and
        grows; None: one more than before. `measured` are numbers of this step: loss=0.3, accuracy=0.9.

        Raises ModelError for a module that cannot be represented, DemoError for one of another shape than before,
        ValueError for a step that does not grow, TypeError for one that is no whole number; then nothing is kept.
        """
        from vit_demo.checkpoints.modules import from_module

        at = (self._states[-1].step + 1 if self._states else 0) if step is None else operator.index(step)
        numbers = {name: float(value) for name, value in measured.items()}
        if self._states and at <= self._states[-1].step:
            raise ValueError(f"step {at} comes after step {self._states[-1].step}: steps grow")
        loaded = from_module(model, name=self.name, **self._how)
        if self._states and loaded.model.config != self._states[0].loaded.model.config:
            raise DemoError("snapshots.another_model")
        loaded = replace(loaded, model=_halved(loaded.model))
        self._states.append(_State(at, self._calls, loaded))
        self._calls += 1
        for name, value in numbers.items():
            self._measured.setdefault(name, []).append((float(at), value))
        if len(self._states) > self.most:
            del self._states[self._closest()]

    def _closest(self) -> int:
        """The state between the first and the latest whose neighbours are closest by their ratio."""
        calls = [state.call + 1 for state in self._states]
        return min(range(1, len(calls) - 1), key=lambda i: calls[i + 1] / calls[i - 1])

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps whose states are kept, the earliest first."""
        return tuple(state.step for state in self._states)

    @property
    def measured(self) -> dict[str, tuple[tuple[float, float], ...]]:
        """(step, value) of everything that was measured, by its name."""
        return {name: tuple(values) for name, values in self._measured.items()}

    def loaded(self, step: int) -> LoadedModel:
        """A kept state as `load_model` would give it, in single precision. KeyError for a step that is not kept."""
        state = next((one for one in self._states if one.step == step), None)
        if state is None:
            raise KeyError(f"step {step} is not kept; there are {', '.join(map(str, self.steps)) or 'none'}")
        return replace(state.loaded, model=copy.deepcopy(state.loaded.model).float())

    def html(
        self,
        image: np.ndarray | Image.Image,
        size: SizeChoice | int = NATIVE_SIZE,
        language: str = "en",
        device: str = "cpu",
    ) -> str:
        """All states on one picture as one HTML file with a slider: where the class token looks in every head of every
        layer, position embeddings, filters, the best classes, and what was measured. Raises DemoError where there is no
        state yet, or for a picture that cannot be had."""
        from vit_demo.explain import Explainer
        from vit_demo.notebook import learning_html

        if not self._states:
            raise DemoError("snapshots.nothing")
        explainer = Explainer(device)
        moments = [(step, explainer.offer(self.loaded(step), f"{self.name}@{step}")) for step in self.steps]
        return learning_html(image, moments, self.measured, size, language, explainer)

    def show(
        self,
        image: np.ndarray | Image.Image,
        size: SizeChoice | int = NATIVE_SIZE,
        language: str = "en",
        height_px: int | None = None,
    ) -> Shown:
        """The same in a notebook, below the cell. Errors as for `html`."""
        from vit_demo.notebook import HEIGHT_PX, Shown

        return Shown(self.html(image, size, language), height_px or HEIGHT_PX)
