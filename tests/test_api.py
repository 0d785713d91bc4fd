"""The endpoints, asked by clients that are not ours, and the schema that they were promised."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from vit_demo.api.questions import QUESTIONS
from vit_demo.benchmark.server import APP, running

ROOT = Path(__file__).parents[1]
DOG, CAT, DIGITS = ROOT / "examples" / "dog.jpg", ROOT / "examples" / "cat.jpg", "vit-demo/digits"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with running(APP, tmp_path_factory.mktemp("app")) as (address, _):
        yield address


@pytest.fixture(scope="module")
def client(url, tmp_path_factory) -> Client:
    return Client(url, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


@pytest.fixture(scope="module")
def dog():
    return handle_file(str(DOG))


def test_there_is_an_endpoint_for_every_question_and_none_besides(client):
    info = client.view_api(return_format="dict", print_info=False)
    assert set(info["named_endpoints"]) == {f"/{name}" for name in QUESTIONS}
    assert info["unnamed_endpoints"] == {}


def test_the_pages_own_listeners_are_private_all_of_them(url):
    config = json.load(urllib.request.urlopen(f"{url}config", timeout=30))
    own = [one for one in config["dependencies"] if one["targets"] or one["api_name"] not in QUESTIONS]
    assert len(own) > 100
    assert {one["api_visibility"] for one in own} == {"private"}


def test_the_schema_is_the_one_that_was_promised(client):
    """A change here breaks somebody's program: make it on purpose, and say so in the notes of the release."""
    info = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    schema = {
        name: {
            "parameters": {
                one["parameter_name"]: [one["python_type"]["type"], one.get("parameter_default")]
                for one in endpoint["parameters"]
            },
            "returns": [sorted(one["type"].get("properties", {})) or "one of several" for one in endpoint["returns"]],
        }
        for name, endpoint in info.items()
    }
    promised = ROOT / "tests" / "api_schema.json"
    assert schema == json.loads(promised.read_text("utf-8")), f"the interface differs from {promised.name}"


def test_every_endpoint_and_every_parameter_is_described(client):
    info = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert all(len(endpoint["description"]) > 30 for endpoint in info.values())


def test_a_prediction_has_names_and_probabilities(client, dog):
    found = client.predict(dog, DIGITS, top=3, api_name="/predict")
    assert len(found["labels"]) == len(found["probabilities"]) == 3
    assert found["probabilities"] == sorted(found["probabilities"], reverse=True)
    assert sum(found["probabilities"]) + found["rest"] == pytest.approx(1, abs=1e-4)
    assert found["info"]["grid"] == [7, 7]


def test_attention_counts_from_one_and_adds_up_to_one(client, dog):
    numbers, picture = client.predict(dog, DIGITS, 2, "1,7", api_name="/attention")
    assert (numbers["layer"], numbers["query"]) == (2, "1,7")
    maps, prefix = np.array(numbers["maps"]), np.array(numbers["prefix"])
    assert maps.shape == (4, 7, 7)
    assert maps.sum((1, 2)) + prefix.sum(1) == pytest.approx(np.ones(4), abs=1e-4)
    with Image.open(picture) as sheet:
        assert sheet.format == "PNG"
        assert sheet.width > sheet.height > 0


def test_a_layers_tensors_give_the_rows_that_the_attention_endpoint_gives(client, dog):
    numbers, path = client.predict(dog, DIGITS, 1, api_name="/attention_layer")
    rows, _ = client.predict(dog, DIGITS, 1, "cls", api_name="/attention")
    with np.load(path) as arrays:
        q, k = (
            arrays[name] * arrays[steps][:, None] for name, steps in (("queries", "query_steps"), ("keys", "key_steps"))
        )
        row = np.exp(np.einsum("hd,hnd->hn", q[:, 0], k) - arrays["log_sums"][:, :1])
    assert numbers["tokens"] == 50
    assert row[:, 1:].reshape(4, 7, 7) == pytest.approx(np.array(rows["maps"]), rel=2e-3, abs=1e-5)


def test_a_target_is_asked_for_by_name_or_by_number_from_one(client, dog):
    names = client.predict(dog, DIGITS, api_name="/targets")["names"]
    by_name, picture = client.predict(dog, DIGITS, names[9], ["chefer"], api_name="/relevance")
    by_number, _ = client.predict(dog, DIGITS, "#10", ["chefer"], api_name="/relevance")
    assert by_name["target"] == by_number["target"] == 10
    assert by_name["maps"][0]["values"] == by_number["maps"][0]["values"]
    assert np.shape(by_name["maps"][0]["values"]) == (7, 7)
    assert Path(picture).stat().st_size > 100
    named_four, _ = client.predict(dog, DIGITS, "4", ["chefer"], api_name="/relevance")
    assert named_four["name"] == "4"  # a name, and not the fourth
    with pytest.raises(AppError, match="no target #11"):
        client.predict(dog, DIGITS, "#11", ["chefer"], api_name="/relevance")


def test_what_if_counts_from_one_and_agrees_with_a_scan(client, dog):
    scan = client.predict(dog, DIGITS, "heads", api_name="/scan")
    numbers, picture, path = client.predict(dog, DIGITS, [], ["2,3"], target=scan["name"], api_name="/what_if")
    (told,) = [one for one in numbers["answers"] if one["name"] == scan["name"]]
    assert told["score_after"] - told["score_before"] == pytest.approx(scan["values"][1][2], abs=1e-4)
    assert numbers["layer"] == numbers["layer_read"] == len(scan["values"])
    with np.load(path) as arrays:
        assert arrays["maps_before"].shape == arrays["maps_after"].shape == (4, 7, 7)
    with Image.open(picture) as three:
        assert three.width > 2.9 * three.height


def test_dropped_patches_are_counted_from_one_and_missing_in_the_maps(client, dog):
    numbers, _, path = client.predict(dog, DIGITS, ["1,1", "7,6"], api_name="/what_if")
    assert numbers["tokens"] == 48
    with np.load(path) as arrays:
        missing = np.argwhere(np.isnan(arrays["maps_after"][0])).tolist()
    assert missing == [[0, 0], [6, 5]]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"drop": ["8,1"]}, "outside the 7×7 grid"),
        ({"drop": ["a,b"]}, "drop has a value"),
        ({"drop": ["0,1"]}, "outside the 7×7 grid"),
        ({"heads": ["99,1"]}, "layer 99 is outside 1"),
        ({"temperature": 1e30}, "temperature must be"),
        ({"drop": ["         9,1"]}, "outside the 7×7 grid"),
        ({"skip": ["1,norm"]}, "skip has a value"),
        ({"unseen": ["reg1"]}, "no prefix token"),
        ({"temperature": -1}, "temperature must be"),
        ({"position_scale": 2}, "position_scale is for models with RoPE"),
        ({"token": "9,9"}, "no patch in row 9"),
    ],
)
def test_changes_that_there_are_not_are_refused_in_a_sentence(values, sentence, client, dog):
    with pytest.raises(AppError) as caught:
        client.predict(picture=dog, model=DIGITS, **values, api_name="/what_if")
    assert sentence in str(caught.value)


CALLS = {
    "models": lambda dog, cat: (),
    "predict": lambda dog, cat: (dog, DIGITS),
    "attention": lambda dog, cat: (dog, DIGITS),
    "attention_layer": lambda dog, cat: (dog, DIGITS),
    "attention_wall": lambda dog, cat: (dog, DIGITS),
    "targets": lambda dog, cat: (dog, DIGITS),
    "walk": lambda dog, cat: (dog, DIGITS, "scores", "2,3", 1, 2),
    "relevance": lambda dog, cat: (dog, DIGITS),
    "faithfulness": lambda dog, cat: (dog, DIGITS),
    "depth": lambda dog, cat: (dog, DIGITS),
    "what_if": lambda dog, cat: (dog, DIGITS, ["1,1", "3,4"], ["2,1"], "zero", ["1,mlp"], [], "shuffled"),
    "patch_in": lambda dog, cat: (dog, cat, DIGITS, 2, ["cls"]),
    "scan": lambda dog, cat: (dog, DIGITS),
    "scan_states": lambda dog, cat: (dog, cat, DIGITS),
    "fewest_patches": lambda dog, cat: (dog, DIGITS, "chefer"),
    "compare": lambda dog, cat: (dog, [DIGITS, f"{DIGITS}@epoch-0"]),
    "agreement": lambda dog, cat: (dog, f"{DIGITS}@epoch-0", DIGITS),
    "evolution": lambda dog, cat: (dog, DIGITS),
    "position_similarity": lambda dog, cat: (DIGITS,),
    "position_structure": lambda dog, cat: (DIGITS,),
    "patch_filters": lambda dog, cat: (DIGITS,),
    "filter_responses": lambda dog, cat: (dog, DIGITS),
    "input_parts": lambda dog, cat: (dog, DIGITS),
    "interpolation": lambda dog, cat: (dog, DIGITS),
    "stretched_table": lambda dog, cat: (DIGITS, 9, 11),
    "features_pca": lambda dog, cat: ([dog, cat], DIGITS),
    "similarity": lambda dog, cat: (dog, DIGITS, 7, 7),
    "correspondences": lambda dog, cat: (dog, cat, DIGITS),
    "segments": lambda dog, cat: (dog, DIGITS),
    "token_norms": lambda dog, cat: (dog, DIGITS),
    "alike": lambda dog, cat: (dog, [cat], DIGITS),
    "own_classes": lambda dog, cat: (dog, [dog, cat], ["dogs", "cats"], DIGITS),
    "read_digit": lambda dog, cat: (dog,),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_question_is_answered_with_what_its_schema_says(name, client, dog):
    found = client.predict(*CALLS[name](dog, handle_file(str(CAT))), api_name=f"/{name}")
    numbers, *files = found if isinstance(found, tuple | list) else (found,)
    json.dumps(numbers, allow_nan=False)
    returns = client.view_api(return_format="dict", print_info=False)["named_endpoints"][f"/{name}"]["returns"]
    assert len(files) == len(returns) - 1
    assert all(Path(file).stat().st_size > 50 for file in files)
    kinds = returns[0]["type"].get("anyOf", [returns[0]["type"]])
    assert set(numbers) in [set(kind["properties"]) for kind in kinds]


def test_every_question_but_rotation_is_asked_above():
    assert set(QUESTIONS) - set(CALLS) == {"rotation"}  # which needs a model with rotary positions


def test_rotation_is_refused_in_a_sentence_where_there_is_none(client, dog):
    with pytest.raises(AppError, match="rotat"):
        client.predict(dog, DIGITS, api_name="/rotation")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"top": "many"}, "top has a value"),
        ({"top": 10**400}, "top has a value"),
        ({"top": True}, "top has a value"),
        ({"size_px": 3}, "outside what can be computed"),
        ({"keep_shape": "yes"}, "keep_shape has a value"),
        ({"model": "/etc"}, "not among the models offered"),
        ({"model": "x" * 5000}, "model has a value"),
        ({"model": ["a"]}, "model has a value"),
        ({"picture": None}, "No picture file"),
        ({"picture": {"path": "/etc/passwd"}}, "No picture file"),
        ({"picture": {"path": "../../etc/passwd"}}, "No picture file"),
        ({"picture": "data:image/png;base64,AAAA"}, "not a picture"),
        ({"picture": [[[1]]]}, "No picture file"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(values, sentence, client, dog):
    named = {"picture": dog, "model": DIGITS, **values}
    with pytest.raises(AppError) as caught:
        client.predict(**named, api_name="/predict")
    assert sentence in str(caught.value)


def test_the_sentence_is_in_the_language_that_a_client_asks_for(url):
    chinese = Client(url, verbose=False, headers={"accept-language": "zh-CN"})
    with pytest.raises(AppError, match="没有收到图片文件"):
        chinese.predict(None, DIGITS, api_name="/predict")


# ------------------------------------------------------------------------------------------------ curl and JavaScript


def post(url: str, path: str, body: dict) -> dict:
    request = urllib.request.Request(f"{url}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request, timeout=60))


def test_plain_requests_are_enough_with_the_picture_inside(url):
    picture = "data:image/jpeg;base64," + base64.b64encode(DOG.read_bytes()).decode()
    event = post(url, "gradio_api/call/predict", {"data": [picture, DIGITS, 0, False, 2]})["event_id"]
    lines = urllib.request.urlopen(f"{url}gradio_api/call/predict/{event}", timeout=60).read().decode().splitlines()
    assert lines[0] == "event: complete"
    assert len(json.loads(lines[1].removeprefix("data: "))[0]["labels"]) == 2


def test_a_file_outside_of_the_uploads_is_not_read(url, tmp_path):
    secret = tmp_path / "secret.jpg"
    shutil.copy(DOG, secret)
    for path in (secret, DOG):
        event = post(url, "gradio_api/call/predict", {"data": [{"path": str(path)}, DIGITS, 0, False, 2]})["event_id"]
        said = urllib.request.urlopen(f"{url}gradio_api/call/predict/{event}", timeout=60).read().decode()
        assert said.startswith("event: error")


@pytest.mark.skipif(
    shutil.which("bash") is None or shutil.which("curl") is None, reason="bash and curl are not installed"
)
def test_the_curl_example_runs(url):
    said = subprocess.run(
        ["bash", ROOT / "examples" / "client.sh", url.rstrip("/"), DOG], capture_output=True, text=True, timeout=120
    )
    assert said.returncode == 0, said.stderr
    assert "labels" in said.stdout


@pytest.mark.skipif(not (ROOT / "node_modules" / "@gradio" / "client").is_dir(), reason="npm install was not run")
def test_the_javascript_example_runs(url):
    said = subprocess.run(
        ["node", "examples/client.mjs", url, DOG], capture_output=True, text=True, timeout=120, cwd=ROOT
    )
    assert said.returncode == 0, said.stderr
    assert "heads" in said.stdout


def test_the_python_example_runs(url, tmp_path):
    import sys

    program = [sys.executable, ROOT / "examples" / "client.py", url, DOG]
    said = subprocess.run(program, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    assert "layer 12" in said.stdout or "layer" in said.stdout
    assert (tmp_path / "attention.png").exists()


def test_the_methods_of_the_signature_are_those_there_are():
    from typing import get_args

    from vit_demo.api.questions.relevance import Method
    from vit_demo.contract.relevance import METHODS

    assert get_args(Method) == (*METHODS, "random")


def test_more_pictures_than_a_question_takes_are_refused_before_any_is_read(client, dog):
    with pytest.raises(AppError, match="1 … 8"):
        client.predict([dog] * 9, DIGITS, api_name="/features_pca")
