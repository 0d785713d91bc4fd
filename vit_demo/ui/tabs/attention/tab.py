"""The Attention tab: a layer's queries and keys go to the browser once, which computes what is pointed at."""

from __future__ import annotations

import hashlib
from dataclasses import asdict

import gradio as gr
import numpy as np
from PIL import Image

from vit_demo.contract import DemoError, HeadMaps, LayerTensors, ModelCard, RunInfo, TokenQuery, Wall
from vit_demo.render.overlay import head_sheet, overlay
from vit_demo.render.paper import Panel, paper_pdf
from vit_demo.text import say
from vit_demo.ui.kit.binary import features_file, layer_file, pack_arrays, packed_layer_bytes
from vit_demo.ui.kit.download import Download, download_block, gif_bytes, npz_bytes, python_lines
from vit_demo.ui.kit.html import png_bytes
from vit_demo.ui.kit.one_file import file_block, file_offered, file_outputs, no_file, wire_file
from vit_demo.ui.kit.view import View
from vit_demo.ui.kit.words import token_title, view_words
from vit_demo.ui.page import LIGHT, QUIET, Page, Updates
from vit_demo.ui.state import PageState, Selection
from vit_demo.ui.tab import Tab
from vit_demo.ui.tabs.attention import layers, live


class ExplorerView(View):
    """Every head of a layer, from any token. `select` tells what was chosen, `input` asks for a layer's file where the
    plain route does not have it."""

    source = "tabs/attention/view"


def layout(page: Page) -> None:
    page.say(gr.Markdown(elem_classes="vd-help"), value="attention.help")
    live.layout(page)
    page.add("attention", ExplorerView(elem_id="vd-attention"))
    page.plain_route(layers.ROUTE, layers.endpoint(page.explainer), "GET")
    download_block(page, "attention", download)
    file_block(page, "attention")


def show(state: PageState) -> tuple[Updates, RunInfo]:
    """The chosen layer's tensors and the wall of all layers."""
    depth = state.explainer.details(state.model).depth
    tensors = state.explainer.attention_layer(*state.picture, state.selection.layer_in(depth))
    wall = state.explainer.attention_wall(*state.picture)
    value = layer_value(state, tensors)
    value["files"]["wall"] = wall_file(wall)
    return {
        "attention": value,
        "attention_live": live.live_value(state),
        **file_offered(state, "attention", depth * packed_layer_bytes(tensors), "attention.file_size", layers=depth),
    }, tensors.info


def wire(page: Page) -> None:
    explorer = page.parts["attention"]
    fetched = page.listener(fetch_layer, outputs=["attention"], extra="event", **dict(QUIET, trigger_mode="multiple"))
    explorer.input(**fetched)
    wire_file(page, "attention", one_file)
    live.wire(page)
    for view in (explorer, page.parts["attention_live"]):
        view.select(**page.plain_listener(remember, outputs=["selection"], extra="event", **LIGHT))


def fetch_layer(state: PageState, event: dict) -> Updates:
    """One more layer's file, for the picture and model that the page shows."""
    layer, times = Selection.of({"layer": event.get("layer")}).layer, event.get("times")
    if layer is None:
        return {}
    value = layer_value(state, state.explainer.attention_layer(*state.picture, layer))
    value["data"]["times"] = times if isinstance(times, int) else 1  # a value equal to the last would not be delivered
    return {"attention": value}


def one_file(state: PageState) -> str:
    """The explorer of every layer as one HTML file."""
    from vit_demo.ui.tabs.attention.file import explorer_file  # which draws on this module

    return explorer_file(state.explainer, *state.picture, language=state.language)


def remember(event: dict) -> Updates:
    """What was chosen in the explorer, for the whole page."""
    return {"selection": asdict(Selection.of(event))}


# ------------------------------------------------------------------------------------------------------ for the browser


def layer_value(state: PageState, tensors: LayerTensors) -> dict:
    """The view's value with one layer's file."""
    return {
        "picture": tensors.picture,
        "files": {"layer": layer_file(tensors), "features": features_file(tensors)},
        "data": {
            **_frame(tensors.info.grid.rows, tensors.info.grid.cols, state.language),
            "key": run_key(tensors.info, tensors.picture),
            "layer": tensors.layer,
            "depth": tensors.info.depth,
            "heads": tensors.info.heads,
            "patch_px": tensors.info.grid.patch_px,
            "prefix": list(tensors.info.grid.prefix_names),
            "prefix_labels": [name.upper() for name in tensors.info.grid.prefix_names],
            "prefix_titles": [token_title(name, state.language) for name in tensors.info.grid.prefix_names],
            "selection": asdict(state.selection),
            "link": state.link,
            **({"ask": layers.layer_query(state)} if state.explainer.takes_frames else {}),
        },
    }


def wall_file(wall: Wall) -> bytes:
    return pack_arrays({"maps": wall.maps, "tops": wall.tops, "prefix": wall.prefix})


def run_key(info: RunInfo, picture: np.ndarray) -> str:
    """A name for what a forward pass was made of: the browser drops what it keeps when this changes."""
    what = f"{info.model_id}@{info.revision} {picture.shape}".encode()
    return hashlib.blake2b(picture.tobytes() + what, digest_size=8).hexdigest()


def while_loading(picture: np.ndarray, card: ModelCard, language: str) -> Updates:
    """Before the model is there: the picture cut into the patches that it will read."""
    rows, cols = (side // card.patch_px for side in picture.shape[:2])
    frame = _frame(rows, cols, language)
    note = say("page.loading", language, title=card.title)
    empty = {"key": None, "layer": None, "depth": 1, "heads": 0, "patch_px": card.patch_px, "selection": {}, "link": {}}
    prefix = {"prefix": [], "prefix_labels": [], "prefix_titles": []}
    return {"attention": {"picture": picture, "data": {**frame, **empty, **prefix, "note": note}}}


def _frame(rows: int, cols: int, language: str) -> dict:
    return {"rows": rows, "cols": cols, "words": view_words("attention", language)}


# ------------------------------------------------------------------------------------------------------- to take away


def download(state: PageState) -> Download:
    """From the chosen token: the sheet of a layer's heads, the numbers of all layers, and a GIF over them."""
    depth = state.explainer.details(state.model).depth
    layers, query = _all_layers(state, depth)
    layer = state.selection.layer_in(depth)
    maps, name = layers[layer], query.name_from_one.replace(",", "-")
    stem = f"attention-layer{layer + 1}-{name}"
    rows = np.stack([one.maps for one in layers])
    numbers = {"attention": rows, "prefix": np.stack([one.prefix for one in layers])}
    axes = {"attention": "layer, head, row, column", "prefix": "layer, head, prefix token"}
    token = f"TokenQuery.named({query.name!r})"
    return Download(
        files={
            f"{stem}.png": png_bytes(_sheet(maps, state.selection.head)),
            f"{stem}.pdf": paper_pdf(_panels(state.on_paper, maps)),
            f"attention-{name}.npz": npz_bytes(numbers, axes),
            f"attention-layers-{name}.gif": gif_bytes([_over(one, state.selection.head) for one in layers]),
        },
        code=python_lines(
            state,
            f"maps = explainer.attention(picture, model, size, {token}, layer={layer})",
            "print(maps.maps.shape, maps.prefix.shape)  # (heads, rows, columns), (heads, prefix tokens)",
            "print(maps.maps.sum(axis=(1, 2)) + maps.prefix.sum(axis=1))  # 1 for every head",
        ),
    )


def _all_layers(state: PageState, depth: int) -> tuple[list[HeadMaps], TokenQuery]:
    """The chosen token's maps in every layer; from the first token where this grid does not have it."""
    try:
        query = TokenQuery.named(state.selection.token)
        first = state.explainer.attention(*state.picture, query, 0)
    except DemoError as error:
        if error.key not in ("attention.outside_grid", "attention.no_such_token"):
            raise
        prefixes = state.explainer.details(state.model).prefix_names
        query = TokenQuery(prefixes[0]) if prefixes else TokenQuery(None, 0, 0)
        first = state.explainer.attention(*state.picture, query, 0)
    return [first, *(state.explainer.attention(*state.picture, query, layer) for layer in range(1, depth))], query


def _over(maps: HeadMaps, head: int | None) -> np.ndarray:
    """The picture with one head's map, or the mean's, each on its own scale from 0."""
    values = maps.maps.mean(axis=0) if head is None else maps.maps[min(head, len(maps.maps) - 1)]
    return overlay(maps.picture, values, (0.0, float(values.max())))


def _panels(state: PageState, maps: HeadMaps) -> list[Panel]:
    """The mean and every head over the picture, each on its own scale."""
    named = [(state.say("attention.mean_of_heads"), maps.maps.mean(axis=0))]
    named += [(state.say("attention.head", number=i), one) for i, one in enumerate(maps.maps, start=1)]
    scale = state.say("attention.scale")
    return [Panel(name, maps.picture, values, (0.0, float(values.max())), scale=scale) for name, values in named]


def _sheet(maps: HeadMaps, head: int | None) -> np.ndarray:
    """The picture, its overlay, and every head, on white, side by side."""
    sheet = head_sheet(maps.maps, None)
    height, gap = sheet.shape[0], np.full((sheet.shape[0], 8, 3), 255, np.uint8)
    parts = []
    for picture in (maps.picture, _over(maps, head)):
        width = round(picture.shape[1] * height / picture.shape[0])
        parts += [np.asarray(Image.fromarray(picture).resize((width, height))), gap]
    return np.hstack([*parts, sheet])


TAB = Tab(
    name="attention",
    layout=layout,
    show=show,
    outputs=("attention", "attention_live", *file_outputs("attention")),
    wire=wire,
    cleared={"attention": None, **no_file("attention")},
    while_loading=while_loading,
)
