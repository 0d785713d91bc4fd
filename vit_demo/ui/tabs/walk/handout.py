"""The walk on paper: one HTML file with everything in it, made of the same figures as the page."""

from __future__ import annotations

from html import escape

import numpy as np

from vit_demo.contract import WalkStep
from vit_demo.ui.kit.html import jpeg_url, percent
from vit_demo.ui.kit.static import ui_text
from vit_demo.ui.state import PageState
from vit_demo.ui.tabs.walk.figures import Drawn, figure_of, patches
from vit_demo.ui.tabs.walk.panels import bars
from vit_demo.ui.tabs.walk.steps import code_of, formula_of, idea_words, questions_of, shapes_of, title_of

MOST_PICTURE_PX, GAP_PX = 480, 1
SEQUENCE_COLUMNS = 48


def handout_html(state: PageState, steps: list[WalkStep]) -> str:
    """A whole HTML page without scripts: what is said of each step, its figure on this picture, questions, and at the
    end their answers."""
    info, grid = steps[0].info, steps[0].info.grid
    about = {"title": info.title, "rows": grid.rows, "cols": grid.cols, "patch": grid.patch_px}
    title, line = state.say("walk.handout_title"), state.say("walk.handout_of", **about)
    picture = f'<img class="vd-handout-picture" src="{jpeg_url(with_grid(steps[0]), MOST_PICTURE_PX)}" alt="">'
    body = "".join(_step_html(state, step, number) for number, step in enumerate(steps, start=1))
    answers = "".join(_answers_html(state, step, number) for number, step in enumerate(steps, start=1))
    style = ui_text("kit/kit.css") + ui_text("tabs/walk/view.css") + ui_text("kit/paper.css")
    return (
        f'<!doctype html><html lang="{state.language}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>main {{ {style} }}</style>"
        f'<body><main class="vd-walk"><h1>{escape(title)}</h1><p>{escape(line)}</p>{picture}{body}'
        f"<section><h2>{escape(state.say('walk.questions'))}</h2><ol>{answers}</ol></section></main></body></html>"
    )


def _step_html(state: PageState, step: WalkStep, number: int) -> str:
    drawn = figure_of(state, step)
    figure = drawn.html.partition('<p class="vd-walk-note vd-walk-until">')[0]  # what follows would answer the question
    if step.name == "patches":
        figure = patches(state, step).replace("<canvas", f'<img src="{jpeg_url(sequence_of(step))}" alt=""><canvas')
    if drawn.data:
        figure += _answer_bars(drawn)
    code = "".join(
        f"<p class='vd-walk-place'>{escape(one['place'])}</p><pre>{escape(one['code'])}</pre>" for one in code_of(step)
    )
    asked = "".join(
        f"<p><b>{escape(one.text)}</b> {escape(' · '.join(one.options))}</p>" for one in questions_of(state, step)
    )
    differs = "".join(f"<p>{escape(state.say(f'walk.differs_{name}'))}</p>" for name in step.differs)
    return (
        f"<section><h2>{number} · {escape(title_of(state, step.name))}</h2>"
        f'<p class="vd-walk-idea">{escape(idea_words(state, step.name, step))}</p>{figure}{differs}'
        f"<p><b>{escape(state.say('walk.shape'))}</b> <code>{escape(shapes_of(step))}</code></p>"
        f"<p><b>{escape(state.say('walk.formula'))}</b> <code>{escape(formula_of(step))}</code></p>"
        f"{code}{asked}</section>"
    )


def _answers_html(state: PageState, step: WalkStep, number: int) -> str:
    return "".join(
        f"<li value='{number}'>{escape(state.say('walk.handout_answer', answer=one.options[one.right]))} "
        f"– {escape(one.why)}</li>"
        for one in questions_of(state, step)
    )


def _answer_bars(drawn: Drawn) -> str:
    """The answers at the step's own temperature: on paper nothing slides."""
    data = drawn.data["answer"] if drawn.data else {}
    scores = np.asarray(data["scores"]) / data["temperature"]
    shares = np.exp(scores - scores.max())
    shares = 1 / (1 + np.exp(-scores)) if data["each"] else shares / shares.sum()
    found = [(name, float(shares[i])) for name, i in zip(data["names"], data["shown"], strict=True)]
    return bars([(name, share, f"{percent(share)} %") for name, share in found])


def with_grid(step: WalkStep) -> np.ndarray:
    """The picture as the model saw it, with its patches."""
    picture, P = step.picture.copy(), step.info.grid.patch_px
    for lines in (picture[::P], picture[:, ::P]):
        lines[:] = (0.5 * lines + 127).astype(np.uint8)
    return picture


def sequence_of(step: WalkStep) -> np.ndarray:
    """The patches in a line that is broken where the paper ends, with gaps of white."""
    grid, P = step.info.grid, step.info.grid.patch_px
    cut = step.picture[: grid.rows * P, : grid.cols * P].reshape(grid.rows, P, grid.cols, P, 3).swapaxes(1, 2)
    tiles = np.pad(cut.reshape(-1, P, P, 3), ((0, 0), (0, GAP_PX), (0, GAP_PX), (0, 0)), constant_values=255)
    lines = -(-len(tiles) // SEQUENCE_COLUMNS)
    full = np.full((lines * SEQUENCE_COLUMNS, P + GAP_PX, P + GAP_PX, 3), 255, np.uint8)
    full[: len(tiles)] = tiles
    wall = full.reshape(lines, SEQUENCE_COLUMNS, P + GAP_PX, P + GAP_PX, 3).swapaxes(1, 2)
    return np.ascontiguousarray(wall.reshape(lines * (P + GAP_PX), -1, 3))
