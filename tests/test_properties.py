"""What holds for every grid, every picture and every checkpoint, tried with values that nobody thought of."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from vit_demo.checkpoints.keymaps import Drop, Fuse, Rename, Split, convert
from vit_demo.contract import DemoError, ModelError, PictureError, PreprocessSpec, SizeChoice, TokenQuery
from vit_demo.decode import decode_picture
from vit_demo.grid import PatchGrid
from vit_demo.plain import as_plain
from vit_demo.preprocess import MAX_PATCHES, input_size, prepare

settings.register_profile("ours", deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")

grids = st.builds(
    PatchGrid,
    st.integers(1, 64),
    st.integers(1, 64),
    st.integers(1, 32),
    st.sampled_from([(), ("cls",), ("cls", "dist"), ("cls", "reg1", "reg2", "reg3", "reg4")]),
)
specs = st.builds(
    PreprocessSpec,
    size=st.tuples(st.integers(1, 14), st.integers(1, 14)).map(lambda size: (16 * size[0], 16 * size[1])),
    resize=st.sampled_from(["shortest", "squash"]),
    crop_pct=st.floats(0.5, 1.0),
    interpolation=st.sampled_from(["nearest", "bilinear", "bicubic"]),
    crop=st.sampled_from(["round", "floor"]),
)
choices = st.builds(SizeChoice, st.one_of(st.none(), st.integers(32, 300)), st.booleans())


# --------------------------------------------------------------------------------------------------------------- grids


@given(grids, st.data())
def test_token_and_patch_are_each_others_inverse(grid, data):
    token = data.draw(st.integers(0, grid.num_tokens - 1))
    patch = grid.patch_of_token(token)
    if patch is None:
        assert token < grid.num_prefix_tokens
    else:
        assert grid.token_of_patch(*patch) == token
        assert 0 <= patch[0] < grid.rows
        assert 0 <= patch[1] < grid.cols


@given(grids)
def test_every_token_is_one_prefix_token_or_one_patch(grid):
    patches = [grid.patch_of_token(token) for token in range(grid.num_tokens)]
    assert patches.count(None) == grid.num_prefix_tokens
    assert len({patch for patch in patches if patch is not None}) == grid.num_patches


@given(grids, st.integers(-3, 70), st.integers(-3, 70))
def test_a_query_that_is_written_and_read_again_is_the_same(grid, row, col):
    query = TokenQuery(None, row, col)
    assert TokenQuery.named(query.name) == query
    assert TokenQuery.counted_from_one(query.name_from_one) == query
    inside = 0 <= row < grid.rows and 0 <= col < grid.cols
    if inside:
        assert grid.patch_of_token(query.token(grid)) == (row, col)
    else:
        with pytest.raises(DemoError):
            query.token(grid)


@given(st.integers(1, 2000), st.integers(1, 2000), st.integers(1, 40))
def test_a_grid_covers_its_picture_to_the_pixel_or_is_refused(height, width, patch):
    if height % patch or width % patch:
        with pytest.raises(ValueError, match="multiples"):
            PatchGrid.of(height, width, patch, ("cls",))
    else:
        grid = PatchGrid.of(height, width, patch, ("cls",))
        assert (grid.rows * patch, grid.cols * patch) == (height, width)


# ------------------------------------------------------------------------------------------------------- preprocessing


@given(specs, choices, st.integers(1, 400), st.integers(1, 400), st.sampled_from([4, 8, 14, 16]))
def test_the_size_is_whole_patches_and_within_bounds_whatever_the_picture(spec, choice, height, width, patch):
    rows_px, cols_px = input_size(spec, patch, choice, height, width)
    assert rows_px % patch == cols_px % patch == 0
    assert 1 <= (rows_px // patch) * (cols_px // patch) <= MAX_PATCHES


@given(specs, choices, st.integers(2, 90), st.integers(2, 90), st.integers(0, 2**32 - 1))
def test_what_is_shown_is_what_the_model_gets(spec, choice, height, width, seed):
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    made = prepare(picture, spec, 16, choice)
    assert made.pixels.shape == (3, *made.picture.shape[:2])
    shown = made.pixels * np.float32(spec.std)[:, None, None] + np.float32(spec.mean)[:, None, None]
    assert np.abs(255 * shown.transpose(1, 2, 0) - made.picture).max() < 1e-2
    again = prepare(picture.copy(), spec, 16, choice)
    assert again.digest == made.digest


@given(specs, choices, st.integers(2, 90), st.integers(2, 90))
def test_the_part_that_is_kept_lies_around_the_middle(spec, choice, height, width):
    top, left, bottom, right = prepare(np.zeros((height, width, 3), np.uint8), spec, 16, choice).box
    # the crop begins at a whole pixel of the resized picture, and a rim of less than a patch may be missing below
    assert top <= height / 2 <= bottom + 1e-6 or bottom - top < height
    assert left < right
    assert top < bottom


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from(["PNG", "BMP", "TIFF"]), st.integers(0, 2**32 - 1))
def test_a_picture_without_loss_is_decoded_to_the_same_pixels(height, width, kind, seed):
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind)
    if max(height, width) > 50 * min(height, width):
        with pytest.raises(PictureError):
            decode_picture(file.getvalue())
    else:
        assert np.array_equal(decode_picture(file.getvalue()), picture)


@given(st.binary(max_size=400))
def test_bytes_that_are_no_picture_are_refused_in_a_sentence(data):
    with pytest.raises(PictureError) as caught:
        decode_picture(data)
    assert len(str(caught.value)) > 20


# ------------------------------------------------------------------------------------------------------------ key maps


names = st.lists(st.sampled_from([f"{part}.{i}" for part in "abc" for i in range(4)]), unique=True, max_size=8)


@given(names, st.sets(st.integers(0, 7)))
def test_every_tensor_is_used_once_and_every_parameter_set_once_or_it_is_refused(keys, missing):
    source = {key: torch.full((6, 2), float(n)) for n, key in enumerate(keys)}
    rules = (
        Rename("a.{i}", "ours.{i}"),
        Split("b.{i}", ("left.{i}", "right.{i}")),
        Drop("c.{i}", "not of the model"),
    )
    wanted = {}
    for key in keys:
        part, number = key.split(".")
        if part == "a":
            wanted[f"ours.{number}"] = torch.Size((6, 2))
        elif part == "b":
            wanted |= {f"{side}.{number}": torch.Size((3, 2)) for side in ("left", "right")}
    converted, report = convert(source, rules, wanted, "model")
    assert converted.keys() == wanted.keys()
    used = [one for one, _ in report.renamed] + [one for one, _ in report.split] + [one for one, _ in report.dropped]
    assert sorted(used) == sorted(keys)
    for number, (key, tensor) in enumerate(source.items()):
        part, index = key.split(".")
        if part == "b":
            assert torch.equal(torch.cat([converted[f"left.{index}"], converted[f"right.{index}"]]), tensor), number
    for extra in ({"d.0": torch.zeros(1)}, {"a.x": torch.zeros(1)}):
        with pytest.raises(ModelError):
            convert({**source, **extra}, rules, wanted, "model")
    with pytest.raises(ModelError):
        convert(source, rules, {**wanted, "ours.9": torch.Size((6, 2))}, "model")


@given(st.integers(1, 5), st.integers(1, 5))
def test_fusing_undoes_splitting(rows, cols):
    whole = torch.randn(3 * rows, cols)
    wanted = {name: torch.Size((rows, cols)) for name in "qkv"}
    parts, _ = convert({"qkv": whole}, (Split("qkv", ("q", "k", "v")),), wanted, "model")
    joined, _ = convert(parts, (Fuse(("q", "k", "v"), "qkv"),), {"qkv": whole.shape}, "model")
    assert torch.equal(joined["qkv"], whole)


# -------------------------------------------------------------------------------------------------------------- answers


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=1, max_size=30))
def test_numbers_for_json_are_close_and_finite(values):
    from vit_demo.contract import PositionStructure

    array = np.array(values, np.float32)[None]
    plain = as_plain(PositionStructure(array, array, array[0], PatchGrid(1, 1, 16), "learned"))["by_offset"][0]
    for made, value in zip(plain, values, strict=True):
        if math.isfinite(value):
            assert made == pytest.approx(value, rel=1e-5, abs=1e-37)
        else:
            assert made is None
