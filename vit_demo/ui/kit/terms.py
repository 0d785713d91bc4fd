"""The terms of the glossary, marked in a text: a pointer, a finger or the keyboard on one shows what it means."""

from __future__ import annotations

import re
from functools import cache
from html import escape

from vit_demo.text import phrases, say


@cache
def term_names(language: str) -> tuple[str, ...]:
    """The names of all terms, in the order of the glossary."""
    prefix, suffix = "glossary.", "_means"
    return tuple(key[len(prefix) : -len(suffix)] for key in phrases(language) if _is_term(key, prefix, suffix))


def _is_term(key: str, prefix: str, suffix: str) -> bool:
    return key.startswith(prefix) and key.endswith(suffix)


@cache
def _finder(language: str) -> tuple[re.Pattern[str], dict[str, str]]:
    """What finds any form of any term, the longest first, and which term a form is of."""
    forms = {
        form.lower(): name
        for name in term_names(language)
        for form in say(f"glossary.{name}_forms", language).split("|")
        if form
    }
    longest = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    whole = longest if language == "zh" else rf"\b(?:{longest})\b"
    # Not inside a tag, an address or code of Markdown or HTML
    return re.compile(rf"<[^>]*>|`[^`]*`|\]\([^)]*\)|(?P<term>{whole})", re.IGNORECASE), forms


def mark_terms(text: str, language: str) -> str:
    """HTML or Markdown with the first occurrence of each term marked. Nothing is escaped here."""
    pattern, forms = _finder(language)
    seen: set[str] = set()

    def mark(found: re.Match[str]) -> str:
        form = found.group("term")
        name = forms.get(form.lower()) if form else None
        if name is None or name in seen:
            return found.group()
        seen.add(name)
        # The name is a class: Markdown's sanitiser takes data attributes away
        return f'<dfn class="vd-term term-{name}" tabindex="0" lang="{language}">{form}</dfn>'

    return pattern.sub(mark, text)


def with_terms(words: str, language: str) -> str:
    """A plain sentence as HTML, with the terms in it marked."""
    return mark_terms(escape(words), language)
