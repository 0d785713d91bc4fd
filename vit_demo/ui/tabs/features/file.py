"""Colours and similarity as one HTML file."""

from __future__ import annotations

from dataclasses import replace

from vit_demo.contract import PatchFeatures, PcaImages
from vit_demo.text import LANGUAGES, say
from vit_demo.ui.kit.binary import pack_arrays
from vit_demo.ui.standalone import Value, in_languages, standalone_html
from vit_demo.ui.state import PageState
from vit_demo.ui.tabs.features.colours import features_arrays, features_data


def features_file(state: PageState, found: PcaImages, patches: list[PatchFeatures]) -> str:
    """The whole file; it begins in the page's language."""
    said_in = {each: replace(state, language=each) for each in LANGUAGES}
    data, words = in_languages({each: features_data(said_in[each], found, patches) for each in LANGUAGES})
    how = dict(title=patches[0].info.title, layer=patches[0].layer + 1)
    titles = {each: say("features.file_title", each, **how) for each in LANGUAGES}
    value = Value(data, {"features": pack_arrays(features_arrays(found, patches))})
    styles = ("tabs/features/view.css",)
    return standalone_html("tabs/features/view", None, [value], words, titles, styles, language=state.language)
