"""The components of the page by name, the words on them, and the one way in which an event reaches a handler."""

from __future__ import annotations

import inspect
import logging
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from html import escape
from typing import Any, Literal

import gradio as gr

from vit_demo.contract import DemoError, ExplainerProtocol
from vit_demo.fair_queue import VisitorLeft, current_visitor
from vit_demo.gallery import Example
from vit_demo.text import LANGUAGES, say
from vit_demo.ui.blocks import PlainRoute, for_pages
from vit_demo.ui.kit.inputs import language_of
from vit_demo.ui.kit.reader import Picture
from vit_demo.ui.kit.static import published_words
from vit_demo.ui.kit.terms import mark_terms
from vit_demo.ui.state import page_state

log = logging.getLogger(__name__)

Updates = dict[str, Any]  # component name → its new value, or what gr.update gives
Stream = Iterator[Updates]
Inputs = Mapping[str, str] | Sequence[str]  # parameter → component name; or names that are both
Extra = Literal["event", "progress", "request"]

# Who computes next is for the Explainer to decide: it knows what takes long, and who asked.
QUEUED = dict(concurrency_limit=None)
QUIET = dict(QUEUED, show_progress="hidden", trigger_mode="always_last")
# No model needed, and no file: answered at once. (Gradio gives files their right address behind a path prefix only in
# what is queued, and tells only then that a gr.State has changed.) The last of several quick choices counts: gradio's
# own default drops what is chosen while an answer is on its way.
LIGHT = dict(queue=False, show_progress="hidden", trigger_mode="always_last")
HELP = "vd-help"  # the class of texts that help
# What every handler of a tab gets, as a PageState
STATE = dict(
    image="image", model="good_model", side="side", keep_shape="keep_shape", selection="selection", language="language"
)


class Words:
    """Which phrases stand on which component, so that the whole page can change its language."""

    def __init__(self):
        self._phrases: dict[gr.blocks.Block, dict[str, str]] = {}

    def on(self, component, **phrases: str):
        """`label="page.model"`: this property of the component is this phrase. The component, with it set."""
        self._phrases[component] = phrases
        for name, key in phrases.items():
            setattr(component, name, _said(component, key, LANGUAGES[0]))
        return component

    @property
    def components(self) -> list:
        return list(self._phrases)

    def listener(self, language: Any) -> dict:
        """The arguments of the listener that says everything in the language chosen: in the browser alone, since a
        server would make every component anew for every visitor."""
        words = {
            one: [
                {"__type__": "update", **{name: _said(component, key, one) for name, key in phrases.items()}}
                for component, phrases in self._phrases.items()
            ]
            for one in LANGUAGES
        }
        read = f'await fetch(new URL("{published_words(words)}", document.baseURI))'
        js = f"async (language) => {{ const words = await ({read}).json(); return words[language] ?? words.en; }}"
        return dict(fn=None, js=js, inputs=[language], outputs=self.components, api_visibility="private")


def _said(component, key: str, language: str) -> str:
    """A phrase as it stands on a component; in a text that helps, the terms of the glossary are marked."""
    helps = isinstance(component, gr.Markdown) and HELP in (component.elem_classes or ())
    return mark_terms(say(key, language), language) if helps else say(key, language)


class Page:
    """The components of the page by name, and the listeners that bring their values to handlers."""

    def __init__(self, explainer: ExplainerProtocol, examples: tuple[Example, ...]):
        self.explainer, self.examples = explainer, examples
        self.parts: dict[str, Any] = {}
        self.words = Words()
        self.running: list = []
        self.plain_routes: list[PlainRoute] = []
        self.access = secrets.token_urlsafe(16)  # comes with the page, and opens its plain routes

    def add(self, name: str, component, **phrases: str):
        """Keeps a component under a name; `label="topic.phrase"` sets a property to that phrase, in both languages."""
        self.parts[name] = component
        return self.words.on(component, **phrases) if phrases else component

    def say(self, component, **phrases: str):
        """A component without a name whose properties are phrases."""
        return self.words.on(component, **phrases)

    def listener(
        self,
        handler: Callable,
        inputs: Inputs = (),
        outputs: Sequence[str] = (),
        extra: Extra | None = None,
        needs_picture: bool = True,
        **how,
    ) -> dict:
        """The arguments of one event listener for `handler(state, **values of the inputs)`.

        The handler returns (or, a generator, yields) updates by the names in `outputs`. It is not called while the page
        has no model or no picture; one that `needs_picture` no is given an example where there is none. `extra`: see
        `plain_listener`. `how`: gradio's own arguments; QUIET without any.
        """
        with_state = partial(_with_state, handler, self.explainer, self.examples, needs_picture)
        return self.plain_listener(with_state, {**STATE, **_by_parameter(inputs)}, outputs, extra, **how)

    def plain_listener(
        self, handler: Callable, inputs: Inputs = (), outputs: Sequence[str] = (), extra: Extra | None = None, **how
    ) -> dict:
        """The same for `handler(**values of the inputs)`; errors are told in the language among them.

        `extra` asks gradio for one argument more of that name: `event`, the dictionary that one of our components sent
        with its event (a stranger's, to be checked); `progress`, a gr.Progress; `request`, the gr.Request.
        """
        inputs = _by_parameter(inputs)
        return dict(
            fn=with_messages(handler, tuple(inputs), tuple(outputs), extra),
            inputs=self.of(inputs.values()),
            outputs=self.of(outputs),
            api_visibility="private",
            **(how or QUIET),
        )

    def plain_route(self, name: str, endpoint: Callable, method: str = "POST") -> None:
        """What a page asks for by `name` (kit/plain.js) reaches this endpoint of Starlette's, without gradio's
        events."""
        self.plain_routes.append(PlainRoute(name, for_pages(endpoint, self.access), method))

    def of(self, names: Sequence[str]) -> list:
        """The components of these names."""
        return [self.parts[name] for name in names]

    def stop_on_change(self, *listeners) -> None:
        """Long computations that must not paint over the view of another picture, model, size or language."""
        self.running += listeners


def _by_parameter(inputs: Inputs) -> dict[str, str]:
    return dict(inputs) if isinstance(inputs, Mapping) else {name: name for name in inputs}


def _with_state(
    handler, explainer, examples, needs_picture, /, image, model, side, keep_shape, selection, language, **values
) -> Updates | Stream:
    if not needs_picture and not isinstance(image, Picture):
        image = Picture(examples[0].picture(), examples[0].digest)
    state = page_state(explainer, examples, image, model, side, keep_shape, selection, language)
    return {} if state is None else handler(state, **values)


def with_messages(
    handler: Callable[..., Any], inputs: tuple[str, ...], outputs: tuple[str, ...], extra: Extra | None = None
) -> Callable[..., Any]:
    """`handler(**values)` as gradio calls it: values by position in, updates by position out. The one edge where errors
    become words for visitors."""

    def stream(request: gr.Request, /, *args, **more):
        values = dict(zip(inputs, args, strict=True))
        try:
            current_visitor.set(_visitor(request))
            made = handler(**values, **more)
            if not inspect.isgenerator(made):
                yield _in_order(made, outputs)
                return
            for updates in made:
                yield _in_order(updates, outputs)
                current_visitor.set(_visitor(request))  # gradio takes every step in a context of its own
        except Exception as error:
            raise _message(error, handler, language_of(values.get("language"))) from None

    # gradio looks at the signature for what it is to hand over
    def once(request: gr.Request, /, *args, **more):
        (values,) = stream(request, *args, **more)
        return values

    def with_event(request: gr.Request, event: gr.EventData, *args):
        return once(request, *args, event=event._data if isinstance(event._data, dict) else {})

    def with_request(request: gr.Request, *args):
        return once(request, *args, request=request)

    def with_progress(request: gr.Request, *args, progress=gr.Progress()):  # noqa: B008
        return once(request, *args, progress=progress)

    special = dict(event=with_event, request=with_request, progress=with_progress)
    return special[extra] if extra else stream if _streams(handler) else once


def _visitor(request: gr.Request | None) -> str:
    return (request.session_hash or "") if request is not None else ""


def _streams(handler: Callable) -> bool:
    """Whether a handler, or the one that a partial hands on, is a generator function."""
    return any(inspect.isgeneratorfunction(one) for one in (handler, *getattr(handler, "args", ())))


def _message(error: Exception, handler: Callable, language: str) -> gr.Error:
    """What a visitor reads of an error."""
    if isinstance(error, gr.Error):
        return error  # a sentence already
    if isinstance(error, DemoError):
        return gr.Error(escape(error.say(language)), print_exception=False)
    if isinstance(error, VisitorLeft):
        return gr.Error("", print_exception=False)  # nobody reads it
    log.error("unexpected error in %s", getattr(handler, "__name__", handler), exc_info=error)
    return gr.Error(say("page.unexpected", language), print_exception=False)


def _in_order(updates: Updates, names: tuple[str, ...]) -> Any:
    """Updates by name as values by position. A name that is no output is a slip of ours, not to be lost in silence."""
    if unknown := set(updates) - set(names):
        raise KeyError(f"{', '.join(sorted(unknown))} would be updated, but is no output of this listener")
    values = tuple(updates.get(name, gr.skip()) for name in names)
    return values if len(values) != 1 else values[0]  # gradio would take a tuple of one for a value
