"""Every step of the walk against timm's own modules, by hooks: four families."""

from __future__ import annotations

import pytest
import torch

from tests.parity.test_timm import small, twin
from vit_demo.analysis import walk as steps
from vit_demo.analysis.walk import Walk
from vit_demo.model import Trace

FAMILIES = {
    "vit_small_patch16_224": {},
    "deit_tiny_distilled_patch16_224": {},
    "vit_small_patch14_reg4_dinov2": {},
    "vit_small_patch16_dinov3": {},
}
ROWS, COLS, LAYER, HEAD, DEPTH = 3, 5, 1, 1, 3
RELATIVE = 2e-5


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request, shake):
    """timm's model with what its modules got and gave, and our walk through the same picture."""
    name = request.param
    patch = 14 if "patch14" in name else 16
    args, theirs = small(name, img_size=(ROWS * patch, COLS * patch), depth=DEPTH, num_classes=7)
    shake(theirs)
    ours, _ = twin(name, theirs, args)
    pixels = torch.randn(1, 3, ROWS * patch, COLS * patch, generator=torch.Generator().manual_seed(3))
    kept: dict[str, torch.Tensor] = {}

    def keep(name):
        def hook(module, args, output):
            kept[f"{name}.in"] = args[0] if args else output
            kept[name] = output[0] if isinstance(output, tuple) else output

        return hook

    block = theirs.blocks[LAYER]
    watched = {"patch_embed": theirs.patch_embed, "norm1": block.norm1, "attn": block.attn, "norm2": block.norm2}
    watched |= {"act": block.mlp.act, "block": block, "final": theirs.norm, "proj": block.attn.proj, "mlp": block.mlp}
    watched["qkv"] = block.attn.qkv
    for number, each in enumerate(theirs.blocks):
        watched[f"block{number}"] = each
    hooks = [module.register_forward_hook(keep(name)) for name, module in watched.items()]
    fused = [module for module in theirs.modules() if hasattr(module, "fused_attn")]
    for module in fused:
        module.fused_attn = False
    maps = {}
    drop = block.attn.attn_drop
    hooks.append(drop.register_forward_hook(lambda module, args, output: maps.update(attention=args[0])))
    trace = Trace()
    with torch.inference_mode():
        logits = theirs(pixels)
        ours(pixels, trace=trace)
        yield kept, maps, logits, theirs, Walk(ours, pixels, trace, trace.grid.token_of_patch(2, 1), LAYER, HEAD)
    for hook in hooks:
        hook.remove()


def close(ours, theirs):
    assert ours.shape == theirs.shape
    assert float((ours - theirs).abs().max() / theirs.abs().max()) < RELATIVE


def test_embedding(pair):
    kept, _, _, _, walk = pair
    close(steps.embedding(walk).tensors["convolution"], kept["patch_embed"].reshape(1, ROWS * COLS, -1)[0])


def test_what_enters_the_first_layer(pair):
    kept, _, _, _, walk = pair
    close(walk.trace.embedded, kept["block0.in"])


def test_norm(pair):
    kept, _, _, _, walk = pair
    found = steps.norm(walk).tensors
    close(found["before"], kept["norm1.in"][0, walk.token])
    close(found["after"], kept["norm1"][0, walk.token])


def test_prefix_and_positions(pair):
    kept, _, _, theirs, walk = pair
    sequence, p = steps.prefix(walk).tensors["tokens"], walk.grid.num_prefix_tokens
    close(sequence[p:], kept["patch_embed"].reshape(1, ROWS * COLS, -1)[0])
    close(sequence[0], theirs.cls_token[0, 0])
    found = steps.positions(walk)
    if found.facts["table"]:
        plane = kept["block0.in"][0, p:, found.facts["channel"] - 1]
        close(found.tensors["after"].flatten(), plane)


def test_qkv(pair):
    kept, _, _, _, walk = pair
    close(steps.qkv(walk).tensors["joined"], kept["qkv"][0, walk.token])


def test_scores(pair):
    _, maps, _, _, walk = pair
    close(steps.scores(walk).tensors["rows"], maps["attention"][0, :, walk.token])


def test_values(pair):
    kept, _, _, _, walk = pair
    found = steps.values(walk).tensors
    close(found["by_hand"].flatten(), kept["proj.in"][0, walk.token])
    close(found["projected"], kept["proj"][0, walk.token])


def test_mlp(pair):
    kept, _, _, _, walk = pair
    found = steps.mlp(walk).tensors
    close(found["before"], kept["act.in"][0, walk.token])
    close(found["after"], kept["act"][0, walk.token])


def test_residual(pair):
    kept, _, _, _, walk = pair
    found = steps.residual(walk).tensors
    long = lambda x: x[0].norm(dim=-1).mean()  # noqa: E731
    stream = [long(kept["block0.in"]), *(long(kept[f"block{layer}"]) for layer in range(DEPTH))]
    close(found["stream"], torch.stack(stream))
    block = kept["norm2.in"] - kept["block.in"]  # what attention has added in this layer
    close(found["attention"][LAYER], long(block))
    close(found["mlp"][LAYER], long(kept["block"] - kept["norm2.in"]))


def test_layers(pair):
    _, maps, _, _, walk = pair
    found = steps.layers(walk).tensors
    row = maps["attention"][0, :, walk.token].mean(dim=0)
    p = walk.grid.num_prefix_tokens
    close(found["maps"][LAYER].flatten(), row[p:])
    close(found["prefix"][LAYER], row[:p])


def test_answer(pair):
    kept, _, logits, theirs, walk = pair
    found = steps.answer(walk)
    if getattr(theirs, "head_dist", None) is None:
        close(walk.vit.head(found.tensors["read"]), logits[0])
    assert found.shapes["tokens"] == tuple(kept["final"].shape[1:])


def test_the_shapes_of_the_map_are_those_that_timm_has(pair):
    kept, maps, logits, _, walk = pair
    shapes = steps.map_shapes(walk.config, walk.grid, 7)
    assert shapes["embedding"] == tuple(kept["patch_embed"].flatten(1, -2).shape[1:])
    assert shapes["positions"] == tuple(kept["block0.in"].shape[1:])
    assert shapes["scores"] == tuple(maps["attention"].shape[1:])
    assert shapes["values"] == tuple(kept["proj"].shape[1:])
    assert shapes["mlp"] == tuple(kept["act"].shape[1:])
    assert shapes["answer"] == tuple(logits.shape[1:])
    assert shapes["qkv"][0] * shapes["qkv"][1] * shapes["qkv"][3] == kept["qkv"].shape[-1]
