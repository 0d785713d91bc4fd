"""Every word a person reads, by topic and language.

A topic is a module of the same name in `en/` and `zh/` holding one dictionary `WORDS`; a phrase is addressed as
"topic.name". A test holds the two languages to equal keys and equal placeholders.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

LANGUAGES = ("en", "zh")


@cache
def phrases(language: str) -> dict[str, str]:
    """All phrases of one language, keyed "topic.name"."""
    if language not in LANGUAGES:
        raise ValueError(f"no words in {language!r}; there are {', '.join(LANGUAGES)}")
    package = importlib.import_module(f"{__name__}.{language}")
    found = {}
    for module in pkgutil.iter_modules(package.__path__):
        words = importlib.import_module(f"{package.__name__}.{module.name}").WORDS
        found.update({f"{module.name}.{name}": phrase for name, phrase in words.items()})
    return found


def say(key: str, language: str = "en", /, **values) -> str:
    """The phrase `key` with its placeholders filled. Raises KeyError where there is no such phrase."""
    phrase = phrases(language)[key]
    return phrase.format(**values) if values else phrase
