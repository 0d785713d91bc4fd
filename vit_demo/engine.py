"""Models and traces, loaded and kept: what the Explainer asks its questions of. Imports torch; nothing of the page."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from vit_demo.cache import ByteCache
from vit_demo.checkpoints.load import LoadedModel, load_model
from vit_demo.contract import DemoError, ModelError, PreparedImage, RunInfo, SizeChoice
from vit_demo.gallery import Example
from vit_demo.hardware import Hardware
from vit_demo.model import Encoded, Trace
from vit_demo.model.position import RESAMPLING
from vit_demo.preprocess import prepare

KEPT_BYTES = 128 << 20
PICTURES_BYTES = 48 << 20  # prepared pictures: 64 of 224 px


@dataclass(frozen=True)
class Run:
    """One forward pass and everything that can be seen afterwards. Tensors on the model's device, one picture.

    It holds no reference to the model, which may be let go before it."""

    prepared: PreparedImage
    trace: Trace
    encoded: Encoded
    info: RunInfo


class Engine:
    """Loads models and runs them, each once: bounded caches of models and of traces, keyed by content.

    `examples` are the labelled example pictures; `may_load` says which models may be loaded. `kept` is for small
    results that cost more than a forward pass.
    """

    def __init__(
        self,
        hardware: Hardware,
        model_bytes: int,
        trace_bytes: int,
        examples: tuple[Example, ...],
        may_load: Callable[[str], bool],
    ):
        self.hardware, self.examples, self._may_load = hardware, examples, may_load
        self.models = ByteCache(model_bytes)
        self.runs = ByteCache(trace_bytes)
        self.kept = ByteCache(KEPT_BYTES)
        self.pictures = ByteCache(PICTURES_BYTES)
        self._followers: dict[str, list[Callable[[int, int], None] | None]] = {}  # of the models that are being loaded
        self._turn = threading.Lock()  # one computation at a time: two would only slow each other down
        if hardware.threads:
            torch.set_num_threads(hardware.threads)

    def load(self, name: str, progress: Callable[[int, int], None] | None = None) -> LoadedModel:
        """The model of that name, from memory where it is there; `progress` follows a download, also one that another
        began. Raises ModelError, also for what is not offered."""
        if not self._may_load(name):
            raise ModelError("checkpoint.not_offered", name=str(name)[:80])
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
        return torch.from_numpy(prepared.pixels)[None].to(self.hardware.device)

    def run(self, image: np.ndarray, name: str, size: SizeChoice) -> Run:
        """The forward pass of a picture (H, W, 3) uint8 at a size, from memory where it is there."""
        loaded = self.load(name)
        prepared = self.prepared(image, loaded, size)
        key = (name, loaded.revision, prepared.digest)
        run, cached = self.runs.get_or_make(key, lambda: self._forward(name, loaded, prepared), run_bytes)
        return run if not cached else Run(run.prepared, run.trace, run.encoded, _as_cached(run.info))

    def _forward(self, name: str, loaded: LoadedModel, prepared: PreparedImage) -> Run:
        pixels = self.pixels(prepared)
        started = time.perf_counter()
        trace, encoded = self.encode(loaded, pixels)
        if pixels.is_cuda:
            torch.cuda.synchronize()
        elapsed_ms = 1000 * (time.perf_counter() - started)
        return Run(prepared, trace, encoded, self._info(name, loaded, trace, elapsed_ms))

    @contextmanager
    def computing(self, gradients: bool = False) -> Iterator[None]:
        """A turn: one computation at a time; when the GPU's memory is full, what is kept is let go and a DemoError says
        so. Not to be entered twice by one thread: it holds no call of `run` or `encode`. The rule for when an answer
        takes it stands in answers/__init__.py."""
        try:
            with self._turn, torch.set_grad_enabled(gradients):
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
                with self._turn, torch.inference_mode():
                    return trace, loaded.model(pixels, trace=trace)
            except torch.OutOfMemoryError as error:
                del trace
                self.runs.clear()
                torch.cuda.empty_cache()
                if attempt:
                    raise DemoError("page.out_of_memory") from error
        raise AssertionError("unreachable")

    def _info(self, name: str, loaded: LoadedModel, trace: Trace, elapsed_ms: float) -> RunInfo:
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
    return RunInfo(**{**info.__dict__, "cached": True})
