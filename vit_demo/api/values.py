"""Values from outside, checked in one place: what is none of the kind that a parameter wants is refused in a sentence
that says what is wanted."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable
from typing import Any, Literal

from vit_demo.api.questions.base import Picture, Pictures
from vit_demo.contract import DemoError
from vit_demo.contract.features import MAX_OWN_PICTURES, MAX_PCA_PICTURES
from vit_demo.contract.own_classes import MAX_EXAMPLES

MOST_LETTERS = 2_000
MOST_DIGITS = 18  # of a whole number that comes as text
MOST_VALUES = 200  # in a list
# Pictures in a list: looked at before any of them is decoded
MOST_PICTURES = {"pictures": MAX_PCA_PICTURES, "own": MAX_OWN_PICTURES, "examples": MAX_EXAMPLES}


def checked(name: str, value: Any, hint: Any, read_picture: Callable[[Any], Picture]) -> Any:
    """`value` as a parameter of that name and type hint wants it. `read_picture` makes a picture of what names one.
    Raises DemoError."""
    if hint is Picture:
        return read_picture(value)
    if hint == Pictures:
        values = value if isinstance(value, list | tuple) else [value]
        if len(values) > MOST_PICTURES[name]:
            raise _wrong(name, f"1 … {MOST_PICTURES[name]}")
        return tuple(read_picture(one) for one in values)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):  # X | None
        return None if value is None else checked(name, value, optional(hint), read_picture)
    if origin is Literal:
        if isinstance(value, str) and value in inner:
            return value
        raise _wrong(name, ", ".join(map(str, inner)))
    if origin is list:
        if not isinstance(value, list | tuple) or len(value) > MOST_VALUES:
            raise _wrong(name, "[…]")
        return [checked(name, one, inner[0], read_picture) for one in value]
    return _SIMPLE[hint](name, value)


def optional(hint: Any) -> Any:
    """The X of `X | None`; any other hint itself."""
    inner = [one for one in typing.get_args(hint) if one is not type(None)]
    return inner[0] if typing.get_origin(hint) in (typing.Union, types.UnionType) else hint


def _text(name: str, value: Any) -> str:
    if isinstance(value, str) and len(value) <= MOST_LETTERS:
        return value
    raise _wrong(name, "text")


def _truth(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise _wrong(name, "true, false")


def _whole(name: str, value: Any) -> int:
    number = _number(name, value)
    if number != int(number) or abs(number) >= 10**MOST_DIGITS:
        raise _wrong(name, "1, 2, 3 …")
    return int(number)


def _number(name: str, value: Any) -> float:
    if isinstance(value, str) and len(value) <= MOST_DIGITS:
        try:
            value = float(value)
        except ValueError:
            raise _wrong(name, "1, 2, 3 …") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(name, "1, 2, 3 …")
    try:
        number = float(value)
    except OverflowError:
        raise _wrong(name, "1, 2, 3 …") from None
    if not math.isfinite(number):
        raise _wrong(name, "1, 2, 3 …")
    return number


def _wrong(name: str, wanted: str) -> DemoError:
    return DemoError("api.wrong_value", name=name, wanted=wanted)


_SIMPLE: dict[Any, Callable[[str, Any], Any]] = {str: _text, bool: _truth, int: _whole, float: _number}
