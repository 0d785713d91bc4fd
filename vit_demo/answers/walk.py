"""The walk through the forward pass: one step of it, on a picture of the visitor's."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vit_demo import preprocess
from vit_demo.analysis import attention as attention_analysis
from vit_demo.analysis import walk as steps
from vit_demo.analysis.walk import Found, Walk
from vit_demo.answers.attention import checked_layer
from vit_demo.answers.examples import neighbour_layer
from vit_demo.answers.readers import Reader, reader_of
from vit_demo.answers.walk_questions import questions_of
from vit_demo.answers.what_if import what_if
from vit_demo.checkpoints.assets import DINO_DIGITS_ID, record_of
from vit_demo.checkpoints.load import LoadedModel
from vit_demo.contract import (
    WALK_STEPS,
    DemoError,
    SizeChoice,
    SourceLines,
    TokenQuery,
    WalkStep,
    WalkStepName,
    WhatIf,
)
from vit_demo.edits import Edits
from vit_demo.engine import Engine, Run
from vit_demo.grid import PatchGrid
from vit_demo.model import ViTConfig
from vit_demo.model.attention import Attention
from vit_demo.model.block import Block, GatedMlp, PlainMlp
from vit_demo.model.position import rotate
from vit_demo.model.trace import Heads
from vit_demo.model.vit import VisionTransformer
from vit_demo.training import dino as dino_training

ROOT = Path(__file__).parents[2]


def walk(
    engine: Engine,
    image: np.ndarray,
    model: str,
    size: SizeChoice,
    step: WalkStepName,
    query: TokenQuery | None,
    layer: int,
    head: int,
) -> WalkStep:
    """One step. `query` None, or a token that this grid does not have: the middle patch."""
    if step not in WALK_STEPS:
        raise DemoError("walk.no_such_step", name=str(step)[:40], names=", ".join(WALK_STEPS))
    loaded, run = engine.load(model), engine.run(image, model, size)
    grid, layer = run.info.grid, checked_layer(layer, run.info.depth)
    query = known_token(query, grid)
    head = min(max(head, 0), run.info.heads - 1)
    at = Walk(loaded.model, engine.pixels(run.prepared), run.trace, query.token(grid), layer, head)
    reader = reader_of(engine, image, model, loaded) if step in ("layers", "answer") else None
    without = _without_positions(engine, image, model, size, loaded) if step == "positions" else None
    with engine.computing():
        found, names = _found(step, at, run, reader, without, _layer_read(loaded))
        asked = questions_of(step, found, at, without, list(names))
        tensors = {name: one.float().cpu().numpy() for name, one in found.tensors.items()}
    config = loaded.model.config
    return WalkStep(
        name=step,
        shapes=found.shapes,
        map_shapes=steps.map_shapes(config, grid, config.num_classes),
        tensors=tensors,
        facts=found.facts,
        differs=differences(step, config),
        source=source_of(step, config),
        questions=asked,
        names=names,
        kind=reader.kind if reader is not None else without.kind if without is not None else "",
        query=query,
        layer=layer,
        head=head,
        picture=run.prepared.picture,
        info=run.info,
    )


def _layer_read(loaded: LoadedModel) -> int:
    """The layer (from 0) from which the model's answers are read: the last one, or the one whose class tokens compare
    pictures best."""
    return loaded.model.config.depth - 1 if loaded.model.head is not None else neighbour_layer(loaded)[0]


def known_token(query: TokenQuery | None, grid: PatchGrid) -> TokenQuery:
    """The token asked for; where this grid has none of that name, the middle patch."""
    try:
        if query is not None:
            query.token(grid)
            return query
    except DemoError:
        pass
    return TokenQuery(None, grid.rows // 2, grid.cols // 2)


def _found(
    step: WalkStepName, at: Walk, run: Run, reader: Reader | None, without: WhatIf | None, layer_read: int
) -> tuple[Found, tuple[str, ...]]:
    """What a step computes, and the answers that it tells by name."""
    names: tuple[str, ...] = ()
    if step == "dino":
        found = steps.last_heads(at)
        found.facts["layer_read"] = layer_read + 1
        return _with_own_run(found), names
    found: Found = getattr(steps, step)(at)
    if without is not None:
        found.tensors["without"] = torch.from_numpy(np.stack([without.before, without.after]))
        found.facts["likeness"], names = without.likeness, without.names
    if step == "answer" and reader is not None:
        values = reader.values(run.trace.layers[reader.layer].residual)
        told = [i for i in range(len(reader.names)) if i != reader.left_out]  # not the example that is this picture
        found.tensors["values"], names = values[told], tuple(reader.names[i] for i in told)
        found.facts["best"], found.facts["layer_read"] = int(values[told].argmax()), reader.layer + 1
        found.facts["multi_label"] = at.config.multi_label
    if step == "layers" and reader is not None and reader.kind == "class":
        shown = [reader.shown(reader.values(layer.residual)) for layer in run.trace.layers]
        best = [int(one.argmax()) for one in shown]
        found.tensors["lens"] = torch.stack([one[i] for one, i in zip(shown, best, strict=True)])
        found.tensors["final"] = torch.stack([one[best[-1]] for one in shown])
        found.tensors["best"] = torch.tensor(best)
        names = tuple(reader.names[i] for i in best)
    return found, names


def _without_positions(
    engine: Engine, image: np.ndarray, model: str, size: SizeChoice, loaded: LoadedModel
) -> WhatIf | None:
    """The answer before and after no patch has a position; None for a model that has none anyway."""
    config = loaded.model.config
    if config.position != "learned" and config.rope is None:
        return None
    return what_if(engine, image, model, size, Edits(positions="none"), None, None, -1, None, False)


def _with_own_run(found: Found) -> Found:
    """With what was measured while our own DINO learned digits: loss and the teacher's entropy (nats) by epoch, share
    of held-out digits whose nearest neighbours have their label (NaN where it was not measured)."""
    record = record_of(DINO_DIGITS_ID)
    recipe = record["recipe"]
    for name in ("loss", "entropy", "knn"):
        values = [float("nan") if value is None else value for value in record[name]]
        found.tensors[name] = torch.tensor(values)
    generator = np.random.default_rng(recipe["seed"])
    crops = []
    for size, count in (("global", recipe["global_crops"]), ("local", recipe["local_crops"])):
        low, high = recipe[f"{size}_share"]
        for _ in range(count):
            side = float(np.sqrt(generator.uniform(low, high)))
            top, left = generator.uniform(0, 1 - side, 2)
            crops.append([top, left, top + side, left + side])
    found.tensors["crops"] = torch.tensor(crops)
    facts = ("global_crops", "local_crops", "outputs", "student_temperature")
    found.facts.update({name: recipe[name] for name in facts})
    found.facts["teacher_temperature"] = recipe["teacher_temperature"][-1]
    found.facts["teacher_momentum"] = recipe["teacher_momentum"][0]
    found.facts.update({name: record[name] for name in ("knn_accuracy", "knn_accuracy_of_pixels", "trained_on")})
    return found


# -------------------------------------------------------------------------------------------- what this model does else


def differences(step: WalkStepName, config: ViTConfig) -> tuple[str, ...]:
    """What a model does at a step otherwise than the plain ViT of the paper, by name; none where it does not."""
    kinds: dict[str, list[tuple[str, bool]]] = {
        "pixels": [("grey", config.in_channels == 1)],
        "embedding": [("patch_norm", config.patch_norm), ("no_patch_bias", not config.patch_bias)],
        "prefix": [
            ("no_class_token", not config.class_token),
            ("distillation", config.distillation_token),
            ("registers", config.num_registers > 0),
        ],
        "positions": [
            ("rope", config.rope is not None and config.position != "learned"),
            ("table_and_rope", config.rope is not None and config.position == "learned"),
            ("no_positions", config.rope is None and config.position != "learned"),
            ("unplaced_prefix", config.position == "learned" and config.position_prefix < config.num_prefix_tokens),
            ("pre_norm", config.pre_norm),
        ],
        "norm": [("rms_norm", config.norm != "layer"), ("post_norm", config.block_norm == "post")],
        "qkv": [
            ("qk_norm", config.qk_norm),
            ("rope_turns", config.rope is not None),
            ("shared_keys", config.kv_heads is not None and any(n != config.heads for n in config.kv_heads)),
        ],
        "values": [("attention_norm", config.attention_norm)],
        "residual": [("layer_scale", config.layer_scale)],
        "mlp": [
            ("gated", config.mlp == "gated"),
            ("activation", config.mlp == "plain" and config.activation not in ("gelu", "gelu_tanh")),
        ],
        "answer": [
            ("no_head", config.num_classes == 0),
            ("map_pool", config.pool == "map"),
            ("two_heads", config.distillation_head),
        ],
    }
    return tuple(name for name, holds in kinds.get(step, []) if holds)


# ----------------------------------------------------------------------------------------------------------- our code


@dataclass(frozen=True)
class _Place:
    """Where a step stands in our code: a function or class, and how the first of `count` lines begins."""

    of: Callable | type
    begins: str
    count: int = 1


def _places(step: WalkStepName, config: ViTConfig) -> list[_Place]:
    rope = _Place(Attention.project, "q = rotate(q", 2), _Place(rotate, "return torch.cat([prefix")
    table = (_Place(VisionTransformer.embed, "patches = patches + (of_patches"),)
    mlp = GatedMlp.forward if config.mlp == "gated" else PlainMlp.forward
    post = config.block_norm == "post"
    where: dict[str, list[_Place]] = {
        "pixels": [_Place(preprocess._prepared, "scaled = (", 2)],
        "patches": [_Place(PatchGrid.of, "return cls(height_px")],
        "embedding": [_Place(VisionTransformer.patches, "return self.patch_norm(")],
        "prefix": [_Place(VisionTransformer.embed, "return self.norm_pre(torch.cat(")],
        "positions": [*(table if config.position == "learned" else ()), *(rope if config.rope else ())],
        "norm": [
            _Place(Block._scaled, "return self.scale1(self.norm1(given)")
            if post
            else _Place(Block.attention_input, "return x if self.post_norm else self.norm1(x)")
        ],
        "qkv": [_Place(Attention.project, "heads = self.qkv(x)", 2)],
        "scores": [_Place(attention_analysis.row_of, "query = q["), _Place(attention_analysis.row_of, "scores = (", 2)],
        "values": [
            _Place(Heads.attend, "return F.scaled_dot_product_attention(self.q, self.k, self.v)"),
            _Place(Attention.joined, "return self.proj("),
        ],
        "residual": [
            _Place(Block.forward, "x = plus(x, self._attended("),
            _Place(Block.forward, "x = plus(x, self._fed_forward("),
        ],
        "mlp": [_Place(mlp, "return self.")],
        "layers": [_Place(VisionTransformer.through, "for layer in range(", 2)],
        "answer": [
            _Place(VisionTransformer.forward, "tokens = self.norm(self.tokens_after("),
            _Place(VisionTransformer.logits_of, "return self.head(self.pooled(tokens))"),
            _Place(VisionTransformer.probabilities, "return logits.sigmoid()"),
        ],
        "dino": [_Place(dino_training.dino_loss, "target = ((teacher", 2)],
    }
    return where[step]


def source_of(step: WalkStepName, config: ViTConfig) -> tuple[SourceLines, ...]:
    """The lines of our own code that do a step, read from the source as it is installed."""
    return tuple(_read(place) for place in _places(step, config))


def _read(place: _Place) -> SourceLines:
    lines, first = inspect.getsourcelines(place.of)
    at = next((i for i, line in enumerate(lines) if line.strip().startswith(place.begins)), None)
    if at is None:
        raise AssertionError(f"{place.of.__qualname__} has no line that begins with {place.begins!r}")
    file = Path(inspect.getsourcefile(place.of) or "")
    code = textwrap.dedent("".join(lines[at : at + place.count])).rstrip()
    return SourceLines(file.relative_to(ROOT).as_posix(), first + at, code)
