"""Changes sound pictures at random and decodes what comes of it: `python tests/fuzz_pictures.py --minutes 10`.

Not a test that pytest runs: it takes as long as one likes. Each process decodes in itself (`decode_picture`), so that
a crash of a decoder ends it; what it was given is kept. Anything but a picture or a PictureError is a finding, and so
is a file that takes longer than SLOW_S.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from vit_demo.contract import PictureError
from vit_demo.decode import MAX_CHILD_BYTES, decode_picture

EXAMPLES = Path(__file__).parents[1] / "examples"
SLOW_S = 10.0  # as long as the child has
KINDS = {
    "JPEG": [{"quality": 80}, {"quality": 60, "progressive": True}],
    "PNG": [{}, {"interlace": 1}],
    "WEBP": [{"quality": 60}, {"lossless": True}],
    "GIF": [{}],
    "BMP": [{}],
    "TIFF": [{}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}],
}


def seeds() -> list[bytes]:
    """Small sound files of every kind that is read, in several modes."""
    found = []
    for path in sorted(EXAMPLES.glob("*.jpg"))[:3]:
        with Image.open(path) as opened:
            picture = opened.convert("RGB").resize((96, 64))
        for kind, options in KINDS.items():
            for one in options:
                # Pillow 12's own writer of TIFFs with JPEG inside crashes on palettes
                modes = ("RGB", "L") if "jpeg" in one.values() else ("RGB", "L", "P", "RGBA", "CMYK")
                for mode in modes:
                    file = io.BytesIO()
                    try:
                        picture.convert(mode).save(file, kind, **one)
                    except (OSError, ValueError, KeyError):
                        continue  # this kind has no such mode
                    found.append(file.getvalue())
    return found


def changed(draw: np.random.Generator, data: bytes, other: bytes) -> bytes:
    """A file with some bytes set, bits turned, pieces cut out, doubled, or taken from another file."""
    made = bytearray(data)
    for _ in range(int(draw.integers(1, 8))):
        place = int(draw.integers(len(made) or 1))
        if draw.random() < 0.5:
            place = min(place, 200)  # headers are worth more
        size = int(draw.integers(1, 64))
        match int(draw.integers(6)):
            case 0:
                made[place : place + 1] = bytes([draw.integers(256)])
            case 1:
                made[place : place + 1] = bytes(
                    [(made[place] if place < len(made) else 0) ^ (1 << int(draw.integers(8)))]
                )
            case 2:
                del made[place : place + size]
            case 3:
                made[place:place] = made[place : place + size]
            case 4:
                made[place : place + size] = other[place : place + size]
            case 5:
                made[place : place + 4] = draw.choice(
                    [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\x40\0"]
                )
    return bytes(made)


def fuzz(seed: int, until: float, count, folder: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2 * MAX_CHILD_BYTES, 2 * MAX_CHILD_BYTES))
    draw, corpus = np.random.default_rng(seed), seeds()
    while time.time() < until:
        one, other = (corpus[int(draw.integers(len(corpus)))] for _ in range(2))
        data = changed(draw, one, other)
        current = Path(folder) / f"{seed}.current"
        current.write_bytes(data)
        started = time.monotonic()
        try:
            decode_picture(data)
            result = "read"
        except PictureError as error:
            result = error.key
        except BaseException as error:
            result = f"finding: {type(error).__name__} {error}"[:100]
        if time.monotonic() - started > SLOW_S:
            result = "finding: slow"
        if result.startswith("finding"):
            (Path(folder) / f"{seed}-{count.get(result, 0)}-{result[9:30].replace(' ', '-')}").write_bytes(data)
        count[result] = count.get(result, 0) + 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="fuzz-")
    end, number, crashes = time.time() + 60 * options.minutes, 0, []
    with multiprocessing.Manager() as manager:
        counts, running = [], {}
        while time.time() < end:
            while len(running) < options.processes:
                number += 1
                counts.append(manager.dict())
                running[number] = multiprocessing.Process(target=fuzz, args=(number, end, counts[-1], folder))
                running[number].start()
            for seed, process in list(running.items()):
                process.join(0.5)
                if not process.is_alive():
                    del running[seed]
                    if process.exitcode:
                        crashes.append((process.exitcode, f"{folder}/{seed}.current"))
        for process in running.values():
            process.join(30)
        total: dict[str, int] = {}
        for count in counts:
            for result, times in count.items():
                total[result] = total.get(result, 0) + times
    for result, times in sorted(total.items(), key=lambda one: -one[1]):
        print(f"{times:8}  {result}")
    print(f"{sum(total.values())} files, {len(crashes)} crashes {crashes or ''}")
    return 1 if crashes or any(result.startswith("finding") for result in total) else 0


if __name__ == "__main__":
    raise SystemExit(main())
