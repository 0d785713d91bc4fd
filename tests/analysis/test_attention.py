"""Attention from a trace against an explicit softmax attention, and its gradient against autograd through that."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vit_demo.analysis.attention import (
    RowTrace,
    attention_gradient,
    attention_matrix,
    attention_of_all_layers,
    attention_rows,
    smallest_mass_mask,
)
from vit_demo.model import RopeConfig, Trace, VisionTransformer, ViTConfig

DEPTH, HEADS, HEAD_DIM, DIM = 3, 3, 8, 24
TOKENS = 1 + 2 + 3 * 5
CONFIGS = {"table": {}, "rope": dict(rope=RopeConfig("index")), "scaled": dict(layer_scale=True)}


@pytest.fixture(params=CONFIGS)
def model(request):
    torch.manual_seed(0)
    config = ViTConfig(
        image_size=(48, 80),
        dim=DIM,
        depth=DEPTH,
        heads=HEADS,
        mlp_hidden=40,
        num_registers=2,
        num_classes=4,
        **CONFIGS[request.param],
    )
    model = VisionTransformer(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.25 * torch.randn(parameter.shape))
    return model.requires_grad_(False)


def pixels() -> torch.Tensor:
    return torch.randn(2, 3, 48, 80, generator=torch.Generator().manual_seed(1))


def traced(model, **options) -> tuple[Trace, torch.Tensor]:
    trace = Trace(**options)
    return trace, model(pixels(), trace).logits


def numpy_softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def test_rows_equal_an_explicit_softmax_and_sum_to_one(model):
    trace, _ = traced(model)
    for layer, kept in enumerate(trace.layers):
        q, k = kept.q.double().numpy(), kept.k.double().numpy()
        for token in (0, 2, 3, TOKENS - 1):
            row = attention_rows(trace, layer, token)
            assert row.shape == (2, HEADS, TOKENS)
            scores = np.einsum("bhd,bhnd->bhn", q[:, :, token], k) / np.sqrt(HEAD_DIM)
            assert np.abs(row.numpy() - numpy_softmax(scores)).max() < 1e-5
            assert np.abs(row.numpy().sum(-1) - 1).max() < 1e-5
            assert row.max() - row.min() > 0.02  # maps that are not flat


def test_rows_of_the_matrix_are_the_attention_rows(model):
    trace, _ = traced(model)
    for layer in range(DEPTH):
        matrix = attention_matrix(trace, layer)
        rows = torch.stack([attention_rows(trace, layer, token) for token in range(TOKENS)], dim=2)
        assert matrix.shape == (2, HEADS, TOKENS, TOKENS)
        assert (matrix - rows).abs().max() < 1e-6


def test_all_layers_are_the_layers_stacked(model):
    trace, _ = traced(model)
    stacked = attention_of_all_layers(trace, 4)
    assert stacked.shape == (DEPTH, 2, HEADS, TOKENS)
    assert all(torch.equal(stacked[layer], attention_rows(trace, layer, 4)) for layer in range(DEPTH))


@pytest.mark.parametrize("token", [0, 7])
def test_a_row_trace_keeps_the_same_rows_and_changes_no_output(model, token):
    trace, logits = traced(model)
    rows = RowTrace(token=token)
    assert torch.equal(model(pixels(), rows).logits, logits)
    assert len(rows.rows) == DEPTH
    for layer in range(DEPTH):
        assert torch.allclose(rows.rows[layer], attention_rows(trace, layer, token), atol=1e-7)
    assert len(rows.layers) == 0


def test_log_sums_and_distances_are_those_of_the_whole_matrix_some_rows_at_a_time(model, monkeypatch):
    import vit_demo.analysis.attention as module

    trace, _ = traced(model)
    row, col = np.divmod(np.arange(15), 5)
    far = 16 * np.hypot(row[:, None] - row, col[:, None] - col)
    for entries in (1 << 20, HEADS * TOKENS * 4):  # all rows at once, four at a time
        monkeypatch.setattr(module, "ENTRIES_AT_ONCE", entries)
        for layer, kept in enumerate(trace.layers):
            q, k = kept.q[1] / HEAD_DIM**0.5, kept.k[1]
            sums, distance = module.log_sums_and_distances(q, k, torch.from_numpy(far).float())
            scores = (q @ k.transpose(1, 2)).double().numpy()
            assert sums.numpy() == pytest.approx(np.log(np.exp(scores).sum(-1)), abs=1e-5)
            matrix = attention_matrix(trace, layer)[1, :, 3:, 3:].numpy()
            assert distance.numpy() == pytest.approx((matrix * far).sum(-1).mean(-1), rel=1e-5)
            mean = module.mean_attention_row(trace, layer)[1].numpy()
            assert mean == pytest.approx(attention_matrix(trace, layer)[1, :, 3:].mean(1).numpy(), abs=1e-6)


@pytest.mark.parametrize("layer", [-1, DEPTH])
@pytest.mark.parametrize("question", [lambda t, l: attention_rows(t, l, 0), attention_matrix], ids=["rows", "matrix"])
def test_layers_outside_are_refused_with_the_range(model, question, layer):
    trace, _ = traced(model)
    with pytest.raises(ValueError, match=rf"layer {layer} .*0 … 2"):
        question(trace, layer)


@pytest.mark.parametrize("token", [-1, TOKENS])
def test_tokens_outside_are_refused_with_the_range(model, token):
    trace, _ = traced(model)
    with pytest.raises(ValueError, match=rf"token {token} .*0 … {TOKENS - 1}"):
        attention_rows(trace, 0, token)


# ----------------------------------------------------------------------------------------------------------- gradient


def turn(x: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Channel c and c + d/2 of every patch as one complex number, turned."""
    prefix, patches = x[:, :, :3], x[:, :, 3:]
    half = HEAD_DIM // 2
    pairs = torch.complex(patches[..., :half], patches[..., half:]) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([prefix, torch.cat([pairs.real, pairs.imag], -1)], 2)


def explicit_pass(model, embedded: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Attention of every layer as nodes of the graph, and the logits: a twin with matrices made one by one."""
    x, maps = embedded.detach().clone().requires_grad_(), []
    frequencies = 100.0 ** (-torch.arange(2) / 2)
    row, col = torch.arange(15) // 5, torch.arange(15) % 5
    angles = torch.cat([row[:, None] * frequencies, col[:, None] * frequencies], 1)
    for block in model.blocks:
        normed = F.layer_norm(x, (DIM,), block.norm1.weight, block.norm1.bias, 1e-6)
        q, k, v = (
            F.linear(normed, weight, bias).reshape(2, TOKENS, HEADS, HEAD_DIM).transpose(1, 2)
            for weight, bias in zip(block.attn.qkv.weight.split(DIM), block.attn.qkv.bias.split(DIM), strict=True)
        )
        if model.config.rope:
            q, k = turn(q, angles), turn(k, angles)
        attention = torch.softmax(torch.einsum("bhid,bhjd->bhij", q, k) / HEAD_DIM**0.5, -1)
        maps.append(attention)
        out = torch.einsum("bhij,bhjd->bihd", attention, v).reshape(2, TOKENS, DIM)
        scale = (block.scale1.gamma, block.scale2.gamma) if model.config.layer_scale else (1, 1)
        x = x + scale[0] * F.linear(out, block.attn.proj.weight, block.attn.proj.bias)
        normed = F.layer_norm(x, (DIM,), block.norm2.weight, block.norm2.bias, 1e-6)
        hidden = F.gelu(F.linear(normed, block.mlp.fc1.weight, block.mlp.fc1.bias))
        x = x + scale[1] * F.linear(hidden, block.mlp.fc2.weight, block.mlp.fc2.bias)
    tokens = F.layer_norm(x, (DIM,), model.norm.weight, model.norm.bias, 1e-6)
    return maps, F.linear(tokens[:, 0], model.head.weight, model.head.bias)


def test_gradient_of_a_logit_equals_autograd_through_an_explicit_attention(model):
    trace, logits = traced(model, gradients=True)
    maps, twins_logits = explicit_pass(model, trace.embedded)
    assert torch.allclose(logits, twins_logits, atol=1e-4)
    for target, theirs in ((logits[1, 2], twins_logits[1, 2]), (logits.sum(), twins_logits.sum())):
        wanted = torch.autograd.grad(theirs, maps, retain_graph=True)
        for layer in range(DEPTH):
            ours = attention_gradient(trace, target, layer)
            assert float((ours - wanted[layer]).abs().max() / wanted[layer].abs().max()) < 1e-5


def test_gradient_of_one_pictures_logit_is_zero_for_the_other_picture(model):
    trace, logits = traced(model, gradients=True)
    gradient = attention_gradient(trace, logits[1, 0], 0)
    assert gradient[0].abs().max() == 0
    assert gradient[1].abs().max() > 0


def test_in_the_last_layer_only_the_class_tokens_row_has_a_gradient(model):
    trace, logits = traced(model, gradients=True)
    last = attention_gradient(trace, logits[0, 1], DEPTH - 1)
    assert last[0, :, 0].abs().max() > 0
    assert last[:, :, 1:].abs().max() == 0
    assert attention_gradient(trace, logits[0, 1], DEPTH - 2)[0, :, 1:].abs().max() > 0


def test_a_trace_without_gradients_says_how_to_get_them(model):
    trace, logits = traced(model)
    with pytest.raises(ValueError, match="gradients=True"):
        attention_gradient(trace, logits[0, 0], 0)


# --------------------------------------------------------------------------------------------------------------- mask


def published_mask(attentions: np.ndarray, threshold: float) -> np.ndarray:
    """facebookresearch/dino visualize_attention.py, lines on "threshold", in numpy."""
    order = np.argsort(attentions, axis=1)
    value = np.take_along_axis(attentions, order, axis=1)
    value = value / value.sum(axis=1, keepdims=True)
    kept = np.cumsum(value, axis=1) > 1 - threshold
    back = np.argsort(order, axis=1)
    return np.stack([kept[head][back[head]] for head in range(len(kept))])


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.8, 0.95])
def test_the_mask_equals_dinos_published_algorithm(share):
    weights = np.random.default_rng(0).exponential(size=(6, 5 * 7)) ** 2 * 0.01
    ours = smallest_mass_mask(torch.from_numpy(weights), share)
    assert np.array_equal(ours.numpy(), published_mask(weights, share))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.6, 0.9])
@pytest.mark.parametrize("seed", range(4))
def test_no_smaller_set_of_patches_holds_the_share(seed, share):
    weights = np.random.default_rng(seed).exponential(size=8)
    mask = smallest_mass_mask(torch.from_numpy(weights)[None], share)[0].numpy()
    needed = share * weights.sum()
    assert weights[mask].sum() >= needed - 1e-12
    fewest = next(
        count
        for count in range(1, 9)
        if any(sum(chosen) >= needed for chosen in itertools.combinations(weights, count))
    )
    assert mask.sum() == fewest
    assert weights[mask].min() > (weights[~mask].max() if (~mask).any() else -1)


def test_every_map_of_a_stack_is_masked_on_its_own():
    weights = torch.rand(2, 3, 10, generator=torch.Generator().manual_seed(0))
    together = smallest_mass_mask(weights, 0.6)
    for i, j in itertools.product(range(2), range(3)):
        assert torch.equal(together[i, j], smallest_mass_mask(weights[i, j], 0.6))
    assert torch.equal(smallest_mass_mask(weights * 7, 0.6), together)  # the mass of the prefix does not matter
