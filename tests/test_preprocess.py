"""prepare() against timm's own evaluation transforms, and its geometry against counting."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from vit_demo.contract import HALF_MEAN, HALF_STD, DemoError, PreprocessSpec, SizeChoice
from vit_demo.preprocess import MAX_PATCHES, MAX_SIDE, MIN_SIDE, as_rgb, input_size, prepare

SIZES = [(60, 100), (100, 60), (97, 131), (333, 78), (64, 64), (225, 499), (75, 100), (51, 29)]  # (H, W)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Noise over a slope: a pixel's shift, a swapped axis or a swapped channel all show."""
    noise = np.random.default_rng(seed).integers(0, 128, (height, width, 3))
    slope = np.linspace(0, 127, height)[:, None, None] * np.array([1, 0.5, 0]) + np.linspace(0, 127, width)[:, None] / 2
    return (noise + slope).clip(0, 255).astype(np.uint8)


def timms_pixels(rgb: np.ndarray, spec: PreprocessSpec) -> np.ndarray:
    from timm.data import create_transform

    transform = create_transform(
        input_size=(3, *spec.size),
        is_training=False,
        interpolation=spec.interpolation,
        mean=spec.mean,
        std=spec.std,
        crop_pct=spec.crop_pct,
        crop_mode="squash" if spec.resize == "squash" else "center",
    )
    return transform(Image.fromarray(rgb)).numpy()


@pytest.mark.parametrize("shape", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("crop_pct", [0.9, 1.0, 0.875])
def test_pixels_equal_timms_evaluation_transform(crop_pct, interpolation, shape):
    spec = PreprocessSpec((64, 64), "shortest", crop_pct, interpolation)
    rgb = picture(*shape)
    assert np.abs(prepare(rgb, spec, 16).pixels - timms_pixels(rgb, spec)).max() < 1e-5


@pytest.mark.parametrize("shape", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("side", [224, 518])
def test_pixels_equal_timm_at_the_usual_sizes(side, shape):
    spec = PreprocessSpec((side, side), "shortest", 0.9 if side == 224 else 1.0, "bicubic", HALF_MEAN, HALF_STD)
    rgb = picture(*shape)
    assert np.abs(prepare(rgb, spec, 14).pixels - timms_pixels(rgb, spec)).max() < 1e-5


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("shape", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_squash_equals_timm(shape, interpolation):
    spec = PreprocessSpec((48, 80), "squash", 1.0, interpolation)
    rgb = picture(*shape)
    assert np.abs(prepare(rgb, spec, 16).pixels - timms_pixels(rgb, spec)).max() < 1e-5


CHECKPOINTS = [
    "vit_tiny_patch16_224.augreg_in21k_ft_in1k",
    "vit_small_patch14_dinov2.lvd142m",
    "vit_base_patch16_siglip_256.webli",
    "vit_base_patch16_clip_384.laion2b_ft_in1k",
    "vit_medium_patch16_gap_384.sw_in12k_ft_in1k",  # squashed to 404, of which the centre 384 is kept
    "vit_small_patch16_lingbot.robbyant",
    "vit_so400m_patch14_siglip_384.webli",  # 27×27 patches of 14 px, of 384 px
]


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_spec_read_from_a_timm_checkpoint_gives_what_timm_feeds_it(name):
    import timm
    import torch
    from timm.data import create_transform, resolve_data_config

    from vit_demo.checkpoints.timm_models import plan_from_timm

    plan = plan_from_timm(name, {"model_args": {"depth": 1}})
    with torch.device("meta"):
        model = timm.create_model(name, depth=1)
    transform = create_transform(**resolve_data_config({}, model=model))
    rgb = picture(300, 451)
    ours = prepare(rgb, plan.preprocess, plan.config.patch_px).pixels
    rows, cols = plan.config.image_size  # no patch covers the rest
    assert np.abs(ours - transform(Image.fromarray(rgb)).numpy()[:, :rows, :cols]).max() < 1e-5


@pytest.mark.parametrize("resize", ["shortest", "squash"])
@pytest.mark.parametrize("keep_shape", [False, True])
def test_the_picture_shown_is_the_pixels_un_normalised(keep_shape, resize):
    spec = PreprocessSpec((48, 64), resize, 0.9, "bicubic")
    prepared = prepare(picture(90, 151), spec, 8, SizeChoice(64, keep_shape))
    mean, std = np.array(spec.mean)[:, None, None], np.array(spec.std)[:, None, None]
    shown = (prepared.pixels * std + mean) * 255
    assert prepared.pixels.dtype == np.float32
    assert prepared.picture.shape == (*prepared.pixels.shape[1:], 3)
    assert np.abs(shown.transpose(1, 2, 0) - prepared.picture).max() < 1e-3


def test_a_grey_picture_is_normalised_by_each_channels_own_statistics():
    spec = PreprocessSpec((32, 48), "squash", 1.0, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 0.125))
    pixels = prepare(np.full((40, 70, 3), 51, np.uint8), spec, 16).pixels  # 51/255 = 0.2
    assert np.allclose(pixels[:, 3, 5], [0.2, 0.0, -0.8], atol=1e-6)


@pytest.mark.parametrize("patch_px", [8, 14, 16, 32])
@pytest.mark.parametrize("side", [64, 224, 518])
@pytest.mark.parametrize("shape", [(300, 451), (451, 300), (1024, 577), (200, 2000)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_keep_shape_keeps_the_aspect_to_within_half_a_patch(shape, side, patch_px):
    spec = PreprocessSpec((224, 224))
    height, width = input_size(spec, patch_px, SizeChoice(side, True), *shape)
    factor = side / min(shape)
    bound = (MAX_PATCHES * patch_px**2 / (shape[0] * shape[1])) ** 0.5
    limited = factor > bound
    factor = min(factor, bound)
    assert (height % patch_px, width % patch_px) == (0, 0)
    for got, exact in ((height, shape[0] * factor), (width, shape[1] * factor)):
        # where the number of patches is bounded, one row or column may be taken off again
        assert abs(got - exact) <= patch_px * (1.5 if limited else 0.5) + 1e-6


def test_keep_shape_crops_less_than_a_patch_of_the_resized_picture():
    prepared = prepare(picture(300, 451), PreprocessSpec((224, 224), crop_pct=0.875), 14, SizeChoice(224, True))
    top, left, bottom, right = prepared.box
    scale = 300 / 224
    assert 0 <= top <= bottom <= 300 + 1e-9
    assert 0 <= left <= right <= 451 + 1e-9
    assert 300 - (bottom - top) < 14 * scale
    assert 451 - (right - left) < 14 * scale


@pytest.mark.parametrize("keep_shape", [False, True])
@pytest.mark.parametrize("shape", [(1000, 1001), (700, 2000), (2000, 41), (33, 1999)], ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("patch_px", [8, 14])
def test_no_size_passes_the_bound_on_patches(patch_px, shape, keep_shape):
    height, width = input_size(PreprocessSpec((224, 336)), patch_px, SizeChoice(MAX_SIDE, keep_shape), *shape)
    assert 1 <= (height // patch_px) * (width // patch_px) <= MAX_PATCHES


def test_the_bound_on_patches_does_not_shrink_more_than_it_must():
    height, width = input_size(PreprocessSpec((224, 224)), 8, SizeChoice(1024, True), 1000, 1500)
    assert (height // 8) * (width // 8) > 0.95 * MAX_PATCHES


@pytest.mark.parametrize("side", [MIN_SIDE - 1, MAX_SIDE + 1, 0, -224])
@pytest.mark.parametrize("keep_shape", [False, True])
def test_a_side_out_of_range_is_refused_in_a_sentence(side, keep_shape):
    with pytest.raises(DemoError) as caught:
        prepare(picture(50, 70), PreprocessSpec((64, 64)), 16, SizeChoice(side, keep_shape))
    assert caught.value.key == "page.size_out_of_range"
    assert all(str(number) in str(caught.value) for number in (side, MIN_SIDE, MAX_SIDE))


@pytest.mark.parametrize("side", [MIN_SIDE, MAX_SIDE])
def test_the_ends_of_the_range_are_taken(side):
    assert prepare(picture(50, 70), PreprocessSpec((64, 64)), 32, SizeChoice(side)).pixels.shape == (3, side, side)


def test_a_side_scales_a_non_square_native_size_by_its_shorter_side():
    assert input_size(PreprocessSpec((64, 96)), 16, SizeChoice(128), 500, 400) == (128, 192)


@pytest.mark.parametrize("resize", ["shortest", "squash"])
@pytest.mark.parametrize("keep_shape", [False, True])
@pytest.mark.parametrize("shape", [(120, 200), (200, 120)], ids=["landscape", "portrait"])
def test_the_box_maps_back_to_the_place_that_the_model_saw(shape, keep_shape, resize):
    """On a picture whose red is its row and whose green is its column, every pixel tells whence it came."""
    height, width = shape
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[..., 0], rgb[..., 1] = np.arange(height)[:, None], np.arange(width)
    prepared = prepare(rgb, PreprocessSpec((64, 64), resize, 0.875, "bilinear"), 16, SizeChoice(64, keep_shape))
    top, left, bottom, right = prepared.box
    rows, cols = prepared.picture.shape[:2]
    for row, col in [(8, 8), (rows // 2, cols // 2), (rows - 9, cols - 9), (8, cols - 9)]:
        from_row = top + (row + 0.5) * (bottom - top) / rows - 0.5
        from_col = left + (col + 0.5) * (right - left) / cols - 0.5
        assert abs(prepared.picture[row, col, 0] - from_row) < 1.01
        assert abs(prepared.picture[row, col, 1] - from_col) < 1.01


def test_the_box_of_a_large_photograph_is_in_that_photographs_own_pixels():
    prepared = prepare(Image.new("RGB", (4096, 2560)), PreprocessSpec((64, 64), crop_pct=1.0), 16)
    assert prepared.box == pytest.approx((0, 768, 2560, 3328), abs=64)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "CMYK", "I;16"])
def test_the_callers_image_is_not_modified(mode):
    image = Image.fromarray(picture(90, 130)).convert("L" if mode == "I;16" else mode)
    image = image.convert("I;16") if mode == "I;16" else image
    before, size = image.tobytes(), image.size
    prepared = prepare(image, PreprocessSpec((32, 48), "squash"), 16)
    assert (image.tobytes(), image.size, image.mode) == (before, size, mode)
    assert prepared.pixels.shape == (3, 32, 48)


def test_the_callers_image_is_not_modified_where_it_has_to_shrink():
    image = Image.new("RGB", (2600, 2300), "red")
    prepare(image, PreprocessSpec((32, 48), "squash"), 16)
    assert image.size == (2600, 2300)


def test_the_callers_array_is_not_modified():
    rgb = picture(90, 130)
    before = rgb.copy()
    prepare(rgb, PreprocessSpec((32, 32)), 16)
    assert np.array_equal(rgb, before)


def test_exif_orientation_turns_the_picture_upright(tmp_path):
    image = Image.new("RGB", (40, 20), "white")
    image.paste("black", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise: what was left is then at the top
    image.save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as opened:
        rgb = as_rgb(opened)
    assert rgb.shape == (40, 20, 3)
    assert rgb[:20].max() == 0
    assert rgb[20:].min() == 255


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 5), np.uint8),
        np.zeros((4, 5, 4), np.uint8),
        np.zeros((4, 5, 3), np.float32),
        np.zeros((0, 5, 3), np.uint8),
    ],
    ids=["grey", "four channels", "float", "empty"],
)
def test_arrays_that_are_no_pictures_are_refused_with_their_shape(wrong):
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8"):
        as_rgb(wrong)


def test_the_digest_names_the_content():
    spec = PreprocessSpec((32, 48), "squash")
    rgb = picture(60, 90)
    same, other = prepare(rgb, spec, 16).digest, rgb.copy()
    other[:8, :8] = 255
    assert prepare(rgb.copy(), spec, 16).digest == same
    assert prepare(other, spec, 16).digest != same
    assert prepare(rgb, dataclasses.replace(spec, std=(0.3, 0.3, 0.3)), 16).digest != same
    assert prepare(rgb, spec, 16, SizeChoice(64)).digest != same


def test_the_digest_tells_portrait_from_landscape_of_one_colour():
    flat = np.full((64, 64, 3), 7, np.uint8)
    wide, tall = (prepare(flat, PreprocessSpec(size, "squash"), 16).digest for size in ((32, 64), (64, 32)))
    assert wide != tall


# ------------------------------------------------------------------------------------- pictures that keep their shape


@pytest.mark.parametrize("resize", ["shortest", "none"])
@pytest.mark.parametrize("shape", [(10, 4000), (9, 9), (4000, 30), (3000, 2000)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_a_checkpoint_that_does_not_crop_stays_under_the_bound_and_gets_a_patch_at_least(shape, resize):
    spec = PreprocessSpec((224, 224), resize, resized=(224, 224), crop="none")
    prepared = prepare(np.zeros((*shape, 3), np.uint8), spec, 16)
    rows, cols = (side // 16 for side in prepared.picture.shape[:2])
    assert prepared.picture.shape == (rows * 16, cols * 16, 3)
    assert 1 <= rows * cols <= MAX_PATCHES


def test_another_side_of_a_checkpoint_that_does_not_crop_keeps_the_shape_too():
    spec = PreprocessSpec((224, 224), "shortest", resized=(224, 224), crop="none")
    assert input_size(spec, 16, SizeChoice(), 300, 450) == (224, 336)
    assert input_size(spec, 16, SizeChoice(448), 300, 450) == (448, 672)
    assert input_size(spec, 16, SizeChoice(grid=(5, 7)), 300, 450) == (80, 112)


def test_a_side_that_the_patch_does_not_divide_is_cut_at_the_bottom_and_the_right():
    rgb = picture(100, 100)
    prepared = prepare(rgb, PreprocessSpec((100, 100), crop_pct=1.0), 14)
    assert np.array_equal(prepared.picture, rgb[:98, :98])
    assert prepared.box == (0, 0, 98, 98)


def test_a_crop_of_more_than_there_is_has_black_around_the_picture():
    spec = PreprocessSpec((48, 48), "shortest", resized=(32, 32), crop="floor")
    prepared = prepare(np.full((32, 32, 3), 255, np.uint8), spec, 16)
    assert prepared.picture[8:40, 8:40].min() == 255
    assert prepared.picture.astype(int).sum() == 255 * 3 * 32 * 32
