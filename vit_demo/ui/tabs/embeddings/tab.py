"""The Embeddings tab: what the position and patch embeddings have learned (ViT Fig. 7), and what becomes of them."""

from __future__ import annotations

from html import escape

import gradio as gr
import numpy as np

from vit_demo.contract import DemoError, ExplainerProtocol, InputParts, PositionStructure, SizeChoice
from vit_demo.grid import PatchGrid
from vit_demo.render.charts import Line, keys, line_chart
from vit_demo.render.colour import DIVERGING
from vit_demo.render.figures import filter_sheet, similarity_tiles, tile_positions
from vit_demo.render.paper import Panel, paper_pdf
from vit_demo.render.scatter import Series, scatter_svg
from vit_demo.text import say
from vit_demo.ui.kit.download import Download, download_block, npz_bytes, python_lines
from vit_demo.ui.kit.html import base64_of, png_bytes, table_html
from vit_demo.ui.kit.view import View
from vit_demo.ui.page import Page, Updates
from vit_demo.ui.state import PageState
from vit_demo.ui.tab import Tab
from vit_demo.ui.tabs.embeddings import grid as other_grid
from vit_demo.ui.tabs.embeddings.maps import (
    FiltersView,
    Map,
    MapsView,
    around_zero,
    filters_value,
    from_zero,
    maps_value,
)
from vit_demo.ui.tabs.embeddings.rotation import rotation_view

VIEWS = ("positions", "grid", "filters", "input")
EVERY_FILTER = dict(all_filters="embeddings_all")


class SimilarityView(View):
    """A tile of similarity for each position, and the one pointed at in large."""

    source = "tabs/embeddings/similarity"


COMPONENTS = 7  # and the map by offset: two rows of four
MOST_POSITIONS = 2048  # whose full matrix of similarities still travels, 4 MB


def layout(page: Page) -> None:
    with gr.Tabs(selected=VIEWS[0], elem_id="vd-embeddings-views", overflow_behavior="wrap"):
        for name, fill in zip(VIEWS, (_positions, other_grid.layout, _filters, _input), strict=True):
            with gr.Tab(id=name) as tab:
                fill(page)
            page.add(f"embeddings_tab_{name}", tab, label=f"embeddings.view_{name}")
    download_block(page, "embeddings", download)


def _positions(page: Page) -> None:
    page.add("embeddings_positions_help", gr.Markdown(elem_classes="vd-help"))
    page.add("embeddings_similarity", SimilarityView(elem_id="vd-similarity"))
    page.add("embeddings_structure", MapsView(elem_id="vd-embeddings-structure"))
    page.add("embeddings_axes", gr.HTML(elem_id="vd-embeddings-axes"))
    page.add("embeddings_rotation", MapsView(elem_id="vd-embeddings-rotation"))


def _filters(page: Page) -> None:
    page.add("embeddings_filters_help", gr.Markdown(elem_classes="vd-help"))
    page.add("embeddings_bank", FiltersView(elem_id="vd-embeddings-bank"))
    every = gr.Checkbox(container=False, elem_id="vd-embeddings-all")
    page.add("embeddings_all", every, label="embeddings.all_filters")
    page.add("embeddings_filters_html", gr.HTML(elem_id="vd-filters"))


def _input(page: Page) -> None:
    page.say(gr.Markdown(elem_classes="vd-help"), value="embeddings.help_input")
    page.add("embeddings_input", MapsView(elem_id="vd-embeddings-input"))
    page.add("embeddings_input_html", gr.HTML(elem_id="vd-embeddings-input-table"))


def show(state: PageState, all_filters: object, **controls) -> tuple[Updates, PatchGrid | None]:
    """Positions, or a sentence where the model has none; filters; the parts of the input."""
    html, filters_help = filters_view(state.explainer, state.model, state.language)
    maps, table = input_view(state)
    updates = {
        "embeddings_filters_html": html,
        "embeddings_filters_help": filters_help,
        "embeddings_input": maps,
        "embeddings_input_html": table,
        "embeddings_rotation": rotation_view(state),
        **other_grid.show(state, **controls),
        **bank(state, all_filters),
    }
    try:
        data, help_key, grid = positions_view(state.explainer, *state.picture, state.language)
    except DemoError as error:
        if error.key != "embeddings.no_positions":
            raise
        none = {
            "embeddings_similarity": gr.update(visible=False),
            "embeddings_positions_help": error.say(state.language),
        }
        return {**updates, **none, "embeddings_structure": maps_value([], state.language), "embeddings_axes": ""}, None
    positions = {
        "embeddings_similarity": gr.update(value=data, visible=True),
        "embeddings_positions_help": state.say(help_key),
    }
    maps, axes = structure_view(state)
    return {**updates, **positions, "embeddings_structure": maps, "embeddings_axes": axes}, grid


def wire(page: Page) -> None:
    page.parts["embeddings_all"].input(**page.listener(bank, EVERY_FILTER, ("embeddings_bank",)))
    other_grid.wire(page)


# ----------------------------------------------------------------------------------------------------------- positions


def positions_view(
    explainer: ExplainerProtocol, image: np.ndarray | None, model: str, size: SizeChoice, language: str
) -> tuple[dict, str, PatchGrid]:
    """(data for the SimilarityView, key of the help text, grid). On the grid of the picture at its size."""
    similarity = explainer.position_similarity(model, size, image)
    grid, (low, high) = similarity.grid, similarity.limits
    rows, cols = tile_positions(grid)
    chosen = [row * grid.cols + col for row in rows for col in cols]
    bytes_of = lambda values: np.clip((values - low) / max(high - low, 1e-9) * 255 + 0.5, 0, 255).astype(np.uint8)  # noqa: E731
    rope = similarity.kind == "rope"
    other = "embeddings.grid_rope" if rope else "embeddings.grid_other"
    how = "embeddings.grid_native" if similarity.native else other
    note = say(how, language, rows=grid.rows, cols=grid.cols)
    some = (len(rows), len(cols)) != grid.shape
    if some:
        shown = {"rows": grid.rows, "cols": grid.cols, "shown_rows": len(rows), "shown_cols": len(cols)}
        note = say(
            "embeddings.two_notes", language, first=note, second=say("embeddings.tiles_every", language, **shown)
        )
    data = {
        "rows": grid.rows,
        "cols": grid.cols,
        "tile_rows": rows,
        "tile_cols": cols,
        "matrix": base64_of(bytes_of(similarity.matrix[chosen])),
        "low": float(low),
        "high": float(high),
        "digits": 2 if rope else 0,
        "table": "viridis" if rope else DIVERGING,
        "words": {
            "tiles_label": say("embeddings.tiles_label", language, rows=len(rows), cols=len(cols)),
            "large_label": say("embeddings.large_label", language, rows=grid.rows, cols=grid.cols),
            "note": note,
            "scale": say("embeddings.scale_rope" if rope else "embeddings.scale_learned", language),
            "large": say("embeddings.large", language),
        },
    }
    files = {"all": bytes_of(similarity.matrix).tobytes()} if some and grid.num_patches <= MOST_POSITIONS else {}
    help_key = "embeddings.help_rope" if rope else "embeddings.help_learned"
    return {"picture": None, "files": files, "data": data}, help_key, grid


def structure_view(state: PageState) -> tuple[dict, str]:
    """(maps of similarity by offset and of the principal components over the grid, curves along rows and columns)."""
    image, model, size = state.picture
    found = state.explainer.position_structure(model, size, image, COMPONENTS)
    rope = found.kind == "rope"
    by_offset = Map(
        state.say("embeddings.by_offset"),
        found.by_offset,
        (float(found.by_offset.min()), 1.0),
        readout="embeddings.offset_cell",
        group="offsets",
        first=(1 - found.grid.rows, 1 - found.grid.cols),
    )
    maps = [by_offset]
    for number, (values, share) in enumerate(
        zip(found.components, found.explained[: len(found.components)], strict=True), 1
    ):
        title = state.say("embeddings.position_component", number=number, share=f"{100 * share:.1f}")
        maps.append(Map(title, values, around_zero(values), DIVERGING))
    hint = "embeddings.hint_rope" if rope else "embeddings.hint_structure"
    return maps_value(maps, state.language, hint), axes_html(state, found)


def axes_html(state: PageState, found: PositionStructure) -> str:
    """Mean similarity by the steps between two positions: down a column, and along a row."""
    rows, cols = found.grid.shape
    lines = [
        Line(state.say("embeddings.axis_down"), found.by_offset[rows - 1 :, cols - 1], 1),
        Line(state.say("embeddings.axis_right"), found.by_offset[rows - 1, cols - 1 :], 2),
    ]
    low = min(0.0, *(float(line.values.min()) for line in lines))
    words = state.say("embeddings.axes")
    curve = line_chart(lines, words, (low, 1.0), 0)
    legend = keys(lines)
    return f'<div class="vd-emb-pair"><figure>{curve}{legend}<figcaption>{escape(words)}</figcaption></figure></div>'


# ------------------------------------------------------------------------------------------------------ filters, input


def filters_view(explainer: ExplainerProtocol, model: str, language: str) -> tuple[str, str]:
    """(HTML of the variance that each component explains, help text)."""
    bank = explainer.filters(model)
    count = len(bank.filters)
    held = say("embeddings.explained", language, count=count, share=f"{100 * float(bank.explained.sum()):.0f}")
    shares = [f"{100 * share:.1f}" for share in bank.explained]
    said = [say("embeddings.one_share", language, number=i, share=share) for i, share in enumerate(shares, 1)]
    label = say("embeddings.explained_alt", language, shares=", ".join(shares))
    curve = scatter_svg([Series(100 * bank.explained[:, None], said)], label)
    words = escape(f"{say('embeddings.explained_each', language)}; {held}")
    html = f'<div class="vd-emb-pair vd-dep"><figure>{curve}<figcaption>{words}</figcaption></figure></div>'
    return html, say("embeddings.help_filters", language, count=count, total=bank.num_filters)


def bank(state: PageState, all_filters: object) -> Updates:
    """Filters and their answers on the picture: the components of the sheet, or every filter."""
    shares = None if all_filters else state.explainer.filters(state.model).explained
    count = None if shares is None else len(shares)
    return {
        "embeddings_bank": filters_value(
            state.explainer.filter_responses(*state.picture, count), shares, state.language
        )
    }


def input_view(state: PageState) -> tuple[dict, str]:
    """(maps of what enters the first layer, a table of its prefix tokens)."""
    parts = state.explainer.input_parts(*state.picture)
    norms = [("content", parts.content), ("place", parts.positions), ("total", parts.total)]
    there = [values for _, values in norms if values is not None]
    limits = from_zero(np.stack(there))  # one scale: these are compared
    maps = [Map(state.say(f"embeddings.norm_{n}"), v, limits, digits=1) for n, v in norms if v is not None]
    if parts.cosine is not None:
        maps.append(Map(state.say("embeddings.cosine"), parts.cosine, around_zero(parts.cosine), DIVERGING))
    return maps_value(maps, state.language), prefix_html(state, parts)


def prefix_html(state: PageState, parts: InputParts) -> str:
    """The same numbers for every prefix token, and the means of the patches for comparison."""
    head = [
        "",
        *(state.say(f"embeddings.norm_{name}") for name in ("content", "place", "total")),
        state.say("embeddings.cosine"),
    ]
    columns = (parts.content, parts.positions, parts.total, parts.cosine)
    means = [np.nan if values is None else float(values.mean()) for values in columns]
    rows = [(name.upper(), numbers) for name, numbers in zip(parts.prefix_names, parts.prefix, strict=True)]
    rows.append((state.say("embeddings.patches_mean"), means))
    body = [[name, *("–" if np.isnan(x) else f"{x:.2f}".replace("-", "−") for x in numbers)] for name, numbers in rows]
    return table_html(head, body)


# ---------------------------------------------------------------------------------------------------------- downloads


def download(state: PageState) -> Download:
    """The tiles and the sheet as PNG, the numbers as NPZ."""
    image, model, size = state.picture
    filters = state.explainer.filters(model)
    parts = state.explainer.input_parts(*state.picture)
    arrays = {"filters": filters.filters, "explained": filters.explained, "content_norm": parts.content}
    axes = {"filters": "component, row, column, channel", "explained": "component", "content_norm": "row, column"}
    shown = [np.clip(one * 255 + 0.5, 0, 255).astype(np.uint8) for one in filters.filters]
    files = {
        "patch_filters.png": png_bytes(filter_sheet(filters.filters)),
        "patch_filters.pdf": paper_pdf([Panel("", one) for one in shown], across=7),
    }
    body = ["filters = explainer.filters(model)", "parts = explainer.input_parts(picture, model, size)"]
    try:
        similarity = state.explainer.position_similarity(model, size, image)
        found = state.explainer.position_structure(model, size, image, COMPONENTS)
    except DemoError as error:
        if error.key != "embeddings.no_positions":
            raise
    else:
        arrays |= {"similarity": similarity.matrix, "by_offset": found.by_offset, "components": found.components}
        axes |= {"similarity": "position, position", "by_offset": "rows down, columns right"}
        axes["components"] = "component, row, column"
        table = "viridis" if similarity.kind == "rope" else DIVERGING
        tiles = similarity_tiles(similarity.matrix, similarity.grid, similarity.limits, table)
        files["position_similarity.png"] = png_bytes(tiles)
        files["position_similarity.pdf"] = paper_pdf([Panel("", tiles)])
        body += ["similarity = explainer.position_similarity(model, size, picture)", "print(similarity.matrix.shape)"]
    files["what_embeddings_know.npz"] = npz_bytes(arrays, axes)
    return Download(files, python_lines(state, *body, "print(filters.filters.shape, parts.content.shape)"))


TAB = Tab(
    name="embeddings",
    layout=layout,
    show=show,
    inputs={**EVERY_FILTER, **other_grid.CONTROLS},
    outputs=(
        *("embeddings_similarity", "embeddings_positions_help", "embeddings_structure", "embeddings_axes"),
        *("embeddings_filters_html", "embeddings_filters_help", "embeddings_bank"),
        *("embeddings_rotation", "embeddings_input", "embeddings_input_html", *other_grid.OUTPUTS),
    ),
    wire=wire,
    cleared=dict.fromkeys(
        ("embeddings_rotation", "embeddings_bank", "embeddings_input", "embeddings_input_html", *other_grid.EFFECT)
    ),
)
