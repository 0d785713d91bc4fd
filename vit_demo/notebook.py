"""From a notebook or a script: the explorer as one HTML file, shown in place, or the whole app."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vit_demo.contract import NATIVE_SIZE, SizeChoice
from vit_demo.explain import Explainer
from vit_demo.preprocess import as_rgb

if TYPE_CHECKING:
    import gradio as gr
    import numpy as np
    from PIL import Image
    from torch import nn

    from vit_demo.checkpoints.load import LoadedModel

HEIGHT_PX = 900


def explorer_html(
    image: np.ndarray | Image.Image,
    model: str | LoadedModel | nn.Module = "",
    size: SizeChoice = NATIVE_SIZE,
    layers: Sequence[int] | None = None,
    language: str = "en",
    explainer: Explainer | None = None,
) -> str:
    """The interactive explorer of attention as one HTML file: hover, hold, compare, every head of every layer, without
    a server and without a request. `model` is a name ("" for the best on this machine), what `load_model` or
    `from_module` gave, or a module of timm, transformers or torchvision itself; `layers` (from 0) None: all of them.

    About 5 MB for all layers of ViT-S/16 at 224 px, 33 MB for ViT-S/14 at 518 px. Raises DemoError for a picture or
    model that cannot be had, ValueError for layers that there are not.
    """
    from vit_demo.ui.tabs.attention.file import explorer_file

    explainer = explainer or Explainer()
    name = _named(explainer, model)
    return explorer_file(explainer, as_rgb(image), name, size, layers, language)


def _named(explainer: Explainer, model: str | LoadedModel | nn.Module) -> str:
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
    image: np.ndarray | Image.Image, model: str | LoadedModel | nn.Module = "", height_px: int = HEIGHT_PX, **more: Any
) -> Shown:
    """The explorer in a notebook, below the cell. `more` as for `explorer_html`; errors as there."""
    return Shown(explorer_html(image, model, **more), height_px)


def launch(model: str | LoadedModel | nn.Module = "", **arguments: Any) -> gr.Blocks:
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
