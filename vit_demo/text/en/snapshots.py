"""A training of one's own, watched: vit_demo.Snapshots."""

WORDS = {
    "title": "{title}: what it learned",
    "heading": "Watch it learn",
    "help": (
        "You see what some kept states of the model make of one picture, the earliest first. Attention, positions and "
        "filters stand on one scale each, the same for all states."
    ),
    "moment": "State of the training",
    "earlier": "Earlier",
    "later": "Later",
    "play": "Play the training from its start",
    "step": "step {step} · state {number} of {count}",
    "saw": "The picture that the model saw",
    "heads_heading": "Where the class token looks (without one: the patches on average): a row for each layer, a column for each head",
    "head": "{layer}.{head} · outside {share} %",
    "head_label": "Layer {layer}, head {head}: attention over the patches; {share} % lies outside of them.",
    "scale": "attention on one patch",
    "own_scale": "each map on its own scale",
    "each_own": "each map's largest",
    "positions": "Position embeddings: cosine with every other",
    "positions_help": "A tile for each position, or for some of them where there are many. Noise at first; what repeats around a tile's own place is learned.",
    "filters": "Patch filters: the first principal components",
    "filters_help": "What a patch is measured by, the component with most variance first.",
    "steps": "step",
    "nothing": "There are no states yet: call add(model, step) while the model learns, for example after every epoch.",
    "another_model": "This state has another shape than those before: one collection is of one model.",
}
