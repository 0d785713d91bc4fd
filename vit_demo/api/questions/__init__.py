"""Every question as one function of plain values: what a client, an agent or a terminal may ask, and what comes back.

Their signatures are the interface: endpoints, tools and commands are made from them, names, types, defaults and words.
Pictures come first, then the model: an id of the catalogue ("" for the page's own choice). Layers, heads, rows and
columns count from 1. `size_px` is the shortest side of what the model gets, 0 for its own size; `keep_shape` keeps the
picture's shape instead of cropping it.
"""

from __future__ import annotations

from vit_demo.api.questions import (
    attention,
    compare,
    depth,
    draw,
    embeddings,
    features,
    models,
    own_classes,
    predict,
    relevance,
    walk,
    what_if,
)
from vit_demo.api.questions.base import Result

TOPICS = (models, predict, attention, relevance, depth, walk, what_if, compare, embeddings, features, own_classes, draw)
QUESTIONS = {
    name: function for topic in TOPICS for name, function in vars(topic).items() if hasattr(function, "returns")
}

__all__ = ["QUESTIONS", "Result"]
