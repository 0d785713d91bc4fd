"""`python -m vit_demo load`: a class of students on one server. Each opens the page, uploads a photograph of its own,
and opens tab after tab; several classes follow one another. It prints how long they waited, by what they did, and what
the server had in memory after each class.

The students follow the page's own protocol (visitor.py) from one process beside the server, so on a small machine both
share its cores. They do not pause: as soon as one answer is there they ask for the next.
"""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from vit_demo.benchmark.server import APP, memory_mb, random_model, running
from vit_demo.benchmark.visitor import Refused, Visitor, run

FIRST_TAB = "attention"
TABS = ("attention", "relevance", "depth", "embeddings", "features")
PHOTOGRAPH = (1600, 1200)  # px
READ_MEMORY_EVERY_S = 0.25


@dataclass
class Figures:
    """Seconds by step, what failed by sentence, and the server's memory in MB."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    failed: Counter = field(default_factory=Counter)
    answers: int = 0
    sent_mb: float = 0.0
    took_s: float = 0.0
    memory_before_mb: float | None = None
    memory_by_round_mb: list[float | None] = field(default_factory=list)
    memory_peak_mb: float = 0.0

    def add(self, step: str, seconds: float) -> None:
        self.seconds.setdefault(step, []).append(seconds)


def measure_load(
    students: int, rounds: int, tabs: tuple[str, ...] = TABS, app: Path = APP, model: str = "", random: str = ""
) -> Figures:
    """Runs the walk against an app of its own. `model` opens the page on that model of the catalogue; with `random`
    everybody types a timm architecture with random weights."""
    with tempfile.TemporaryDirectory() as folder:
        typed = str(random_model(random, Path(folder))) if random else ""
        with running(app, Path(folder) / "app", {"VIT_DEMO_ANY_MODEL": "1"} if typed else {}) as (url, process):
            return run(walk(url, process, students, rounds, tabs, f"?model={model}" if model else "", typed))


async def walk(
    url: str,
    process: subprocess.Popen,
    students: int,
    rounds: int,
    tabs: tuple[str, ...],
    address: str,
    typed: str = "",
) -> Figures:
    figures = Figures()
    async with Visitor(url) as first:
        await first.open(FIRST_TAB, address)  # torch and the model are there
        if typed:
            await first.type_model(typed)
    await asyncio.sleep(5)  # and what is prepared behind the page
    figures.memory_before_mb = memory_mb(process)
    watch = asyncio.create_task(_watch(process, figures))
    started = time.perf_counter()
    for number in range(rounds):
        photographs = [photograph(seed=number * students + student) for student in range(students)]
        await asyncio.gather(*(_student(url, one, tabs, address, typed, figures) for one in photographs))
        figures.memory_by_round_mb.append(memory_mb(process))
    figures.took_s = time.perf_counter() - started
    watch.cancel()
    return figures


async def _student(url: str, picture: bytes, tabs: tuple[str, ...], address: str, typed: str, figures: Figures) -> None:
    async with Visitor(url) as visitor:
        steps = [
            ("page", visitor.fetch_page(address)),
            ("first view", visitor.begin(FIRST_TAB)),
            *([("model", visitor.type_model(typed))] if typed else []),
            ("predict, before the upload", visitor.open_tab("predict")),
            ("upload to predict", visitor.upload(picture, "photograph.jpg")),
            *((tab, visitor.open_tab(tab)) for tab in tabs),
        ]
        for step, doing in steps:
            started = time.perf_counter()
            try:
                await doing
            except (Refused, httpx.HTTPError, TimeoutError) as error:
                figures.failed[f"{step}: {type(error).__name__} {error}"[:160]] += 1
            else:
                figures.add(step, time.perf_counter() - started)
        figures.answers += visitor.answers
        figures.sent_mb += visitor.bytes / 1e6


async def _watch(process: subprocess.Popen, figures: Figures) -> None:
    while True:
        figures.memory_peak_mb = max(figures.memory_peak_mb, memory_mb(process) or 0)
        await asyncio.sleep(READ_MEMORY_EVERY_S)


def photograph(seed: int) -> bytes:
    """A JPEG file that no other seed makes: a piece of one of our pictures, turned and lit otherwise."""
    draw = np.random.default_rng(seed)
    pictures = sorted((APP.parent / "examples").glob("*.jpg"))
    with Image.open(pictures[draw.integers(len(pictures))]) as opened:
        picture = opened.convert("RGB")
    width, height = picture.size
    share = draw.uniform(0.6, 0.95)
    left, top = draw.uniform(0, 1 - share, 2) * (width, height)
    picture = picture.crop((int(left), int(top), int(left + share * width), int(top + share * height)))
    picture = picture.rotate(draw.uniform(-8, 8), Image.Resampling.BICUBIC)
    picture = ImageEnhance.Brightness(ImageOps.fit(picture, PHOTOGRAPH)).enhance(draw.uniform(0.8, 1.2))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=88)
    return file.getvalue()


def print_load(figures: Figures, as_json: bool = False) -> None:
    if as_json:
        print(json.dumps({**vars(figures), "failed": dict(figures.failed)}, indent=2))
        return
    print(f"{'seconds':<30}{'count':>7}{'p50':>8}{'p95':>8}{'longest':>9}")
    for step, seconds in figures.seconds.items():
        p50, p95 = np.percentile(seconds, (50, 95))
        print(f"{step:<30}{len(seconds):>7}{p50:>8.1f}{p95:>8.1f}{max(seconds):>9.1f}")
    by_round = ", ".join("?" if one is None else f"{one:,.0f}" for one in figures.memory_by_round_mb)
    before = figures.memory_before_mb or 0
    print(f"memory, MB: {before:,.0f} before, {by_round} after each class, {figures.memory_peak_mb:,.0f} at most")
    rate = figures.answers / figures.took_s
    print(f"{figures.answers} answers in {figures.took_s:.0f} s ({rate:.1f} a second), {figures.sent_mb:,.0f} MB sent")
    print(f"{sum(figures.failed.values())} failed" + "".join(f"\n  {n} × {what}" for what, n in figures.failed.items()))
