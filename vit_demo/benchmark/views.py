"""The time from a picture to each view's answer: first ask, and asked again. For the model that opens the app, and for
ViT-B/16 with random weights, on whose numbers time does not depend."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from vit_demo.contract import OwnClasses, SizeChoice, TokenQuery
from vit_demo.contract.own_classes import THUMB_PX
from vit_demo.contract.relevance import QUICK_METHODS
from vit_demo.edits import Edits

VIT_B = "vit_base_patch16_224"
HOVERS = 40
THREE_GONE = Edits(drop=((1, 1), (1, 2), (2, 2)))
ONE_HEAD = Edits(heads={(6, 0): "mean"})
EXPLORE = Path(__file__).parents[1] / "ui" / "kit" / "explore.js"
# Every head's row of random tokens, as the explorer computes it for each place of the pointer.
NODE = """
const js = await import(process.argv[1]), [heads, tokens, width] = process.argv.slice(2, 5).map(Number);
const fill = (n) => Float32Array.from({ length: n }, () => Math.random() - 0.5);
const layer = { heads, tokens, width, q: fill(heads * tokens * width), k: fill(heads * tokens * width) };
const times = [];
for (let i = 0; i < Number(process.argv[5]); i++) {
  const token = Math.floor(Math.random() * tokens), started = performance.now(), maps = [];
  for (let h = 0; h < heads; h++) maps.push(js.rowOf(layer, h, token));
  js.fused(maps, "mean");
  times.push(performance.now() - started);
}
console.log(times.sort((a, b) => a - b)[times.length >> 1]);
"""


def measure_views(device: str = "cpu") -> dict[str, dict[str, dict[str, float]]]:
    """Milliseconds by model and view. A model that is not there is left out."""
    from vit_demo.checkpoints import catalog, embedded

    found = {}
    if embedded.is_converted() or embedded.is_installed():
        found["DINOv2 ViT-S/14 at 518 px"] = _measure(catalog.EMBEDDED_ID, device)
    with _random_vit_b() as folder:
        found["ViT-B/16 at 224 px, random weights"] = _measure(folder, device)
    found["browser's computation for one place of the pointer (Node)"] = {
        "6 heads, 1,370 tokens": _hover(6, 1370, 64),
        "12 heads, 1,370 tokens": _hover(12, 1370, 64),
        "12 heads, 197 tokens": _hover(12, 197, 64),
    }
    return {case: {view: times for view, times in views.items() if times} for case, views in found.items()}


@contextlib.contextmanager
def _random_vit_b() -> Iterator[str]:
    import timm

    with tempfile.TemporaryDirectory() as folder:
        model = timm.create_model(VIT_B, pretrained=False)
        timm.models.save_for_hf(model, folder, safe_serialization=True)
        yield folder


def _measure(model: str, device: str) -> dict[str, dict[str, float]]:
    from PIL import Image

    from vit_demo.explain import EXAMPLES, Explainer

    explainer, size = Explainer(device), SizeChoice()
    explainer.details(model)
    with Image.open(EXAMPLES / "dog.jpg") as opened:
        picture = np.asarray(opened.convert("RGB"))
    with Image.open(EXAMPLES / "macaw.jpg") as opened:
        other = np.asarray(opened.convert("RGB"))
    explainer.prepare_views(model)  # as the app does behind its page
    explainer.attention_layer(other, model)  # warms the machine, not the caches of this picture
    target = explainer.targets(other, model, size, 1).best[0]
    own = _own_classes(explainer, (picture, other), model)

    grid = explainer.attention(other, model).info.grid.shape
    order = np.arange(grid[0] * grid[1], dtype=np.float32).reshape(grid)  # any order of the patches takes as long
    views = {
        "attention: forward pass, a layer's tensors and the wall": lambda: _explorer(explainer, picture, model),
        "attention: another layer's tensors": lambda: explainer.attention_layer(picture, model, size, 3),
        "attention: one row, computed here": lambda: explainer.attention(picture, model, size, TokenQuery(), 3),
        "predict": lambda: explainer.predict(picture, model),
        "relevance: all quick methods": lambda: explainer.relevance(picture, model, size, target, QUICK_METHODS),
        "faithfulness of one map, patches dropped": lambda: explainer.faithfulness(picture, model, size, target, order),
        "faithfulness of one map, painted in the mean colour": lambda: explainer.faithfulness(
            picture, model, size, target, order, "mean"
        ),
        "what if: three patches dropped": lambda: explainer.what_if(picture, model, size, THREE_GONE),
        "what if: a head of the middle layer replaced": lambda: explainer.what_if(picture, model, size, ONE_HEAD),
        "what if: scan over every head": lambda: explainer.scan(picture, model, size, "heads"),
        "what if: scan over every layer": lambda: explainer.scan(picture, model, size, "layers"),
        "what if: scan over patches": lambda: explainer.scan(picture, model, size, "patches"),
        "what if: states of a second picture": lambda: explainer.scan(picture, model, size, "states", other=other),
        "compare: agreement of a model with itself": lambda: explainer.agreement(picture, model, model, size),
        "compare: principal components": lambda: explainer.joint_colours(picture, (model,), size),
        "depth: all statistics": lambda: explainer.depth(picture, model, size),
        "embeddings: positions": lambda: explainer.position_similarity(model, size, picture),
        "embeddings: by offset, components": lambda: explainer.position_structure(model, size, picture),
        "embeddings: the table on another grid": lambda: explainer.stretched_table(model, (16, 24)),
        "embeddings: what that does to the picture": lambda: explainer.interpolation(
            picture, model, SizeChoice(grid=(16, 24)), None, "google"
        ),
        "embeddings: filters": lambda: explainer.filters(model),
        "embeddings: filters on the picture": lambda: explainer.filter_responses(picture, model, size),
        "embeddings: parts of the input": lambda: explainer.input_parts(picture, model, size),
        "features: PCA of the last layer's tokens": lambda: explainer.pca((picture,), model, size),
        "features: PCA of layer 4's keys": lambda: explainer.pca((picture,), model, size, 3, "key"),
        "features: vectors for similarity": lambda: explainer.patch_features(picture, model, size),
        "features: k-means": lambda: explainer.segments(picture, model, size),
        "features: normalised cut": lambda: explainer.segments(picture, model, size, method="ncut"),
        "features: norms": lambda: explainer.token_norms(picture, model, size),
        "features: through the layers": lambda: explainer.evolution(picture, model, size),
        "features: pairs with a picture that has been seen": lambda: explainer.correspondences(
            picture, other, model, size
        ),
        "features: pictures alike": lambda: explainer.alike(picture, (), model),
        "own classes: six examples, their vectors at hand": lambda: explainer.own_classes(picture, own, model),
    }
    return {name: {"first_ms": _milliseconds(view), "again_ms": _milliseconds(view)} for name, view in views.items()}


def _explorer(explainer, picture: np.ndarray, model: str) -> None:
    explainer.attention_layer(picture, model)
    explainer.attention_wall(picture, model)


def _own_classes(explainer, pictures: tuple[np.ndarray, ...], model: str) -> OwnClasses:
    """A class for each picture, of three of its parts."""
    parts = [picture[:, start : start + picture.shape[1] // 2] for picture in pictures for start in (0, 40, 80)]
    labels = np.repeat(np.arange(len(pictures)), 3)
    thumbnails = np.zeros((len(parts), THUMB_PX, THUMB_PX, 3), np.uint8)
    names = tuple(f"class {number}" for number in range(len(pictures)))
    return OwnClasses(names, labels, thumbnails, explainer.picture_vectors(parts, model))


def _milliseconds(compute: Callable[[], object]) -> float:
    started = time.perf_counter()
    compute()
    return 1000 * (time.perf_counter() - started)


def _hover(heads: int, tokens: int, width: int) -> dict[str, float]:
    """Median of one process in Node; nothing where Node is not installed."""
    node = shutil.which("node")
    if node is None:
        return {}
    arguments = [EXPLORE.as_uri(), *map(str, (heads, tokens, width, HOVERS))]
    command = [node, "--no-warnings", "--input-type=module", "-e", NODE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return {"again_ms": float(done.stdout)}


def print_views(views: dict) -> None:
    for case, rows in views.items():
        print(f"\n{case:<66}{'first ms':>10}{'again ms':>10}")
        for name, row in rows.items():
            first = f"{row['first_ms']:.0f}" if "first_ms" in row else "–"
            print(f"{name:<66}{first:>10}{row['again_ms']:>10.1f}")
