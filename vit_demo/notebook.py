"""From a notebook or a script: a view as one HTML file, shown in place, or the whole app."""

from __future__ import annotations

import html
import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vit_demo.contract import MOST_COMPARED, NATIVE_SIZE, SizeChoice
from vit_demo.explain import Explainer
from vit_demo.preprocess import as_rgb

if TYPE_CHECKING:
    import gradio as gr
    import numpy as np
    from PIL import Image
    from torch import nn

    from vit_demo.checkpoints.load import LoadedModel
    from vit_demo.ui.state import PageState

    Picture = np.ndarray | Image.Image
    Model = str | LoadedModel | nn.Module

HEIGHT_PX = 900


def explorer_html(
    image: Picture,
    model: Model = "",
    size: SizeChoice | int = NATIVE_SIZE,
    layers: Sequence[int] | None = None,
    language: str = "en",
    explainer: Explainer | None = None,
) -> str:
    """The interactive explorer of attention as one HTML file: hover, hold, compare, every head of every layer, without
    a server and without a request. `model` is a name ("" for the best on this machine), what `load_model` or
    `from_module` gave, or a module of timm, transformers or torchvision itself; `size` the shorter side in pixels or a
    SizeChoice; `layers` (from 0) None: all of them.

    About 5 MB for all layers of ViT-S/16 at 224 px, 33 MB for ViT-S/14 at 518 px. Raises DemoError for a picture or
    model that cannot be had, ValueError for layers that there are not.
    """
    from vit_demo.ui.tabs.attention.file import explorer_file

    explainer = explainer or Explainer()
    name = _named(explainer, model)
    return explorer_file(explainer, as_rgb(image), name, _size(size), layers, language)


def features_html(
    images: Picture | Sequence[Picture],
    model: Model = "",
    size: SizeChoice | int = NATIVE_SIZE,
    layer: int | None = None,
    language: str = "en",
    explainer: Explainer | None = None,
    **how: Any,
) -> str:
    """Principal components as colours and the similarity to the patch pointed at, for one picture or several on one
    basis, as one HTML file. `layer` from 0, None: the last; `how` as for `Explainer.pca` (`facet`, `method` …). About
    1.4 MB a picture for ViT-S/14 at 518 px. Errors as for `explorer_html`."""
    from vit_demo.ui.tabs.features.file import features_file

    pictures = [as_rgb(one) for one in (images if isinstance(images, list | tuple) else [images])]
    if not pictures:
        raise ValueError("one picture or more is looked at")
    state = _state(explainer, pictures[0], model, size, language)
    depth = state.explainer.details(state.model).depth
    at = depth - 1 if layer is None else layer
    if not 0 <= at < depth:
        raise ValueError(f"layers are numbers from 0 to {depth - 1}")
    found = state.explainer.pca(pictures, state.model, state.size, at, **how)
    facet = found.facet
    patches = [state.explainer.patch_features(one, state.model, state.size, at, facet) for one in pictures]
    return features_file(state, found, patches)


def compare_html(
    image: Picture,
    models: Sequence[Model],
    size: SizeChoice | int = NATIVE_SIZE,
    depth: float = 1.0,
    language: str = "en",
    explainer: Explainer | None = None,
) -> str:
    """Up to four models side by side on one picture, under one pointer, as one HTML file; `depth` is that of the
    layers shown, 0 the first and 1 the last. Errors as for `explorer_html`; ValueError for more models."""
    from vit_demo.ui.tabs.compare.file import compare_models

    models = models if isinstance(models, list | tuple) else [models]
    if not 1 <= len(models) <= MOST_COMPARED:
        raise ValueError(f"from 1 to {MOST_COMPARED} models stand side by side")
    state = _state(explainer, as_rgb(image), models[0], size, language)
    names = [state.model, *(_named(state.explainer, one) for one in models[1:])]
    return compare_models(state, names, depth)


def learning_html(
    image: Picture,
    moments: Sequence[tuple[int, Model]],
    measured: Mapping[str, Sequence[tuple[float, float]]] = {},
    size: SizeChoice | int = NATIVE_SIZE,
    language: str = "en",
    explainer: Explainer | None = None,
) -> str:
    """States of one model while it learned, on one picture, under one slider, as one HTML file: attention of every
    head, position embeddings, filters, answers. `moments` are steps and models, the earliest first, `measured` curves
    by name as (step, value). `vit_demo.Snapshots` collects both. Errors as for `explorer_html`."""
    from vit_demo.ui.tabs.draw.file import training_file

    explainer = explainer or Explainer()
    named = [(step, _named(explainer, model)) for step, model in moments]
    return training_file(explainer, named, as_rgb(image), _size(size), measured, language)


VIEWS = {"attention": explorer_html, "features": features_html, "compare": compare_html}


def _size(size: SizeChoice | int) -> SizeChoice:
    """TypeError for what is neither a whole number of pixels nor a SizeChoice."""
    if isinstance(size, SizeChoice):
        return size
    if isinstance(size, bool):
        raise TypeError("a size is a whole number of pixels, or a SizeChoice")
    return SizeChoice(operator.index(size))


def _state(
    explainer: Explainer | None, image: np.ndarray, model: Model, size: SizeChoice | int, language: str
) -> PageState:
    """What the page's views are made from, without a page."""
    from vit_demo.gallery import read_gallery
    from vit_demo.ui.state import PageState, Selection

    explainer = explainer or Explainer()
    return PageState(explainer, read_gallery(), image, _named(explainer, model), _size(size), Selection(), language)


def _named(explainer: Explainer, model: Model) -> str:
    """The name under which an Explainer knows a model, which it now does."""
    if isinstance(model, str):
        return explainer.details(model or explainer.default_model(download=False)).card.id
    from vit_demo.checkpoints.load import LoadedModel
    from vit_demo.checkpoints.modules import from_module

    return explainer.offer(model if isinstance(model, LoadedModel) else from_module(model))


class Shown:
    """What `show` gives: Jupyter, JupyterLab, VS Code and Colab draw it by `_repr_html_`. It stays alive in a saved
    notebook and in its HTML export, since all of it stands in the page."""

    def __init__(self, page: str, height_px: int = HEIGHT_PX):
        self.page, self.height_px = page, height_px

    def _repr_html_(self) -> str:
        # A frame of its own, so that several stand on one page and none meets the notebook's styles or scripts
        return (
            f'<iframe srcdoc="{html.escape(self.page)}" width="100%" height="{self.height_px}" '
            'sandbox="allow-scripts" style="border:0" loading="lazy"></iframe>'
        )

    def save(self, path: str) -> None:
        """Writes the file: it opens by a double click."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.page)


def show(
    image: Picture | Sequence[Picture],
    model: Model | Sequence[Model] = "",
    height_px: int = HEIGHT_PX,
    view: str = "attention",
    **more: Any,
) -> Shown:
    """A view in a notebook, below the cell: "attention", "features" (of one picture or several) or "compare" (of
    several models). `more` as for `explorer_html`, `features_html`, `compare_html`; errors as there, and ValueError
    for another view."""
    if view not in VIEWS:
        raise ValueError(f"there is no view {view!r}; there are {', '.join(VIEWS)}")
    return Shown(VIEWS[view](image, model, **more), height_px)


def launch(model: Model = "", **arguments: Any) -> gr.Blocks:
    """The whole app from a notebook or a script, opened on a model: one of the catalogue, or one's own as for
    `explorer_html`. `arguments` are those of gradio's
    `launch` (`inline`, `share`, `height` …). Returns the page, whose `close()` ends it.

    Raises DemoError for a model that the catalogue does not have.
    """
    from vit_demo.serve import Settings, build, load_behind
    from vit_demo.ui.launch import launch_arguments

    demo, explainer = build(Settings(model=model if isinstance(model, str) else "", any_model=True))
    if not isinstance(model, str):
        explainer.open_with(_named(explainer, model))
    load_behind(explainer)
    demo.launch(**{**launch_arguments(), "prevent_thread_lock": True, "quiet": True, **arguments})
    return demo
