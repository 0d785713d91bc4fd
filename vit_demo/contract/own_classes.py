"""Classes of one's own: what a visitor collects, as a file that can be taken away and brought back, and the answer."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

import numpy as np

from vit_demo.contract.core import DemoError, RunInfo

MAX_CLASSES = 10
MAX_EXAMPLES = 120
MAX_WIDTH = 8192
MAX_NAME = 60
MAX_FILE_BYTES = 8_000_000  # the largest permitted collection needs 5.5 MB
THUMB_PX = 64
FORMAT = 1
NPY_HEADER_BYTES = 10_000  # far more than the header of a plain array takes


@dataclass(frozen=True)
class PictureVectors:
    """One unit vector per picture, (n, D) float32, of one model: only vectors of equal `model_id`, `revision` and
    `layer` can be compared. `centred` says that comparing takes their mean off first."""

    vectors: np.ndarray
    model_id: str
    revision: str
    layer: int
    centred: bool

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.model_id, self.revision, self.layer


@dataclass(frozen=True)
class OwnClasses:
    """What a visitor has collected: `names` of the classes, and for each example its class `labels` (n,) int64,
    `thumbnails` (n, THUMB_PX, THUMB_PX, 3) uint8 and vector. The pictures themselves are not in it."""

    names: tuple[str, ...]
    labels: np.ndarray
    thumbnails: np.ndarray
    vectors: PictureVectors

    def to_bytes(self) -> bytes:
        """An NPZ file without pickled objects; `from_bytes` reads it back."""
        held = io.BytesIO()
        np.savez_compressed(
            held,
            format=np.array(FORMAT),
            names=np.array(self.names, dtype=f"<U{MAX_NAME}"),
            labels=self.labels.astype("<i8"),
            thumbnails=self.thumbnails,
            vectors=self.vectors.vectors.astype("<f4"),
            model_id=np.array(self.vectors.model_id),
            revision=np.array(self.vectors.revision),
            layer=np.array(self.vectors.layer),
            centred=np.array(self.vectors.centred),
        )
        return held.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> OwnClasses:
        """What `to_bytes` wrote. The file is a stranger's: sizes are checked before anything is unpacked, kinds and
        shapes before anything is used, and nothing in it is run. Raises DemoError."""
        if len(data) > MAX_FILE_BYTES:
            raise DemoError("own_classes.file_too_large", limit=MAX_FILE_BYTES // 1_000_000)
        try:
            return _checked(_arrays(data))
        except DemoError:
            raise
        except Exception:  # broken archives make zipfile, zlib and numpy raise nearly anything
            raise DemoError("own_classes.file_damaged") from None


# Entry of the file → kinds of numpy's dtype, number of axes, most bytes.
_ENTRIES = {
    "format": ("iu", 0, 8),
    "names": ("U", 1, MAX_CLASSES * MAX_NAME * 4),
    "labels": ("iu", 1, MAX_EXAMPLES * 8),
    "thumbnails": ("u", 4, MAX_EXAMPLES * THUMB_PX**2 * 3),
    "vectors": ("f", 2, MAX_EXAMPLES * MAX_WIDTH * 4),
    "model_id": ("U", 0, 400 * 4),
    "revision": ("U", 0, 100 * 4),
    "layer": ("iu", 0, 8),
    "centred": ("b", 0, 1),
}


def _arrays(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of the archive, each of the kind, axes and size that it may have."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sorted(archive.namelist()) != sorted(f"{name}.npy" for name in _ENTRIES):
            raise DemoError("own_classes.file_damaged")
        if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in archive.infolist()):
            raise DemoError("own_classes.file_damaged")  # LZMA takes whatever memory its header asks for
        return {name: _array(archive, name) for name in _ENTRIES}


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One entry, read by hand: np.load would take memory for whatever size the header claims."""
    kinds, axes, most = _ENTRIES[name]
    with archive.open(f"{name}.npy") as entry:
        unpacked = entry.read(most + NPY_HEADER_BYTES + 1)  # never more, whatever the archive says of itself
    if len(unpacked) > most + NPY_HEADER_BYTES:
        raise DemoError("own_classes.file_damaged")
    stream = io.BytesIO(unpacked)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise DemoError("own_classes.file_damaged")
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=NPY_HEADER_BYTES)
    body = unpacked[stream.tell() :]
    plain = dtype.kind in kinds and not dtype.hasobject and len(shape) == axes and not by_columns
    count = 1
    for side in shape:
        count *= side
    if not plain or count * dtype.itemsize != len(body) or len(body) > most:
        raise DemoError("own_classes.file_damaged")
    return np.frombuffer(body, dtype).reshape(shape)


def _checked(arrays: dict[str, np.ndarray]) -> OwnClasses:
    """The arrays as OwnClasses, if they fit together."""
    names, labels, vectors = arrays["names"], arrays["labels"].astype(np.int64), arrays["vectors"].astype(np.float32)
    thumbnails, count = arrays["thumbnails"], len(labels)
    titles = tuple(class_name(name) for name in names.tolist())
    layer = int(arrays["layer"])
    fits = (
        int(arrays["format"]) == FORMAT
        and 1 <= len(names) <= MAX_CLASSES
        and all(titles)
        and len(set(titles)) == len(titles)
        and 1 <= count <= MAX_EXAMPLES
        and vectors.shape[0] == count
        and 1 <= vectors.shape[1] <= MAX_WIDTH
        and thumbnails.shape == (count, THUMB_PX, THUMB_PX, 3)
        and thumbnails.dtype == np.uint8
        and bool(((labels >= 0) & (labels < len(names))).all())
        and bool(np.isfinite(vectors).all())
        and bool((np.abs(np.linalg.norm(vectors.astype(np.float64), axis=1) - 1) < 1e-3).all())
        and 0 <= layer < 1000
    )
    if not fits:
        raise DemoError("own_classes.file_damaged")
    origin = str(arrays["model_id"]), str(arrays["revision"]), layer
    return OwnClasses(titles, labels, thumbnails, PictureVectors(vectors, *origin, bool(arrays["centred"])))


def class_name(text: object) -> str:
    """What a visitor calls a class, on one line and of bounded length; "" for what is no name."""
    return " ".join(str(text or "").split())[:MAX_NAME].strip() if isinstance(text, str) else ""


@dataclass(frozen=True)
class OwnPrediction:
    """What a picture is by the visitor's own classes: `votes` (classes,) shares of DINO's weighted k-NN and `probe`
    (classes,) probabilities of a logistic regression, in the order of the names; each sums to 1.

    `nearest` (m,) are the closest examples by number, best first, and `cosines` (m,) how close: the votes' reasons.
    `knn_right` and `probe_right` are leave-one-out accuracies 0…1 among the examples.
    """

    names: tuple[str, ...]
    votes: np.ndarray
    probe: np.ndarray
    nearest: np.ndarray
    cosines: np.ndarray
    neighbours: int
    knn_right: float
    probe_right: float
    picture: np.ndarray
    info: RunInfo
