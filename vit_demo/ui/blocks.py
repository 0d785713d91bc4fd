"""gr.Blocks with two things of ours: a configuration without what nobody reads, and one place where a browser's values
that are none are told in a sentence."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components.api_component import Api

from vit_demo.text import say
from vit_demo.ui.kit.inputs import language_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

log = logging.getLogger(__name__)
Endpoint = Callable[["Request"], Awaitable["Response"]]


@dataclass(frozen=True)
class PlainRoute:
    """What a browser asks for by `name`, beside the page, without gradio's events: for bytes that come many times a
    second. `endpoint` is Starlette's: a request in, a response out."""

    name: str
    endpoint: Endpoint
    method: str = "POST"


def for_pages(endpoint: Endpoint, access: str) -> Endpoint:
    """The endpoint for whoever sends what came with the page as the header X-Access; 403 for all others."""

    async def guarded(request: Request) -> Response:
        from starlette.responses import Response

        if not secrets.compare_digest(request.headers.get("x-access", "").encode(), access.encode()):
            return Response(status_code=403)
        return await endpoint(request)

    return guarded


SCHEMAS = ("api_info", "api_info_as_input", "api_info_as_output", "example_inputs")


class PageBlocks(gr.Blocks):
    """gr.Blocks, whose own components are asked for by no program: their schemas, half of what a page weighs, are left
    out. Endpoints (gr.api) keep theirs, once. `language` is the component that says a visitor's language."""

    language: gr.components.Component | None = None
    plain_routes: tuple[PlainRoute, ...] = ()

    def routes(self, path: str = "") -> list[Route]:
        """Its plain routes, for a web application in which it stands below `path`."""
        from starlette.routing import Route

        return [Route(f"{path}/{one.name}", one.endpoint, methods=[one.method]) for one in self.plain_routes]

    def launch(self, *args: Any, app_kwargs: dict[str, Any] | None = None, **more: Any):
        """Gradio's own, with the plain routes beside those that `app_kwargs` asks for."""
        told = dict(app_kwargs or {})
        told["routes"] = [*(told.get("routes") or ()), *self.routes()]
        return super().launch(*args, app_kwargs=told, **more)

    def get_config_file(self):
        config = super().get_config_file()
        for component in config["components"]:
            endpoint = isinstance(self.blocks.get(component["id"]), Api)
            for name in SCHEMAS[1:] if endpoint else SCHEMAS:
                component.pop(name, None)
            if endpoint:  # never drawn: no front end has to find its code
                component.pop("component_class_id", None)
                component["props"].pop("_api_info", None)
        return config

    async def preprocess_data(self, block_fn, inputs: list[Any], state, explicit_call: bool = False):
        """Gradio's own, but for values that its components cannot take: people never send any, programs do."""
        try:
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)
        except Exception as error:
            log.warning("a value that is none of its kind was refused: %s", type(error).__name__)
            raise gr.Error(say("page.bad_value", self._language_of(block_fn, inputs)), print_exception=False) from None

    def _language_of(self, block_fn, inputs: object) -> str:
        """What the visitor's browser says with this very event."""
        if isinstance(inputs, list):
            for component, value in zip(block_fn.inputs, inputs, strict=False):  # a program may send too few
                if component is self.language:
                    return language_of(value if isinstance(value, str) else None)
        return language_of(None)
