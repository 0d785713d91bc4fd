"""The Relevance tab."""

WORDS = {
    "tab": "Relevance",
    "help": (
        "**You see** several methods' answers to one question: which patches did this score come from? Each map has a "
        "scale of its own. **Read it** by agreement: where methods that work differently point to the same place, it "
        "is worth a closer look; blue in a two-sided map speaks against the target. **It does not mean** that any of "
        "them is the truth: measure faithfulness below before you believe one."
    ),
    "target": "Explain",
    "any_target": "or any other",
    "note_class": "The score is the logit of the class, read after layer {layer} of {depth}.",
    "note_example": (
        "This model has no classifier: the score is how much the picture is **like the chosen example** (cosine of "
        "class tokens after layer {layer} of {depth}). It is a comparison, not a class."
    ),
    "more": "More: options of the methods",
    "fusion": "Rollout joins the heads by their",
    "fusion_mean": "mean",
    "fusion_max": "maximum",
    "fusion_min": "minimum",
    "discard": "Rollout leaves out the lowest share of entries",
    "start": "Down to layer",
    "baseline": "Hidden patches show",
    "baseline_dropped": "nothing: they are left out (where a method can)",
    "baseline_mean": "mean colour",
    "baseline_blur": "blur",
    "baseline_black": "black",
    "pair_heading": "## Two targets side by side",
    "other": "Compare with",
    "method": "Method",
    "difference": "{one} minus {other}",
    "long_heading": "## Methods that take longer",
    "long_help": "They run the model many times and fill their map in parts. You can stop them and keep what is there.",
    "compute": "Compute this map",
    "stop": "Stop",
    "begins": "{method}: computing the first part",
    "parts_done": "{method}: {part} of {parts} parts",
    "faith_heading": "## Faithfulness",
    "faith_help": (
        "Patches are hidden (deletion) or shown (insertion) in the order of each map, most relevant first, and the "
        "score is followed. A good map has a **small** area under deletion and a **large** one under insertion, and is "
        "clearly better than a random order. Hidden patches are left out of the model where it allows that, "
        "or painted over as chosen under More. Either way it sees what it was never trained on: small differences mean "
        "nothing."
    ),
    "measure": "Measure faithfulness",
    "measured": "{done} of {count} orders measured",
    "curve_class": "Probability of “{name}” over the share of patches hidden or shown",
    "curve_example": "Cosine with “{name}” over the share of patches hidden or shown",
    "deletion": "deletion",
    "insertion": "insertion",
    "random": "random order",
    "area_method": "Order of the patches",
    "area_deletion": "area, deletion (small is good)",
    "area_insertion": "area, insertion (large is good)",
    "areas_of": "{title}: area under deletion {deletion}, under insertion {insertion}",
    "stage": "{title}: {rows} rows by {cols} columns of patches. Arrow keys move.",
    "here": "{value}, rank {rank} of {count}",
    "patch": "row {row}, column {col}",
    "point": "Hover over a patch to read its value in every map.",
    "fold": "Formula, paper, weakness",
    "prefix": "{share} % on prefix tokens",
    "took": "{ms} ms",
    "unit_share": "share of the whole",
    "unit_relative": "relative, no unit",
    "unit_logit": "contribution to the logit",
    "unit_cosine": "contribution to the cosine",
    "method_attention": "Raw attention",
    "method_rollout": "Attention rollout",
    "method_gradient_rollout": "Gradient rollout",
    "method_chefer": "Chefer's rule",
    "method_legrad": "LeGrad",
    "method_grad_cam": "Grad-CAM",
    "method_gradient_input": "Gradient × input",
    "method_integrated_gradients": "Integrated gradients",
    "method_occlusion": "Occlusion",
    "method_random_masks": "Random masks",
    "weakness_attention": (
        "Knows no target: the same map for every class. It shows one layer, and not what the values it reads contain."
    ),
    "weakness_rollout": (
        "Knows no target. It takes attention and the residual stream as equally strong and leaves out the MLPs, so the "
        "map blurs with depth."
    ),
    "weakness_gradient_rollout": (
        "The gradient's size sets how far the walk leaves the identity: where it is small, nearly everything stays on "
        "the token that is read."
    ),
    "weakness_chefer": "Drops all negative contributions and the MLPs; a gradient near 0 (a saturated score) gives nothing.",
    "weakness_legrad": (
        "Reads the target from layers that were never trained to give it. Where the class token is read, only its row "
        "has a gradient."
    ),
    "weakness_grad_cam": (
        "One layer, one weight per channel for the whole picture; made for convolutions, where places keep their "
        "meaning. Negative evidence is cut off."
    ),
    "weakness_gradient_input": (
        "Local: says what an infinitely small change does, and is noisy. Pixels at the mean colour get 0 whatever they "
        "mean."
    ),
    "weakness_integrated_gradients": (
        "Depends on the baseline: what looks like it gets nothing. The pictures on the path are no photographs."
    ),
    "weakness_occlusion": (
        "Misses things that are there twice: hiding one changes nothing. The window's size decides what is found."
    ),
    "weakness_random_masks": "Noisy with few masks, coarse by design, and made of pictures the model was not trained on.",
    "no_examples": "There are no example pictures to compare with, and this model has no classifier. Choose another model.",
    "no_such_target": "There is no target {number}. There are {count}. Choose one of them.",
    "no_such_method": "There is no method {name}. There are {names}.",
    "no_such_part": "Method {method} has {parts} parts, and no part {part}. Ask for one of them.",
    "option_out_of_range": "The option {name} cannot be {value}. Choose from {allowed}.",
    "wrong_map": "This map does not fit the picture: {rows} rows by {cols} columns of finite numbers are needed.",
}
