"""Fetching a repository of the Hub.

huggingface_hub transfers; added here, as it leaves them open: nothing asked for what is on disk, limits before a
download, checksums after it, one more try after a reset, and an answer within seconds where the Hub does not give one.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vit_demo.checkpoints import hub_cache, reach
from vit_demo.checkpoints.hub_cache import CONFIG, PREPROCESSOR, Snapshot
from vit_demo.contract import ModelError

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

MAX_DOWNLOAD_BYTES = 6_000_000_000  # ViT-g/14 has 4.5 GB in float32; only DINOv3 7B is larger
SPARE_BYTES = 200_000_000  # left free on the disk, for everything else that runs there
INFO_TIMEOUT_S = 10.0
RETRY_PAUSE_S = 1.0
READ_BYTES = 1 << 20

Progress = Callable[[int, int], None]


@dataclass
class Tally:
    """Bytes fetched, over all files of a download, reported to `report` such that the number never falls."""

    total: int
    report: Progress | None
    done: int = 0  # in files that are finished
    now: int = 0  # in the file under way
    reported: int = -1
    stopped: BaseException | None = None  # what `report` raised: the caller wants no more
    _lock: threading.Lock = field(default_factory=threading.Lock)  # hf_xet reports from a thread of its own

    def move(self, count: int) -> None:
        self.now += count
        self._tell()

    def finish(self, size: int) -> None:
        self.done, self.now = self.done + size, 0
        self._tell()

    def _tell(self) -> None:
        with self._lock:
            reached = min(self.done + max(self.now, 0), self.total)
            if self.report is not None and self.total and reached > self.reported:
                self.reported = reached
                try:
                    self.report(reached, self.total)
                except BaseException as error:
                    self.stopped = error
                    raise

    def bar(self) -> type:
        """A stand-in for a tqdm class, as far as huggingface_hub uses one; each file makes its own."""
        tally = self

        class Bar:
            def __init__(self, *_, total=None, initial=0, **__):
                self.total, tally.now = total, initial

            def __enter__(self):
                return self

            def __exit__(self, *_):
                pass

            def update(self, count=1):
                tally.move(int(count or 0))

            # hf_xet tells received and written bytes apart; a class with these is given both, and we count the written
            def update_transfer(self, count=1): ...

            def set_postfix_str(self, *_, **__): ...

            def set_transfer_postfix_str(self, *_, **__): ...

            def refresh(self, *_, **__): ...

            def close(self): ...

        return Bar


@dataclass(frozen=True)
class Order:
    """One repository at one commit, and what the Hub says of its files."""

    repo: str
    commit: str
    listing: Mapping[str, RepoSibling]  # by file name
    token: str | None

    @property
    def folder(self) -> Path:
        return hub_cache.home_of(self.repo) / "snapshots" / self.commit

    def size(self, file: str) -> int:
        return self.listing[file].size or 0


def fetch(repo: str, revision: str, *, progress: Progress | None, token: str | None, offline: bool | None) -> Snapshot:
    """The repository at that revision, on disk: from the cache without a request where it is there, else downloaded.

    Raises ModelError, within a few seconds where the Hub does not answer. What `progress` raises ends the download.
    """
    try:
        from huggingface_hub import constants
    except ImportError as error:
        raise ModelError("models.no_hub_library", name=repo) from error
    found = hub_cache.cached(repo, revision)
    offline = constants.HF_HUB_OFFLINE if offline is None else offline
    if found and (found.complete or offline):
        return found
    try:
        if offline:
            raise ModelError("models.offline", name=repo)
        if trouble := _obstacle(repo):
            raise trouble
        # A usable snapshot is completed at its own commit, not replaced by a newer one
        return _download(_order(repo, found.commit if found else revision, token), revision, progress)
    except ModelError:
        if found:
            return found
        raise


def _obstacle(repo: str) -> ModelError | None:
    """What stands between us and the Hub; a pause that it asks for is waited once."""
    trouble = reach.obstacle(repo)
    pause_s = reach.pause_asked_for(trouble)
    if pause_s is None:
        return trouble
    time.sleep(pause_s)
    return reach.obstacle(repo)


def _order(repo: str, revision: str, token: str | None) -> Order:
    """Asks once which commit the revision is and which files it has."""
    from huggingface_hub import HfApi

    token = token.strip() if token else None  # a line end copied along
    if token and not all("!" <= letter <= "~" for letter in token):
        raise ModelError("models.token_refused", name=repo)  # the transport would write it into its log

    def ask():
        return HfApi(token=token).model_info(repo, revision=revision, files_metadata=True, timeout=INFO_TIMEOUT_S)

    try:
        try:
            info = reach.within(INFO_TIMEOUT_S, ask)
        except Exception as error:
            pause_s = reach.pause_asked_for(error)
            if pause_s is None:
                raise
            time.sleep(pause_s)
            info = reach.within(INFO_TIMEOUT_S, ask)
        commit = info.sha
        if commit is None or not hub_cache.COMMIT.fullmatch(commit):
            raise ValueError("no commit hash")
    except Exception as error:
        raise reach.explained(error, repo, revision) from reach.cause(error)
    return Order(repo, commit, {file.rfilename: file for file in info.siblings or ()}, token)


def _download(order: Order, revision: str, progress: Progress | None) -> Snapshot:
    """All files that are needed, checked; then the record by which the next call finds them."""
    if hub_cache.is_adapter(order.listing):
        raise ModelError("checkpoint.adapter", name=order.repo)
    entries = hub_cache.entry_points(order.listing)
    if len(entries) != 1:
        key = "models.several_weights" if entries else "models.no_weights"
        raise ModelError(key, name=order.repo, files=", ".join(entries[:5]))
    hub_cache.sweep(order.repo)
    wanted = [file for file in (CONFIG, PREPROCESSOR, entries[0]) if file in order.listing]
    if hub_cache.is_index(entries[0]):
        _get(order, entries[0], Tally(_room_for(order, entries), None))
        parts = hub_cache.shards(order.folder / entries[0], order.repo)
        if missing := [part for part in parts if part not in order.listing]:
            raise ModelError("models.missing_shards", name=order.repo, count=len(missing), file=missing[0])
        wanted += parts
    absent = [file for file in wanted if not (order.folder / file).is_file()]
    tally = Tally(_room_for(order, absent), progress)
    for file in wanted:
        _get(order, file, tally)
        tally.finish(order.size(file) if file in absent else 0)
    hub_cache.record(order.repo, revision, order.commit, order.listing)
    return Snapshot(order.folder, order.commit, True)


def _room_for(order: Order, files: Collection[str]) -> int:
    """Bytes of these files. Raises ModelError where that is over the limit or more than the disk can take."""
    need = sum(order.size(file) for file in files)
    if need > MAX_DOWNLOAD_BYTES:
        size_gb, limit_gb = f"{need / 1e9:.1f}", f"{MAX_DOWNLOAD_BYTES / 1e9:.1f}"
        raise ModelError("models.too_large", name=order.repo, size_gb=size_gb, limit_gb=limit_gb)
    existing = next(folder for folder in (order.folder, *order.folder.parents) if folder.is_dir())
    if need and shutil.disk_usage(existing).free < need + SPARE_BYTES:
        raise ModelError("models.disk_full", name=order.repo, need_mb=reach.megabytes(need + SPARE_BYTES))
    return need


def _get(order: Order, file: str, tally: Tally) -> None:
    """One file, as the Hub has it: a damaged one is removed and fetched once more. Raises ModelError."""
    for again in (False, True):
        path = _transfer(order, file, tally, again)
        if _sound(path, order.listing[file]):
            return
        hub_cache.discard(path)
    raise ModelError("models.damaged_download", name=order.repo, file=file)


def _transfer(order: Order, file: str, tally: Tally, anew: bool) -> Path:
    """One file through huggingface_hub, tried once more where the connection broke off. `anew` passes by every copy,
    also the one that huggingface_hub shares between repositories."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    address = hf_hub_url(order.repo, file, revision=order.commit)

    def ask():
        get_hf_file_metadata(address, token=order.token, timeout=INFO_TIMEOUT_S)

    for last in (False, True):
        try:
            if not (order.folder / file).is_file():
                reach.within(INFO_TIMEOUT_S, ask)  # hf_hub_download's own question is repeated for minutes
            path = hf_hub_download(
                order.repo,
                file,
                revision=order.commit,
                token=order.token,
                force_download=anew,
                tqdm_class=tally.bar(),
            )
        except Exception as error:
            if tally.stopped:
                raise tally.stopped from None
            if last or not reach.dropped(error):
                need = order.size(file) + SPARE_BYTES
                raise reach.explained(error, order.repo, order.commit, need, started=True) from reach.cause(error)
            time.sleep(reach.pause_asked_for(error) or RETRY_PAUSE_S)
        else:
            if tally.stopped:  # raised in a thread of hf_xet, where nobody heard it
                raise tally.stopped
            return Path(path)
    raise AssertionError("unreachable")


def _sound(path: Path, listed: RepoSibling) -> bool:
    """Whether the bytes are those that the Hub lists: the sha256 of large files, git's own hash of small ones.

    Over plain HTTP huggingface_hub compares the size only.
    """
    if listed.lfs:
        digest, expected = hashlib.sha256(), listed.lfs.sha256
    elif listed.blob_id:
        digest, expected = hashlib.sha1(f"blob {path.stat().st_size}\0".encode()), listed.blob_id
    else:
        return True
    with path.open("rb") as stream:
        while chunk := stream.read(READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest() == expected
