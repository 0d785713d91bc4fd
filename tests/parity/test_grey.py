"""Models of grey pictures: the input that timm and transformers give them, and every view of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import timm
import torch
import transformers
from PIL import Image
from timm.data import create_transform
from timm.data.model_config import resolve_input_data_config
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

import vit_demo
from vit_demo.contract import ModelError, SizeChoice, TokenQuery
from vit_demo.contract.relevance import METHODS
from vit_demo.explain import Explainer
from vit_demo.preprocess import prepare

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

SMALL = dict(embed_dim=32, depth=2, num_heads=2, num_classes=10)
SIZES = [(64, 48), (301, 257), (224, 224), (97, 300)]


@pytest.fixture(scope="module", params=["L", "RGB"], ids=["a grey file", "a photograph"])
def image(request) -> Image.Image:
    rgb = np.random.default_rng(0).integers(0, 256, (301, 257, 3), dtype=np.uint8)
    return Image.fromarray(rgb).convert(request.param)


@pytest.fixture(scope="module")
def of_timm(tmp_path_factory):
    """(folder, timm's model)"""
    folder = tmp_path_factory.mktemp("timm")
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224.augreg_in21k_ft_in1k", in_chans=1, **SMALL).eval()
    timm.models.save_for_hf(model, folder, model_args=SMALL)
    return folder, model


@pytest.fixture(scope="module")
def of_transformers(tmp_path_factory):
    """(folder, transformers' model), of 28×28 px as MNIST."""
    folder = tmp_path_factory.mktemp("transformers")
    torch.manual_seed(0)
    sizes = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    config = ViTConfig(**sizes, image_size=28, patch_size=7, num_channels=1, num_labels=10)
    model = ViTForImageClassification(config).eval()
    model.save_pretrained(folder)
    return folder, model


def test_timms_model_gets_timms_input_and_gives_its_logits(of_timm, image):
    folder, theirs = of_timm
    loaded = vit_demo.load_model(str(folder))
    pixels = create_transform(**resolve_input_data_config(theirs))(image.convert("L"))[None]
    ours = torch.from_numpy(prepare(image, loaded.preprocess, 16).pixels)[None]
    assert ours.shape == pixels.shape == (1, 1, 224, 224)
    assert (ours - pixels).abs().max() < 1e-5
    with torch.inference_mode():
        assert (loaded.model(ours).logits - theirs(pixels)).abs().max() < 1e-4


def test_three_means_of_an_older_export_are_averaged_as_timm_does(of_timm, image, tmp_path):
    folder, theirs = of_timm
    config = json.loads((folder / "config.json").read_text())
    config["model_args"].pop("in_chans", None)
    statistics = {"mean": [0.1, 0.4, 0.7], "std": [0.2, 0.3, 0.4]}
    config["pretrained_cfg"] |= {**statistics, "input_size": [3, 224, 224]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    loaded = vit_demo.load_model(str(tmp_path))
    transform = create_transform(**resolve_input_data_config(theirs, pretrained_cfg=config["pretrained_cfg"]))
    ours = prepare(image, loaded.preprocess, 16).pixels
    assert np.abs(ours - transform(image.convert("L")).numpy()).max() < 1e-5
    assert any("averaged" in line for line in loaded.report.assumed)


@pytest.mark.parametrize("shape", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_transformers_model_gets_its_processors_input_and_gives_its_logits(of_transformers, shape):
    folder, theirs = of_transformers
    loaded = vit_demo.load_model(str(folder))
    grey = Image.fromarray(np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8))
    processor = ViTImageProcessorPil(size={"height": 28, "width": 28}, image_mean=0.5, image_std=0.5)
    pixels = processor(grey, return_tensors="pt").pixel_values
    ours = torch.from_numpy(prepare(grey, loaded.preprocess, 7).pixels)[None]
    assert (ours - pixels).abs().max() < 1e-5
    with torch.inference_mode():
        assert (loaded.model(ours).logits - theirs(pixels).logits).abs().max() < 1e-4


def test_the_picture_shown_is_the_grey_one_that_the_model_saw(of_timm, image):
    loaded = vit_demo.load_model(str(of_timm[0]))
    prepared = prepare(image, loaded.preprocess, 16)
    assert prepared.picture.shape == (224, 224, 3)
    assert np.ptp(prepared.picture, axis=2).max() == 0
    shown = (prepared.pixels[0] * loaded.preprocess.std[0] + loaded.preprocess.mean[0]) * 255
    assert np.abs(shown - prepared.picture[..., 0]).max() < 1e-3


def test_the_filters_are_grey_pictures_and_their_answers_add_up_to_the_embedding(of_timm, image):
    explainer, name = Explainer("cpu"), str(of_timm[0])
    assert explainer.filters(name).filters.shape[1:] == (16, 16, 3)
    found = explainer.filter_responses(image, name, SizeChoice(), None)
    assert np.ptp(found.filters, axis=3).max() == 0
    weight = of_timm[1].patch_embed.proj.weight[5, 0].detach().numpy()
    assert np.corrcoef(found.filters[5, ..., 0].ravel(), weight.ravel())[0, 1] > 0.9999
    pixels = prepare(image, vit_demo.load_model(name).preprocess, 16).pixels[0]
    assert found.responses[5, 2, 3] == pytest.approx((pixels[32:48, 48:64] * weight).sum(), abs=1e-4)


def test_every_view_of_a_picture_takes_a_grey_model(of_timm, image):
    explainer, name = Explainer("cpu"), str(of_timm[0])
    assert len(explainer.predict(image, name).labels) == 5
    assert explainer.attention(image, name, SizeChoice(), TokenQuery(), 0).picture.shape == (224, 224, 3)
    assert explainer.depth(image, name).grid.shape == (14, 14)
    assert explainer.input_parts(image, name).picture.shape == (224, 224, 3)
    assert explainer.pca((image,), name).pictures[0].shape == (224, 224, 3)
    assert explainer.evolution(image, name).lens is not None
    assert explainer.faithfulness(image, name, steps=4, baseline="black").deletion.shape == (5,)
    for baseline in ("mean", "blur", "black"):
        options = vit_demo.contract.RelevanceOptions(baseline=baseline, steps=2, masks=8)
        maps = explainer.relevance(image, name, target=3, methods=METHODS, options=options).maps
        assert all(np.isfinite(one.values).all() for one in maps)


def test_a_bare_file_of_a_grey_dino_loads(image, tmp_path):
    twin = timm.create_model("vit_small_patch16_224", in_chans=1, num_classes=0, depth=1)
    torch.save(twin.state_dict(), tmp_path / "dino.pth")
    loaded = vit_demo.load_model(str(tmp_path / "dino.pth"))
    ours = torch.from_numpy(prepare(image, loaded.preprocess, 16).pixels)[None]
    with torch.inference_mode():
        assert (loaded.model(ours).tokens - twin.eval().forward_features(ours)).abs().max() < 1e-4


@pytest.mark.parametrize("channels", [2, 4])
def test_other_numbers_of_channels_are_refused_by_number(channels, tmp_path):
    model = timm.create_model("vit_tiny_patch16_224", in_chans=channels, **SMALL)
    timm.models.save_for_hf(model, tmp_path, model_args=SMALL)
    with pytest.raises(ModelError, match=f"{channels} channels"):
        vit_demo.load_model(str(tmp_path))
