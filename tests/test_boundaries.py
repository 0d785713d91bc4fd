"""Who may import whom, read off the source; and that importing does nothing."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import vit_demo

ROOT = Path(__file__).resolve().parents[1]
LONG_FILE, LONGEST_FILE = 300, 400  # lines
LONG_FUNCTION, LONGEST_FUNCTION = 50, 70

ROW = re.compile(r"^\| ([a-z_, ]+) \| ([A-Za-z_, –]+) \|$", re.MULTILINE)


def rules() -> dict[str, set[str]]:
    """Part of vit_demo → what it may import besides itself, numpy and the standard library: CONTRIBUTING.md's table."""
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Who imports whom")[2]
    rows = [(parts.split(", "), allowed) for parts, allowed in ROW.findall(table) if parts != "part"]
    return {part: set() if allowed == "–" else set(allowed.split(", ")) for parts, allowed in rows for part in parts}


MAY = rules()
ONLY_INSIDE_FUNCTIONS = {
    **dict.fromkeys(MAY, "timm transformers onnx umap ray"),
    "explain": "torch timm transformers huggingface_hub safetensors",
    "cli": "torch timm transformers training benchmark checkpoints render",
}


@dataclass(frozen=True)
class Import:
    """`part` of vit_demo imports `target`: another part's name, or a foreign package's."""

    place: str
    part: str
    target: str
    module: str
    at_top: bool


@cache
def trees() -> dict[Path, ast.Module]:
    files = [ROOT / "app.py", *sorted((ROOT / "vit_demo").rglob("*.py"))]
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in files}


def part_of(path: Path) -> str:
    """ "ui" for vit_demo/ui/tabs/predict.py, "grid" for vit_demo/grid.py, "app" for app.py."""
    names = path.relative_to(ROOT).with_suffix("").parts
    return names[1] if names[0] == "vit_demo" else names[0]


def modules_of(node: ast.stmt, path: Path) -> list[str]:
    """Full names of what a statement imports; a name that the package loads lazily is where its module is."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        package = path.relative_to(ROOT).parts[: -node.level]
        base = ".".join([*package, *filter(None, [base])])
    lazy = vit_demo._HOME if base == "vit_demo" else {}
    return [f"{lazy.get(alias.name, base)}.{alias.name}" for alias in node.names]


def names_through_the_package(tree: ast.Module) -> list[str]:
    """`vit_demo.attention_rows` after `import vit_demo` is an import of analysis, written as an attribute."""
    used = [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "vit_demo"
    ]
    return [f"{vit_demo._HOME[name]}.{name}" for name in used if name in vit_demo._HOME]


@cache
def imports() -> tuple[Import, ...]:
    found = []
    for path, tree in trees().items():
        inside = {
            id(child)
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in ast.walk(node)
        }
        for node in ast.walk(tree):
            for module in modules_of(node, path):
                names = module.split(".")
                own = names[0] == "vit_demo" and len(names) > 1
                place = f"{path.relative_to(ROOT)}:{node.lineno}"
                found.append(Import(place, part_of(path), names[own], module, id(node) not in inside))
        for module in names_through_the_package(tree):
            found.append(Import(str(path.relative_to(ROOT)), part_of(path), module.split(".")[1], module, False))
    return tuple(found)


def test_the_walk_sees_imports_inside_functions_and_of_submodules():
    seen = {(found.part, found.target, found.at_top) for found in imports()}
    assert ("checkpoints", "timm", False) in seen
    assert ("model", "torch", True) in seen
    assert ("ui", "gradio", True) in seen
    assert ("ui", "contract", True) in seen


def test_lazy_names_are_imports_of_the_part_that_has_them():
    path = ROOT / "vit_demo" / "cli.py"
    (node,) = ast.parse("from vit_demo import attention_rows").body
    assert modules_of(node, path) == ["vit_demo.analysis.attention.attention_rows"]
    tree = ast.parse("import vit_demo\nvit_demo.load_model('x')")
    assert names_through_the_package(tree) == ["vit_demo.checkpoints.load.load_model"]


def test_every_part_has_a_rule_and_every_rule_a_part():
    parts = {part_of(path) for path in trees()} - {"__init__", "__main__"}
    assert parts == set(MAY)


@pytest.mark.parametrize("part", MAY)
def test_a_part_imports_only_what_the_table_allows(part):
    allowed = {*MAY[part], part, "numpy", "__future__", *sys.stdlib_module_names}
    assert [(f.place, f.module) for f in imports() if f.part == part and f.target not in allowed] == []


@pytest.mark.parametrize("part", MAY)
def test_the_table_allows_nothing_that_is_not_imported(part):
    assert MAY[part] - {f.target for f in imports() if f.part == part} == set()


@pytest.mark.parametrize("part", ONLY_INSIDE_FUNCTIONS)
def test_what_is_dear_is_imported_only_where_it_is_used(part):
    never = set(ONLY_INSIDE_FUNCTIONS[part].split())
    assert [(f.place, f.module) for f in imports() if f.part == part and f.at_top and f.target in never] == []


def test_the_interface_knows_no_torch_and_the_model_no_interface():
    inner = {"torch", "model", "checkpoints", "analysis", "answers", "explain", "engine", "training"}
    assert MAY["ui"] & inner == set()
    for part in inner - {"torch"}:
        assert MAY[part] & {"ui", "gradio", "text", "render"} == set(), part


def test_the_page_knows_its_tabs_by_their_list_alone_and_no_tab_knows_another():
    for found in imports():
        names = found.module.split(".")
        if names[:3] != ["vit_demo", "ui", "tabs"]:
            continue
        here = found.place.split(":")[0].split("/")
        if here[:3] == ["vit_demo", "ui", "tabs"]:
            assert len(here) == 4 or here[3] == names[3], found  # the list itself, or the tab's own folder
        elif here[-1] == "notebook.py":
            assert names[4] == "file", found  # a topic's view as one file
        else:
            assert here[-1] == "build.py", found
            assert names[3] in ("FIRST", "GROUPS", "TABS"), found


def test_words_are_said_only_by_the_contract_the_pages_and_the_terminal():
    assert {f.part for f in imports() if f.target == "text"} <= {"contract", "ui", "api", "cli", "starting", "text"}


def test_only_the_page_and_the_entry_know_gradio():
    assert {f.part for f in imports() if f.target == "gradio"} <= {"ui", "api", "serve", "notebook"}


def test_only_the_entry_imports_the_page():
    assert {f.part for f in imports() if f.target == "ui"} <= {"ui", "api", "serve", "notebook"}


def test_pyplot_is_nowhere():
    used = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name) and getattr(node, "attr", getattr(node, "id", "")) == "pyplot"
    ]
    assert used == []
    assert [f.place for f in imports() if "pyplot" in f.module.split(".")] == []


@pytest.mark.parametrize(("name", "value"), [("strict", False), ("allow_pickle", True), ("weights_only", False)])
def test_weights_are_never_loaded_loosely(name, value):
    """`zip(strict=False)` is another matter."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") != "zip"
        for keyword in node.keywords
        if keyword.arg == name and isinstance(keyword.value, ast.Constant) and keyword.value.value is value
    ]
    assert found == []


def test_every_torch_load_refuses_pickles():
    loads = [
        (f"{path.relative_to(ROOT)}:{node.lineno}", {keyword.arg: keyword.value for keyword in node.keywords})
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"
    ]
    for place, given in loads:
        assert isinstance(given.get("weights_only"), ast.Constant), place
        assert given["weights_only"].value is True, place


def test_no_file_is_a_drawer():
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
    assert [str(path) for path in trees() if path.stem in drawers] == []


def test_files_and_functions_are_short():
    """Over the first limit they are listed, over the second they fail."""
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in trees()}
    functions = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for name, length in [*lengths.items(), *functions.items()]:
        if length > (LONG_FUNCTION if name in functions else LONG_FILE):
            print(f"{length:>4} lines: {name}")
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}
    assert {name: length for name, length in functions.items() if length > LONGEST_FUNCTION} == {}


# ----------------------------------------------------------------------------------------------- importing does nothing

WATCH = """
import json, os, sys
sys.dont_write_bytecode = True
did = {"network": [], "written": [], "processes": []}

def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.bind"):
        did["network"].append(str(args[1:] if event == "socket.connect" else args))
    elif event == "open" and isinstance(args[0], (str, bytes)):
        mode, flags = args[1], args[2]
        writing = set(mode or "") & set("wax+") if mode else flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writing and os.fsdecode(args[0]) != os.devnull:
            did["written"].append(os.fsdecode(args[0]))
    elif event in ("os.mkdir", "os.rename", "os.remove"):
        did["written"].append(str(args[0]))
    elif event in ("subprocess.Popen", "os.system", "os.posix_spawn"):
        did["processes"].append(str(args[:2]))

for name in FIRST:
    __import__(name)
before = {name: list(seen) for name, seen in did.items()}
sys.addaudithook(watch)
for name in MODULES:
    __import__(name)
did["loaded"] = sorted(sys.modules)
print(json.dumps(did))
"""


def import_watched(modules: list[str], folder: Path, first: tuple[str, ...] = ()) -> dict:
    """What a fresh process did while it imported `modules`; packages in `first` are imported unwatched before."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "GRADIO_", "XDG_"))}
    done = subprocess.run(
        [sys.executable, "-c", f"FIRST, MODULES = {list(first)!r}, {modules!r}\n{WATCH}"],
        cwd=folder,
        env={**env, "PYTHONPATH": str(ROOT), "HOME": str(folder), "GRADIO_ANALYTICS_ENABLED": "False"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_importing_the_package_and_the_page_does_nothing(tmp_path):
    did = import_watched(["vit_demo", "vit_demo.ui.build"], tmp_path, first=("gradio",))
    assert did["network"] == []
    # Gradio writes a .pyi beside the source of every component class, once
    assert [path for path in did["written"] if not path.endswith(".pyi")] == []
    assert did["processes"] == []
    assert {"torch", "timm", "transformers", "safetensors"} & set(did["loaded"]) == set()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_importing_the_engines_front_loads_no_torch_and_does_nothing(tmp_path):
    did = import_watched(["vit_demo", "vit_demo.explain", "vit_demo.cli", "vit_demo.decode"], tmp_path)
    assert did["network"] == did["written"] == did["processes"] == []
    assert {"torch", "gradio", "timm", "transformers", "matplotlib.pyplot"} & set(did["loaded"]) == set()
    assert list(tmp_path.iterdir()) == []


def test_reading_words_loads_nothing_but_words(tmp_path):
    loaded = set(import_watched(["vit_demo.text"], tmp_path)["loaded"])
    assert {"numpy", "torch", "gradio", "PIL"} & loaded == set()
