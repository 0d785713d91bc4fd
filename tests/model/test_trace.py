"""What a forward pass leaves in a Trace, and what it may be used for."""

from __future__ import annotations

import pytest
import torch

from vit_demo.analysis.attention import attention_rows
from vit_demo.edits import Cut, Edits
from vit_demo.model import RopeConfig, Trace, VisionTransformer, ViTConfig

FLOAT_BYTES = 4
SMALL = dict(image_size=(32, 48), patch_px=16, dim=24, depth=3, heads=3, mlp_hidden=48)


def filled(**more) -> tuple[VisionTransformer, Trace, torch.Tensor]:
    torch.manual_seed(0)
    model = VisionTransformer(ViTConfig(**{**SMALL, **more})).eval().requires_grad_(False)
    pixels, trace = torch.randn(2, 3, 48, 80), Trace()
    model(pixels, trace=trace)
    return model, trace, pixels


def test_a_trace_holds_every_layer_in_the_shapes_promised():
    _, trace, _ = filled(num_registers=2)
    tokens = 3 + 3 * 5
    assert trace.grid.shape == (3, 5)
    assert trace.grid.prefix_names == ("cls", "reg1", "reg2")
    assert trace.embedded.shape == (2, tokens, 24)
    assert len(trace.layers) == 3
    for layer in trace.layers:
        assert all(getattr(layer, name).shape == (2, 3, tokens, 8) for name in ("q", "k", "v", "out"))
        assert layer.residual.shape == (2, tokens, 24)


def test_the_last_residual_through_the_final_norm_is_the_output():
    model, trace, pixels = filled()
    assert torch.equal(model.norm(trace.layers[-1].residual), model(pixels).tokens)


def test_each_layers_residual_is_what_its_block_gives_on_the_one_before():
    model, trace, _ = filled()
    before = trace.embedded
    for block, layer in zip(model.blocks, trace.layers, strict=True):
        assert torch.equal(block(before, None, None), layer.residual)
        before = layer.residual


def test_out_is_softmax_of_the_kept_q_and_k_times_the_kept_v():
    _, trace, _ = filled(rope=RopeConfig("index"))
    for layer in trace.layers:
        explicit = (layer.q @ layer.k.transpose(-2, -1) / 8**0.5).softmax(-1) @ layer.v
        assert torch.allclose(layer.out, explicit, atol=1e-5)


def test_a_used_trace_is_refused():
    model, trace, pixels = filled()
    with pytest.raises(ValueError, match="new Trace"):
        model(pixels, trace=trace)
    assert len(trace.layers) == 3


def test_a_picture_that_is_refused_leaves_the_trace_unused():
    model, _, pixels = filled()
    trace = Trace()
    with pytest.raises(ValueError, match="multiples of 16"):
        model(torch.randn(1, 3, 40, 48), trace=trace)
    model(pixels, trace=trace)
    assert len(trace.layers) == 3


@pytest.mark.parametrize("more", [{}, {"rope": RopeConfig("index")}, {"block_norm": "post"}])
def test_a_trace_keeps_the_residual_stream_alone(more):
    _, trace, _ = filled(**more)
    one = 2 * (1 + 15) * 24 * FLOAT_BYTES  # B·N·D
    assert trace.nbytes == one + 3 * one
    assert [layer.out.shape for layer in trace.layers] == 3 * [(2, 3, 16, 8)]
    assert trace.nbytes == one + 3 * one  # what a layer computed is let go with it


def test_nbytes_of_a_differentiable_trace_counts_shared_memory_once():
    """q, k and v are three views of one projection, kept alive once; with RoPE q and k are tensors of their own, and v
    alone keeps the whole projection alive."""
    one = 2 * (1 + 15) * 24 * FLOAT_BYTES
    for rope, of_heads in ((None, 3 * one), (RopeConfig("index"), 2 * one + 3 * one)):
        model, _, pixels = filled(rope=rope)
        trace = Trace(gradients=True)
        model(pixels, trace=trace)
        assert trace.nbytes == one + 3 * (of_heads + one + one)


class Watching(Trace):
    """Keeps what attention got and gave in the pass itself."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def keep_attention(self, heads, out):
        self.seen.append((*heads, out))
        super().keep_attention(heads, out)


@pytest.mark.parametrize("more", [{}, {"rope": RopeConfig("index")}, {"block_norm": "post"}, {"qk_norm": True}])
@pytest.mark.parametrize(
    "edits",
    [
        None,
        Edits(temperature=0.5, cut=(Cut(keys=((0, 1),)),)),
        Edits(drop=((1, 1),), heads={(1, 0): "mean"}, skip=((0, "mlp"), (2, "attention"))),
    ],
)
def test_what_attention_got_and_gave_is_what_the_pass_had(more, edits):
    model, _, pixels = filled(**more)
    trace = Watching()
    model(pixels, trace=trace, edits=edits)
    assert len(trace.seen) == len(trace.layers) == 3
    for (q, k, v, closed, out), layer in zip(trace.seen, trace.layers, strict=True):
        assert all(map(torch.equal, (q, k, v, out), (layer.q, layer.k, layer.v, layer.out)))
        assert (closed is None) == (layer.closed is None)
        assert closed is None or torch.equal(closed, layer.closed)


def test_layers_are_read_from_both_ends_and_in_slices():
    _, trace, _ = filled()
    assert torch.equal(trace.layers[-1].residual, trace.layers[2].residual)
    assert len(trace.layers[1:]) == 2
    with pytest.raises(IndexError):
        trace.layers[3]


def test_a_trace_of_inference_mode_is_read_outside_of_it():
    model, _, pixels = filled()
    trace = Trace()
    with torch.inference_mode():
        model(pixels, trace=trace)
    rows = attention_rows(trace, 1, 0)
    assert torch.allclose(rows.sum(-1), torch.ones(2, 3), atol=1e-5)
    assert not rows.requires_grad


def test_an_empty_trace_keeps_nothing():
    assert Trace().nbytes == 0


def test_gradients_reach_every_kept_tensor_although_the_weights_are_frozen():
    model, _, pixels = filled(num_classes=4)
    trace = Trace(gradients=True)
    with torch.no_grad():
        logits = model(pixels, trace=trace).logits
    kept = [trace.embedded, *(t for layer in trace.layers for t in (layer.q, layer.k, layer.v, layer.out))]
    gradients = torch.autograd.grad(logits[0, 2], kept, retain_graph=True)
    assert all(g[0].abs().max() > 0 for g in gradients)
    assert all(p.grad is None and not p.requires_grad for p in model.parameters())


def test_a_plain_trace_builds_no_graph():
    _, trace, _ = filled()
    assert not any(t.requires_grad for layer in trace.layers for t in (layer.q, layer.out, layer.residual))
