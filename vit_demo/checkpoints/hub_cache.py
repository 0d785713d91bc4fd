"""What of the Hub is on disk, and which files of a folder in Hub layout matter. No request is made here.

The cache is huggingface_hub's own and its layout is documented: blobs/ by content, snapshots/<commit>/ with links to
them, refs/<branch> with a commit hash, .no_exist/<commit>/ with empty files for what a repository does not have.
"""

from __future__ import annotations

import json
import os
import re
import time
import uuid
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vit_demo.contract import ModelError

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
USUAL_WEIGHTS = (  # in this order
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
# The page of a model, of one of its revisions, or of a file in it
ADDRESS = re.compile(
    r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/([^/?#]+/[^/?#]+?)/?(?:/(?:tree|blob|resolve)/([^/?#]+).*)?(?:[?#].*)?$"
)
REPO = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)
REVISION = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})*", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")
SHARD = re.compile(r"[\w.-]+\.(safetensors|bin)", re.ASCII)
PART = re.compile(r"-\d+-of-\d+\.")  # one of several files of a sharded set: nothing without the others
TORCH_WEIGHTS = (".pth", ".pt", ".bin")
# What a Trainer of transformers or accelerate leaves beside the weights
TRAINER_STATE = re.compile(r"training_args\.bin|(optimizer|scheduler|scaler|rng_state|random_states)(_\w+)?\.\w+")
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", ("adapter_model.safetensors", "adapter_model.bin")
STALE_S = 24 * 3600.0  # a partial file this old belongs to a process that was killed


@dataclass(frozen=True)
class Snapshot:
    """A repository at one commit on disk: `folder` in Hub layout. `complete` is False where it is usable, but a
    preprocessor_config.json may exist on the Hub that another program did not fetch."""

    folder: Path
    commit: str
    complete: bool


def tidied(name: str) -> str:
    """A model's name as people paste it: without blanks around it, and the address of its page on the Hub as
    owner/name[@revision]."""
    name = name.strip() if isinstance(name, str) else name
    found = ADDRESS.match(name) if isinstance(name, str) else None
    if found is None:
        return name
    repo, revision = found.groups()
    return f"{repo}@{revision}" if revision and revision != "main" else repo


def parse_name(name: str) -> tuple[str, str] | None:
    """Repository and revision ("main" where none is given) of `owner/name[@revision]`, None where it is not one."""
    repo, at, revision = name.partition("@")
    revision = revision if at else "main"
    if not REPO.fullmatch(repo) or not REVISION.fullmatch(revision) or len(revision) > 128:
        return None
    # What the Hub itself refuses; "--" would also be ambiguous as a folder of the cache
    if ".." in name or "--" in repo or repo.endswith((".git", "-", ".")) or "/." in revision:
        return None
    return repo, revision


def entry_points(names: Collection[str]) -> tuple[str, ...]:
    """Where to read the weights of a folder in Hub layout: one file (weights, or the index of a sharded set); () where
    it holds none, several where it is not clear which is meant."""
    for usual in USUAL_WEIGHTS:
        if usual in names:
            return (usual,)
    here = sorted(n for n in names if "/" not in n and not PART.search(n))
    safe = tuple(n for n in here if n.endswith(".safetensors"))
    return safe or tuple(n for n in here if n.endswith(TORCH_WEIGHTS) and not TRAINER_STATE.fullmatch(n))


def is_adapter(names: Collection[str]) -> bool:
    """Whether a folder in Hub layout holds what peft adds to a model; transformers then opens another, its base."""
    return any(name in names for name in (ADAPTER_CONFIG, *ADAPTER_WEIGHTS))


def is_index(entry: str) -> bool:
    return entry.endswith(".index.json")


def shards(index: Path, name: str) -> tuple[str, ...]:
    """The files of a sharded set, in order. Raises ModelError where the index is damaged or points elsewhere."""
    try:
        files = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
        if files and all(SHARD.fullmatch(file) for file in files):
            return tuple(files)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):  # the last: nested without end
        pass
    raise ModelError("models.bad_json", name=name, file=index.name)


def on_disk(name: str) -> str | None:
    """The commit at which a model of the Hub is in the cache with all that is needed to load it, or None. No request,
    well under a millisecond each."""
    parsed = parse_name(name)
    try:
        found = cached(*parsed) if parsed else None
    except (ImportError, OSError):  # no huggingface_hub; a cache that must not be read
        return None
    return found.commit if found else None


def cached(repo: str, revision: str) -> Snapshot | None:
    """The snapshot of that commit, or of the commit that refs/ recorded for that branch, where it can be used."""
    home = home_of(repo)
    commit = revision
    if not COMMIT.fullmatch(revision):
        try:
            commit = (home / "refs" / revision).read_text("utf-8").strip()
        except (OSError, ValueError):
            return None
    folder = home / "snapshots" / commit
    if not COMMIT.fullmatch(commit):
        return None
    try:
        names = {entry.name for entry in os.scandir(folder) if entry.is_file()}  # False for a link to a missing blob
    except OSError:
        return None
    entries = entry_points(names)
    if len(entries) != 1:
        return None
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8")) if CONFIG in names else {}
        if is_index(entries[0]) and not names.issuperset(shards(folder / entries[0], repo)):
            return None
    except (ValueError, RecursionError, ModelError):
        return None
    if CONFIG not in names and not _known_absent(home, commit, CONFIG):
        return None
    timm = isinstance(config, dict) and "architecture" in config  # timm keeps the preprocessing in config.json
    complete = timm or PREPROCESSOR in names or _known_absent(home, commit, PREPROCESSOR)
    return Snapshot(folder, commit, complete)


def home_of(repo: str) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser() / f"models--{repo.replace('/', '--')}"


def _known_absent(home: Path, commit: str, file: str) -> bool:
    """Whether the cache remembers that the repository has no such file at that commit: huggingface_hub's own mark."""
    return (home / ".no_exist" / commit / file).is_file()


def record(repo: str, revision: str, commit: str, listing: Collection[str]) -> None:
    """Notes what a later call needs to make no request: which commit the branch is, and which files there are not.

    Best effort: where it cannot be written, the next call asks again.
    """
    home = home_of(repo)
    with suppress(OSError):
        for file in (CONFIG, PREPROCESSOR):
            if file not in listing:
                mark = home / ".no_exist" / commit / file
                mark.parent.mkdir(parents=True, exist_ok=True)
                mark.touch()
        if revision != commit:
            ref = home / "refs" / revision
            ref.parent.mkdir(parents=True, exist_ok=True)
            draft = ref.with_name(f"{ref.name}.{uuid.uuid4().hex[:8]}.tmp")
            draft.write_text(commit, "utf-8")
            os.replace(draft, ref)  # another process never reads half a hash


def sweep(repo: str) -> None:
    """Removes partial files that a killed process left behind: huggingface_hub 2.x neither takes them up nor away."""
    for partial in (home_of(repo) / "blobs").glob("*.incomplete"):
        with suppress(OSError):
            if time.time() - partial.stat().st_mtime > STALE_S:
                partial.unlink()


def discard(file: Path) -> None:
    """Removes a file of a snapshot and the blob it links to; a store shared between repositories is left alone."""
    blob = file.parent / os.readlink(file) if file.is_symlink() else None
    file.unlink(missing_ok=True)
    if blob is not None:
        blob.unlink(missing_ok=True)
