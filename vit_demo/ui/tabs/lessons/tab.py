"""The Lessons tab: three plans, each with goals, minutes, what to point at, what to ask, and links."""

from __future__ import annotations

from html import escape

import gradio as gr

from vit_demo.ui.kit.links import go_link
from vit_demo.ui.kit.terms import with_terms
from vit_demo.ui.page import Page, Updates
from vit_demo.ui.state import PageState
from vit_demo.ui.tab import Tab
from vit_demo.ui.tabs.lessons.plans import LESSONS, Lesson, Part


def layout(page: Page) -> None:
    page.say(gr.Markdown(elem_classes="vd-help"), value="lessons.help")
    page.add("lessons", gr.HTML(elem_id="vd-lessons"))
    page.say(gr.Markdown(elem_classes="vd-help"), value="lessons.class_help")


def show(state: PageState) -> tuple[Updates, None]:
    """All plans in the page's language."""
    return {"lessons": "".join(_lesson(state, lesson, number == 0) for number, lesson in enumerate(LESSONS))}, None


def _lesson(state: PageState, lesson: Lesson, is_open: bool) -> str:
    title, audience = escape(state.say(f"lessons.{lesson.name}")), escape(state.say(f"lessons.{lesson.name}_for"))
    goals = "".join(f"<li>{escape(goal)}</li>" for goal in state.say(f"lessons.{lesson.name}_goals").split("\n"))
    parts, begins = [], 0
    for part in lesson.parts:
        parts.append(_part(state, lesson, part, begins))
        begins += part.minutes
    minutes = escape(state.say("lessons.minutes", count=lesson.minutes))
    return (
        f'<details class="vd-lesson"{" open" if is_open else ""}><summary>{title} · {minutes}</summary>'
        f"<p>{audience}</p><p><b>{escape(state.say('lessons.goals'))}</b></p><ul>{goals}</ul><ol>{''.join(parts)}</ol></details>"
    )


def _part(state: PageState, lesson: Lesson, part: Part, begins: int) -> str:
    does = with_terms(state.say(f"lessons.{lesson.name}_{part.name}"), state.language)
    point, ask = (
        with_terms(state.say(f"lessons.{lesson.name}_{part.name}_{what}"), state.language) for what in ("point", "ask")
    )
    when = escape(state.say("lessons.from_to", begins=begins, ends=begins + part.minutes))
    pointed, asked = (escape(state.say(f"lessons.{name}")) for name in ("point", "ask"))
    link = go_link(state, part.link, state.say("lessons.open"))
    return f"<li><p><b>{when}</b> {does} {link}</p><p><em>{pointed}</em> {point}</p><p><em>{asked}</em> {ask}</p></li>"


TAB = Tab(name="lessons", layout=layout, show=show, outputs=("lessons",))
