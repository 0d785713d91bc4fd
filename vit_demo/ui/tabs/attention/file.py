"""The explorer as one HTML file, with the queries and keys of the layers that are wanted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vit_demo.contract import ExplainerProtocol, SizeChoice
from vit_demo.text import LANGUAGES, say
from vit_demo.ui.kit.binary import features_file, layer_file, smaller
from vit_demo.ui.kit.words import token_title, view_words
from vit_demo.ui.standalone import Value, standalone_html
from vit_demo.ui.tabs.attention.tab import run_key, wall_file


def explorer_file(
    explainer: ExplainerProtocol,
    image: np.ndarray,
    model: str,
    size: SizeChoice,
    layers: Sequence[int] | None = None,
    language: str = LANGUAGES[0],
) -> str:
    """The whole file. `layers` from 0, None: all of them; it opens on the last one. ValueError for none, or for layers
    that the model does not have."""
    depth = explainer.details(model).depth
    wanted = sorted(set(range(depth) if layers is None else layers))
    if not wanted or not 0 <= wanted[0] <= wanted[-1] < depth:
        raise ValueError(f"layers are numbers from 0 to {depth - 1}")
    found = [smaller(explainer.attention_layer(image, model, size, layer)) for layer in wanted]
    info, picture = found[0].info, found[0].picture
    grid = info.grid
    data = {
        "key": run_key(info, picture),
        "rows": grid.rows,
        "cols": grid.cols,
        "depth": info.depth,
        "heads": info.heads,
        "patch_px": grid.patch_px,
        "prefix": list(grid.prefix_names),
        "prefix_labels": [name.upper() for name in grid.prefix_names],
        "selection": {},
        "link": {},
        "layers": wanted,
    }
    wall = {"wall": wall_file(explainer.attention_wall(image, model, size))}
    values = [
        Value(
            {**data, "layer": one.layer},
            {"layer": layer_file(one), "features": features_file(one), **(wall if one.layer == wanted[-1] else {})},
        )
        for one in found
    ]
    words = {
        each: {
            "words": view_words("attention", each),
            "prefix_titles": [token_title(name, each) for name in grid.prefix_names],
        }
        for each in LANGUAGES
    }
    said = {each: say("attention.file_title", each, title=info.title) for each in LANGUAGES}
    return standalone_html(
        "tabs/attention/view", picture, values, words, said, first=len(values) - 1, language=language
    )
