"""The example pictures as the page uses them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

THUMBNAIL_PX = 160


@dataclass(frozen=True)
class Example:
    """One of our own, trusted pictures: its file, labels, and a thumbnail (h, w, 3) uint8."""

    path: Path
    key: str
    labels: dict[str, str]
    title: str
    author: str
    licence: str
    thumbnail: np.ndarray = field(repr=False, compare=False)

    def picture(self) -> np.ndarray:
        """All of it, (H, W, 3) uint8."""
        with Image.open(self.path) as opened:
            return np.asarray(opened.convert("RGB"))

    def label(self, language: str) -> str:
        return self.labels[language]

    def credits(self) -> dict[str, str]:
        return {"title": self.title, "author": self.author, "licence": self.licence}


def read_examples(folder: Path) -> tuple[Example, ...]:
    """All pictures of examples/gallery.json, in its order."""
    entries = json.loads((folder / "gallery.json").read_text(encoding="utf-8"))
    return tuple(
        Example(
            path=folder / entry["file"],
            key=entry["key"],
            labels={"en": entry["label_en"], "zh": entry["label_zh"]},
            title=entry["title"],
            author=entry["author"],
            licence=entry["licence"],
            thumbnail=_thumbnail(folder / entry["file"]),
        )
        for entry in entries
    )


def _thumbnail(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        picture.draft("RGB", (2 * THUMBNAIL_PX, 2 * THUMBNAIL_PX))  # a quarter of the decoding time, for start-up
        small = picture.convert("RGB")
        small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
        return np.asarray(small)


def example_by_file(examples: tuple[Example, ...], file: str) -> Example:
    return next(example for example in examples if example.path.name == file)
