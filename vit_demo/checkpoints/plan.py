"""What has to be known of a checkpoint before its tensors are read: the Plan."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from vit_demo.checkpoints.keymaps import Rule
from vit_demo.contract import PreprocessSpec
from vit_demo.model.config import ViTConfig


@dataclass(frozen=True)
class Plan:
    """Architecture, key map and preprocessing of one checkpoint, and what the file itself did not say (`assumed`).

    `fill` holds tensors that follow from the architecture and that this format does not store, with the reason.
    `prefix` is taken off the source's names where they carry it. `labels` has a name for every output, or is None where
    the checkpoint names none.
    """

    config: ViTConfig
    rules: tuple[Rule, ...]
    preprocess: PreprocessSpec
    family: str
    prefix: str = ""
    labels: tuple[str, ...] | None = None
    fill: dict[str, tuple[Tensor, str]] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
