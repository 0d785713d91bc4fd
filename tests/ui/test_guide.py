"""The guide: a link sets what it names and nothing else, only a teacher's key shows something, terms are marked."""

from __future__ import annotations

import json
import re
from html import unescape

import gradio as gr
import pytest

from vit_demo.classroom import Room
from vit_demo.edits import Edits
from vit_demo.text import LANGUAGES, class_name, phrases, say
from vit_demo.ui.guide import guide as guides
from vit_demo.ui.guide.guide import TOUR, Guide, go, opened, show_class, state_of
from vit_demo.ui.kit.reader import Picture
from vit_demo.ui.kit.terms import mark_terms, term_names, with_terms
from vit_demo.ui.tabs import GROUPS, TABS
from vit_demo.ui.tabs.glossary.tab import STEPS as TERM_STEPS
from vit_demo.ui.tabs.glossary.tab import show as glossary
from vit_demo.ui.tabs.lessons.plans import LESSONS
from vit_demo.ui.tabs.lessons.tab import show as lessons
from vit_demo.ui.tabs.walk.steps import STEPS

NOTHING = {"open_tabs": None}  # what a link does that names nothing
HEAD, FEATURES = "fake/head", "fake/features"


@pytest.fixture
def guide(explainer, examples, tmp_path):
    return Guide(GROUPS, explainer, examples, Room(), str(tmp_path))


# ---------------------------------------------------------------------------------------------------------------- links


def test_there_are_at_most_five_entries_on_the_first_level():
    assert [group.name for group in GROUPS] == ["learn", "look", "know", "change", "draw"]
    assert {tab.name for tab in TABS} == {tab.name for group in GROUPS for tab in group.tabs}


@pytest.mark.parametrize("name", [tab.name for tab in TABS])
def test_every_tab_opens_by_its_name_in_its_group(name):
    updates = opened(GROUPS, name)
    group = next(group for group in GROUPS if name in [tab.name for tab in group.tabs])
    alone = len(group.tabs) == 1
    assert updates == {"open_tabs": {"tabs": name} if alone else {"tabs": group.name, f"tabs_{group.name}": name}}


def test_a_link_sets_what_it_names(guide):
    query = {
        "tab": "walk",
        "step": "norm",
        "model": FEATURES,
        "example": "koala",
        "side": "96",
        "layer": "2",
        "token": "1,3",
    }
    updates = go(guide, None, "en", {"go": query})
    assert updates["walk_step"] == "norm"
    assert updates["model"] == gr.update(value=FEATURES)
    assert updates["image"].endswith("koala.jpg")
    assert updates["side"]["value"] == 96
    assert updates["selection"] == {"layer": 1, "head": None, "token": "0,2"}


def test_what_a_link_does_not_name_stays(guide):
    assert state_of(guide, {"tab": "depth"}) == {"open_tabs": {"tabs": "look", "tabs_look": "depth"}}
    assert state_of(guide, {}) == {"open_tabs": None}  # not the tab that a link before it named


@pytest.mark.parametrize(
    "wanted",
    [
        {
            "tab": "nowhere",
            "model": "../../etc/passwd",
            "example": "/etc/passwd",
            "side": "-1",
            "step": "x",
            "image": "/etc/x",
        },
        {"tab": 5, "step": ["norm"], "edits": {"a": 1}, "layer": None},
        {"edits": "x" * 200_000},
    ],
)
def test_what_a_link_cannot_name_is_left_out(guide, wanted):
    assert go(guide, None, "en", {"go": wanted}) == NOTHING


@pytest.mark.parametrize("event", [{}, {"go": "x"}, {"go": None}, {"go": []}])
def test_a_link_that_is_none_changes_nothing(guide, event):
    assert go(guide, None, "en", event) == NOTHING


# ---------------------------------------------------------------------------------------------------------------- class


def shown(guide, event, image=None, **linked):
    values = {"walk_step": "scores", "what_if_edits": {}, **linked}
    return show_class(guide, image, HEAD, 64, True, {"layer": 3, "head": 1, "token": "2,0"}, "en", event, **values)


def test_the_teachers_page_becomes_the_rooms_state(guide, examples):
    example = Picture(examples[2].picture(), examples[2].digest)
    updates = shown(guide, {"key": guide.room.key, "tab": "walk"}, example)
    query = dict(guide.room.shown.query)
    assert query.pop("edits") == json.dumps(Edits().plain())
    assert query == {
        "tab": "walk",
        "step": "scores",
        "model": HEAD,
        "side": "64",
        "keep": "1",
        "layer": "4",
        "head": "2",
        "token": "3,1",
        "example": examples[2].key,
    }
    assert updates["guide"]["data"]["pushed"] == 1


def test_what_the_teacher_shows_comes_back_on_a_students_page(guide, image):
    shown(guide, {"key": guide.room.key, "tab": "walk"}, Picture(image, "own"))
    assert guide.room.shown.picture.endswith(".png")
    updates = go(guide, None, "zh", {"follow": guide.room.code})
    assert updates["image"] == guide.room.shown.picture
    assert updates["selection"] == {"layer": 3, "head": 1, "token": "2,0"}
    assert updates["walk_step"] == "scores"
    assert updates["keep_shape"] is True


def test_a_picture_that_is_there_already_is_not_set_again(guide, examples, image):
    here = Picture(image, examples[2].digest)
    assert "image" not in go(guide, here, "en", {"go": {"example": examples[2].key}})
    assert "image" in go(guide, here, "en", {"go": {"example": examples[3].key}})
    shown(guide, {"key": guide.room.key, "tab": "walk"}, Picture(image, "own"))
    assert "image" not in go(guide, Picture(image, guide.room.shown.digest), "en", {"follow": guide.room.code})


def test_without_the_rooms_code_nobody_follows(guide, image):
    shown(guide, {"key": guide.room.key, "tab": "walk"}, Picture(image, "own"))
    for code in (1, "", "WXYZ", None, True):
        assert go(guide, None, "en", {"follow": code}) == NOTHING


def test_a_model_that_the_teacher_typed_is_followed(guide):
    guide.room.show(guide.room.key, {"model": "somebody/else"})
    assert go(guide, None, "en", {"follow": guide.room.code})["model"] == gr.update(value="somebody/else")
    assert "model" not in go(guide, None, "en", {"go": {"model": "somebody/else"}})


def test_what_is_too_large_for_a_room_is_refused_in_words(guide):
    edits = {"drop": [[i % 90, i // 90] for i in range(15_000)]}
    assert "letters" in shown(guide, {"key": guide.room.key}, what_if_edits=edits)["guide"]["data"]["refused"]


@pytest.mark.parametrize("event", [{}, {"key": "\ud800"}, {"key": "guess"}, {"key": None, "tab": "walk"}])
def test_students_cannot_show_anything(guide, event):
    assert shown(guide, event) == {"guide": {"data": {"refused": say("guide.not_teacher")}}}
    assert guide.room.shown.version == 0


def test_a_student_cannot_name_a_file(guide):
    """What a follower's page asks for is what the room holds, whatever it sends."""
    updates = go(
        guide, None, "en", {"follow": guide.room.code, "picture": "/etc/passwd", "go": {"image": "/etc/passwd"}}
    )
    assert "image" not in updates


# ------------------------------------------------------------------------------------------------------- terms, lessons


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_term_has_a_name_a_meaning_and_is_found_in_a_text(language):
    names = term_names(language)
    assert len(names) > 25
    for name in names:
        form = say(f"glossary.{name}_forms", language).split("|")[0]
        assert f'class="vd-term term-{name}"' in with_terms(f"… {form} …", language)
        assert len(say(f"glossary.{name}_means", language)) > 10


def test_a_term_is_marked_once_and_never_inside_a_tag_or_an_address():
    marked = mark_terms('tokens and <b title="token">a token</b> [patch](?tab=patch) `head`', "en")
    assert marked.count("<dfn") == 2
    assert 'title="token"' in marked
    assert "(?tab=patch)" in marked
    assert "`head`" in marked


def test_a_word_that_only_contains_a_term_is_none():
    assert with_terms("a tokenizer overlayers", "en") == "a tokenizer overlayers"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_glossary_shows_every_term(state, language):
    html = unescape(glossary(state(language=language))[0]["glossary"])
    for name in term_names(language):
        assert say(f"glossary.{name}_means", language) in html
    assert set(TERM_STEPS.values()) <= set(STEPS)
    assert set(TERM_STEPS) <= set(term_names(language))


def test_the_lessons_last_as_long_as_they_say():
    assert [lesson.minutes for lesson in LESSONS] == [20, 45, 90]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_link_of_a_lesson_opens_what_there_is(state, guide, language):
    html = lessons(state(language=language))[0]["lessons"]
    links = [json.loads(unescape(text)) for text in re.findall(r'data-go="([^"]*)"', html)]
    assert len(links) == sum(len(lesson.parts) for lesson in LESSONS)
    tabs, examples = {tab.name for tab in TABS}, {example.key for example in guide.examples}
    for link in links:
        assert link["tab"] in tabs
        assert link.get("example", "dog") in examples
        assert link.get("step", "pixels") in STEPS
        updates = state_of(guide, link)
        assert updates["open_tabs"]
    for lesson in LESSONS:
        for part in lesson.parts:
            for end in ("", "_point", "_ask"):
                assert f"lessons.{lesson.name}_{part.name}{end}" in phrases(language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_tour_takes_two_minutes_to_read(language):
    said = [say(f"guide.tour_{name}", language) for _, name in TOUR]
    words = sum(len(text.split()) for text in said) if language == "en" else sum(map(len, said)) / 1.6
    assert 60 < words < 240
    assert guides._tour(language)[0]["at"] == "#vd-image"


# ----------------------------------------------------------------------------------------------------- Chinese ImageNet


def rows() -> list[list[str]]:
    from pathlib import Path

    import vit_demo.text

    table = Path(vit_demo.text.__file__).parent / "zh" / "imagenet.tsv"
    return [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()]


def test_the_chinese_classes_of_imagenet_are_all_there_and_different():
    found = rows()
    assert [int(row[0]) for row in found] == list(range(1000))
    names = [row[3] for row in found]
    assert len(set(names)) == 1000
    assert all(name == name.strip() and re.search(r"[\u4e00-\u9fff\u3400-\u4dbf]|iPod", name) for name in names)


def test_the_classes_stand_in_timms_order_under_their_synsets():
    from timm.data.imagenet_info import ImageNetInfo

    info, found = ImageNetInfo("imagenet-1k"), rows()
    assert [row[1] for row in found] == list(info.label_names())
    assert [row[2] for row in found] == list(info.label_descriptions())


@pytest.mark.parametrize(
    ("synset", "name"),
    [
        ("n02012849", "鹤"),  # crane, the bird
        ("n03126707", "起重机"),  # crane, the machine
        ("n02510455", "大熊猫"),
        ("n02106662", "德国牧羊犬"),
        ("n02123045", "虎斑猫"),
        ("n07920052", "意式浓缩咖啡"),
        ("n04285008", "跑车"),
        ("n07753592", "香蕉"),
        ("n09472597", "火山"),
        ("n03642806", "膝上型电脑"),
    ],
)
def test_a_sample_of_classes_means_what_wordnet_says(synset, name):
    found = {row[1]: row[3] for row in rows()}
    assert found[synset] == name


def test_a_class_is_named_in_chinese_and_other_names_stay():
    assert class_name("tabby, tabby cat", "zh") == class_name("tabby", "zh") == "虎斑猫"
    assert class_name("crane", "zh") == "鹤 / 起重机"  # the checkpoint's name does not say which
    assert class_name("tabby, tabby cat", "en") == "tabby, tabby cat"
    assert class_name("my own class", "zh") == "my own class"
