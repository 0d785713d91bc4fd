"""Digits."""

from __future__ import annotations

from vit_demo import contract
from vit_demo.api.questions.base import (
    Picture,
    Result,
    question,
)
from vit_demo.contract import ExplainerProtocol
from vit_demo.plain import as_plain


@question(contract.DigitReadings)
def read_digit(explainer: ExplainerProtocol, picture: Picture) -> Result:
    """How our own small classifier reads a digit on a photograph or drawing, now and at earlier moments of its
    training."""
    return Result(as_plain(explainer.read_drawing(explainer.ink_of_photograph(picture))))
