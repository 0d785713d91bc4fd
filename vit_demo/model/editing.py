"""What `Edits` do to a forward pass: made ready once for a model and a grid, then asked at each step of the pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vit_demo.edits import ALL_PATCHES, Edits, Filling, Token
from vit_demo.grid import PatchGrid
from vit_demo.model.config import ViTConfig
from vit_demo.model.trace import Trace

Samples = int | slice  # which of the batch
Change = Callable[[Tensor], Tensor]  # of one head's output (…, N, d)


@dataclass(frozen=True)
class LayerEdits:
    """What is changed in one block.

    scale      by which queries are multiplied
    closed     (N, N) true where a query (row) does not see a key (column); None where all edges are open, so that the
               fused kernel without a mask can be used
    heads      (samples of the batch, head, what is done to its output)
    residual   tokens of the block's output that are replaced, and by what (1, n, D)
    """

    scale: float = 1.0
    closed: Tensor | None = None
    heads: tuple[tuple[Samples, int, Change], ...] = ()
    skip_attention: bool = False
    skip_mlp: bool = False
    residual: tuple[Tensor, Tensor] | None = None

    def change_heads(self, out: Tensor) -> Tensor:
        """The heads' outputs (B, h, N, d), before their projection."""
        if not self.heads:
            return out
        out = out.clone()  # what the trace keeps stays as it was computed
        for samples, head, change in self.heads:
            out[samples, head] = change(out[samples, head])
        return out

    def change_residual(self, x: Tensor) -> Tensor:
        """The block's output (B, N, D)."""
        if self.residual is None:
            return x
        tokens, values = self.residual
        return x.index_copy(1, tokens, values.expand(x.shape[0], -1, -1).to(x))


@dataclass(frozen=True)
class Plan:
    """Edits made ready for one model, grid and batch.

    kept    numbers of the tokens that enter the blocks, (n,) or for each picture of the batch (B, n); None: all
    layers  by layer, what is changed there
    """

    edits: Edits
    grid: PatchGrid
    kept: Tensor | None
    layers: dict[int, LayerEdits]

    @property
    def changes_input(self) -> bool:
        """Whether what enters the blocks, or RoPE, is changed."""
        edits = self.edits
        moved = edits.shuffle_patches or edits.positions != "keep" or edits.position_scale != 1
        return bool(edits.drop or edits.hide or moved)

    def pixels(self, pixels: Tensor) -> Tensor:
        """The picture (B, C, H, W) with patches replaced and shuffled."""
        edits, grid = self.edits, self.grid
        if edits.hide:
            filled = filling(pixels, edits.hide_with, grid.patch_px)
            keep = pixels.new_ones(1, *grid.shape)
            for row, col in edits.hide:
                keep[0, row, col] = 0
            pixels = hide(pixels, filled, keep, grid.patch_px)
        if edits.shuffle_patches:
            pixels = shuffled_patches(pixels, permutation(grid.num_patches, edits.seed), grid)
        return pixels

    def positions(self, of_patches: Tensor) -> Tensor:
        """Rows of the position table (1, Gh·Gw, D), or any other numbers by place along the last axis but one."""
        how = self.edits.positions
        if how == "none":
            return torch.zeros_like(of_patches)
        if how == "keep":
            return of_patches
        return of_patches[..., order_of_positions(how, self.grid, self.edits.seed).to(of_patches.device), :]

    def angles(self, angles: Tensor) -> Tensor:
        """RoPE's angles (…, Gh·Gw, d/2). They grow with the coordinates, so that scaling one scales the other."""
        return self.positions(angles * self.edits.position_scale)

    def left(
        self, x: Tensor, tables: list[tuple[Tensor, Tensor] | None]
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor] | None]]:
        """Tokens (B, N, D) without those dropped, and RoPE's tables for those left."""
        if self.kept is None:
            return x, tables
        kept = self.kept.expand(x.shape[0], -1)
        x = x.gather(1, kept[..., None].expand(-1, -1, x.shape[-1]))
        patches = self.kept[..., self.grid.num_prefix_tokens :] - self.grid.num_prefix_tokens
        done: dict[int, tuple[Tensor, Tensor]] = {}  # layers share tables
        for table in tables:
            if table is not None and id(table) not in done:
                done[id(table)] = tuple(_rows_of(one, patches) for one in table)  # type: ignore[assignment]
        return x, [None if table is None else done[id(table)] for table in tables]


def _rows_of(table: Tensor, patches: Tensor) -> Tensor:
    """Rows of a table (…, Gh·Gw, d): (…, n, d) for patches (n,), and with an axis for the batch for (B, n)."""
    rows = table[..., patches, :]
    if patches.ndim == 1:
        return rows
    return rows.unsqueeze(1) if rows.ndim == 3 else rows.transpose(0, 1)  # (B, 1 or h, n, d)


def make_plan(
    config: ViTConfig,
    grid: PatchGrid,
    edits: Edits,
    device: torch.device,
    source: Trace | None = None,
    example_heads: Tensor | None = None,
) -> Plan:
    """Edits, checked, for a model and a grid. `source`: the pass from which `patch_in` takes. `example_heads`
    (L, h, p + 1, d): what heads give on example pictures, on average, for each prefix token and for patches.

    Raises ValueError, naming the field, where they do not fit.
    """
    edits.check(config, grid)
    kept = None
    if edits.drop:
        dropped = {grid.token_of_patch(row, col) for row, col in edits.drop}
        kept = torch.tensor([token for token in range(grid.num_tokens) if token not in dropped], device=device)
    tokens = list(range(grid.num_tokens)) if kept is None else kept.tolist()
    if edits.patch_in:
        if source is None:
            raise ValueError("patch_in needs the trace of another pass as `source`")
        if source.tokens is not None or source.grid != grid or len(source.layers) < config.depth:
            raise ValueError("patch_in: the source must be a whole pass of the same model on the same grid")
    if "examples" in edits.head_edits.values() and example_heads is None:
        raise ValueError("heads 'examples' need the heads' means over example pictures")
    layers = {}
    for layer in range(config.depth):
        made = _layer_edits(config, grid, edits, layer, tokens, device, source, example_heads)
        if made != LayerEdits():
            layers[layer] = made
    return Plan(edits, grid, kept, layers)


def _layer_edits(
    config: ViTConfig,
    grid: PatchGrid,
    edits: Edits,
    layer: int,
    tokens: list[int],
    device: torch.device,
    source: Trace | None,
    example_heads: Tensor | None,
) -> LayerEdits:
    place = {token: at for at, token in enumerate(tokens)}

    def places(chosen: tuple[Token, ...] | None) -> list[int]:
        """Where tokens stand in the sequence; those dropped stand nowhere."""
        if chosen is None:
            return list(range(len(tokens)))
        numbers = sorted({number for one in chosen for number in numbers_of(one, grid)})
        return [place[token] for token in numbers if token in place]

    closed = None
    for cut in edits.cut:
        if cut.layers is None or layer in cut.layers:
            closed = torch.zeros(len(tokens), len(tokens), dtype=torch.bool) if closed is None else closed
            queries, keys = places(cut.queries), places(cut.keys)
            closed[torch.tensor(queries, dtype=torch.long)[:, None], torch.tensor(keys, dtype=torch.long)] = True
    if closed is not None and closed.all(dim=1).any():
        raise ValueError(f"cut: in layer {layer} a token would see nothing at all: leave it a key")
    heads: list[tuple[Samples, int, Change]] = []
    for (at, head), how in edits.head_edits.items():
        if at == layer:
            of_examples = None
            if how == "examples" and example_heads is not None:
                kinds = [min(token, grid.num_prefix_tokens) for token in tokens]  # the last one: patches
                of_examples = example_heads[layer, head, kinds]
            heads.append((slice(None), head, head_change(how, of_examples)))
    of_source = source.layers[layer] if source is not None else None
    taken: set[int] = set()  # places whose residual stream is replaced, of all entries
    for at, chosen, head in edits.patch_in:
        if at != layer or of_source is None:
            continue
        if head is None:
            taken |= set(places(chosen))
        else:
            here, there = _indices(places(chosen), tokens, device)
            heads.append((slice(None), head, _taken(here, of_source.out[:1, head, there])))
    residual = None
    if taken and of_source is not None:
        here, there = _indices(sorted(taken), tokens, device)
        residual = here, of_source.residual[:1, there]
    return LayerEdits(
        scale=edits.temperature,
        closed=None if closed is None or not closed.any() else closed.to(device),
        heads=tuple(heads),
        skip_attention=(layer, "attention") in edits.skip,
        skip_mlp=(layer, "mlp") in edits.skip,
        residual=residual,
    )


def _indices(places: list[int], tokens: list[int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Places in the sequence, and the numbers of the tokens that stand there."""
    numbers = [tokens[place] for place in places]
    return torch.tensor(places, dtype=torch.long, device=device), torch.tensor(numbers, dtype=torch.long, device=device)


def head_change(how: str, of_examples: Tensor | None = None) -> Change:
    """What stands for a head's output (…, N, d): zeros, its mean over tokens, or its mean over examples (N, d)."""
    if how == "zero":
        return torch.zeros_like
    if how == "mean":
        return lambda out: out.mean(dim=-2, keepdim=True).expand_as(out)
    if of_examples is None:
        raise ValueError("heads 'examples' need the heads' means over example pictures")
    return lambda out: of_examples.to(out).expand_as(out)


def _taken(tokens: Tensor, values: Tensor) -> Change:
    """Some tokens of a head's output (…, N, d) replaced by `values` (1, n, d)."""
    return lambda out: out.index_copy(-2, tokens, values.to(out).expand(*out.shape[:-2], -1, -1))


def numbers_of(token: Token, grid: PatchGrid) -> list[int]:
    """The numbers of a prefix token by name, of a patch (row, col), or of all patches."""
    if token == ALL_PATCHES:
        return list(range(grid.num_prefix_tokens, grid.num_tokens))
    return [grid.prefix_names.index(token) if isinstance(token, str) else grid.token_of_patch(*token)]


def permutation(count: int, seed: int) -> Tensor:
    """The one random order of a seed, (count,)."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def order_of_positions(how: str, grid: PatchGrid, seed: int) -> Tensor:
    """Whose position each patch gets, (Gh·Gw,)."""
    places = torch.arange(grid.num_patches).reshape(grid.shape)
    if how == "shuffled":
        return permutation(grid.num_patches, seed)
    if how == "mirrored":
        return places.flip(1).flatten()
    if how == "equal":
        return places[grid.rows // 2, grid.cols // 2].expand(grid.num_patches)
    raise ValueError(f"positions {how!r} have no order")


# ------------------------------------------------------------------------------------------------------------- pixels


def filling(pixels: Tensor, kind: Filling, patch_px: int) -> Tensor:
    """What stands where pictures (B, C, H, W) are hidden, of the same shape: each one's "mean" colour, or its "blur" by
    a Gaussian with a standard deviation of one patch, edges repeated."""
    if kind == "mean":
        return pixels.mean(dim=(2, 3), keepdim=True).expand_as(pixels)
    radius = 3 * patch_px
    offsets = torch.arange(-radius, radius + 1, device=pixels.device, dtype=pixels.dtype)
    kernel = (-(offsets**2) / (2 * patch_px**2)).exp()
    kernel = (kernel / kernel.sum()).expand(pixels.shape[1], 1, -1)  # (C, 1, k): each channel on its own
    padded = F.pad(pixels, (radius, radius, radius, radius), mode="replicate")
    down = F.conv2d(padded, kernel[..., None], groups=pixels.shape[1])
    return F.conv2d(down, kernel[..., None, :], groups=pixels.shape[1])


def hide(pixels: Tensor, filled: Tensor, keep: Tensor, patch_px: int) -> Tensor:
    """The pictures where `keep` (B, rows, cols) is 1, `filled` where it is 0, mixed between: (B, C, H, W)."""
    keep = keep.repeat_interleave(patch_px, dim=1).repeat_interleave(patch_px, dim=2)[:, None]
    return torch.lerp(filled, pixels, keep)  # exact at 0 and at 1


def shuffled_patches(pixels: Tensor, order: Tensor, grid: PatchGrid) -> Tensor:
    """The pictures (B, C, H, W) with patch number order[i] in place i."""
    B, C, P = *pixels.shape[:2], grid.patch_px
    cut = pixels.reshape(B, C, grid.rows, P, grid.cols, P).permute(0, 2, 4, 1, 3, 5)  # (B, Gh, Gw, C, P, P)
    moved = cut.flatten(1, 2)[:, order.to(pixels.device)].unflatten(1, grid.shape)
    return moved.permute(0, 3, 1, 4, 2, 5).reshape(pixels.shape)
