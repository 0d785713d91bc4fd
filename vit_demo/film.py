"""Strangers' films: from the bytes of a file to some of its frames, or one sentence that says why not.

`read_film` decodes in a child process of its own (child.py), by PyAV, which is FFmpeg. Only the containers and codecs
named here are opened: others (playlists, lists of files) would make FFmpeg read what else lies on this machine.
"""

from __future__ import annotations

import io
import math
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING

from vit_demo import child
from vit_demo.child import Refusal

if TYPE_CHECKING:  # otherwise imported where they are used: see decode.py
    import av
    import numpy as np

    from vit_demo.contract import Film, FilmError

MAX_BYTES = 60_000_000
MAX_S = 20
SLACK_S = 0.5  # what a phone adds to a film of twenty seconds
MAX_PIXELS = 4096 * 2304  # of a frame: what phones call 4K
MAX_SIDE = 8192  # px
KEPT_SIDE = 768  # px; frames are shrunk to this
RATES = (1, 2, 3, 6)  # frames a second that can be asked for
MOST_FRAMES = MAX_S * max(RATES) + 1
MAX_CHILD_BYTES = 2_000_000_000  # address space: a 4K decoder keeps up to 17 frames beside those that are sent
MAX_CHILD_CPU_S = 40
TIMEOUT_S = 60.0
THREADS = 2

# Each container that is opened: FFmpeg's name of its reader, and a pattern of its first bytes.
_KINDS = {
    "mov": rb".{4}(?:ftyp|moov|mdat|wide|free)",
    "matroska": rb"\x1a\x45\xdf\xa3",
    "gif": rb"GIF8[79]a",
}
# Names in text/*/film.py
_REFUSALS = {
    "empty",
    "too_many_bytes",
    "not_a_film",
    "no_reader",
    "no_pictures",
    "codec",
    "too_many_pixels",
    "too_long",
}
_REFUSALS |= {"several_sizes", "damaged", "too_slow", "too_much_memory", "busy"}
_CODECS = {"h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mpeg4", "mjpeg", "gif", "libvpx", "libvpx-vp9"}


def read_film(data: bytes, rate: int, timeout_s: float = TIMEOUT_S) -> Film:
    """The frames of an MP4, MOV, WebM or GIF, `rate` of them a second (one of RATES), each at most KEPT_SIDE long.

    Held to MAX_BYTES, MAX_S seconds and MAX_PIXELS a frame, the child to MAX_CHILD_BYTES and MAX_CHILD_CPU_S. Raises
    FilmError. Each call is one process: for the caller to bound how many run at once."""
    import numpy as np

    from vit_demo.contract import Film

    if rate not in RATES:
        raise ValueError(f"{rate} frames a second; there are {RATES}")
    try:
        _check_bytes(data)
        header, body = child.ask("vit_demo.film", data, timeout_s, MAX_CHILD_CPU_S, str(rate))
    except Refusal as refusal:
        raise _error(refusal) from None
    with suppress(Exception):  # nothing is taken on trust
        height, width, times = int(header["height"]), int(header["width"]), [int(one) for one in header["times_ms"]]
        known = min(height, width) > 0 and max(height, width) <= KEPT_SIDE and 0 < len(times) <= MOST_FRAMES
        if known and len(body) == len(times) * height * width * 3:
            frames = np.frombuffer(body, np.uint8).reshape(len(times), height, width, 3)
            seconds = min(int(header["duration_ms"]) / 1000, MAX_S + SLACK_S)
            return Film(frames, tuple(one / 1000 for one in times), seconds)
    raise _error(Refusal("damaged"))


def film_bytes(frames: Sequence[np.ndarray], rate: float) -> bytes:
    """Pictures (H, W, 3) uint8 of one size as MP4 (H.264), `rate` of them a second. A rim of one pixel is left out
    where a side is odd. FilmError where PyAV is not installed."""
    try:
        import av
    except ImportError:
        raise _error(Refusal("no_reader")) from None
    import numpy as np

    height, width = (side // 2 * 2 for side in frames[0].shape[:2])
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1000), options={"crf": "20"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            pixels = np.ascontiguousarray(frame[:height, :width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def at_rate(times_s: Sequence[float], duration_s: float, rate: int) -> list[int]:
    """Which of the frames shown from `times_s` on is seen at each tick of a clock of `rate` ticks a second: frames that
    are held for long come several times. At least one tick."""
    count = max(1, round(duration_s * rate))
    shown, found = 0, []
    for tick in range(count):
        while shown + 1 < len(times_s) and times_s[shown + 1] <= tick / rate + 0.5 / rate:
            shown += 1
        found.append(shown)
    return found


def _error(refusal: Refusal) -> FilmError:
    from vit_demo.contract import FilmError

    with suppress(Exception):  # a file that has taken the child over can make it say anything
        if refusal.name in _REFUSALS:
            return FilmError(f"film.{refusal.name}", **refusal.values)
    return FilmError("film.damaged")


def _check_bytes(data: bytes) -> str:
    """The reader of a film, a name in _KINDS, by its first bytes. Raises Refusal."""
    if not data:
        raise Refusal("empty")
    if len(data) > MAX_BYTES:
        raise Refusal("too_many_bytes", size=math.ceil(len(data) / 1e6), limit=MAX_BYTES // 1_000_000)
    for kind, magic in _KINDS.items():
        if re.match(magic, data, re.DOTALL):
            return kind
    raise Refusal("not_a_film")


def _film(data: bytes, rate: int) -> tuple[list[np.ndarray], list[int], int]:
    """In the child: frames (H, W, 3) uint8 of one size, when each is shown and how long the film is, in milliseconds.
    Raises Refusal."""
    kind = _check_bytes(data)
    try:
        import av
    except ImportError:
        raise Refusal("no_reader") from None
    try:
        with av.open(io.BytesIO(data), format=kind, metadata_errors="ignore") as container:
            return _sampled(container, _moving(container), rate)
    except Refusal:
        raise
    except MemoryError:
        raise Refusal("too_much_memory") from None
    except Exception:  # broken files make FFmpeg say nearly anything
        raise Refusal("damaged") from None


def _moving(container: av.container.InputContainer) -> av.VideoStream:
    """The film among a file's streams: not the picture of its cover. Raises Refusal."""
    import av

    if not (container.streams.video or container.streams.audio):
        raise Refusal("damaged")  # its list of streams is missing, as of a file that was not copied to its end
    cover = av.stream.Disposition.attached_pic
    streams = [one for one in container.streams.video if not one.disposition & cover]
    if not streams:
        raise Refusal("no_pictures")
    if len(streams) == 1:
        return streams[0]
    packets = Counter(packet.stream_index for packet in container.demux(streams))
    container.seek(0)
    return max(streams, key=lambda one: packets[one.index])


def _sampled(
    container: av.container.InputContainer, stream: av.VideoStream, rate: int
) -> tuple[list[np.ndarray], list[int], int]:
    context = stream.codec_context
    if context.name not in _CODECS:
        raise Refusal("codec")
    _check_size(context.width, context.height)
    if container.duration:  # of some containers it counts from 0, of others from the first frame
        _check_length((container.duration - max(0, container.start_time or 0)) / 1e6)
    stream.thread_type, context.thread_count = "AUTO", THREADS
    frames: list[np.ndarray] = []
    times: list[int] = []
    first, last, step, due = None, 0.0, 0.0, 0.0
    aspect = float(stream.sample_aspect_ratio or context.sample_aspect_ratio or 1)
    for number, frame in enumerate(_decoded(container, stream)):
        _check_size(frame.width, frame.height)
        at = frame.time if frame.time is not None else number / float(stream.average_rate or 25)
        first = at if first is None else first
        step, last = max(0.0, at - first - last), max(last, at - first)
        _check_length(last)
        if len(frames) < MOST_FRAMES and last >= due - 1e-3:
            frames.append(_upright(frame, aspect))
            times.append(round(1000 * last))
            due = (math.floor(last * rate + 1e-2) + 1) / rate
    if not frames:
        raise Refusal("damaged")
    same = [one for one in frames if one.shape == frames[0].shape]
    if len(same) < len(frames):  # the size changes within the film
        raise Refusal("several_sizes")
    return frames, times, round(1000 * (last + step))


def _decoded(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """Every frame that can be decoded: a film whose end is missing is shown as far as it goes."""
    import av

    seen = False
    try:
        for frame in container.decode(stream):
            seen = True
            yield frame
    except av.error.InvalidDataError:
        if not seen:
            raise


def _upright(frame: av.VideoFrame, aspect: float) -> np.ndarray:
    """A frame as (H, W, 3) uint8, upright, at most KEPT_SIDE long, a GIF's transparency on white. `aspect` is how many
    times as wide as high its pixels are."""
    import numpy as np

    wide = frame.width * aspect
    scale = min(1.0, KEPT_SIDE / max(wide, frame.height))
    width, height = max(1, round(wide * scale)), max(1, round(frame.height * scale))
    if frame.format.name in ("bgra", "rgba", "pal8", "yuva420p"):
        rgba = frame.reformat(width, height, "rgba", interpolation="AREA").to_ndarray().astype(np.float32)
        alpha = rgba[..., 3:] / 255
        pixels = np.round(rgba[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    else:
        pixels = frame.reformat(width, height, "rgb24", interpolation="AREA").to_ndarray()
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns))


def _check_size(width: int, height: int) -> None:
    if min(width, height) < 1:
        raise Refusal("damaged")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise Refusal("too_many_pixels", width=width, height=height)


def _check_length(seconds: float) -> None:
    if seconds > MAX_S + SLACK_S:
        raise Refusal("too_long", seconds=math.ceil(seconds), limit=MAX_S)


def _serve(seconds: int, rate: int) -> None:
    """The child: a file's bytes on stdin; on stdout a line of JSON, then the RGB pixels frame by frame."""
    child.limit_this_process(seconds, MAX_CHILD_BYTES)
    try:
        frames, times, duration = _film(sys.stdin.buffer.read(), rate)
    except Refusal as refusal:
        child.refuse(refusal)
        return
    height, width = frames[0].shape[:2]
    header = {"height": height, "width": width, "times_ms": times, "duration_ms": duration}
    child.answer(header, b"".join(frame.tobytes() for frame in frames))


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))
