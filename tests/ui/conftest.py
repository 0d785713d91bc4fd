"""The fake engine, our example pictures, and a folder of its own for what gradio writes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tests_ui_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def fake() -> ModuleType:
    """The module fake.py: names of its models, their sizes, `card`."""
    return _load("fake")


@pytest.fixture(scope="session")
def node():
    """`node(expression, files, **given)`: JavaScript's answer; skipped where Node is not installed."""
    module = _load("node")
    if module.NODE is None:
        pytest.skip("node is not installed, so the browser's functions cannot be run")
    return module.run


@pytest.fixture
def explainer(fake):
    return fake.FakeExplainer()


@pytest.fixture(scope="session")
def examples():
    from vit_demo.gallery import read_gallery

    return read_gallery(EXAMPLES)


@pytest.fixture(scope="session")
def image() -> np.ndarray:
    """A landscape picture (120, 200, 3)."""
    return np.random.default_rng(0).integers(0, 256, (120, 200, 3), np.uint8)


@pytest.fixture(scope="session")
def tall() -> np.ndarray:
    """A portrait picture (200, 100, 3)."""
    return np.random.default_rng(1).integers(0, 256, (200, 100, 3), np.uint8)


@pytest.fixture
def state(explainer, examples, image):
    """What the page has chosen as it opens, with changes: `state(model=…, size=…, language=…)`."""
    from vit_demo.contract import SizeChoice
    from vit_demo.ui.state import PageState, Selection

    def make(**changes) -> PageState:
        chosen = dict(
            explainer=explainer,
            examples=examples,
            image=image,
            model="fake/head",
            size=SizeChoice(),
            selection=Selection(),
            language="en",
        )
        return PageState(**{**chosen, **changes})

    return make


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
