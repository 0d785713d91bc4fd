"""Files that the browser fetches, in Gradio's cache."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from gradio.processing_utils import hash_bytes


def cached_file(content: bytes, name: str, cache: str | Path) -> Path:
    """The file of that content in a cache folder. One that is there is left alone but for its age, and a new one is
    whole as soon as it is there: another visitor's browser may be reading it. (gradio's save_bytes_to_cache writes it
    anew each time.)"""
    path = Path(cache).resolve() / hash_bytes(content) / Path(name).name
    if path.exists():
        os.utime(path)  # delete_cache goes by age
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as staged:
        staged.write(content)
    os.chmod(staged.name, 0o644)
    os.replace(staged.name, path)
    return path
