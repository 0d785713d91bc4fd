"""`python -m vit_demo bench`: forward passes side by side with timm and transformers, the time to every view, and
what the page weighs."""

from __future__ import annotations

import json
import platform

from vit_demo.benchmark.live import measure_live
from vit_demo.benchmark.page import measure_page, print_page
from vit_demo.benchmark.passes import CASES, print_case, run_case
from vit_demo.benchmark.views import measure_views, print_views


def benchmark(rounds: int, as_json: bool) -> dict:
    """Measures everything and prints it: a table, or JSON."""
    import timm
    import torch
    import transformers

    versions = {"torch": torch.__version__, "timm": timm.__version__, "transformers": transformers.__version__}
    where = {"machine": platform.machine(), "threads": torch.get_num_threads(), "rounds": rounds, **versions}
    result = {"where": where, "passes": {}, "views": {}, "page": {}}
    for case in CASES:
        result["passes"][case] = run_case(case, rounds)
        if not as_json:
            print_case(case, result["passes"][case])
    result["views"] = measure_views()
    result["page"] = {**measure_page(), **measure_live()}
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        print_views(result["views"])
        print_page(result["page"])
        print(", ".join(f"{key} {value}" for key, value in where.items()))
    return result
