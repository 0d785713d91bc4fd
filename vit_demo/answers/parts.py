"""How long work is cut into parts that can be shown and stopped, and how it is timed."""

from __future__ import annotations

import time

from vit_demo.engine import Engine

# How much one part computes: a second or so on two cores with a small model
PART_TOKENS = {"cpu": 2048}
PART_TOKENS_ELSEWHERE = 65536


def passes_at_once(engine: Engine, tokens: int) -> int:
    """How many forward passes of pictures of so many tokens make a part."""
    return max(1, PART_TOKENS.get(engine.hardware.device, PART_TOKENS_ELSEWHERE) // tokens)


def slices_of(count: int, at_once: int) -> list[slice]:
    """`count` things, some at once."""
    return [slice(start, min(count, start + at_once)) for start in range(0, count, at_once)]


def ms_since(started: float) -> float:
    """Milliseconds since `time.perf_counter` said `started`."""
    return 1000 * (time.perf_counter() - started)
