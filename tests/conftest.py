"""What all tests share: how they are spread over processes (`pytest -n auto`)."""

from __future__ import annotations

import os

import pytest

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
if WORKER and hasattr(os, "sched_setaffinity"):  # a process has a core: torch's threads would wait for one another
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(WORKER.removeprefix("gw")) % len(cores)]})


# The browser's tests take longest: in two halves, each in a process with a browser and an app of its own
ONE_HALF = {"test_page", "test_live_page", "test_film_page"}


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file stays in one process, for what its tests share; so does each half of the browser's, which come first."""
    for item in items:
        browser = item.get_closest_marker("browser") is not None
        half = "browser, one half" if item.path.stem in ONE_HALF else "browser, the other"
        item.add_marker(pytest.mark.xdist_group(half if browser else str(item.path)))
    items.sort(key=lambda item: item.get_closest_marker("browser") is None)
