"""What comes in: pictures by content, never by trust; sizes, tokens and languages from anybody."""

from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from gradio.data_classes import ImageData
from PIL import Image

from vit_demo.cache import ByteCache
from vit_demo.contract import PictureError, SizeChoice
from vit_demo.decode import MAX_BYTES
from vit_demo.ui.kit import reader
from vit_demo.ui.kit.inputs import SafeImage, language_of, size_of

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def component() -> SafeImage:
    return SafeImage()


@pytest.fixture
def decoded(monkeypatch) -> list[bytes]:
    """The files that were decoded; nothing is decoded in truth, so no child is started."""
    seen = []

    def decode(data: bytes) -> tuple[np.ndarray, str]:
        seen.append(data)
        return np.full((2, 3, 3), len(seen), np.uint8), ""

    monkeypatch.setattr(reader, "decode_with_profile", decode)
    monkeypatch.setattr(reader, "_decoded", ByteCache(1 << 20))
    return seen


def file_of(path: Path, data: bytes) -> ImageData:
    path.write_bytes(data)
    return ImageData(path=str(path), orig_name=path.name)


def jpeg(picture: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def test_a_photograph_arrives_as_upright_rgb(component):
    with Image.open(EXAMPLES / "koala.jpg") as picture:
        width, height = picture.size
    array = component.preprocess(ImageData(path=str(EXAMPLES / "koala.jpg"))).pixels
    assert array.shape == (height, width, 3)
    assert array.dtype == np.uint8


def test_a_rotated_photograph_arrives_upright(component, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    picture = Image.new("RGB", (60, 40), "white")
    picture.paste((255, 0, 0), (0, 0, 30, 40))  # left half red: upright, it is the upper half
    array = component.preprocess(file_of(tmp_path / "photo.jpg", jpeg(picture, exif=exif, quality=95))).pixels
    assert array.shape == (60, 40, 3)
    assert array[10, 20, 1] < 50 < 200 < array[50, 20, 1]


def test_no_picture_is_none(component):
    assert component.preprocess(None) is None


@pytest.mark.parametrize("url", ["data:image/png;base64,iVBORw0KGgo=", "http://169.254.169.254/latest", None])
def test_a_picture_that_is_no_file_is_refused(component, decoded, url):
    error = component.preprocess(ImageData(path=None, url=url))
    assert isinstance(error, PictureError)
    assert error.key == "picture.not_a_picture"
    assert decoded == []


def test_a_file_that_has_gone_is_refused(component, tmp_path):
    error = component.preprocess(ImageData(path=str(tmp_path / "gone.jpg")))
    assert isinstance(error, PictureError)
    assert error.key == "picture.gone"
    assert "gone.jpg" not in str(error)


def test_a_folder_is_refused(component, tmp_path):
    assert isinstance(component.preprocess(ImageData(path=str(tmp_path))), PictureError)


def test_a_file_of_too_many_bytes_is_refused_by_its_size(component, tmp_path):
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        file.write(b"\xff\xd8\xff")
        file.truncate(MAX_BYTES + 1)
    error = component.preprocess(ImageData(path=str(path)))
    assert error.key == "picture.too_many_bytes"
    assert error.values["limit"] == 20


@pytest.mark.parametrize(
    ("name", "data", "key"),
    [
        ("text.png", b"not a picture at all", "picture.not_a_picture"),
        ("empty.jpg", b"", "picture.empty"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "picture.other_kind"),
    ],
)
def test_what_is_no_picture_is_refused_as_a_value(component, tmp_path, name, data, key):
    error = component.preprocess(file_of(tmp_path / name, data))
    assert isinstance(error, PictureError)
    assert error.key == key


def test_the_same_content_is_decoded_once_under_any_name(component, decoded, tmp_path):
    first = component.preprocess(file_of(tmp_path / "a.jpg", b"same"))
    again = component.preprocess(file_of(tmp_path / "b.jpg", b"same"))
    assert again.pixels is first.pixels
    assert again.digest == first.digest
    assert decoded == [b"same"]


def test_other_content_under_the_same_name_is_decoded_again(component, decoded, tmp_path):
    first = component.preprocess(file_of(tmp_path / "a.jpg", b"one"))
    other = component.preprocess(file_of(tmp_path / "a.jpg", b"two"))
    assert (first.pixels[0, 0, 0], other.pixels[0, 0, 0]) == (1, 2)
    assert first.digest != other.digest


def test_a_kept_picture_cannot_be_written_to(component, decoded, tmp_path):
    array = component.preprocess(file_of(tmp_path / "a.jpg", b"x")).pixels
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0, 0] = 9


def test_a_refusal_is_remembered_for_all_visitors(component, decoded, tmp_path, monkeypatch):
    looked = []

    def refuse(data):
        looked.append(data)
        raise PictureError("picture.too_slow")

    monkeypatch.setattr(reader, "decode_with_profile", refuse)
    payload = file_of(tmp_path / "a.jpg", b"x")
    for one in (component, component, SafeImage()):
        assert one.preprocess(payload).key == "picture.too_slow"
    assert looked == [b"x"]


def test_a_decoder_that_could_not_start_is_tried_again(component, decoded, tmp_path, monkeypatch):
    def busy(data):
        raise PictureError("picture.busy")

    payload = file_of(tmp_path / "a.jpg", b"x")
    with monkeypatch.context() as patched:
        patched.setattr(reader, "decode_with_profile", busy)
        assert component.preprocess(payload).key == "picture.busy"
    assert isinstance(component.preprocess(payload), reader.Picture)


def test_no_more_files_are_decoded_at_once_than_allowed_whoever_sends_them(monkeypatch, decoded, tmp_path):
    now, most = [], []

    def decode(data):
        now.append(data)
        most.append(len(now))
        time.sleep(0.05)
        now.remove(data)
        return np.zeros((1, 1, 3), np.uint8), ""

    monkeypatch.setattr(reader, "decode_with_profile", decode)
    payloads = [file_of(tmp_path / f"{i}.jpg", bytes([i])) for i in range(8)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda payload: SafeImage().preprocess(payload), payloads))
    assert (len(most), max(most)) == (8, reader.DECODERS_AT_ONCE)


@pytest.mark.parametrize(
    ("side", "keep", "choice"),
    [
        (None, False, SizeChoice()),
        ("", None, SizeChoice()),
        ("native", False, SizeChoice()),
        (224, True, SizeChoice(224, True)),
        ("224", 1, SizeChoice(224, True)),
        ("wide", False, SizeChoice(-1)),
        ({}, False, SizeChoice(-1)),
        (float("nan"), False, SizeChoice(-1)),
        (float("inf"), False, SizeChoice(-1)),
    ],
)
def test_a_size_from_anybody_is_a_choice(side, keep, choice):
    assert size_of(side, keep) == choice


@pytest.mark.parametrize("value", ["en", "zh"])
def test_languages_with_words_are_kept(value):
    assert language_of(value) == value


@pytest.mark.parametrize("value", [None, "", "fr", "ZH", 1, ["zh"], {"zh": 1}])
def test_all_else_is_english(value):
    assert language_of(value) == "en"
