"""Lessons as data. What is said stands in text/, as "lessons.<lesson>_<part>"; `link` is what an address would say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DIGITS = "vit-demo/digits"


@dataclass(frozen=True)
class Part:
    """Some minutes of a lesson: what to open; its phrases are `<lesson>_<name>` (what to do), `…_point` (what to point
    at) and `…_ask` (what to ask)."""

    name: str
    minutes: int
    link: Mapping[str, str]


@dataclass(frozen=True)
class Lesson:
    """A plan; its phrases are `<name>` (title), `<name>_for` (for whom) and `<name>_goals` (a goal a line)."""

    name: str
    parts: tuple[Part, ...]

    @property
    def minutes(self) -> int:
        return sum(part.minutes for part in self.parts)


def walk(step: str, **more: str) -> dict[str, str]:
    return {"tab": "walk", "step": step, **more}


LESSONS = (
    Lesson(
        "school",
        (
            Part("numbers", 4, walk("pixels", example="dog")),
            Part("cut", 4, walk("patches", example="dog")),
            Part("look", 5, {"tab": "attention", "example": "dog", "token": "cls"}),
            Part("digits", 5, {"tab": "draw"}),
            Part("end", 2, walk("explain")),
        ),
    ),
    Lesson(
        "lecture",
        (
            Part("input", 10, walk("pixels", example="kitten")),
            Part("places", 6, walk("positions", example="kitten")),
            Part("attention", 12, walk("scores", example="kitten")),
            Part("depth", 7, walk("residual", example="kitten")),
            Part("answer", 5, walk("answer", example="kitten")),
            Part("wrong", 5, walk("explain")),
        ),
    ),
    Lesson(
        "lab",
        (
            Part("walk", 20, walk("pixels", example="macaw")),
            Part("toy", 15, walk("scores", example="macaw")),
            Part("heads", 15, {"tab": "what_if", "example": "macaw"}),
            Part("features", 15, {"tab": "features", "example": "macaw"}),
            Part("training", 15, {"tab": "draw"}),
            Part("report", 10, {"tab": "compare", "example": "macaw"}),
        ),
    ),
)
