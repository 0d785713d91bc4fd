"""What a server has done so far: numbers alone, nothing of anybody's pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class QuestionFigures:
    """How often a question was asked, how often its answer was there already, how often it failed, and the seconds from
    asking to the answer, all added up."""

    asked: int = 0
    kept: int = 0
    failed: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Figures:
    """By question; how many `wait` for a place; bytes `kept` by what they are; the process's memory in bytes."""

    questions: Mapping[str, QuestionFigures] = field(default_factory=dict)
    waiting: int = 0
    kept_bytes: Mapping[str, int] = field(default_factory=dict)
    memory_bytes: int | None = None
