"""Figures of the Features tab as static HTML: segments, norms, the way through the layers. Every word is escaped."""

from __future__ import annotations

from html import escape

import numpy as np

from vit_demo.contract import Evolution, Segmentation, TokenNorms
from vit_demo.render.charts import Line, histogram, keys, line_chart
from vit_demo.render.colour import DIVERGING, colourise
from vit_demo.render.overlay import enlarge
from vit_demo.ui.kit.html import chart, figure, jpeg_url, number, png_url, row, scale
from vit_demo.ui.state import PageState

# Okabe & Ito 2008 without black, then three greys and two of Tol's: told apart by colour-blind eyes, as far as twelve
# colours can be.
SEGMENT_COLOURS = np.array(
    [
        (230, 159, 0),
        (86, 180, 233),
        (0, 158, 115),
        (240, 228, 66),
        (0, 114, 178),
        (213, 94, 0),
        (204, 121, 167),
        (110, 110, 110),
        (136, 34, 85),
        (190, 190, 190),
        (51, 34, 136),
        (60, 60, 60),
    ],
    np.uint8,
)
SHOWN_PX = 560
BLEND = 0.6


# ------------------------------------------------------------------------------------------------------------- segments


def segment_picture(found: Segmentation) -> np.ndarray:
    """The picture under its segments' colours, (H, W, 3) uint8; of a cut, the background is left dark."""
    height, width = found.picture.shape[:2]
    if found.method == "ncut":
        shown = enlarge(np.repeat((found.labels == 1).astype(np.uint8)[..., None], 3, axis=2), height, width)
        return (found.picture * np.where(shown == 1, 1.0, 0.2)).astype(np.uint8)
    colours = enlarge(SEGMENT_COLOURS[found.labels], height, width)
    return (found.picture * (1 - BLEND) + colours * BLEND + 0.5).astype(np.uint8)


def segments_html(state: PageState, found: Segmentation) -> str:
    saw = figure(jpeg_url(found.picture, SHOWN_PX), state.say("features.saw"))
    shares = [float((found.labels == label).mean()) for label in range(found.count)]
    if found.method == "ncut":
        words = state.say("features.foreground_share", share=f"{100 * shares[1]:.0f}")
        top = float(np.abs(found.cut).max())
        cut = png_url(colourise(found.cut, (-top, top), DIVERGING))
        return row(
            figure(jpeg_url(segment_picture(found), SHOWN_PX), words),
            figure(cut, state.say("features.cut_vector"), "vd-pixels", scale(-top, top, DIVERGING)),
            saw,
        )
    legend = "".join(
        f'<li><span class="vd-swatch" style="background:rgb({",".join(map(str, SEGMENT_COLOURS[label]))})"></span>'
        f"{escape(state.say('features.segment', number=label + 1, share=f'{100 * share:.0f}'))}</li>"
        for label, share in enumerate(shares)
    )
    overlaid = figure(
        jpeg_url(segment_picture(found), SHOWN_PX), state.say("features.segments_over", count=found.count)
    )
    return row(overlaid, saw) + f'<ul class="vd-legend">{legend}</ul>'


# ---------------------------------------------------------------------------------------------------------------- norms


def norms_html(state: PageState, found: TokenNorms) -> str:
    """One model's norms: the map, how they spread, how they grow, and what the prefix tokens absorb."""
    grid, at = found.info.grid, found.patches[found.layer]
    count = int(found.outliers.sum())
    rule = state.say("features.threshold_given" if found.given else "features.threshold_tukey")
    outliers = state.say(
        "features.outliers",
        count=count,
        total=grid.num_patches,
        share=f"{100 * count / grid.num_patches:.1f}",
        threshold=number(found.threshold),
        rule=rule,
    )
    low, high = float(at.min()), float(at.max())
    words = state.say("features.norm_map", layer=found.layer + 1)
    head = f'<h2 class="vd-subhead">{escape(found.info.title)}</h2>'
    return (
        head
        + row(
            figure(jpeg_url(found.picture, SHOWN_PX), state.say("features.saw")),
            f'<figure class="vd-figure">{_marked_map(at, found.outliers, words)}{scale(low, high)}'
            f"<figcaption>{escape(words)}</figcaption></figure>",
            chart(histogram(at.ravel(), outliers, found.threshold, number), outliers),
            chart(_growth(state, found), state.say("features.norms_by_layer")),
        )
        + _legend(state, found)
        + _absorbed(state, found)
    )


def _marked_map(values: np.ndarray, marked: np.ndarray, words: str) -> str:
    """A map of values, its marked patches outlined."""
    rows, cols = values.shape
    source = png_url(colourise(values, (float(values.min()), float(values.max()))))
    boxes = "".join(f'<rect x="{c}" y="{r}" width="1" height="1"/>' for r, c in np.argwhere(marked).tolist())
    return (
        f'<svg class="vd-feat-map" viewBox="0 0 {cols} {rows}" role="img" aria-label="{escape(words)}">'
        f'<image href="{source}" width="{cols}" height="{rows}" preserveAspectRatio="none"/>'
        f'<g class="vd-feat-outlined">{boxes}</g></svg>'
    )


def _growth(state: PageState, found: TokenNorms) -> str:
    """Norms through the layers: the patches' median and largest, and the prefix tokens'."""
    flat = found.patches.reshape(len(found.patches), -1)
    lines = [
        Line(state.say("features.median_patch"), np.median(flat, axis=1), 1),
        Line(state.say("features.largest_patch"), flat.max(axis=1), 2),
    ]
    lines += [Line(name.upper(), found.prefix[:, i], 3 if i == 0 else 4) for i, name in enumerate(_names(found))]
    top = max(float(line.values.max()) for line in lines)
    return line_chart(lines, state.say("features.norms_by_layer"), (0.0, top * 1.05), 1, number)


def _names(found: TokenNorms) -> tuple[str, ...]:
    return found.info.grid.prefix_names


def _legend(state: PageState, found: TokenNorms) -> str:
    names, nothing = _names(found), np.zeros(0)
    lines = [
        Line(state.say("features.median_patch"), nothing, 1),
        Line(state.say("features.largest_patch"), nothing, 2),
    ]
    lines += [Line(names[0].upper(), nothing, 3)] if names else []
    lines += [Line(", ".join(name.upper() for name in names[1:]), nothing, 4)] if len(names) > 1 else []
    return keys(lines)


def _absorbed(state: PageState, found: TokenNorms) -> str:
    """For each prefix token: where it looks, and which patches give it their attention. All of a kind on one scale."""
    names = _names(found)
    if not names:
        return f'<p class="vd-text">{escape(state.say("features.no_prefix"))}</p>'
    tops = float(found.looks.max()), float(found.absorbs.max())
    parts = [f'<h2 class="vd-subhead">{escape(state.say("features.absorb_heading"))}</h2>']
    for kind, maps, top, key in (
        ("looks", found.looks, tops[0], "features.looks"),
        ("absorbs", found.absorbs, tops[1], "features.absorbs"),
    ):
        parts.append(f'<p class="vd-text">{escape(state.say(key))}{scale(0, 100 * top)}</p>')
        cells = []
        for name, values in zip(names, maps, strict=True):
            share = f"{100 * float(values.sum() if kind == 'looks' else values.mean()):.2g}"
            words = state.say(f"features.{kind}_one", name=name.upper(), share=share)
            cells.append(figure(png_url(colourise(values, (0.0, top))), words, "vd-pixels"))
        parts.append(f'<div class="vd-feat-small">{"".join(cells)}</div>')
    return "".join(parts)


# ------------------------------------------------------------------------------------------------------------ the depth


def evolution_html(state: PageState, found: Evolution, chosen: int) -> str:
    """Cosines between depths, the way to the last layer, and what the head would read at each."""
    final = [Line(state.say("features.patches_mean"), found.patches[-1], 1)]
    tables = [("features.between_patches", found.patches)]
    if found.cls is not None:
        final.append(Line("CLS", found.cls[-1], 3))
        tables.append(("features.between_cls", found.cls))
    low = min(0.0, *(float(line.values.min()) for line in final))
    words = state.say("features.to_final")
    figures = [chart(line_chart(final, words, (low, 1.0), 0, number) + keys(final), words)]
    ramp = scale(-1, 1, DIVERGING)
    figures += [
        figure(png_url(colourise(matrix, (-1, 1), DIVERGING)), state.say(key), "vd-pixels vd-feat-square", ramp)
        for key, matrix in tables
    ]
    maps = [
        figure(png_url(colourise(values, (-1, 1), DIVERGING)), state.say("features.depth_name", depth=i), "vd-pixels")
        for i, values in enumerate(found.to_final)
    ]
    note = escape(state.say("features.to_final_maps"))
    strip = f'<p class="vd-text">{note}{ramp}</p><div class="vd-feat-small">{"".join(maps)}</div>'
    return row(*figures) + strip + _lens_html(state, found, chosen)


def _lens_html(state: PageState, found: Evolution, chosen: int) -> str:
    lens = found.lens
    if lens is None:
        return f'<p class="vd-text">{escape(state.say("features.no_lens"))}</p>'
    chosen = min(max(chosen, 0), len(lens.labels) - 1)
    maps, label = lens.patches[:, chosen], state.class_name(lens.labels[chosen])
    top = float(maps.max())
    cells = []
    for layer, (values, best) in enumerate(zip(maps, lens.top.tolist(), strict=True)):
        words = state.say(
            "features.lens_one",
            layer=layer + 1,
            best=state.class_name(lens.best_labels[best]),
            share=f"{100 * float(lens.picture[layer, chosen]):.2g}",
        )
        cells.append(figure(png_url(colourise(values, (0.0, top))), words, "vd-pixels"))
    head = escape(state.say("features.lens_heading", label=label))
    note = escape(state.say("features.lens_note", label=label))
    return (
        f'<h2 class="vd-subhead">{head}</h2><p class="vd-text">{note}{scale(0, 100 * top)}</p>'
        f'<div class="vd-feat-small">{"".join(cells)}</div>'
    )
