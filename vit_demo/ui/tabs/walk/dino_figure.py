"""The figure of the last step: how a model learns without labels, measured while our own learned digits."""

from __future__ import annotations

from html import escape

import numpy as np

from vit_demo.contract import WalkStep
from vit_demo.render.charts import Line, line_chart
from vit_demo.ui.kit.html import jpeg_url, percent
from vit_demo.ui.state import PageState
from vit_demo.ui.tabs.walk.panels import (
    chart_panel,
    depth_chart,
    heading,
    limits_of,
    map_panel,
    note,
    percent_mark,
    row,
)
from vit_demo.ui.tabs.walk.places import marked


def dino(state: PageState, step: WalkStep) -> str:
    """Cut-outs of the picture, the curves of our own run, and where the heads of the page's model look."""
    facts = step.facts
    told = {"teacher": facts["teacher_temperature"], "student": facts["student_temperature"]}
    used = {"share": percent(float(facts["knn_accuracy"])), "pixels": percent(float(facts["knn_accuracy_of_pixels"]))}
    loss, entropy, neighbours = _curves(state, step)
    return "".join(
        [
            row(_crops(state, step), loss),
            row(entropy, neighbours),
            note(state.say("walk.dino_collapse", **told)),
            note(state.say("walk.dino_share", **used)),
            heading(state.say("walk.dino_heads")),
            row(*_heads(state, step), kind="vd-walk-row-tight"),
            note(state.say("walk.dino_later")),
        ]
    )


def _crops(state: PageState, step: WalkStep) -> str:
    """The picture with the cut-outs that teacher and student see."""
    facts = step.facts
    large, every = int(facts["global_crops"]), int(facts["global_crops"]) + int(facts["local_crops"])
    boxes = "".join(
        f'<span class="{"vd-walk-large" if number < large else "vd-walk-part"}" style="top:{100 * top:.1f}%;'
        f'left:{100 * left:.1f}%;height:{100 * (bottom - top):.1f}%;width:{100 * (right - left):.1f}%"></span>'
        for number, (top, left, bottom, right) in enumerate(step.tensors["crops"].tolist())
    )
    words = escape(state.say("walk.dino_crops", large=large, all=every))
    return (
        f'<figure class="vd-figure vd-walk-small"><figcaption>{words}</figcaption><div class="vd-walk-crops">'
        f'<img src="{jpeg_url(step.picture, 320)}" alt="">{boxes}</div></figure>'
    )


def _curves(state: PageState, step: WalkStep) -> tuple[str, str, str]:
    """Loss, the teacher's entropy, and the share of neighbours with the right label, by epoch."""
    facts, tensors = step.facts, step.tensors
    across, most = state.say("walk.dino_epoch"), float(np.log(float(facts["outputs"])))
    words = state.say("walk.dino_loss", count=f"{facts['trained_on']:,}")
    loss = depth_chart([Line(words, tensors["loss"], 1)], words, across)
    words = state.say("walk.dino_entropy")
    ends = [Line(state.say("walk.dino_teacher"), tensors["entropy"], 1)]
    ends.append(Line(state.say("walk.dino_most"), np.full(len(tensors["entropy"]), most), 2, "dashed"))
    entropy = depth_chart(ends, words, across)
    measured = ~np.isnan(tensors["knn"])
    epochs = np.flatnonzero(measured) + 1
    places = (epochs - 1) / max(1, len(measured) - 1)
    words = state.say("walk.dino_knn")
    marks = [(float(at), str(epoch)) for at, epoch in zip(places, epochs, strict=True)][:: max(1, len(epochs) // 6)]
    line = [Line(words, tensors["knn"][measured], 3)]
    svg = line_chart(
        line, words, (0.0, 1.0), across=list(places), across_marks=marks, across_name=across, number=percent_mark
    )
    return loss, entropy, chart_panel(svg, words)


def _heads(state: PageState, step: WalkStep) -> list[str]:
    """Each head of the last layer of the page's model."""
    return [
        map_panel(
            one,
            state.say("walk.dino_head", head=head + 1),
            limits_of(one, signed=False),
            marked(step),
            "vd-walk-tiny",
            with_scale=False,
        )
        for head, one in enumerate(step.tensors["heads"])
    ]
