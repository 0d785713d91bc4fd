"""The Attention tab: a layer's queries and keys go to the browser once, which computes what is pointed at."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from functools import cache

import gradio as gr
import numpy as np
from PIL import Image

from vit_demo.contract import DemoError, HeadMaps, LayerTensors, ModelCard, RunInfo, TokenQuery, Wall
from vit_demo.render.overlay import head_sheet, overlay
from vit_demo.text import phrases, say
from vit_demo.ui.binary import pack_arrays
from vit_demo.ui.gallery import Example
from vit_demo.ui.page import QUIET, Asked, Page, Selection, Updates
from vit_demo.ui.takeaway import Parcel, gif_bytes, lines_for, npz_bytes, png_bytes, take_away
from vit_demo.ui.views import View

NAME = "attention"
GIVEN = ""
FILLS = OF_PICTURE = "attention"
REMAINS = False


class ExplorerView(View):
    """Every head of a layer, from any token. `select` tells what was chosen, `input` asks for a layer's file."""

    stem = "explorer"
    scripts = ("unpack", "explore")


def layout(page: Page) -> None:
    page.say(gr.Markdown(elem_classes="vd-help"), value="attention.help")
    page.add("attention", ExplorerView(elem_id="vd-attention"))
    take_away(page, NAME, carry)


def show(asked: Asked) -> tuple[Updates, RunInfo]:
    """The chosen layer's tensors and the wall of all layers."""
    depth = asked.explainer.details(asked.model).depth
    tensors = asked.explainer.attention_layer(*asked.picture, asked.selection.layer_in(depth))
    wall = asked.explainer.attention_wall(*asked.picture)
    value = layer_value(asked, tensors)
    value["files"]["wall"] = wall_file(wall)
    return {"attention": value}, tensors.info


def wire(page: Page) -> None:
    explorer = page.parts["attention"]
    explorer.input(**page.ask_event(fetch_layer, "attention", **dict(QUIET, trigger_mode="multiple")))
    explorer.select(**page.hear(remember, "selection"))


def fetch_layer(asked: Asked, what: dict) -> Updates:
    """One more layer's file, for the picture and model that the page shows."""
    layer, times = Selection.of({"layer": what.get("layer")}).layer, what.get("times")
    if layer is None:
        return {}
    value = layer_value(asked, asked.explainer.attention_layer(*asked.picture, layer))
    value["data"]["times"] = times if isinstance(times, int) else 1  # a value equal to the last would not be delivered
    return {"attention": value}


def remember(what: dict) -> Updates:
    """What was chosen in the explorer, for the whole page."""
    return {"selection": asdict(Selection.of(what))}


# ------------------------------------------------------------------------------------------------------ for the browser


def layer_value(asked: Asked, tensors: LayerTensors) -> dict:
    """The view's value with one layer's file."""
    return {
        "picture": tensors.picture,
        "files": {"layer": layer_file(tensors)},
        "data": {
            **_frame(tensors.info.grid.rows, tensors.info.grid.cols, asked.language),
            "key": run_key(tensors.info, tensors.picture),
            "layer": tensors.layer,
            "depth": tensors.info.depth,
            "heads": tensors.info.heads,
            "patch_px": tensors.info.grid.patch_px,
            "prefix": list(tensors.info.grid.prefix_names),
            "prefix_labels": [name.upper() for name in tensors.info.grid.prefix_names],
            "prefix_titles": [token_title(name, asked.language) for name in tensors.info.grid.prefix_names],
            "selection": asdict(asked.selection),
            "link": link_of(asked),
        },
    }


def layer_file(tensors: LayerTensors) -> bytes:
    """A layer's file: see web/explore.js for how it is read."""
    names = ("queries", "query_steps", "keys", "key_steps", "log_sums", "features", "distance_px")
    return pack_arrays({name: getattr(tensors, name) for name in names})


def wall_file(wall: Wall) -> bytes:
    return pack_arrays({"maps": wall.maps, "tops": wall.tops, "prefix": wall.prefix})


def run_key(info: RunInfo, picture: np.ndarray) -> str:
    """A name for what a forward pass was made of: the browser drops what it keeps when this changes."""
    what = f"{info.model_id}@{info.revision} {picture.shape}".encode()
    return hashlib.blake2b(picture.tobytes() + what, digest_size=8).hexdigest()


def link_of(asked: Asked) -> dict[str, str]:
    """What an address must say to open this model, size and example again; a visitor's own picture does not travel."""
    link = {"model": asked.model, "lang": asked.language}
    if asked.size.side is not None:
        link["side"] = str(asked.size.side)
    if asked.size.keep_shape:
        link["keep"] = "1"
    example = next((one for one in asked.examples if shows(one, asked.image)), None)
    return {**link, "example": example.key} if example else link


def shows(example: Example, image: np.ndarray) -> bool:
    """Whether a picture is this example, told by its shape and a small copy of it."""
    small = np.asarray(Image.fromarray(image).resize(example.thumbnail.shape[1::-1]))
    same_shape = abs(image.shape[0] / image.shape[1] - example.thumbnail.shape[0] / example.thumbnail.shape[1]) < 0.02
    return same_shape and float(np.abs(small.astype(int) - example.thumbnail).mean()) < 3


def patches_data(picture: np.ndarray, card: ModelCard, language: str) -> dict:
    """What is shown while the model loads: the picture cut into the patches that it will read."""
    rows, cols = (side // card.patch_px for side in picture.shape[:2])
    frame = _frame(rows, cols, language)
    note = say("page.loading", language, title=card.title)
    empty = {"key": None, "layer": None, "depth": 1, "heads": 0, "patch_px": card.patch_px, "selection": {}, "link": {}}
    prefix = {"prefix": [], "prefix_labels": [], "prefix_titles": []}
    return {"picture": picture, "data": {**frame, **empty, **prefix, "note": note}}


def _frame(rows: int, cols: int, language: str) -> dict:
    return {"rows": rows, "cols": cols, "words": view_words(language)}


@cache
def view_words(language: str) -> dict[str, str]:
    """Every phrase of the tab, by its name: the explorer chooses."""
    return {key.partition(".")[2]: text for key, text in phrases(language).items() if key.startswith("attention.")}


def token_title(name: str, language: str) -> str:
    """A prefix token's name in words."""
    if name.startswith("reg"):
        return say("attention.token_reg", language, number=name.removeprefix("reg"))
    return say(f"attention.token_{name}", language)


# ------------------------------------------------------------------------------------------------------- to take away


def carry(asked: Asked) -> Parcel:
    """From the chosen token: the sheet of a layer's heads, the numbers of all layers, and a GIF over them."""
    depth = asked.explainer.details(asked.model).depth
    layers, query = _all_layers(asked, depth)
    layer = asked.selection.layer_in(depth)
    maps, name = layers[layer], query.name.replace(",", "-")
    stem = f"attention-layer{layer + 1}-{name}"
    rows = np.stack([one.maps for one in layers])
    numbers = {"attention": rows, "prefix": np.stack([one.prefix for one in layers])}
    axes = {"attention": "layer, head, row, column", "prefix": "layer, head, prefix token"}
    token = f"TokenQuery.named({query.name!r})"
    return Parcel(
        files={
            f"{stem}.png": png_bytes(_sheet(maps, asked.selection.head)),
            f"attention-{name}.npz": npz_bytes(numbers, axes),
            f"attention-layers-{name}.gif": gif_bytes([_over(one, asked.selection.head) for one in layers]),
        },
        code=lines_for(
            asked,
            f"maps = explainer.attention(picture, model, size, {token}, layer={layer})",
            "print(maps.maps.shape, maps.prefix.shape)  # (heads, rows, columns), (heads, prefix tokens)",
            "print(maps.maps.sum(axis=(1, 2)) + maps.prefix.sum(axis=1))  # 1 for every head",
        ),
    )


def _all_layers(asked: Asked, depth: int) -> tuple[list[HeadMaps], TokenQuery]:
    """The chosen token's maps in every layer; from the first token where this grid does not have it."""
    try:
        query = TokenQuery.named(asked.selection.token)
        first = asked.explainer.attention(*asked.picture, query, 0)
    except DemoError as error:
        if error.key not in ("attention.outside_grid", "attention.no_such_token"):
            raise
        prefixes = asked.explainer.details(asked.model).prefix_names
        query = TokenQuery(prefixes[0]) if prefixes else TokenQuery(None, 0, 0)
        first = asked.explainer.attention(*asked.picture, query, 0)
    return [first, *(asked.explainer.attention(*asked.picture, query, layer) for layer in range(1, depth))], query


def _over(maps: HeadMaps, head: int | None) -> np.ndarray:
    """The picture with one head's map, or the mean's, each on its own scale from 0."""
    values = maps.maps.mean(axis=0) if head is None else maps.maps[min(head, len(maps.maps) - 1)]
    return overlay(maps.picture, values, (0.0, float(values.max())))


def _sheet(maps: HeadMaps, head: int | None) -> np.ndarray:
    """The picture, its overlay, and every head, on white, side by side."""
    sheet = head_sheet(maps.maps, None)
    height, gap = sheet.shape[0], np.full((sheet.shape[0], 8, 3), 255, np.uint8)
    parts = []
    for picture in (maps.picture, _over(maps, head)):
        width = round(picture.shape[1] * height / picture.shape[0])
        parts += [np.asarray(Image.fromarray(picture).resize((width, height))), gap]
    return np.hstack([*parts, sheet])
