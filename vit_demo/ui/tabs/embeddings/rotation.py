"""RoPE at work on the chosen token. A part of the Embeddings tab."""

from __future__ import annotations

import numpy as np

from vit_demo.contract import DemoError, Rotation, TokenQuery
from vit_demo.grid import PatchGrid
from vit_demo.render.colour import DIVERGING
from vit_demo.ui.state import PageState
from vit_demo.ui.tabs.embeddings.maps import Map, from_zero, maps_value


def rotation_view(state: PageState) -> dict:
    """RoPE's bands, and a patch's attention with and without rotation; nothing for a model without RoPE.

    A prefix token has no place and is not turned: instead of it, and of a patch that is not there, the middle is state.
    """
    details = state.explainer.details(state.model)
    layer, head = state.selection.layer_in(details.depth), state.selection.head
    head = head if head is not None and head < details.heads else None
    question = lambda query: state.explainer.rotation(*state.picture, query, layer, head or 0)  # noqa: E731
    try:
        found = question(TokenQuery(None, 0, 0))
    except DemoError as error:
        if error.key != "embeddings.no_rotation":
            raise
        return maps_value([], state.language)
    found = question(patch_asked(state.selection.token, found.info.grid))
    return maps_value(rotation_maps(state, found, head), state.language, "embeddings.hint_rotation")


def patch_asked(token: str, grid: PatchGrid) -> TokenQuery:
    """The patch of that name, or the one in the middle."""
    try:
        query = TokenQuery.named(token)
        query.token(grid)
    except DemoError:
        query = TokenQuery()
    return query if query.prefix is None else TokenQuery(None, grid.rows // 2, grid.cols // 2)


def rotation_maps(state: PageState, found: Rotation, head: int | None) -> list[Map]:
    """Two maps of attention on one scale, then the bands; `head` None is the mean of all heads."""
    pair = [maps.mean(axis=0) if head is None else maps[head] for maps in (found.turned, found.unturned)]
    limits = from_zero(100 * np.stack(pair))
    query = found.query
    token = (
        query.prefix.upper() if query.prefix else state.say("embeddings.large", row=query.row + 1, col=query.col + 1)
    )
    which = state.say("embeddings.mean_head") if head is None else state.say("embeddings.one_head", number=head + 1)
    place = {"token": token, "layer": found.layer + 1, "head": which}
    maps = [
        Map(state.say(f"embeddings.{name}", **place), 100 * values, limits, unit=" %")
        for name, values in zip(("turned", "unturned"), pair, strict=True)
    ]
    for name, waves, turns in (("down", found.down, found.turns_down), ("right", found.right, found.turns_right)):
        title = state.say(f"embeddings.bands_{name}", count=len(waves))
        if len(turns):
            title += " " + state.say("embeddings.turns", least=f"{turns.min():.1f}", most=f"{turns.max():.0f}")
        maps.append(Map(title, waves, (-1, 1), DIVERGING, readout="embeddings.band_cell", group=name))
    return maps
