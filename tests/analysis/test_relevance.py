"""Relevance against an explicit attention under autograd, whole N×N matrices in numpy, grad-cam and captum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import InputXGradient
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from vit_demo.analysis.features import compare_with_gallery, picture_features
from vit_demo.analysis.relevance import (
    Target,
    example_target,
    grad_cam,
    gradient_times_input,
    gradients,
    raw_attention,
    readout_row,
    score,
    sum_per_patch,
    walk_down,
)
from vit_demo.model import RopeConfig, Trace, VisionTransformer, ViTConfig

DEPTH, HEADS, DIM, PATCH_PX, CLASS = 3, 3, 24, 16, 2
ROWS, COLS = 3, 5
PATCHES = ROWS * COLS
WALKED = {"rollout", "gradient_rollout", "chefer"}
NO_CLASS = dict(class_token=False, position_prefix=0)
CONFIGS = {
    "token": {},
    "registers": dict(num_registers=4),  # 5 prefix tokens
    "distilled": dict(distillation_token=True, distillation_head=True, position_prefix=2),
    "avg": dict(pool="avg", fc_norm=True, **NO_CLASS),  # no prefix token
    "avg with a class token": dict(pool="avg", num_registers=1),
    "avg of all": dict(pool="avg", pool_includes_prefix=True),
    "map": dict(pool="map", **NO_CLASS),
    "token and avg": dict(pool="token+avg"),
    "rope": dict(rope=RopeConfig("index"), layer_scale=True),
    "post norm": dict(block_norm="post"),
    "pre norm": dict(pre_norm=True),
    "map of all": dict(pool="map", pool_includes_prefix=True, num_registers=1, pool_activation="silu"),
    "shared keys and values": dict(kv_heads=(3, 1, 1), qk_norm=True),
    "inner norms": dict(attention_norm=True, mlp_norm=True, patch_norm=True, layer_scale=True, layer_scale_mlp=False),
}
# What the head reads, in tokens: written out here by hand
READ = {
    "token": [1] + [0] * PATCHES,
    "registers": [1] + [0] * (4 + PATCHES),
    "distilled": [0.5, 0.5] + [0] * PATCHES,
    "avg": [1 / PATCHES] * PATCHES,
    "avg with a class token": [0, 0] + [1 / PATCHES] * PATCHES,
    "avg of all": [1 / (1 + PATCHES)] * (1 + PATCHES),
    "token and avg": [0.5] + [0.5 / PATCHES] * PATCHES,
    "rope": [1] + [0] * PATCHES,
    "post norm": [1] + [0] * PATCHES,
    "pre norm": [1] + [0] * PATCHES,
    "shared keys and values": [1] + [0] * PATCHES,
    "inner norms": [1] + [0] * PATCHES,
}


def make(**options) -> VisionTransformer:
    torch.manual_seed(0)
    base = dict(image_size=(48, 80), dim=DIM, depth=DEPTH, heads=HEADS, mlp_hidden=40, num_classes=4)
    model = VisionTransformer(ViTConfig(**base | options)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return model.requires_grad_(False)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Models this small only wait for a second thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=CONFIGS)
def named(request):
    return request.param, make(**CONFIGS[request.param])


@pytest.fixture
def model():
    return make(num_registers=2)


def pixels(seed: int = 1) -> torch.Tensor:
    return torch.randn(1, 3, 48, 80, generator=torch.Generator().manual_seed(seed))


def class_target(index: int = CLASS) -> Target:
    return Target(DEPTH - 1, index)


def example(model, layer: int, centred: bool = True, index: int = 1) -> Target:
    gallery = torch.stack([picture_features(model, traced(model, seed), layer)[0] for seed in (7, 8, 9)])
    return example_target(layer, gallery, index, centred)


def traced(model, seed: int = 1) -> Trace:
    trace = Trace()
    model(pixels(seed), trace)
    return trace


class Explicit:
    """A pass whose attention is made of matrices, each a node of autograd's graph, and what the blocks gave."""

    def __init__(self, model, monkeypatch, x: torch.Tensor | None = None):
        self.attention, self.residual = [], []

        def attend(q, k, v):
            a = torch.softmax(torch.einsum("bhid,bhjd->bhij", q, k) / q.shape[-1] ** 0.5, -1)
            self.attention.append(a)
            return torch.einsum("bhij,bhjd->bhid", a, v)

        hooks = [b.register_forward_hook(lambda _m, _i, out: self.residual.append(out)) for b in model.blocks]
        with monkeypatch.context() as patch:
            patch.setattr(torch.nn.functional, "scaled_dot_product_attention", attend)
            self.pixels = (pixels() if x is None else x).requires_grad_()
            self.logits = model(self.pixels).logits
        for hook in hooks:
            hook.remove()

    def gradients_of(self, value: torch.Tensor, layers: int = DEPTH) -> list[np.ndarray]:
        return [g[0].numpy() for g in torch.autograd.grad(value, self.attention[:layers], retain_graph=True)]

    def maps(self, layers: int = DEPTH) -> list[np.ndarray]:
        return [a[0].detach().numpy() for a in self.attention[:layers]]


def close(ours: torch.Tensor, theirs: np.ndarray, tolerance: float = 2e-5) -> bool:
    theirs = np.asarray(theirs)
    assert ours.shape == theirs.shape
    scale = np.abs(theirs).max()
    assert scale > 0
    return float(np.abs(ours.detach().numpy() - theirs).max() / scale) < tolerance


def row_of(name: str, explicit: Explicit) -> np.ndarray:
    if name.startswith("map"):  # the pooling's own attention is the last one that was made
        return explicit.attention[-1][0, :, 0].mean(0).detach().numpy()
    return np.array(READ[name])


# ------------------------------------------------------------------------------------------------------------- target


def test_tokens_after_a_layer_equal_the_traces_residual_bit_by_bit(named):
    _, model = named
    trace = traced(model)
    for layer in range(DEPTH):
        assert torch.equal(model.tokens_after(pixels(), layer), trace.layers[layer].residual)


def test_a_class_is_scored_by_its_logit_and_its_probability(named):
    _, model = named
    logits, residual = model(pixels()).logits, model.tokens_after(pixels(), DEPTH - 1)
    assert torch.equal(score(model, class_target(), residual), logits[:, CLASS])
    odds = np.exp(logits[0].double().numpy())
    assert score(model, class_target(), residual, probability=True).item() == pytest.approx(odds[CLASS] / odds.sum())


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("options", [dict(num_registers=2), NO_CLASS | dict(pool="avg")], ids=["token", "mean"])
def test_an_example_is_scored_as_the_predict_tab_compares(options, centred):
    model = make(num_classes=0, **options)
    gallery = torch.stack([picture_features(model, traced(model, seed), 1)[0] for seed in (7, 8, 9)])
    wanted = compare_with_gallery(picture_features(model, traced(model), 1)[0], gallery, centred)
    residual = model.tokens_after(pixels(), 1)
    got = [score(model, example_target(1, gallery, i, centred), residual).item() for i in range(3)]
    assert got == pytest.approx(wanted.tolist(), abs=1e-6)
    assert np.ptp(got) > 0.01


def test_the_read_out_row_is_what_the_head_reads(named, monkeypatch):
    name, model = named
    row = readout_row(model, class_target(), model.tokens_after(pixels(), DEPTH - 1))
    assert np.abs(row.numpy() - row_of(name, Explicit(model, monkeypatch))).max() < 1e-6
    assert row.sum().item() == pytest.approx(1, abs=1e-6)


def test_a_comparison_is_read_from_the_class_token_or_from_all_tokens():
    for options, wanted in ((dict(num_registers=2), [1] + [0] * (2 + PATCHES)), (NO_CLASS, [1 / PATCHES] * PATCHES)):
        model = make(num_classes=0, **options | ({} if "num_registers" in options else {"pool": "avg"}))
        row = readout_row(model, example(model, 1), model.tokens_after(pixels(), 1))
        assert row.tolist() == pytest.approx(wanted)


# ----------------------------------------------------------------------------------------------------- attention walks


def numpy_walk(row, matrices, start=0) -> np.ndarray:
    """row · M[L]…M[start] with the whole product made first."""
    product = np.eye(len(row))
    for matrix in matrices[start:]:
        product = matrix @ product
    return row @ product


def normalised(fused: np.ndarray, discard: float = 0.0) -> np.ndarray:
    if discard:
        flat = fused.copy().ravel()
        flat[np.argsort(flat, kind="stable")[: int(flat.size * discard)]] = 0
        fused = flat.reshape(fused.shape)
    added = fused + np.eye(len(fused))
    return added / added.sum(1, keepdims=True)


@pytest.mark.parametrize(
    ("fusion", "discard", "start"), [("mean", 0, 0), ("max", 0.9, 0), ("min", 0.5, 1), ("mean", 0.3, 2)]
)
def test_walks_equal_products_of_whole_matrices(named, monkeypatch, fusion, discard, start):
    name, model = named
    explicit = Explicit(model, monkeypatch)
    row = row_of(name, explicit)
    maps, grads = explicit.maps(), explicit.gradients_of(explicit.logits[0, CLASS])
    of = gradients(model, class_target(), pixels(), traced(model))
    walked = walk_down(
        traced(model), class_target(), torch.from_numpy(row).float(), WALKED, of.d_out, fusion, discard, start
    )
    fused = [getattr(a, fusion)(0) for a in maps]
    assert close(walked["rollout"], numpy_walk(row, [normalised(a, discard) for a in fused], start), 1e-4)
    weighted = [(a * g).mean(0).clip(0) for a, g in zip(maps, grads, strict=True)]
    if not discard:  # ties at 0 are no order
        assert close(walked["gradient_rollout"], numpy_walk(row, [normalised(w) for w in weighted], start), 1e-4)
    relevance = np.eye(len(row))
    for a, g in list(zip(maps, grads, strict=True))[start:]:
        relevance = relevance + (a * g).clip(0).mean(0) @ relevance
    assert close(walked["chefer"], row @ relevance - row, 1e-4)


def test_discarding_in_gradient_rollout_takes_the_lowest_entries(model, monkeypatch):
    explicit = Explicit(model, monkeypatch)
    maps, grads = explicit.maps(), explicit.gradients_of(explicit.logits[0, CLASS])
    weighted = [(a * g).mean(0).clip(0) for a, g in zip(maps, grads, strict=True)]
    positive = min((w > 0).mean() for w in weighted[:-1])
    discard = (
        1 - positive / 2
    )  # reaches into the entries above 0 of both lower layers, not of the last, which has one row
    row = np.eye(len(weighted[0]))[0]
    of = gradients(model, class_target(), pixels(), traced(model))
    walked = walk_down(
        traced(model), Target(DEPTH - 1, CLASS), torch.from_numpy(row).float(), {"gradient_rollout"}, of.d_out,
        discard=discard,
    )  # fmt: skip
    wanted = numpy_walk(row, [normalised(w, discard) for w in weighted])
    assert close(walked["gradient_rollout"], wanted, 1e-4)
    without = numpy_walk(row, [normalised(w) for w in weighted])
    assert np.abs(wanted - without).max() > 1e-5


@pytest.mark.parametrize("fusion", ["mean", "max", "min"])
def test_rollout_rows_sum_to_one(named, fusion):
    _, model = named
    trace, of = traced(model), gradients(model, class_target(), pixels(), traced(model))
    row = readout_row(model, class_target(), trace.layers[-1].residual)
    for discard in (0.0, 0.7):
        walked = walk_down(trace, class_target(), row, WALKED, of.d_out, fusion, discard)
        assert walked["rollout"].sum().item() == pytest.approx(1, abs=1e-5)
        assert walked["gradient_rollout"].sum().item() == pytest.approx(1, abs=1e-5)
        assert walked["rollout"].min() >= 0


def test_raw_attention_is_the_mean_row_of_the_last_attention(named, monkeypatch):
    name, model = named
    explicit = Explicit(model, monkeypatch)
    trace, row = traced(model), row_of(name, explicit)
    wanted = row if name.startswith("map") else row @ explicit.attention[-1][0].mean(0).detach().numpy()
    got = raw_attention(model, class_target(), trace, torch.from_numpy(row).float())
    assert close(got, wanted)
    assert got.sum().item() == pytest.approx(1, abs=1e-5)


def test_rows_one_by_one_give_the_same_as_all_at_once(model, monkeypatch):
    def everything():
        of, row = gradients(model, class_target(), pixels(), traced(model)), torch.eye(3 + PATCHES)[0]
        walks = [walk_down(traced(model), class_target(), row, WALKED, of.d_out, how) for how in ("mean", "max", "min")]
        return [of.legrad, *(made for walked in walks for made in walked.values())]

    whole = everything()
    monkeypatch.setattr("vit_demo.analysis.relevance.ENTRIES_AT_ONCE", 1)
    assert all(torch.allclose(one, other, atol=1e-7) for one, other in zip(whole, everything(), strict=True))


def test_only_what_is_asked_is_walked_and_rollout_needs_no_gradient(model):
    row = torch.eye(3 + PATCHES)[0]
    assert set(walk_down(traced(model), class_target(), row, {"rollout"})) == {"rollout"}
    assert walk_down(traced(model), class_target(), row, set()) == {}


# ---------------------------------------------------------------------------------------------------------- gradients


def test_legrad_equals_autograd_on_every_layers_own_logit(named, monkeypatch):
    _, model = named
    explicit = Explicit(model, monkeypatch)
    wanted = []
    for attention, residual in zip(explicit.attention, explicit.residual, strict=False):
        own = model.classify(model.norm(residual))[0, CLASS]
        (gradient,) = torch.autograd.grad(own, attention, retain_graph=True)
        wanted.append(gradient[0].clamp(min=0).mean(dim=(0, 1)).numpy())
    assert close(gradients(model, class_target(), pixels(), traced(model)).legrad, np.stack(wanted))


@pytest.mark.parametrize("name", [name for name in CONFIGS if name != "post norm"])
def test_grad_cam_equals_pytorch_grad_cam(name):
    model = make(**CONFIGS[name]).requires_grad_(True)  # the package asks for gradients of the weights
    prefix = model.config.num_prefix_tokens

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.vit = model

        def forward(self, x):
            return self.vit(x).logits

    def on_the_grid(tokens):
        return tokens[:, prefix:].reshape(1, ROWS, COLS, -1).permute(0, 3, 1, 2)

    layer = model.blocks[-1].norm1
    with GradCAM(Logits(), [layer], reshape_transform=on_the_grid) as cam:
        cam(pixels(), [ClassifierOutputTarget(CLASS)])
        kept = cam.activations_and_grads
        activations, grads = kept.activations[0].numpy(), kept.gradients[0].numpy()
        theirs = cam.get_cam_image(pixels(), layer, None, activations, grads)[0]
    ours = grad_cam(gradients(model, class_target(), pixels(), traced(model)), traced(model).grid)
    assert close(ours, theirs.clip(0))
    assert ours.shape == (ROWS, COLS)


def test_grad_cam_of_a_post_norm_block_takes_the_attention_branch_alone(monkeypatch):
    """What attention reads goes on beside it too: the gradient is that through attention, by autograd on a copy."""
    model = make(block_norm="post")
    block, entering = model.blocks[-1], model.tokens_after(pixels(), DEPTH - 2)
    copy = entering.clone().requires_grad_()
    x = entering + block.norm1(block.attn(copy, None, None))
    x = x + block.norm2(block.mlp(x))
    (gradient,) = torch.autograd.grad(model.classify(model.norm(x))[0, CLASS], copy)
    wanted = (entering[0, 1:] @ gradient[0, 1:].mean(0)).clamp(min=0).reshape(ROWS, COLS)
    assert close(
        grad_cam(gradients(model, class_target(), pixels(), traced(model)), traced(model).grid), wanted.detach().numpy()
    )


def test_gradient_times_input_equals_captum(named):
    _, model = named
    theirs = InputXGradient(lambda x: model(x).logits).attribute(pixels().requires_grad_(), target=CLASS)
    ours = gradient_times_input(gradients(model, class_target(), pixels(), traced(model)), pixels()[0], PATCH_PX)
    blocks = theirs[0].detach().numpy().reshape(3, ROWS, PATCH_PX, COLS, PATCH_PX)
    assert close(ours, blocks.sum(axis=(0, 2, 4)))
    assert ours.min() < 0 < ours.max()


def test_sums_are_per_patch_and_rows_come_first():
    picture = torch.zeros(3, 48, 80)
    picture[1, 16 * 2 + 3, 16 * 4 + 15] = 5.0
    summed = sum_per_patch(picture, PATCH_PX)
    assert summed[2, 4] == summed.sum() == 5


def test_the_value_kept_with_the_gradients_is_the_logit(model):
    assert gradients(model, class_target(), pixels(), traced(model)).value == pytest.approx(
        model(pixels()).logits[0, CLASS].item()
    )


# ------------------------------------------------------------------------------------------- a layer below the last


def test_every_gradient_of_a_comparison_equals_autograd(monkeypatch):
    model = make(num_classes=0, num_registers=2)
    target, layers = example(model, 1), 2
    with monkeypatch.context() as patch:  # a headless pass gives no logits: keep the blocks' outputs
        explicit = Explicit(model, patch)
    cosine = score(model, target, explicit.residual[1])[0]
    maps, grads = explicit.maps(layers), explicit.gradients_of(cosine, layers)
    of = gradients(model, target, pixels(), traced(model))
    assert len(of.d_out) == len(of.legrad) == layers
    (of_pixels,) = torch.autograd.grad(cosine, explicit.pixels, retain_graph=True)
    assert close(of.d_pixels, of_pixels[0].numpy())
    relevance = np.eye(3 + PATCHES)
    for a, g in zip(maps, grads, strict=True):
        relevance = relevance + (a * g).clip(0).mean(0) @ relevance
    row = torch.eye(3 + PATCHES)[0]
    walked = walk_down(traced(model), target, row, WALKED, of.d_out)
    assert close(walked["chefer"], relevance[0] - row.numpy(), 1e-4)
    assert close(walked["rollout"], numpy_walk(row.numpy(), [normalised(a.mean(0)) for a in maps]))


def test_layers_above_the_target_take_no_part():
    model = make(num_classes=0)
    target = example(model, 1)

    def everything():
        of, trace = gradients(model, target, pixels(), traced(model)), traced(model)
        walked = walk_down(trace, target, torch.eye(1 + PATCHES)[0], WALKED, of.d_out)
        raw = raw_attention(model, target, trace, torch.eye(1 + PATCHES)[0])
        return [*walked.values(), raw, of.legrad, grad_cam(of, trace.grid), of.d_pixels]

    before = everything()
    with torch.no_grad():
        for parameter in model.blocks[2].parameters():
            parameter.add_(torch.randn(parameter.shape))
    assert all(torch.equal(one, other) for one, other in zip(before, everything(), strict=True))


# ----------------------------------------------------------------------------------------------------------- constant


def test_relevance_of_a_constant_model_is_zero(named):
    _, model = named
    with torch.no_grad():
        for head in filter(None, (model.head, model.head_dist)):
            head.weight.zero_()
    trace, of = traced(model), gradients(model, class_target(), pixels(), traced(model))
    row = readout_row(model, class_target(), trace.layers[-1].residual)
    walked = walk_down(trace, class_target(), row, WALKED, of.d_out)
    assert walked["chefer"].abs().max() < 1e-7
    assert torch.allclose(walked["gradient_rollout"], row)  # no more than the row it started from
    assert of.legrad.abs().max() == 0
    assert grad_cam(of, trace.grid).abs().max() == 0
    assert gradient_times_input(of, pixels()[0], PATCH_PX).abs().max() == 0


def test_gradients_keep_no_graph_and_know_their_size(model):
    of = gradients(model, class_target(), pixels(), traced(model))
    kept = [*of.d_out, of.attention_input, of.d_attention_input, of.d_pixels, of.legrad]
    assert not any(t.requires_grad for t in kept)
    assert of.nbytes == sum(t.numel() * 4 for t in kept)


def test_the_output_is_bit_equal_after_queries_keys_and_values_got_a_method_of_their_own(model):
    block, x = model.blocks[0], torch.randn(2, 3 + PATCHES, DIM)
    q, k, v = block.attn.project(x, None)
    assert q.shape == k.shape == v.shape == (2, HEADS, 3 + PATCHES, DIM // HEADS)
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    assert torch.equal(block.attn.proj(out.transpose(1, 2).reshape(2, -1, DIM)), block.attn(x, None, None))
