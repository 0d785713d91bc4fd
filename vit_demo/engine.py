"""Models and traces, loaded and kept: what the Explainer asks its questions of. Imports torch; nothing of the page."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch

from vit_demo.cache import ByteCache, content_bytes, content_key
from vit_demo.checkpoints.hub_cache import tidied
from vit_demo.checkpoints.load import LoadedModel, load_model
from vit_demo.contract import DemoError, Figures, ModelError, PreparedImage, QuestionFigures, RunInfo, SizeChoice
from vit_demo.fair_queue import FairQueue, VisitorLeft, current_visitor
from vit_demo.gallery import Example
from vit_demo.hardware import Hardware
from vit_demo.memory import Limits, MemoryWatch, resident_bytes
from vit_demo.model import Encoded, Trace
from vit_demo.model.position import RESAMPLING
from vit_demo.preprocess import prepare

PLACES = 2  # while one question computes, another is prepared or put into form
MOST_WAITING = 80  # more than a class of thirty; beyond it one is told to come back
# By how many times the forward pass that it saves a question goes forward whose trace is in memory
HEAD_START = 5.0
PACE_WEIGHT = 0.1  # of the newest, in the mean of how long a place was held
SEVERAL_PICTURES, SECOND_PICTURE = {"images", "own"}, ("second", "other")  # parameters of a question

Answer = TypeVar("Answer")


def long_work(question: Callable[..., Answer]) -> Callable[..., Answer]:
    """Marks an answer's function that computes for long also where the picture's trace is there."""
    question.is_long_work = True  # type: ignore[attr-defined]
    return question


def not_kept(question: Callable[..., Answer]) -> Callable[..., Answer]:
    """Marks an answer's function of which nothing is kept, neither the answer nor what it was asked about: for frames
    of a camera. Each call takes a place; the function itself must not call `engine.run` or `engine.prepared`."""
    question.is_not_kept = True  # type: ignore[attr-defined]
    return question


@dataclass(frozen=True)
class Run:
    """One forward pass and everything that can be seen afterwards. Tensors on the model's device, one picture.

    The trace holds on to the model, of which it reads each layer; it goes with it."""

    prepared: PreparedImage
    trace: Trace
    encoded: Encoded
    info: RunInfo


class Engine:
    """Loads models and runs them, each once: bounded caches of models and of traces, keyed by content.

    `examples` are the labelled example pictures; `may_load` says which models may be loaded. `kept` is for small
    results that cost more than a forward pass.

    Many may ask at once. Each question that needs a forward pass, or computes for long, takes one of a few places, in a
    fair order by visitor (fair_queue.py), so that no more traces than places are in use; what only reads a trace that
    is there needs none. Of those, one computes at a time, and what takes a moment goes first.
    """

    def __init__(
        self, hardware: Hardware, limits: Limits, examples: tuple[Example, ...], may_load: Callable[[str], bool]
    ):
        self.hardware, self.examples, self._may_load = hardware, examples, may_load
        self.own: dict[str, LoadedModel] = {}  # of somebody's own memory, by name: never let go
        self.runs = ByteCache(limits.runs)
        self.models = ByteCache(limits.models, gone=lambda name: self.runs.discard(lambda key: key[0] == name))
        self.kept = ByteCache(limits.kept)
        self.answers = ByteCache(limits.answers)
        self.pictures = ByteCache(limits.pictures)
        self._followers: dict[str, list[Callable[[int, int], None] | None]] = {}  # of the models that are being loaded
        self._turns, self._places = FairQueue(), FairQueue(PLACES)
        self._place = threading.local()  # .held: what this thread's question holds its place by
        self._pace_s = 1.0  # for how long a place was held lately
        self._gone: set[str] = set()
        self._asked = 0  # questions under way
        self._closing = False
        self._figures: dict[str, QuestionFigures] = {}
        self._counting = threading.Condition()
        self._watch = MemoryWatch(limits.process_bytes, self._evict) if limits.process_bytes else None
        if hardware.threads:
            torch.set_num_threads(hardware.threads)

    # ----------------------------------------------------------------------------------------------------- a question

    def answer(self, question: Callable[..., Answer], *args: Any) -> Answer:
        """What `question(engine, *args)` answers; the same question is computed once, whoever asks it meanwhile or
        later. Raises DemoError where too many wait or memory is short, VisitorLeft where the visitor has left."""
        self._gone.discard(current_visitor.get())
        with self._counting:
            if self._closing:
                raise DemoError("page.closing")
            self._asked += 1
        started, outcome = time.perf_counter(), "failed"
        try:
            answer, was_there = self._answer(question, *args)
            outcome = "kept" if was_there else ""
            return answer
        finally:
            with self._counting:
                self._asked -= 1
                self._note(question.__name__, time.perf_counter() - started, outcome)
                self._counting.notify_all()

    def _note(self, name: str, seconds: float, outcome: str) -> None:
        so_far = self._figures.get(name, QuestionFigures())
        self._figures[name] = QuestionFigures(
            so_far.asked + 1,
            so_far.kept + (outcome == "kept"),
            so_far.failed + (outcome == "failed"),
            so_far.seconds + seconds,
        )

    def figures(self) -> Figures:
        """What was asked so far, and what is kept."""
        caches = dict(models=self.models, runs=self.runs, kept=self.kept, answers=self.answers, pictures=self.pictures)
        with self._counting:
            questions = dict(self._figures)
        kept = {name: cache.nbytes for name, cache in caches.items()}
        return Figures(questions, self._places.waiting, kept, resident_bytes())

    def _answer(self, question: Callable[..., Answer], *args: Any) -> tuple[Answer, bool]:
        bound = inspect.signature(question).bind(self, *args)
        named, revisions = bound.arguments, []
        for name in ("model", "other_model"):
            if name in named:
                named[name] = tidied(named[name])
                revisions.append(self.load(named[name]).revision)  # where no place is held: a download takes minutes
        if "models" in named:
            named["models"] = tuple(map(tidied, named["models"]))
        for one in named.get("models", ()):
            with suppress(DemoError):  # the answer says which of several cannot be had
                revisions.append(self.load(one).revision)
        args = bound.args[1:]
        if getattr(question, "is_not_kept", False):
            self._check_room()
            with self._placed():
                return self._guarded(question, args), False
        key = question.__module__, question.__qualname__, tuple(revisions), content_key(args)

        def make() -> Answer:
            saved_s = self._saved_s(named)  # looked up once: it names the pictures by their content
            if self._is_quick(question, named, saved_s):
                return self._guarded(question, args)
            self._check_room()
            with self._placed(HEAD_START * (saved_s or 0.0)):
                return self._guarded(question, args)

        answer, was_there = self.answers.get_or_make(key, make, content_bytes)
        return (_as_kept(answer) if was_there else answer), was_there

    @staticmethod
    def _is_quick(question: Callable, named: dict[str, Any], saved_s: float | None) -> bool:
        """Whether a question is answered without a forward pass, and in a moment."""
        several = named.keys() & SEVERAL_PICTURES or any(
            isinstance(named.get(name), np.ndarray) for name in SECOND_PICTURE
        )
        if getattr(question, "is_long_work", False) or several:
            return False
        return named.get("image") is None or saved_s is not None

    def _saved_s(self, named: dict[str, Any]) -> float | None:
        """How long the forward passes took that are in memory for a question's pictures, in seconds; None where one is
        missing, or there are none."""
        image = named.get("image")
        images = named.get("images") or (() if image is None else (image,))
        if not images or not {"size", "model"} <= named.keys():
            return None
        name, loaded, saved_ms = named["model"], self.load(named["model"]), 0.0
        for image in images:
            run = self.runs.get(self._run_key(name, loaded, self.prepared(image, loaded, named["size"])))
            if run is None:
                return None
            saved_ms += run.info.forward_ms
        return saved_ms / 1000

    def _guarded(self, question: Callable[..., Answer], args: tuple) -> Answer:
        try:
            return question(self, *args)
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            self._evict(1 << 62)
            raise DemoError("page.out_of_main_memory") from error
        finally:
            if self._watch is not None:
                self._watch.notify()

    def _check_room(self) -> None:
        """Raises DemoError where one more question that computes would be too much for the machine."""
        waiting = self._places.waiting
        if waiting >= MOST_WAITING:
            raise DemoError("page.busy", seconds=max(1, round(waiting * self._pace_s / PLACES)))
        if self._watch is not None and self._watch.is_full:
            raise DemoError("page.memory_full")

    @contextmanager
    def _placed(self, head_start_s: float = 0.0) -> Iterator[None]:
        with ExitStack() as held:
            held.enter_context(self._places.turn(head_start_s=head_start_s))
            self._place.held, started = held, time.perf_counter()
            try:
                yield
            finally:
                self._place.held = None
                self._pace_s += PACE_WEIGHT * (time.perf_counter() - started - self._pace_s)

    def yield_to_others(self) -> None:
        """Between two slices of long work: whoever waits has its turn first. Raises VisitorLeft. Not for inside of
        `get_or_make`: others may wait for what is made there."""
        if current_visitor.get() in self._gone:
            raise VisitorLeft
        held = getattr(self._place, "held", None)
        if held is not None and self._places.waiting:
            held.close()
            held.enter_context(self._places.turn())

    def forget(self, visitor: str) -> None:
        """A visitor has left: what it waits for is given up, also at the next slice of long work."""
        if len(self._gone) > 10 * MOST_WAITING:
            self._gone.clear()
        self._gone.add(visitor)
        self._places.forget(visitor)

    def close(self, wait_s: float) -> bool:
        """Takes no more questions, and waits for those under way. Whether all were answered in that time."""
        with self._counting:
            self._closing = True
            return self._counting.wait_for(lambda: not self._asked, wait_s)

    def _evict(self, nbytes: int) -> None:
        """Frees about that much of what is kept, the cheapest to compute again first; the model in use stays."""
        for cache, keep in ((self.runs, 0), (self.answers, 0), (self.kept, 0), (self.pictures, 0), (self.models, 1)):
            if nbytes > 0:
                nbytes -= cache.evict(nbytes, keep)

    # ------------------------------------------------------------------------------------------------ models and passes

    def load(self, name: str, progress: Callable[[int, int], None] | None = None) -> LoadedModel:
        """The model of that name, from memory where it is there; `progress` follows a download, also one that another
        began. Raises ModelError, also for what is not offered."""
        own = self.own.get(name) if isinstance(name, str) else None
        if own is None and not self._may_load(name):
            raise ModelError("checkpoint.not_offered", name=str(name)[:80])
        if own is not None:
            return own
        followers = self._followers.setdefault(name, [])
        followers.append(progress)

        def report(done: int, total: int) -> None:
            for follow in tuple(followers):
                if follow is not None:
                    follow(done, total)

        try:
            make = lambda: load_model(name, device=self.hardware.device, progress=report)  # noqa: E731
            return self.models.get_or_make(name, make, lambda loaded: loaded.nbytes)[0]
        finally:
            followers.remove(progress)

    def load_all(self, names: Iterable[str]) -> None:
        """Loads models one after the other as far as memory goes; those that cannot be had are passed over."""
        for name in names:
            if self.models.nbytes < self.models.limit_bytes:
                with suppress(DemoError):
                    self.load(name)

    def prepared(self, image: np.ndarray, loaded: LoadedModel, size: SizeChoice) -> PreparedImage:
        """A picture (H, W, 3) uint8 as that model gets it, from memory where the same bytes were prepared before: one
        request of the page asks for several views of one picture."""
        patch_px = loaded.model.config.patch_px
        content = hashlib.sha256(np.ascontiguousarray(image).data).digest()  # a fifth of what preparing takes
        key = (content, image.shape, loaded.preprocess, patch_px, size)
        make = lambda: prepare(image, loaded.preprocess, patch_px, size)  # noqa: E731
        return self.pictures.get_or_make(key, make, lambda one: one.pixels.nbytes + one.picture.nbytes)[0]

    def pixels(self, prepared: PreparedImage) -> torch.Tensor:
        """What the model gets of a picture, (1, C, H, W), on its device."""
        pixels, device = torch.from_numpy(prepared.pixels)[None], self.hardware.device
        return pixels.pin_memory().to(device, non_blocking=True) if self.hardware.is_cuda else pixels.to(device)

    def run(self, image: np.ndarray, name: str, size: SizeChoice) -> Run:
        """The forward pass of a picture (H, W, 3) uint8 at a size, from memory where it is there."""
        loaded = self.load(name)
        prepared = self.prepared(image, loaded, size)
        key = self._run_key(name, loaded, prepared)
        run, cached = self.runs.get_or_make(key, lambda: self._forward(name, loaded, prepared), run_bytes)
        return run if not cached else dataclasses.replace(run, info=_as_cached(run.info))

    def has_run(self, name: str, loaded: LoadedModel, prepared: PreparedImage) -> bool:
        """Whether that forward pass is in memory."""
        return self.runs.get(self._run_key(name, loaded, prepared)) is not None

    @staticmethod
    def _run_key(name: str, loaded: LoadedModel, prepared: PreparedImage) -> tuple[str, str, str]:
        return name, loaded.revision, prepared.digest

    def _forward(self, name: str, loaded: LoadedModel, prepared: PreparedImage) -> Run:
        pixels = self.pixels(prepared)
        started = time.perf_counter()
        trace, encoded = self.encode(loaded, pixels)
        if pixels.is_cuda:
            torch.cuda.synchronize()
        elapsed_ms = 1000 * (time.perf_counter() - started)
        return Run(prepared, trace, encoded, self.info(name, loaded, trace, elapsed_ms))

    @contextmanager
    def computing(self, gradients: bool = False, long: bool = False) -> Iterator[None]:
        """A turn: one computation at a time, what is not `long` first; gradients are computed only where asked for, and
        are long. When the GPU's memory is full, what is kept is let go and a DemoError says so. Not to be entered twice
        by one thread: it holds no call of `run` or `encode`. The rule for when an answer takes it stands in
        answers/__init__.py."""
        try:
            with self._turns.turn(first=not (long or gradients)), torch.set_grad_enabled(gradients):
                yield
        except torch.OutOfMemoryError as error:
            self.runs.clear()
            self.kept.clear()
            torch.cuda.empty_cache()
            raise DemoError("page.out_of_memory") from error

    def encode(self, loaded: LoadedModel, pixels: torch.Tensor) -> tuple[Trace, Encoded]:
        """One forward pass with a trace. When the GPU's memory is full, everything kept is let go and it is tried once
        more; then a DemoError says so."""
        for attempt in range(2):
            trace = Trace()
            try:
                with self._turns.turn(), torch.inference_mode():
                    return trace, loaded.model(pixels, trace=trace)
            except torch.OutOfMemoryError as error:
                del trace
                self.runs.clear()
                torch.cuda.empty_cache()
                if attempt:
                    raise DemoError("page.out_of_memory") from error
        raise AssertionError("unreachable")

    def info(self, name: str, loaded: LoadedModel, trace: Trace, elapsed_ms: float = 0.0) -> RunInfo:
        """What a forward pass was made of."""
        config, grid = loaded.model.config, trace.grid
        off_native = config.position == "learned" and grid.shape != config.native_grid
        return RunInfo(
            model_id=name,
            title=loaded.card.title,
            parameters=sum(p.numel() for p in loaded.model.parameters()),
            grid=grid,
            depth=config.depth,
            heads=config.heads,
            position=RESAMPLING[config.position_resampling].title if off_native else position_kind(loaded),
            resampled=off_native,
            device=self.hardware.device,
            dtype=self.hardware.dtype,
            forward_ms=elapsed_ms,
            cached=False,
            revision=loaded.revision,
        )


def position_kind(loaded: LoadedModel) -> str:
    """How the model knows places: "table", "rope", "table_rope" or "none"."""
    config = loaded.model.config
    kinds = ["table"] * (config.position == "learned") + ["rope"] * (config.rope is not None)
    return "_".join(kinds) or "none"


def run_bytes(run: Run) -> int:
    return run.trace.nbytes + run.prepared.pixels.nbytes + run.prepared.picture.nbytes


def _as_cached(info: RunInfo) -> RunInfo:
    return dataclasses.replace(info, cached=True)


def _as_kept(answer: Answer) -> Answer:
    """An answer given before: it says of its forward pass that it was kept."""
    info = getattr(answer, "info", None)
    if not isinstance(info, RunInfo) or info.cached:
        return answer
    return dataclasses.replace(answer, info=_as_cached(info))  # type: ignore[type-var]


def _is_out_of_memory(error: Exception) -> bool:
    """Whether the machine's own memory has run out; torch says so in words alone (c10/core/impl/alloc_cpu.cpp)."""
    return isinstance(error, MemoryError) or "DefaultCPUAllocator: can't allocate memory" in str(error)
