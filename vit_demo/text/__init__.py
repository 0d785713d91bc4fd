"""Every word a person reads, by topic and language.

A topic is a module of the same name in `en/` and `zh/` holding one dictionary `WORDS`; a phrase is addressed as
"topic.name". A test holds the two languages to equal keys and equal placeholders.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from pathlib import Path

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


@cache
def _class_names(language: str) -> dict[str, str]:
    """The names of ImageNet-1k's classes in that language, by the English names that checkpoints give them: all of a
    class's words in WordNet, and the first one alone where no other class begins with it. A name of two classes
    ("crane") has both meanings."""
    path = Path(__file__).parent / language / "imagenet.tsv"
    if not path.is_file():
        return {}
    whole: dict[str, list[str]] = {}
    first: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        _, _, words, name = line.split("\t")
        whole.setdefault(words, []).append(name)
        first.setdefault(words.split(",")[0], []).append(name)
    alone = {words: names for words, names in first.items() if len(names) == 1}
    return {words: " / ".join(names) for words, names in {**alone, **whole}.items()}


def class_name(name: str, language: str) -> str:
    """A class of ImageNet-1k in that language, by the name that its checkpoint gives it; any other name as it is."""
    return _class_names(language).get(name, name)


def say(key: str, language: str = "en", /, **values) -> str:
    """The phrase `key` with its placeholders filled. Raises KeyError where there is no such phrase."""
    phrase = phrases(language)[key]
    return phrase.format(**values) if values else phrase
