"""Statistics over depth against explicit loops over queries and keys, and against maps whose answer is known."""

from __future__ import annotations

import dataclasses
import math
import pickle
from functools import partial

import numpy as np
import pytest
import torch

from vit_demo.analysis import depth as analysis
from vit_demo.analysis.depth import depth_statistics, layer_statistics, patch_distances_px
from vit_demo.contract import LayerHeadTable
from vit_demo.grid import PatchGrid
from vit_demo.memory import Limits
from vit_demo.model import Heads, Trace, VisionTransformer, ViTConfig

ROWS, COLS, PATCH_PX = 3, 5, 14
PREFIXES = [(), ("cls",), ("cls", "dist"), ("cls", "reg1", "reg2", "reg3", "reg4"), ("reg1", "reg2")]
NAMES = [field.name for field in dataclasses.fields(LayerHeadTable)][:6]


def grid_of(prefix: tuple[str, ...]) -> PatchGrid:
    return PatchGrid(ROWS, COLS, PATCH_PX, prefix)


def trace_of(grid: PatchGrid, *queries_and_keys: tuple[torch.Tensor, torch.Tensor]) -> Trace:
    """A trace of these q and k, each (B, h, N, d), a pair for each layer."""
    nothing = torch.zeros(1)
    trace = Trace()
    trace.start(grid, nothing)
    for q, k in queries_and_keys:
        trace.layers.append(nothing, partial(Heads, q, k, nothing))
    return trace


def random_trace(grid: PatchGrid, layers: int = 2, batch: int = 2, heads: int = 3, d: int = 8) -> Trace:
    noise = torch.Generator().manual_seed(0)
    make = lambda: 2 * torch.randn(batch, heads, grid.num_tokens, d, generator=noise)  # noqa: E731
    return trace_of(grid, *((make(), make()) for _ in range(layers)))


def loops(q: np.ndarray, k: np.ndarray, grid: PatchGrid) -> dict[str, float]:
    """The statistics of one head from q and k (N, d), query by query and key by key, in double precision."""
    p, N = grid.num_prefix_tokens, grid.num_tokens
    sums = dict.fromkeys(["distance_px", "distance_renormalised_px", "entropy_bits", "prefix_mass"], 0.0)
    attention = np.zeros((N, N))
    for i in range(N):
        powers = [math.exp(float(q[i] @ k[j]) / math.sqrt(q.shape[1])) for j in range(N)]
        attention[i] = [power / sum(powers) for power in powers]
    for i in range(p, N):
        far = on_patches = 0.0
        for j in range(N):
            share = attention[i, j]
            sums["entropy_bits"] -= share * math.log2(share)
            if j < p:
                sums["prefix_mass"] += share
                continue
            (row, col), (other_row, other_col) = grid.patch_of_token(i), grid.patch_of_token(j)
            far += share * grid.patch_px * math.hypot(row - other_row, col - other_col)
            on_patches += share
        sums["distance_px"] += far
        sums["distance_renormalised_px"] += far / on_patches
    answer = {name: total / grid.num_patches for name, total in sums.items()}
    registers = [j for j in range(p) if grid.prefix_names[j].startswith("reg")]
    if registers and "cls" in grid.prefix_names:
        answer["register_mass"] = sum(attention[grid.prefix_names.index("cls"), j] for j in registers)
    return answer


@pytest.mark.parametrize("chunk_bytes", [1, 700, 1 << 30])  # a row at a time, a few that do not divide 15, all
@pytest.mark.parametrize("prefix", PREFIXES)
def test_statistics_equal_explicit_loops(prefix, chunk_bytes):
    grid = grid_of(prefix)
    trace = random_trace(grid)
    ours = depth_statistics(trace, chunk_bytes)
    for layer, kept in enumerate(trace.layers):
        for b, h in np.ndindex(2, 3):
            wanted = loops(kept.q[b, h].double().numpy(), kept.k[b, h].double().numpy(), grid)
            for name, value in wanted.items():
                assert float(getattr(ours, name)[layer, b, h]) == pytest.approx(value, rel=2e-5), name
            assert ("register_mass" in wanted) == (ours.register_mass is not None)


def test_distances_are_pixels_between_patch_centres():
    distances = patch_distances_px(grid_of(("cls",))).numpy()
    for a, b in np.ndindex(15, 15):
        expected = PATCH_PX * math.hypot(a // COLS - b // COLS, a % COLS - b % COLS)
        assert distances[a, b] == pytest.approx(expected, rel=1e-6, abs=0)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_uniform_attention_reaches_the_mean_pairwise_distance_and_has_all_the_entropy(prefix):
    grid = grid_of(prefix)
    equal = torch.zeros(1, 2, grid.num_tokens, 4)
    found = depth_statistics(trace_of(grid, (equal, torch.randn(1, 2, grid.num_tokens, 4))))
    row, col = np.divmod(np.arange(15), COLS)
    pairwise = PATCH_PX * np.hypot(np.subtract.outer(row, row), np.subtract.outer(col, col)).mean()
    on_patches = 15 / grid.num_tokens
    assert found.distance_renormalised_px.numpy() == pytest.approx(pairwise, rel=1e-5)
    assert found.distance_px.numpy() == pytest.approx(pairwise * on_patches, rel=1e-5)
    assert found.entropy_bits.numpy() == pytest.approx(math.log2(grid.num_tokens), rel=1e-5)
    assert found.prefix_mass.numpy() == pytest.approx(1 - on_patches, abs=1e-6)
    if found.register_mass is not None:
        assert found.register_mass.numpy() == pytest.approx(4 / grid.num_tokens, rel=1e-5)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_head_that_looks_only_at_itself_reaches_nowhere(prefix):
    grid = grid_of(prefix)
    own = 40 * torch.eye(grid.num_tokens)[None, None]  # scores of 1600/√N on the diagonal, 0 elsewhere
    found = depth_statistics(trace_of(grid, (own, own)))
    for name in ("distance_px", "distance_renormalised_px", "entropy_bits", "prefix_mass"):
        assert getattr(found, name).abs().max() < 1e-4, name


def test_a_head_that_looks_one_column_to_the_right_reaches_one_patch():
    """Also where most of its attention goes to the class token: that is left out, or renormalised away."""
    grid = grid_of(("cls",))
    keys = torch.eye(16)[None, None]
    queries = torch.zeros(1, 1, 16, 16)
    for token in range(1, 16):
        row, col = grid.patch_of_token(token)
        queries[..., token, grid.token_of_patch(row, col + 1 if col < COLS - 1 else col - 1)] = 400.0
        queries[..., token, 0] = 400.0 + 4 * math.log(3)  # /√16 in the score: three times as much on the class token
    found = depth_statistics(trace_of(grid, (queries, keys)))
    assert found.prefix_mass.item() == pytest.approx(0.75, abs=1e-5)
    assert found.distance_px.item() == pytest.approx(PATCH_PX / 4, rel=1e-5)
    assert found.distance_renormalised_px.item() == pytest.approx(PATCH_PX, rel=1e-5)
    assert found.entropy_bits.item() == pytest.approx(2 - 0.75 * math.log2(3), rel=1e-4)


def test_a_head_that_leaves_nothing_to_patches_is_a_number():
    grid = grid_of(("cls",))
    queries, keys = torch.zeros(1, 1, 16, 4), torch.zeros(1, 1, 16, 4)
    queries[..., 0], keys[..., 0, 0] = 1000.0, 1000.0
    found = depth_statistics(trace_of(grid, (queries, keys)))
    assert found.prefix_mass.item() == 1
    assert found.distance_px.item() == found.distance_renormalised_px.item() == found.entropy_bits.item() == 0


@pytest.mark.parametrize("prefix", [(), ("cls",), ("cls", "dist"), ("reg1",)])
def test_register_mass_is_missing_where_there_is_no_class_token_or_no_register(prefix):
    assert depth_statistics(random_trace(grid_of(prefix))).register_mass is None


def test_layers_outside_are_refused_with_the_range():
    with pytest.raises(ValueError, match=r"layer 2 .*0 … 1"):
        layer_statistics(random_trace(grid_of(())), 2)


def test_no_whole_matrix_is_made_where_chunks_are_small(monkeypatch):
    rows = []
    original = analysis._row_statistics
    monkeypatch.setattr(analysis, "_row_statistics", lambda q, *rest: rows.append(q.shape[1]) or original(q, *rest))
    grid = grid_of(("cls",))
    depth_statistics(random_trace(grid, layers=1, batch=1), chunk_bytes=4 * 3 * grid.num_tokens * 4)  # four rows
    assert rows == [4, 4, 4, 3]


# ---------------------------------------------------------------------------------------------- through the Explainer


@pytest.fixture
def explainer(monkeypatch, tmp_path):
    """An Explainer whose one model is a tiny ViT for pictures of 48×80, with registers."""
    from vit_demo.checkpoints.load import LoadedModel
    from vit_demo.contract import ModelCard, PreprocessSpec
    from vit_demo.engine import Engine
    from vit_demo.explain import Explainer
    from vit_demo.hardware import Hardware

    torch.manual_seed(0)
    config = ViTConfig(image_size=(48, 80), dim=24, depth=3, heads=3, mlp_hidden=40, num_registers=2)
    model = VisionTransformer(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.25 * torch.randn(parameter.shape))
    card = ModelCard("tiny", "Tiny", "ViT", 1, 1, "", "", False, (48, 80), 16, "catalog.why_own")
    fields = {field.name: None for field in dataclasses.fields(LoadedModel)}
    fields |= dict(model=model, card=card, preprocess=PreprocessSpec((48, 80)), labels=None, revision="1")
    loaded = LoadedModel(**fields)
    explainer = Explainer("cpu")
    explainer._made = Engine(Hardware("cpu", None), Limits(), tmp_path, lambda name: True)
    monkeypatch.setattr(explainer._made, "load", lambda name, progress=None: loaded)
    return explainer


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (60, 100, 3), np.uint8)


def test_the_explainers_table_is_the_analysis_of_the_pictures_own_pass(explainer):
    table = explainer.depth(picture(), "tiny")
    from vit_demo.contract import SizeChoice

    wanted = depth_statistics(explainer._made.run(picture(), "tiny", SizeChoice()).trace)
    for name in ("distance_px", "distance_renormalised_px", "entropy_bits", "prefix_mass", "register_mass"):
        assert getattr(table, name).shape == (3, 3)
        assert np.allclose(getattr(table, name), getattr(wanted, name)[:, 0].numpy(), rtol=1e-6)
    assert np.allclose(table.entropy_share, table.entropy_bits / math.log2(1 + 2 + 15))
    row, col = np.divmod(np.arange(15), 5)
    pairwise = 16 * np.hypot(np.subtract.outer(row, row), np.subtract.outer(col, col)).mean()
    assert table.uniform_distance_px == pytest.approx(pairwise, rel=1e-5)
    assert table.uniform_entropy_bits == pytest.approx(math.log2(18))
    assert (table.grid.shape, table.title, table.pictures, table.depth, table.heads) == ((3, 5), "Tiny", 1, 3, 3)
    again = pickle.loads(pickle.dumps(table))
    assert np.array_equal(again.distance_px, table.distance_px)


def test_one_picture_of_many_gives_the_same_table_once_and_leaves_no_trace_behind(explainer, monkeypatch):
    passes, original = [], VisionTransformer.forward
    monkeypatch.setattr(
        VisionTransformer, "forward", lambda self, x, trace=None: passes.append(1) or original(self, x, trace)
    )
    first = explainer.depth(picture(), "tiny", keep_pass=False)
    assert explainer._made.runs.nbytes == 0
    second = explainer.depth(picture(), "tiny")
    assert len(passes) == 1  # the table itself is kept
    assert np.array_equal(first.distance_px, second.distance_px)
    other = explainer.depth(picture(1), "tiny")
    assert len(passes) == 2
    assert explainer._made.runs.nbytes > 0
    assert not np.array_equal(first.distance_px, other.distance_px)


# ------------------------------------------------------------------------------------------------------------- means


def table_of(value: float, pictures: int = 1, registers: bool = True, model: str = "m") -> LayerHeadTable:
    values = np.full((2, 3), value)
    columns = dict.fromkeys(NAMES, values) | ({} if registers else {"register_mass": None})
    uniform = dict(uniform_distance_px=value, uniform_entropy_bits=value)
    return LayerHeadTable(**columns, **uniform, model_id=model, title="M", grid=grid_of(("cls",)), pictures=pictures)


def test_the_mean_gives_each_picture_the_same_weight():
    mean = LayerHeadTable.mean([table_of(2.0), table_of(5.0, pictures=3)])
    assert mean.pictures == 4
    for name in NAMES:
        assert np.allclose(getattr(mean, name), (2 + 3 * 5) / 4)
    assert mean.uniform_distance_px == mean.uniform_entropy_bits == (2 + 3 * 5) / 4


def test_a_mean_without_registers_has_none():
    assert LayerHeadTable.mean([table_of(2.0, registers=False)] * 2).register_mass is None


def test_a_mean_over_several_models_is_refused():
    with pytest.raises(ValueError, match="one model"):
        LayerHeadTable.mean([table_of(1.0), table_of(1.0, model="n")])
