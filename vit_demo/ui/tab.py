"""What a tab is to the page that holds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from vit_demo.contract import RunInfo
from vit_demo.grid import PatchGrid
from vit_demo.ui.page import Page, Updates

Shown = tuple[Updates, RunInfo | PatchGrid | None]


@dataclass(frozen=True)
class Tab:
    """One topic of the page. All of it lies in ui/tabs/<name>/; the page knows it by this object alone.

    `name` is the topic's stem, its address and its title's phrase ("<name>.tab"). `layout(page)` makes its components;
    their names begin with the topic's, and are distinct over the whole page. `show(state, **inputs)` computes the view
    of the page's picture and gives updates of `outputs`, and for the status line the pass they came from (or the grid,
    or None). `inputs` says which component's value each further parameter of `show` is.

    `wire(page)` adds the tab's own listeners, once every tab is laid out. `cleared` are the values that its components
    get when the picture is gone or refused. `keeps_state`: the view is left as it is, with all that was added to it,
    while the page asks the same of it. `while_loading(picture, card, language)` gives what stands there until the first
    model has come, for the tab that the page opens with. `of_link(query)` gives what an address asks of the
    tab: updates of the components in `linked`; `as_link(values)` is its inverse, from those components' values.
    """

    name: str
    layout: Callable[[Page], None]
    show: Callable[..., Shown]
    outputs: tuple[str, ...]
    inputs: Mapping[str, str] = field(default_factory=dict)
    wire: Callable[[Page], None] | None = None
    cleared: Mapping[str, object] = field(default_factory=dict)
    keeps_state: bool = False
    while_loading: Callable[..., Updates] | None = None
    of_link: Callable[[Mapping[str, str]], Updates] | None = None
    as_link: Callable[[Mapping[str, object]], dict[str, str]] | None = None
    linked: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """Tabs that stand together under one entry of the first level, titled "page.tab_<name>". A group of one tab is that
    tab itself."""

    name: str
    tabs: tuple[Tab, ...]
