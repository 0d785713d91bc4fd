"""The figure and the page of how cost grows, and what the largest released ViT would need, on paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from vit_demo.benchmark.growth import Point, exponent, measure_growth, measure_rows
from vit_demo.benchmark.passes import machine
from vit_demo.model.config import ViTConfig
from vit_demo.sizes import layer_cost

LARGEST, LARGEST_NAME = "vit_7b_patch16_dinov3", "DINOv3 ViT-7B/16"
SIDES_PX = (224, 512, 1024)
LEAST_SPAN = 10.0  # of a vertical axis
ASSUMED_SHARE = 0.4  # of a card's peak that a pass reaches


class Card(NamedTuple):
    """A GPU: its memory in GB and its peak in Tflop/s, dense, by its maker's data sheet."""

    name: str
    memory_gb: int
    float32: float
    half: float


CARDS = (
    Card("NVIDIA T4", 16, 8.1, 65),
    Card("NVIDIA L4", 24, 30.3, 121),
    Card("NVIDIA L40S", 48, 91.6, 362),
    Card("NVIDIA A100 80 GB", 80, 19.5, 312),
    Card("NVIDIA H100 SXM", 80, 67, 989),
)
TITLES = {
    "tokens": "tokens of one picture",
    "layers": "layers, 197 tokens",
    "heads": "heads of one width, 1,025 tokens",
    "batch": "pictures in a pass, 197 tokens",
    "visitors": "visitors at once, 224 px",
}


def write_growth(folder: Path) -> list[Path]:
    """Measures, and writes growth.webp and growth.md into a folder. The files written."""
    found, rows = measure_growth(), measure_rows()
    figure, page = folder / "growth.webp", folder / "growth.md"
    growth_figure(found).savefig(figure, dpi=110, pil_kwargs={"quality": 80})
    page.write_text(growth_page(found, rows), encoding="utf-8")
    return [figure, page]


# ------------------------------------------------------------------------------------------------------------- figure


def growth_figure(found: dict[str, list[Point]]) -> Figure:
    """Time above memory for each series, both axes logarithmic, with the line of its exponent."""
    figure = Figure(figsize=(3 * len(found), 5.6), layout="constrained")
    axes = figure.subplots(2, len(found), squeeze=False)
    for column, (name, points) in enumerate(found.items()):
        for row, (of, unit) in enumerate((("seconds", "seconds"), ("peak_mb", "MB"))):
            axis = axes[row][column]
            at, costs = [point.at for point in points], [getattr(point, of) for point in points]
            if None in costs:
                axis.set_axis_off()
                continue
            slope = exponent(points, of)
            middle = np.exp(np.mean(np.log(costs)) - slope * np.mean(np.log(at)))
            axis.plot(at, middle * np.array(at, float) ** slope, color="0.7", linewidth=1)
            axis.plot(at, costs, "o", color="#3b6fb6", markersize=4)
            axis.set(xscale="log", yscale="log", title=f"{unit}: exponent {_slope(slope)}")
            axis.set_xticks(at, [f"{one:,}" for one in at], rotation=60, fontsize=7)
            low, high = min(costs), max(costs)
            axis.set_yticks([low, high], [f"{one:,.0f}" if one >= 100 else f"{one:.2g}" for one in (low, high)])
            room = max(1.5, (LEAST_SPAN * low / high) ** 0.5)  # what hardly changes looks flat
            axis.set_ylim(low / room, high * room)
            axis.minorticks_off()
            axis.grid(color="0.92")
            axis.set_xlabel(TITLES[name] if row else "")
            axis.set_ylabel(unit if not column else "")
    return figure


# --------------------------------------------------------------------------------------------------------------- page


def growth_page(found: dict[str, list[Point]], rows: dict[str, float | None]) -> str:
    """growth.md."""
    lines = [
        "# How cost grows",
        "",
        "Written by `python -m vit_demo bench --growth docs`: one thing varies at a time, the rest is ViT-S/16 with "
        "random weights, passes keep a trace and are interleaved, memory is the most that one pass needs above what is "
        "there before it; for visitors, what the whole server has.",
        "",
        f"Machine: {', '.join(f'{key} {value}' for key, value in machine().items())}, no GPU.",
        "",
        "![Time and memory over tokens, layers, heads, batch and visitors, on logarithmic axes](growth.webp)",
    ]
    for name, points in found.items():
        lines += ["", f"## {TITLES[name][0].upper()}{TITLES[name][1:]}", "", *_series_table(name, points)]
    lines += ["", "## Rows instead of matrices", "", *_rows_text(rows), "", f"## {LARGEST_NAME}, on paper", ""]
    return "\n".join([*lines, *_largest_text()]) + "\n"


def _series_table(name: str, points: list[Point]) -> Iterator[str]:
    passes = name != "visitors"
    yield f"| {name} | ms | peak, MB | kept, MB |" if passes else "| visitors | s until the last has all | most, MB |"
    yield "|---:" * (4 if passes else 3) + "|"
    for point in points:
        time = f"{1000 * point.seconds:,.0f}" if passes else f"{point.seconds:,.0f}"
        peak = "–" if point.peak_mb is None else f"{point.peak_mb:,.0f}"
        yield f"| {point.at:,} | {time} | {peak} |" + (f" {point.kept_mb:,.1f} |" if passes else "")
    said = f"Time grows with the power {_slope(exponent(points))}"
    if name == "tokens":
        last = _slope(exponent(points[-3:]))
        said += f" over all of them and {last} over the last three, where attention's N² weighs most"
    if all(point.peak_mb for point in points):
        said += f"; memory with {_slope(exponent(points, 'peak_mb'))}"
    yield ""
    yield said + "."


def _slope(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # no minus before nothing


def _rows_text(rows: dict[str, float | None]) -> Iterator[str]:
    said = {name: "–" if value is None else f"{value:,.0f} MB" for name, value in rows.items()}
    yield (
        "The largest picture that the page takes has 4,096 patches. One pass over it needs "
        f"{said['pass']}, with a trace {said['trace']}, with the class token's rows of all layers and heads "
        f"{said['rows']}; all maps of a single layer {said['layer']}, and all maps of all layers would be "
        f"{said['all maps']}. No view asks for either: rows are computed from queries and keys, some at a time."
    )


def largest_config() -> ViTConfig:
    """The configuration of the largest released plain ViT, by timm's name."""
    from vit_demo.checkpoints.timm_models import plan_from_timm

    return plan_from_timm(LARGEST, num_classes=0).config


def flops(config: ViTConfig, tokens: int) -> float:
    """Floating-point operations of the products of one pass, two for each multiplication and addition."""
    return 2 * config.depth * layer_cost(config, (1, tokens - config.num_prefix_tokens))


def weights_of(config: ViTConfig) -> int:
    """How many numbers a model has; none of them is made."""
    import torch

    from vit_demo.model import VisionTransformer

    with torch.device("meta"):
        return sum(one.numel() for one in VisionTransformer(config).parameters())


def _largest_text() -> Iterator[str]:
    config = largest_config()
    weights = weights_of(config)
    yield (
        f"{weights / 1e9:.2f} billion weights, {config.depth} blocks of width {config.dim:,}: "
        f"{4 * weights / 1e9:.0f} GB in float32, {2 * weights / 1e9:.0f} GB in half precision. It has not been run "
        f"here. Seconds of one pass are the products' operations over {ASSUMED_SHARE:.0%} of a card's peak, which is "
        "assumed; peaks are those of the data sheets."
    )
    yield ""
    names = [f"{kind}, {side:,} px" for kind in ("float32", "half") for side in SIDES_PX]
    yield f"| one picture | memory | {' | '.join(names)} |"
    yield "|---|---:" + "|---:" * len(names) + "|"
    counts = [(side // config.patch_px) ** 2 + config.num_prefix_tokens for side in SIDES_PX]
    for card in CARDS:
        told = []
        for peak, bytes_each in ((card.float32, 4), (card.half, 2)):
            fits = bytes_each * weights < card.memory_gb * 1e9
            seconds = [flops(config, tokens) / (ASSUMED_SHARE * peak * 1e12) for tokens in counts]
            told += [f"{one:.2g} s" if fits else "does not fit" for one in seconds]
        yield f"| {card.name} | {card.memory_gb} GB | {' | '.join(told)} |"
    yield ""
    kept = [4 * (config.depth + 1) * tokens * config.dim / 1e6 for tokens in counts]
    said = ", ".join(f"{one:,.0f} MB at {side:,} px" for one, side in zip(kept, SIDES_PX, strict=True))
    yield f"A trace keeps {said} in float32."
