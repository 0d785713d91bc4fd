"""Class names by output number: read from a checkpoint's own files, never guessed from how many classes there are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# The classes of timm's weights by the last data set in their tag: "augreg_in21k_ft_in1k" ends with ImageNet-1k's.
IMAGENET_CLASSES = {"in1k": (1000,), "in12k": (11821,), "in21k": (11221, 21843), "in22k": (21841,)}
SHOWN_NAMES = 3

Names = Mapping[Any, Any] | Sequence[Any]


def names_by_output(names: Names | None, count: int) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """(a name for each of `count` outputs or None where none has one, what people should know of it).

    `names` maps output numbers (or their digits) to names, or lists them from 0. An output without a name, or with
    transformers' placeholder LABEL_n, is "class n". Raises ValueError for more names than outputs.
    """
    given = dict(names) if isinstance(names, Mapping) else dict(enumerate(names or ()))
    by_output = {int(key): str(name) for key, name in given.items()}
    if len(by_output) > count:
        raise ValueError(f"{len(by_output)} class names for {count} classes")
    named = {n: name for n, name in by_output.items() if 0 <= n < count and name != f"LABEL_{n}"}
    beyond = [f"{n}: {name}" for n, name in sorted(by_output.items()) if not 0 <= n < count]
    notes = []
    if beyond:
        shown = ", ".join(beyond[:SHOWN_NAMES]) + (" …" if len(beyond) > SHOWN_NAMES else "")
        notes.append(f"class names beyond the {count} outputs are left out ({shown})")
    if not named:
        return None, tuple(notes)
    if len(named) < count:
        notes.append(f"{count - len(named)} of {count} outputs have no name: they are called by their number, from 0")
    return tuple(named.get(n, numbered(n)) for n in range(count)), tuple(notes)


def numbered(output: int) -> str:
    """The name of an output that has none."""
    return f"class {output}"


def timm_names(config: Mapping[str, Any], count: int) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """As `names_by_output`, from timm's config.json: label_names and label_descriptions, at its top or, where timm
    keeps them, inside pretrained_cfg (timm models/_hub.py: the top goes first)."""
    inside = config.get("pretrained_cfg") or {}
    names = config.get("label_names") or config.get("labels") or inside.get("label_names") or inside.get("labels")
    described = config.get("label_descriptions") or inside.get("label_descriptions") or {}
    labels, notes = names_by_output(names, count)
    return labels and tuple(str(described.get(name, name)) for name in labels), notes


def imagenet_names(tag: str, count: int) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """As `names_by_output`, for weights under a tag of timm's that says which ImageNet they were trained on last."""
    last = re.findall(r"in(?:1k|12k|21k|22k)(?![0-9a-z])", tag)[-1:]
    if not last or count not in IMAGENET_CLASSES[last[0]]:
        return None, ()
    from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset

    subset = infer_imagenet_subset({"num_classes": count})
    if subset is None:
        return None, ()
    names = tuple(ImageNetInfo(subset).label_descriptions())
    return names, (f"class names: the file holds none, and those of {subset} belong to timm's weights {tag}",)
