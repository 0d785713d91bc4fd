"""A live camera in the Attention tab: frames come one at a time, at the model's size, and none of them is kept.

They come as plain bytes to a route of their own: gradio's events would take longer to bring a frame than the browser
takes to draw it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from vit_demo.contract import CLASS_TOKEN, DemoError, ExplainerProtocol, LiveFrame, ModelDetails, SizeChoice, TokenQuery
from vit_demo.fair_queue import VisitorLeft, current_visitor
from vit_demo.gallery import Example
from vit_demo.grid import PatchGrid
from vit_demo.preprocess import input_size, seen_box
from vit_demo.text import class_name, say
from vit_demo.ui.blocks import Endpoint
from vit_demo.ui.kit.html import base64_of
from vit_demo.ui.kit.inputs import language_of
from vit_demo.ui.kit.view import View
from vit_demo.ui.kit.words import token_title, view_words
from vit_demo.ui.page import QUIET, Page, Updates
from vit_demo.ui.state import PageState

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

ROUTE = "live"
MOST_PATCHES = 1400  # of the sizes that are offered: 37 × 37
USUAL_PATCHES = 300  # of the one that is chosen at first: some frames a second without a GPU
MOST_CAMERA_PX = 8192  # of a side of what a camera gives
MOST_FRAME_PX = 1024  # of a side of a frame that the model gets
MOST_FROZEN_PX = 1280  # of a side of the frame that becomes the page's picture
MOST_OF_A_VISITOR = 2  # frames under way: the one that is awaited, and one that was given up
MOST_FRAMES = 40  # of all visitors
LOOK_S = 0.5  # how often it is seen whether a frame is still awaited
MOST_BODY_BYTES = MOST_FRAME_PX**2 * 3 + (1 << 20)
BYTE = 255  # a map's top


class LiveView(View):
    """Frames of a camera and what is drawn of them. `submit` brings the one that becomes the page's picture, `select`
    tells what was chosen."""

    source = "tabs/attention/live"


def layout(page: Page) -> None:
    page.add("attention_live", LiveView(elem_id="vd-live"))
    page.plain_route(ROUTE, endpoint(page.explainer, page.examples))


def wire(page: Page) -> None:
    frozen = page.plain_listener(freeze, ("language",), ("image",), extra="event", **QUIET)
    page.parts["attention_live"].submit(**frozen)


# ------------------------------------------------------------------------------------------------------ for the browser


def live_value(state: PageState) -> dict | None:
    """What the view needs before a camera is opened; None, which hides it, where frames are not taken."""
    if not state.explainer.takes_frames:
        return None
    details = state.explainer.details(state.model)
    sizes = [option for option in details.sizes if option.rows * option.cols <= MOST_PATCHES] or [details.sizes[0]]
    quick = [option for option in sizes if option.rows * option.cols <= USUAL_PATCHES] or sizes[:1]
    usual = max(quick, key=lambda option: option.side)
    own = next((option for option in quick if option.side == state.size.side), usual)
    return {
        "data": {
            "words": {**view_words("live", state.language), "head": state.say("attention.head")},
            "language": state.language,
            "key": f"{state.digest} {state.model}",
            "model": state.model,
            "sizes": [{"side": one.side, "rows": one.rows, "cols": one.cols} for one in sizes],
            "side": own.side,
            "depth": details.depth,
            "prefix": list(details.prefix_names),
            "prefix_titles": [token_title(name, state.language) for name in details.prefix_names],
            "most_px": MOST_FROZEN_PX,
            "layer": state.selection.layer_in(details.depth),
            "head": state.selection.head,
            "token": state.selection.token,
        }
    }


class Waiting:
    """How many frames of each visitor are under way: more than a page ever sends are not taken."""

    def __init__(self):
        self._counts: Counter[str] = Counter()

    @contextmanager
    def one_more(self, visitor: str) -> Iterator[bool]:
        """Whether one more frame of a visitor is taken."""
        if self._counts[visitor] >= MOST_OF_A_VISITOR or self._counts.total() >= MOST_FRAMES:
            yield False
            return
        self._counts[visitor] += 1
        try:
            yield True
        finally:
            self._counts[visitor] -= 1
            self._counts += Counter()  # visitors without any are forgotten


def endpoint(explainer: ExplainerProtocol, examples: tuple[Example, ...]) -> Endpoint:
    """Starlette's endpoint for frames: what they are in the query, their bytes in the body. Frames wait in threads of
    their own, so that pages are served meanwhile, and are given up when their connection closes."""
    from starlette.requests import ClientDisconnect
    from starlette.responses import JSONResponse

    waiting, threads = Waiting(), ThreadPoolExecutor(MOST_FRAMES, "frame")

    async def live(request: Request) -> Response:
        if int(request.headers.get("content-length") or MOST_BODY_BYTES + 1) > MOST_BODY_BYTES:
            return JSONResponse({}, 413)
        query = dict(request.query_params)
        query["visitor"] = visitor = "camera " + query.get("visitor", "")[:40]
        with waiting.one_more(visitor) as taken:
            if not taken:
                return JSONResponse({"error": say("live.too_many", language_of(query.get("lang")))})
            try:
                body = await request.body()
            except ClientDisconnect:
                return JSONResponse({}, 400)
            ask = partial(answered, explainer, examples, query, body)
            asked = asyncio.get_running_loop().run_in_executor(threads, ask)
            while not (await asyncio.wait([asked], timeout=LOOK_S))[0]:
                if await request.is_disconnected():
                    explainer.forget(visitor)
            return JSONResponse(await asked)

    return live


def answered(
    explainer: ExplainerProtocol, examples: tuple[Example, ...], query: Mapping[str, str], body: bytes
) -> dict:
    """The answer to what the view asked: which part of the camera's picture the model sees, or what a frame shows. What
    is refused is said in the view."""
    language = language_of(query.get("lang"))
    current_visitor.set(query.get("visitor", ""))
    try:
        details = explainer.details(query.get("model", ""))
        return frame_data(explainer, examples, details, language, query, body) if body else cut_data(details, query)
    except DemoError as error:
        return {"error": error.say(language)}
    except VisitorLeft:
        return {}


def cut_data(details: ModelDetails, query: Mapping[str, str]) -> dict:
    """For a camera of `height` × `width`: the model's grid, and which part of the camera's picture it sees."""
    height, width = (_length(query.get(name), MOST_CAMERA_PX) for name in ("height", "width"))
    known = {str(option.side): option.side for option in details.sizes if option.rows * option.cols <= MOST_PATCHES}
    spec, patch_px, choice = details.preprocess, details.patch_px, SizeChoice(known.get(query.get("side", "")))
    rows, cols = (length // patch_px for length in input_size(spec, patch_px, choice, height, width))
    box = seen_box(spec, patch_px, choice, height, width)
    return {"rows": rows, "cols": cols, "patch_px": patch_px, "box": list(box)}


def frame_data(
    explainer: ExplainerProtocol,
    examples: tuple[Example, ...],
    details: ModelDetails,
    language: str,
    query: Mapping[str, str],
    body: bytes,
) -> dict:
    """What the browser draws of a frame: `height` × `width` × 3 bytes, and after them the basis of its colours."""
    height, width = (_length(query.get(name), MOST_FRAME_PX) for name in ("height", "width"))
    frame, basis = frame_of(body[: height * width * 3], height, width), basis_of(body[height * width * 3 :])
    grid = PatchGrid(height // details.patch_px, width // details.patch_px, details.patch_px, details.prefix_names)
    token, layer = query_in(grid, query.get("token", "")), query.get("layer", "")
    at = min(int(layer), details.depth - 1) if layer.isdecimal() and len(layer) < 5 else details.depth - 1
    started = time.perf_counter()
    live = explainer.live(frame, details.card.id, token, at, basis)
    wait_ms = 1000 * (time.perf_counter() - started) - live.compute_ms
    named = [_label(examples, live, name, language) for name in live.names]
    return {
        **packed(live),
        "rows": grid.rows,
        "cols": grid.cols,
        "token": token.name,
        "basis": base64_of(live.basis) if basis is None else "",
        "best": [{"name": name, "value": float(one)} for name, one in zip(named, live.values, strict=True)],
        "neighbours": live.neighbours,
        "compute_ms": live.compute_ms,
        "wait_ms": max(0.0, wait_ms),
    }


def packed(live: LiveFrame) -> dict:
    """A frame's maps, each in steps of its top, what each head gave to prefix tokens, and the colours."""
    tops = live.maps.max(axis=(1, 2))
    scaled = np.round(live.maps / np.where(tops > 0, tops, 1)[:, None, None] * BYTE).astype(np.uint8)
    return {
        "maps": base64_of(scaled),
        "tops": [float(top) for top in tops],
        "outside": [float(share) for share in live.prefix.sum(axis=1)],
        "colours": base64_of(live.colours),
    }


def _label(examples: tuple[Example, ...], live: LiveFrame, name: str, language: str) -> str:
    if not live.neighbours:
        return class_name(name, language)
    return next((one.label(language) for one in examples if one.key == name), name)


# --------------------------------------------------------------------------------------------- what came from a browser


def frame_of(data: bytes, height: int, width: int) -> np.ndarray:
    """A frame (H, W, 3) uint8 from its bytes. Raises DemoError where they are not as many."""
    if len(data) != height * width * 3:
        raise DemoError("live.no_frame")
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)


def basis_of(data: bytes) -> np.ndarray | None:
    """The basis of an earlier answer, (4, D) float32; None where the view sent none."""
    if not data:
        return None
    if len(data) % 16:
        raise DemoError("live.other_basis")
    return np.frombuffer(data, "<f4").reshape(4, -1).astype(np.float32)


def query_in(grid: PatchGrid, name: str) -> TokenQuery:
    """The token of that name where the grid has it, else its class token, or the patch in its middle."""
    try:
        query = TokenQuery.named(name[:40])
        query.token(grid)
        return query
    except DemoError:
        return CLASS_TOKEN if "cls" in grid.prefix_names else TokenQuery(None, grid.rows // 2, grid.cols // 2)


def _length(value: object, most: int) -> int:
    text = str(value)
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= most):
        raise DemoError("live.no_frame")
    return int(text)


def freeze(language: str, event: dict) -> Updates:
    """The frame becomes the page's picture, as large as the camera gave it."""
    height, width = (_length(event.get(name), MOST_FROZEN_PX) for name in ("height", "width"))
    text = event.get("frame")
    if not isinstance(text, str) or len(text) > 4 * MOST_FROZEN_PX**2:
        raise DemoError("live.no_frame")
    try:
        return {"image": frame_of(base64.b64decode(text, validate=True), height, width)}
    except (binascii.Error, ValueError):
        raise DemoError("live.no_frame") from None
