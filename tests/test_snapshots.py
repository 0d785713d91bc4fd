"""A training watched: which states are kept, that they are the module's own, and the file that shows them."""

from __future__ import annotations

import base64
import gzip
import json
import re

import numpy as np
import pytest
import timm
import torch
from sklearn.datasets import load_digits

import vit_demo
from vit_demo.contract import DemoError, ModelError
from vit_demo.text import say


def module(seed: int = 0, **more) -> torch.nn.Module:
    torch.manual_seed(seed)
    args = dict(img_size=(32, 48), patch_size=8, depth=2, embed_dim=24, num_heads=3, num_classes=5) | more
    return timm.create_model("vit_tiny_patch16_224", **args)


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


@pytest.fixture(scope="module")
def trained():
    """A few epochs on scikit-learn's digits, every one told."""
    digits = load_digits()
    pixels = torch.tensor(digits.images[:600] / 16, dtype=torch.float32)[:, None].repeat(1, 3, 4, 4)  # 32 px
    labels = torch.tensor(digits.target[:600])
    model = module(img_size=32, num_classes=10)
    optimiser = torch.optim.AdamW(model.parameters(), 3e-3)
    snapshots = vit_demo.Snapshots(most=4, labels=[f"digit {i}" for i in range(10)], name="mine")
    states, losses = {}, []
    for epoch in range(9):
        states[epoch] = {name: value.detach().clone() for name, value in model.state_dict().items()}
        with torch.no_grad():
            losses.append(float(torch.nn.functional.cross_entropy(model(pixels), labels)))
        snapshots.add(model, epoch, loss=losses[-1])
        for start in range(0, 600, 60):
            loss = torch.nn.functional.cross_entropy(model(pixels[start : start + 60]), labels[start : start + 60])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    assert losses[-1] < losses[0] - 0.5
    return snapshots, states, losses


@pytest.mark.parametrize("most", [3, 5, 12])
def test_the_first_and_the_latest_are_kept_and_fewer_the_later(most):
    snapshots, small = vit_demo.Snapshots(most=most), module(depth=1, embed_dim=6)
    for epoch in range(40):
        snapshots.add(small, epoch)
        assert len(snapshots.steps) <= most
        assert (snapshots.steps[0], snapshots.steps[-1]) == (0, epoch)
    gaps = np.diff(snapshots.steps)
    assert gaps[-1] > gaps[0] or most == 3
    if most == 12:
        assert list(snapshots.steps[:4]) == [0, 1, 2, 3]


def test_a_kept_state_is_the_modules_of_that_step(trained):
    snapshots, states, _ = trained
    assert len(snapshots.steps) == 4
    for step in snapshots.steps:
        twin = module(img_size=32, num_classes=10).eval()
        twin.load_state_dict(states[step])
        pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
        with torch.inference_mode():
            ours, theirs = snapshots.loaded(step).model(pixels).logits, twin(pixels)
        assert torch.allclose(ours, theirs, atol=2e-2)  # kept in half precision


def test_what_was_measured_is_kept_for_every_step(trained):
    snapshots, _, losses = trained
    assert snapshots.measured["loss"] == tuple((float(i), pytest.approx(loss)) for i, loss in enumerate(losses))


def test_the_module_goes_on_as_it_was():
    learning = module().train()
    before = {name: value.clone() for name, value in learning.state_dict().items()}
    vit_demo.Snapshots().add(learning)
    assert learning.training
    assert all(torch.equal(value, before[name]) for name, value in learning.state_dict().items())
    assert next(learning.parameters()).dtype == torch.float32


def read(html: str) -> tuple[dict, dict[str, np.ndarray]]:
    """A file's data and arrays, read as the browser reads them."""
    page = json.loads(re.search(r'id="vd-page">(.*?)</script>', html, re.DOTALL)[1].replace("\\u003c", "<"))
    name = page["values"][0]["files"]["moments"]
    planes = gzip.decompress(base64.b64decode(re.search(rf'id="{name}">(.*?)</script>', html, re.DOTALL)[1]))
    content, half = bytearray(len(planes)), -(-len(planes) // 2)
    content[::2], content[1::2] = planes[:half], planes[half:]
    length = int.from_bytes(content[:4], "little")
    kinds, arrays = {"Uint8Array": "u1", "Int8Array": "i1", "Float32Array": "f4"}, {}
    for key, one in json.loads(bytes(content[4 : 4 + length])).items():
        start = 4 + length + one["offset"]
        count = int(np.prod(one["shape"]))
        kind = np.dtype(kinds[one["kind"]])
        arrays[key] = np.frombuffer(bytes(content[start : start + count * kind.itemsize]), kind).reshape(one["shape"])
    return page, arrays


def test_the_file_shows_every_state_on_one_scale(trained):
    snapshots, _, _ = trained
    page, arrays = read(snapshots.html(picture()))
    data = page["values"][0]["data"]
    assert data["steps"] == list(snapshots.steps)
    explainer = vit_demo.Explainer("cpu")
    for number, step in enumerate(snapshots.steps):
        name = explainer.offer(snapshots.loaded(step), f"state {step}")
        for layer in range(2):
            maps = explainer.attention(picture(), name, layer=layer)
            found = arrays["maps"][number, layer].reshape(maps.maps.shape) / 255 * data["top"]
            assert np.abs(found - maps.maps).max() < data["top"] / 100
            assert np.abs(arrays["prefix"][number, layer] - maps.prefix.sum(axis=1)).max() < 1e-5
        cosines = explainer.position_similarity(name).matrix
        assert np.abs(arrays["similarity"][number] / 127 - cosines).max() < 0.51 / 127
        classes = explainer.predict(picture(), name, top=10)
        given = dict(zip(classes.labels, classes.probabilities, strict=True))
        wanted = [given[label] for label in page["words"]["en"]["names"]]
        assert data["shares"][number] == pytest.approx(wanted, abs=1e-5)
    assert data["places"][0] == 0
    assert set(page["words"]["en"]["curves"]) == {"loss"}
    assert arrays["filters"].shape[0] == 4


def test_a_model_without_classes_or_learned_positions_is_shown_too():
    snapshots = vit_demo.Snapshots(name="rotary")
    for step in range(2):
        args = dict(img_size=(64, 96), depth=2, embed_dim=48, num_heads=3, num_classes=0)
        torch.manual_seed(step)
        snapshots.add(timm.create_model("vit_small_patch16_dinov3", **args))
    page, arrays = read(snapshots.html(picture()))
    assert snapshots.steps == (0, 1)
    assert "similarity" not in arrays
    assert page["words"]["zh"]["names"] == []


def test_many_positions_are_shown_by_some_of_their_tiles():
    snapshots = vit_demo.Snapshots()
    snapshots.add(module(img_size=(8 * 20, 8 * 30), depth=1, num_classes=0))
    page, arrays = read(snapshots.html(picture()))
    assert page["values"][0]["data"]["tiles"] == {"rows": 14, "cols": 14}
    assert arrays["similarity"].shape == (1, 14 * 14, 600)


def test_slips_are_told():
    with pytest.raises(ValueError, match="3 states"):
        vit_demo.Snapshots(most=2)
    snapshots = vit_demo.Snapshots()
    with pytest.raises(DemoError) as nothing:
        snapshots.html(picture())
    assert str(nothing.value) == say("snapshots.nothing")
    snapshots.add(module(), 3)
    with pytest.raises(ValueError, match="steps grow"):
        snapshots.add(module(), 3)
    with pytest.raises(DemoError) as another:
        snapshots.add(module(depth=3))
    assert another.value.key == "snapshots.another_model"
    with pytest.raises(ModelError):
        snapshots.add(torch.nn.Linear(2, 2))
    for step in ("4", 4.5, None):
        with pytest.raises(TypeError):
            snapshots.add(module(), 4, loss=[step]) if step is None else snapshots.add(module(), step)
    with pytest.raises(ValueError, match="could not convert"):
        snapshots.add(module(), 4, loss="much")
    assert snapshots.measured == {}
    with pytest.raises(KeyError, match="step 7"):
        snapshots.loaded(7)
    assert snapshots.steps == (3,)


def test_a_loss_that_is_no_number_does_not_lose_the_training():
    snapshots = vit_demo.Snapshots(name="me@home")
    for step, loss in enumerate((1.0, float("nan"), float("inf"), 0.5)):
        snapshots.add(module(), step, loss=loss, all_lost=float("nan"))
    page, _ = read(snapshots.html(picture()))
    assert set(page["words"]["en"]["curves"]) == {"loss"}
    assert "me@home" in snapshots.html(picture())


def test_classes_of_one_name_keep_their_own_numbers():
    model = module(num_classes=4)
    with torch.no_grad():
        model.head.bias.copy_(torch.tensor([3.0, 0.0, -3.0, 1.0]))
    snapshots = vit_demo.Snapshots(labels=["crane", "dog", "crane", "cat"])
    snapshots.add(model)
    page, _ = read(snapshots.html(picture()))
    shares = page["values"][0]["data"]["shares"][0]
    assert page["words"]["en"]["names"][0] == "crane"
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1, abs=1e-4)


def test_a_weight_too_large_for_half_precision_is_kept_as_it_is():
    model = module()
    with torch.no_grad():
        model.blocks[0].mlp.fc1.weight.mul_(1e7)
        model.blocks[0].mlp.fc2.weight.mul_(1e-7)
    snapshots = vit_demo.Snapshots()
    snapshots.add(model)
    assert next(snapshots._states[0].loaded.model.parameters()).dtype == torch.float32
    assert "NaN" not in snapshots.html(picture())


@pytest.mark.parametrize("size", [np.int64(64), 64])
def test_a_size_is_a_whole_number(size):
    snapshots = vit_demo.Snapshots()
    snapshots.add(module(img_size=64))
    assert snapshots.html(picture(), size)
    for wrong in ("64", 64.0, True):
        with pytest.raises(TypeError):
            snapshots.html(picture(), wrong)
