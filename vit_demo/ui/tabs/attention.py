"""The Attention tab: where one token looks, for every head of a layer."""

from __future__ import annotations

import numpy as np

from vit_demo.contract import DemoError, ExplainerProtocol, HeadMaps, ModelCard, RunInfo, SizeChoice, TokenQuery
from vit_demo.text import say
from vit_demo.ui.views import base64_of

WORDS = [
    "stage_label",
    "heads_label",
    "head",
    "mean_of_heads",
    "prefix_share",
    "grid",
    "opacity",
    "mask",
    "mask_of",
    "shared",
    "smooth",
    "colours",
    "more",
    "viridis",
    "cividis",
    "grey",
    "scale",
    "readout",
]


def attention_view(
    explainer: ExplainerProtocol,
    image: np.ndarray,
    model: str,
    size: SizeChoice,
    query: TokenQuery,
    layer: int,
    language: str,
) -> tuple[dict, TokenQuery, RunInfo]:
    """(data for the AttentionView, the token that was asked from, how it was computed). `layer` counts from 0.

    A patch that the grid does not have (another size or model was chosen) gives way to the class token.
    """
    try:
        maps = explainer.attention(image, model, size, query, layer)
    except DemoError as error:
        if error.key not in ("attention.outside_grid", "attention.no_such_token"):
            raise
        prefixes = explainer.details(model).prefix_names
        query = TokenQuery(prefixes[0]) if prefixes else TokenQuery(None, 0, 0)
        maps = explainer.attention(image, model, size, query, layer)
    return view_data(maps, language), query, maps.info


def view_data(maps: HeadMaps, language: str) -> dict:
    """HeadMaps for the browser: 16-bit integers, a scale per head."""
    tops = maps.maps.max(axis=(1, 2))
    scaled = maps.maps / np.where(tops > 0, tops, 1)[:, None, None] * 65535
    grid, query = maps.info.grid, maps.query
    return {
        "picture": maps.picture,
        "data": {
            "rows": grid.rows,
            "cols": grid.cols,
            "layer": maps.layer,
            "maps": base64_of((scaled + 0.5).astype("<u2")),
            "tops": tops.tolist(),
            "prefix": maps.prefix.tolist(),
            "prefix_labels": [name.upper() for name in grid.prefix_names],
            "prefix_token": query.prefix,
            "token": None if query.prefix is not None else {"row": query.row, "col": query.col},
            "words": view_words(language),
        },
    }


def patches_data(picture: np.ndarray, card: ModelCard, language: str) -> dict:
    """What is shown while the model loads: the picture cut into the patches that it will read."""
    rows, cols = (side // card.patch_px for side in picture.shape[:2])
    return {
        "picture": picture,
        "data": {
            "rows": rows,
            "cols": cols,
            "layer": None,
            "maps": None,
            "tops": [],
            "prefix": [],
            "prefix_labels": [],
            "prefix_token": None,
            "token": None,
            "note": say("page.loading", language, title=card.title),
            "words": view_words(language),
        },
    }


def view_words(language: str) -> dict[str, str]:
    words = {name: say(f"attention.{name}", language) for name in WORDS}
    return {**words, "registers": say("attention.registers", language)}


def token_choices(prefix_names: tuple[str, ...], query: TokenQuery, language: str) -> list[tuple[str, str]]:
    """(what is read, value) for the list of tokens: the prefix tokens, and the patch where one is chosen."""
    choices = []
    for name in prefix_names:
        if name.startswith("reg"):
            choices.append((say("attention.token_reg", language, number=name.removeprefix("reg")), name))
        else:
            choices.append((say(f"attention.token_{name}", language), name))
    if query.prefix is None:
        words = say("attention.token_patch", language, row=query.row + 1, col=query.col + 1)
        choices.append((words, f"{query.row},{query.col}"))
    return choices
