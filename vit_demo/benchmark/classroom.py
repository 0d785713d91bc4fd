"""`python -m vit_demo load --class`: students' pages follow a teacher's through the walk. It prints how long it takes
from the teacher's click until each student's page has the step.

Students follow the page's own protocol (visitor.py) and the room's events from one process beside the server.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vit_demo.benchmark.server import APP, running
from vit_demo.benchmark.visitor import Visitor, run
from vit_demo.contract import WALK_STEPS

ROOM, KEY = "ABCD", "key-of-the-benchmark"
TAB = "walk"


@dataclass
class Followed:
    """Seconds from the teacher's click to each student's step, and from the click to the teacher's own."""

    students: int
    seconds: list[float] = field(default_factory=list)
    teacher: list[float] = field(default_factory=list)


def measure_class(students: int, model: str = "") -> Followed:
    """A class of so many students against a server of its own."""
    command = (sys.executable, "-m", "vit_demo", "serve", "--classroom", "--host", "127.0.0.1")
    variables = {"VIT_DEMO_ROOM": f"{ROOM}:{KEY}"}
    with tempfile.TemporaryDirectory() as folder, running(APP, Path(folder), variables, command) as (url, _):
        return run(lead(url, students, f"?tab={TAB}" + (f"&model={model}" if model else "")))


async def lead(url: str, students: int, address: str) -> Followed:
    """The teacher goes from step to step; every student's page follows."""
    followed = Followed(students)
    async with Visitor(url) as teacher:
        await teacher.open(TAB, address)
        await asyncio.sleep(5)  # what is prepared behind the page
        pages = [Visitor(url) for _ in range(students)]
        await asyncio.gather(*(page.open(TAB, address) for page in pages))
        heard: asyncio.Queue[float] = asyncio.Queue()
        listening = [asyncio.create_task(_follow(page, heard)) for page in pages]
        await asyncio.sleep(1)
        for step in WALK_STEPS[1:]:
            started = time.perf_counter()
            await teacher.trigger("vd-walk", "input", {"step": step, "token": "", "layer": 11, "head": 0, "times": 1})
            followed.teacher.append(time.perf_counter() - started)
            await teacher.trigger("vd-guide", "input", {"key": KEY, "tab": TAB})
            followed.seconds += [await heard.get() - started for _ in pages]
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        await asyncio.gather(*(page.client.aclose() for page in pages))
    return followed


async def _follow(page: Visitor, heard: asyncio.Queue[float]) -> None:
    """What a student's page does: it listens, and asks for the step that the teacher shows."""
    async with page.client.stream("GET", f"classroom/{ROOM}/events") as stream:
        async for line in stream.aiter_lines():
            # A number is how many follow
            shown = json.loads(line[6:]) if line.startswith("data: {") else {"version": 0}
            if not shown["version"]:
                continue
            wanted = {"step": shown["query"]["step"], "token": "", "layer": 11, "head": 0, "times": shown["version"]}
            await page.trigger("vd-walk", "input", wanted)
            heard.put_nowait(time.perf_counter())


def print_class(followed: Followed, as_json: bool = False) -> None:
    if as_json:
        print(json.dumps(vars(followed), indent=2))
        return
    p50, p95 = np.percentile(followed.seconds, (50, 95))
    print(f"{followed.students} students, {len(followed.teacher)} steps of the walk")
    print(f"teacher's own step: median {np.median(followed.teacher):.2f} s, longest {max(followed.teacher):.2f} s")
    print(
        f"students' pages: median {p50:.2f} s, p95 {p95:.2f} s, longest {max(followed.seconds):.2f} s after the click"
    )
