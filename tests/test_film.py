"""Films as people and pranksters bring them: frames that are known, or the name of the sentence that refuses them."""

from __future__ import annotations

import io
import signal
import struct
import subprocess
import sys
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from vit_demo import film
from vit_demo.contract import FilmError
from vit_demo.film import KEPT_SIDE, RATES, at_rate, film_bytes, read_film
from vit_demo.text import say
from vit_demo.text.en.film import WORDS as ENGLISH

ROOT = Path(__file__).resolve().parents[1]
HEIGHT, WIDTH, FPS = 48, 80, 12
KINDS = [("mp4", "libx264"), ("mov", "mpeg4"), ("webm", "libvpx-vp9"), ("webm", "libvpx"), ("mp4", "libx265")]


def grey(index: int, count: int) -> int:
    return 30 + 180 * index // max(1, count - 1)


def frames(count: int, height: int = HEIGHT, width: int = WIDTH) -> list[np.ndarray]:
    """Frame i is grey(i), with a red block in its top left corner."""
    made = []
    for i in range(count):
        frame = np.full((height, width, 3), grey(i, count), np.uint8)
        frame[: height // 2, : width // 2] = (200, 20, 20)
        made.append(frame)
    return made


def encoded(pictures: list[np.ndarray], kind: str = "mp4", codec: str = "libx264", fps=FPS, **more) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=kind, options=more.get("options", {})) as container:
        stream = container.add_stream(codec, rate=Fraction(fps))
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = more.get("pix_fmt", "yuv420p")
        if "aspect" in more:
            stream.codec_context.sample_aspect_ratio = more["aspect"]
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def refusal(data: bytes, rate: int = 3, **more) -> str:
    """The name of the sentence that refuses `data`."""
    with pytest.raises(FilmError) as caught:
        read_film(data, rate, **more)
    assert caught.value.key.startswith("film.")
    return caught.value.key.partition(".")[2]


# ---- frames ----


@pytest.mark.parametrize(("kind", "codec"), KINDS)
@pytest.mark.parametrize("rate", RATES)
def test_frames_are_sampled_at_the_rate(kind, codec, rate):
    count = 4 * FPS  # four seconds
    found = read_film(encoded(frames(count), kind, codec), rate)
    assert found.frames.shape == (4 * rate, HEIGHT, WIDTH, 3)
    assert found.times_s == pytest.approx([i / rate for i in range(4 * rate)], abs=0.01)
    assert found.duration_s == pytest.approx(4, abs=0.05)
    for i, frame in enumerate(found.frames):
        assert abs(int(frame[-8:, -8:].mean()) - grey(i * FPS // rate, count)) <= 4
        assert frame[5, 5, 0] > frame[5, 5, 1] + 100  # the red block is where it was


def test_a_film_slower_than_the_rate_gives_every_frame_once():
    found = read_film(encoded(frames(6), fps=2), 6)
    assert len(found.frames) == 6
    assert found.times_s == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5], abs=0.01)


def test_a_gif_of_uneven_frames_is_sampled_by_its_clock():
    pictures = [Image.fromarray(one) for one in frames(4)]
    file = io.BytesIO()
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=[500, 1000, 250, 250], loop=0)
    found = read_film(file.getvalue(), 2)
    assert found.times_s == pytest.approx([0, 0.5, 1.5], abs=0.02)
    assert [int(one[-4:, -4:].mean()) for one in found.frames] == pytest.approx([grey(i, 4) for i in (0, 1, 2)], abs=3)


def test_hidden_colours_of_a_gif_are_laid_on_white():
    empty = np.zeros((20, 20, 4), np.uint8)
    empty[:10] = (0, 0, 200, 255)
    pictures = [Image.fromarray(empty), Image.fromarray(np.ascontiguousarray(empty[:, ::-1]))]
    file = io.BytesIO()
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=400, disposal=2)
    found = read_film(file.getvalue(), 1)
    assert found.frames[0, 15, 10].tolist() == [255, 255, 255]
    assert found.frames[0, 5, 10, 2] > 150


def test_large_frames_are_shrunk_in_their_shape():
    found = read_film(encoded(frames(3, 1080, 1920)), 1)
    assert found.frames.shape[1:] == (432, KEPT_SIDE, 3)


def test_pixels_that_are_not_square_are_stretched():
    found = read_film(encoded(frames(12), aspect=Fraction(2, 1)), 1)
    assert found.frames.shape[1:] == (HEIGHT, 2 * WIDTH, 3)


@pytest.mark.parametrize(
    ("matrix", "shape", "red"),
    [
        ((0, 1, -1, 0), (WIDTH, HEIGHT), (0, 1)),  # clockwise: what was top left is top right
        ((-1, 0, 0, -1), (HEIGHT, WIDTH), (1, 1)),
        ((0, -1, 1, 0), (WIDTH, HEIGHT), (1, 0)),
    ],
    ids=["90", "180", "270"],
)
def test_what_a_phone_filmed_on_its_side_stands_upright(matrix, shape, red):
    """The matrix of the track's header (ISO 14496-12, 8.3.2), as phones write it."""
    data = bytearray(encoded(frames(12)))
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (one * 0x10000 for one in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    found = read_film(bytes(data), 1).frames[0].astype(int)
    assert found.shape[:2] == shape
    corner = found[-4 if red[0] else 3, -4 if red[1] else 3]
    assert corner[0] > corner[1] + 100
    assert (found[..., 0] > found[..., 1] + 100).mean() == pytest.approx(0.25, abs=0.05)


def test_a_film_whose_end_is_missing_is_shown_as_far_as_it_goes():
    data = encoded(frames(60), "webm", "libvpx")
    found = read_film(data[: len(data) // 2], 3)
    assert 2 <= len(found.frames) < 15


# ---- refused ----


def sound() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        silence.sample_rate = 8000
        container.mux(stream.encode(silence))
        container.mux(stream.encode())
    return file.getvalue()


def test_a_film_that_is_too_long_is_refused_with_its_length():
    with pytest.raises(FilmError) as caught:
        read_film(encoded(frames(25), fps=1), 1)
    assert (caught.value.key, caught.value.values) == ("film.too_long", {"seconds": 25, "limit": 20})


def test_a_film_whose_header_says_no_length_is_measured():
    data = encoded(frames(25), "webm", "libvpx", fps=1, options={"live": "1"})
    with av.open(io.BytesIO(data)) as container:
        assert container.duration is None
    assert refusal(data, 1) == "too_long"


def test_frames_beyond_4k_are_refused_by_the_header():
    with pytest.raises(FilmError) as caught:
        read_film(encoded(frames(1, 2306, 4098), codec="mpeg4"), 1)
    assert (caught.value.key, caught.value.values) == ("film.too_many_pixels", {"width": 4098, "height": 2306})


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "empty"),
        (b"hello", "not_a_film"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not_a_film"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "not_a_film"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "not_a_film"),
        (b"\0\0\0\x18ftypmp42" + bytes(200), "damaged"),
        (b"\x1a\x45\xdf\xa3" + bytes(200), "damaged"),
        (b"GIF89a" + bytes(100), "damaged"),
    ],
)
def test_what_is_no_film_is_called_so(data, name):
    assert refusal(data) == name


def test_sound_alone_is_no_film():
    assert refusal(sound()) == "no_pictures"


def test_a_codec_that_is_not_known_is_not_opened():
    assert refusal(encoded(frames(3), "mov", "prores_ks", pix_fmt="yuv422p10le")) == "codec"


def test_more_bytes_than_allowed_start_no_child(monkeypatch):
    monkeypatch.setattr(subprocess, "run", None)
    monkeypatch.setattr(film, "MAX_BYTES", 1000)
    assert refusal(encoded(frames(3))) == "too_many_bytes"


def test_a_child_that_takes_too_long_is_ended():
    assert refusal(encoded(frames(3)), timeout_s=0.001) == "too_slow"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds processes to their address space")
def test_a_child_short_of_memory_ends_in_a_sentence():
    code = (
        "import av, numpy, vit_demo.film as f; pages = int(open('/proc/self/statm').read().split()[0]);"
        "f.MAX_CHILD_BYTES = pages * 4096 + 30_000_000; f._serve(20, 6)"
    )
    data = encoded(frames(8, 2160, 3840), codec="mpeg4")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, input=data, capture_output=True, check=False)
    assert done.returncode < 0 or b'"error"' in done.stdout


@pytest.mark.parametrize(
    ("code", "name"), [("SIGSEGV", "damaged"), ("SIGXCPU", "too_slow"), ("SIGKILL", "too_much_memory"), (1, "busy")]
)
def test_how_the_child_ended_is_put_into_words(monkeypatch, code, name):
    code = code if isinstance(code, int) else -signal.Signals[code]
    data = encoded(frames(2))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], code, b""))
    assert refusal(data) == name


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"[]\n",
        b'{"height": 2, "width": 3, "times_ms": [0], "duration_ms": 1}\n' + bytes(17),
        b'{"height": 9000, "width": 1, "times_ms": [0], "duration_ms": 1}\n' + bytes(27_000),
        b'{"height": 1, "width": 1, "times_ms": [], "duration_ms": 1}\n',
        b'{"height": 1, "width": 1, "times_ms": [0, "x"], "duration_ms": 1}\n' + bytes(6),
        b'{"error": "../../secret", "values": {}}\n',
        b'{"error": "too_long", "values": {"seconds": "<b>", "limit": 1}}\n',
        b'{"error": "tab", "values": {"key": 1}}\n',
    ],
)
def test_a_child_that_a_file_took_over_is_not_believed(monkeypatch, said):
    data = encoded(frames(2))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, said))
    assert refusal(data) == "damaged"


def test_without_its_reader_a_film_is_told_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(film.Refusal, match="no_reader"):
        film._film(b"GIF89a" + bytes(100), 1)


def test_flipped_bytes_end_in_frames_or_a_sentence():
    data, noise = encoded(frames(24)), np.random.default_rng(0)
    for _ in range(12):
        broken = bytearray(data)
        for at in noise.integers(0, len(data), 20):
            broken[at] ^= int(noise.integers(1, 256))
        try:
            said = read_film(bytes(broken), 3).frames.shape[3]
        except FilmError as error:
            said = error.key
        assert said == 3 or said.startswith("film.")


def test_every_refusal_says_what_to_do():
    names = ["empty", "too_many_bytes", "not_a_film", "no_pictures", "codec", "too_many_pixels", "too_long", "damaged"]
    assert len([name for name in [*names, "too_slow", "busy", "gone", "several_sizes"] if name in ENGLISH]) == 12
    for name in names:
        assert say(f"film.{name}", "zh", size=1, limit=2, width=3, height=4, seconds=5)


# ---- written ----


def test_a_film_that_is_written_is_read_again():
    pictures = frames(12, 65, 81)  # odd sides lose a rim
    found = read_film(film_bytes(pictures, 3), 3)
    assert found.frames.shape == (12, 64, 80, 3)
    assert found.duration_s == pytest.approx(4, abs=0.05)
    for i, frame in enumerate(found.frames):
        assert abs(int(frame[-8:, -8:].mean()) - grey(i, 12)) <= 4


def test_a_rate_that_is_not_offered_is_a_slip():
    with pytest.raises(ValueError, match="7 frames"):
        read_film(b"", 7)


def test_a_wav_is_no_film():
    file = io.BytesIO()
    with wave.open(file, "wb") as sound_file:
        sound_file.setparams((1, 2, 8000, 0, "NONE", ""))
        sound_file.writeframes(bytes(1000))
    assert refusal(file.getvalue()) == "not_a_film"


@pytest.mark.parametrize(
    ("times", "duration", "rate", "shown"),
    [
        ([0, 0.5, 1.0, 1.5], 2, 2, [0, 1, 2, 3]),
        ([0, 3.0], 4, 1, [0, 0, 0, 1]),  # held for three seconds
        ([0, 0.33, 0.67], 1, 3, [0, 1, 2]),
        ([0], 0, 3, [0]),
        ([0, 1 / 3, 2 / 3], 1, 6, [0, 0, 1, 1, 2, 2]),  # a film slower than the rate
    ],
)
def test_a_frame_is_held_until_the_next_is_due(times, duration, rate, shown):
    assert at_rate(times, duration, rate) == shown


def test_a_file_cut_off_before_its_list_of_streams_is_damaged():
    data = encoded(frames(40, 96, 160))
    assert data.rindex(b"moov") > data.index(b"mdat")
    assert refusal(data[: len(data) * 2 // 3]) == "damaged"


def test_a_film_that_begins_late_is_as_long_as_it_is():
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=3)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for number, picture in enumerate(frames(12)):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts = 300 + number  # from 100 s on
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    found = read_film(file.getvalue(), 3)
    assert len(found.frames) == 12
    assert found.times_s[0] == 0


def test_a_cover_is_not_the_film():
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        cover, film_stream = (container.add_stream(codec, rate=3) for codec in ("mjpeg", "libx264"))
        cover.height = cover.width = 64
        cover.pix_fmt = "yuvj420p"
        film_stream.height, film_stream.width, film_stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        container.mux(cover.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 255, np.uint8), "rgb24")))
        container.mux(cover.encode())
        for picture in frames(12):
            container.mux(film_stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(film_stream.encode())
    assert read_film(file.getvalue(), 3).frames.shape == (12, HEIGHT, WIDTH, 3)
