"""`python -m vit_demo bench`: forward passes side by side with timm and transformers, the time to every view, and
what a visitor of the page waits for."""

from __future__ import annotations

import json
from typing import Any

from vit_demo.benchmark.live import measure_live
from vit_demo.benchmark.page import RUNS, measure_page, plain, print_page, weights
from vit_demo.benchmark.passes import CASES, machine, print_case, run_case
from vit_demo.benchmark.views import measure_views, print_views


def benchmark(rounds: int, as_json: bool) -> dict:
    """Measures everything and prints it: a table, or JSON."""
    import timm
    import transformers

    where = {**machine(), "timm": timm.__version__, "transformers": transformers.__version__, "rounds": rounds}
    result: dict[str, Any] = {"where": where, "passes": {}, "views": {}}
    for case in CASES:
        result["passes"][case] = run_case(case, rounds)
        if not as_json:
            print_case(case, result["passes"][case])
    result["views"] = measure_views()
    if not as_json:
        print_views(result["views"])
    result |= benchmark_page(RUNS, as_json=None if as_json else False)
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        print(", ".join(f"{key} {value}" for key, value in where.items()))
    return result


def benchmark_page(runs: int, as_json: bool | None) -> dict:
    """What a visitor of the page waits for, each action `runs` times. Prints a table, JSON, or with None nothing."""
    result: dict[str, Any] = {"page": plain(measure_page(runs=runs)), "moving": measure_live(), "weights": weights()}
    if as_json:
        print(json.dumps({"where": machine(), **result}, indent=2))
    elif as_json is False:
        print(*machine().values(), sep=", ")
        print_page(result["page"])
        for name, value in {**result["moving"], **result["weights"]}.items():
            print(f"{name.replace('_', ' '):<58}{value:>8.1f}")
    return result
