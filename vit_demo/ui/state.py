"""What a visitor has chosen for the whole page, as every handler of a tab gets it. Values from a browser are checked
here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from vit_demo.contract import DemoError, ExplainerProtocol, SizeChoice
from vit_demo.gallery import Example
from vit_demo.render.paper import paper_language
from vit_demo.text import class_name, say
from vit_demo.ui.kit.inputs import language_of, size_of
from vit_demo.ui.kit.reader import Picture

MOST_INDEX = 1000  # no model has as many layers or heads


@dataclass(frozen=True)
class Selection:
    """Chosen in one view, the same in all: a layer and a head (from 0; None: the last layer, all heads), and a token's
    name as TokenQuery writes it."""

    layer: int | None = None
    head: int | None = None
    token: str = "cls"

    @classmethod
    def of(cls, value: object) -> Selection:
        """From what a browser sent; what makes no sense becomes the default."""
        if not isinstance(value, dict):
            return cls()
        layer, head = (value[name] if _is_index(value.get(name)) else None for name in ("layer", "head"))
        return cls(layer, head, str(value.get("token") or "cls")[:40])

    @classmethod
    def of_link(cls, query: Mapping[str, str]) -> Selection:
        """From the address of a link, which counts layers, heads, rows and columns from 1, as the screen does."""
        numbers = {
            name: int(query[name]) - 1 for name in ("layer", "head") if re.fullmatch(r"\d{1,4}", query.get(name, ""))
        }
        token = query.get("token", "")
        if place := re.fullmatch(r"(\d{1,4}),(\d{1,4})", token):
            token = ",".join(str(int(number) - 1) for number in place.groups())
        return cls.of({**numbers, "token": token})

    def layer_in(self, depth: int) -> int:
        """The layer, moved into a model of that depth."""
        return depth - 1 if self.layer is None else min(self.layer, depth - 1)


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_INDEX


@dataclass(frozen=True)
class PageState:
    """`image` (H, W, 3) uint8; `digest` names its file's content."""

    explainer: ExplainerProtocol
    examples: tuple[Example, ...]
    image: np.ndarray
    model: str
    size: SizeChoice
    selection: Selection
    language: str
    digest: str = ""

    @property
    def example(self) -> str | None:
        """The key of the example picture that this is, None for a visitor's own."""
        return next((one.key for one in self.examples if one.digest == self.digest), None)

    @property
    def picture(self) -> tuple[np.ndarray, str, SizeChoice]:
        """The first arguments of most questions to the Explainer."""
        return self.image, self.model, self.size

    @property
    def fingerprint(self) -> str:
        """The same for the same picture, model, size and language: what is shown for it need not be computed again."""
        return f"{self.digest} {self.model} {self.size} {self.language}"

    @property
    def link(self) -> dict[str, str]:
        """What an address must say to open this model, size and example again; a visitor's own picture does not
        travel."""
        link = {"model": self.model, "lang": self.language}
        if self.size.side is not None:
            link["side"] = str(self.size.side)
        if self.size.keep_shape:
            link["keep"] = "1"
        return {**link, "example": self.example} if self.example else link

    @property
    def on_paper(self) -> PageState:
        """The same in a language that this machine can write in a figure."""
        return replace(self, language=paper_language(self.language))

    def class_name(self, name: str) -> str:
        """A class as the page's language calls it."""
        return class_name(name, self.language)

    def say(self, key: str, **values) -> str:
        return say(key, self.language, **values)


def page_state(
    explainer: ExplainerProtocol,
    examples: tuple[Example, ...],
    image: Picture | DemoError | None,
    model: str,
    side: object,
    keep_shape: object,
    selection: object,
    language: object,
) -> PageState | None:
    """The state, or None while there is no model or picture. Raises what is wrong with the picture."""
    if isinstance(image, DemoError):
        raise image
    if not model or image is None:
        return None
    return PageState(
        explainer=explainer,
        examples=examples,
        image=image.pixels,
        model=model,
        size=size_of(side, keep_shape),
        selection=Selection.of(selection),
        language=language_of(language),
        digest=image.digest,
    )
