"""The example pictures: our own, trusted, with labels; read once and handed to whoever shows or compares them."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

THUMBNAIL_PX = 160
INDEX = "gallery.json"
_INSTALLED = Path(__file__).parent / "examples"
# Where our own pictures lie: inside the package where it was installed, beside it in a clone.
EXAMPLES = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[1] / "examples"


@dataclass(frozen=True)
class Example:
    """One picture: its file, what it shows (`key`, and a label per language), whose it is, a thumbnail (h, w, 3) uint8,
    and `digest`, the name of the file's content (`file_digest`)."""

    path: Path
    key: str
    labels: dict[str, str] = field(default_factory=dict)
    title: str = ""
    author: str = ""
    licence: str = ""
    digest: str = ""
    thumbnail: np.ndarray = field(default_factory=lambda: np.zeros((1, 1, 3), np.uint8), repr=False, compare=False)

    def picture(self) -> np.ndarray:
        """All of it, (H, W, 3) uint8."""
        with Image.open(self.path) as opened:
            return np.asarray(opened.convert("RGB"))

    def label(self, language: str) -> str:
        return self.labels[language]

    def credits(self) -> dict[str, str]:
        return {"title": self.title, "author": self.author, "licence": self.licence}


def read_gallery(folder: Path = EXAMPLES) -> tuple[Example, ...]:
    """All pictures of a folder's gallery.json, in its order; none where it has no gallery.json."""
    index = folder / INDEX
    entries = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else []
    return tuple(_example(folder, entry) for entry in entries)


def _example(folder: Path, entry: dict) -> Example:
    data = (folder / entry["file"]).read_bytes()
    return Example(
        path=folder / entry["file"],
        key=entry["key"],
        labels={"en": entry["label_en"], "zh": entry["label_zh"]},
        title=entry["title"],
        author=entry["author"],
        licence=entry["licence"],
        digest=file_digest(data),
        thumbnail=_thumbnail(data),
    )


def _thumbnail(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        picture.draft("RGB", (2 * THUMBNAIL_PX, 2 * THUMBNAIL_PX))  # a quarter of the decoding time, for start-up
        small = picture.convert("RGB")
        small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
        return np.asarray(small)


def file_digest(data: bytes) -> str:
    """A name for a file's content."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def example_by_file(examples: tuple[Example, ...], file: str) -> Example:
    return next(example for example in examples if example.path.name == file)
