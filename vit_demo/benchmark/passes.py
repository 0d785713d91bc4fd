"""Side by side with timm and transformers: time as ratios within one interleaved run, and the peak memory of each.

Machines are noisy, so every variant runs once per round, in an order that rotates, and what is reported is the median
of the ratios within rounds. Memory is that of one pass in a process of its own: the highest resident size during the
pass above that before it (Linux). Weights are random: neither time nor memory depends on them.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

CASES = {
    "ViT-S/16@224": ("vit_small_patch16_224", 224),
    "ViT-B/16@224": ("vit_base_patch16_224", 224),
    "ViT-S/14@518": ("vit_small_patch14_dinov2", 518),
}
VARIANTS = {
    "timm": "timm, forward",
    "plain": "ours, without a trace",
    "trace": "ours, with a trace",
    "rows": "ours, the class token's rows of all layers and heads alone",
    "layer": "ours, trace and all maps of one layer",
    "no edits": "ours, with empty edits",
    "dropped": "ours, half of the patches dropped",
    "heads": "ours, six heads replaced by their mean",
    "skipped": "ours, three layers' MLPs skipped",
    "shuffled": "ours, positions shuffled",
    "closed": "ours, edges to one patch closed in every layer",
    "hf": "transformers, forward (fused)",
    "eager": "transformers, eager with output_attentions",
}
LEAST_SECONDS = 45  # of measuring per case
AIMS = {"plain": 0.95, "no edits": 0.95, "trace": 1.02, "rows": 1.06}  # times timm's


@dataclass(frozen=True)
class Bench:
    """The variants of one case, ready to run; each call is one forward pass of one picture and gives what it made."""

    calls: dict[str, Callable[[], object]]


def prepare_case(architecture: str, side: int) -> Bench:
    """One set of random weights in timm's model and ours, and a transformers model of the same shape."""
    import timm
    import torch
    import transformers

    from vit_demo.analysis.attention import RowTrace, attention_matrix
    from vit_demo.checkpoints.load import build
    from vit_demo.checkpoints.timm_models import plan_from_timm
    from vit_demo.model import Trace

    transformers.logging.set_verbosity_error()
    reference = timm.create_model(architecture, pretrained=False, num_classes=0).eval()
    ours, _ = build(plan_from_timm(architecture, num_classes=0), reference.state_dict(), architecture)
    pixels = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    fused, eager = (_transformers_twin(ours.config, how) for how in ("sdpa", "eager"))

    def traced(then: Callable[[Trace], object]) -> object:
        trace = Trace()
        return ours(pixels, trace=trace), trace, then(trace)

    def rows() -> object:
        trace = RowTrace(token=0)
        return ours(pixels, trace=trace), trace

    edited = edits_of(ours.grid_of(pixels).shape)
    return Bench(
        {
            "timm": lambda: reference.forward_features(pixels),
            "plain": lambda: ours(pixels),
            "trace": lambda: traced(lambda trace: None),
            "rows": rows,
            "layer": lambda: traced(lambda trace: attention_matrix(trace, len(trace.layers) - 1)),
            **{name: partial(ours, pixels, edits=edits) for name, edits in edited.items()},
            "hf": lambda: fused(pixels),
            "eager": lambda: eager(pixels, output_attentions=True),
        }
    )


def edits_of(grid: tuple[int, int]) -> dict:
    """An edit of each kind that changes a pass, by the name of its row."""
    from vit_demo.edits import Cut, Edits

    rows, cols = grid
    return {
        "no edits": Edits(),
        "dropped": Edits(drop=tuple((row, col) for row in range(rows) for col in range(row % 2, cols, 2))),
        "heads": Edits(heads={(layer, 0): "mean" for layer in range(6)}),
        "skipped": Edits(skip=((3, "mlp"), (4, "mlp"), (5, "mlp"))),
        "shuffled": Edits(positions="shuffled"),
        "closed": Edits(cut=(Cut(keys=((rows // 2, cols // 2),)),)),
    }


def _transformers_twin(config, how: str):
    """A transformers model of our config's shape: Dinov2 with layer scale, ViT without."""
    from transformers import Dinov2Config, Dinov2Model, ViTConfig, ViTModel

    shape = dict(
        hidden_size=config.dim,
        num_hidden_layers=config.depth,
        num_attention_heads=config.heads,
        image_size=config.image_size[0],
        patch_size=config.patch_px,
        attn_implementation=how,
    )
    if config.layer_scale:
        return Dinov2Model(Dinov2Config(**shape, mlp_ratio=config.mlp_hidden // config.dim)).eval()
    return ViTModel(ViTConfig(**shape, intermediate_size=config.mlp_hidden), add_pooling_layer=False).eval()


def measure_times(bench: Bench, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every variant in every round; one unmeasured round first.

    At least `rounds`, and more of what is quick: the noise of a machine is the same for short passes and long ones.
    """
    import torch

    names = list(bench.calls)
    times: dict[str, list[float]] = {name: [] for name in names}
    started_at, round_ = time.perf_counter(), 0
    with torch.inference_mode():
        while round_ <= rounds or time.perf_counter() - started_at < LEAST_SECONDS:
            shift = round_ % len(names)
            for name in names[shift:] + names[:shift]:
                started = time.perf_counter()
                made = bench.calls[name]()
                elapsed = 1000 * (time.perf_counter() - started)
                del made
                if round_:
                    times[name].append(elapsed)
            round_ += 1
    return times


def measure_memory(case: str, variant: str) -> float | None:
    """Peak extra memory of one pass in MB, in a process of its own; None where the system does not tell."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    command = [sys.executable, "-m", "vit_demo.benchmark.passes", "--memory", case, variant]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=fixed_allocator())
    return float(done.stdout.strip().splitlines()[-1])


def fixed_allocator() -> dict[str, str]:
    """The environment of a process whose memory is measured: glibc keeps freed blocks below a growing threshold; a
    fixed one gives every tensor's pages back at once."""
    return {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def extra_memory_mb(call: Callable[[], object]) -> float:
    """Highest resident size during the second call above that before it, in MB."""
    import gc

    import torch

    with torch.inference_mode():
        made = call()
        del made
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
        before = _status_kb("VmRSS")
        made = call()
        peak = _status_kb("VmHWM")
    del made
    return (peak - before) / 1000


def _status_kb(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise KeyError(field)


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    import torch

    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return {"processor": name, "threads": torch.get_num_threads(), "torch": torch.__version__}


def run_case(case: str, rounds: int) -> dict:
    """Times, ratios to timm and to eager transformers, and memory of every variant of one case."""
    times = measure_times(prepare_case(*CASES[case]), rounds)
    rows = {}
    for name in VARIANTS:
        rows[name] = {
            "ms": statistics.median(times[name]),
            "times_timm": _ratio(times[name], times["timm"]),
            "times_eager": _ratio(times[name], times["eager"]),
            "peak_extra_mb": measure_memory(case, name),
        }
    return rows


def _ratio(ours: list[float], theirs: list[float]) -> float:
    """Median over rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def print_case(case: str, rows: dict) -> None:
    print(f"\n{case:<66}{'ms':>8}{'× timm':>9}{'× eager':>9}{'MB':>8}  aim")
    for name, row in rows.items():
        memory = "–" if row["peak_extra_mb"] is None else f"{row['peak_extra_mb']:.0f}"
        aim = f"≤ {AIMS[name]:.2f} {'held' if row['times_timm'] <= AIMS[name] else 'missed'}" if name in AIMS else ""
        ratios = f"{row['times_timm']:>9.3f}{row['times_eager']:>9.3f}"
        print(f"{VARIANTS[name]:<66}{row['ms']:>8.1f}{ratios}{memory:>8}  {aim}".rstrip())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="One pass in this process, for its memory.")
    parser.add_argument("--memory", nargs=2, required=True, metavar=("CASE", "VARIANT"))
    options = parser.parse_args()
    case, variant = options.memory
    print(extra_memory_mb(prepare_case(*CASES[case]).calls[variant]))
