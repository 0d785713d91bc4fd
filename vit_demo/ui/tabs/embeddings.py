"""The Embeddings tab: what the position and patch embeddings have learned (ViT Fig. 7)."""

from __future__ import annotations

from html import escape

import numpy as np

from vit_demo.contract import ExplainerProtocol, SizeChoice
from vit_demo.grid import PatchGrid
from vit_demo.render.colour import DIVERGING
from vit_demo.render.figures import filter_sheet, tile_positions
from vit_demo.text import say
from vit_demo.ui.views import base64_of, png_url


def positions_view(
    explainer: ExplainerProtocol, image: np.ndarray | None, model: str, size: SizeChoice, language: str
) -> tuple[dict, str, PatchGrid]:
    """(data for the SimilarityView, key of the help text, grid). On the grid of the picture at its size."""
    similarity = explainer.position_similarity(model, size, image)
    grid, (low, high) = similarity.grid, similarity.limits
    rows, cols = tile_positions(grid)
    chosen = [row * grid.cols + col for row in rows for col in cols]
    scaled = (similarity.matrix[chosen] - low) / max(high - low, 1e-9) * 255
    rope = similarity.kind == "rope"
    other = "embeddings.grid_rope" if rope else "embeddings.grid_other"
    how = "embeddings.grid_native" if similarity.native else other
    note = say(how, language, rows=grid.rows, cols=grid.cols)
    if (len(rows), len(cols)) != grid.shape:
        shown = {"rows": grid.rows, "cols": grid.cols, "shown_rows": len(rows), "shown_cols": len(cols)}
        note = say(
            "embeddings.two_notes", language, first=note, second=say("embeddings.tiles_every", language, **shown)
        )
    data = {
        "rows": grid.rows,
        "cols": grid.cols,
        "tile_rows": rows,
        "tile_cols": cols,
        "matrix": base64_of(np.clip(scaled + 0.5, 0, 255).astype(np.uint8)),
        "low": float(low),
        "high": float(high),
        "digits": 2 if rope else 0,
        "table": "viridis" if rope else DIVERGING,
        "words": {
            "tiles_label": say("embeddings.tiles_label", language, rows=len(rows), cols=len(cols)),
            "note": note,
            "scale": say("embeddings.scale_rope" if rope else "embeddings.scale_learned", language),
            "large": say("embeddings.large", language),
        },
    }
    return {"picture": None, "data": data}, "embeddings.help_rope" if rope else "embeddings.help_learned", grid


def filters_view(explainer: ExplainerProtocol, model: str, language: str) -> tuple[str, str]:
    """(HTML of the filter sheet, help text)."""
    bank = explainer.filters(model)
    count = len(bank.filters)
    held = say("embeddings.explained", language, count=count, share=f"{100 * float(bank.explained.sum()):.0f}")
    sheet = png_url(filter_sheet(bank.filters))
    html = (
        f'<figure class="vd-filters"><img src="{sheet}" alt="{escape(say("embeddings.filters_alt", language))}">'
        f"<figcaption>{escape(held)}</figcaption></figure>"
    )
    return html, say("embeddings.help_filters", language, count=count, total=bank.num_filters)
