"""The Features tab: what the tokens of a layer know, in six views of which only the open one is computed."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial

import gradio as gr

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
from vit_demo.ui.kit.choices import LenientDropdown, LenientRadio, LenientSlider
from vit_demo.ui.kit.download import download_block
from vit_demo.ui.kit.inputs import number_of
from vit_demo.ui.kit.one_file import file_block, file_offered, file_outputs, no_file, wire_file
from vit_demo.ui.kit.pictures import example_choices, several
from vit_demo.ui.page import QUIET, Page, Stream, Updates
from vit_demo.ui.state import PageState
from vit_demo.ui.tab import Tab
from vit_demo.ui.tabs.features.choices import CONTROLS, INPUTS, VIEWS, Choices
from vit_demo.ui.tabs.features.colours import FeaturesView, view_value
from vit_demo.ui.tabs.features.downloads import download
from vit_demo.ui.tabs.features.figures import evolution_html, norms_html, segments_html
from vit_demo.ui.tabs.features.file import features_file
from vit_demo.ui.tabs.features.pairs import alike_html, pairs_html

SHOWN = ("features_colours", *(f"features_{name}_html" for name in VIEWS[1:]))
CHANGED = (
    "layer",
    "facet",
    "more",
    "other",
    "lens",
    "segmenter",
    "by",
    "plane",
)  # words or range follow
OUTPUTS = (*SHOWN, *(f"features_{name}" for name in CHANGED), *file_outputs("features"))
COMPARED_PX = 768  # whole pictures are compared at 224: a few dozen of them need not be kept larger


# -------------------------------------------------------------------------------------------------------------- layout


def layout(page: Page) -> None:
    with gr.Row():
        layer = LenientSlider(1, 12, value=12, step=1, elem_id="vd-features-layer", min_width=240)
        page.add("features_layer", layer, label="features.layer")
        facet = LenientRadio(
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
    download_block(page, "features", download, INPUTS)


def _colours(page: Page) -> None:
    page.add("features_colours", FeaturesView(elem_id="vd-features-colours"))
    with gr.Row():
        more = LenientDropdown([], multiselect=True, max_choices=MAX_PCA_PICTURES - 1, elem_id="vd-features-more")
        page.add("features_more", more, label="features.more", info="features.more_info")
        uploads = several(MAX_PCA_PICTURES - 1, elem_id="vd-features-uploads")
        page.add("features_uploads", uploads, label="features.uploads")
    with gr.Row():
        method = LenientRadio(
            [("DINOv2", "dinov2"), ("DINOv3", "dinov3")], value="dinov2", elem_id="vd-features-method"
        )
        page.add("features_method", method, label="features.method")
        with gr.Column(min_width=260):
            foreground = gr.Checkbox(True, elem_id="vd-features-foreground")
            page.add("features_foreground", foreground, label="features.foreground")
            page.add("features_flip", gr.Checkbox(elem_id="vd-features-flip"), label="features.flip")
    file_block(page, "features")


def _segments(page: Page) -> None:
    with gr.Row():
        ways = [("k-means", "kmeans"), ("N-cut", "ncut")]
        page.add(
            "features_segmenter",
            LenientRadio(ways, value="kmeans", elem_id="vd-features-segmenter"),
            label="features.way",
        )
        count = LenientSlider(2, MAX_SEGMENTS, value=4, step=1, elem_id="vd-features-count")
        page.add("features_count", count, label="features.count")
        page.add(
            "features_other_side", gr.Checkbox(elem_id="vd-features-other-side", min_width=180), label="features.flip"
        )
    page.add("features_segments_html", gr.HTML(elem_id="vd-features-segments"))


def _norms(page: Page) -> None:
    with gr.Row():
        threshold = gr.Number(value=0, elem_id="vd-features-threshold", min_width=200)
        page.add("features_threshold", threshold, label="features.threshold", info="features.threshold_info")
        other = LenientDropdown([("–", "")], value="", elem_id="vd-features-other", min_width=240)
        page.add("features_other", other, label="features.other", info="features.other_info")
    page.add("features_norms_html", gr.HTML(elem_id="vd-features-norms"))


def _evolution(page: Page) -> None:
    page.add("features_evolution_html", gr.HTML(elem_id="vd-features-evolution"))
    lens = LenientDropdown([("–", 0)], value=0, visible=False, elem_id="vd-features-lens")
    page.add("features_lens", lens, label="features.lens_class")


def _pairs(page: Page) -> None:
    page.add("features_pairs_html", gr.HTML(elem_id="vd-features-pairs"))
    page.add("features_around", gr.Checkbox(elem_id="vd-features-around"), label="features.around")


def _alike(page: Page) -> None:
    with gr.Row():
        page.add(
            "features_own", several(MAX_OWN_PICTURES, COMPARED_PX, elem_id="vd-features-own"), label="features.own"
        )
        by = LenientRadio([("CLS", "cls"), ("patches", "patches")], value="cls", elem_id="vd-features-by")
        page.add("features_by", by, label="features.by")
        plane = LenientRadio(
            [("PCA", "pca"), ("UMAP", "umap")], value="pca", visible=False, elem_id="vd-features-plane"
        )
        page.add("features_plane", plane, label="features.plane_by")
    page.add("features_alike_html", gr.HTML(elem_id="vd-features-alike"))


def wire(page: Page) -> None:
    parts = page.parts
    # Said on the view, since for some models it takes seconds, and UMAP once half a minute.
    seen = dict(QUIET, show_progress="minimal", show_progress_on=page.of(SHOWN))
    again = page.listener(redraw, INPUTS, OUTPUTS, **seen)
    for name in VIEWS:
        opened = dict(fn=partial(str, name), outputs=parts["features_view"], api_visibility="private")
        parts[f"features_tab_{name}"].select(**opened, **QUIET)
    # The first view's tab reports itself selected whenever the page's tab opens: nothing has changed then.
    parts["features_view"].change(**again)
    moved = page.listener(at_layer, {"layer": "features_layer", **INPUTS}, (*OUTPUTS, "selection"), **seen)
    parts["features_layer"].input(**moved)
    wire_file(page, "features", one_file, INPUTS)
    for name, component in CONTROLS.items():
        (parts[component].change if name in ("uploads", "own") else parts[component].input)(**again)


# ------------------------------------------------------------------------------------------------------------ handlers


def show(state: PageState, **controls) -> tuple[Updates, RunInfo]:
    """The open view, and the controls' words and ranges for this model and language."""
    details = state.explainer.details(state.model)
    choices = Choices.of(state, controls)
    updates, info = _view(state, choices, details.depth)
    others = [s.card for s in state.explainer.statuses() if s.availability == "on_disk" and s.card.id != state.model]
    # A value that is no choice any more would be refused with every event of the page: it is let go here.
    other = choices.other if choices.other in {card.id for card in others} else ""
    fitted = {
        "features_layer": gr.update(maximum=details.depth, value=state.selection.layer_in(details.depth) + 1),
        "features_facet": gr.update(choices=_named(state, "facet", *FACETS)),
        "features_more": gr.update(choices=example_choices(state)),
        "features_segmenter": gr.update(choices=_named(state, "way", "kmeans", "ncut")),
        "features_by": gr.update(choices=_named(state, "by", "cls", "patches")),
        "features_other": gr.update(choices=[("–", ""), *((card.title, card.id) for card in others)], value=other),
    }
    return {**fitted, **updates}, info


def _named(state: PageState, control: str, *values: str) -> list[tuple[str, str]]:
    """(what is read, value) of a control's choices."""
    return [(state.say(f"features.{control}_{value}"), value) for value in values]


def redraw(state: PageState, **controls) -> Updates:
    """The open view again, after one of its controls changed."""
    return _view(state, Choices.of(state, controls), state.explainer.details(state.model).depth)[0]


def at_layer(state: PageState, layer: object, **controls) -> Stream:
    """The open view at another layer, which becomes the page's; the last one stays the last for a deeper model."""
    depth = state.explainer.details(state.model).depth
    index = min(max(round(number_of(layer, depth)), 1), depth) - 1
    selection = replace(state.selection, layer=None if index == depth - 1 else index)
    yield {"selection": asdict(selection)}  # at once: a view that fails, or takes its time, must not undo it
    yield redraw(replace(state, selection=selection), **controls)


def _view(state: PageState, choices: Choices, depth: int) -> tuple[Updates, RunInfo]:
    views = dict(colours=_show_colours, segments=_show_segments, norms=_show_norms, evolution=_show_evolution)
    views |= dict(pairs=_show_pairs, alike=_show_alike)
    return views[choices.view](state, choices, state.selection.layer_in(depth))


def _show_colours(state: PageState, choices: Choices, layer: int) -> tuple[Updates, RunInfo]:
    found, patches = _colours_of(state, choices, layer)
    packed_bytes = sum(2 * one.vectors.size for one in patches)  # nothing of them packs
    return {
        "features_colours": view_value(state, found, patches),
        **file_offered(state, "features", packed_bytes),
    }, patches[0].info


def _colours_of(state: PageState, choices: Choices, layer: int) -> tuple[PcaImages, list[PatchFeatures]]:
    pictures = (state.image, *choices.more)
    if len(pictures) > MAX_PCA_PICTURES:
        raise DemoError("features.too_many_pictures", count=len(pictures), most=MAX_PCA_PICTURES)
    where, how = (state.model, state.size, layer, choices.facet), (choices.method, choices.foreground, choices.flip)
    found = state.explainer.pca(pictures, *where, *how)
    return found, [state.explainer.patch_features(picture, *where) for picture in pictures]


def one_file(state: PageState, **controls) -> str:
    """Colours and similarity as they are chosen now, as one HTML file."""
    choices = Choices.of(state, {**controls, "view": "colours"})
    layer = state.selection.layer_in(state.explainer.details(state.model).depth)
    return features_file(state, *_colours_of(state, choices, layer))


def _show_segments(state: PageState, choices: Choices, layer: int) -> tuple[Updates, RunInfo]:
    how = choices.segmenter, choices.count, choices.other_side
    found = state.explainer.segments(*state.picture, layer, choices.facet, *how)
    return {"features_segments_html": segments_html(state, found)}, found.info


def _show_norms(state: PageState, choices: Choices, layer: int) -> tuple[Updates, RunInfo]:
    found = state.explainer.token_norms(*state.picture, layer, choices.threshold)
    html = norms_html(state, found)
    if choices.other and choices.other != state.model:
        # The same share of the depth: layer 6 of 12 beside layer 12 of 24.
        depth = state.explainer.details(choices.other).depth
        there = round((layer + 1) / found.info.depth * depth) - 1
        other = state.explainer.token_norms(state.image, choices.other, state.size, max(0, there), choices.threshold)
        html += norms_html(state, other)
    return {"features_norms_html": html}, found.info


def _show_evolution(state: PageState, choices: Choices, layer: int) -> tuple[Updates, RunInfo]:
    found = state.explainer.evolution(*state.picture)
    labels = found.lens.labels if found.lens else ()
    chosen = choices.lens if 0 <= choices.lens < len(labels) else 0
    classes = [(state.class_name(label), i) for i, label in enumerate(labels)] or [("–", 0)]
    return {
        "features_evolution_html": evolution_html(state, found, chosen),
        "features_lens": gr.update(choices=classes, value=chosen, visible=bool(labels)),
    }, found.info


def _show_pairs(state: PageState, choices: Choices, layer: int) -> tuple[Updates, RunInfo]:
    if not choices.more:
        info = state.explainer.patch_features(*state.picture, layer, choices.facet).info
        return {"features_pairs_html": f'<p class="vd-text">{state.say("features.need_second")}</p>'}, info
    pictures = state.image, choices.more[0]
    how = dict(layer=layer, facet=choices.facet, surroundings=choices.around)
    found = state.explainer.correspondences(*pictures, state.model, state.size, **how)
    return {"features_pairs_html": pairs_html(state, found)}, found.info


def _show_alike(state: PageState, choices: Choices, layer: int) -> tuple[Updates, RunInfo]:
    found = state.explainer.alike(state.image, choices.own, state.model, choices.by, choices.plane)
    return {
        "features_alike_html": alike_html(state, found, choices.own),
        "features_plane": gr.update(visible=len(found.planes) > 1),
    }, found.info


TAB = Tab(
    name="features",
    layout=layout,
    show=show,
    inputs=INPUTS,
    outputs=OUTPUTS,
    wire=wire,
    cleared={**dict.fromkeys(SHOWN), **no_file("features")},
)
