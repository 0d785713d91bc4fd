"""A training watched, as one HTML file: what some states of a model make of one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vit_demo.contract import DemoError, ExplainerProtocol, Prediction, SizeChoice
from vit_demo.render.charts import Line, line_chart
from vit_demo.text import LANGUAGES, class_name, say
from vit_demo.ui.kit.binary import pack_arrays
from vit_demo.ui.kit.html import jpeg_url
from vit_demo.ui.kit.words import view_words
from vit_demo.ui.standalone import Value, standalone_html

FILTERS, TOP, MOST_TILES, MARKS = 16, 5, 14, 5
Measured = Mapping[str, Sequence[tuple[float, float]]]


def training_file(
    explainer: ExplainerProtocol,
    moments: Sequence[tuple[int, str]],
    image: np.ndarray,
    size: SizeChoice,
    measured: Measured,
    language: str = LANGUAGES[0],
) -> str:
    """The whole file. `moments` are steps and the names of models that the explainer knows, the earliest first;
    `measured` curves by name: (step, value) of every step."""
    walls = [explainer.attention_wall(image, model, size) for _, model in moments]
    grid, title = walls[-1].info.grid, walls[-1].info.title.rpartition("@")[0]
    shares = np.stack([wall.maps / 255 * wall.tops[..., None, None] for wall in walls])  # (M, L, h, rows, cols)
    top = float(shares.max())
    arrays = {
        "maps": np.round(shares / top * 255).astype(np.uint8),
        "prefix": np.stack([wall.prefix for wall in walls]).astype(np.float32),
        "filters": np.stack([_filters(explainer, model) for _, model in moments]),
    }
    tiles, limit = (grid.rows, grid.cols), 1.0
    found = _positions(explainer, [model for _, model in moments], image, size)
    if found is not None:
        arrays["similarity"], tiles, limit = found
    steps = [step for step, _ in moments]
    first, last = _ends(steps, measured)
    names, probabilities = _answers(explainer, [model for _, model in moments], image, size)
    data = {
        "steps": steps,
        "layers": shares.shape[1],
        "heads": shares.shape[2],
        "rows": grid.rows,
        "cols": grid.cols,
        "top": top,
        "tiles": {"rows": tiles[0], "cols": tiles[1]},
        "limit": limit,
        "shares": probabilities,
        "places": [(step - first) / ((last - first) or 1) for step in steps],
        "picture": jpeg_url(explainer.attention(image, moments[-1][1], size).picture),
    }
    words = {
        each: {
            "words": view_words("snapshots", each),
            "names": [class_name(name, each) for name in names],
            "curves": _curves(measured, first, last, say("snapshots.steps", each)),
        }
        for each in LANGUAGES
    }
    said = {each: say("snapshots.title", each, title=title) for each in LANGUAGES}
    value = Value(data, {"moments": pack_arrays(arrays)})
    return standalone_html("tabs/draw/learn", None, [value], words, said, ("tabs/draw/view.css",), language=language)


def _filters(explainer: ExplainerProtocol, model: str) -> np.ndarray:
    return np.clip(explainer.filters(model, FILTERS).filters * 255 + 0.5, 0, 255).astype(np.uint8)


def _positions(
    explainer: ExplainerProtocol, models: Sequence[str], image: np.ndarray, size: SizeChoice
) -> tuple[np.ndarray, tuple[int, int], float] | None:
    """Cosines of some positions with all (M, tiles, rows·cols) in 127 steps, how many tiles stand down and across, and
    the end of their scale. None for a model whose positions are not learned."""
    try:
        found = [explainer.position_similarity(model, size, image) for model in models]
    except DemoError:
        return None
    if found[0].kind != "learned":
        return None
    rows, cols = found[0].grid.shape
    down, across = (np.unique(np.linspace(0, n - 1, min(n, MOST_TILES)).round().astype(int)) for n in (rows, cols))
    chosen = (down[:, None] * cols + across).ravel()
    cosines = np.stack([one.matrix[chosen] for one in found])  # (M, tiles, rows·cols)
    others = np.arange(rows * cols) != chosen[:, None]
    limit = max(0.1, float(np.ceil(10 * np.abs(cosines[:, others]).max(initial=0)) / 10))
    return np.round(127 * cosines).astype(np.int8), (len(down), len(across)), limit


def _answers(
    explainer: ExplainerProtocol, models: Sequence[str], image: np.ndarray, size: SizeChoice
) -> tuple[list[str], list[list[float]]]:
    """The last state's best classes, and what every state gives them. None for a model without classes."""
    last = explainer.predict(image, models[-1], size, TOP)
    if not isinstance(last, Prediction):
        return [], [[] for _ in models]
    shares = []
    for model in models:
        every = explainer.predict(image, model, size, last.num_classes)
        # by their numbers: two classes may have one name
        given = dict(zip(every.classes, every.probabilities, strict=True)) if isinstance(every, Prediction) else {}
        shares.append([float(given.get(number, 0.0)) for number in last.classes])
    return list(last.labels), shares


def _ends(steps: Sequence[int], measured: Measured) -> tuple[float, float]:
    every = [float(step) for step in steps] + [step for values in measured.values() for step, _ in values]
    return min(every), max(every)


def _curves(measured: Measured, first: float, last: float, across_name: str) -> dict[str, str]:
    """A chart for each measured number, by its name."""
    span = (last - first) or 1
    marks = [((at - first) / span, f"{at:g}") for at in np.unique(np.linspace(first, last, MARKS).round())]
    charts = {}
    for number, (name, points) in enumerate(measured.items()):
        points = [(step, value) for step, value in points if np.isfinite(value)]  # what is no number is left out
        if not points:
            continue
        values = np.array([value for _, value in points])
        low, high = min(0.0, float(values.min())), float(values.max()) or 1.0
        charts[name] = line_chart(
            [Line(name, values, number % 4 + 1)],
            name,
            (low, high),
            across=[(step - first) / span for step, _ in points],
            across_marks=marks,
            across_name=across_name,
        )
    return charts
