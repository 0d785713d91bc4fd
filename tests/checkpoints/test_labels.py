"""Every output has the name that the checkpoint gives it, or its number; names are never guessed from a count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch
import transformers
from timm.data import ImageNetInfo
from transformers import ViTConfig, ViTForImageClassification

import vit_demo
from vit_demo.answers.predict import class_names
from vit_demo.checkpoints.timm_models import plan_from_timm
from vit_demo.contract import ModelError

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

SMALL = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=16)
SMALL_TIMM = dict(embed_dim=16, depth=1, num_heads=2, img_size=32)
TENCH, IMAGENET = "tench, Tinca tinca", "augreg_in21k_ft_in1k"


def transformers_folder(folder: Path, names: dict[str, str] | None, rows: int) -> str:
    ViTForImageClassification(ViTConfig(**SMALL, patch_size=8, num_labels=rows)).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    config.pop("id2label", None)
    (folder / "config.json").write_text(json.dumps(config if names is None else {**config, "id2label": names}))
    return str(folder)


def timm_folder(folder: Path, classes: int, **settings) -> str:
    model = timm.create_model("vit_tiny_patch16_224", num_classes=classes, **SMALL_TIMM)
    timm.models.save_for_hf(model, folder, model_args=SMALL_TIMM)
    config = json.loads((folder / "config.json").read_text())
    config["pretrained_cfg"] |= settings.pop("pretrained_cfg", {})
    (folder / "config.json").write_text(json.dumps({**config, **settings}))
    return str(folder)


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        ({"1": "one", "2": "two", "3": "three"}, ("class 0", "one", "two")),
        ({"0": "zero", "2": "two", "5": "five"}, ("zero", "class 1", "two")),
        ({"2": "two", "0": "zero", "1": "one"}, ("zero", "one", "two")),
        ({"1": "one"}, ("class 0", "one", "class 2")),
        ({"0": "cat", "1": "LABEL_1", "2": "LABEL_2"}, ("cat", "class 1", "class 2")),
    ],
    ids=["from 1", "with gaps", "out of order", "one of three", "placeholders"],
)
def test_a_name_belongs_to_the_output_of_its_number(names, labels, tmp_path):
    assert vit_demo.load_model(transformers_folder(tmp_path, names, 3)).labels == labels


def test_outputs_without_a_name_and_names_without_an_output_are_said(tmp_path):
    report = vit_demo.load_model(transformers_folder(tmp_path, {"1": "one", "2": "two", "3": "three"}, 3)).report
    said = "; ".join(report.assumed)
    assert "1 of 3 outputs have no name" in said
    assert "3: three" in said


def test_more_names_than_outputs_are_refused(tmp_path):
    with pytest.raises(ModelError, match="4 class names for 3 classes"):
        vit_demo.load_model(transformers_folder(tmp_path, {str(i): f"name {i}" for i in range(4)}, 3))


@pytest.mark.parametrize("count", [None, 1000, 999], ids=["no names", "LABEL_0 to LABEL_999", "999 names"])
def test_a_thousand_outputs_are_not_taken_for_imagenets(count, tmp_path):
    names = None if count is None else {str(i): f"LABEL_{i}" if count == 1000 else f"own {i}" for i in range(count)}
    loaded = vit_demo.load_model(transformers_folder(tmp_path, names, 1000))
    assert class_names(loaded)[999] == "class 999"
    assert class_names(loaded)[0] == ("own 0" if count == 999 else "class 0")
    assert loaded.report.assumed


def test_a_bare_file_with_a_thousand_outputs_has_numbered_classes(tmp_path):
    model = timm.create_model("deit_tiny_patch16_224", depth=1)
    torch.save({"model": model.state_dict()}, tmp_path / "deit.pth")
    loaded = vit_demo.load_model(str(tmp_path / "deit.pth"))
    assert loaded.labels is None
    assert any("1000 classes have no names" in line for line in loaded.report.assumed)


@pytest.mark.parametrize("inside", [False, True], ids=["at the top", "in pretrained_cfg"])
@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["n1", "n2", "n3"], ("cat", "n2", "n3")),
        ({"1": "n1", "2": "n2"}, ("class 0", "cat", "n2")),
        (["n1", "n2"], ("cat", "n2", "class 2")),
    ],
    ids=["list", "from 1", "too few"],
)
def test_label_names_of_timm_are_read_with_their_descriptions(names, labels, inside, tmp_path):
    words = {"label_names": names, "label_descriptions": {"n1": "cat"}}
    folder = timm_folder(tmp_path, 3, **({"pretrained_cfg": words} if inside else words))
    assert vit_demo.load_model(folder).labels == labels


def test_own_names_for_a_thousand_outputs_of_imagenet_weights_stay(tmp_path):
    folder = timm_folder(tmp_path, 1000, label_names=[f"own {i}" for i in range(999)])
    assert vit_demo.load_model(folder).labels[-2:] == ("own 998", "class 999")


def test_imagenets_names_need_a_tag_of_timms_registry_that_says_imagenet(tmp_path):
    named = vit_demo.load_model(timm_folder(tmp_path / "tagged", 1000, pretrained_cfg={"tag": IMAGENET}))
    assert named.labels[0] == TENCH
    assert any("imagenet-1k" in line for line in named.report.assumed)
    assert vit_demo.load_model(timm_folder(tmp_path / "own", 1000, pretrained_cfg={"tag": "own"})).labels is None
    assert vit_demo.load_model(timm_folder(tmp_path / "few", 999, pretrained_cfg={"tag": IMAGENET})).labels is None


@pytest.mark.parametrize(
    ("name", "subset"),
    [
        ("vit_tiny_patch16_224.augreg_in21k", "imagenet-21k-goog"),
        ("vit_medium_patch16_rope_reg1_gap_256.sbb_in1k", "imagenet-1k"),
        ("vit_base_patch16_224_miil.in21k", "imagenet-21k-miil"),
        ("vit_base_patch16_clip_224.laion2b_ft_in12k", "imagenet-12k"),
        ("vit_base_patch16_clip_224.openai", None),
    ],
)
def test_each_tag_has_the_names_of_the_data_it_was_trained_on_last(name, subset):
    assert plan_from_timm(name).labels == (subset and tuple(ImageNetInfo(subset).label_descriptions()))
