"""The guide: one component of the page, and what its events do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import gradio as gr

from vit_demo.cache import ByteCache
from vit_demo.classroom import Room
from vit_demo.contract import DemoError, ExplainerProtocol
from vit_demo.gallery import Example, file_digest
from vit_demo.text import LANGUAGES, say
from vit_demo.ui.kit.cache import cached_file
from vit_demo.ui.kit.html import png_bytes
from vit_demo.ui.kit.reader import Picture
from vit_demo.ui.kit.terms import term_names
from vit_demo.ui.kit.view import View
from vit_demo.ui.kit.words import view_words
from vit_demo.ui.page import LIGHT, QUIET, Page, Updates
from vit_demo.ui.state import Selection
from vit_demo.ui.tab import Group

# What an address may say of a state; a tab reads its own names too
NAMES = ("tab", "model", "side", "keep", "example", "layer", "head", "token", "lang", "step", "edits")
MOST_LETTERS = 100_000
SELECTED = ("layer", "head", "token")
# The parts of the page that the tour shows, in its order: what to point at, and the phrase
TOUR = (
    ("#vd-image", "picture"),
    ("#vd-model", "model"),
    ("#vd-tabs", "tabs"),
    (".vd-explorer .vd-stage", "stage"),
    (".vd-explorer .vd-heads", "heads"),
    ('#vd-tabs [data-tab-id="learn"]', "learn"),
)


FILE_NAME_BYTES = 256
_class_pictures = ByteCache(64 * FILE_NAME_BYTES)


class GuideView(View):
    """The tour's offer, the class's bar, and on a phone the line into which picture and model fold. `select` asks for a
    state (a link's) or what the teacher shows, `input` shows the teacher's page to the class."""

    source = "guide/view"


@dataclass(frozen=True)
class Guide:
    """What the guide's handlers know of the page."""

    groups: tuple[Group, ...]
    explainer: ExplainerProtocol
    examples: tuple[Example, ...]
    room: Room | None
    cache: str

    def __repr__(self) -> str:  # of what is logged
        return "Guide"


def guide_block(page: Page, room: Room | None) -> None:
    """The component. It has its words in every language: it is there before a visitor's is known."""
    words = {
        language: {**view_words("guide", language), "terms": _terms(language), "tour": _tour(language)}
        for language in LANGUAGES
    }
    data = {"words": words, "classroom": room is not None}
    page.add("guide", GuideView({"data": data}, elem_id="vd-guide"))


def _terms(language: str) -> dict[str, list[str]]:
    """Name and meaning of every term."""
    return {
        name: [say(f"glossary.{name}", language), say(f"glossary.{name}_means", language)]
        for name in term_names(language)
    }


def _tour(language: str) -> list[dict[str, str]]:
    return [{"at": selector, "words": say(f"guide.tour_{name}", language)} for selector, name in TOUR]


def wire_guide(page: Page, groups: tuple[Group, ...], room: Room | None, after: Sequence[dict]) -> None:
    """`after` are the page's own listeners that open tabs, load its model and show its open tab."""
    parts = page.parts
    guide = Guide(groups, page.explainer, page.examples, room, parts["image"].GRADIO_CACHE)
    linked = [name for group in groups for tab in group.tabs for name in tab.linked]
    changed = ("open_tabs", *linked, "selection", "image", "model", "side", "keep_shape")
    went = page.plain_listener(partial(go, guide), ("image", "language"), changed, "event", **QUIET)
    went = parts["guide"].select(**went)
    for listener in after:
        went = went.success(**listener)
    if room is None:
        return
    shown = dict(image="image", model="good_model", side="side", keep_shape="keep_shape", selection="selection")
    every = {**shown, "language": "language", **{name: name for name in linked}}
    push = page.plain_listener(partial(show_class, guide), every, ("guide",), "event", **dict(LIGHT, queue=False))
    parts["guide"].input(**push)


# ------------------------------------------------------------------------------------------------------------ handlers


def go(guide: Guide, image: Picture | DemoError | None, language: str, event: dict) -> Updates:
    """The page in the state that a link names, or with `follow` in the one that the teacher shows. A picture that is
    there already is not set again: every view would be computed anew."""
    here = image.digest if isinstance(image, Picture) else ""
    if guide.room is not None and str(event.get("follow") or "").upper() == guide.room.code:
        shown = guide.room.shown
        updates = state_of(guide, shown.query, here)
        if model := shown.query.get("model"):  # the teacher's may be one that was typed
            updates["model"] = gr.update(value=model)
        there = shown.picture and shown.digest != here and Path(shown.picture).is_file()
        return {**updates, "image": shown.picture} if there else updates
    wanted = event.get("go")
    return state_of(guide, wanted if isinstance(wanted, dict) else {}, here)


def state_of(guide: Guide, wanted: Mapping[str, object], here: str = "") -> Updates:
    """Updates of what a query names; what it does not name stays as it is. `here` is the digest of the page's
    picture."""
    query = {
        name: value
        for name, value in wanted.items()
        if name in NAMES and isinstance(value, str) and len(value) <= MOST_LETTERS
    }
    updates: Updates = opened(guide.groups, query.get("tab"))
    for group in guide.groups:
        for tab in group.tabs:
            if tab.of_link:
                updates |= tab.of_link(query)
    if any(name in query for name in SELECTED):
        updates["selection"] = asdict(Selection.of_link(query))
    if "model" in query and any(status.card.id == query["model"] for status in guide.explainer.statuses()):
        updates["model"] = gr.update(value=query["model"])
    example = next((one for one in guide.examples if one.key == query.get("example")), None)
    if example is not None and example.digest != here:
        updates["image"] = str(example.path)
    if re.fullmatch(r"\d{1,5}", query.get("side", "")):
        side = int(query["side"])
        updates["side"] = gr.update(choices=[(str(side), side)], value=side)
    if "keep" in query:
        updates["keep_shape"] = query["keep"] == "1"
    return updates


def opened(groups: Sequence[Group], name: object) -> Updates:
    """What opens the tab of this name, in whichever group it stands; nothing for a name that is none."""
    for group in groups:
        if name in [tab.name for tab in group.tabs]:
            if len(group.tabs) == 1:
                return {"open_tabs": {"tabs": name}}
            return {"open_tabs": {"tabs": group.name, f"tabs_{group.name}": name}}
    return {"open_tabs": None}


def show_class(
    guide: Guide,
    image: Picture | DemoError | None,
    model: str,
    side: object,
    keep_shape: object,
    selection: object,
    language: str,
    event: dict,
    **linked: object,
) -> Updates:
    """The teacher's page as it is now becomes what the class sees. `linked` are the components that a link can set."""
    room = guide.room
    if room is None or not room.is_teacher(event.get("key")):
        return {"guide": {"data": {"refused": say("guide.not_teacher", language)}}}
    chosen = Selection.of(selection)
    names = [tab.name for group in guide.groups for tab in group.tabs]
    query = {"tab": event["tab"] if event.get("tab") in names else "", "keep": "1" if keep_shape else "0"}
    if model:
        query["model"] = model
    if isinstance(side, int):
        query["side"] = str(side)
    if chosen.layer is not None:
        query["layer"] = str(chosen.layer + 1)
    if chosen.head is not None:
        query["head"] = str(chosen.head + 1)
    query["token"] = _from_one(chosen.token)
    for group in guide.groups:
        for tab in group.tabs:
            if tab.as_link:
                query |= tab.as_link(linked)
    picture, digest, example = "", "", None
    if isinstance(image, Picture):
        example = next((one for one in guide.examples if one.digest == image.digest), None)
        if example is None:
            picture, digest = _class_picture(guide, image)
    if example is not None:
        query["example"] = example.key
    try:
        room.show(event.get("key"), query, picture, digest)
    except ValueError as error:  # more than a room keeps
        return {"guide": {"data": {"refused": str(error)}}}
    return {"guide": {"data": {"pushed": room.shown.version, "followers": room.followers, "address": room.address}}}


def _class_picture(guide: Guide, image: Picture) -> tuple[str, str]:
    """The file of a teacher's own picture, and the digest of its content; made once for each picture."""

    def make() -> tuple[str, str]:
        content = png_bytes(image.pixels)
        return str(cached_file(content, "class.png", guide.cache)), file_digest(content)

    key = (guide.cache, image.digest)
    made = _class_pictures.get_or_make(key, make, lambda _: FILE_NAME_BYTES)[0]
    if not Path(made[0]).is_file():  # Gradio deletes files within the hour
        _class_pictures.clear()
        made = _class_pictures.get_or_make(key, make, lambda _: FILE_NAME_BYTES)[0]
    return made


def _from_one(token: str) -> str:
    """A token's name as a link says it."""
    row, comma, col = token.partition(",")
    return f"{int(row) + 1},{int(col) + 1}" if comma and row.isdecimal() and col.isdecimal() else token
