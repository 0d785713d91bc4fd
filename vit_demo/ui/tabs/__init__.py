"""The topics of the page, a folder each, in the groups and the order in which they stand. Adding one is a folder and a
line here."""

from vit_demo.ui.tab import Group
from vit_demo.ui.tabs import (
    attention,
    compare,
    depth,
    draw,
    embeddings,
    features,
    film,
    glossary,
    lessons,
    own_classes,
    predict,
    relevance,
    walk,
    what_if,
)

GROUPS = (
    Group("learn", (walk.TAB, lessons.TAB, glossary.TAB)),
    Group("look", (predict.TAB, attention.TAB, relevance.TAB, depth.TAB, film.TAB)),
    Group("know", (embeddings.TAB, features.TAB, own_classes.TAB)),
    Group("change", (what_if.TAB, compare.TAB)),
    Group("draw", (draw.TAB,)),
)
TABS = tuple(tab for group in GROUPS for tab in group.tabs)
FIRST = attention.TAB  # the page opens with it
