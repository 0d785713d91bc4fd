"""`python -m vit_demo bench --growth FOLDER`: how time and memory grow with tokens, layers, heads, batch and visitors,
written as growth.md and growth.webp.

One thing varies at a time, the rest is ViT-S/16 with random weights. Passes are interleaved, so that a machine's noise
falls on all alike; memory is that of one pass in a process of its own. An exponent is the slope of a straight line
through the logarithms.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vit_demo.benchmark.load import TABS, Figures, walk
from vit_demo.benchmark.passes import extra_memory_mb, fixed_allocator
from vit_demo.benchmark.server import APP, random_model, running
from vit_demo.benchmark.visitor import run

ROUNDS = 5
WIDTH, MLP = 384, 1536  # of ViT-S
ARCHITECTURE = "vit_small_patch16_224"
VISITORS = (1, 2, 5, 10, 20, 30, 60)


@dataclass(frozen=True)
class Shape:
    """One pass: a grid of `side` × `side` patches and a class token, through `layers` of `heads`, `batch` at a time."""

    side: int = 14
    layers: int = 12
    heads: int = 6
    batch: int = 1

    @property
    def tokens(self) -> int:
        return self.side**2 + 1


SERIES = {
    "tokens": [Shape(side) for side in (14, 20, 24, 32, 48, 64, 73)],
    "layers": [Shape(layers=layers) for layers in (2, 4, 8, 12, 24, 40)],
    "heads": [Shape(side=32, heads=heads) for heads in (1, 2, 3, 6, 12, 24)],
    "batch": [Shape(batch=batch) for batch in (1, 2, 4, 8, 16, 32)],
}


@dataclass(frozen=True)
class Point:
    """What one value of a series costs: seconds, the highest extra memory in MB, and what is kept afterwards."""

    at: int
    seconds: float
    peak_mb: float | None
    kept_mb: float = 0.0


def measure_growth(rounds: int = ROUNDS) -> dict[str, list[Point]]:
    """Points by series, the visitors' among them where app.py is."""
    found = {
        name: [
            Point(getattr(shape, name), seconds, _memory(shape, "trace"), _kept_mb(shape))
            for shape, seconds in zip(shapes, _seconds(shapes, rounds), strict=True)
        ]
        for name, shapes in SERIES.items()
    }
    return found | {"visitors": list(_visitors(APP))} if APP.is_file() else found


def measure_rows(side: int = 64) -> dict[str, float | None]:
    """The extra memory in MB of one pass over side × side patches: alone, with a trace, with the class token's rows of
    every layer, with all maps of one layer; and what all maps of all layers would be."""
    shape = Shape(side)
    measured = {kind: _memory(shape, kind) for kind in ("pass", "trace", "rows", "layer")}
    return measured | {"all maps": 4 * shape.layers * shape.heads * shape.tokens**2 / 1e6}


def exponent(points: list[Point], of: str = "seconds") -> float:
    """The slope of log(cost) over log(value), by least squares."""
    costs = [getattr(point, of) for point in points]
    return float(np.polyfit(np.log([point.at for point in points]), np.log(costs), 1)[0])


# ------------------------------------------------------------------------------------------------------------- passes


def _ready(shape: Shape):
    """The model of that shape, and pixels."""
    import torch

    from vit_demo.model import VisionTransformer, ViTConfig

    torch.manual_seed(0)
    side_px = 16 * shape.side
    config = ViTConfig(
        image_size=(side_px, side_px), patch_px=16, dim=WIDTH, depth=shape.layers, heads=shape.heads, mlp_hidden=MLP
    )
    model = VisionTransformer(config).eval().requires_grad_(False)
    return model, torch.randn(shape.batch, 3, side_px, side_px)


def _calls(shape: Shape) -> dict:
    """What a pass may leave: nothing, a trace, a token's rows, all maps of one layer."""
    from vit_demo.analysis.attention import RowTrace, attention_matrix
    from vit_demo.model import Trace

    model, pixels = _ready(shape)

    def traced():
        trace = Trace()
        return model(pixels, trace=trace), trace

    def rows():
        trace = RowTrace()
        return model(pixels, trace=trace), trace.rows

    def layer():
        encoded, trace = traced()
        return encoded, trace, attention_matrix(trace, shape.layers - 1)

    return {"pass": lambda: model(pixels), "trace": traced, "rows": rows, "layer": layer}


def _seconds(shapes: list[Shape], rounds: int) -> list[float]:
    """The median of each shape's passes with a trace, one of each in every round; the first round is not counted."""
    import torch

    calls = [_calls(shape)["trace"] for shape in shapes]
    times: list[list[float]] = [[] for _ in shapes]
    with torch.inference_mode():
        for number in range(rounds + 1):
            for call, taken in zip(calls, times, strict=True):
                started = time.perf_counter()
                made = call()
                if number:
                    taken.append(time.perf_counter() - started)
                del made
    return [statistics.median(taken) for taken in times]


def _kept_mb(shape: Shape) -> float:
    """What a trace keeps: the residual stream before, between and after the layers, in float32."""
    return 4 * (shape.layers + 1) * shape.batch * shape.tokens * WIDTH / 1e6


def _memory(shape: Shape, kind: str) -> float | None:
    """Peak extra memory of one pass in MB, in a process of its own; None where the system does not tell."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    command = [sys.executable, "-m", "vit_demo.benchmark.growth", json.dumps(asdict(shape)), kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=fixed_allocator())
    return float(done.stdout.strip().splitlines()[-1])


# ----------------------------------------------------------------------------------------------------------- visitors


def _visitors(app: Path) -> Iterator[Point]:
    """Classes of growing size on one server, each visitor with an upload and six tabs at 224 px: until the last has its
    last view."""
    with tempfile.TemporaryDirectory() as folder:
        typed = str(random_model(ARCHITECTURE, Path(folder)))
        with running(app, Path(folder) / "app", {"VIT_DEMO_ANY_MODEL": "1"}) as (url, process):
            for count in VISITORS:
                figures: Figures = run(walk(url, process, count, 1, TABS, "", typed))
                yield Point(count, figures.took_s, figures.memory_peak_mb)


if __name__ == "__main__":
    print(extra_memory_mb(_calls(Shape(**json.loads(sys.argv[1])))[sys.argv[2]]))
