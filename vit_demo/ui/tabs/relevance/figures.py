"""What the Relevance tab draws: data for the maps, and the curves of faithfulness with a table of areas."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from vit_demo.contract import Faithfulness, Relevance, RelevanceMap
from vit_demo.render.charts import Line, keys, line_chart
from vit_demo.text import say
from vit_demo.ui.kit.html import base64_of, note, number
from vit_demo.ui.kit.view import View

# Names that are the same in every language: formulas, and who wrote what.
FORMULAS = {
    "attention": "r · mean_h A[L]",
    "rollout": "r · Â[L] ⋯ Â[1],  Â = rows of (fuse_h A + I), each divided by its sum",
    "gradient_rollout": "r · Â[L] ⋯ Â[1],  Â = rows of (ReLU(mean_h A ⊙ ∂y/∂A) + I), each divided by its sum",
    "chefer": "R ← R + Ā · R,  Ā = mean_h ReLU(A ⊙ ∂y/∂A);  r · R − r",
    "legrad": "Σ_l mean_{h, rows} ReLU(∂y_l/∂A[l]),  y_l = y read from layer l",
    "grad_cam": "ReLU(x · w),  w = mean over patches of ∂y/∂x,  x = norm₁ of the last layer",
    "gradient_input": "Σ_pixels x · ∂y/∂x",
    "integrated_gradients": "(x − x′) · ∫₀¹ ∂y/∂x (x′ + t (x − x′)) dt",
    "occlusion": "mean over windows that cover the patch of y(x) − y(window hidden)",
    "random_masks": "Σ_i y(mask_i) m_i / Σ_i m_i − mean_i y(mask_i)",
}
PAPERS = {
    "attention": "Vaswani et al. 2017, arXiv 1706.03762",
    "rollout": "Abnar & Zuidema 2020, arXiv 2005.00928",
    "gradient_rollout": "Gildenblat 2020, github.com/jacobgil/vit-explain",
    "chefer": "Chefer, Gur & Wolf 2021, arXiv 2103.15679",
    "legrad": "Bousselham et al. 2024, arXiv 2404.03214",
    "grad_cam": "Selvaraju et al. 2017, arXiv 1610.02391",
    "gradient_input": "Shrikumar et al. 2016, arXiv 1605.01713",
    "integrated_gradients": "Sundararajan, Taly & Yan 2017, arXiv 1703.01365",
    "occlusion": "Zeiler & Fergus 2014, arXiv 1311.2901",
    "random_masks": "Petsiuk, Das & Saenko 2018 (RISE), arXiv 1806.07421",
}


class RelevanceView(View):
    """Maps of several methods over one picture, with one cursor in all of them."""

    source = "tabs/relevance/view"


def limits_of(values: np.ndarray, signed: bool) -> tuple[float, float]:
    """The ends of a map's scale: 0 and the largest value, or for a signed map as far to both sides."""
    top = float(np.abs(values).max())
    return (-top if signed else 0.0), top


def view_value(answer: Relevance, maps: Sequence[dict], language: str) -> dict:
    """The value of a RelevanceView: `maps` as `tile` gives them, over the picture of `answer`."""
    names = ["opacity", "smooth", "colours", "viridis", "cividis", "grey"]
    words = {name: say(f"attention.{name}", language) for name in names}
    words |= {name: say(f"relevance.{name}", language) for name in ("stage", "here", "patch", "point", "fold")}
    rows, cols = answer.info.grid.shape
    return {"picture": answer.picture, "data": {"rows": rows, "cols": cols, "maps": list(maps), "words": words}}


def tile(
    made: RelevanceMap, kind: str, language: str, title: str = "", limits: tuple[float, float] | None = None
) -> dict:
    """One method's map for the browser; `limits` where it shares its scale with another."""
    low, high = limits or limits_of(made.values, made.signed)
    notes = []
    if made.prefix is not None and len(made.prefix):
        notes.append(say("relevance.prefix", language, share=f"{100 * made.prefix_share:.1f}"))
    notes.append(say("relevance.took", language, ms=f"{made.elapsed_ms:.0f}"))
    fold = [
        {"kind": "formula", "text": FORMULAS[made.method]},
        {"kind": "paper", "text": PAPERS[made.method]},
        {"kind": "weakness", "text": say(f"relevance.weakness_{made.method}", language)},
    ]
    return {
        "method": made.method,
        "title": title or method_name(made.method, language),
        "values": base64_of(made.values.astype("<f4")),
        "low": low,
        "high": high,
        "signed": made.signed,
        "unit": made.unit,
        "unit_name": unit_name(made.unit, kind, language),
        "note": " · ".join(notes),
        "fold": [] if title else fold,
    }


def difference_tile(one: RelevanceMap, other: RelevanceMap, kind: str, title: str, language: str) -> dict:
    """The first map less the second, on a diverging scale."""
    values = one.values - other.values
    low, high = limits_of(values, signed=True)
    return {
        "method": "difference",
        "title": title,
        "values": base64_of(values.astype("<f4")),
        "low": low,
        "high": high,
        "signed": True,
        "unit": one.unit,
        "unit_name": unit_name(one.unit, kind, language),
        "note": "",
        "fold": [],
    }


def method_name(method: str, language: str) -> str:
    return say(f"relevance.method_{method}", language)


def unit_name(unit: str, kind: str, language: str) -> str:
    if unit == "score":
        return say("relevance.unit_logit" if kind == "class" else "relevance.unit_cosine", language)
    return say("relevance.unit_share" if unit == "share" else "relevance.unit_relative", language)


# ------------------------------------------------------------------------------------------------------------- curves


def curves_html(
    measured: Sequence[tuple[str, Faithfulness]], control: Faithfulness, progress: str, name: str, language: str
) -> str:
    """A small chart for every method with the random order behind it, on one scale, and a table of areas.

    `measured` are (method, curves); `progress` is HTML; `name` is the target's in the visitor's language.
    """
    answers = [curves for _, curves in measured] + [control]
    ends = [
        float(end)
        for a in answers
        for end in (a.deletion.min(), a.insertion.min(), a.deletion.max(), a.insertion.max())
    ]
    low, high = min(0.0, *ends), max(ends)
    charts = "".join(
        f"<figure><figcaption>{escape(method_name(method, language))}</figcaption>"
        f"{_chart(curves, control, low, high, method_name(method, language), language)}</figure>"
        for method, curves in measured
    )
    y = say("relevance.curve_class" if control.kind == "class" else "relevance.curve_example", language, name=name)
    return (
        f'<div class="vd-rel-faith">{progress}{note(y)}{keys(_lines(control, control, language))}'
        f'<div class="vd-rel-charts">{charts}</div>{_table(measured, control, language)}</div>'
    )


def _lines(curves: Faithfulness, control: Faithfulness, language: str) -> list[Line]:
    names = {kind: say(f"relevance.{kind}", language) for kind in ("deletion", "insertion", "random")}
    return [
        Line(names["deletion"], curves.deletion, 2),
        Line(names["insertion"], curves.insertion, 1, "dashed"),
        Line(names["random"], control.deletion, 0, "thin"),
    ]


def _chart(curves: Faithfulness, control: Faithfulness, low: float, high: float, title: str, language: str) -> str:
    """One method's curves over the share of patches taken away or put in, the random order's behind them."""
    areas = say(
        "relevance.areas_of",
        language,
        title=title,
        deletion=f"{curves.deletion_area:.3f}",
        insertion=f"{curves.insertion_area:.3f}",
    )
    deletion, insertion, random = _lines(curves, control, language)
    behind = [random, random._replace(values=control.insertion)]
    marks = [(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")]
    return line_chart(
        [*behind, deletion, insertion], areas, (low, high), number=number, across=curves.fractions, across_marks=marks
    )


def _table(measured: Sequence[tuple[str, Faithfulness]], control: Faithfulness, language: str) -> str:
    """Areas by method, the best of each column marked; the control last."""
    rows = [(method_name(method, language), curves) for method, curves in measured]
    best = {
        "deletion": min((c.deletion_area for _, c in rows), default=None),
        "insertion": max((c.insertion_area for _, c in rows), default=None),
    }

    def cell(value: float, column: str, of_method: bool) -> str:
        words = f"{value:.3f}".replace("-", "−")
        return f"<td>{f'<b>{words}</b>' if of_method and value == best[column] else words}</td>"

    def row(name: str, curves: Faithfulness, of_method: bool) -> str:
        cells = cell(curves.deletion_area, "deletion", of_method) + cell(curves.insertion_area, "insertion", of_method)
        return f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'

    body = "".join(row(name, curves, True) for name, curves in rows)
    body += row(say("relevance.random", language), control, False)
    heads = "".join(
        f'<th scope="col">{escape(say(f"relevance.area_{kind}", language))}</th>'
        for kind in ("method", "deletion", "insertion")
    )
    return f'<table class="vd-rel-table"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'
