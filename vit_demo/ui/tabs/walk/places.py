"""Where a step of the walk stands: the followed token in a picture, in a sequence, in a table; names and shares."""

from __future__ import annotations

import numpy as np

from vit_demo.contract import WalkStep
from vit_demo.ui.kit.html import percent
from vit_demo.ui.state import PageState


def followed(step: WalkStep) -> tuple[int, int]:
    """The patch that is followed, (row, col): the middle one where a prefix token is."""
    grid = step.info.grid
    if step.query.prefix is not None:
        return grid.rows // 2, grid.cols // 2
    return step.query.row, step.query.col


def marked(step: WalkStep) -> tuple[int, int] | None:
    """The followed patch, None where a prefix token is followed."""
    return None if step.query.prefix is not None else followed(step)


def token_name(step: WalkStep, token: int) -> str:
    """A token's name in a table: CLS, or row and column from 1."""
    grid = step.info.grid
    place = grid.patch_of_token(token)
    return grid.prefix_names[token].upper() if place is None else f"{place[0] + 1}, {place[1] + 1}"


def over_patches(step: WalkStep, values: np.ndarray) -> np.ndarray:
    """Values of all tokens (N,) as a map of the patches (rows, cols)."""
    grid = step.info.grid
    return values[grid.num_prefix_tokens :].reshape(grid.shape)


def named(state: PageState, step: WalkStep, name: str) -> str:
    """An answer's name as it is read: an example's label, or a class."""
    if step.kind != "example":
        return state.class_name(name)
    return next((one.label(state.language) for one in state.examples if one.key == name), name)


def percent_sign(share: float) -> str:
    return f"{percent(share)} %"


def cosine(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
