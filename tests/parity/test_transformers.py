"""Our model against transformers' own, loaded from what `save_pretrained` writes (its in-memory names differ)."""

from __future__ import annotations

import json

import pytest
import torch
import transformers
from transformers import (
    DeiTConfig,
    DeiTForImageClassification,
    DeiTForImageClassificationWithTeacher,
    Dinov2Config,
    Dinov2ForImageClassification,
    Dinov2Model,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersForImageClassification,
    DINOv3ViTConfig,
    DINOv3ViTModel,
    ViTConfig,
    ViTForImageClassification,
    ViTModel,
)

import vit_demo
from vit_demo.contract import ModelError

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

SHAPE = dict(hidden_size=48, num_hidden_layers=2, num_attention_heads=3, image_size=48, patch_size=8)
WIDE = dict(SHAPE, intermediate_size=96)
TWINS = {
    "vit-classifier": lambda: ViTForImageClassification(ViTConfig(**WIDE, num_labels=5)),
    "vit": lambda: ViTModel(ViTConfig(**WIDE, hidden_act="gelu_new")),
    "deit-one-head": lambda: DeiTForImageClassification(DeiTConfig(**WIDE, num_labels=5)),
    "deit-two-heads": lambda: DeiTForImageClassificationWithTeacher(DeiTConfig(**WIDE, num_labels=5)),
    "dinov2": lambda: Dinov2Model(Dinov2Config(**SHAPE)),
    "dinov2-linear-head": lambda: Dinov2ForImageClassification(Dinov2Config(**SHAPE, num_labels=5)),
    "dinov2-swiglu-registers": lambda: Dinov2WithRegistersForImageClassification(
        Dinov2WithRegistersConfig(**SHAPE, num_labels=5, use_swiglu_ffn=True)
    ),
    "dinov3": lambda: DINOv3ViTModel(DINOv3ViTConfig(**WIDE, num_register_tokens=4)),
    "dinov3-gated": lambda: DINOv3ViTModel(
        DINOv3ViTConfig(**WIDE, use_gated_mlp=True, hidden_act="silu", num_register_tokens=2)
    ),
}


def backbone_of(model):
    return getattr(model, model.base_model_prefix) if "For" in type(model).__name__ else model


def needs_asking(model) -> dict:
    """ViT and DeiT resample positions only when asked to."""
    return {"interpolate_pos_encoding": True} if model.config.model_type in ("vit", "deit") else {}


@pytest.mark.parametrize("size", [(48, 48), (40, 72)], ids=["native", "non-square"])
@pytest.mark.parametrize("name", TWINS)
def test_tokens_logits_and_attention_equal_transformers(name, size, shake, relative_difference, tmp_path):
    theirs = shake(TWINS[name]())
    theirs.save_pretrained(tmp_path)
    loaded = vit_demo.load_model(str(tmp_path))
    pixels = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(3))
    theirs.set_attn_implementation("eager")
    trace = vit_demo.Trace()
    with torch.inference_mode():
        encoded = loaded.model(pixels, trace=trace)
        reference = backbone_of(theirs)(pixels, output_attentions=True, **needs_asking(theirs))
        assert relative_difference(encoded.tokens, reference.last_hidden_state) < 1e-4
        for layer, attention in enumerate(reference.attentions):
            assert (vit_demo.attention_matrix(trace, layer) - attention).abs().max() < 1e-5
        if encoded.logits is not None:
            assert relative_difference(encoded.logits, theirs(pixels, **needs_asking(theirs)).logits) < 1e-4
    assert (encoded.logits is not None) == ("ForImageClassification" in type(theirs).__name__)


def test_a_promised_classifier_that_is_missing_is_an_error_not_random(shake, tmp_path):
    shake(ViTModel(ViTConfig(**WIDE))).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "architectures": ["ViTForImageClassification"]}))
    with pytest.raises(ModelError) as caught:
        vit_demo.load_model(str(tmp_path))
    assert caught.value.key == "checkpoint.head_missing"


def test_the_pooler_is_dropped_with_a_reason_and_reported(shake, tmp_path):
    shake(ViTModel(ViTConfig(**WIDE))).save_pretrained(tmp_path)
    dropped = dict(vit_demo.load_model(str(tmp_path)).report.dropped)
    assert set(dropped) == {"pooler.dense.weight", "pooler.dense.bias"}
    assert all(dropped.values())


def test_labels_and_preprocessing_come_from_the_checkpoints_own_files(tmp_path):
    names = {0: "tench", 1: "goldfish", 2: "shark"}
    model = ViTForImageClassification(ViTConfig(**WIDE, id2label=names, label2id={v: k for k, v in names.items()}))
    model.save_pretrained(tmp_path)
    preprocessor = {"size": {"height": 48, "width": 48}, "resample": 2, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    loaded = vit_demo.load_model(str(tmp_path))
    assert loaded.labels == ("tench", "goldfish", "shark")
    assert (loaded.preprocess.resize, loaded.preprocess.interpolation) == ("squash", "bilinear")
    assert loaded.preprocess.mean == (0.5, 0.5, 0.5)


def test_other_model_types_are_refused_by_name(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "swin"}))
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="swin"):
        vit_demo.load_model(str(tmp_path))


@pytest.mark.parametrize("wrong", [{"hidden_size": "wide"}, {"patch_size": None}, {"id2label": ["a", "b"]}])
def test_a_config_that_holds_something_else_is_refused_in_a_sentence(wrong, shake, tmp_path):
    shake(Dinov2ForImageClassification(Dinov2Config(**SHAPE, num_labels=2))).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **wrong}))
    with pytest.raises(ModelError) as caught:
        vit_demo.load_model(str(tmp_path))
    assert caught.value.key == "checkpoint.unsupported"
