"""Key maps: how each family names its tensors and what becomes of them, as data, strict in both directions.

Every tensor of the source is used by exactly one rule and every tensor of our model is set exactly once; what is left
out is left out by a `Drop` with its reason. In patterns, `{i}` stands for a number, `{wb}` for weight or bias and
`{rest}` for anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vit_demo.contract import ModelError

PLACEHOLDERS = {"{i}": r"(?P<i>\d+)", "{wb}": r"(?P<wb>weight|bias)", "{rest}": r"(?P<rest>.+)"}


@dataclass(frozen=True)
class Rule:
    """Source tensors of these names become target tensors of those, by `how`; no targets: dropped, for `reason`."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    how: Callable[[list[Tensor]], list[Tensor]]
    kind: str
    reason: str = ""


def Rename(source: str, target: str) -> Rule:
    """The tensor as it is, under our name."""
    return Rule((source,), (target,), lambda tensors: tensors, "renamed")


def Fuse(sources: tuple[str, ...], target: str, *, zero_at: int | None = None) -> Rule:
    """Tensors joined along their first axis; `zero_at` inserts zeros at that place (a key bias that does not exist)."""

    def join(tensors: list[Tensor]) -> list[Tensor]:
        parts = list(tensors)
        if zero_at is not None:
            parts.insert(zero_at, torch.zeros_like(parts[0]))
        return [torch.cat(parts)]

    return Rule(sources, (target,), join, "fused")


def Split(source: str, targets: tuple[str, ...]) -> Rule:
    """One tensor cut into equal parts along its first axis."""
    return Rule((source,), targets, lambda tensors: list(tensors[0].chunk(len(targets))), "split")


def Reshape(source: str, target: str, change: Callable[[Tensor], Tensor]) -> Rule:
    """The same numbers in another layout."""
    return Rule((source,), (target,), lambda tensors: [change(tensors[0])], "reshaped")


def Combine(sources: tuple[str, ...], target: str, change: Callable[..., Tensor]) -> Rule:
    """Several tensors computed into one."""
    return Rule(sources, (target,), lambda tensors: [change(*tensors)], "fused")


def Drop(source: str, reason: str) -> Rule:
    """Left out, for a reason that people are told."""
    return Rule((source,), (), lambda tensors: [], "dropped", reason)


@dataclass
class ConversionReport:
    """What became of every tensor: (source name, our name) pairs; dropped with reasons; filled where the file has none.

    `resampled` says how positions are stretched off the native grid, `assumed` what the file itself does not say.
    """

    renamed: list[tuple[str, str]] = field(default_factory=list)
    fused: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    split: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    reshaped: list[tuple[str, str]] = field(default_factory=list)
    dropped: list[tuple[str, str]] = field(default_factory=list)
    filled: list[tuple[str, str]] = field(default_factory=list)
    resampled: str = ""
    assumed: list[str] = field(default_factory=list)

    def note(self, rule: Rule, sources: tuple[str, ...], targets: tuple[str, ...]) -> None:
        if rule.kind == "dropped":
            self.dropped.append((sources[0], rule.reason))
        elif rule.kind == "fused":
            self.fused.append((sources, targets[0]))
        elif rule.kind == "split":
            self.split.append((sources[0], targets))
        else:
            getattr(self, rule.kind).append((sources[0], targets[0]))

    def summary(self) -> dict[str, int]:
        return {k: len(getattr(self, k)) for k in ("renamed", "fused", "split", "reshaped", "dropped", "filled")}


def _pattern(template: str) -> re.Pattern[str]:
    """A template as a regular expression over whole names."""
    escaped = re.escape(template)
    for placeholder, expression in PLACEHOLDERS.items():
        escaped = escaped.replace(re.escape(placeholder), expression)
    return re.compile(escaped + r"\Z")


def _fill(template: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        template = template.replace("{" + name + "}", value)
    return template


def convert(
    source: Mapping[str, Tensor],
    rules: tuple[Rule, ...],
    wanted: Mapping[str, torch.Size],
    name: str,
    fill: Mapping[str, tuple[Tensor, str]] | None = None,
) -> tuple[dict[str, Tensor], ConversionReport]:
    """Our state dict from a source's, by `rules`. `fill` gives tensors (and why) that a source may lack.

    Raises ModelError naming what is unknown, missing, set twice, not floating point or of the wrong shape.
    """
    report, state, used = ConversionReport(), {}, set()
    compiled = [(rule, [_pattern(source) for source in rule.sources]) for rule in rules]
    for key in source:
        if key in used:
            continue
        for rule, patterns in compiled:
            match = patterns[0].match(key)
            if match:
                names = tuple(_fill(template, match.groupdict()) for template in rule.sources)
                if all(n in source and n not in used for n in names):
                    break
        else:
            continue  # perhaps a later part of a Fuse: judged below, when all rules have had their turn
        targets = tuple(_fill(template, match.groupdict()) for template in rule.targets)
        for target, tensor in zip(targets, rule.how([source[n] for n in names]), strict=True):
            if target in state:
                raise ModelError("checkpoint.set_twice", name=name, key=target)
            if not tensor.is_floating_point() or tensor.layout is not torch.strided:
                raise ModelError("checkpoint.not_numbers", name=name, key=names[0], kind=_kind(tensor))
            state[target] = tensor
        used.update(names)
        report.note(rule, names, targets)
    for target, (tensor, why) in (fill or {}).items():
        if target not in state:
            state[target] = tensor
            report.filled.append((target, why))
    _check(source, used, state, wanted, name)
    return state, report


def _check(source: Mapping, used: set[str], state: Mapping[str, Tensor], wanted: Mapping, name: str) -> None:
    """Raises ModelError where anything is left over, missing or of another shape."""
    unknown = sorted(set(source) - used) + sorted(set(state) - set(wanted))
    if unknown:
        raise ModelError("checkpoint.unknown_keys", name=name, count=len(unknown), keys=_some(unknown))
    missing = sorted(set(wanted) - set(state))
    if "head.weight" in missing:
        raise ModelError("checkpoint.head_missing", name=name)
    if missing:
        raise ModelError("checkpoint.missing_keys", name=name, count=len(missing), keys=_some(missing))
    for key, shape in wanted.items():
        if tuple(state[key].shape) != tuple(shape):
            raise ModelError(
                "checkpoint.wrong_shape", name=name, key=key, got=_shape(state[key].shape), wanted=_shape(shape)
            )


def _kind(tensor: Tensor) -> str:
    """The tensor type as torch calls it: int8, uint8, sparse_coo …"""
    return str(tensor.dtype if tensor.layout is torch.strided else tensor.layout).removeprefix("torch.")


def _some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")


def _shape(shape) -> str:
    return "×".join(map(str, shape)) or "1"
