"""The terminal: what it prints, and how it fails."""

from __future__ import annotations

import inspect
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from vit_demo.api.questions import QUESTIONS
from vit_demo.cli import main

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    """A folder in Hub layout with a small random classifier of three named classes."""
    folder = tmp_path_factory.mktemp("classifier")
    torch.manual_seed(0)
    args = dict(img_size=48, embed_dim=48, depth=2, num_heads=3, num_classes=3)
    twin = timm.create_model("vit_tiny_patch16_224", **args)
    config = {"label_names": ["cat", "dog", "bird"]}
    timm.models.save_for_hf(twin, folder, model_config=config, model_args=args, safe_serialization=True)
    return str(folder)


@pytest.fixture
def picture(tmp_path) -> str:
    pixels = np.random.default_rng(0).integers(0, 255, (60, 100, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    return str(tmp_path / "noise.png")


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_predict_gives_every_class_and_what_is_left(model, picture, capsys):
    code, out, _ = run(capsys, "predict", picture, "--model", model, "--top", "2", "--json", "--device", "cpu")
    answer = json.loads(out)
    assert code == 0
    assert set(answer["labels"]) < {"cat", "dog", "bird"}
    assert sum(answer["probabilities"]) + answer["rest"] == pytest.approx(1, abs=1e-4)


def test_predict_takes_a_folder_of_pictures(model, picture, tmp_path, capsys):
    Image.open(picture).save(tmp_path / "again.webp")
    (tmp_path / "notes.txt").write_text("not a picture, and not looked at")
    _, out, _ = run(capsys, "predict", str(tmp_path), "--model", model, "--json", "--device", "cpu")
    assert [row["picture"].rsplit("/", 1)[-1] for row in json.loads(out)] == ["again.webp", "noise.png"]


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_broken_picture_in_a_folder_is_named_and_passed_over(form, model, picture, tmp_path, capsys):
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    Image.open(picture).save(tmp_path / "sound.webp")
    code, out, err = run(capsys, "predict", str(tmp_path), "--model", model, "--device", "cpu", *form)
    assert code == 1
    assert str(tmp_path / "broken.png") in err
    assert err.count("\n") == 1
    assert "sound.webp" in out
    assert "noise.png" in out
    if form:
        rows = {row["picture"].rsplit("/", 1)[-1]: row for row in json.loads(out)}
        assert "not a picture" in rows["broken.png"]["error"]
        assert len(rows["sound.webp"]["labels"]) == len(rows["noise.png"]["labels"]) == 3


@pytest.fixture
def foreign(tmp_path) -> str:
    """A classifier whose classes have names that few consoles can show."""
    torch.manual_seed(0)
    args = dict(img_size=48, embed_dim=48, depth=1, num_heads=3, num_classes=3)
    twin = timm.create_model("vit_tiny_patch16_224", **args)
    config = {"label_names": ["猫", "łoś", "dog"]}
    timm.models.save_for_hf(twin, tmp_path / "m", model_config=config, model_args=args, safe_serialization=True)
    return str(tmp_path / "m")


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "cp936", "ascii", "utf-8"])
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_no_console_encoding_fails(encoding, form, foreign, picture, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding=encoding, write_through=True))
    assert main(["predict", picture, "--model", foreign, "--device", "cpu", *form]) == 0
    out = written.getvalue().decode(encoding)
    if form:
        assert set(json.loads(out)["labels"]) == {"猫", "łoś", "dog"}
    else:
        assert "dog" in out


@pytest.mark.slow
def test_a_console_of_western_europe_gets_no_traceback(foreign, picture):
    command = [sys.executable, "-m", "vit_demo", "predict", picture, "--model", foreign, "--device", "cpu"]
    environment = {**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "dog" in done.stdout.decode("cp1252")


@pytest.mark.parametrize(("token", "said"), [("4,1", "row 4, column 1"), ("0,3", "row 0, column 3")])
def test_a_patch_outside_is_named_as_it_was_written(token, said, model, picture, capsys):
    code, _, err = run(capsys, "attention", picture, "--model", model, "--token", token, "--device", "cpu")
    assert code == 2
    assert said in err
    assert "from 1 to 3" in err


EXAMPLES = {"attention_from_python": ("head ", 3), "what_if": ("class token and registers", 2)}  # 3 heads, 2 layers


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_script_runs_as_its_first_line_says(name, model, tmp_path):
    script = ROOT / "examples" / f"{name}.py"
    assert f"python examples/{name}.py" in script.read_text().splitlines()[0]
    command = [sys.executable, str(script), str(ROOT / "examples" / "dog.jpg"), model]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    line, count = EXAMPLES[name]
    assert done.stdout.count(line) == count
    assert name != "what_if" or "becomes" in done.stdout


def test_attention_adds_up_and_counts_from_one(model, picture, capsys):
    arguments = ("attention", picture, "--model", model, "--layer", "1", "--token", "3,2", "--json", "--device", "cpu")
    code, out, _ = run(capsys, *arguments)
    answer = json.loads(out)
    total = np.sum(answer["maps"], axis=(1, 2)) + np.sum(answer["prefix"], axis=1)
    assert code == 0
    assert answer["layer"] == 1
    np.testing.assert_allclose(total, 1, atol=1e-4)


def test_attention_writes_a_picture_of_every_head(model, picture, tmp_path, capsys):
    target = tmp_path / "heads.png"
    options = ("--model", model, "--keep-shape", "--out", str(target), "--device", "cpu")
    assert run(capsys, "attention", picture, *options)[0] == 0
    with Image.open(target) as sheet:
        assert sheet.width > 2 * sheet.height


def test_models_lists_the_catalogue_with_what_is_on_disk(capsys):
    code, out, _ = run(capsys, "models", "--no-hub", "--json")
    cards = json.loads(out)["models"]
    assert code == 0
    assert len(cards) >= 30
    assert {card["availability"] for card in cards} <= {"on_disk", "unknown", "out_of_reach"}
    assert all(card["licence"] and card["why"] for card in cards)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["predict", "{tmp}/none.png"], "cannot be read"),
        (["predict", "{tmp}"], "There are no pictures"),
        (["predict", "{text}", "--model", "{model}"], "not a picture"),
        (["predict", "{picture}", "--model", "{tmp}/none"], "Check the spelling"),
        (["predict", "{picture}", "--model", "{model}", "--size", "5"], "Choose a size"),
        (["attention", "{picture}", "--model", "{model}", "--layer", "9"], "no layer 9"),
        (["attention", "{picture}", "--model", "{model}", "--token", "9,9"], "no patch in row 9"),
        (["attention", "{picture}", "--model", "{model}", "--token", "reg1"], "no token reg1"),
        (["predict", "{picture}", "--model", "{model}", "--device", "cuda:7"], "no device cuda:7"),
    ],
)
def test_a_mistake_gets_one_sentence_and_exit_code_two(arguments, sentence, model, picture, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    text = tmp_path / "text.png"
    text.write_text("hello")
    values = {"tmp": empty, "text": text, "model": model, "picture": picture}
    code, out, err = run(capsys, *[a.format(**values) for a in arguments])
    assert code == 2
    assert out == ""
    assert sentence in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_messages_come_in_chinese_when_asked(picture, model, capsys):
    _, _, err = run(capsys, "--language", "zh", "predict", picture, "--model", model, "--size", "5")
    assert "请选择" in err


def test_a_folder_is_taken_up_where_it_was_left(model, picture, tmp_path, capsys):
    folder, out = tmp_path / "pictures", tmp_path / "results"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.open(picture).save(folder / name)
    options = ("--model", model, "--layer", "1", "--out", str(out), "--device", "cpu")
    assert run(capsys, "attention", str(folder), *options)[0] == 0
    made = {path.name for path in out.iterdir()}
    assert made == {f"{name}.png.attention.{kind}" for name in "ab" for kind in ("json", "png")}
    row = json.loads((out / "a.png.attention.json").read_text("utf-8"))
    assert row["layer"] == 1
    assert np.shape(row["maps"]) == (3, 3, 3)
    (out / "b.png.attention.json").unlink()
    (out / "a.png.attention.json").write_text(json.dumps({**row, "mark": "kept as it is"}))
    code, printed, _ = run(capsys, "attention", str(folder), *options, "--json")
    assert (code, [one.get("mark") for one in json.loads(printed)]) == (0, ["kept as it is", None])
    assert json.loads((out / "a.png.attention.json").read_text())["mark"] == "kept as it is"
    assert (out / "b.png.attention.json").exists()
    other = [*options[:3], "2", *options[4:]]  # another layer is another question
    assert run(capsys, "attention", str(folder), *other)[0] == 0
    assert json.loads((out / "a.png.attention.json").read_text())["layer"] == 2


def test_equal_names_are_not_written_over_one_another(model, picture, tmp_path, capsys):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        Image.open(picture).save(tmp_path / name / "a.png")
    arguments = (
        "predict",
        str(tmp_path / "one"),
        str(tmp_path / "two"),
        "--model",
        model,
        "--out",
        str(tmp_path / "out"),
    )
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert "same name" in err


QUESTION_OPTIONS = {
    "correspondences": ("--other", "PICTURE"),
    "own_classes": ("--examples", "PICTURE", "PICTURE", "--labels", "one", "two"),
    "patch_in": ("--other", "PICTURE"),
    "agreement": ("--other-model", "vit-demo/digits"),
    "compare": ("--models", "vit-demo/digits", "vit-demo/digits@epoch-0"),
    "scan_states": ("--other", "PICTURE"),
    "fewest_patches": ("--method", "rollout"),
    "similarity": ("--row", "2", "--column", "3"),
    "stretched_table": ("--rows", "5", "--columns", "4"),
}


@pytest.mark.parametrize("question", sorted(set(QUESTIONS) - {"models", "rotation", "read_digit"}))
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_every_question_is_a_command(question, form, model, picture, capsys):
    named = inspect.signature(QUESTIONS[question]).parameters
    pictures = [picture] if {"picture", "pictures"} & set(named) else []
    more = [picture if word == "PICTURE" else word for word in QUESTION_OPTIONS.get(question, ())]
    code, out, err = run(capsys, question, *pictures, "--model", model, *more, *form, "--device", "cpu")
    assert (code, err) == (0, "")
    if form:
        assert json.loads(out)
    else:
        assert 0 < out.count("\n") < 40


def test_what_if_has_its_plain_name_and_counts_from_one(model, picture, capsys):
    options = ("--drop", "1,1", "1,2", "--heads", "1,2", "--positions", "shuffled", "--model", model, "--device", "cpu")
    code, out, err = run(capsys, "whatif", picture, *options, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["tokens"] == found["info"]["grid"][0] * found["info"]["grid"][1] + 1 - 2
    assert found["answers"][0].keys() == {"name", "before", "after", "score_before", "score_after"}
    code, _, err = run(capsys, "whatif", picture, "--drop", "0,1", "--model", model)
    assert code == 2
    assert "outside" in err


def test_the_terminal_knows_features_and_embeddings_by_their_short_names(model, picture, tmp_path, capsys):
    for command, pictures in (("features", [picture]), ("embeddings", [])):
        code, _, err = run(capsys, command, *pictures, "--model", model, "--out", str(tmp_path / f"{command}.png"))
        assert (code, err) == (0, "")
        with Image.open(tmp_path / f"{command}.png") as made:
            assert made.width > 10
