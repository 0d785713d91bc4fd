"""The Explainer: one method per question. Pictures and numpy in, numpy out; torch only inside, and only when asked.

Making an Explainer takes no time and imports no torch, so a page can stand before the model behind it does.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vit_demo.checkpoints import catalog
from vit_demo.contract import DemoError as DemoError
from vit_demo.contract import (
    FilterBank,
    HeadMaps,
    ModelDetails,
    ModelStatus,
    Neighbours,
    Prediction,
    Similarity,
    SizeChoice,
    TokenQuery,
)
from vit_demo.hardware import Hardware, choose_hardware, gpu_task
from vit_demo.preprocess import as_rgb

if TYPE_CHECKING:
    from PIL import Image

    from vit_demo.engine import Engine

MEGABYTE = 1 << 20
HUB_MEMORY_S = 60
NATIVE_SIZE, CLASS_TOKEN = SizeChoice(), TokenQuery()
EXAMPLES = Path(__file__).parent.parent / "examples"


class Explainer:
    """The app's engine, usable from a notebook.

    `device` is "auto", "cpu", "cuda", "cuda:0" or "mps". `any_model` lets names outside the catalogue be loaded (Hub
    ids, folders, files): for one's own machine, never for a public page. Caches are bounded in bytes. `hub` answers
    whether the Hub can be reached; once `look_for_hub` has been called, the answer is renewed behind `statuses` after a
    minute.
    """

    def __init__(
        self,
        device: str = "auto",
        *,
        any_model: bool = True,
        model_bytes: int = 1536 * MEGABYTE,
        trace_bytes: int = 768 * MEGABYTE,
        gallery: Path = EXAMPLES,
        hub: Callable[[], bool] | None = None,
    ):
        self._device, self._any_model = device, any_model
        self._limits = model_bytes, trace_bytes
        self._gallery = gallery
        self._ask_hub, self._hub_reachable = hub, None
        self._asked_at: float | None = None
        compute = self._compute
        self._answer = gpu_task(compute)
        self._runs_elsewhere = self._answer is not compute  # true on ZeroGPU alone
        self._made: Engine | None = None
        self._making = threading.Lock()

    # ------------------------------------------------------------------------------------------------- what there is

    def look_for_hub(self) -> bool:
        """Whether the Hub can be reached, asked now (3 seconds at most) and remembered for `statuses`."""
        from vit_demo.checkpoints.reach import hub_reachable

        self._asked_at = time.monotonic()
        self._hub_reachable = (self._ask_hub or hub_reachable)()
        return self._hub_reachable

    def statuses(self) -> tuple[ModelStatus, ...]:
        """Every model of the catalogue and whether its weights can be had, as far as is known now; never waits."""
        if self._asked_at is not None and time.monotonic() - self._asked_at > HUB_MEMORY_S:
            self._asked_at = time.monotonic()
            threading.Thread(target=self.look_for_hub, name="look for the Hub", daemon=True).start()
        return catalog.statuses(self._hub_reachable)

    def default_model(self) -> str:
        return catalog.default_model(self.statuses())

    def warm_up(self) -> str:
        """Imports torch and loads the default model, so that the first visitor need not wait. Its id."""
        model = self.default_model()
        self.details(model)
        return model

    def fetch(self, model: str) -> None:
        """Puts a model's files on this machine without loading them."""
        from vit_demo.checkpoints import embedded
        from vit_demo.checkpoints.sources import find

        card = catalog.card_of(model)
        if card and card.source == "embedded":
            embedded.ensure()
        else:
            find(model)

    def details(self, model: str, progress: Callable[[int, int], None] | None = None) -> ModelDetails:
        """What a model is made of; loads it."""
        # Where tasks run in another process, the model must be loaded there, and a callback cannot follow it.
        question = "details/details"
        return self._answer(question, model) if self._runs_elsewhere else self._compute(question, model, progress)

    # -------------------------------------------------------------------------------------------------- the questions

    def predict(
        self, image: np.ndarray | Image.Image, model: str, size: SizeChoice = NATIVE_SIZE, top: int = 5
    ) -> Prediction | Neighbours:
        """The most probable classes, or for a model without a head the closest of the labelled example pictures."""
        return self._answer("predict/predict", as_rgb(image), model, size, int(top))

    def attention(
        self,
        image: np.ndarray | Image.Image,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        query: TokenQuery = CLASS_TOKEN,
        layer: int = -1,
    ) -> HeadMaps:
        """Where one token looks, for every head of a layer (from 0; negative from the end)."""
        return self._answer("attention/rows", as_rgb(image), model, size, query, int(layer))

    def position_similarity(
        self, model: str, size: SizeChoice = NATIVE_SIZE, image: np.ndarray | Image.Image | None = None
    ) -> Similarity:
        """Similarity of every position with every other: on the native grid, or on a picture's at that size."""
        return self._answer("embeddings/positions", model, size, None if image is None else as_rgb(image))

    def filters(self, model: str, count: int = 28) -> FilterBank:
        """The first principal components of the patch-embedding filters."""
        return self._answer("embeddings/filters", model, int(count))

    # ---------------------------------------------------------------------------------------------------- the answers

    def _compute(self, question: str, *args):
        """The one way to the model: `question` is "topic/function" of vit_demo/answers.

        On ZeroGPU it runs in another process, so arguments and answers are plain data."""
        topic, _, function = question.partition("/")
        return getattr(importlib.import_module(f"vit_demo.answers.{topic}"), function)(self._engine, *args)

    @property
    def _engine(self) -> Engine:
        """Made at the first question, once: this is where torch is imported."""
        if self._made is None:
            with self._making:
                if self._made is None:
                    from vit_demo.engine import Engine

                    self._made = Engine(choose_hardware(self._device), *self._limits, self._gallery, self._offers)
        return self._made

    @property
    def hardware(self) -> Hardware:
        return self._engine.hardware

    def _offers(self, model: str) -> bool:
        """Whether this model may be loaded. On a public page not even a revision may be named: anybody can put weights
        into a pull request."""
        return isinstance(model, str) and (self._any_model or any(card.id == model for card in catalog.CARDS))
