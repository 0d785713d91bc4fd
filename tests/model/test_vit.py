"""The forward pass: the same numbers with and without a trace, nothing left behind, and each option by its formula."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from vit_demo.model import RopeConfig, Trace, VisionTransformer, ViTConfig

SMALL = dict(image_size=(32, 48), patch_px=16, dim=24, depth=2, heads=3, mlp_hidden=40, num_classes=5)
CONFIGS = {
    "plain": {},
    "registers": dict(num_registers=3, layer_scale=True),
    "rope centred": dict(position="none", position_prefix=0, rope=RopeConfig(), num_registers=2, key_bias=False),
    "rope index and table": dict(rope=RopeConfig("index", pairing="interleaved"), qk_norm=True),
    "rope mixed": dict(position="none", position_prefix=0, rope=RopeConfig("mixed", 10.0, "xy", "interleaved")),
    "distilled": dict(distillation_token=True, distillation_head=True, position_prefix=2),
    "map pooling": dict(class_token=False, position_prefix=0, pool="map", activation="gelu_tanh"),
    "swiglu": dict(mlp="gated", activation="silu", norm="rms", head_dim=12),
    "average, fc_norm": dict(pool="avg", fc_norm=True, pool_includes_prefix=True),
    "post-norm, no position": dict(block_norm="post", position="none", position_prefix=0),
    "linear head of DINOv2": dict(pool="token+avg", pre_norm=True),
    "no head": dict(num_classes=0),
    "shared keys and values": dict(kv_heads=(1, 3), rope=RopeConfig(), qk_norm=True, norm="rms"),
    "inner norms": dict(attention_norm=True, mlp_norm=True, patch_norm=True, layer_scale=True, layer_scale_mlp=False),
    "gated, inner norms": dict(mlp="gated", activation="silu", mlp_norm=True, attention_norm=True, block_norm="post"),
    "map pooling of all": dict(pool="map", pool_includes_prefix=True, pool_activation="silu"),
}


def make(**more) -> VisionTransformer:
    """A model whose every parameter is random, so that one left out shows."""
    torch.manual_seed(0)
    model = VisionTransformer(ViTConfig(**{**SMALL, **more})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    return model.requires_grad_(False)


def pixels(height: int = 48, width: int = 80, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", CONFIGS)
def test_output_is_bit_equal_with_and_without_a_trace(name):
    model = make(**CONFIGS[name])
    plain, traced, differentiable = model(pixels()), model(pixels(), Trace()), model(pixels(), Trace(gradients=True))
    for other in (traced, differentiable):
        assert torch.equal(plain.tokens, other.tokens)
        assert (plain.logits is None) == (other.logits is None)
        if plain.logits is not None:
            assert torch.equal(plain.logits, other.logits)


@pytest.mark.parametrize("name", CONFIGS)
def test_forward_leaves_nothing_on_any_module(name):
    model = make(**CONFIGS[name])

    def contents():
        return {
            path: {k: (id(v), getattr(v, "_version", None)) for k, v in {**vars(m), **m._buffers}.items()}
            for path, m in model.named_modules()
        }

    before = contents()
    model(pixels(), Trace())
    assert contents() == before


@pytest.mark.parametrize("name", CONFIGS)
def test_any_input_that_the_patch_divides_gives_one_token_per_patch(name):
    model = make(**CONFIGS[name])
    prefix = model.config.num_prefix_tokens
    for height, width in [(32, 48), (16, 80), (80, 16), (48, 48)]:
        encoded = model(pixels(height, width, 1))
        assert encoded.tokens.shape == (1, prefix + height * width // 256, 24)
        assert encoded.logits is None or encoded.logits.shape == (1, 5)


@pytest.mark.parametrize("name", CONFIGS)
def test_pictures_of_a_batch_do_not_see_each_other(name):
    model = make(**CONFIGS[name])
    both = model(pixels())
    for i in range(2):
        alone = model(pixels()[i : i + 1])
        assert torch.allclose(both.tokens[i], alone.tokens[0], atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(40, 48), (48, 40), (8, 48), (48, 0)])
def test_a_size_that_the_patch_does_not_divide_is_refused(height, width):
    with pytest.raises(ValueError, match=rf"{height}×{width} px"):
        make()(torch.zeros(1, 3, height, width))


def test_a_patchs_embedding_is_the_filter_times_its_pixels_plus_its_position():
    model = make(num_registers=2)
    picture, trace = pixels(32, 48), Trace()
    model(picture, trace)
    filters = model.patch_embed.weight.reshape(24, -1)
    for row, col in [(0, 0), (0, 2), (1, 0), (1, 2)]:
        patch = picture[1, :, 16 * row : 16 * row + 16, 16 * col : 16 * col + 16].flatten()
        expected = filters @ patch + model.patch_embed.bias + model.position[0, 1 + row * 3 + col]
        assert torch.allclose(trace.embedded[1, 3 + row * 3 + col], expected, atol=1e-4)


def test_only_the_first_prefix_tokens_get_a_position():
    model, trace = make(num_registers=2), Trace()
    model(pixels(), trace)
    assert torch.equal(trace.embedded[0, 0], model.class_token[0, 0] + model.position[0, 0])
    assert torch.equal(trace.embedded[0, 1:3], model.register_tokens[0])


def test_position_prefix_zero_leaves_the_class_token_without_a_position():
    model, trace = make(position_prefix=0), Trace()
    model(pixels(), trace)
    assert torch.equal(trace.embedded[0, 0], model.class_token[0, 0])
    assert model.position.shape == (1, 6, 24)


def test_a_pre_norm_block_is_two_branches_added_to_the_stream():
    """x + γ₁·attention(norm(x)), then x + γ₂·mlp(norm(x)), written with matrices."""
    model, trace = make(layer_scale=True), Trace()
    model(pixels(), trace)
    block, x = model.blocks[0], trace.embedded

    def layer_norm(t, norm):
        centred = t - t.mean(-1, keepdim=True)
        return centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt() * norm.weight + norm.bias

    qkv = layer_norm(x, block.norm1) @ block.attn.qkv.weight.T + block.attn.qkv.bias
    heads = []
    for head in range(3):
        q, k, v = (qkv[..., part * 24 + 8 * head : part * 24 + 8 * head + 8] for part in range(3))
        heads.append((q @ k.transpose(-2, -1) / 8**0.5).softmax(-1) @ v)
    x = x + block.scale1.gamma * (torch.cat(heads, -1) @ block.attn.proj.weight.T + block.attn.proj.bias)
    hidden = layer_norm(x, block.norm2) @ block.mlp.fc1.weight.T + block.mlp.fc1.bias
    hidden = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))
    x = x + block.scale2.gamma * (hidden @ block.mlp.fc2.weight.T + block.mlp.fc2.bias)
    assert torch.allclose(trace.layers[0].residual, x, atol=1e-4, rtol=1e-4)


def test_a_gated_mlp_is_out_of_silu_gate_times_value():
    mlp = make(mlp="gated", activation="silu").blocks[0].mlp
    x = torch.randn(4, 24)
    gate, value = (x @ part.weight.T + part.bias for part in (mlp.gate, mlp.value))
    assert torch.allclose(mlp(x), (gate / (1 + (-gate).exp()) * value) @ mlp.out.weight.T + mlp.out.bias, atol=1e-5)


def test_norms_inside_a_block_stand_before_the_projection_and_before_the_mlps_last_layer():
    """proj(norm(heads)) and fc2(norm(gelu(fc1))), the second branch without a scale; patches are normed alone."""
    model, trace = make(**CONFIGS["inner norms"]), Trace()
    picture = pixels()
    model(picture, trace)
    block, kept, x = model.blocks[0], trace.layers[0], trace.embedded

    def normed(t, norm):
        return F.layer_norm(t, t.shape[-1:], norm.weight, norm.bias, 1e-6)

    heads = torch.cat(kept.out.unbind(1), dim=-1)
    x = x + block.scale1.gamma * (normed(heads, block.attn.norm) @ block.attn.proj.weight.T + block.attn.proj.bias)
    hidden = F.gelu(normed(x, block.norm2) @ block.mlp.fc1.weight.T + block.mlp.fc1.bias)
    x = x + normed(hidden, block.mlp.norm) @ block.mlp.fc2.weight.T + block.mlp.fc2.bias
    assert torch.allclose(kept.residual, x, atol=1e-4, rtol=1e-4)
    patches = normed(model.patch_embed(picture).flatten(2).transpose(1, 2), model.patch_norm)
    assert torch.allclose(trace.embedded[:, 1:], patches + model.positions((3, 5))[1], atol=1e-5)


def test_heads_that_share_keys_and_values_read_those_of_their_group():
    model, trace = make(heads=6, kv_heads=(2, 6)), Trace()
    model(pixels(), trace)
    block, kept = model.blocks[0], trace.layers[0]
    q, k, v = F.linear(block.norm1(trace.embedded), block.attn.qkv.weight, block.attn.qkv.bias).split(
        [24, 8, 8], dim=-1
    )
    for head in range(6):
        group = slice(4 * (head // 3), 4 * (head // 3) + 4)
        weights = (q[..., 4 * head : 4 * head + 4] @ k[..., group].transpose(-2, -1) / 2).softmax(-1)
        assert torch.allclose(kept.out[:, head], weights @ v[..., group], atol=1e-4)
    assert all(t.shape == (2, 6, 16, 4) for layer in trace.layers for t in (layer.q, layer.k, layer.v, layer.out))
    assert model.blocks[1].attn.qkv.out_features == 72


def test_what_the_head_reads_follows_the_pooling():
    def head_input(**more):
        model = make(**more)
        tokens = model(pixels()).tokens
        return model, tokens, model.pooled(tokens)

    _, tokens, read = head_input()
    assert torch.equal(read, tokens[:, 0])
    _, tokens, read = head_input(pool="avg", num_registers=2)
    assert torch.allclose(read, tokens[:, 3:].sum(1) / 15, atol=1e-5)
    _, tokens, read = head_input(pool="avg", num_registers=2, pool_includes_prefix=True)
    assert torch.allclose(read, tokens.sum(1) / 18, atol=1e-5)
    _, tokens, read = head_input(pool="token+avg", num_registers=2)
    assert torch.allclose(read, torch.cat([tokens[:, 0], tokens[:, 3:].sum(1) / 15], 1), atol=1e-5)
    model, tokens, read = head_input(pool="avg", fc_norm=True)
    norm = model.fc_norm
    assert torch.allclose(read, F.layer_norm(tokens[:, 1:].mean(1), (24,), norm.weight, norm.bias, 1e-6), atol=1e-5)


def test_logits_of_a_distilled_model_are_the_mean_of_its_two_heads():
    model = make(**CONFIGS["distilled"])
    tokens, logits = model(pixels())
    one, two = (tokens[:, i] @ head.weight.T + head.bias for i, head in enumerate((model.head, model.head_dist)))
    assert torch.allclose(logits, (one + two) / 2, atol=1e-5)


def test_map_pooling_is_one_query_over_all_tokens_then_an_mlp():
    model = make(**CONFIGS["map pooling"])
    pool, tokens = model.attention_pool, torch.randn(2, 7, 24)
    query = pool.latent[0] @ pool.q.weight.T + pool.q.bias
    kv = tokens @ pool.kv.weight.T + pool.kv.bias
    heads = []
    for h in range(3):
        part = slice(8 * h, 8 * h + 8)
        weights = (kv[..., part] @ query[0, part] / 8**0.5).softmax(-1)
        heads.append((weights[..., None] * kv[..., 24:][..., part]).sum(1))
    pooled = torch.cat(heads, -1) @ pool.proj.weight.T + pool.proj.bias
    normed = F.layer_norm(pooled, (24,), pool.norm.weight, pool.norm.bias, 1e-6)
    hidden = F.gelu(normed @ pool.fc1.weight.T + pool.fc1.bias, approximate="tanh")
    assert torch.allclose(pool(tokens), pooled + hidden @ pool.fc2.weight.T + pool.fc2.bias, atol=1e-4)


def test_moving_the_picture_by_a_patch_moves_the_tokens_of_a_model_without_positions():
    """Without positions, attention cannot tell places apart: tokens of swapped patches are swapped."""
    model = make(position="none", position_prefix=0)
    picture = pixels(32, 48)
    swapped = picture.clone()
    swapped[..., :16, :16], swapped[..., 16:, 32:] = picture[..., 16:, 32:], picture[..., :16, :16]
    one, two = model(picture).tokens, model(swapped).tokens
    order = [0, 6, 2, 3, 4, 5, 1]
    assert torch.allclose(one[:, order], two, atol=1e-4)
    assert (one - two).abs().max() > 0.01
