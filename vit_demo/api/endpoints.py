"""The questions as named endpoints of the page's server, for gradio_client, the JavaScript client, curl, and as tools
for agents (MCP): made from the questions' own signatures and words."""

from __future__ import annotations

import base64
import inspect
import io
import logging
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.events import api
from gradio.utils import get_upload_folder

from vit_demo.api.questions import QUESTIONS, Result
from vit_demo.api.questions.base import Picture, Pictures, Returns
from vit_demo.api.values import checked
from vit_demo.contract import DemoError, ExplainerProtocol, PictureError
from vit_demo.fair_queue import VisitorLeft, current_visitor
from vit_demo.plain import plain_type
from vit_demo.text import say
from vit_demo.ui.events import language_of_request
from vit_demo.ui.kit.cache import cached_file
from vit_demo.ui.kit.html import png_bytes
from vit_demo.ui.kit.reader import read_bytes, read_file

DATA_URL = "data:image/"
COMMON = {
    "picture": "a picture file",
    "pictures": "picture files",
    "other": "another picture file",
    "model": "a model's id as `models` lists it; \"\" for the page's own choice",
    "size_px": "shortest side of what the model gets, in pixels; 0 for its own size",
    "keep_shape": "keep the picture's shape instead of cropping it to the model's",
}
log = logging.getLogger(__name__)


# gradio's FileData as clients need to know it: by `meta` they tell a file, and upload it
class FileMeta(typing.TypedDict):
    _type: typing.Literal["gradio.FileData"]


class File(typing.TypedDict):
    """A file: `path` is what an upload returned, or where a result lies on the server."""

    path: str
    meta: FileMeta


def add_endpoints(demo: gr.Blocks, explainer: ExplainerProtocol) -> None:
    """Adds an endpoint for every question to a page that is built."""
    with demo:
        for name, question in QUESTIONS.items():
            api(endpoint(explainer, question), api_name=name, concurrency_limit=None, queue=False)


def endpoint(explainer: ExplainerProtocol, question: Callable[..., Result]) -> Callable[..., Any]:
    """A question as gradio wants an endpoint: JSON values in, JSON values and files out, with a signature to read."""
    hints = typing.get_type_hints(question)
    parameters = list(inspect.signature(question).parameters.values())[1:]  # without the explainer
    returns: Returns = question.returns  # type: ignore[attr-defined]

    def answer(request: gr.Request, *values: Any) -> Any:
        try:
            current_visitor.set(getattr(request, "session_hash", None) or "")
            named = {
                parameter.name: checked(parameter.name, value, hints[parameter.name], _picture)
                for parameter, value in zip(parameters, values, strict=True)
            }
            if "model" in named:
                named["model"] = named["model"] or explainer.default_model()
            return _response(question(explainer, **named), returns)
        except Exception as error:
            raise _client_error(error, question.__name__, language_of_request(request)) from None

    types = {parameter.name: _client_type(hints[parameter.name]) for parameter in parameters}
    returned = tuple(_return_types(returns))
    answer.__name__, answer.__doc__ = question.__name__, _described(question, types)
    answer.__annotations__ = {"request": gr.Request, **types}
    answer.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=gr.Request),
            *(one.replace(annotation=types[one.name]) for one in parameters),
        ],
        return_annotation=tuple[returned] if len(returned) > 1 else returned[0],  # type: ignore[valid-type]
    )
    return answer


def _client_type(hint: Any) -> Any:
    """A type hint as a client sees it: pictures are files."""
    if hint is Picture:
        return File
    if hint == Pictures:
        return list[File]
    return list[str] if typing.get_origin(hint) is list else hint


def _return_types(returns: Returns) -> list[Any]:
    numbers = [plain_type(kind) if hasattr(kind, "__dataclass_fields__") else kind for kind in returns.kinds]
    files = [File] * (returns.picture + returns.arrays)
    return [typing.Union[tuple(numbers)], *files]  # noqa: UP007


def _described(question: Callable, types: dict[str, Any]) -> str:
    """The question's own words, and those on the parameters that many share."""
    words, _, own = inspect.getdoc(question).partition("\n\nParameters:\n")  # type: ignore[union-attr]
    shared = [f"    {name}: {COMMON[name]}" for name in types if name in COMMON]
    return "\n".join([words, "", "Parameters:", *shared, own.rstrip()]).rstrip()


def _picture(value: Any) -> np.ndarray:
    """The picture that a client names: an uploaded file, or a data URL."""
    if isinstance(value, str) and value.startswith(DATA_URL):
        try:
            return read_bytes(base64.b64decode(value.partition(",")[2], validate=True)).pixels
        except ValueError:
            raise PictureError("picture.not_a_picture") from None
    path = value.get("path") if isinstance(value, dict) else None
    if not isinstance(path, str):
        raise DemoError("api.no_file")
    try:
        file = Path(path).resolve()
        inside = file.is_relative_to(Path(get_upload_folder()).resolve()) and file.is_file()
    except (OSError, ValueError):  # no path at all
        inside = False
    if not inside:
        raise DemoError("api.no_file")
    return read_file(str(file)).pixels


def _response(result: Result, returns: Returns) -> Any:
    sent: list[Any] = [result.numbers]
    if returns.picture:
        if result.picture is None:
            raise ValueError("this question gives a picture")
        sent.append(_file("picture.png", png_bytes(result.picture)))
    if returns.arrays:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **result.arrays)
        sent.append(_file("arrays.npz", buffer.getvalue()))
    return tuple(sent) if len(sent) > 1 else sent[0]


def _file(name: str, content: bytes) -> dict[str, Any]:
    path = cached_file(content, name, get_upload_folder())
    return {"path": str(path), "orig_name": name, "size": len(content), "meta": {"_type": "gradio.FileData"}}


def _client_error(error: Exception, name: str, language: str) -> gr.Error:
    """What a client reads of an error."""
    if isinstance(error, DemoError):
        return gr.Error(error.say(language), print_exception=False)
    if not isinstance(error, VisitorLeft):
        log.error("unexpected error in the endpoint %s", name, exc_info=error)
    return gr.Error(say("page.unexpected", language), print_exception=False)
