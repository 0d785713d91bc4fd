"""What is installed: one list of dependencies, and a package that answers away from its repository."""

from __future__ import annotations

import ast
import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

tomllib = pytest.importorskip("tomllib", reason="Python 3.10 cannot read toml")

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OWN = {"vit_demo", "app", "tests"}
NOT_ON_PYPI = {"spaces"}  # a Space has it


def names_of(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~ ]", line)[0].lower().replace("_", "-") for line in requirements}


def imported_by(*places: str) -> set[str]:
    """The distributions whose modules the Python files of these places import."""
    files = [
        file
        for place in places
        for file in ((ROOT / place).rglob("*.py") if (ROOT / place).is_dir() else [ROOT / place])
    ]
    modules = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules.add(node.module.partition(".")[0])
    beside = {path.stem for place in places for path in (ROOT / place).rglob("*.py")}  # a test's own helpers
    foreign = modules - set(sys.stdlib_module_names) - OWN - NOT_ON_PYPI - beside
    distributions = packages_distributions()
    return {distributions.get(module, [module])[0].lower().replace("_", "-") for module in foreign}


def test_a_space_installs_what_the_package_needs():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").split("\n")
    assert sorted(filter(None, lines)) == sorted(PROJECT["dependencies"])


def test_whatever_the_app_imports_is_named():
    extras = PROJECT["optional-dependencies"]
    named = (
        names_of(PROJECT["dependencies"])
        | names_of(extras["embedded"])
        | names_of(extras["umap"])
        | names_of(extras["metrics"])
        | names_of(extras["cluster"])
        | names_of(extras["classroom"])
    )
    benchmark = {"transformers", "playwright"}  # measured against, with the tests' dependencies
    assert imported_by("vit_demo", "app.py") - named <= benchmark | {"fastapi", "httpx", "starlette"}  # gradio's


def test_the_dev_extra_can_run_the_tests():
    extras = PROJECT["optional-dependencies"]
    assert "vit-demo[embedded,umap,mcp,metrics,cluster,classroom]" in extras["dev"]
    named = names_of([line for one in [PROJECT["dependencies"], *extras.values()] for line in one])
    with_gradio = {"starlette", "fastapi", "uvicorn", "httpx", "gradio-client", "mcp"}  # its own, and of its extra
    with_torch = {"torchvision"}  # timm's
    assert imported_by("tests") - named <= with_gradio | with_torch


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with what the wheel has; the source is a copy, since setuptools writes beside it."""
    folder = tmp_path_factory.mktemp("package")
    source = folder / "source"
    for name in ("vit_demo", "examples"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyi"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), "."]
    done = subprocess.run(build, cwd=source, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(folder / "site")
    return folder / "site"


@pytest.mark.slow
def test_the_wheel_has_every_file_of_the_package_and_the_examples(installed):
    def listed(folder: Path) -> set[str]:
        files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {path.relative_to(folder).as_posix() for path in files if path.suffix != ".pyi"}

    assert listed(installed / "vit_demo") - {f"examples/{name}" for name in listed(ROOT / "examples")} == listed(
        ROOT / "vit_demo"
    )
    pictures = {entry["file"] for entry in json.loads((ROOT / "examples" / "gallery.json").read_text(encoding="utf-8"))}
    assert pictures <= listed(installed / "vit_demo" / "examples")


@pytest.mark.slow
def test_the_console_script_answers_from_another_folder(installed, tmp_path):
    scripts = configparser.ConfigParser()
    (entry_points,) = installed.glob("*.dist-info/entry_points.txt")
    scripts.read_string(entry_points.read_text(encoding="utf-8"))
    module, _, function = scripts["console_scripts"]["vit-demo"].partition(":")
    shutil.copy(ROOT / "examples" / "cat.jpg", tmp_path / "mine.jpg")
    run = f"import sys; from {module} import {function}; sys.exit({function}())"
    done = subprocess.run(
        [sys.executable, "-c", run, "predict", "mine.jpg", "--model", "vit-demo/dino-digits", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cosines"]  # without a head it compares with the pictures of the package
