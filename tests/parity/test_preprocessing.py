"""What a transformers checkpoint is fed: pixel for pixel what transformers' own Pillow processors make of a picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from transformers import (
    BitImageProcessorPil,
    CLIPImageProcessorPil,
    DeiTConfig,
    DeiTImageProcessorPil,
    DeiTModel,
    Dinov2Config,
    Dinov2Model,
    DINOv3ViTConfig,
    DINOv3ViTImageProcessor,
    DINOv3ViTModel,
    SiglipImageProcessorPil,
    ViTConfig,
    ViTImageProcessor,
    ViTImageProcessorPil,
    ViTModel,
)

import vit_demo
from vit_demo.contract import ModelError
from vit_demo.preprocess import MAX_PATCHES, prepare

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

# (H, W): odd and even, portrait and landscape, smaller than the target, long, and what cameras and screens make
PICTURES = [
    (1080, 1920),
    (1920, 1080),
    (480, 640),
    (375, 500),
    (500, 333),
    (333, 500),
    (257, 301),
    (301, 257),
    (224, 224),
    (150, 97),
    (61, 130),
    (768, 1023),
    (1023, 767),
    (400, 1201),
]
SMALL = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
MODELS = {
    "ViT": lambda **more: ViTModel(ViTConfig(**SMALL, **more)),
    "DeiT": lambda **more: DeiTModel(DeiTConfig(**SMALL, **more)),
    "Bit": lambda **more: Dinov2Model(Dinov2Config(**SMALL, **{"patch_size": 14, **more})),
    "DINOv3ViT": lambda **more: DINOv3ViTModel(DINOv3ViTConfig(**SMALL, num_register_tokens=1, **more)),
}
PROCESSORS = {
    "ViT": ViTImageProcessorPil,
    "DeiT": DeiTImageProcessorPil,
    "Bit": BitImageProcessorPil,
    "CLIP": CLIPImageProcessorPil,
    "Siglip": SiglipImageProcessorPil,
}
CROPPED = {"do_center_crop": True, "crop_size": {"height": 224, "width": 224}}
SETTINGS = {
    "nothing but the class": ("ViT", {}),
    "DeiT's own": ("DeiT", {}),
    "Bit's own": ("Bit", {}),
    "CLIP's own": ("CLIP", {}),
    "SigLIP's own": ("Siglip", {}),
    "DINOv2's": ("Bit", {"size": {"shortest_edge": 256}, "image_mean": [0.485, 0.456, 0.406]}),
    "an integer size squashes": ("ViT", {"size": 224}),
    "an integer size is Bit's shortest edge": ("Bit", {"size": 256, "crop_size": 224}),
    "an integer size of Bit without a crop": ("Bit", {"size": 224, "do_center_crop": False}),
    "an integer size that is said to be an edge": ("ViT", {"size": 224, "default_to_square": False}),
    "a size as a list": ("ViT", {"size": [208, 256]}),
    "shortest 518": ("Bit", {"size": {"shortest_edge": 518}, "crop_size": {"height": 518, "width": 518}}),
    "shortest without a crop": ("ViT", {"size": {"shortest_edge": 224}}),
    "an odd crop": ("Bit", {"size": {"shortest_edge": 255}, "crop_size": {"height": 225, "width": 225}}),
    "a crop that is not square": (
        "ViT",
        {"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": [224, 192]},
    ),
    "squashed, then cropped": ("DeiT", {"size": {"height": 248, "width": 257}, "resample": 2}),
    "a crop of more than there is": ("Bit", {"size": {"shortest_edge": 209}}),
    "not resized": ("ViT", {"do_resize": False, **CROPPED}),
    "neither resized nor cropped": ("ViT", {"do_resize": False}),
    "not rescaled": ("ViT", {"do_rescale": False}),
    "rescaled to two": ("ViT", {"rescale_factor": 1 / 127.5}),
    "not normalised": ("Bit", {"do_normalize": False}),
    "left as bytes": ("ViT", {"do_rescale": False, "do_normalize": False}),
    "one mean for all channels": ("ViT", {"image_mean": 0.4, "image_std": 0.3}),
    "nearest": ("ViT", {"resample": 0}),
    "lanczos": ("ViT", {"resample": 1}),
    "bicubic": ("ViT", {"resample": 3}),
    "box": ("ViT", {"resample": 4}),
    "hamming": ("ViT", {"resample": 5}),
    "null is no step": ("DeiT", {"do_center_crop": None, "do_normalize": None}),
}


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


def folder_of(folder: Path, model: torch.nn.Module, preprocessor: dict | None) -> str:
    model.save_pretrained(folder)
    if preprocessor is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return str(folder)


def deviation(loaded, processor, pictures=PICTURES) -> float:
    """Largest difference of pixels over all pictures. The conv drops a rim of less than a patch at the bottom and the
    right: theirs is cut off, too."""
    patch_px, worst = loaded.model.config.patch_px, 0.0
    most = MAX_PATCHES * patch_px**2 if loaded.preprocess.crop == "none" else np.inf
    for shape in (one for one in pictures if loaded.preprocess.resize != "none" or one[0] * one[1] < most):
        rgb = picture(*shape)
        ours = prepare(rgb, loaded.preprocess, patch_px).pixels
        theirs = np.asarray(processor(Image.fromarray(rgb), return_tensors="np").pixel_values[0])
        rows, cols = (side // patch_px * patch_px for side in theirs.shape[1:])
        assert ours.shape == (3, rows, cols)
        worst = max(worst, float(np.abs(ours - theirs[:, :rows, :cols]).max()))
    return worst


@pytest.mark.parametrize("title", SETTINGS)
def test_pixels_equal_transformers_pillow_processor(title, tmp_path):
    kind, settings = SETTINGS[title]
    loaded = vit_demo.load_model(
        folder_of(tmp_path, MODELS["Bit"](), {"image_processor_type": f"{kind}ImageProcessor", **settings})
    )
    processor = PROCESSORS[kind](**settings)
    assert deviation(loaded, processor) < 1e-5 * max(
        1, processor.rescale_factor * 255, 255 * (not processor.do_rescale)
    )


DEFAULTS = {
    "ViT": ViTImageProcessorPil(),
    "DeiT": DeiTImageProcessorPil(),
    "Bit": BitImageProcessorPil(),
    "DINOv3ViT": ViTImageProcessorPil(
        image_mean=DINOv3ViTImageProcessor.image_mean, image_std=DINOv3ViTImageProcessor.image_std
    ),
}


@pytest.mark.parametrize("kind", DEFAULTS)
@pytest.mark.parametrize("preprocessor", [None, {}, {"do_rescale": True}], ids=["no file", "empty", "nearly empty"])
def test_without_a_processor_of_its_own_a_model_gets_its_familys_default(preprocessor, kind, tmp_path):
    loaded = vit_demo.load_model(folder_of(tmp_path, MODELS[kind](), preprocessor))
    assert deviation(loaded, DEFAULTS[kind]) < 1e-5
    assert any(f"{kind}ImageProcessor" in line for line in loaded.report.assumed)


@pytest.mark.parametrize(("kind", "processor"), [("ViT", ViTImageProcessorPil), ("DeiT", DeiTImageProcessorPil)])
def test_a_model_that_takes_one_size_alone_gets_the_defaults_in_proportion(kind, processor, tmp_path):
    loaded = vit_demo.load_model(folder_of(tmp_path, MODELS[kind](image_size=112), None))
    half = {"size": {"height": 112, "width": 112}}
    if kind == "DeiT":
        half = {"size": {"height": 128, "width": 128}, "crop_size": {"height": 112, "width": 112}}
    assert deviation(loaded, processor(**half)) < 1e-5


def test_dinov3_is_less_than_a_level_from_transformers_and_the_card_says_so(tmp_path):
    loaded = vit_demo.load_model(folder_of(tmp_path, MODELS["DINOv3ViT"](), None))
    assert deviation(loaded, DINOv3ViTImageProcessor()) * min(loaded.preprocess.std) * 255 < 1.01
    assert any("at most 1 level of 255" in line for line in loaded.report.assumed)


@pytest.mark.parametrize(
    ("resample", "levels"), [(2, "at most 1 level"), (3, "at most 2 levels"), (0, "a pixel beside"), (5, "does not do")]
)
def test_the_card_says_how_far_the_torchvision_backend_is(resample, levels, tmp_path):
    loaded = vit_demo.load_model(folder_of(tmp_path, MODELS["ViT"](), {"resample": resample}))
    assert any(levels in line for line in loaded.report.assumed)
    if resample in (2, 3):
        apart = deviation(loaded, ViTImageProcessor(resample=resample)) * 127.5
        assert 0.99 < apart < {2: 1.01, 3: 2.01}[resample]


def test_fields_that_a_file_leaves_out_are_named(tmp_path):
    settings = {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 256}, "image_std": [0.2] * 3}
    report = vit_demo.load_model(folder_of(tmp_path, MODELS["Bit"](), settings)).report
    assert any("crop_size, resample, image_mean as BitImageProcessor's defaults" in line for line in report.assumed)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"image_processor_type": "ConvNextImageProcessor"}, "ConvNextImageProcessor"),
        ({"do_pad": True, "pad_size": {"height": 224, "width": 224}}, "do_pad"),
        ({"do_flip_channel_order": True}, "do_flip_channel_order"),
        ({"size": {"shortest_edge": 224, "longest_edge": 300}}, "longest_edge"),
        ({"size": {"longest_edge": 224}}, "longest_edge"),
        ({"size": "large"}, "large"),
        ({"do_center_crop": True, "crop_size": {"shortest_edge": 224}}, "shortest_edge"),
        ({"resample": 9}, "resample"),
        ({"resample": None}, "resample"),
        ({"image_mean": None}, "image_mean"),
        ({"image_mean": [0.5, 0.5]}, "image_mean"),
        ({"rescale_factor": None}, "rescale_factor"),
        ({"auto_map": {"AutoImageProcessor": "mine.Mine"}}, "auto_map"),
    ],
)
def test_what_is_not_done_here_is_refused_by_name(settings, named, tmp_path):
    with pytest.raises(ModelError, match=named):
        vit_demo.load_model(folder_of(tmp_path, MODELS["ViT"](), settings))


def test_a_picture_in_its_own_shape_gives_transformers_tokens_though_no_patch_covers_its_rim(tmp_path):
    theirs = MODELS["Bit"]().eval()
    settings = {"size": {"shortest_edge": 100}, "do_center_crop": False}
    loaded = vit_demo.load_model(folder_of(tmp_path, theirs, settings))
    rgb = picture(375, 500)
    pixels = BitImageProcessorPil(**settings)(Image.fromarray(rgb), return_tensors="pt").pixel_values
    assert pixels.shape[2:] == (100, 133)
    prepared = prepare(rgb, loaded.preprocess, 14)
    with torch.inference_mode():
        ours = loaded.model(torch.from_numpy(prepared.pixels)[None])
        reference = theirs(pixels).last_hidden_state
    assert prepared.picture.shape == (98, 126, 3)
    assert (ours.tokens - reference).abs().max() < 1e-4
