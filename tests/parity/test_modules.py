"""Models in memory: our numbers are the module's own, and what cannot be had is refused with the reason."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
import torchvision
from transformers import (
    DeiTConfig,
    DeiTForImageClassification,
    Dinov2Config,
    Dinov2ForImageClassification,
    Dinov2Model,
    DINOv3ViTConfig,
    DINOv3ViTModel,
    ViTConfig,
    ViTForImageClassification,
)

import vit_demo
from vit_demo.contract import ModelError, PreprocessSpec

SMALL = dict(hidden_size=96, num_hidden_layers=2, num_attention_heads=3, intermediate_size=128)
MODULES = {
    "timm": lambda: timm.create_model("vit_tiny_patch16_224", img_size=64, depth=2, num_classes=7),
    "timm, features": lambda: timm.create_model("vit_tiny_patch16_224", img_size=64, depth=2, num_classes=0),
    "timm, registers": lambda: timm.create_model("vit_small_patch14_reg4_dinov2", img_size=56, depth=2),
    "timm, Eva": lambda: timm.create_model("vit_small_patch16_dinov3", img_size=64, depth=2),
    "transformers, ViT": lambda: ViTForImageClassification(ViTConfig(image_size=64, num_labels=4, **SMALL)),
    "transformers, DeiT": lambda: DeiTForImageClassification(DeiTConfig(image_size=64, num_labels=4, **SMALL)),
    "transformers, Dinov2": lambda: Dinov2Model(Dinov2Config(image_size=56, **SMALL)),
    "transformers, Dinov2, head": lambda: Dinov2ForImageClassification(
        Dinov2Config(image_size=56, num_labels=4, **SMALL)
    ),
    "transformers, DINOv3": lambda: DINOv3ViTModel(DINOv3ViTConfig(image_size=64, **SMALL)),
    "torchvision": lambda: torchvision.models.VisionTransformer(64, 16, 2, 12, 768, 96, num_classes=5),
}


@pytest.fixture(params=MODULES)
def module(request, shake):
    torch.manual_seed(0)
    made = MODULES[request.param]()
    shake(made)
    return made


def given(module, pixels):
    if isinstance(getattr(module, "config", None), object) and hasattr(module, "save_pretrained"):
        output = module(pixel_values=pixels)
        return output.logits if "logits" in output else output.last_hidden_state
    return module.forward_features(pixels) if getattr(module, "num_classes", 1) == 0 else module(pixels)


@torch.inference_mode()
def test_the_numbers_are_the_modules_own(module):
    loaded = vit_demo.from_module(module)
    pixels = torch.randn(2, 3, *loaded.model.config.image_size, generator=torch.Generator().manual_seed(9))
    theirs, encoded = given(module, pixels), loaded.model(pixels)
    ours = encoded.tokens if encoded.logits is None else encoded.logits
    assert float((ours - theirs).abs().max() / theirs.abs().max()) < 1e-4


def test_the_weights_are_copied_and_the_module_is_left_as_it_was(module):
    module.train()
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    loaded = vit_demo.from_module(module)
    assert module.training
    assert all(torch.equal(before[key], tensor) for key, tensor in module.state_dict().items())
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    assert all(float(p.abs().max()) > 0 for p in loaded.model.parameters() if p.dim() > 1)
    assert not any(p.requires_grad for p in loaded.model.parameters())


def test_preprocessing_and_labels_are_those_that_are_given():
    module = MODULES["timm"]()
    spec = PreprocessSpec((64, 64), mean=(0.1, 0.2, 0.3), std=(1.0, 1.0, 1.0), source="mine")
    loaded = vit_demo.from_module(module, spec, [f"name {i}" for i in range(7)])
    assert loaded.preprocess is spec
    assert loaded.labels[6] == "name 6"
    with pytest.raises(ModelError, match="8 class names"):
        vit_demo.from_module(module, labels=list("abcdefgh"))


def test_a_model_of_grey_pictures_has_one_mean():
    module = timm.create_model("vit_tiny_patch16_224", img_size=64, depth=2, num_classes=3, in_chans=1)
    loaded = vit_demo.from_module(module)
    assert len(loaded.preprocess.mean) == 1
    explainer = vit_demo.Explainer("cpu")
    assert explainer.predict(np.zeros((64, 64, 3), np.uint8), explainer.offer(loaded)).num_classes == 3


def test_a_head_of_one_output_is_refused():
    with pytest.raises(ModelError, match="one output"):
        vit_demo.from_module(timm.create_model("vit_tiny_patch16_224", img_size=64, depth=2, num_classes=1))


def test_a_module_that_computes_otherwise_is_refused_with_how_far():
    module = MODULES["timm"]()
    inner = module.blocks[0].forward
    module.blocks[0].forward = lambda x, *args, **more: 1.5 * inner(x, *args, **more)
    with pytest.raises(ModelError, match="other numbers"):
        vit_demo.from_module(module)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: torch.nn.Linear(3, 3), "torch.nn"),
        (lambda: timm.create_model("beit_base_patch16_224", depth=1), "relative position bias"),
        (lambda: timm.create_model("resnet18"), "ResNet"),
    ],
)
def test_what_is_no_plain_vit_is_refused_by_its_reason(made, reason):
    with pytest.raises(ModelError, match=reason):
        vit_demo.from_module(made())


def test_a_model_in_memory_answers_every_question_under_its_name():
    explainer = vit_demo.Explainer("cpu", any_model=False)
    name = explainer.offer(vit_demo.from_module(MODULES["timm"](), name="mine"))
    picture = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    assert explainer.predict(picture, name).num_classes == 7
    assert explainer.walk(picture, name, step="scores").info.title == "mine"
    assert "mine" in [status.card.id for status in explainer.statuses()]
    explainer.open_with(name)
    assert explainer.default_model() == "mine"


def test_a_module_is_shown_in_a_notebook():
    picture = np.zeros((64, 64, 3), np.uint8)
    assert "<iframe" in vit_demo.show(picture, MODULES["timm"](), layers=(0,))._repr_html_()
