"""The Python lines that the page gives away run as they stand, and compute what the page shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vit_demo.checkpoints import embedded
from vit_demo.checkpoints.catalog import EMBEDDED_ID
from vit_demo.contract import SizeChoice
from vit_demo.explain import EXAMPLES, Explainer
from vit_demo.ui.gallery import read_examples
from vit_demo.ui.page import Asked, Selection
from vit_demo.ui.tabs import attention, depth, embeddings, features, own_classes, predict, relevance
from vit_demo.ui.takeaway import PICTURE

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def asked() -> Asked:
    if not (embedded.is_converted() or embedded.is_installed()):
        pytest.skip("the embedded weights are not installed")
    with Image.open(EXAMPLES / "koala.jpg") as picture:
        image = np.asarray(picture.convert("RGB"))
    size, selection = SizeChoice(224, keep_shape=True), Selection(layer=4, head=1, token="3,2")
    return Asked(Explainer("cpu"), read_examples(EXAMPLES), image, EMBEDDED_ID, size, selection, "en")


def run_lines(code: str, image: np.ndarray, folder: Path) -> str:
    """What the lines print, run beside the picture they name."""
    Image.fromarray(image).save(folder / PICTURE)
    (folder / "lines.py").write_text(code, encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "lines.py"], cwd=folder, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_lines_of_attention_run(asked, tmp_path):
    parcel = attention.carry(asked)
    printed = run_lines(parcel.code, asked.image, tmp_path)
    shape = asked.explainer.attention(*asked.picture).info.grid.shape
    assert f"(6, {shape[0]}, {shape[1]}) (6, 1)" in printed


def test_the_lines_of_depth_run(asked, tmp_path):
    parcel = depth.carry(asked, [], False, depth.PICTURE)
    printed = run_lines(parcel.code, asked.image, tmp_path)
    expected = asked.explainer.depth(*asked.picture).distance_px.mean(axis=1)
    assert numbers(printed)[: len(expected)] == pytest.approx(expected, rel=1e-4)


def test_the_lines_of_embeddings_run(asked, tmp_path):
    assert run_lines(embeddings.carry(asked).code, asked.image, tmp_path)


def test_the_lines_of_relevance_run(asked, tmp_path):
    target = asked.explainer.targets(*asked.picture, 1).best[0]
    parcel = relevance.carry(asked, target, "mean", 0.0, 1, "blur")
    assert run_lines(parcel.code, asked.image, tmp_path)


def test_the_lines_of_predict_run(asked, tmp_path):
    printed = run_lines(predict.carry(asked).code, asked.image, tmp_path)
    assert asked.explainer.predict(*asked.picture).labels[0] in printed


@pytest.mark.parametrize("view", ["colours", "segments", "norms", "evolution"])
def test_the_lines_of_features_run(asked, tmp_path, view):
    given = [view, *[None] * (len(features.GIVEN.split()) - 1)]
    assert run_lines(features.carry(asked, *given).code, asked.image, tmp_path)


def test_the_lines_of_own_classes_run(asked, tmp_path):
    own = None
    for name, example in zip("ab", asked.examples, strict=False):
        with Image.open(example.path) as picture:
            own = own_classes.extended(asked, own, name, (np.asarray(picture.convert("RGB")),))
    parcel = own_classes.carry(asked, own)
    (tmp_path / "own-classes.npz").write_bytes(parcel.files["own-classes.npz"])
    assert run_lines(parcel.code, asked.image, tmp_path)


def numbers(text: str) -> list[float]:
    return [float(word) for word in re.findall(r"\d+\.\d*(?:e[+-]\d+)?", text)]
