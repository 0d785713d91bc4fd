"""The browser's side of the views: static templates, styles and scripts, read as package data."""

from __future__ import annotations

from importlib.resources import files


def web_text(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
