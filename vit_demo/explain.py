"""The Explainer: one method per question. Pictures and numpy in, numpy out; torch only inside, and only when asked.

Making an Explainer takes no time and imports no torch, so a page can stand before the model behind it does.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vit_demo.checkpoints import catalog
from vit_demo.contract import DemoError as DemoError
from vit_demo.contract import (
    FilterBank,
    HeadMaps,
    ModelDetails,
    ModelError,
    ModelStatus,
    Neighbours,
    Prediction,
    Similarity,
    SizeChoice,
    TokenQuery,
)
from vit_demo.hardware import Hardware, choose_hardware, gpu_task
from vit_demo.preprocess import as_rgb, input_size

if TYPE_CHECKING:
    from PIL import Image

    from vit_demo.checkpoints.load import LoadedModel
    from vit_demo.engine import Engine

MEGABYTE = 1 << 20
GALLERY_SIDE = 224  # examples are compared at this size: quick on any machine
NEIGHBOURS = 5
HUB_MEMORY_S = 60
NATIVE_SIZE, CLASS_TOKEN = SizeChoice(), TokenQuery()
EXAMPLES = Path(__file__).parent.parent / "examples"


class Explainer:
    """The app's engine, usable from a notebook.

    `device` is "auto", "cpu", "cuda", "cuda:0" or "mps". `any_model` lets names outside the catalogue be loaded (Hub
    ids, folders, files): for one's own machine, never for a public page. Caches are bounded in bytes. `hub` answers
    whether the Hub can be reached; once `look_for_hub` has been called, the answer is renewed behind `statuses` after a
    minute.
    """

    def __init__(
        self,
        device: str = "auto",
        *,
        any_model: bool = True,
        model_bytes: int = 1536 * MEGABYTE,
        trace_bytes: int = 768 * MEGABYTE,
        gallery: Path = EXAMPLES,
        hub: Callable[[], bool] | None = None,
    ):
        self._device, self._any_model = device, any_model
        self._limits = model_bytes, trace_bytes
        self._gallery_folder = gallery
        self._ask_hub, self._hub_reachable = hub, None
        self._asked_at: float | None = None
        compute = self._compute
        self._answer = gpu_task(compute)
        self._runs_elsewhere = self._answer is not compute  # true on ZeroGPU alone
        self._made: Engine | None = None
        self._making = threading.Lock()

    # ------------------------------------------------------------------------------------------------- what there is

    def look_for_hub(self) -> bool:
        """Whether the Hub can be reached, asked now (3 seconds at most) and remembered for `statuses`."""
        from vit_demo.checkpoints.reach import hub_reachable

        self._asked_at = time.monotonic()
        self._hub_reachable = (self._ask_hub or hub_reachable)()
        return self._hub_reachable

    def statuses(self) -> tuple[ModelStatus, ...]:
        """Every model of the catalogue and whether its weights can be had, as far as is known now; never waits."""
        if self._asked_at is not None and time.monotonic() - self._asked_at > HUB_MEMORY_S:
            self._asked_at = time.monotonic()
            threading.Thread(target=self.look_for_hub, name="look for the Hub", daemon=True).start()
        return catalog.statuses(self._hub_reachable)

    def default_model(self) -> str:
        return catalog.default_model(self.statuses())

    def warm_up(self) -> str:
        """Imports torch and loads the default model, so that the first visitor need not wait. Its id."""
        model = self.default_model()
        self.details(model)
        return model

    def fetch(self, model: str) -> None:
        """Puts a model's files on this machine without loading them."""
        from vit_demo.checkpoints import embedded
        from vit_demo.checkpoints.sources import find

        card = catalog.card_of(model)
        if card and card.source == "embedded":
            embedded.ensure()
        else:
            find(model)

    def details(self, model: str, progress: Callable[[int, int], None] | None = None) -> ModelDetails:
        """What a model is made of; loads it."""
        # Where tasks run in another process, the model must be loaded there, and a callback cannot follow it.
        return self._answer("details", model) if self._runs_elsewhere else self._details(model, progress)

    def _details(self, model: str, progress: Callable[[int, int], None] | None = None) -> ModelDetails:
        from vit_demo.sizes import size_options

        loaded = self._load(model, progress)
        config = loaded.model.config
        return ModelDetails(
            card=loaded.card,
            depth=config.depth,
            heads=config.heads,
            prefix_names=config.prefix_names,
            patch_px=config.patch_px,
            sizes=size_options(loaded),
            preprocess=loaded.preprocess,
            report={**loaded.report.summary(), "assumed": "; ".join(loaded.report.assumed)},
        )

    # -------------------------------------------------------------------------------------------------- the questions

    def predict(
        self, image: np.ndarray | Image.Image, model: str, size: SizeChoice = NATIVE_SIZE, top: int = 5
    ) -> Prediction | Neighbours:
        """The most probable classes, or for a model without a head the closest of the labelled example pictures."""
        return self._answer("predict", as_rgb(image), model, size, int(top))

    def attention(
        self,
        image: np.ndarray | Image.Image,
        model: str,
        size: SizeChoice = NATIVE_SIZE,
        query: TokenQuery = CLASS_TOKEN,
        layer: int = -1,
    ) -> HeadMaps:
        """Where one token looks, for every head of a layer (from 0; negative from the end)."""
        return self._answer("attention", as_rgb(image), model, size, query, int(layer))

    def position_similarity(
        self, model: str, size: SizeChoice = NATIVE_SIZE, image: np.ndarray | Image.Image | None = None
    ) -> Similarity:
        """Similarity of every position with every other: on the native grid, or on a picture's at that size."""
        return self._answer("position_similarity", model, size, None if image is None else as_rgb(image))

    def filters(self, model: str, count: int = 28) -> FilterBank:
        """The first principal components of the patch-embedding filters."""
        return self._answer("filters", model, int(count))

    # ---------------------------------------------------------------------------------------------------- the answers

    def _compute(self, question: str, *args):
        """The one way to the model. On ZeroGPU it runs in another process, so arguments and answers are plain data."""
        return getattr(self, f"_{question}")(*args)

    @property
    def _engine(self) -> Engine:
        """Made at the first question, once: this is where torch is imported."""
        if self._made is None:
            with self._making:
                if self._made is None:
                    from vit_demo.engine import Engine

                    self._made = Engine(choose_hardware(self._device), *self._limits)
        return self._made

    @property
    def hardware(self) -> Hardware:
        return self._engine.hardware

    def _load(self, model: str, progress: Callable[[int, int], None] | None = None) -> LoadedModel:
        # On a public page not even a revision may be named: anybody can put weights into a pull request.
        offered = self._any_model or any(card.id == model for card in catalog.CARDS)
        if not isinstance(model, str) or not offered:
            raise ModelError("checkpoint.not_offered", name=str(model)[:80])
        return self._engine.load(model, progress)

    def _predict(self, image: np.ndarray, model: str, size: SizeChoice, top: int) -> Prediction | Neighbours:
        loaded = self._load(model)
        if loaded.model.head is None:
            return self._neighbours(image, model, loaded)
        run = self._engine.run(image, model, size)
        probabilities = run.encoded.logits[0].softmax(dim=-1)
        count = len(probabilities)
        best = probabilities.topk(max(1, min(top, count)))
        names = loaded.labels or tuple(f"class {i}" for i in range(count))
        return Prediction(
            labels=tuple(names[i] for i in best.indices.tolist()),
            probabilities=tuple(best.values.tolist()),
            rest=max(0.0, 1.0 - float(best.values.sum())),
            num_classes=count,
            picture=run.prepared.picture,
            info=run.info,
        )

    def _neighbours(self, image: np.ndarray, model: str, loaded: LoadedModel) -> Neighbours:
        """The closest examples by the class token, all at GALLERY_SIDE; the picture itself is left out of them."""
        import torch

        from vit_demo.analysis.features import compare_with_gallery, knn_votes, picture_features

        small = self._engine.run(image, model, SizeChoice(GALLERY_SIDE))
        layer = loaded.card.neighbour_layer
        centred, layer = layer is not None, loaded.model.config.depth - 1 if layer is None else layer
        features, entries = self._gallery(model, layer)
        with torch.inference_mode():
            query = picture_features(loaded.model, small.trace, layer)[0]
            cosines = compare_with_gallery(query, features, centred).cpu()
        others = [i for i, entry in enumerate(entries) if entry["digest"] != small.prepared.digest]
        order = sorted(others, key=lambda i: -float(cosines[i]))[:NEIGHBOURS]
        labels = [entries[i]["key"] for i in others]
        return Neighbours(
            names=tuple(entries[i]["file"] for i in order),
            labels=tuple(entries[i]["key"] for i in order),
            cosines=tuple(float(cosines[i]) for i in order),
            votes=tuple(knn_votes(cosines[others], labels, NEIGHBOURS)),
            layer=layer,
            centred=centred,
            picture=small.prepared.picture,
            info=small.info,
        )

    def _gallery(self, model: str, layer: int):
        """Features (n, D) of the example pictures under a model, and their entries with digests; kept."""
        import torch
        from PIL import Image

        from vit_demo.analysis.features import picture_features
        from vit_demo.preprocess import prepare

        def make():
            loaded = self._load(model)
            entries = gallery_entries(self._gallery_folder)
            rows = []
            for entry in entries:
                with Image.open(self._gallery_folder / entry["file"]) as picture:
                    prepared = prepare(
                        picture, loaded.preprocess, loaded.model.config.patch_px, SizeChoice(GALLERY_SIDE)
                    )
                pixels = torch.from_numpy(prepared.pixels)[None].to(self.hardware.device)
                trace, _ = self._engine.encode(loaded, pixels)
                with torch.inference_mode():
                    rows.append(picture_features(loaded.model, trace, layer))
                entry["digest"] = prepared.digest
            return torch.cat(rows), entries

        return self._engine.galleries.get_or_make((model, layer), make, lambda made: made[0].numel() * 4)[0]

    def _attention(self, image: np.ndarray, model: str, size: SizeChoice, query: TokenQuery, layer: int) -> HeadMaps:
        import torch

        from vit_demo.analysis.attention import attention_rows

        self._load(model)  # refuses what is not offered
        run = self._engine.run(image, model, size)
        grid, depth = run.info.grid, run.info.depth
        if not -depth <= layer < depth:
            raise DemoError("attention.no_such_layer", layer=layer + 1 if layer >= 0 else layer, depth=depth)
        layer %= depth
        with torch.inference_mode():
            rows = attention_rows(run.trace, layer, query.token(grid))[0].cpu().numpy()  # (h, N)
        prefix = grid.num_prefix_tokens
        return HeadMaps(
            maps=rows[:, prefix:].reshape(-1, grid.rows, grid.cols),
            prefix=rows[:, :prefix],
            query=query,
            layer=layer,
            picture=run.prepared.picture,
            info=run.info,
        )

    def _position_similarity(self, model: str, size: SizeChoice, image: np.ndarray | None) -> Similarity:
        import torch

        from vit_demo.analysis.embeddings import position_similarity, rope_kernel
        from vit_demo.grid import PatchGrid

        loaded = self._load(model)
        vit, config = loaded.model, loaded.model.config
        height, width = config.image_size
        if image is not None:
            height, width = input_size(loaded.preprocess, config.patch_px, size, *image.shape[:2])
        grid = PatchGrid.of(height, width, config.patch_px, config.prefix_names)
        with torch.inference_mode():
            if config.position == "learned":
                matrix = position_similarity(vit.positions(grid.shape)[1][0]).cpu().numpy()
                return Similarity(matrix, grid, "learned", (-1.0, 1.0), grid.shape == config.native_grid)
            if config.rope is None:
                raise DemoError("embeddings.no_positions", title=loaded.card.title)
            matrix = rope_kernel(config.rope, vit.rope_bands, grid.shape).numpy()
        return Similarity(matrix, grid, "rope", (float(matrix.min()), 1.0), grid.shape == config.native_grid)

    def _filters(self, model: str, count: int) -> FilterBank:
        import torch

        from vit_demo.analysis.embeddings import filter_components

        weight = self._load(model).model.patch_embed.weight
        most = min(weight.shape[0], weight[0].numel())
        with torch.inference_mode():
            components, share = filter_components(weight, max(1, min(count, most)))
        shown = components.permute(0, 2, 3, 1)  # (k, P, P, 3)
        shown = 0.5 + shown / (2 * shown.abs().amax(dim=(1, 2, 3), keepdim=True))
        return FilterBank(shown.cpu().numpy(), share.cpu().numpy(), weight.shape[0])


def gallery_entries(folder: Path) -> list[dict]:
    """The labelled example pictures, in the order in which they are shown."""
    return json.loads((folder / "gallery.json").read_text(encoding="utf-8"))
