"""The Attention tab."""

WORDS = {
    "tab": "Attention",
    "help": (
        "**You see** how one token shares out its attention in one layer: one map per head. Point at any patch of the "
        "picture and click, and that patch asks. **Read it** by the scale: a map and the share under it (class token "
        "and registers) add up to 100 %. **It does not mean** that the model decided because of these places: "
        "attention is one step in a long computation, not an explanation."
    ),
    "layer": "Layer",
    "from": "From token",
    "token_cls": "class token (CLS)",
    "token_dist": "distillation token",
    "token_reg": "register {number}",
    "token_patch": "patch: row {row}, column {col}",
    "stage_label": (
        "The picture that the model saw, {rows} rows by {cols} columns of patches. Arrow keys move, Enter asks."
    ),
    "heads_label": "Heads of this layer",
    "head": "head {number}",
    "mean_of_heads": "mean of all heads",
    "prefix_share": "{names} {share} %",
    "grid": "patch grid",
    "opacity": "overlay",
    "mask": "only the strongest patches that hold",
    "mask_of": "of the patches' attention",
    "shared": "one scale for all heads",
    "smooth": "smooth",
    "colours": "colours",
    "more": "More",
    "viridis": "viridis",
    "cividis": "cividis",
    "grey": "grey",
    "scale": "attention of one patch",
    "readout": "row {row}, column {col}: {value} %, rank {rank} of {count}",
    "registers": "registers",
    "no_such_token": "This model has no token {name}. It has {names}, and the patches.",
    "outside_grid": "Patch row {row}, column {col} is outside the grid of {rows}×{cols}. Choose one inside.",
    "no_such_layer": "There is no layer {layer}. This model has {depth} layers.",
}
