"""The Explainer: what answers the questions of questions.py. Torch only inside, and only when asked.

Making an Explainer takes no time and imports no torch, so a page can stand before the model behind it does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from vit_demo import answers, contract
from vit_demo.checkpoints.hub_cache import tidied
from vit_demo.checkpoints.offers import Offers
from vit_demo.contract import DemoError as DemoError
from vit_demo.gallery import EXAMPLES as EXAMPLES
from vit_demo.gallery import Example, read_gallery
from vit_demo.hardware import choose_hardware, gpu_task, use_one_thread_after_fork
from vit_demo.memory import Limits
from vit_demo.questions import Questions

if TYPE_CHECKING:
    from vit_demo.checkpoints.load import LoadedModel
    from vit_demo.engine import Engine
T = TypeVar("T")


class Explainer(Questions):
    """The app's engine, usable from a notebook.

    `device` is "auto", "cpu", "cuda", "cuda:0" or "mps". `any_model` lets names outside the catalogue be loaded (Hub
    ids, folders, files): for one's own machine, never for a public page. What is kept is bounded by `limits`.
    `examples` are the labelled pictures that models without classes compare with; None: our own. `hub` answers whether
    the Hub can be reached; once `look_for_hub` has been called, the answer is renewed behind `statuses` after a minute.
    `first` is the model that a page opens with, `only` those of the catalogue that are offered.
    """

    def __init__(
        self,
        device: str = "auto",
        *,
        any_model: bool = True,
        limits: Limits = Limits(),  # noqa: B008 – frozen
        examples: tuple[Example, ...] | None = None,
        hub: Callable[[], bool] | None = None,
        first: str = "",
        only: tuple[str, ...] = (),
    ):
        self._device, self._any_model = device, any_model
        self._limits = limits
        self._examples = examples
        self._offers = Offers(hub, first, only)
        self._opens_with = ""
        self._ready = threading.Event()
        compute = self.compute
        self._answer = gpu_task(compute)
        self._runs_elsewhere = self._answer is not compute  # true on ZeroGPU, and for a ClusterExplainer
        self._made: Engine | None = None
        self._making = threading.Lock()

    # ------------------------------------------------------------------------------------------------- what there is

    def look_for_hub(self) -> bool:
        """Whether the Hub can be reached, asked now (3 seconds at most) and remembered for `statuses`."""
        return self._offers.look_for_hub()

    def statuses(self) -> tuple[contract.ModelStatus, ...]:
        """Every model of the catalogue and whether its weights can be had, as far as is known now; never waits."""
        own = self._made.own.values() if self._made is not None else ()
        return (*(contract.ModelStatus(one.card, "on_disk") for one in own), *self._offers.statuses())

    def open_with(self, name: str) -> None:
        """A page opens with this model: one that `offer` was given."""
        self._opens_with = name

    def default_model(self, download: bool = True) -> str:
        """The model that the page opens with; without `download`, the best that is on this machine. Where one that
        predicts classes would have to be downloaded, the Hub is asked for first (3 seconds at most, once)."""
        return self._opens_with or self._offers.default_model(download)

    def warm_up(self) -> str:
        """Imports torch and loads the default model, or where it cannot be had the best on this machine, so that the
        first visitor need not wait. Its id."""
        try:
            model = self.details(self.default_model()).card.id
        except contract.DemoError:
            model = self.details(self.default_model(download=False)).card.id
        self._ready.set()
        return model

    @property
    def is_ready(self) -> bool:
        """Whether the first model is loaded."""
        return self._ready.is_set()

    @property
    def takes_frames(self) -> bool:
        """Whether a camera's frames can be asked about one after the other: not on ZeroGPU, where each would wait for a
        GPU of its own."""
        return not self._runs_elsewhere

    def figures(self) -> contract.Figures:
        """What was asked so far and how long it took, who waits, and what is kept."""
        return self._made.figures() if self._made is not None else contract.Figures()

    def prepare_views(self, model: str) -> None:
        """Computes what the views of a loaded model share, so that the first look at them need not wait."""
        if not self._runs_elsewhere:  # on ZeroGPU each task has a process of its own, which would know nothing of it
            answers.details.prepare_views(self._engine, model)

    def preload(self) -> None:
        """Loads the first model, and those on this machine as far as memory goes. For ZeroGPU, where questions run in
        processes that are forked from this one and should find the models there."""
        self._offers.fetch_first()
        self._engine.load_all(self._offers.on_disk())

    def details(self, model: str, progress: Callable[[int, int], None] | None = None) -> contract.ModelDetails:
        """What a model is made of; loads it."""
        model = tidied(model)
        # Where tasks run in another process, the model must be loaded there, and a callback cannot follow it.
        if self._runs_elsewhere:
            return self._answer(answers.details.details, model)
        details = answers.details.details(self._engine, model, progress)
        self._offers.look_again()
        return details

    def offer(self, loaded: LoadedModel, name: str = "") -> str:
        """A model of one's own memory (vit_demo.from_module) under a name, which every question then takes and a page
        lists. The name. Not for ZeroGPU or a cluster, whose processes know nothing of it."""
        name = name or loaded.card.id
        loaded.model.to(self._engine.hardware.device)
        self._engine.own[name] = replace(loaded, card=replace(loaded.card, id=name, title=name))
        return name

    def close(self, wait_s: float) -> bool:
        """Takes no more questions, and waits so long for those under way. Whether all were answered."""
        return self._made is None or self._made.close(wait_s)

    # ---------------------------------------------------------------------------------------------------- the answers

    def forget(self, visitor: str) -> None:
        """A visitor of the page (fair_queue.current_visitor) has left: nobody waits for what it asked."""
        if self._made is not None:
            self._made.forget(visitor)

    def compute(self, answer: Callable[..., T], *args) -> T:
        """The one way to the model: `answer` is a function of vit_demo/answers, which gets the engine and `args`.

        On ZeroGPU it runs in another process, so arguments and answers are plain data that pickle."""
        if self._runs_elsewhere:
            use_one_thread_after_fork()
        return self._engine.answer(answer, *args)

    @property
    def _engine(self) -> Engine:
        """Made at the first question, once: this is where torch is imported."""
        if self._made is None:
            with self._making:
                if self._made is None:
                    from vit_demo.engine import Engine

                    self._made = Engine(choose_hardware(self._device), self._limits, self._gallery(), self._may_load)
        return self._made

    def _gallery(self) -> tuple[Example, ...]:
        return read_gallery() if self._examples is None else self._examples

    def _may_load(self, model: str) -> bool:
        """Whether this model may be loaded. On a public page not even a revision may be named: anybody can put weights
        into a pull request. The moments of our own training lie in the package, and have cards."""
        return isinstance(model, str) and (self._any_model or self._offers.offers(model))
