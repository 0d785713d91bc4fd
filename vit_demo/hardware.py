"""Where computation runs: device, precision, threads, and the task boundary of ZeroGPU."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from vit_demo.contract import DemoError

GPU_SECONDS = 20  # ZeroGPU checks a visitor's quota against the time asked for, not the time used


@dataclass(frozen=True)
class Hardware:
    """`device` is "cpu", "cuda", "cuda:1" or "mps"; `threads` is torch's number of CPU threads, None for its own."""

    device: str = "cpu"
    threads: int | None = None

    @property
    def is_cuda(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def dtype(self) -> str:
        return "float32"  # the whole point is exact maps; half precision moves attention by up to a percent


def choose_hardware(wanted: str = "auto") -> Hardware:
    """The hardware to use: what is wanted ("auto", "cpu", "cuda", "cuda:0", "mps"), or the best there is.

    Imports torch. Raises DemoError where the wanted device does not exist.
    """
    import torch

    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        wanted = next(kind for kind in ("cuda", "mps", "cpu") if available[kind])
    kind, _, index = wanted.partition(":")
    if not available.get(kind) or (index and (not index.isdigit() or int(index) >= torch.cuda.device_count())):
        raise DemoError("page.no_device", device=wanted)
    if kind == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # patches would be embedded in 19 bits instead of 32
    return Hardware(wanted, threads)


def gpu_task(function: Callable) -> Callable:
    """`spaces.GPU(function)` where app.py imported `spaces` (before torch, as ZeroGPU asks), else the function itself.

    What passes through must pickle: numpy and strings, never tensors or event objects.
    """
    spaces = sys.modules.get("spaces")
    return spaces.GPU(duration=GPU_SECONDS)(function) if spaces else function


def use_one_thread_after_fork() -> None:
    """In a process that was forked from one that has computed: OpenMP's threads are not there, and torch would wait for
    them for ever."""
    import torch

    torch.set_num_threads(1)
