"""Whatever a program sends to the page's own listeners in the place of what a browser sends: a sentence or an answer,
never gradio's bare "Error", and no traceback in the log."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from vit_demo.benchmark.server import APP, running
from vit_demo.benchmark.visitor import Refused, Visitor, run

pytestmark = pytest.mark.slow
ODD = [
    "/etc/passwd",
    "x" * 5_000,
    [[["a"]]],
    {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
    10**400,
    -1e300,
    True,
]
AT_ONCE = 8


async def sweep(url: str) -> tuple[int, Counter]:
    """(values sent, what was answered that nobody understands)."""
    async with Visitor(url) as first:
        await first.open("predict")
        listeners = [one for one in first.config["dependencies"] if one["backend_fn"] and one["targets"]]
        values = dict(first.values)
    of_component = {key: (one, place) for one in listeners for place, key in enumerate(one["inputs"])}
    places = [(one, place, odd) for one, place in of_component.values() for odd in ODD]
    unclear: Counter = Counter()
    waiting = asyncio.Queue()
    for place in places:
        waiting.put_nowait(place)

    async def visitor() -> None:
        async with Visitor(url) as one:
            await one.fetch_page()
            while not waiting.empty():
                listener, place, odd = waiting.get_nowait()
                one.values = {**values, listener["inputs"][place]: odd}
                try:
                    await one._ask(listener, None)
                except Refused as refused:
                    said = str(refused)
                    if len(said) < 12 or "Traceback" in said:
                        component = one.components[listener["inputs"][place]]
                        name = component["props"].get("elem_id") or component["type"]
                        unclear[f"{said!r} for {str(odd)[:20]} in {name} of {listener['targets'][0]}"] += 1

    await asyncio.gather(*(visitor() for _ in range(AT_ONCE)))
    return len(places), unclear


def test_every_odd_value_gets_a_sentence_and_leaves_no_traceback(tmp_path):
    with running(APP, tmp_path / "files", {"VIT_DEMO_MODEL": "vit-demo/digits"}) as (url, process):
        count, unclear = run(asyncio.wait_for(sweep(url), 500))
        log = (tmp_path / "files.log").read_text(errors="replace")
        assert process.poll() is None
    assert count > 300
    assert dict(unclear) == {}
    assert "Traceback" not in log, log[log.index("Traceback") :][:3000]
