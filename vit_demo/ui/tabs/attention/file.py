"""The explorer as one HTML file, with the queries and keys of the layers that are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vit_demo.contract import ExplainerProtocol, LayerTensors, SizeChoice
from vit_demo.text import LANGUAGES, say
from vit_demo.ui.kit.binary import features_file, layer_file
from vit_demo.ui.kit.words import token_title, view_words
from vit_demo.ui.standalone import Value, standalone_html
from vit_demo.ui.tabs.attention.tab import run_key, wall_file

# Of 16 bits the lowest are left out: a row's shares change by less than a hundredth of its largest (a test holds it),
# two or three of the colour scale's 256 steps, and packed the file is a quarter smaller
DROPPED_BITS = 5
ROWS_AT_ONCE = 256


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


def smaller(tensors: LayerTensors) -> LayerTensors:
    """The same with fewer bits: queries and keys without their lowest, features in 8; the rows' sums follow what is
    left, so that shares add up to 1. A layer that is kept in float32 stays as it is."""
    features = np.round(tensors.features / 256).clip(-127, 127).astype(np.int8)
    if tensors.queries.dtype != np.int16:
        return replace(tensors, features=features)
    queries, keys = (_rounded(one) for one in (tensors.queries, tensors.keys))
    q = queries.astype(np.float32) * tensors.query_steps[:, None]
    k = keys.astype(np.float32) * tensors.key_steps[:, None]
    sums = np.empty(tensors.log_sums.shape, np.float32)
    for head in range(len(q)):
        for start in range(0, q.shape[1], ROWS_AT_ONCE):  # never a whole N×N matrix
            scores = q[head, start : start + ROWS_AT_ONCE] @ k[head].T
            top = scores.max(axis=1, keepdims=True)
            sums[head, start : start + ROWS_AT_ONCE] = np.log(np.exp(scores - top).sum(axis=1)) + top[:, 0]
    return replace(tensors, queries=queries, keys=keys, features=features, log_sums=sums)


def _rounded(values: np.ndarray) -> np.ndarray:
    step = 1 << DROPPED_BITS
    most = np.iinfo(np.int16).max // step * step
    return (np.round(values.astype(np.int32) / step) * step).clip(-most, most).astype(np.int16)
