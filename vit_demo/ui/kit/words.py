"""Words that go to the browser with a view."""

from __future__ import annotations

from functools import cache

from vit_demo.text import phrases, say


@cache
def view_words(topic: str, language: str) -> dict[str, str]:
    """Every phrase of a topic, by its name: the view chooses."""
    return {key.partition(".")[2]: text for key, text in phrases(language).items() if key.startswith(f"{topic}.")}


def token_title(name: str, language: str) -> str:
    """A prefix token's name in words."""
    if name.startswith("reg"):
        return say("attention.token_reg", language, number=name.removeprefix("reg"))
    return say(f"attention.token_{name}", language)
