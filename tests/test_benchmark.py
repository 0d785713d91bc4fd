"""What the benchmarks say of measurements, and that they run: on shapes so small that no time is meant."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from vit_demo.benchmark import growth, growth_report, passes
from vit_demo.benchmark.gpu import _interleaved, _products, measure_parity, measure_passes, measure_requests, print_gpu
from vit_demo.benchmark.growth import Point, Shape, exponent
from vit_demo.model import VisionTransformer, ViTConfig

TINY = "vit_tiny_patch16_224"


@pytest.mark.parametrize("power", [0.0, 1.0, 1.5, 2.0])
def test_the_exponent_of_a_power_is_that_power(power):
    points = [Point(at, 0.003 * at**power, 7.0) for at in (197, 401, 1025, 5330)]
    assert exponent(points) == pytest.approx(power, abs=1e-9)
    assert exponent(points, "peak_mb") == pytest.approx(0, abs=1e-9)


def test_a_series_varies_one_thing_alone():
    for name, shapes in growth.SERIES.items():
        others = {"tokens": "side", "layers": "layers", "heads": "heads", "batch": "batch"}
        fixed = {tuple(value for key, value in vars(shape).items() if key != others[name]) for shape in shapes}
        assert len(fixed) == 1
        assert [getattr(shape, name) for shape in shapes] == sorted({getattr(shape, name) for shape in shapes})
    assert growth.SERIES["tokens"][0].tokens == 197
    assert growth.SERIES["tokens"][-1].tokens == 5330


def test_what_a_trace_keeps_is_what_growth_says():
    from vit_demo.model import Trace

    shape = Shape(side=3, layers=2, batch=2)
    model, pixels = growth._ready(shape)
    trace = Trace()
    model(pixels, trace=trace)
    assert trace.nbytes / 1e6 == pytest.approx(growth._kept_mb(shape))


def test_operations_are_those_that_torch_counts():
    from torch.utils.flop_counter import FlopCounterMode

    config = ViTConfig(image_size=(64, 96), patch_px=16, dim=48, depth=3, heads=4, mlp_hidden=96)
    model = VisionTransformer(config).eval()
    with torch.enable_grad(), FlopCounterMode(display=False) as counter:  # weights that learn: torch's own products
        model(torch.randn(1, 3, 64, 96))
    embedding = 2 * 24 * 3 * 16**2 * 48
    attention = 3 * 2 * 2 * 25**2 * 48  # on the processor torch does not count its fused kernel
    counted = counter.get_total_flops() - embedding
    assert growth_report.flops(config, 25) in (counted, counted + attention)


def test_the_largest_model_has_the_size_that_its_makers_name():
    """6.7 billion: Siméoni et al. 2025, arXiv 2508.10104, table 2."""
    config = growth_report.largest_config()
    assert (config.depth, config.dim, config.heads, config.mlp_hidden) == (40, 4096, 32, 8192)
    assert growth_report.weights_of(config) == pytest.approx(6.716e9, rel=1e-3)


def test_the_page_and_the_figure_say_what_was_measured(tmp_path, monkeypatch):
    found = {name: [Point(at, at**2 / 1e6, 3.0 * at, 0.1 * at) for at in (100, 200, 400)] for name in growth.SERIES}
    found["visitors"] = [Point(at, 2.0 * at, None) for at in (1, 10)]
    monkeypatch.setattr(growth_report, "measure_growth", lambda: found)
    kinds = {"pass": 1.0, "trace": 2.0, "rows": None, "layer": 4.0, "all maps": 5000.0}
    monkeypatch.setattr(growth_report, "measure_rows", lambda: kinds)
    figure, page = growth_report.write_growth(tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "| 400 | 160 | 1,200 | 40.0 |" in text
    assert "the power 2.00; memory with 1.00" in text
    assert "| 10 | 20 | – |" in text
    assert "would be 5,000 MB" in text
    assert "| NVIDIA T4 | 16 GB | does not fit |" in text
    with Image.open(figure) as drawn:
        assert np.asarray(drawn.convert("L")).std() > 10


def test_memory_of_a_call_is_what_it_needs_above_what_is_there():
    if passes.measure_memory.__doc__ and not passes.Path("/proc/self/clear_refs").exists():
        pytest.skip("this system does not tell")
    assert growth._memory(Shape(side=8, layers=1), "layer") > 0
    kept = []
    needed = passes.extra_memory_mb(lambda: kept.append(torch.ones(8 << 20)))
    assert 30 < needed < 60  # 32 MiB are 33.6 MB


@pytest.mark.slow
def test_what_a_gpu_is_measured_by_runs_on_any_device(capsys):
    parity = measure_parity(TINY, 224, "cpu")
    assert parity["float32"] == {"tokens": 0.0, "rows": 0.0, "least cosine": pytest.approx(1)}
    assert 0 < parity["bfloat16"]["tokens"] < 0.2
    assert 0.9 < parity["bfloat16"]["least cosine"] < 1
    rows = measure_passes(TINY, 224, 2, "cpu", rounds=2, compiled=False)
    assert rows["products alone"]["times the products"] == 1
    assert {"timm", "ours", "ours, with a trace"} < set(rows)
    requests = measure_requests(TINY, 224, "cpu", 3)
    assert list(requests) == ["after 1 requests, MB", "after 3 requests, MB"]
    print_gpu({"card": "cpu", "parity": {"a": parity}, "passes": {"b": rows}, "requests": requests})
    assert "least cosine" in capsys.readouterr().out


def test_the_products_alone_are_all_products_of_a_pass():
    from torch.utils.flop_counter import FlopCounterMode

    config = ViTConfig(image_size=(32, 32), patch_px=16, dim=48, depth=3, heads=4, mlp_hidden=96)
    model, pixels = VisionTransformer(config).eval(), torch.randn(2, 3, 32, 32)
    counts = []
    for call in (lambda: model(pixels), _products(model, pixels)):
        with torch.enable_grad(), FlopCounterMode(display=False) as counter:
            call()
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] > 0


def test_calls_are_interleaved_and_the_first_rounds_not_counted():
    asked = []
    times = _interleaved({name: lambda name=name: asked.append(name) for name in "ab"}, 2, "cpu")
    assert asked == list("ab") * 5
    assert set(times) == {"a", "b"}
