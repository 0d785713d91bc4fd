"""`python -m vit_demo bench --gpu`: what a GPU does with the model, everything in one sitting and the card named.

How far float32, bfloat16 and float16 lie from float32 on the processor; passes beside timm's, eager and compiled, one
picture and 32; the same products alone, which nothing can undercut; every view; and what is left after many requests.
Weights are random, on which neither time nor memory depends. Any device of torch's can be named.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

ARCHITECTURES = {
    "ViT-S/16@224": ("vit_small_patch16_224", 224),
    "ViT-B/16@224": ("vit_base_patch16_224", 224),
    "ViT-S/14@518": ("vit_small_patch14_dinov2", 518),
    "ViT-L/14@518": ("vit_large_patch14_dinov2", 518),
    "ViT-g/14@518": ("vit_giant_patch14_dinov2", 518),
}
BATCHES = (1, 32)
DTYPES = ("float32", "bfloat16", "float16")
ROUNDS = 20
REQUESTS = 1000


def measure_gpu(
    device: str = "cuda",
    architectures: dict[str, tuple[str, int]] = ARCHITECTURES,
    batches: tuple[int, ...] = BATCHES,
    rounds: int = ROUNDS,
    requests: int = REQUESTS,
    compiled: bool = True,
) -> dict[str, Any]:
    """Everything, by name: `card`, `parity`, `passes`, `views`, `requests`. DemoError where the device is missing."""
    from vit_demo.benchmark.views import measure_views
    from vit_demo.hardware import choose_hardware

    device = choose_hardware(device).device
    found: dict[str, Any] = {"card": card_of(device), "parity": {}, "passes": {}}
    for case, (architecture, side) in architectures.items():
        found["parity"][case] = measure_parity(architecture, side, device)
        for batch in batches:
            found["passes"][f"{case}, batch {batch}"] = measure_passes(
                architecture, side, batch, device, rounds, compiled
            )
    found["views"] = measure_views(device)
    architecture, side = next(iter(architectures.values()))
    found["requests"] = measure_requests(architecture, side, device, requests)
    return found


def card_of(device: str) -> str:
    """The card's name and memory."""
    import torch

    if not device.startswith("cuda"):
        return device
    about = torch.cuda.get_device_properties(device)
    return f"{about.name}, {about.total_memory / 1e9:.0f} GB, torch {torch.__version__}"


# ------------------------------------------------------------------------------------------------------------- parity


def measure_parity(architecture: str, side: int, device: str) -> dict[str, dict[str, float]]:
    """By precision, how far a picture's pass on the device lies from float32 on the processor: the largest difference
    of the output's entries as a share of the largest entry, the largest of any attention row's share in the last layer,
    and the least cosine of a token."""
    import torch
    import torch.nn.functional as F

    exact_tokens, exact_rows = _seen(_model(architecture, "cpu"), _pixels(side, 1, "cpu"))
    found = {}
    for name in DTYPES:
        dtype = getattr(torch, name)
        tokens, rows = _seen(_model(architecture, device, dtype), _pixels(side, 1, device, dtype))
        found[name] = {
            "tokens": float((tokens - exact_tokens).abs().max() / exact_tokens.abs().max()),
            "rows": float((rows - exact_rows).abs().max()),
            "least cosine": float(F.cosine_similarity(tokens, exact_tokens, dim=-1).min()),
        }
    return found


def _seen(model, pixels):
    """The output's tokens and every row of the last layer's attention, in float32 on the processor."""
    import torch

    from vit_demo.analysis.attention import attention_matrix
    from vit_demo.model import Trace

    with torch.inference_mode():
        trace = Trace()
        tokens = model(pixels, trace=trace).tokens
        return tokens.float().cpu(), attention_matrix(trace, len(trace.layers) - 1).float().cpu()


# ------------------------------------------------------------------------------------------------------------- passes


def measure_passes(
    architecture: str, side: int, batch: int, device: str, rounds: int, compiled: bool
) -> dict[str, dict[str, float]]:
    """Milliseconds of each variant, and how many times the products alone: medians of interleaved rounds."""
    import timm
    import torch

    from vit_demo.model import Trace

    ours, pixels = _model(architecture, device), _pixels(side, batch, device)
    theirs = timm.create_model(architecture, num_classes=0).eval().to(device)
    calls: dict[str, Callable[[], object]] = {
        "products alone": _products(ours, pixels),
        "timm": lambda: theirs.forward_features(pixels),
        "ours": lambda: ours(pixels),
        "ours, with a trace": lambda: ours(pixels, trace=Trace()),
    }
    if compiled:
        their_graph = torch.compile(theirs.forward_features, mode="reduce-overhead")
        our_graph = torch.compile(ours, mode="reduce-overhead")
        calls |= {"timm, compiled": lambda: their_graph(pixels), "ours, compiled": lambda: our_graph(pixels)}
    times = _interleaved(calls, rounds, device)
    alone = times["products alone"]
    return {name: {"ms": ms, "times the products": ms / alone} for name, ms in times.items()}


def _products(model, pixels) -> Callable[[], object]:
    """The matrix products and attention of a pass, on numbers of the same shapes, and nothing between them."""
    import torch
    import torch.nn.functional as F

    config, grid = model.config, model.grid_of(pixels)
    x = torch.randn(len(pixels), grid.num_tokens, config.dim, device=pixels.device)
    block = model.block(0)
    mlp = block.mlp
    first = [mlp.fc1] if hasattr(mlp, "fc1") else [mlp.gate, mlp.value]
    last = mlp.fc2 if hasattr(mlp, "fc2") else mlp.out
    hidden = torch.randn(len(pixels), grid.num_tokens, config.mlp_hidden, device=pixels.device)
    heads = torch.randn(
        3, len(pixels), config.heads, grid.num_tokens, config.attention_head_dim, device=pixels.device
    ).unbind()

    def run() -> None:
        model.patch_embed(pixels)
        for _ in range(config.depth):
            block.attn.qkv(x)
            F.scaled_dot_product_attention(*heads)
            block.attn.proj(x)
            for one in first:
                one(x)
            last(hidden)

    return run


def _interleaved(calls: dict[str, Callable[[], object]], rounds: int, device: str) -> dict[str, float]:
    """The median milliseconds of each call; three rounds before are not counted, in which a compiler works."""
    import torch

    times: dict[str, list[float]] = {name: [] for name in calls}
    with torch.inference_mode():
        for number in range(-3, rounds):
            for name, call in calls.items():
                synchronise(device)
                started = time.perf_counter()
                call()
                synchronise(device)
                if number >= 0:
                    times[name].append(1000 * (time.perf_counter() - started))
    return {name: statistics.median(taken) for name, taken in times.items()}


def synchronise(device: str) -> None:
    """Waits for the device."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


# ----------------------------------------------------------------------------------------------------------- requests


def measure_requests(architecture: str, side: int, device: str, requests: int) -> dict[str, float]:
    """Memory of the device in MB after a tenth of the requests and after all of them: each a picture of its own and an
    attention map, through the Explainer with its bounded memory."""
    import tempfile
    from pathlib import Path

    from vit_demo.benchmark.server import random_model
    from vit_demo.contract import SizeChoice
    from vit_demo.explain import Explainer

    explainer, chance, found = Explainer(device), np.random.default_rng(0), {}
    with tempfile.TemporaryDirectory() as folder:
        model = str(random_model(architecture, Path(folder)))
        for number in range(1, requests + 1):
            picture = chance.integers(0, 256, (side, side, 3), dtype=np.uint8)
            explainer.attention(picture, model, SizeChoice())
            if number in (max(1, requests // 10), requests):
                found[f"after {number:,} requests, MB"] = device_mb(device)
    return found


def device_mb(device: str) -> float:
    """What live tensors take on a GPU, in MB; elsewhere what the process has."""
    import torch

    from vit_demo.memory import resident_bytes

    return (torch.cuda.memory_allocated(device) if device.startswith("cuda") else resident_bytes() or 0) / 1e6


def _model(architecture: str, device: str, dtype=None):
    """Ours, with timm's random weights of one seed."""
    import timm
    import torch

    from vit_demo.checkpoints.load import build
    from vit_demo.checkpoints.timm_models import plan_from_timm

    torch.manual_seed(0)
    state = timm.create_model(architecture, num_classes=0).state_dict()
    model, _ = build(plan_from_timm(architecture, num_classes=0), state, architecture)
    return model.to(device=device, dtype=dtype)


def _pixels(side: int, batch: int, device: str, dtype=None):
    import torch

    made = torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(0))
    return made.to(device=device, dtype=dtype)


def print_gpu(found: dict[str, Any]) -> None:
    print(found["card"])
    for case, rows in found["parity"].items():
        print(f"\n{case}, far from float32 on the processor{'tokens':>12}{'rows':>12}{'least cosine':>14}")
        for name, row in rows.items():
            print(f"{name:<45}{row['tokens']:>14.1e}{row['rows']:>12.1e}{row['least cosine']:>14.6f}")
    for case, rows in found["passes"].items():
        print(f"\n{case:<45}{'ms':>10}{'× products':>12}")
        for name, row in rows.items():
            print(f"{name:<45}{row['ms']:>10.2f}{row['times the products']:>12.2f}")
    print()
    for name, value in found["requests"].items():
        print(f"{name:<45}{value:>10.0f}")
