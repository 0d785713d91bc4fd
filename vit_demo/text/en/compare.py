"""The Compare tab."""

WORDS = {
    "tab": "Compare",
    "help": (
        "**You see** up to four models on one picture, or one model on two pictures: a pointer in one points at the same "
        "place in all. **Read it** across: what changes with the model, and what stays. Grids of different sizes meet by "
        "place in the picture. **It does not mean** that head 3 of one model does what head 3 of another does: heads have "
        "no order, and colours of models of different width have nothing to do with each other."
    ),
    "pairs": "Worth seeing side by side",
    "pair_registers": "DINOv2 without and with registers: where do the bright background patches go?",
    "pair_labels": "ViT with labels, DINO without: who follows the object?",
    "pair_width": "ViT-B/16 and S/16: what does a wider model see? (their training differs a little, too)",
    "pair_generations": "DINO and DINOv3: far more pictures, and RoPE instead of a table of positions",
    "pair_digits": "Our digits model, trained and untouched: what training made",
    "models": "Beside the page's model",
    "models_info": "Up to three. Those that are not on this machine are downloaded.",
    "moment": "Digits ViT/4 after epoch {epoch}",
    "second": "the same model on a second picture",
    "second_picture": "The second picture",
    "second_label": "Second picture",
    "on_second": "{title}, second picture",
    "loading": "{title}: loading and computing",
    "depth": "Depth",
    "depth_is": "{percent} %",
    "head": "Head",
    "all_heads": "mean of all heads",
    "from": "Attention from",
    "from_class": "the class token",
    "from_patch": "the pointed patch",
    "mask": "only the strongest patches, with",
    "share": "of the attention",
    "shared": "one scale for all",
    "colours": "colours",
    "viridis": "viridis",
    "cividis": "cividis",
    "grey": "grey",
    "attention": "Attention, layer {layer} of {depth}",
    "similarity": "Likeness to the pointed patch, layer {layer}",
    "middle": "no patch is pointed at: to the middle one",
    "components": "Principal components, layer {layer}",
    "basis_shared": "the same colours mean the same in {count} columns",
    "basis_own": "these colours mean something in this column alone",
    "no_colours": "too few patches for colours",
    "no_class_token": "no class token: from the pointed patch",
    "nothing_here": "this place was cropped away",
    "stage": "{title}: {rows} rows by {cols} columns of patches. Arrow keys move.",
    "point": "Point at a patch in any picture.",
    "at": "{title}: row {row}, column {col}, attention {attention} %, likeness {likeness}",
    "cka": "Where their layers agree",
    "cka_help": (
        "Linear CKA of all patches of this picture at the same places ({rows}×{cols}): 1 where the features of one layer are "
        "those of the other turned and scaled; shuffled places would give {chance}. One picture: a bright diagonal says that the models go the same way through "
        "their layers, not that they are right."
    ),
    "cka_axes": "down: layers of {rows}; across: layers of {cols}",
    "cka_stage": "Agreement of the layers of {rows} and {cols}. Arrow keys move.",
    "cka_at": "layer {row} and layer {col}: {value}",
    "cka_best": "Most alike: layer {row} and layer {col}, {value}",
    "curves": "How attention goes through the layers, mean over heads, each model from its first layer to its last.",
    "first_layer": "first layer",
    "last_layer": "last layer",
    "distance": "Attention distance between patches, as a share of the picture's longer side",
    "entropy": "Entropy of attention, as a share of the most there can be",
    "nothing_in_common": "The two models see parts of this picture that have nothing in common. Choose a larger size.",
    "no_such_depth": "A depth of {depth} is outside the model. Give a number from 0 to 1.",
    "too_many": "{count} models cannot be compared: choose one or more, up to {most}.",
}
