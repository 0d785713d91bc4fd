"""Small runs on scikit-learn's digits, made once."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vit_demo.training.dino import DINO_CONFIG
from vit_demo.training.loop import DIGITS_CONFIG, Recipe


def _load(name: str):
    spec = importlib.util.spec_from_file_location(f"tests_training_{name}", Path(__file__).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def digits8():
    """The module that makes digits of MNIST's shape without a download."""
    return _load("digits8")


@pytest.fixture(scope="session")
def small_config():
    return replace(DIGITS_CONFIG, dim=32, depth=2, heads=2, mlp_hidden=32)


@pytest.fixture(scope="session")
def small_dino_config():
    return replace(DINO_CONFIG, dim=32, depth=2, heads=2, mlp_hidden=32)


@pytest.fixture(scope="session")
def two_epochs():
    return Recipe(epochs=2, batch=16, warm_epochs=1, whole_epochs=1, kept=(0, 1), peak_rate=3e-3)


@pytest.fixture(autouse=True)
def _one_thread():
    """Tiny matrices gain nothing from a second thread, and lose much on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
