"""What the browser gets of an answer before and after, of a scan, and of what a search found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vit_demo.contract import Scan, Search, WhatIf
from vit_demo.gallery import example_by_file
from vit_demo.ui.kit.html import base64_of, jpeg_url, note, table_html
from vit_demo.ui.kit.view import View
from vit_demo.ui.kit.words import token_title, view_words
from vit_demo.ui.state import PageState

STEPS = 65535  # of a map's top, in 16 bits
THUMB_PX = 64


class WhatIfView(View):
    """The picture with its brush, the answer before and after, switches, chips and maps. `input` asks for an answer,
    `select` tells a layer, head or token that was chosen."""

    source = "tabs/what_if/view"


class ScanView(View):
    """A map of what a score changes by; a click on it sets that change in the view above."""

    source = "tabs/what_if/scan"


def answer_value(state: PageState, answer: WhatIf, adopt: bool = True, times: int = 0, whole: bool = True) -> dict:
    """The view's value. `adopt`: the browser takes over these edits; else they are those that it sent itself. `whole`:
    with the words, and the picture as a file; else the browser has them, and a changed picture is part of the data."""
    grid, info = answer.info.grid, answer.info
    same = answer.seen is answer.picture or np.array_equal(answer.seen, answer.picture)
    return {
        "picture": answer.picture if whole else None,
        "data": {
            **({"words": view_words("what_if", state.language), "examples": _thumbnails(state)} if whole else {}),
            "question": state.fingerprint,
            "times": times,  # a value equal to the last would not be delivered
            "adopt": adopt,
            "edits": answer.edits.plain(),
            "left_out": answer.left_out,
            # which patch of the picture stands where, for a brush that paints before patches are shuffled
            "order": None if answer.order is None else answer.order.tolist(),
            "rows": grid.rows,
            "cols": grid.cols,
            "depth": info.depth,
            "heads": info.heads,
            "prefix": list(grid.prefix_names),
            "prefix_titles": [token_title(name, state.language) for name in grid.prefix_names],
            "has_positions": answer.has_positions,
            "has_rope": answer.has_rope,
            "seen": "" if same else jpeg_url(answer.seen),
            "kind": answer.kind,
            "layer_read": answer.layer_read,
            "rows_of_answers": _answers(state, answer),
            "target": answer.target,
            "best_before": answer.best_before,
            "best_after": answer.best_after,
            "likeness": answer.likeness,
            "tokens": answer.tokens,
            "all_tokens": grid.num_tokens,
            "after_ms": round(answer.after_ms),
            "layer": answer.layer,
            "head": state.selection.head,
            "token": answer.query.name,
            "before": packed_maps(answer.maps_before, answer.prefix_before),
            "after": packed_maps(answer.maps_after, answer.prefix_after),
            "link": state.link,
        },
    }


def refused_value(state: PageState, sentence: str, times: int) -> dict:
    """The view's value where there is no answer: why."""
    return {"data": {"error": sentence, "times": times, "question": state.fingerprint}}


def _answers(state: PageState, answer: WhatIf) -> list[dict]:
    rows = []
    for index, name in enumerate(answer.names):
        label, key = state.class_name(name), ""
        if answer.kind == "example":
            example = example_by_file(state.examples, answer.files[index])
            label, key = example.label(state.language), example.key
        numbers = {
            "before": answer.before[index],
            "after": answer.after[index],
            "score_before": answer.scores_before[index],
            "score_after": answer.scores_after[index],
        }
        rows.append({"label": label, "example": key, **{key: float(value) for key, value in numbers.items()}})
    return rows


def _thumbnails(state: PageState) -> dict[str, str]:
    """The example pictures by key, as data URLs."""
    return {example.key: jpeg_url(example.thumbnail, THUMB_PX) for example in state.examples}


def packed_maps(maps: np.ndarray | None, prefix: np.ndarray | None) -> dict | None:
    """Maps (heads, rows, cols) as 16-bit shares of their top; a patch that is not there is 0."""
    if maps is None or prefix is None:
        return None
    values = np.nan_to_num(maps)
    top = float(values.max()) or 1.0
    return {
        "values": base64_of(np.round(values / top * STEPS).astype("<u2")),
        "top": top,
        "prefix": [float(share) for share in prefix.sum(axis=1)],
    }


# -------------------------------------------------------------------------------------------------------------- scans


def scan_value(state: PageState, scan: Scan, over: int = 0) -> dict:
    """The view's value: what a score changes by, on one scale around 0; `over` how many pictures it is the mean of."""
    name = target_name(state, scan.name, scan.target_kind)
    unit = state.say(f"what_if.unit_{scan.target_kind}", name=name)
    if over:
        unit = state.say(f"what_if.unit_over_{scan.target_kind}", count=over)
    values = scan.values if scan.kind in ("patches",) else scan.values.T  # layers from left to right
    known = values[np.isfinite(values)]
    return {
        "picture": scan.picture,
        "data": {
            "words": view_words("what_if", state.language),
            "kind": scan.kind,
            "how": scan.how,
            "rows": values.shape[0],
            "cols": values.shape[1],
            "values": [[float(v) if np.isfinite(v) else None for v in row] for row in values],
            "limit": float(np.abs(known).max()) if known.size else 0.0,
            "window": scan.window,
            "unit": unit,
            "score": scan.score,
            "score_of_other": scan.score_of_other,
            "layer_read": scan.layer_read,
            "depth": scan.info.depth,
            "part": scan.part,
            "parts": scan.parts,
            "prefix": list(scan.info.grid.prefix_names),
        },
    }


def target_name(state: PageState, name: str, kind: str) -> str:
    """A target's name as a person reads it."""
    if kind != "example":
        return state.class_name(name)
    return next((one.label(state.language) for one in state.examples if one.key == name), name)


# -------------------------------------------------------------------------------------------------------------- a game


def game_html(state: PageState, mine: int, mine_changes: bool, found: Sequence[Search], bar: str = "") -> str:
    """How many patches the visitor dropped, and how many each method needs; `bar` is a progress bar as HTML."""
    yours = state.say("what_if.game_changes" if mine_changes else "what_if.game_stays")
    rows = [(state.say("what_if.game_you"), str(mine), yours)]
    for one in found:
        kind = "example" if any(example.key == one.name_before for example in state.examples) else "class"
        after = target_name(state, one.name_after, kind)
        outcome = state.say("what_if.game_becomes", name=after) if one.changed else state.say("what_if.game_never")
        title = state.say("what_if.greedy") if one.method == "greedy" else state.say(f"relevance.method_{one.method}")
        rows.append((title, str(len(one.patches)), outcome))
    head = [state.say("what_if.game_who"), state.say("what_if.game_count"), state.say("what_if.game_outcome")]
    words = note(state.say("what_if.game_note")) if found else ""
    return bar + table_html(head, [tuple(map(str, row)) for row in rows]) + words
