"""What every tab shares: components by name, what the visitor has chosen, and the one way to wire an event."""

from __future__ import annotations

import hashlib
import inspect
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

import gradio as gr
import numpy as np

from vit_demo.contract import DemoError, ExplainerProtocol, SizeChoice
from vit_demo.text import say
from vit_demo.ui.gallery import Example
from vit_demo.ui.inputs import language_of, size_of

log = logging.getLogger(__name__)
Updates = dict[str, Any]

MODEL_POOL = dict(concurrency_id="model", concurrency_limit=1)  # one computation at a time, whoever asks
# The last of several quick choices counts: gradio's own default drops what is chosen while an answer is on its way.
LIGHT = dict(queue=False, show_progress="hidden", trigger_mode="always_last")  # no model needed: answered at once
QUIET = dict(MODEL_POOL, show_progress="hidden", trigger_mode="always_last")
CHOSEN = "image good_model side keep_shape selection language"


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
        """From the address of a link: layer and head counted from 1, as on screen."""
        numbers = {
            name: int(query[name]) - 1 for name in ("layer", "head") if re.fullmatch(r"\d{1,4}", query.get(name, ""))
        }
        return cls.of({**numbers, "token": query.get("token", "")})

    def layer_in(self, depth: int) -> int:
        """The layer, moved into a model of that depth."""
        return depth - 1 if self.layer is None else min(self.layer, depth - 1)


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1000


@dataclass(frozen=True)
class Asked:
    """What the whole page has chosen, as every handler of a tab gets it."""

    explainer: ExplainerProtocol
    examples: tuple[Example, ...]
    image: np.ndarray
    model: str
    size: SizeChoice
    selection: Selection
    language: str

    @property
    def picture(self) -> tuple[np.ndarray, str, SizeChoice]:
        """The first arguments of most questions to the Explainer."""
        return self.image, self.model, self.size

    def say(self, key: str, **values) -> str:
        return say(key, self.language, **values)


class Words:
    """Which phrases stand on which component, so that the whole page can change its language."""

    def __init__(self):
        self._said: dict[gr.blocks.Block, dict[str, str]] = {}

    def on(self, component, **phrases: str):
        """`label="page.model"`: this property of the component is this phrase. The component, with it set."""
        self._said[component] = phrases
        for name, key in phrases.items():
            setattr(component, name, say(key))
        return component

    @property
    def components(self) -> list:
        return list(self._said)

    def updates(self, language: str) -> list:
        language = language_of(language)
        said = self._said.values()
        return [gr.update(**{name: say(key, language) for name, key in phrases.items()}) for phrases in said]


class Page:
    """The components of the page by name, and how events reach handlers."""

    def __init__(self, explainer: ExplainerProtocol, examples: tuple[Example, ...]):
        self.explainer, self.examples = explainer, examples
        self.parts: dict[str, Any] = {}
        self.words = Words()

    def add(self, name: str, component, **phrases: str):
        """Keeps a component under a name; `label="topic.phrase"` sets a property to that phrase, in both languages."""
        self.parts[name] = component
        return self.words.on(component, **phrases) if phrases else component

    def say(self, component, **phrases: str):
        """A component without a name whose properties are phrases."""
        return self.words.on(component, **phrases)

    def ask(self, handler: Callable, given: str = "", fills: str = "", **how) -> dict:
        """The arguments of one event listener whose handler is `handler(asked, *values of the components in given)`.

        It returns (or, a generator, yields) updates by the names in `fills`. It is not called while the page has no
        model or no picture. `how`: gradio's own arguments; the model pool unless they say otherwise.
        """
        return self.listen(partial(_with_asked, handler, self.explainer, self.examples), given, fills, **how)

    def ask_event(self, handler: Callable, fills: str, **how) -> dict:
        """As `ask`, for `handler(asked, what)` where `what` is the dictionary that one of our components sent with its
        event: a stranger's, to be checked."""
        listener = self.ask(handler, "", fills, **how)
        answer = listener["fn"]

        def run(event: gr.EventData, *args):  # gradio looks for the annotation
            return answer(*args, event._data if isinstance(event._data, dict) else {})

        return dict(listener, fn=run)

    def hear(self, handler: Callable[[dict], Updates], fills: str) -> dict:
        """The arguments of a listener that needs only what one of our components sent with its event: a stranger's."""
        names = tuple(fills.split())

        def run(event: gr.EventData):  # gradio looks for the annotation
            return _values(handler(event._data if isinstance(event._data, dict) else {}), names)

        return dict(fn=run, inputs=None, outputs=self.of(fills), api_visibility="private", **LIGHT)

    def listen(self, handler: Callable, given: str, fills: str, **how) -> dict:
        """As `ask`, for a handler that takes (CHOSEN values …, given values …) itself."""
        names = tuple(fills.split())
        how = how or QUIET
        return dict(
            fn=softened(handler, names, language_at=len(CHOSEN.split()) - 1),
            inputs=self.of(f"{CHOSEN} {given}"),
            outputs=self.of(fills),
            api_visibility="private",
            **how,
        )

    def of(self, names: str) -> list:
        return [self.parts[name] for name in names.split()]


def _with_asked(handler, explainer, examples, image, model, side, keep_shape, selection, language, *given):
    asked = asked_of(explainer, examples, image, model, side, keep_shape, selection, language)
    return {} if asked is None else handler(asked, *given)


def asked_of(
    explainer: ExplainerProtocol,
    examples: tuple[Example, ...],
    image: np.ndarray | DemoError | None,
    model: str,
    side: object,
    keep_shape: object,
    selection: object,
    language: object,
) -> Asked | None:
    """What the page has chosen, or None while there is no model or picture. Raises what is wrong with the picture."""
    if isinstance(image, DemoError):
        raise image
    if not model or image is None:
        return None
    chosen = Selection.of(selection)
    return Asked(explainer, examples, image, model, size_of(side, keep_shape), chosen, language_of(language))


def question_of(asked: Asked) -> str:
    """A name for what the page asks of a tab: picture, model, size and language."""
    name = hashlib.blake2b(digest_size=8)
    name.update(f"{asked.image.shape} {asked.model} {asked.size} {asked.language}".encode())
    name.update(np.ascontiguousarray(asked.image))
    return name.hexdigest()


def softened(handler: Callable[..., Any], names: tuple[str, ...], language_at: int = -1) -> Callable[..., Any]:
    """The one edge where errors become words for visitors.

    `handler` gives updates by component name, or yields them; what it leaves out stays as it is. `language_at` says
    which argument is the visitor's language.
    """

    def run(*args):
        language = language_of(args[language_at])
        with _Softly(handler, language):
            made = handler(*args)
            if not inspect.isgenerator(made):
                yield _values(made, names)
                return
            for updates in made:
                yield _values(updates, names)

    def run_once(*args):
        (values,) = run(*args)
        return values

    return run if _streams(handler) else run_once


def _streams(handler: Callable) -> bool:
    """Whether a handler, or the one that a partial hands on, is a generator function."""
    return any(inspect.isgeneratorfunction(one) for one in (handler, *getattr(handler, "args", ())))


class _Softly:
    """Turns errors into gr.Error in the visitor's language; a visitor who went away is no error."""

    def __init__(self, handler: Callable, language: str):
        self.handler, self.language = handler, language

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind, error, trace) -> None:
        if isinstance(error, DemoError):
            raise gr.Error(escape(error.say(self.language)), print_exception=False) from None
        if isinstance(error, Exception):
            log.exception("unexpected error in %s", getattr(self.handler, "__name__", self.handler))
            raise gr.Error(say("page.unexpected", self.language), print_exception=False) from None


def _values(updates: Updates, names: tuple[str, ...]) -> Any:
    values = tuple(updates.get(name, gr.skip()) for name in names)
    return values if len(values) != 1 else values[0]  # gradio would take a tuple of one for a value


Stream = Iterator[Updates]
