"""The What-if tab."""

WORDS = {
    "refused": "This change does not fit the model: {reason}.",
    "no_other": "States are patched in from a second picture. Give one.",
    "no_such_scan": "There is no {name}. There are {names}.",
}
