"""The words: two languages of one shape, no phrase missing, none left over."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest
from markdown_it import MarkdownIt

from vit_demo.contract import Availability
from vit_demo.text import LANGUAGES, phrases, say
from vit_demo.ui.kit.terms import term_names

ROOT = Path(__file__).resolve().parents[2]
FOOTNOTES = {"embeddings.help_stretch"}  # an asterisk that is meant marks the checkpoint's own convention
SAYING = ("say", "DemoError", "PictureError", "ModelError")
TOPICS = {key.partition(".")[0] for key in phrases("en")}


def placeholders(phrase: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(phrase) if name}


@cache
def source() -> dict[str, ast.Module]:
    """Every Python file of the app but the words themselves, by its path."""
    files = [ROOT / "app.py", *(ROOT / "vit_demo").rglob("*.py")]
    wanted = [path for path in files if "text" not in path.relative_to(ROOT).parts]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(wanted)}


def calls() -> list[tuple[str, ast.Call]]:
    """(place, call) of everything that names a phrase as its first argument."""
    found = []
    for path, tree in source().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and name_of(node.func) in SAYING and node.args:
                found.append((f"{path}:{node.lineno}", node))
    return found


def name_of(function: ast.expr) -> str:
    """ "say" for say(…) and state.say(…) alike."""
    return getattr(function, "id", getattr(function, "attr", ""))


def sent_to_the_browser() -> set[str]:
    """Names that the browser's scripts look up among the words of their tab."""
    used = set()
    for path in (ROOT / "vit_demo" / "ui").rglob("*"):
        if path.suffix in (".js", ".html"):
            text = path.read_text(encoding="utf-8")
            used |= set(re.findall(r"(?:words|said)\.(\w+)", text)) | set(
                re.findall(r'data-(?:word|label)="(\w+)"', text)
            )
            used |= set(re.findall(r'"(\w+_\w+)"', text))  # of a list of names, one of which is looked up
            used |= {f"{start}…" for start in re.findall(r'words\["(\w+_)" \+', text)}  # what goes on with a value
    return used


def literals(node: ast.expr) -> list[str]:
    """The strings that an expression may be, where they can be read off it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    return literals(node.body) + literals(node.orelse) if isinstance(node, ast.IfExp) else []


def pattern(node: ast.JoinedStr) -> str:
    """An f-string as a regular expression."""
    return "".join(re.escape(part.value) if isinstance(part, ast.Constant) else "(.+)" for part in node.values)


def strings() -> set[str]:
    """Every string constant of the source."""
    nodes = (node for tree in source().values() for node in ast.walk(tree))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def families() -> set[str]:
    """The f-strings of the source that could be a phrase's key, as regular expressions."""
    joined = [node for tree in source().values() for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    topics = "|".join(sorted(TOPICS))
    return {pattern(node) for node in joined if re.match(rf"({topics})\\\.|\(\.\+\)\\\.tab$", pattern(node))}


def test_languages_have_equal_keys():
    assert set(phrases("en")) == set(phrases("zh"))


@pytest.mark.parametrize("key", sorted(phrases("en")))
def test_a_phrase_has_equal_placeholders_in_every_language(key):
    assert len({frozenset(placeholders(phrases(language)[key])) for language in LANGUAGES}) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_phrase_is_empty_or_ends_in_space(language):
    assert [key for key, phrase in phrases(language).items() if not phrase or phrase != phrase.strip()] == []


def test_chinese_phrases_are_not_the_english_ones():
    names = {
        "attention.viridis",
        "attention.cividis",
        "predict.vote",
        "attention.prefix_share",
        "predict.rest",
        "depth.percent",
        "what_if.mlp",
        "compare.viridis",
        "compare.cividis",
        *(f"walk.scores_{name}" for name in ("raw", "scaled")),
        "walk.mlp_short",
        "walk.dino_short",
        "guide.tour_step",
        *(f"glossary.{name}{end}" for name in ("softmax", "logits", "rollout", "logit_lens") for end in ("", "_forms")),
        "glossary.rope_forms",
    }
    names |= {key for key in phrases("en") if key.startswith("walk.toy_m_")}  # letters of matrices
    same = {key for key in phrases("en") if phrases("en")[key] == phrases("zh")[key]}
    assert same <= names


def test_every_phrase_that_is_said_exists():
    said = [(place, key) for place, call in calls() for key in literals(call.args[0])]
    assert len(said) > 50
    assert [(place, key) for place, key in said if key not in phrases("en")] == []


def test_every_phrase_on_a_component_exists():
    """`page.say(component, label="page.model")`, `page.add("name", component, label=…)`."""
    on = [
        (f"{path}:{node.lineno}", value)
        for path, tree in source().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("say", "add")
        if (node.args and not literals(node.args[0])[:1]) or node.func.attr == "add"
        for keyword in node.keywords
        for value in literals(keyword.value)
    ]
    assert len(on) > 10
    assert [(place, key) for place, key in on if key not in phrases("en")] == []


def test_every_string_that_looks_like_a_phrase_is_one():
    """Also a reason or a note in a table. Checkpoints' own names begin with attention and embeddings: not looked at."""
    looks = re.compile(rf"({'|'.join(sorted(TOPICS - {'attention', 'embeddings'}))})\.\w*[a-z0-9]")
    files = re.compile(r".*\.(py|js|html|css|json|jpg|pth|npz|png|pdf)")
    found = {text for text in strings() if looks.fullmatch(text) and not files.fullmatch(text)}
    assert found - set(phrases("en")) == set()


def test_every_family_of_phrases_has_members():
    for place, call in calls():
        if isinstance(call.args[0], ast.JoinedStr):
            members = [key for key in phrases("en") if re.fullmatch(pattern(call.args[0]), key)]
            assert members, f"{place}: no phrase fits {pattern(call.args[0])}"


def test_what_is_said_fills_every_placeholder():
    """Where values are given by name, none is forgotten; an error must give all."""
    wrong = []
    for place, call in calls():
        given = {keyword.arg for keyword in call.keywords}
        if None in given:  # **values: cannot be read off
            continue
        for key in literals(call.args[0]):
            wanted = placeholders(phrases("en").get(key, ""))
            error = name_of(call.func) != "say"
            if (given or error) and not wanted <= given:
                wrong.append((place, key, wanted - given))
    assert wrong == []


def test_no_phrase_is_left_over():
    """A phrase is used where its key, or its name in a family's f-string, stands somewhere in the source."""
    known, fits, browser = strings(), families() - {r"page\.(.+)"}, sent_to_the_browser()
    unused = []
    for key in set(phrases("en")) - {f"page.{availability}" for availability in get_args(Availability)}:
        filled = [match for fit in fits if (match := re.fullmatch(fit, key))]
        joined = key.startswith("page.position_")  # put together of parts by the engine
        name = key.partition(".")[2]
        in_browser = name in browser or any(one.endswith("…") and name.startswith(one[:-1]) for one in browser)
        in_family = any(set(match.groups()) <= known | {*term_names("en")} for match in filled)
        if not (key in known or joined or in_browser or in_family):
            unused.append(key)
    assert sorted(unused) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_emphasis_shows_its_asterisks(language):
    """CommonMark closes no emphasis between punctuation and a letter, as in 。**您. Rendered here as on the page."""
    rendered = {
        key: re.sub(r"<[^>]+>", "", MarkdownIt("commonmark").render(phrase))
        for key, phrase in phrases(language).items()
        if "**" in phrase
    }
    assert len(rendered) > 15
    assert {key: text for key, text in rendered.items() if "*" in text and key not in FOOTNOTES} == {}


def test_words_for_an_unknown_language_are_refused():
    with pytest.raises(ValueError, match="'fr'"):
        phrases("fr")


def test_an_unknown_phrase_is_refused():
    with pytest.raises(KeyError):
        say("page.no_such_phrase")
