"""A layer's numbers by a plain route: gradio's queue would take longer to bring them than the server to compute."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from vit_demo.contract import DemoError, ExplainerProtocol
from vit_demo.fair_queue import VisitorLeft, current_visitor
from vit_demo.ui.blocks import Endpoint
from vit_demo.ui.kit.binary import features_file, layer_file
from vit_demo.ui.kit.inputs import size_of
from vit_demo.ui.kit.reader import remembered
from vit_demo.ui.state import PageState

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

ROUTE = "layer"
AT_ONCE = 16  # threads of their own: pages are served meanwhile


def layer_query(state: PageState) -> dict[str, str]:
    """What the browser asks the route with for the layers of this picture, model and size."""
    side = "" if state.size.side is None else str(state.size.side)
    return {"picture": state.digest, "model": state.model, "side": side, "keep": "1" if state.size.keep_shape else ""}


def endpoint(explainer: ExplainerProtocol) -> Endpoint:
    """Starlette's endpoint: what is asked for in the query, the packed numbers in the answer. 404 for a picture that
    is no longer remembered, and for all that cannot be answered: the page then asks by gradio's way, which says why."""
    from starlette.responses import Response

    threads = ThreadPoolExecutor(AT_ONCE, "layer")

    async def layer(request: Request) -> Response:
        ask = partial(packed, explainer, dict(request.query_params))
        found = await asyncio.get_running_loop().run_in_executor(threads, ask)
        return Response(found, 200 if found else 404, media_type="application/octet-stream")

    return layer


def packed(explainer: ExplainerProtocol, query: Mapping[str, str]) -> bytes:
    """The file of a layer's queries and keys, or with part=features of its output; none where it cannot be had."""
    picture, number = remembered(query.get("picture", "")), query.get("layer", "")
    if picture is None or not (number.isascii() and number.isdecimal() and len(number) < 4):
        return b""
    current_visitor.set("layers " + query.get("visitor", "")[:40])
    size = size_of(query.get("side"), query.get("keep"))
    try:
        tensors = explainer.attention_layer(picture.pixels, query.get("model", ""), size, int(number))
    except (DemoError, VisitorLeft):
        return b""
    return features_file(tensors) if query.get("part") == "features" else layer_file(tensors)
