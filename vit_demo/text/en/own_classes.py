"""The Own classes tab."""

WORDS = {
    "tab": "Own classes",
    "help": (
        "**You see** what the picture on the left is by classes that you make up: give each a name and a few pictures. "
        "**Read it**: the model stays as it is; the votes (k-NN) and the probe (logistic regression) only compare its features. "
        "The accuracy is counted by leaving out one example at a time. **It does not mean** much with few examples: two right "
        "of two is no proof. Nothing is kept after this visit; download the file to go on later."
    ),
    "begin": "Start with example pictures: animals and things",
    "animals": "animals",
    "things": "things",
    "more": "Remove a class, or load saved ones",
    "name": "Name of the class",
    "examples": "Examples to add",
    "uploads": "Or your own pictures",
    "add": "Add to this class",
    "add_this": "Add the picture on the left",
    "removed": "Class to remove",
    "remove": "Remove it",
    "file": "Load saved classes (NPZ)",
    "count": "{count} pictures",
    "empty": "No classes yet. Type a name, choose pictures, and add them; two classes are enough.",
    "or_begin": "Or start from an example:",
    "saw": "the picture that the model saw",
    "knn": (
        "Votes of the {k} closest examples, closer ones count more (DINO's k-NN). Leaving one out, {right} % of the {count} "
        "examples are right."
    ),
    "probe": "Logistic regression on the same features. Leaving one out, {right} % of the {count} examples are right.",
    "reasons": "The closest examples, with their cosine:",
    "no_name": "The class has no name yet. Type one, then add the pictures.",
    "nothing_to_add": "No pictures are chosen. Choose examples or drop your own, then add them.",
    "too_many_classes": "There can be at most {most} classes. Remove one first.",
    "no_such_class": "There is no such class to remove. Choose one from the list.",
    "file_too_large": "This file has more than {limit} MB, more than saved classes can have. Choose a file that this tab saved.",
    "file_damaged": "This file does not hold classes that this tab saved, or it is damaged. Save them again, or choose another file.",
    "too_many_examples": "At most {most} example pictures can be kept, and at least one is needed. Remove some, or add fewer.",
    "other_model": (
        "These examples were described by {theirs}, and cannot be compared with what {ours} says in this revision. Choose "
        "that model, or add the pictures again."
    ),
    "too_few_classes": "There is nothing to tell apart yet. Give at least two classes an example picture each.",
    "sources": (
        "- **k-NN** (Caron et al. 2021, appendix F.1): each of the 20 closest examples votes exp(cosine / 0.07) for its class.\n"
        "- **Probe**: L2-regularised logistic regression (scikit-learn, C = 1) on unit vectors times √D.\n"
        "- **Features**: the class token, at 224 pixels, of the layer that tells pictures apart best; for some models the examples' "
        "mean is taken off first, when leaving one out that of the others alone.\n"
        "- **The file** holds names, small pictures and vectors, not the pictures themselves; only the model that made it can use it."
    ),
}
