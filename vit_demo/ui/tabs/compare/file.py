"""A comparison as one HTML file, at the depth that is shown."""

from __future__ import annotations

from dataclasses import replace

from vit_demo.contract import Agreement
from vit_demo.text import LANGUAGES, say
from vit_demo.ui.kit.binary import packed_layer_bytes, smaller
from vit_demo.ui.standalone import Value, in_languages, standalone_html
from vit_demo.ui.state import PageState
from vit_demo.ui.tabs.compare.columns import Column, compare_data, compare_value, computed, title_of


def compare_file(state: PageState, columns: list[Column], depth: float, agreements: list[Agreement]) -> str:
    """The whole file; it begins in the page's language."""
    lighter = [replace(one, tensors=smaller(one.tensors)) if one.tensors else one for one in columns]
    said_in = {each: replace(state, language=each) for each in LANGUAGES}
    data, words = in_languages({each: compare_data(said_in[each], lighter, depth, agreements) for each in LANGUAGES})
    files = compare_value(state, lighter, depth, agreements)["files"]
    titles = {
        each: say("compare.file_title", each, titles=" · ".join(title_of(said_in[each], one) for one in columns))
        for each in LANGUAGES
    }
    value, styles = Value(data, files), ("tabs/compare/view.css",)
    return standalone_html("tabs/compare/view", None, [value], words, titles, styles, language=state.language)


def compare_models(state: PageState, models: list[str], depth: float) -> str:
    """The file of several models on the page's picture."""
    columns = [Column(name, state.explainer.details(name).card.title, state.image) for name in models]
    columns, agreements = computed(state, columns, depth)
    return compare_file(state, columns, depth, agreements)


def packed_bytes(columns: list[Column]) -> float:
    """About how many bytes the columns take in that file."""
    return sum(packed_layer_bytes(one.tensors) for one in columns if one.tensors)
