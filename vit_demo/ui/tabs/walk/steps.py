"""What is said of a step beside its figure: words, shapes, formula, code, questions; on the page and on paper alike."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape

import numpy as np

from vit_demo.contract import WALK_STEPS, WalkStep
from vit_demo.ui.kit.links import go_link
from vit_demo.ui.kit.terms import with_terms
from vit_demo.ui.state import PageState
from vit_demo.ui.tabs.walk.places import named

END = "explain"  # the page after the last step
STEPS = (*WALK_STEPS, END)
IN_LAYER = ("norm", "qkv", "scores", "values", "residual", "mlp")
OVER_DEPTH = ("layers", "dino")
WITH_HEAD = ("qkv", "scores", "values")
# What each letter counts stands in vit_demo/model/__init__.py
FORMULAS = {
    "pixels": "x = (value / 255 − mean) / std",
    "patches": "N = H·W / P²",
    "embedding": "tokenᵢ = E·patchᵢ + b",
    "prefix": "[CLS, token₁, …, token_N]",
    "positions": "xᵢ = tokenᵢ + pᵢ",
    "norm": "(x − mean(x)) / std(x) · γ + β",
    "qkv": "[q, k, v] = W·x + b;   h heads of d numbers",
    "scores": "aᵢⱼ = softmaxⱼ(qᵢ·kⱼ / √d)",
    "values": "outᵢ = W_o·[Σⱼ aᵢⱼ·vⱼ for each head]",
    "residual": "x ← x + attention(norm(x));   x ← x + mlp(norm(x))",
    "mlp": "mlp(x) = W₂·GELU(W₁·x + b₁) + b₂",
    "layers": "x ← block_L(… block₂(block₁(x)))",
    "answer": "softmax(W·norm(x_CLS) / T)",
    "dino": "loss = −Σ softmax((t − c)/τ_t)·log softmax(s/τ_s)",
}
READ = {"avg": "meanᵢ xᵢ", "token+avg": "[x_CLS, meanᵢ xᵢ]", "map": "pool(x)"}  # what the head reads, by the pooling
# The formula where a model computes a step otherwise
OTHER_FORMULAS = {
    "rope": "q ← R(row, col)·q,   k ← R(row, col)·k",
    "table_and_rope": "xᵢ = tokenᵢ + pᵢ;   q ← R(row, col)·q,   k ← R(row, col)·k",
    "no_positions": "xᵢ = tokenᵢ",
    "rms_norm": "x / rms(x) · γ",
    "gated": "mlp(x) = W·(SiLU(G·x) ⊙ (V·x))",
    "no_head": "cos(f, example) = f·e / (|f|·|e|)",
}


@dataclass(frozen=True)
class Question:
    """A question as it is read: its text, options, the right one from 0, and why."""

    key: str
    text: str
    options: tuple[str, ...]
    right: int
    why: str


def title_of(state: PageState, name: str) -> str:
    return state.say(f"walk.{name}")


def idea_words(state: PageState, name: str, found: WalkStep) -> str:
    """A step's idea, as it holds for this model."""
    if name == "mlp":
        dim, hidden = found.shapes["token"][0], found.shapes["hidden"][0]
        return state.say("walk.mlp_idea", dim=f"{dim:,}", hidden=f"{hidden:,}")
    if name == "answer":
        pool = {"token": "token", "avg": "avg", "token+avg": "both", "map": "map"}.get(
            str(found.facts["pool"]), "token"
        )
        key = "walk.answer_idea" if found.kind == "class" else "walk.answer_idea_no_head"
        return state.say(key, read=state.say(f"walk.read_{pool}"))
    return state.say(f"walk.{name}_idea")


def idea_of(state: PageState, name: str, found: WalkStep) -> str:
    """The same as HTML, with the terms of the glossary marked."""
    return with_terms(idea_words(state, name, found), state.language)


def formula_of(step: WalkStep) -> str:
    if step.name == "prefix":
        return f"[{', '.join([*map(str.upper, step.info.grid.prefix_names), 'token₁', '…', 'token_N'])}]"
    if step.name == "answer" and step.kind == "class":
        read = READ.get(str(step.facts["pool"]), "x_CLS")
        return f"sigmoid(W·norm({read}))" if step.facts.get("multi_label") else f"softmax(W·norm({read}) / T)"
    return next((OTHER_FORMULAS[name] for name in step.differs if name in OTHER_FORMULAS), FORMULAS[step.name])


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as people write it: 3 × 224 × 224."""
    return " × ".join(f"{side:,}" for side in shape)


def shapes_of(step: WalkStep) -> str:
    """The shapes of a step, one after the other."""
    return " → ".join(f"{SHAPE_NAMES.get(name, name)} {shape_text(shape)}" for name, shape in step.shapes.items())


# As they stand in formulas and code: the same in every language
SHAPE_NAMES = {
    "pixels": "x",
    "patches": "patches",
    "weight": "W",
    "planes": "conv",
    "flat": "flat",
    "tokens": "tokens",
    "table": "p",
    "cosines": "R",
    "gain": "γ, β",
    "joined": "joined",
    "heads": "heads",
    "queries": "q, k",
    "scores": "a",
    "values": "v",
    "token": "xᵢ",
    "hidden": "hidden",
    "added": "added",
    "rows": "a",
    "read": "read",
}


def questions_of(state: PageState, step: WalkStep) -> list[Question]:
    """The questions in the page's language."""
    found = []
    for one in step.questions:
        values = dict(one.values)
        for name in ("before", "after", "best"):
            if name in values:
                values[name] = named(state, step, str(values[name]))
        options = tuple(state.say(option) if option.startswith("walk.") else option for option in one.options)
        text, why = state.say(f"walk.q_{one.name}", **values), state.say(f"walk.why_{one.name}", **values)
        found.append(Question(one.name, text, options, one.right, why))
    return found


def differs_of(state: PageState, step: WalkStep) -> list[str]:
    """What this model does otherwise, as HTML."""
    return [with_terms(state.say(f"walk.differs_{name}"), state.language) for name in step.differs]


def code_of(step: WalkStep) -> list[dict[str, str]]:
    return [{"place": f"{one.file}:{one.line}", "code": one.code} for one in step.source]


def followed_words(state: PageState, step: WalkStep, chosen: str) -> str:
    """Which token is followed; `chosen` is the visitor's own choice, if any."""
    if step.query.prefix is not None:
        said = state.say("walk.followed_token", name=step.query.prefix.upper())
        return said if chosen else f"{said} {state.say('walk.followed_over_depth')}"
    return state.say("walk.followed_patch", row=step.query.row + 1, col=step.query.col + 1)


def map_of(state: PageState, shapes: dict[str, tuple[int, ...]]) -> list[dict[str, object]]:
    """The whole model: every step with the shape of what leaves it."""
    return [
        {
            "name": name,
            "title": title_of(state, name),
            "short": state.say(f"walk.{name}_short"),
            "shape": shape_text(shapes[name]) if name in shapes and name != "dino" else "",
            "layer": name in IN_LAYER,
        }
        for name in STEPS
    ]


# ------------------------------------------------------------------------------------------------------------- the end

# Of the patches: what the first experiment takes away, and how many of the longest vectors the fourth does
BRIGHTEST_SHARE, LONGEST, EXAMPLE_HEAD = 0.1, 6, 2


def experiments(found: WalkStep) -> dict[str, list[tuple[str, dict[str, object]]]]:
    """For each of five misunderstandings, the changes of the What-if tab that let one try, each with the end of its
    phrase. `found` is the last step of the walk."""
    bright, norms = found.tensors["heads"].mean(axis=0), found.tensors["norms"]
    count = max(1, round(BRIGHTEST_SHARE * bright.size))
    read, heads = int(found.facts["layer_read"]), found.info.heads
    state = ["cls"] if "cls" in found.info.grid.prefix_names else None
    head = [[[read - 1, min(EXAMPLE_HEAD, heads - 1)], "mean"]]
    return {
        "attention": [
            ("brightest", {"drop": _largest(bright, count)}),
            ("others", {"drop": _largest(-np.abs(bright - np.median(bright)), count)}),  # from the middle of the ranks
        ],
        "scale": [("sharper", {"temperature": 2.0})],
        "heads": [("head", {"heads": head})],
        "norms": [("longest", {"drop": _largest(norms, min(LONGEST, norms.size - 1))})],
        "class": [
            ("early", {"patch_in": [[max(0, read // 4 - 1), state, None]]}),
            ("late", {"patch_in": [[max(0, read - 1), state, None]]}),
        ],
    }


def _largest(values: np.ndarray, count: int) -> list[list[int]]:
    """The places (row, col) of the largest values."""
    order = np.argsort(-values, axis=None, kind="stable")[:count]
    return sorted([int(i) // values.shape[1], int(i) % values.shape[1]] for i in order)


def end_html(state: PageState, found: WalkStep) -> str:
    """What a visitor can now explain: each misconception with what to look for, and links to try it."""
    items = []
    for name, tried in experiments(found).items():
        said, why = state.say(f"walk.explain_{name}"), state.say(f"walk.explain_{name}_why")
        links = []
        for phrase, edits in tried:
            at = edits["heads"][0][0] if "heads" in edits else (0, 0)  # type: ignore[index]
            words = state.say(f"walk.explain_{phrase}", layer=at[0] + 1, head=at[1] + 1)
            links.append(go_link(state, {"tab": "what_if", "edits": json.dumps(edits)}, words))
        tries = f"{escape(state.say('walk.explain_try'))}: {' · '.join(links)}"
        items.append(f"<li><h3>{escape(said)}</h3><p>{with_terms(why, state.language)}</p><p>{tries}</p></li>")
    return f'<ol class="vd-walk-end">{"".join(items)}</ol>'
