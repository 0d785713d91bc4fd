"""Edits: what is changed inside one forward pass, as plain data. How a pass is changed stands in model/editing.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from itertools import islice
from typing import Any, Literal, SupportsIndex, get_args

from vit_demo.grid import PatchGrid

# A prefix token by name ("cls", "dist", "reg1" …), a patch (row, col) from 0, or ALL_PATCHES
Token = str | tuple[int, int]
ALL_PATCHES = "patches"
Patch = tuple[int, int]
Filling = Literal["mean", "blur"]
Positions = Literal["keep", "none", "shuffled", "mirrored", "equal"]
HeadEdit = Literal["mean", "zero", "examples"]
BlockPart = Literal["attention", "mlp"]
# What comes from outside is bounded: a list of patches or heads, one of rules (each costs a matrix), a factor
MOST_ENTRIES, MOST_RULES, MOST_FACTOR = 20_000, 64, 100.0


@dataclass(frozen=True)
class Cut:
    """Edges of attention that are closed before the softmax: in these layers, these queries do not see these keys.
    None: all of them. What is left of a row adds up to 1 again (attention knock-out, Geva et al. 2023,
    arXiv 2304.14767)."""

    layers: tuple[int, ...] | None = None
    queries: tuple[Token, ...] | None = None
    keys: tuple[Token, ...] | None = None

    def __post_init__(self):
        for name in ("layers", "queries", "keys"):
            value = getattr(self, name)
            if value is not None:
                kind = _index if name == "layers" else _as_token
                object.__setattr__(self, name, _sorted(map(kind, _listed(name, value))))


@dataclass(frozen=True)
class Edits:
    """Everything that one forward pass changes; empty by default. Layers, heads, rows and columns count from 0.

    They take effect in this order: pixels, patch embedding, positions, dropped patches, then block by block.

    hide             patches whose pixels are replaced, `hide_with` the picture's "mean" colour or its "blur" (a
                     Gaussian of one patch)
    shuffle_patches  the picture's patches change places, by `seed`; positions stay
    positions        of the patches, in the table and in RoPE alike: "none" (rows of the table are 0; RoPE does not
                     turn), "shuffled" by `seed`, "mirrored" (left and right), "equal" (each the middle patch's). Prefix
                     tokens keep theirs
    position_scale   RoPE alone: the patches' coordinates are multiplied
    drop             patches that never enter the blocks: the sequence is shorter, and the others keep their positions
                     (Naseer et al. 2021, arXiv 2105.10497; Jain et al. 2022, arXiv 2204.08945)
    heads            (layer, head) → what stands for the head's output before the projection: "zero", "mean" (its mean
                     over this picture's tokens), or "examples" (its mean over example pictures, each prefix token's by
                     itself, and the patches' together). Michel et al. 2019, arXiv 1905.10650
    skip             (layer, "attention" or "mlp"): the residual stream passes it by
    cut              edges of attention that are closed
    temperature      by which every score q·kᵀ/√d is multiplied: 0 looks at all tokens alike, above 1 is sharper
    patch_in         (layer, tokens) or (layer, tokens, head): at the layer's output, the residual stream of these
                     tokens (None: all), or in it the output of one head, is that of another pass (Meng et al. 2022,
                     arXiv 2202.05262)
    seed             one for everything random
    """

    drop: tuple[Patch, ...] = ()
    hide: tuple[Patch, ...] = ()
    hide_with: Filling = "mean"
    shuffle_patches: bool = False
    positions: Positions = "keep"
    position_scale: float = 1.0
    heads: Mapping[tuple[int, int], HeadEdit] | tuple[tuple[tuple[int, int], HeadEdit], ...] = ()
    skip: tuple[tuple[int, BlockPart], ...] = ()
    cut: tuple[Cut, ...] = ()
    temperature: float = 1.0
    patch_in: tuple[tuple, ...] = ()
    seed: int = 0

    def __post_init__(self):
        heads = {(_index(layer), _index(head)): how for (layer, head), how in _listed("heads", _pairs(self.heads))}
        plain = {
            "drop": _sorted(map(_as_patch, _listed("drop", self.drop))),
            "hide": _sorted(map(_as_patch, _listed("hide", self.hide))),
            "heads": tuple(sorted(heads.items())),
            "skip": tuple(sorted({(_index(layer), part) for layer, part in _listed("skip", self.skip)})),
            "cut": tuple(dict.fromkeys(_listed("cut", self.cut, MOST_RULES))),
            "patch_in": tuple(dict.fromkeys(_patch_in(*one) for one in _listed("patch_in", self.patch_in, MOST_RULES))),
        }
        for name, value in plain.items():  # one form, so that equal edits are equal and name an answer
            object.__setattr__(self, name, value)
        _choice("hide_with", self.hide_with, Filling)
        _choice("positions", self.positions, Positions)
        for _, how in plain["heads"]:
            _choice("heads", how, HeadEdit)
        for _, part in plain["skip"]:
            _choice("skip", part, BlockPart)
        for name in ("temperature", "position_scale"):
            value = getattr(self, name)
            _require(0 <= value <= MOST_FACTOR, f"{name} must be a number from 0 to {MOST_FACTOR:g}, not {value:g}")
        _require(0 <= self.seed < 2**31, f"seed must be a number from 0 to 2147483647, not {self.seed}")

    def __bool__(self) -> bool:
        """Whether anything is changed."""
        return replace(self, seed=0, hide_with="mean") != NO_EDITS

    @classmethod
    def of_plain(cls, value: Any) -> Edits:
        """From what `plain` gives, also by way of JSON. Raises ValueError for anything else."""
        names = {field.name for field in fields(cls)}
        _require(isinstance(value, Mapping) and value.keys() <= names, f"edits are a dictionary of {', '.join(names)}")
        kinds = {"shuffle_patches": bool, "seed": int, "temperature": (int, float), "position_scale": (int, float)}
        for name, kind in kinds.items():
            is_kind = isinstance(value.get(name), kind) and (kind is bool or not isinstance(value[name], bool))
            _require(name not in value or is_kind, f"{name} is {str(value.get(name))[:40]}")
        try:
            cuts = tuple(Cut(**one) for one in _listed("cut", value.get("cut", ()), MOST_RULES))
            return cls(**{**value, "cut": cuts})
        except (TypeError, OverflowError, RecursionError) as error:
            raise ValueError(f"edits of another form: {str(error)[:80]}") from None

    def plain(self) -> dict[str, Any]:
        """What is changed, as lists, numbers and words that JSON can hold."""
        changed = {field.name: getattr(self, field.name) for field in fields(self)}
        changed = {name: value for name, value in changed.items() if value != getattr(NO_EDITS, name)}
        if "cut" in changed:
            changed["cut"] = [{name: _list(value) for name, value in vars(one).items()} for one in self.cut]
        return {name: _list(value) for name, value in changed.items()}

    @property
    def head_edits(self) -> dict[tuple[int, int], HeadEdit]:
        """`heads` as a dictionary."""
        return dict(_pairs(self.heads))

    def check(self, config: Any, grid: PatchGrid, first: int = 0) -> None:
        """Raises ValueError, naming the field, where a model of that config (a ViTConfig) has no such layer, head or
        token on that grid, or where nothing would be left to read. Its words count from `first`: people's from 1."""
        for name in ("drop", "hide"):
            for patch in getattr(self, name):
                _token(name, patch, grid, first)
        for (layer, head), _ in self.head_edits.items():
            _number("heads", "layer", layer, config.depth, first)
            _number("heads", "head", head, config.heads, first)
        for layer, _ in self.skip:
            _number("skip", "layer", layer, config.depth, first)
        for one in self.cut:
            for layer in one.layers or ():
                _number("cut", "layer", layer, config.depth, first)
            for token in (*(one.queries or ()), *(one.keys or ())):
                _token("cut", token, grid, first)
        for layer, tokens, head in self.patch_in:
            _number("patch_in", "layer", layer, config.depth, first)
            for token in tokens or ():
                _token("patch_in", token, grid, first)
            if head is not None:
                _number("patch_in", "head", head, config.heads, first)
        left = grid.num_patches - len(self.drop)
        _require(
            left > 0 or (grid.num_prefix_tokens > 0 and not config.needs_patches),
            "drop leaves no patch, and this model's answer is read from patches: keep one",
        )
        has_rope = config.rope is not None
        _require(self.position_scale == 1 or has_rope, "position_scale is for models with RoPE: this one has none")
        has_positions = has_rope or config.position == "learned"
        _require(self.positions == "keep" or has_positions, "positions: this model has no positions to change")

    def fitting(self, config: Any, grid: PatchGrid) -> Edits:
        """The part of these edits that a model and a grid know, for a page whose picture or model has changed."""

        def has(token: Token) -> bool:
            if isinstance(token, str):
                return token == ALL_PATCHES or token in grid.prefix_names
            return 0 <= token[0] < grid.rows and 0 <= token[1] < grid.cols

        def known(layer: int, head: int = 0) -> bool:
            return 0 <= layer < config.depth and 0 <= head < config.heads

        has_rope = config.rope is not None
        fitting = replace(
            self,
            drop=tuple(filter(has, self.drop)),
            hide=tuple(filter(has, self.hide)),
            heads=tuple((where, how) for where, how in _pairs(self.heads) if known(*where)),
            skip=tuple((layer, part) for layer, part in self.skip if known(layer)),
            cut=tuple(filter(None, (_fitting_cut(one, has, known) for one in self.cut))),
            patch_in=tuple(
                (layer, tokens, head)
                for layer, tokens, head in self.patch_in
                if known(layer, head or 0) and all(map(has, tokens or ()))
            ),
            positions=self.positions if has_rope or config.position == "learned" else "keep",
            position_scale=self.position_scale if has_rope else 1.0,
        )
        try:
            fitting.check(config, grid)
        except ValueError:  # nothing would be left
            return replace(fitting, drop=())
        return fitting


def _fitting_cut(cut: Cut, has, known) -> Cut | None:
    """A cut without what there is not; None where nothing is left of it."""
    parts = {
        "layers": None if cut.layers is None else tuple(filter(known, cut.layers)),
        "queries": None if cut.queries is None else tuple(filter(has, cut.queries)),
        "keys": None if cut.keys is None else tuple(filter(has, cut.keys)),
    }
    return None if () in parts.values() else Cut(**parts)


def _patch_in(layer: int, tokens: Iterable[Token] | None, head: int | None = None) -> tuple:
    chosen = None if tokens is None else _sorted(map(_as_token, _listed("patch_in", tokens)))
    return _index(layer), chosen, None if head is None else _index(head)


def _listed(name: str, value: Any, most: int = MOST_ENTRIES) -> list:
    """A list of at most so many. Raises ValueError for text, numbers, and longer ones."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise ValueError(f"{name} is a list, not {str(value)[:40]!r}")
    listed = list(islice(iter(value), most + 1))
    _require(len(listed) <= most, f"{name} is longer than {most}")
    return listed


def _index(value: Any) -> int:
    """A layer or head. Whole numbers of other libraries are numbers too."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise ValueError(f"{str(value)[:40]!r} is no layer and no head: a whole number is")
    return int(value)


def _as_patch(value: Any) -> Patch:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(f"{str(value)[:40]!r} is no patch: (row, column) is")
    row, col = value
    return _index(row), _index(col)


def _as_token(value: Any) -> Token:
    return value if isinstance(value, str) else _as_patch(value)


def _pairs(heads: Any) -> Any:
    """(layer, head) and what stands for it, one after the other."""
    return heads.items() if isinstance(heads, Mapping) else heads


def _list(value: Any) -> Any:
    """Tuples as lists, at every depth."""
    return [_list(one) for one in value] if isinstance(value, tuple | list) else value


def _sorted(values: Iterable) -> tuple:
    """Each once; names before patches."""
    return tuple(sorted(set(values), key=lambda value: (not isinstance(value, str), value)))


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


def _choice(name: str, value: object, kind: Any) -> None:
    _require(value in get_args(kind), f"{name} is {value!r}; it can be {', '.join(map(repr, get_args(kind)))}")


def _number(name: str, what: str, value: int, count: int, first: int) -> None:
    within = f"{first} … {count - 1 + first}"
    _require(0 <= value < count, f"{name}: {what} {value + first} is outside {within} (counted from {first})")


def _token(name: str, token: Token, grid: PatchGrid, first: int) -> None:
    if isinstance(token, str):
        names = ", ".join(grid.prefix_names) or "none"
        known = token == ALL_PATCHES or token in grid.prefix_names
        _require(known, f"{name}: there is no prefix token {token!r}; there are: {names}")
        return
    row, col = token
    inside = 0 <= row < grid.rows and 0 <= col < grid.cols
    place = f"patch ({row + first}, {col + first}), counted from {first},"
    _require(inside, f"{name}: {place} is outside the {grid.rows}×{grid.cols} grid")


NO_EDITS = Edits()
