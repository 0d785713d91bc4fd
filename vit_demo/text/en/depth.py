"""The Depth tab."""

WORDS = {
    "tab": "Depth",
    "help": (
        "**You see** four numbers of every head, layer by layer: a dot is a head, the line is the mean of its layer. "
        "**Read it** from left to right: in many models some early heads look only nearby, others across the whole "
        "picture, and late layers look far. **It does not mean** that a head that looks far has seen more: the dashed line "
        "is what a head would have that looks at every token alike."
    ),
    "renormalised": "distance without the share of prefix tokens (renormalised)",
    "models": "Compare with other models",
    "models_info": "Models that are on this machine. Pixels are those of each model's own input.",
    "run": "Average over the example pictures",
    "stop": "Stop",
    "this_picture": "This picture, {rows}×{cols} patches.",
    "so_far": "{title}: {done} of {count} example pictures",
    "over_examples": "Mean of {count} example pictures.",
    "distance": "Mean attention distance, px",
    "distance_renormalised": "Mean attention distance, renormalised, px",
    "distance_what": "How far a patch looks on average. What it gives to prefix tokens counts as no distance (ViT, App. D.7).",
    "distance_renormalised_what": "How far a patch looks on average, of the attention that it gives to patches.",
    "entropy": "Entropy of attention, bits",
    "entropy_what": "How widely a patch spreads its attention: 0 for one token, log2 of the number of tokens for all alike.",
    "prefix": "Attention on prefix tokens, %",
    "prefix_what": "What patches give to the class token and registers, on average.",
    "register": "Class token's attention on registers, %",
    "register_what": "What the class token gives to all registers together.",
    "no_prefix": "{title} has no prefix tokens.",
    "no_registers": "{title} has no class token with registers beside it.",
    "layer": "layer",
    "dot": "layer {layer}, head {head}: {value}",
    "dot_of": "{title}, layer {layer}, head {head}: {value}",
    "px": "{value} px",
    "bits": "{value} bits, {share} % of the most",
    "percent": "{value} %",
    "figure": "{what}. Mean of the heads of {title}, layer by layer: {means}.",
    "too_many": "Up to {most} models fit into one figure. Choose fewer.",
}
