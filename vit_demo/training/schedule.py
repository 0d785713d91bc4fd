"""Rates over time: a linear warm-up, then half a cosine."""

from __future__ import annotations

import math


def warm_cosine(step: int, steps: int, warm_steps: int, peak: float, end: float) -> float:
    """The value at a step (from 0): a line up to `peak` over `warm_steps`, then half a cosine down to `end`.

    Loshchilov and Hutter 2017 (arXiv 1608.03983), eq. 5, without restarts.
    """
    if step < warm_steps:
        return peak * (step + 1) / warm_steps
    share = (step - warm_steps) / max(1, steps - 1 - warm_steps)
    return end + (peak - end) * (1 + math.cos(math.pi * min(1.0, share))) / 2


def cosine(step: int, steps: int, start: float, end: float) -> float:
    """Half a cosine from `start` at step 0 to `end` at the last: DINO's momentum."""
    return end + (start - end) * (1 + math.cos(math.pi * min(1.0, step / max(1, steps - 1)))) / 2
