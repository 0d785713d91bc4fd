"""The topics of the page, a folder each, in the order in which they stand. Adding one is a folder and a line here."""

from vit_demo.ui.tabs import (
    attention,
    compare,
    depth,
    draw,
    embeddings,
    features,
    own_classes,
    predict,
    relevance,
    what_if,
)

TABS = (
    predict.TAB,
    attention.TAB,
    relevance.TAB,
    depth.TAB,
    what_if.TAB,
    compare.TAB,
    embeddings.TAB,
    features.TAB,
    own_classes.TAB,
    draw.TAB,
)
FIRST = attention.TAB  # the page opens with it
