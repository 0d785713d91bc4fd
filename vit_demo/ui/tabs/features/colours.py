"""PCA as colour beside the similarity of the patch pointed at, for the browser."""

from __future__ import annotations

import numpy as np

from vit_demo.contract import PatchFeatures, PcaImages
from vit_demo.render.colour import SEQUENTIAL
from vit_demo.ui.kit.binary import pack_arrays
from vit_demo.ui.kit.html import jpeg_url
from vit_demo.ui.kit.view import View
from vit_demo.ui.state import PageState

SHOWN_PX = 560
VIEW_WORDS = (
    *("opacity", "fixed", "smooth", "table", "unpin", "scale", "from", "to", "best"),
    *("stage_label", "like_caption"),
)


class FeaturesView(View):
    """PCA as colour beside the similarity of the patch pointed at, for some pictures."""

    source = "tabs/features/view"


def view_value(state: PageState, found: PcaImages, patches: list[PatchFeatures]) -> dict:
    """The value of a FeaturesView: see view.js for how it is read."""
    files = {"features": pack_arrays(features_arrays(found, patches))}
    return {"picture": None, "files": files, "data": features_data(state, found, patches)}


def features_arrays(found: PcaImages, patches: list[PatchFeatures]) -> dict[str, np.ndarray]:
    """The numbers that the browser computes with."""
    arrays = {}
    for i, (colours, one) in enumerate(zip(found.colours, patches, strict=True)):
        arrays[f"colours_{i}"] = (colours.reshape(-1, 3) * 255 + 0.5).astype(np.uint8)
        arrays[f"vectors_{i}"], arrays[f"steps_{i}"] = quantised(one.vectors)
    return arrays


def features_data(state: PageState, found: PcaImages, patches: list[PatchFeatures]) -> dict:
    """What stands around them: pictures, places and words."""
    words = {name: state.say(f"features.{name}") for name in VIEW_WORDS}
    words |= {table: state.say(f"attention.{table}") for table in SEQUENTIAL}
    shares = " · ".join(f"{100 * float(share):.0f} %" for share in found.explained)
    words["pca_caption"] = state.say("features.pca_caption", number="{number}", shares=shares)
    first = patches[0].grid
    return {
        "pictures": [
            {"src": jpeg_url(one.picture, SHOWN_PX), "rows": one.grid.rows, "cols": one.grid.cols} for one in patches
        ],
        "width": patches[0].vectors.shape[1],
        "at": {"picture": 0, "row": first.rows // 2, "col": first.cols // 2},
        "words": words,
    }


def quantised(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (n, D) as int16, and the step (n,) float32 that makes each a unit vector again: its cosine with
    itself is exactly 1. Cosines are off by less than 5e-5: three decimals are shown."""
    tops = np.abs(vectors).max(axis=1, keepdims=True)
    whole = np.rint(vectors / np.where(tops > 0, tops, 1) * 32767).astype(np.int16)
    lengths = np.linalg.norm(whole.astype(np.float64), axis=1)
    return whole, (1 / np.where(lengths > 0, lengths, 1)).astype(np.float32)
