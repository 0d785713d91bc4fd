"""The Predict tab."""

WORDS = {
    "tab": "Predict",
    "help": (
        "**You see** the classes that the model finds most probable; all others are summed in the last bar. "
        "**Read it** as how the model divides 100 % among the classes it knows: it cannot answer “none of these”. "
        "**It does not mean** that the model is right this often: such numbers are usually too sure."
    ),
    "help_multi_label": (
        "**You see** the classes that the model finds most probable. **Read it** as one answer of yes or no for every class: "
        "each has a probability of its own, several can hold at once, and the numbers do not add up to 100 %. "
        "**It does not mean** that the model is right this often: such numbers are usually too sure."
    ),
    "help_neighbours": (
        "**This model describes pictures; it does not name them.** What it can do: tell which pictures are alike, find parts that belong "
        "together (Know · Features), and learn classes of your own from a few pictures (Know · Own classes). **You see** which of our example pictures it finds most alike, by the angle "
        "between their class tokens: 1 is the same direction, 0 unrelated. **It does not mean** that the picture shows the same: this is a comparison, not a prediction, and "
        "it can only answer with pictures that are in the set."
    ),
    "saw": "What the model saw",
    "rest": "all {count} others together",
    "cosine": "cosine",
    "vote": "Weighted k-NN among the examples (DINO): {votes}",
    "layer": "class token after layer {layer} of {depth}, every picture cropped at {side} px",
    "centred": "the examples' mean taken off",
    "no_neighbours": "There are no other example pictures to compare with.",
    "why": "See why",
}
