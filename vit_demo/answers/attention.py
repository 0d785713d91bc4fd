"""Where tokens look."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from vit_demo.analysis.attention import (
    attention_of_all_layers,
    attention_rows,
    log_sums_and_distances,
    mean_attention_row,
)
from vit_demo.analysis.depth import patch_distances_px
from vit_demo.contract import DemoError, HeadMaps, LayerTensors, SizeChoice, TokenQuery, Wall
from vit_demo.engine import Engine, Run
from vit_demo.model import VisionTransformer

MOST_ROUNDING = 6e-4  # of a row's top; the promise is 1e-3, and not every row is looked at
LOOKED_AT = 16  # rows of each head


def attention(
    engine: Engine, image: np.ndarray, model: str, size: SizeChoice, query: TokenQuery, layer: int
) -> HeadMaps:
    """Where one token looks, for every head of a layer."""
    run = engine.run(image, model, size)
    grid, layer = run.info.grid, checked_layer(layer, run.info.depth)
    with engine.computing():
        shares = attention_rows(run.trace, layer, query.token(grid))[0].cpu().numpy()  # (h, N)
    prefix = grid.num_prefix_tokens
    return HeadMaps(
        maps=shares[:, prefix:].reshape(-1, grid.rows, grid.cols),
        prefix=shares[:, :prefix],
        query=query,
        layer=layer,
        picture=run.prepared.picture,
        info=run.info,
    )


def checked_layer(layer: int, depth: int) -> int:
    """A layer from 0 (negative from the end) as one from 0. DemoError outside the model."""
    if not -depth <= layer < depth:
        raise DemoError("attention.no_such_layer", layer=layer + 1 if layer >= 0 else layer, depth=depth)
    return layer % depth


def attention_layer(engine: Engine, image: np.ndarray, model: str, size: SizeChoice, layer: int) -> LayerTensors:
    """What one layer's attention is made of, in a form that is small to send and exact enough to compute with; kept."""
    loaded, run = engine.load(model), engine.run(image, model, size)
    layer = checked_layer(layer, run.info.depth)
    key = ("layer tensors", model, loaded.revision, run.prepared.digest, layer)
    sent = engine.kept.get_or_make(key, lambda: _layer_tensors(engine, loaded.model, run, layer), _bytes_of)[0]
    return replace(sent, info=run.info)


def _layer_tensors(engine: Engine, vit: VisionTransformer, run: Run, layer: int) -> LayerTensors:
    kept = run.trace.layers[layer]
    with engine.computing():
        q = kept.q[0] / math.sqrt(kept.q.shape[-1])  # (h, N, d)
        k = kept.k[0] - kept.k[0].mean(dim=1, keepdim=True)  # the same for every key: smaller numbers, the same softmax
        queries, keys = in_steps(q), in_steps(k)
        # of what is sent, so that what a browser computes sums to 1
        if rounding_of_rows(q, k, (queries.values, keys.values)) > MOST_ROUNDING:
            queries, keys = as_floats(q), as_floats(k)
        distances_px = patch_distances_px(run.info.grid).to(q)
        log_sums, distance = log_sums_and_distances(queries.values, keys.values, distances_px)
        features = in_steps(F.normalize(vit.norm(kept.residual[0]), dim=-1)[:, :, None]).arrays()[0]
        (of_queries, query_steps), (of_keys, key_steps) = queries.arrays(), keys.arrays()
    return LayerTensors(
        queries=of_queries,
        query_steps=query_steps,
        keys=of_keys,
        key_steps=key_steps,
        log_sums=log_sums.cpu().numpy(),
        features=features[:, :, 0],
        distance_px=distance.cpu().numpy(),
        layer=layer,
        picture=run.prepared.picture,
        info=run.info,
    )


def _bytes_of(tensors: LayerTensors) -> int:
    return sum(value.nbytes for value in vars(tensors).values() if isinstance(value, np.ndarray))


class Stepped(NamedTuple):
    """Values (·, N, ·) as `numbers` times the step of each line along N, (·, 1, ·), where they were computed."""

    numbers: torch.Tensor
    steps: torch.Tensor
    sent_as: torch.dtype

    @property
    def values(self) -> torch.Tensor:
        return self.numbers * self.steps

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """What is sent of them: the numbers, and float32 steps (·, ·)."""
        return self.numbers.to(self.sent_as).cpu().numpy(), self.steps.float().squeeze(1).cpu().numpy()


def in_steps(values: torch.Tensor) -> Stepped:
    """Values as whole numbers of 16 bits and their steps."""
    tiny = torch.finfo(torch.float32).tiny
    steps = values.abs().amax(dim=1, keepdim=True).clamp_min(tiny) / torch.iinfo(torch.int16).max
    return Stepped((values / steps).round(), steps, torch.int16)


def as_floats(values: torch.Tensor) -> Stepped:
    """Values as they are, with steps of 1: twice the bytes of `in_steps`."""
    return Stepped(values, torch.ones_like(values[:, :1]), torch.float32)


def rounding_of_rows(q: torch.Tensor, k: torch.Tensor, sent: tuple[torch.Tensor, torch.Tensor]) -> float:
    """How far the rows of what is sent (queries, keys) lie from the exact ones, as a share of a row's top: the largest
    over LOOKED_AT rows of every head, half of them the longest queries, where rounded keys weigh most."""
    count, tokens = min(LOOKED_AT // 2, q.shape[1]), q.shape[1]
    longest = q.square().sum(dim=-1).topk(count, dim=1).indices  # (h, count)
    spread = torch.linspace(0, tokens - 1, count, device=q.device).long().expand(q.shape[0], -1)
    chosen = torch.cat([longest, spread], dim=1)[..., None].expand(-1, -1, q.shape[2])  # (h, LOOKED_AT, d)
    exact = (q.gather(1, chosen) @ k.transpose(1, 2)).softmax(dim=-1)  # (h, LOOKED_AT, N)
    rounded = (sent[0].gather(1, chosen) @ sent[1].transpose(1, 2)).softmax(dim=-1)
    return float(((rounded - exact).abs().amax(dim=-1) / exact.amax(dim=-1)).amax())


def attention_wall(engine: Engine, image: np.ndarray, model: str, size: SizeChoice) -> Wall:
    """The class token's row of every layer and head as thumbnails; without one, the mean of the patches' rows."""
    run = engine.run(image, model, size)
    grid, prefix = run.info.grid, run.info.grid.num_prefix_tokens
    with engine.computing():
        if prefix:
            rows = attention_of_all_layers(run.trace, 0)[:, 0]  # (L, h, N)
        else:
            rows = torch.stack([mean_attention_row(run.trace, layer)[0] for layer in range(run.info.depth)])
    patches = rows[:, :, prefix:].cpu().numpy()
    tops = patches.max(axis=-1)
    maps = np.round(patches / np.where(tops > 0, tops, 1)[..., None] * 255).astype(np.uint8)
    shares = rows[:, :, :prefix].sum(dim=-1).cpu().numpy()
    return Wall(maps.reshape(*maps.shape[:2], *grid.shape), tops, shares, run.info)
