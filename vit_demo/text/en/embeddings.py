"""The Embeddings tab."""

WORDS = {
    "tab": "Embeddings",
    "positions_heading": "## Position embeddings",
    "help_learned": (
        "**You see** a tile for each position: how alike its embedding is to that of every position (cosine). "
        "**Read it**: the model was never told that patches form a grid; the strong spot at each tile's own place, and "
        "the row and column through it, are learned. **It does not mean** that attention follows these maps."
    ),
    "help_rope": (
        "This model has no table of positions: it turns queries and keys by an angle that depends on the place (RoPE). "
        "**You see** what that does: the match left between the same vector at two places. **Read it** around each "
        "tile's own place, where it is 1. **It does not mean** that nothing was learned: weights decide what is turned."
    ),
    "no_positions": "{title} has neither position embeddings nor rotation, so there is nothing to show here.",
    "tiles_label": "A tile for each of {rows}×{cols} positions. Point at one, or move with the arrow keys.",
    "tiles_every": "Every position would be {rows}×{cols} tiles; {shown_rows}×{shown_cols} are shown, evenly spread.",
    "large": "row {row}, column {col}",
    "scale_learned": "cosine",
    "scale_rope": "match left",
    "grid_native": "the {rows}×{cols} grid it was trained on",
    "grid_other": "stretched to {rows}×{cols}",
    "grid_rope": "worked out for {rows}×{cols}",
    "two_notes": "{first}. {second}",
    "filters_heading": "## Patch embedding",
    "help_filters": (
        "**You see** the first {count} principal components of the {total} filters that turn a patch into a token. "
        "**Read it** as the patterns that a patch is measured by: smooth waves and colours in the paper's models, finer and "
        "noisier ones where the measuring is spread over many filters. "
        "**It does not mean** that single filters look like this: components are directions that filters share."
    ),
    "explained": "{count} components hold {share} % of the filters' variance",
    "filters_alt": "Principal components of the patch-embedding filters",
}
