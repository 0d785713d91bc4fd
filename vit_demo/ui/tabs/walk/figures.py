"""The figure of each step of the walk, from what was computed: one function a step, in the order of the pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import numpy as np

from vit_demo.contract import WalkStep
from vit_demo.render.charts import Line, line_chart
from vit_demo.ui.kit.html import percent, scale, table_html
from vit_demo.ui.state import PageState
from vit_demo.ui.tabs.walk.dino_figure import dino
from vit_demo.ui.tabs.walk.panels import (
    bars,
    channel_panel,
    chart_panel,
    depth_chart,
    heading,
    limits_of,
    map_panel,
    note,
    percent_mark,
    picture_panel,
    row,
    short,
    spread_chart,
)
from vit_demo.ui.tabs.walk.places import cosine, followed, marked, named, over_patches, percent_sign, token_name

FIRST_TOKENS, FIRST_NUMBERS = 12, 64
TOP_TOKENS, TOP_SHARES, TOP_ANSWERS = 5, 24, 8
MLP_COLUMNS = 64
NEIGHBOUR_TEMPERATURE = 0.07  # of cosines as shares: DINO's k-NN (Caron et al. 2021, section 4.1)


@dataclass(frozen=True)
class Drawn:
    """A step's figure as HTML; `data` is what the browser computes on; `links` are states of the page that it leads
    to."""

    html: str
    data: dict[str, object] | None = None


def figure_of(state: PageState, step: WalkStep) -> Drawn:
    """The figure of a step."""
    made = FIGURES[step.name](state, step)
    return made if isinstance(made, Drawn) else Drawn(made)


# --------------------------------------------------------------------------------------------- from picture to sequence


def pixels(state: PageState, step: WalkStep) -> str:
    values = step.tensors["pixels"]
    channels = ("red", "green", "blue") if len(values) == 3 else ("grey",)
    limits, names = limits_of(values), [state.say(f"walk.pixels_{channel}") for channel in channels]
    planes = [
        channel_panel(plane, state.say("walk.pixels_mean", channel=name, mean=short(float(plane.mean()))), limits)
        for plane, name in zip(values, names, strict=True)
    ]
    patch = step.info.grid.patch_px
    at = tuple(place * patch + patch // 2 for place in followed(step))
    spec, rows = state.explainer.details(step.info.model_id).preprocess, []
    for number, name in enumerate(names):
        value, mean, std = int(step.picture[at][number]), spec.mean[number], spec.std[number]
        rows.append((name, str(value), short(mean), short(std), short((value * spec.rescale - mean) / std)))
    head = ["", *(state.say(f"walk.pixels_{name}") for name in ("value", "mean_of", "spread_of", "result"))]
    return row(*planes) + heading(state.say("walk.pixels_table")) + table_html(head, rows)


def patches(state: PageState, step: WalkStep) -> str:
    grid = step.info.grid
    words = state.say("walk.patches_figure", count=f"{grid.num_patches:,}")
    canvas = f'<canvas class="vd-walk-sequence" role="img" aria-label="{escape(words)}"></canvas>'
    return f'<figure class="vd-figure vd-walk-wide"><figcaption>{escape(words)}</figcaption>{canvas}</figure>'


def embedding(state: PageState, step: WalkStep) -> str:
    grid, tensors = step.info.grid, step.tensors
    place, channels = followed(step), tensors["channels"].astype(int)
    token, P = place[0] * grid.cols + place[1], grid.patch_px
    cut = step.picture[place[0] * P : (place[0] + 1) * P, place[1] * P : (place[1] + 1) * P]
    maps = tensors["convolution"][:, channels].T.reshape(-1, *grid.shape)
    limits, parts = limits_of(maps), [picture_panel(cut, state.say("walk.embedding_patch"))]
    for number, (channel, kernel) in enumerate(zip(channels, tensors["filters"], strict=True)):
        words = state.say("walk.embedding_filter", number=channel + 1)
        middle = kernel.transpose(1, 2, 0) / (2 * np.abs(kernel).max() or 1.0) + 0.5
        shown = np.round(255 * np.broadcast_to(middle, (P, P, 3))).astype(np.uint8)
        drawn = map_panel(maps[number], "", limits, place, "vd-walk-tiny", with_scale=False)
        parts.append(f'<div class="vd-walk-pair">{picture_panel(shown, words)}{drawn}</div>')
    rows = [
        (state.say(f"walk.embedding_{name}"), *(short(float(tensors[key][token, i])) for i in channels))
        for name, key in (("conv", "convolution"), ("product", "product"))
    ]
    head = ["", *(state.say("walk.embedding_filter", number=i + 1) for i in channels)]
    difference = short(float(step.facts["difference"]))
    equal = state.say("walk.embedding_equal", tokens=f"{grid.num_patches:,}", difference=difference)
    under = f'<div class="vd-walk-scale">{escape(state.say("walk.embedding_map"))} {scale(*limits, "diverging")}</div>'
    table = heading(state.say("walk.embedding_table")) + table_html(head, rows)
    return row(*parts, kind="vd-walk-row-tight") + under + table + note(equal)


def prefix(state: PageState, step: WalkStep) -> str:
    tokens, count = step.tensors["tokens"], step.info.grid.num_prefix_tokens
    shown = tokens[: count + FIRST_TOKENS, :FIRST_NUMBERS]
    names = [token_name(step, token) for token in range(len(shown))]
    words = state.say("walk.prefix_figure", shown=shown.shape[1], width=tokens.shape[1])
    top = float(np.quantile(np.abs(shown), 0.99)) or 1.0
    return map_panel(shown, words, (-top, top), kind="vd-walk-wide vd-walk-rows", rows_named=names)


def positions(state: PageState, step: WalkStep) -> str:
    tensors, channel, parts = step.tensors, step.facts.get("channel"), []
    if "code" in tensors:
        limits = limits_of(*(tensors[name] for name in ("before", "code", "after")))
        for name in ("before", "code", "after"):
            words = state.say(f"walk.positions_{name}", channel=channel)
            parts.append(map_panel(tensors[name], words, limits, marked(step), "vd-walk-small"))
    for name in ("down", "right"):
        if name in tensors:
            words = state.say(f"walk.positions_{name}")
            parts.append(map_panel(tensors[name], words, (-1.0, 1.0), marked(step), "vd-walk-small"))
    html = row(*parts) if parts else ""
    if step.facts.get("resampled"):
        html += note(state.say("walk.positions_resampled"))
    return html + _without(state, step)


def _without(state: PageState, step: WalkStep) -> str:
    """The best answers with and without positions, once the question about them was answered."""
    if "without" not in step.tensors:
        return ""
    before, after = step.tensors["without"]
    columns = []
    for name, values in (("was", before), ("is", after)):
        best = np.argsort(-values, kind="stable")[:3]
        read = percent_sign if step.kind == "class" else cosine
        found = [(named(state, step, step.names[i]), float(values[i]), read(float(values[i]))) for i in best]
        columns.append(bars(found, state.say(f"walk.positions_{name}")))
    words = "walk.positions_without" if step.kind == "class" else "walk.positions_without_example"
    shown = heading(state.say(words)) + row(*columns)
    return _later(state, shown)


def _later(state: PageState, html: str) -> str:
    """What would give the answer to the question away: shown once that was answered."""
    until = f'<p class="vd-walk-note vd-walk-until">{escape(state.say("walk.after_answer"))}</p>'
    return f'{until}<div class="vd-walk-later">{html}</div>'


# ------------------------------------------------------------------------------------------------------- inside a layer


def norm(state: PageState, step: WalkStep) -> str:
    names = ("before", "normalised", "after")
    words = state.say("walk.norm_chart", layer=step.layer + 1)
    parts = [(state.say(f"walk.norm_{name}"), step.tensors[name]) for name in names]
    chart = spread_chart(parts, words, state.say("walk.norm_axis"))
    rows = [
        (name, short(round(float(values.mean()), 6) + 0.0), short(float(values.std())))
        for name, values in ((name, values.astype(np.float64)) for name, values in parts)
    ]
    return row(chart, table_html(["", state.say("walk.norm_mean"), state.say("walk.norm_std")], rows))


def qkv(state: PageState, step: WalkStep) -> str:
    words = state.say("walk.qkv_figure", layer=step.layer + 1, head=step.head + 1)
    numbers = [str(head + 1) for head in range(len(step.tensors["q"]))]
    parts = []
    for name in "qkv":
        drawn = map_panel(
            step.tensors[name],
            state.say(f"walk.qkv_{name}"),
            limits_of(step.tensors[name]),
            kind="vd-walk-heads",
            rows_named=numbers,
        )
        parts.append(_with_head(drawn, step.head))
    return note(words) + "".join(parts)


def _with_head(html: str, head: int) -> str:
    """Marks a head's name among the rows."""
    name = f"<span>{head + 1}</span>"
    return html.replace(name, f'<span class="vd-walk-now">{head + 1}</span>', 1)


def scores(state: PageState, step: WalkStep) -> str:
    tensors, facts, width = step.tensors, step.facts, int(step.facts["width"])
    at, frame = {"layer": step.layer + 1, "head": step.head + 1}, marked(step)
    scaled, shares = over_patches(step, tensors["scaled"]), over_patches(step, tensors["shares"])
    maps = row(
        map_panel(scaled, state.say("walk.scores_map", **at), limits_of(scaled), frame, "vd-walk-small"),
        map_panel(shares, state.say("walk.scores_shares"), limits_of(shares, signed=False), frame, "vd-walk-small"),
    )
    order = np.argsort(-tensors["shares"], kind="stable")
    rows = [
        (token_name(step, i), short(float(tensors["raw"][i])), short(float(tensors["scaled"][i])), f"{share:.4f}")
        for i, share in ((int(i), float(tensors["shares"][i])) for i in order[:TOP_TOKENS])
    ]
    rest = order[TOP_TOKENS:]
    if rest.size:
        left = f"{float(tensors['shares'][rest].sum()):.4f}"
        rows.append((state.say("walk.scores_rest", count=f"{rest.size:,}"), "", "", left))
    rows.append((state.say("walk.scores_sum", count=f"{order.size:,}"), "", "", f"{float(facts['sum']):.4f}"))
    head = [state.say("walk.scores_token"), state.say("walk.scores_raw")]
    head += [state.say("walk.scores_scaled", width=width), state.say("walk.scores_share")]
    table = heading(state.say("walk.scores_table")) + table_html(head, rows)
    lines = [
        Line(state.say(f"walk.scores_{name}"), np.sort(tensors[key])[::-1][:TOP_SHARES], colour, drawn)
        for name, key, colour, drawn in (("with", "shares", 1, ""), ("without", "unscaled", 2, "dashed"))
    ]
    top = max(float(line.values[0]) for line in lines)
    name = state.say("walk.scores_rank")
    svg = line_chart(lines, name, (0.0, top), first=1, across_name=name, number=percent_mark)
    spread = {"with_": f"{2 ** float(facts['entropy_bits']):.0f}", "width": width}
    spread["without"] = f"{2 ** float(facts['entropy_unscaled_bits']):.0f}"
    why = chart_panel(svg, state.say("walk.scores_why"), lines) + note(state.say("walk.scores_entropy", **spread))
    every = [
        map_panel(one, str(head + 1), limits_of(one, signed=False), frame, "vd-walk-tiny", with_scale=False)
        for head, one in enumerate(over_patches(step, values) for values in tensors["rows"])
    ]
    heads = heading(state.say("walk.scores_heads")) + row(*every, kind="vd-walk-row-tight")
    return maps + row(f'<div class="vd-walk-half">{table}</div>', f'<div class="vd-walk-half">{why}</div>') + heads


def values(state: PageState, step: WalkStep) -> str:
    tensors, at = step.tensors, {"layer": step.layer + 1, "head": step.head + 1}
    given = over_patches(step, tensors["given"])
    words = state.say("walk.values_map", **at)
    first = map_panel(given, words, limits_of(given, signed=False), marked(step), "vd-walk-small")
    heads, numbers = tensors["by_hand"], [str(head + 1) for head in range(len(tensors["by_hand"]))]
    collected = map_panel(
        heads, state.say("walk.values_heads"), limits_of(heads), kind="vd-walk-heads", rows_named=numbers
    )
    projected = tensors["projected"].reshape(-1, _columns(tensors["projected"].size))
    words = state.say("walk.values_projected")
    mixed = map_panel(projected, words, limits_of(projected), kind="vd-walk-heads")
    equal = state.say("walk.values_equal", difference=short(float(step.facts["difference"])))
    return row(first, f'<div class="vd-walk-half">{_with_head(collected, step.head)}{mixed}</div>') + note(equal)


def _columns(count: int) -> int:
    """How many of `count` numbers stand in a row, so that all rows are full."""
    return next(cols for cols in range(MLP_COLUMNS, 0, -1) if count % cols == 0)


def residual(state: PageState, step: WalkStep) -> str:
    stream = step.tensors["stream"]
    lines = [
        Line(state.say(f"walk.residual_{name}"), step.tensors[name] / stream[:-1], colour, drawn)
        for name, colour, drawn in (("attention", 1, ""), ("mlp", 2, "dashed"))
    ]
    across = state.say("walk.residual_layer")
    added = depth_chart(lines, state.say("walk.residual_added"), across, as_percent=True)
    words = state.say("walk.residual_stream")
    return row(added, depth_chart([Line(words, stream[1:], 3)], words, across))


def mlp(state: PageState, step: WalkStep) -> str:
    before, after = step.tensors["before"], step.tensors["after"]
    activation = {"silu": "SiLU", "quick_gelu": "QuickGELU"}.get(str(step.facts["activation"]), "GELU")
    parts = [(state.say("walk.mlp_before"), before), (state.say("walk.mlp_after"), after)]
    words = state.say("walk.mlp_chart", layer=step.layer + 1, activation=activation)
    chart = spread_chart(parts, words, state.say("walk.norm_axis"))
    hidden = after.reshape(-1, _columns(after.size))
    top = float(np.quantile(np.abs(hidden), 0.995)) or 1.0
    words = state.say("walk.mlp_figure", positive=percent(float(step.facts["positive"])))
    return row(chart, map_panel(hidden, words, (-top, top), kind="vd-walk-half"))


# ------------------------------------------------------------------------------------------------------ the whole depth


def layers(state: PageState, step: WalkStep) -> str:
    maps, shares = step.tensors["maps"], step.tensors["prefix"].sum(axis=-1)
    frame, parts = marked(step), []
    for layer, values in enumerate(maps):
        words = state.say("walk.layers_map", layer=layer + 1)
        if step.info.grid.num_prefix_tokens:
            words = state.say("walk.layers_map_prefix", layer=layer + 1, share=percent(float(shares[layer])))
        parts.append(map_panel(values, words, limits_of(values, signed=False), frame, "vd-walk-tiny", with_scale=False))
    said = state.say("walk.layers_scale")
    if step.info.grid.num_prefix_tokens:
        said += " " + state.say("walk.layers_prefix")
    html = row(*parts, kind="vd-walk-row-tight") + note(said)
    if "lens" in step.tensors:
        rows = [
            (f"{layer + 1} · {named(state, step, name)}", float(share), percent_sign(float(share)))
            for layer, (name, share) in enumerate(zip(step.names, step.tensors["lens"], strict=True))
        ]
        html += _later(state, bars(rows, state.say("walk.layers_lens")))
    return html


def answer(state: PageState, step: WalkStep) -> Drawn:
    scores_of, example = step.tensors["values"], step.kind == "example"
    order = np.argsort(-scores_of, kind="stable")[:TOP_ANSWERS]
    data = {
        "scores": [round(float(value), 5) for value in scores_of],
        "shown": [int(i) for i in order],
        "names": [named(state, step, step.names[i]) for i in order],
        "temperature": NEIGHBOUR_TEMPERATURE if example else 1.0,
        "each": bool(step.facts.get("multi_label")),  # every class has a probability of its own
    }
    words = state.say("walk.answer_class")
    if example:
        words = state.say("walk.answer_example", layer=step.facts["layer_read"])
    slider = (
        f'<label class="vd-walk-temperature">{escape(state.say("walk.answer_temperature"))} '
        '<input type="range" name="temperature" min="-2" max="1" step="0.01"><output></output></label>'
    )
    return Drawn(f'{heading(words)}{slider}<ol class="vd-bars vd-walk-answers"></ol>', {"answer": data})


FIGURES: dict[str, Callable[[PageState, WalkStep], str | Drawn]] = {
    "pixels": pixels,
    "patches": patches,
    "embedding": embedding,
    "prefix": prefix,
    "positions": positions,
    "norm": norm,
    "qkv": qkv,
    "scores": scores,
    "values": values,
    "residual": residual,
    "mlp": mlp,
    "layers": layers,
    "answer": answer,
    "dino": dino,
}
