"""Figures of several pictures: patches that match between two, and pictures that are alike, in order and on a plane."""

from __future__ import annotations

from html import escape

import numpy as np

from vit_demo.contract import Alike, Correspondences
from vit_demo.gallery import example_by_file
from vit_demo.ui.kit.html import cosine_text, jpeg_url
from vit_demo.ui.state import PageState
from vit_demo.ui.tabs.features.figures import SEGMENT_COLOURS

TALL, GAP = 320.0, 14.0  # of the two pictures side by side, in units of the drawing
THUMB_PX, PLACE_PX = 96, 120
PLANE, PLACE = (640.0, 420.0), 54.0
SHOWN_ALIKE = 12


def pairs_html(state: PageState, found: Correspondences) -> str:
    """Two pictures side by side, a line for each pair of patches."""
    if not len(found.cosines):
        return f'<p class="vd-text">{escape(state.say("features.no_pairs"))}</p>'
    widths = [TALL * p.shape[1] / p.shape[0] for p in found.pictures]
    lefts = 0.0, widths[0] + GAP
    images = "".join(
        f'<image href="{jpeg_url(p, 560)}" x="{x:.1f}" width="{w:.1f}" height="{TALL}" preserveAspectRatio="none"/>'
        for p, x, w in zip(found.pictures, lefts, widths, strict=True)
    )
    ends = [
        [_centre(place, s.shape, x, w) for place in places]
        for places, s, x, w in zip((found.first, found.second), found.saliencies, lefts, widths, strict=True)
    ]
    lines = [_pair(i, a, b, found.cosines[i]) for i, (a, b) in enumerate(zip(*ends, strict=True))]
    words = state.say("features.pairs_label", count=len(lines), mutual=found.mutual)
    svg = (
        f'<svg class="vd-feat-pairs" viewBox="0 0 {sum(widths) + GAP:.1f} {TALL}" role="img" '
        f'aria-label="{escape(words)}">{images}{"".join(lines)}</svg>'
    )
    listed = "".join(
        f"<li>{escape(_pair_words(state, a, b, c))}</li>"
        for a, b, c in zip(found.first, found.second, found.cosines, strict=True)
    )
    more = escape(state.say("features.pairs_list"))
    return (
        f"<figure>{svg}<figcaption>{escape(words)}</figcaption></figure>"
        f'<details class="vd-text"><summary>{more}</summary><ol>{listed}</ol></details>'
    )


def _centre(place: np.ndarray, shape: tuple[int, int], left: float, width: float) -> tuple[float, float]:
    return left + width * (place[1] + 0.5) / shape[1], TALL * (place[0] + 0.5) / shape[0]


def _pair(index: int, a: tuple[float, float], b: tuple[float, float], cosine: float) -> str:
    colour = f"rgb({','.join(map(str, SEGMENT_COLOURS[index % len(SEGMENT_COLOURS)]))})"
    line = f"M{a[0]:.1f} {a[1]:.1f}L{b[0]:.1f} {b[1]:.1f}"
    # Said on each element: gradio gives every element of its HTML the text's colour.
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="8" style="fill:{colour}"/>'
        f'<text x="{x:.1f}" y="{y + 3.6:.1f}">{index + 1}</text>'
        for x, y in (a, b)
    )
    return (
        f'<g class="vd-feat-pair-line"><title>{cosine_text(float(cosine))}</title>'
        f'<path class="vd-feat-case" d="{line}"/><path d="{line}" style="stroke:{colour}"/>{dots}</g>'
    )


def _pair_words(state: PageState, first: np.ndarray, second: np.ndarray, cosine: float) -> str:
    (row, col), (row2, col2) = (np.asarray(place) + 1 for place in (first, second))
    return state.say("features.pair", row=row, col=col, row2=row2, col2=col2, cosine=cosine_text(float(cosine)))


# ------------------------------------------------------------------------------------------------------- pictures alike


def alike_html(state: PageState, found: Alike, own: tuple[np.ndarray, ...]) -> str:
    """The most alike in order, and all of them on a plane."""
    named = [_named(state, number, name, own) for number, name in zip(found.own, found.names, strict=True)]
    rows = [
        f'<li><img src="{jpeg_url(picture, THUMB_PX)}" alt=""><span class="vd-label">{escape(words)}</span>'
        f'<span class="vd-track"><span class="vd-fill" style="width:{100 * max(0.0, float(c)):.1f}%"></span></span>'
        f'<span class="vd-number">{cosine_text(float(c))}</span></li>'
        for (picture, words), c in list(zip(named, found.cosines, strict=True))[:SHOWN_ALIKE]
    ]
    how = state.say("features.alike_how", layer=found.layer + 1, depth=found.info.depth)
    if found.centred:
        how += " " + state.say("features.alike_centred")
    words = state.say("features.plane_umap")
    if found.explained is not None:
        first, second = (f"{100 * float(share):.0f}" for share in found.explained)
        words = state.say("features.plane", first=first, second=second)
    plane = _plane(state, found, [*named, (state.image, state.say("features.this_picture"))], words)
    return (
        f'<p class="vd-text">{escape(how)}</p><div class="vd-figures">'
        f'<ol class="vd-bars vd-near vd-figure">{"".join(rows)}</ol>'
        f'<figure class="vd-figure">{plane}<figcaption>{escape(words)}</figcaption></figure></div>'
    )


def _named(state: PageState, number: int | None, name: str, own: tuple[np.ndarray, ...]) -> tuple[np.ndarray, str]:
    """(picture, what it is called) of one of the visitor's own, or of an example."""
    if number is not None:
        return own[number], state.say("features.own_picture", number=number + 1)
    example = example_by_file(state.examples, name)
    return example.thumbnail, example.label(state.language)


def _plane(state: PageState, found: Alike, named: list[tuple[np.ndarray, str]], words: str) -> str:
    low, high = found.places.min(axis=0), found.places.max(axis=0)
    shares = (found.places - low) / np.where(high > low, high - low, 1)
    width, height = PLANE
    last, parts = len(named) - 1, []
    for i, ((picture, title), (x, y)) in enumerate(zip(named, shares, strict=True)):
        left, top = x * (width - PLACE), (1 - y) * (height - PLACE)
        inside = f'x="{left:.1f}" y="{top:.1f}" width="{PLACE}" height="{PLACE}"'
        frame = f'<rect {inside} class="vd-feat-here"/>' if i == last else ""
        parts.append(
            f'<g><title>{escape(title)}</title><image href="{jpeg_url(picture, PLACE_PX)}" {inside} '
            f'preserveAspectRatio="xMidYMid slice"/>{frame}</g>'
        )
    return (
        f'<svg class="vd-feat-plane" viewBox="-3 -3 {width + 6} {height + 6}" role="img" '
        f'aria-label="{escape(words)}">{"".join(parts)}</svg>'
    )
