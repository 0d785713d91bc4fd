"""The columns of a comparison: what each model says, or why it cannot be had; and what the browser gets of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from vit_demo.contract import (
    Agreement,
    DemoError,
    LayerHeadTable,
    LayerTensors,
    ModelDetails,
    Neighbours,
    Prediction,
    SizeChoice,
)
from vit_demo.gallery import example_by_file
from vit_demo.preprocess import prepare
from vit_demo.render.charts import Line, keys, line_chart
from vit_demo.ui.kit.binary import features_file, layer_file, pack_arrays
from vit_demo.ui.kit.html import chart, jpeg_bytes, note, row
from vit_demo.ui.kit.view import View
from vit_demo.ui.kit.words import view_words
from vit_demo.ui.state import PageState

TOP = 3
POINTS = 25  # of a line from the first layer to the last
COLOURS = 4  # of lines, by kit.css


class CompareView(View):
    """Columns of pictures under one pointer. `input` asks for another depth."""

    source = "tabs/compare/view"


@dataclass(frozen=True)
class Column:
    """One column: a model on a picture (H, W, 3). What has not been asked yet, or cannot be had, is None; `problem` is
    the sentence that says why. `colours` (rows, cols, 3) in 0…1, on a basis that `shared` columns have."""

    model: str
    title: str
    image: np.ndarray
    own_picture: bool = False
    tensors: LayerTensors | None = None
    prediction: Prediction | Neighbours | None = None
    table: LayerHeadTable | None = None
    box: tuple[float, float, float, float] | None = None
    colours: np.ndarray | None = None
    shared: int = 1
    problem: str = ""


def size_for(state: PageState, details: ModelDetails) -> SizeChoice:
    """The size of all columns: each model's own where the page's model has its own, else the page's."""
    native = next((option.side for option in details.sizes if option.native), None)
    return replace(state.size, side=None) if state.size.side in (None, native) else state.size


def filled(state: PageState, column: Column, size: SizeChoice, depth: float) -> Column:
    """A column with what its model says, or with why it cannot be had."""
    explainer = state.explainer
    try:
        details = explainer.details(column.model)
        layer = round(depth * (details.depth - 1))
        tensors = explainer.attention_layer(column.image, column.model, size, layer)
        box = prepare(column.image, details.preprocess, details.patch_px, size).box
        return replace(
            column,
            title=details.card.title,
            tensors=tensors,
            prediction=explainer.predict(column.image, column.model, size, TOP),
            table=explainer.depth(column.image, column.model, size),
            box=_shares(box, column.image),
        )
    except DemoError as error:
        return replace(column, problem=error.say(state.language))


def _shares(box: tuple[float, float, float, float], image: np.ndarray) -> tuple[float, float, float, float]:
    height, width = image.shape[:2]
    return box[0] / height, box[1] / width, box[2] / height, box[3] / width


def coloured(state: PageState, columns: list[Column], size: SizeChoice, depth: float) -> list[Column]:
    """The columns with principal components as colours: on one basis for the pictures of one model, and on one for all
    other models of a width."""
    good = [column for column in columns if column.tensors is not None]
    if not good:
        return columns
    explainer, made = state.explainer, {}
    try:
        twice = {column.model for column in good if column.own_picture}
        for model in twice:  # on several pictures
            some = [column for column in good if column.model == model]
            layer = some[0].tensors.layer if some[0].tensors else -1
            images = [column.image for column in some]
            answer = explainer.pca(images, model, size, layer, "token", "dinov2", False)
            made |= {id(column): (one, len(some)) for column, one in zip(some, answer.colours, strict=True)}
        once = [column for column in good if column.model not in twice]
        if once:
            joint = explainer.joint_colours(once[0].image, tuple(column.model for column in once), size, depth)
            pairs = zip(once, joint.colours, joint.shares, strict=True)
            made |= {id(column): (colours, shares) for column, colours, shares in pairs}
    except DemoError:  # too few patches: the other rows stand
        return columns
    none = None, 1
    return [
        replace(column, colours=made.get(id(column), none)[0], shared=made.get(id(column), none)[1])
        for column in columns
    ]


def computed(state: PageState, columns: list[Column], depth: float) -> tuple[list[Column], list[Agreement]]:
    """The columns with what their models say, one model after the other, and how far each agrees with the first."""
    size = size_for(state, state.explainer.details(state.model))
    columns = [filled(state, column, size, depth) for column in columns]
    return coloured(state, columns, size, depth), agreements_of(state, columns)


def agreements_of(state: PageState, columns: list[Column]) -> list[Agreement]:
    """How far every two models agree on the page's picture."""
    size, found = size_for(state, state.explainer.details(state.model)), []
    models = [column.model for column in columns if column.tensors is not None and not column.own_picture]
    for one, other in combinations(models, 2):
        try:
            found.append(state.explainer.agreement(state.image, one, other, size))
        except DemoError:  # their crops have nothing in common: the columns stand
            continue
    return found


# ------------------------------------------------------------------------------------------------------ for the browser


def compare_value(
    state: PageState, columns: list[Column], depth: float, agreements: list[Agreement], times: int = 0
) -> dict:
    """The view's value: files of each column by its number, and the rest as data."""
    files: dict[str, bytes] = {}
    for number, column in enumerate(columns):
        if column.tensors is None:
            continue
        files[f"picture{number}.jpg"] = jpeg_bytes(column.tensors.picture)
        files[f"layer{number}"] = layer_file(column.tensors)
        files[f"features{number}"] = features_file(column.tensors)
        if column.colours is not None:
            colours = np.round(255 * np.clip(column.colours, 0, 1)).astype(np.uint8)
            files[f"colours{number}"] = pack_arrays({"colours": colours})
    return {"files": files, "data": {**compare_data(state, columns, depth, agreements), "times": times}}


def compare_data(state: PageState, columns: list[Column], depth: float, agreements: list[Agreement]) -> dict:
    """What of a comparison is no file."""
    return {
        "words": view_words("compare", state.language),
        "times": 0,
        "depth": depth,
        "columns": [_column_data(state, column) for column in columns],
        "agreements": [
            {
                "rows": one.title,
                "cols": one.other_title,
                "places": list(one.places),
                "chance": one.chance,
                "values": np.round(one.values.astype(float), 4).tolist(),
            }
            for one in agreements
        ],
    }


def title_of(state: PageState, column: Column) -> str:
    """What stands above a column."""
    return state.say("compare.on_second", title=column.title) if column.own_picture else column.title


def _column_data(state: PageState, column: Column) -> dict:
    data: dict = {"title": title_of(state, column), "problem": column.problem, "ready": column.tensors is not None}
    if column.tensors is None:
        return data
    info = column.tensors.info
    return {
        **data,
        "rows": info.grid.rows,
        "cols": info.grid.cols,
        "prefix": list(info.grid.prefix_names),
        "heads": info.heads,
        "depth": info.depth,
        "layer": column.tensors.layer,
        "model": column.model,
        "box": list(column.box or (0.0, 0.0, 1.0, 1.0)),
        "shared": column.shared,
        "has_colours": column.colours is not None,
        "answers": _answers(state, column.prediction),
        "classes": isinstance(column.prediction, Prediction),
    }


def _answers(state: PageState, prediction: Prediction | Neighbours | None) -> list[dict]:
    if isinstance(prediction, Prediction):
        pairs = zip(prediction.labels, prediction.probabilities, strict=True)
        return [{"label": state.class_name(label), "value": float(p)} for label, p in pairs][:TOP]
    if prediction is None:
        return []
    found = zip(prediction.names, prediction.cosines, strict=True)
    return [
        {"label": example_by_file(state.examples, name).label(state.language), "value": float(cosine)}
        for name, cosine in found
    ][:TOP]


# -------------------------------------------------------------------------------------------------------------- curves


def curves_html(state: PageState, columns: list[Column]) -> str:
    """How attention goes through the layers, a line for each model, from its first layer to its last."""
    tables = [(column, column.table) for column in columns if column.table is not None]
    if not tables:
        return ""
    marks = [(0.08, state.say("compare.first_layer")), (0.92, state.say("compare.last_layer"))]
    figures = []
    for name in ("distance", "entropy"):
        lines = [
            Line(title_of(state, column), _resampled(_share(table, name)), number % COLOURS + 1)
            for number, (column, table) in enumerate(tables)
        ]
        top = max(float(line.values.max()) for line in lines)
        limits = (0.0, 1.0 if name == "entropy" else max(0.1, np.ceil(10 * top) / 10))
        words = state.say(f"compare.{name}")
        svg = line_chart(lines, words, limits, across=np.linspace(0, 1, POINTS), across_marks=marks)
        figures.append(chart(svg + keys(lines), words))
    return note(state.say("compare.curves")) + row(*figures)


def _share(table: LayerHeadTable, name: str) -> np.ndarray:
    """(layers,): the mean over heads of the attention distance as a share of the picture's longer side, or of the
    entropy as a share of the most there can be."""
    if name == "entropy":
        return table.entropy_share.mean(axis=1)
    side = max(table.grid.rows, table.grid.cols) * table.grid.patch_px
    return table.distance_renormalised_px.mean(axis=1) / side


def _resampled(values: np.ndarray) -> np.ndarray:
    """Values of layers at POINTS equal steps from the first to the last, straight in between."""
    return np.interp(np.linspace(0, 1, POINTS), np.linspace(0, 1, len(values)), values)
