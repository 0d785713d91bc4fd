"""From a model's name to its files: a repository of the Hub, a folder in Hub layout, or one file."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vit_demo.checkpoints import hub
from vit_demo.checkpoints.hub_cache import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    CONFIG,
    PREPROCESSOR,
    entry_points,
    is_adapter,
    is_index,
    parse_name,
    shards,
)
from vit_demo.contract import ModelError

KINDS = (".safetensors", ".pth", ".pt", ".bin", ".npz")
ALONE = (".npz",)  # Google's files; beside the others may stand the config.json that belongs to them
MAX_JSON_BYTES = 20_000_000
SHOWN_LETTERS = 100


@dataclass(frozen=True)
class Source:
    """Where a model's weights and settings lie on disk.

    `weights`: one file, or all of a sharded set in order. `revision`: the commit hash, "" for what is local.
    `config`, `preprocessor`: config.json and preprocessor_config.json as read, None where there is none.
    """

    name: str
    kind: Literal["hub", "folder", "file"]
    weights: tuple[Path, ...]
    config: dict | None
    revision: str
    preprocessor: dict | None


def find(
    name: str, *, progress: hub.Progress | None = None, token: str | None = None, offline: bool | None = None
) -> Source:
    """The files of a model: what is on disk already without a request, else downloaded from the Hub and checked.

    `name` is a Hub id `owner/name[@revision]`, a folder in Hub layout, or a file (.safetensors .pth .pt .bin .npz); a
    folder or file of that name goes first. `progress(done_bytes, total_bytes)` is called while a download runs, maybe
    from another thread; what it raises ends the download. `token` goes to the Hub only (None: HF_TOKEN, or the one
    stored by `hf auth login`). `offline` True asks nobody, None means as HF_HUB_OFFLINE says.

    A path opens any folder of this computer: whoever lets strangers choose the name offers them a list (Explainer).
    Raises ModelError: what happened, and what to do.
    """
    path = Path(os.path.expanduser(name))
    if not name.strip():  # as a path it would be the working folder
        raise ModelError("models.bad_name", name="“”")
    if os.path.isdir(path):
        return _in_folder(path, name, "folder")
    if os.path.isfile(path):
        return _in_file(path, name)
    parsed = parse_name(name)
    if parsed is None or path.suffix.lower() in KINDS:
        if path.suffix.lower() in KINDS or name.startswith((".", "/", "~")) or "\\" in name:
            raise ModelError("models.no_such_file", name=_short(path.name or name))
        raise ModelError("models.bad_name", name=_short(name))
    snapshot = hub.fetch(*parsed, progress=progress, token=token, offline=offline)
    return _in_folder(snapshot.folder, parsed[0], "hub", snapshot.commit)


def _in_folder(folder: Path, name: str, kind: Literal["hub", "folder"], revision: str = "") -> Source:
    """The model in a folder in Hub layout; a snapshot of the Hub's cache is one, too."""
    called = name if kind == "hub" else folder.resolve().name  # a message shows no more of a path than its end
    try:
        names = {entry.name for entry in os.scandir(folder) if entry.is_file()}
    except OSError as error:
        raise ModelError("models.not_readable", name=called) from error
    if is_adapter(names):
        raise _adapter(folder, called)
    entries = entry_points(names)
    if len(entries) != 1:
        key = "models.several_weights" if entries else "models.no_weights"
        raise ModelError(key, name=called, files=", ".join(entries[:5]))
    files = shards(folder / entries[0], called) if is_index(entries[0]) else entries
    if missing := [file for file in files if file not in names]:
        raise ModelError("models.missing_shards", name=called, count=len(missing), file=missing[0])
    config, preprocessor = (_read_json(folder / file, called) for file in (CONFIG, PREPROCESSOR))
    return Source(name, kind, tuple(folder / file for file in files), config, revision, preprocessor)


def _in_file(file: Path, name: str) -> Source:
    """One weights file, with the settings beside it where there are some."""
    if file.suffix.lower() not in KINDS:
        raise ModelError("models.unknown_file", name=_short(file.name), kinds=" ".join(KINDS))
    if file.name in ADAPTER_WEIGHTS:
        raise _adapter(file.parent, file.name)
    config = preprocessor = None
    if file.suffix.lower() not in ALONE:
        config, preprocessor = (_read_json(file.with_name(beside), file.name) for beside in (CONFIG, PREPROCESSOR))
    return Source(name, "file", (file,), config, "", preprocessor)


def _adapter(folder: Path, name: str) -> ModelError:
    """What to say of a folder that peft has written: which model the adapter is for, as far as it says so."""
    base = (_read_json(folder / ADAPTER_CONFIG, name) or {}).get("base_model_name_or_path")
    if not base:
        return ModelError("checkpoint.adapter", name=name)
    return ModelError("models.adapter", name=name, base=_short(str(base)))


def _read_json(file: Path, name: str) -> dict | None:
    """A settings file, None where there is none. Raises ModelError where it is not a JSON object."""
    if not file.is_file():
        return None
    try:
        if file.stat().st_size <= MAX_JSON_BYTES:
            settings = json.loads(file.read_text("utf-8"))
            if isinstance(settings, dict):
                return settings
    except (OSError, ValueError, RecursionError):
        pass
    raise ModelError("models.bad_json", name=name, file=file.name)


def _short(name: str) -> str:
    return name if len(name) <= SHOWN_LETTERS else name[: SHOWN_LETTERS - 1] + "…"
