"""A view as one file: all of it is inside, the modules are the page's own, and rounding stays below what shows."""

from __future__ import annotations

import base64
import gzip
import json
import re
from functools import partial

import numpy as np
import pytest

from vit_demo.contract import SizeChoice
from vit_demo.text import LANGUAGES, say
from vit_demo.ui.kit import one_file
from vit_demo.ui.kit.binary import features_file, layer_file, packed_layer_bytes, smaller
from vit_demo.ui.kit.static import ui_text
from vit_demo.ui.standalone import Value, in_languages, modules_of, packed, standalone_html
from vit_demo.ui.tabs.attention import tab as attention
from vit_demo.ui.tabs.attention.file import explorer_file
from vit_demo.ui.tabs.compare import tab as compare
from vit_demo.ui.tabs.features import tab as features

HOST = ("kit/standalone.js",)


@pytest.fixture
def page(explainer, image):
    return explorer_file(explainer, image, "fake/head", SizeChoice())


def test_nothing_is_fetched_from_anywhere(page):
    addresses = set(re.findall(r'(?:src|href)="([^"]*)"|url\(([^)]*)\)', page))
    assert not {one for pair in addresses for one in pair if one and not one.startswith("data:")}
    assert not re.search(r"https?://(?!www\.w3\.org)", re.sub(r"base64,[A-Za-z0-9+/=]+", "", page))


def test_the_modules_are_the_pages_own_under_names_that_all_resolve():
    modules = modules_of("tabs/attention/view.js", "kit/standalone.js")
    assert {"vd/tabs/attention/state.js", "vd/kit/explore.js", "vd/kit/colours.js"} <= set(modules)
    for name, code in modules.items():
        wanted = re.findall(r'^(?:import\b[^"]*|} from )"([^"]+)"', code, re.MULTILINE)
        assert set(wanted) <= set(modules), name
        own = ui_text(name.removeprefix("vd/"))
        assert len(code.splitlines()) == len(own.splitlines())
        differing = [(a, b) for a, b in zip(code.splitlines(), own.splitlines(), strict=True) if a != b]
        assert all(a.startswith(("import ", "} from ")) and "vd/" in a for a, b in differing), name


def test_a_file_unpacks_to_what_was_packed(node):
    for content in (b"", b"a", bytes(range(256)) * 3, np.arange(-500, 500, dtype="<i2").tobytes()):
        planes = gzip.decompress(base64.b64decode(packed(content)))
        assert bytes(node("js.interleaved(Uint8Array.from(given.planes))", HOST, planes=list(planes))) == content


def test_the_browser_unpacks_it_too(node):
    content = np.arange(1000, dtype="<i2").tobytes()
    found = node("js.unpacked(given.text)", HOST, text=packed(content))
    assert bytes(found) == content


def test_a_layer_that_is_not_there_is_answered_by_the_nearest(node):
    values = [{"data": {"layer": layer}} for layer in (2, 5, 11)]
    ask = lambda name, data: node(  # noqa: E731
        "js.answerTo(given.values, given.name, given.data)", HOST, values=values, name=name, data=data
    )
    assert [ask("input", {"layer": layer}) for layer in (5, 0, 8, 11, 99)] == [1, 0, 1, 2, 2]
    assert [ask("select", {"layer": 5}), ask("input", None), ask("input", {"layer": "5"})] == [-1, -1, -1]


def test_words_and_titles_are_there_in_every_language(page):
    data = json.loads(re.search(r'id="vd-page">(.*?)</script>', page, re.DOTALL)[1])
    for language in LANGUAGES:
        assert data["words"][language]["words"]["looks_at"] == say("attention.looks_at", language)
        assert say("attention.file_title", language, title="").strip()[:4] in page
    assert len(data["values"]) == 6
    assert data["first"] == 5
    assert set(data["values"][5]["files"]) == {"layer", "features", "wall"}


def test_what_all_languages_say_alike_is_kept_once():
    common, words = in_languages({"en": {"rows": 2, "title": "dog"}, "zh": {"rows": 2, "title": "狗"}})
    assert common == {"rows": 2}
    assert words == {"en": {"title": "dog"}, "zh": {"title": "狗"}}


def test_nothing_in_the_data_ends_the_script_it_stands_in():
    html = standalone_html(
        "kit/examples",
        np.zeros((4, 4, 3), np.uint8),
        [Value({"x": "</script><b>"})],
        {"en": {"y": "<!--"}},
        {"en": "<i>"},
    )
    assert "</script><b>" not in html
    assert "<!--" not in html
    assert "<i>" not in html


@pytest.mark.parametrize("layers", [(), (-1,), (6,), (0, 99)])
def test_layers_that_there_are_not_are_refused(explainer, image, layers):
    with pytest.raises(ValueError, match="from 0 to 5"):
        explorer_file(explainer, image, "fake/head", SizeChoice(), layers)


def test_fewer_bits_change_no_share_that_one_would_see():
    """On real weights: every row of every fourth layer of our digits' model."""
    from vit_demo import Explainer
    from vit_demo.gallery import read_gallery

    explainer, picture = Explainer("cpu"), read_gallery()[0].picture()
    for layer in range(4):
        exact = explainer.attention_layer(picture, "vit-demo/digits", layer=layer)
        less = smaller(exact)
        rows = []
        for one in (exact, less):
            q, k = (
                a.astype(np.float64) * s[:, None]
                for a, s in ((one.queries, one.query_steps), (one.keys, one.key_steps))
            )
            rows.append(np.exp(np.einsum("hnd,hmd->hnm", q, k) - one.log_sums[:, :, None]))
        error = np.abs(rows[0] - rows[1]).max(axis=-1) / rows[0].max(axis=-1)
        assert error.max() < 0.015
        assert np.allclose(rows[1].sum(axis=-1), 1, atol=1e-4)
        cosines = []
        for one in (exact, less):
            f = one.features / np.linalg.norm(one.features.astype(np.float64), axis=1, keepdims=True)
            cosines.append(f @ f.T)
        assert np.abs(cosines[0] - cosines[1]).max() < 0.01


def test_the_button_below_a_view_writes_the_file(state, tmp_path):
    here = state(language="zh")
    for name, tab in (("attention", attention), ("features", features), ("compare", compare)):
        made = partial(tab.one_file, **dict.fromkeys(compare.CHOSEN)) if name == "compare" else tab.one_file
        path = one_file._made(name, made, str(tmp_path), here)[f"{name}_file"]["value"]
        with open(path, encoding="utf-8") as file:
            text = file.read()
        assert '<html lang="zh">' in text
        assert f"vd/tabs/{name}/view.js" in text


def test_its_size_is_said_before_and_the_button_goes_with_the_view(state):
    note = attention.show(state())[0]["attention_file_note"]
    assert "all 6 layers, about 1 MB" in note
    for tab in (attention.TAB, features.TAB, compare.TAB):
        assert tab.cleared[f"{tab.name}_file_make"]["visible"] is False


def test_a_layer_takes_as_many_bytes_as_is_said():
    """On real weights: our digits' model on a photograph."""
    from vit_demo import Explainer
    from vit_demo.gallery import read_gallery

    layer = Explainer("cpu").attention_layer(read_gallery()[0].picture(), "vit-demo/digits", SizeChoice(112), layer=2)
    files = (layer_file(smaller(layer)), features_file(smaller(layer)))
    real = sum(len(packed(one)) for one in files) * 3 / 4
    assert packed_layer_bytes(layer) == pytest.approx(real, rel=0.2)
