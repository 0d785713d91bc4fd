"""The Features tab: what the tokens of a layer know, in six views of which only the open one is computed."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial

import gradio as gr
import numpy as np

from vit_demo.contract import (
    FACETS,
    MAX_OWN_PICTURES,
    MAX_PCA_PICTURES,
    MAX_SEGMENTS,
    DemoError,
    PatchFeatures,
    PcaImages,
    RunInfo,
)
from vit_demo.render.colour import SEQUENTIAL
from vit_demo.ui.binary import pack_arrays
from vit_demo.ui.offered import OfferedDropdown, OfferedRadio, OfferedSlider
from vit_demo.ui.page import QUIET, Asked, Page, Stream, Updates
from vit_demo.ui.tabs.features_carry import carry
from vit_demo.ui.tabs.features_controls import CONTROLS, GIVEN, VIEWS, Controls, number_of
from vit_demo.ui.tabs.features_figures import evolution_html, norms_html, segments_html
from vit_demo.ui.tabs.features_pairs import alike_html, pairs_html
from vit_demo.ui.tabs.features_pictures import example_choices, several
from vit_demo.ui.takeaway import take_away
from vit_demo.ui.views import View, jpeg_url

NAME = "features"
SHOWN = "features_colours " + " ".join(f"features_{name}_html" for name in VIEWS[1:])
FILLS = f"{SHOWN} features_layer features_facet features_more features_other features_lens "
FILLS += "features_segmenter features_by features_plane"
OF_PICTURE = SHOWN
REMAINS = False
SHOWN_PX = 560
COMPARED_PX = 768  # whole pictures are compared at 224: a few dozen of them need not be kept larger
# Queued, since gradio tells of a changed State after queued events alone; but in no pool.
QUICK = dict(concurrency_limit=None, show_progress="hidden", trigger_mode="always_last", api_visibility="private")
VIEW_WORDS = (
    *("opacity", "fixed", "smooth", "table", "unpin", "scale", "from", "to", "best"),
    *("stage_label", "like_caption"),
)


class FeaturesView(View):
    """PCA as colour beside the similarity of the patch pointed at, for some pictures."""

    stem = "features"
    scripts = ("unpack", "features_cosines")


# -------------------------------------------------------------------------------------------------------------- layout


def layout(page: Page) -> None:
    with gr.Row():
        layer = OfferedSlider(1, 12, value=12, step=1, elem_id="vd-features-layer", min_width=240)
        page.add("features_layer", layer, label="features.layer")
        facet = OfferedRadio(
            [(name, name) for name in FACETS], value="token", elem_id="vd-features-facet", min_width=240
        )
        page.add("features_facet", facet, label="features.facet")
    page.add("features_view", gr.State(VIEWS[0]))
    with gr.Tabs(selected=VIEWS[0], elem_id="vd-features-views", overflow_behavior="wrap"):
        for name, fill in zip(VIEWS, (_colours, _segments, _norms, _evolution, _pairs, _alike), strict=True):
            with gr.Tab(id=name) as tab:
                page.say(gr.Markdown(elem_classes="vd-help"), value=f"features.help_{name}")
                fill(page)
            page.add(f"features_tab_{name}", tab, label=f"features.view_{name}")
    with page.say(gr.Accordion(open=False, elem_id="vd-features-sources"), label="features.sources_heading"):
        page.say(gr.Markdown(elem_classes="vd-help"), value="features.sources")
    take_away(page, NAME, carry, given=GIVEN)


def _colours(page: Page) -> None:
    page.add("features_colours", FeaturesView(elem_id="vd-features-colours"))
    with gr.Row():
        more = OfferedDropdown([], multiselect=True, max_choices=MAX_PCA_PICTURES - 1, elem_id="vd-features-more")
        page.add("features_more", more, label="features.more", info="features.more_info")
        uploads = several(MAX_PCA_PICTURES - 1, elem_id="vd-features-uploads")
        page.add("features_uploads", uploads, label="features.uploads")
    with gr.Row():
        method = OfferedRadio(
            [("DINOv2", "dinov2"), ("DINOv3", "dinov3")], value="dinov2", elem_id="vd-features-method"
        )
        page.add("features_method", method, label="features.method")
        with gr.Column(min_width=260):
            foreground = gr.Checkbox(True, elem_id="vd-features-foreground")
            page.add("features_foreground", foreground, label="features.foreground")
            page.add("features_flip", gr.Checkbox(elem_id="vd-features-flip"), label="features.flip")


def _segments(page: Page) -> None:
    with gr.Row():
        ways = [("k-means", "kmeans"), ("N-cut", "ncut")]
        page.add(
            "features_segmenter",
            OfferedRadio(ways, value="kmeans", elem_id="vd-features-segmenter"),
            label="features.way",
        )
        count = OfferedSlider(2, MAX_SEGMENTS, value=4, step=1, elem_id="vd-features-count")
        page.add("features_count", count, label="features.count")
        page.add(
            "features_other_side", gr.Checkbox(elem_id="vd-features-other-side", min_width=180), label="features.flip"
        )
    page.add("features_segments_html", gr.HTML(elem_id="vd-features-segments"))


def _norms(page: Page) -> None:
    with gr.Row():
        threshold = gr.Number(value=0, elem_id="vd-features-threshold", min_width=200)
        page.add("features_threshold", threshold, label="features.threshold", info="features.threshold_info")
        other = OfferedDropdown([("–", "")], value="", elem_id="vd-features-other", min_width=240)
        page.add("features_other", other, label="features.other", info="features.other_info")
    page.add("features_norms_html", gr.HTML(elem_id="vd-features-norms"))


def _evolution(page: Page) -> None:
    page.add("features_evolution_html", gr.HTML(elem_id="vd-features-evolution"))
    lens = OfferedDropdown([("–", 0)], value=0, visible=False, elem_id="vd-features-lens")
    page.add("features_lens", lens, label="features.lens_class")


def _pairs(page: Page) -> None:
    page.add("features_pairs_html", gr.HTML(elem_id="vd-features-pairs"))
    page.add("features_around", gr.Checkbox(elem_id="vd-features-around"), label="features.around")


def _alike(page: Page) -> None:
    with gr.Row():
        page.add(
            "features_own", several(MAX_OWN_PICTURES, COMPARED_PX, elem_id="vd-features-own"), label="features.own"
        )
        by = OfferedRadio([("CLS", "cls"), ("patches", "patches")], value="cls", elem_id="vd-features-by")
        page.add("features_by", by, label="features.by")
        plane = OfferedRadio(
            [("PCA", "pca"), ("UMAP", "umap")], value="pca", visible=False, elem_id="vd-features-plane"
        )
        page.add("features_plane", plane, label="features.plane_by")
    page.add("features_alike_html", gr.HTML(elem_id="vd-features-alike"))


def wire(page: Page) -> None:
    parts = page.parts
    # Said on the view, since for some models it takes seconds, and UMAP once half a minute.
    seen = dict(QUIET, show_progress="minimal", show_progress_on=page.of(SHOWN))
    again = page.ask(redraw, GIVEN, FILLS, **seen)
    for name in VIEWS:
        opened = partial(str, name)
        parts[f"features_tab_{name}"].select(opened, None, parts["features_view"], **QUICK)
    # The first view's tab reports itself selected whenever the page's tab opens: nothing has changed then.
    parts["features_view"].change(**again)
    parts["features_layer"].input(**page.ask(at_layer, f"features_layer {GIVEN}", f"{FILLS} selection", **seen))
    for name in CONTROLS.split():
        part = parts[f"features_{name}"]
        (part.change if name in ("uploads", "own") else part.input)(**again)


# ------------------------------------------------------------------------------------------------------------ handlers


def show(asked: Asked, *given) -> tuple[Updates, RunInfo]:
    """The open view, and the controls' words and ranges for this model and language."""
    details = asked.explainer.details(asked.model)
    controls = Controls.of(asked, given)
    updates, info = _view(asked, controls, details.depth)
    others = [s.card for s in asked.explainer.statuses() if s.availability == "on_disk" and s.card.id != asked.model]
    # A value that is no choice any more would be refused with every event of the page: it is let go here.
    other = controls.other if controls.other in {card.id for card in others} else ""
    choices = {
        "features_layer": gr.update(maximum=details.depth, value=asked.selection.layer_in(details.depth) + 1),
        "features_facet": gr.update(choices=_named(asked, "facet", *FACETS)),
        "features_more": gr.update(choices=example_choices(asked)),
        "features_segmenter": gr.update(choices=_named(asked, "way", "kmeans", "ncut")),
        "features_by": gr.update(choices=_named(asked, "by", "cls", "patches")),
        "features_other": gr.update(choices=[("–", ""), *((card.title, card.id) for card in others)], value=other),
    }
    return {**choices, **updates}, info


def _named(asked: Asked, control: str, *values: str) -> list[tuple[str, str]]:
    """(what is read, value) of a control's choices."""
    return [(asked.say(f"features.{control}_{value}"), value) for value in values]


def redraw(asked: Asked, *given) -> Updates:
    """The open view again, after one of its controls changed."""
    return _view(asked, Controls.of(asked, given), asked.explainer.details(asked.model).depth)[0]


def at_layer(asked: Asked, layer: object, *given) -> Stream:
    """The open view at another layer, which becomes the page's; the last one stays the last for a deeper model."""
    depth = asked.explainer.details(asked.model).depth
    index = min(max(round(number_of(layer, depth)), 1), depth) - 1
    selection = replace(asked.selection, layer=None if index == depth - 1 else index)
    yield {"selection": asdict(selection)}  # at once: a view that fails, or takes its time, must not undo it
    yield redraw(replace(asked, selection=selection), *given)


def _view(asked: Asked, controls: Controls, depth: int) -> tuple[Updates, RunInfo]:
    views = dict(colours=_show_colours, segments=_show_segments, norms=_show_norms, evolution=_show_evolution)
    views |= dict(pairs=_show_pairs, alike=_show_alike)
    return views[controls.view](asked, controls, asked.selection.layer_in(depth))


def _show_colours(asked: Asked, controls: Controls, layer: int) -> tuple[Updates, RunInfo]:
    pictures = (asked.image, *controls.more)
    if len(pictures) > MAX_PCA_PICTURES:
        raise DemoError("features.too_many_pictures", count=len(pictures), most=MAX_PCA_PICTURES)
    where, how = (asked.model, asked.size, layer, controls.facet), (controls.method, controls.foreground, controls.flip)
    found = asked.explainer.pca(pictures, *where, *how)
    patches = [asked.explainer.patch_features(picture, *where) for picture in pictures]
    return {"features_colours": view_value(asked, found, patches)}, patches[0].info


def _show_segments(asked: Asked, controls: Controls, layer: int) -> tuple[Updates, RunInfo]:
    how = controls.segmenter, controls.count, controls.other_side
    found = asked.explainer.segments(*asked.picture, layer, controls.facet, *how)
    return {"features_segments_html": segments_html(asked, found)}, found.info


def _show_norms(asked: Asked, controls: Controls, layer: int) -> tuple[Updates, RunInfo]:
    found = asked.explainer.token_norms(*asked.picture, layer, controls.threshold)
    html = norms_html(asked, found)
    if controls.other and controls.other != asked.model:
        # The same share of the depth: layer 6 of 12 beside layer 12 of 24.
        depth = asked.explainer.details(controls.other).depth
        there = round((layer + 1) / found.info.depth * depth) - 1
        other = asked.explainer.token_norms(asked.image, controls.other, asked.size, max(0, there), controls.threshold)
        html += norms_html(asked, other)
    return {"features_norms_html": html}, found.info


def _show_evolution(asked: Asked, controls: Controls, layer: int) -> tuple[Updates, RunInfo]:
    found = asked.explainer.evolution(*asked.picture)
    labels = found.lens.labels if found.lens else ()
    chosen = controls.lens if 0 <= controls.lens < len(labels) else 0
    choices = [(label, i) for i, label in enumerate(labels)] or [("–", 0)]
    return {
        "features_evolution_html": evolution_html(asked, found, chosen),
        "features_lens": gr.update(choices=choices, value=chosen, visible=bool(labels)),
    }, found.info


def _show_pairs(asked: Asked, controls: Controls, layer: int) -> tuple[Updates, RunInfo]:
    if not controls.more:
        info = asked.explainer.patch_features(*asked.picture, layer, controls.facet).info
        return {"features_pairs_html": f'<p class="vd-feat-note">{asked.say("features.need_second")}</p>'}, info
    pictures = asked.image, controls.more[0]
    how = dict(layer=layer, facet=controls.facet, surroundings=controls.around)
    found = asked.explainer.correspondences(*pictures, asked.model, asked.size, **how)
    return {"features_pairs_html": pairs_html(asked, found)}, found.info


def _show_alike(asked: Asked, controls: Controls, layer: int) -> tuple[Updates, RunInfo]:
    found = asked.explainer.alike(asked.image, controls.own, asked.model, controls.by, controls.plane)
    return {
        "features_alike_html": alike_html(asked, found, controls.own),
        "features_plane": gr.update(visible=len(found.planes) > 1),
    }, found.info


# ----------------------------------------------------------------------------------------------------- for the browser


def view_value(asked: Asked, found: PcaImages, patches: list[PatchFeatures]) -> dict:
    """The value of a FeaturesView: see web/features.js for how it is read."""
    files, pictures = {}, []
    for i, (colours, one) in enumerate(zip(found.colours, patches, strict=True)):
        files[f"colours_{i}"] = (colours.reshape(-1, 3) * 255 + 0.5).astype(np.uint8)
        files[f"vectors_{i}"], files[f"steps_{i}"] = quantised(one.vectors)
        rows, cols = one.grid.shape
        pictures.append({"src": jpeg_url(one.picture, SHOWN_PX), "rows": rows, "cols": cols})
    words = {name: asked.say(f"features.{name}") for name in VIEW_WORDS}
    words |= {table: asked.say(f"attention.{table}") for table in SEQUENTIAL}
    shares = " · ".join(f"{100 * float(share):.0f} %" for share in found.explained)
    words["pca_caption"] = asked.say("features.pca_caption", number="{number}", shares=shares)
    first = patches[0].grid
    data = {
        "pictures": pictures,
        "width": patches[0].vectors.shape[1],
        "at": {"picture": 0, "row": first.rows // 2, "col": first.cols // 2},
        "words": words,
    }
    return {"picture": None, "files": {"features": pack_arrays(files)}, "data": data}


def quantised(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (n, D) as int16, and the step (n,) float32 that makes each a unit vector again: its cosine with
    itself is exactly 1. Cosines are off by less than 5e-5: three decimals are shown."""
    tops = np.abs(vectors).max(axis=1, keepdims=True)
    whole = np.rint(vectors / np.where(tops > 0, tops, 1) * 32767).astype(np.int16)
    lengths = np.linalg.norm(whole.astype(np.float64), axis=1)
    return whole, (1 / np.where(lengths > 0, lengths, 1)).astype(np.float32)
