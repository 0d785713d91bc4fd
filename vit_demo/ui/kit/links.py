"""Links that open the page in a state: an open page goes there itself, and the address says the same elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode

from vit_demo.ui.state import PageState


def go_link(state: PageState, query: Mapping[str, str], words: str) -> str:
    """A link to what `query` says, with this page's picture, model and language where it says nothing of them."""
    address = "?" + urlencode({**state.link, **query})
    go = escape(json.dumps(dict(query)))
    return f'<a class="vd-go" href="{escape(address)}" data-go="{go}">{escape(words)}</a>'
