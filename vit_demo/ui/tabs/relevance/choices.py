"""The lists of the Relevance tab: targets, methods and options, in the visitor's language."""

from __future__ import annotations

import gradio as gr

from vit_demo.contract import BASELINES, Relevance, Targets
from vit_demo.contract.relevance import LONG_METHODS, QUICK_METHODS, UNTARGETED_METHODS
from vit_demo.ui.page import Updates
from vit_demo.ui.state import PageState
from vit_demo.ui.tabs.relevance.figures import method_name

PAIR_METHODS = tuple(method for method in QUICK_METHODS if method not in UNTARGETED_METHODS)
FUSIONS = ("mean", "max", "min")


def kept_target(chosen: object, model: str, count: int) -> int | None:
    """The target that the visitor chose, if it was for this model."""
    if not isinstance(chosen, dict) or chosen.get("model") != model:
        return None
    target = chosen.get("target")
    return target if isinstance(target, int) and 0 <= target < count else None


def target_names(state: PageState, targets: Targets) -> list[str]:
    """Class names, or the examples' names in the visitor's language."""
    if targets.kind == "class":
        return [state.class_name(name) for name in targets.names]
    return [example_name(state, key) for key in targets.names]


def example_name(state: PageState, key: str) -> str:
    return next((example.label(state.language) for example in state.examples if example.key == key), key)


def shown_name(state: PageState, answer: Relevance) -> str:
    return state.class_name(answer.name) if answer.kind == "class" else example_name(state, answer.name)


def choices_of(
    state: PageState, targets: Targets, names: list[str], target: int, pair_method: object, long_method: object
) -> Updates:
    """Every list of the tab, in the visitor's language."""

    def scored(index: int) -> str:
        value = float(targets.scores[index])
        words = f"{100 * value:.1f} %" if targets.kind == "class" else f"{value:.2f}".replace("-", "−")
        return f"{names[index]} · {words}"

    every = [(name, index) for index, name in enumerate(names)]
    in_words = lambda methods: [(method_name(method, state.language), method) for method in methods]  # noqa: E731
    return {
        "relevance_best": gr.update(
            choices=[(scored(index), index) for index in targets.best], value=target if target in targets.best else None
        ),
        "relevance_target": gr.update(choices=every, value=target),
        "relevance_other": gr.update(choices=every, value=None),
        "relevance_pair_method": gr.update(
            choices=in_words(PAIR_METHODS), value=pair_method if pair_method in PAIR_METHODS else "chefer"
        ),
        "relevance_long_method": gr.update(
            choices=in_words(LONG_METHODS), value=long_method if long_method in LONG_METHODS else "occlusion"
        ),
        "relevance_fusion": gr.update(
            choices=[(state.say(f"relevance.fusion_{fusion}"), fusion) for fusion in FUSIONS]
        ),
        "relevance_baseline": gr.update(
            choices=[(state.say(f"relevance.baseline_{kind}"), kind) for kind in BASELINES]
        ),
    }
