"""Components of the Embeddings tab: maps side by side, and filters with their answer on the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vit_demo.contract import FilterResponses
from vit_demo.text import say
from vit_demo.ui.kit.binary import pack_arrays
from vit_demo.ui.kit.html import base64_of
from vit_demo.ui.kit.view import View

STEPS = 65535  # values travel as 16-bit integers between the limits of their map
MOST_FILTERS = 2048


class MapsView(View):
    """Maps side by side, each with its scale; the cell pointed at is marked in all of one shape and group."""

    source = "tabs/embeddings/maps"


class FiltersView(View):
    """Filters as small pictures, and what the one pointed at answers in every patch."""

    source = "tabs/embeddings/filters"


@dataclass(frozen=True)
class Map:
    """One map for the MapsView: `values` (rows, cols) shown between `limits`.

    `readout` is the phrase for the cell pointed at; `first` is how its first row and column are called. Maps of one
    `group` and shape are pointed at together.
    """

    title: str
    values: np.ndarray
    limits: tuple[float, float]
    table: str = "viridis"
    digits: int | None = None  # None: as many as the largest value deserves
    unit: str = ""
    readout: str = "embeddings.cell"
    group: str = "patches"
    first: tuple[int, int] = (1, 1)


def from_zero(values: np.ndarray) -> tuple[float, float]:
    """Limits from 0 to the largest value."""
    return 0.0, max(float(values.max()), 1e-9)


def around_zero(values: np.ndarray) -> tuple[float, float]:
    """Limits of equal size on either side of 0, for values with a sign."""
    top = max(float(np.abs(values).max()), 1e-9)
    return -top, top


def digits_for(top: float) -> int:
    """Digits after the point for values up to `top`: three figures, and no more than six."""
    return min(6, max(0, 2 - math.floor(math.log10(max(top, 1e-9)))))


def maps_value(maps: Sequence[Map], language: str, hint: str = "embeddings.hint") -> dict:
    """The value of a MapsView; without maps it hides itself."""
    words = {"label": say("embeddings.map_label", language), "hint": say(hint, language)}
    return {"picture": None, "data": {"maps": [_for_browser(one, language) for one in maps], "words": words}}


def _for_browser(one: Map, language: str) -> dict:
    (rows, cols), (low, high) = one.values.shape, one.limits
    shares = (np.asarray(one.values, np.float64) - low) / (high - low)
    return {
        "title": one.title,
        "rows": rows,
        "cols": cols,
        "low": float(low),
        "high": float(high),
        "table": one.table,
        "digits": digits_for(max(abs(low), abs(high))) if one.digits is None else one.digits,
        "unit": one.unit,
        "group": one.group,
        "first_row": one.first[0],
        "first_col": one.first[1],
        "readout": say(one.readout, language),
        "values": base64_of((np.clip(shares, 0, 1) * STEPS + 0.5).astype("<u2")),
    }


def filters_value(bank: FilterResponses, shares: np.ndarray | None, language: str) -> dict:
    """The value of a FiltersView: principal components with the share of variance of each, or filters without."""
    count = min(len(bank.filters), MOST_FILTERS)
    steps = np.abs(bank.responses[:count]).max(axis=(1, 2)) / 32767
    steps = np.where(steps > 0, steps, 1).astype(np.float32)
    arrays = {
        "filters": (np.clip(bank.filters[:count], 0, 1) * 255 + 0.5).astype(np.uint8),
        "answers": np.round(bank.responses[:count] / steps[:, None, None]).astype(np.int16),
        "steps": steps,
    }
    kind = "filter" if shares is None else "component"
    words = {
        name: say(f"embeddings.{name}", language)
        for name in ("sheet_label", "picture_alt", "answer_scale", "opacity", "answer_cell")
    }
    words |= {"filter": say(f"embeddings.one_{kind}", language), "note": say(f"embeddings.{kind}s_note", language)}
    return {
        "picture": bank.picture,
        "files": {"bank": pack_arrays(arrays)},
        "data": {
            "kind": kind,
            "count": count,
            "rows": bank.grid.rows,
            "cols": bank.grid.cols,
            "patch_px": bank.filters.shape[1],
            "shares": None if shares is None else [float(share) for share in shares],
            "words": words,
        },
    }
