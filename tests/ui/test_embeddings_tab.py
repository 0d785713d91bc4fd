"""The Embeddings tab: numbers survive the way to the browser, and each view shows what was answered."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from vit_demo.contract import DemoError, ModelError, SizeChoice, TokenQuery
from vit_demo.text import say
from vit_demo.ui.kit.static import ui_text
from vit_demo.ui.state import PageState, Selection
from vit_demo.ui.tabs.embeddings import grid as other_grid
from vit_demo.ui.tabs.embeddings import rotation as embeddings_rotation
from vit_demo.ui.tabs.embeddings import tab as embeddings
from vit_demo.ui.tabs.embeddings.maps import Map, around_zero, digits_for, filters_value, from_zero, maps_value

HEAD, FEATURES = "fake/head", "fake/features"
SCRIPT = "<script>x</script>"


@pytest.fixture
def state(explainer, examples, image):
    return PageState(explainer, examples, image, HEAD, SizeChoice(), Selection(), "en")


def unpacked(content: bytes) -> dict[str, np.ndarray]:
    """A file of ui/binary.py as the browser reads it."""
    (length,) = struct.unpack_from("<I", content)
    kinds = {"Int8Array": "i1", "Uint8Array": "u1", "Int16Array": "<i2", "Uint16Array": "<u2", "Float32Array": "<f4"}
    arrays = {}
    for name, one in json.loads(content[4 : 4 + length]).items():
        count = int(np.prod(one["shape"]))
        flat = np.frombuffer(content, kinds[one["kind"]], count, 4 + length + one["offset"])
        arrays[name] = flat.reshape(one["shape"])
    return arrays


def decoded(one: dict) -> np.ndarray:
    """The values of a map as the browser reads them."""
    shares = np.frombuffer(base64.b64decode(one["values"]), "<u2").reshape(one["rows"], one["cols"]) / 65535
    return one["low"] + shares * (one["high"] - one["low"])


def maps_of(value: dict) -> list[dict]:
    return value["data"]["maps"]


# ---------------------------------------------------------------------------------------------------------- components


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_map_reaches_the_browser_to_sixteen_bits(language):
    values = np.random.default_rng(0).normal(size=(3, 5))
    one = Map("a map", values, around_zero(values), "diverging", first=(-2, -4))
    (sent,) = maps_of(maps_value([one], language))
    assert np.abs(decoded(sent) - values).max() <= (sent["high"] - sent["low"]) / 65535
    assert (sent["rows"], sent["cols"], sent["first_row"], sent["first_col"]) == (3, 5, -2, -4)
    assert sent["low"] == -sent["high"] == -np.abs(values).max()


def test_values_outside_the_limits_take_the_ends():
    (sent,) = maps_of(maps_value([Map("m", np.array([[-1.0, 0.5, 9.0]]), (0.0, 2.0))], "en"))
    assert decoded(sent).ravel() == pytest.approx([0, 0.5, 2], abs=1e-4)


@pytest.mark.parametrize(("top", "digits"), [(1370, 0), (32.6, 1), (4.7, 2), (0.31, 3), (0.0085, 5), (0, 6)])
def test_a_scale_has_three_figures(top, digits):
    assert digits_for(top) == digits


def test_an_empty_map_still_has_a_scale():
    zeros = np.zeros((2, 2))
    assert from_zero(zeros)[1] > 0
    assert not decoded(maps_of(maps_value([Map("m", zeros, around_zero(zeros))], "en"))[0]).round(6).any()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("stem", ["maps", "filters", "similarity"])
def test_scripts_use_only_words_that_are_sent(explainer, image, stem, language):
    state = PageState(explainer, (), image, HEAD, SizeChoice(), Selection(), language)
    values = {
        "maps": maps_value([], language),
        "filters": embeddings.bank(state, False)["embeddings_bank"],
        "similarity": embeddings.positions_view(*(explainer, image, HEAD, SizeChoice()), language)[0],
    }
    words = values[stem]["data"]["words"]
    used = re.findall(r"data\.words\.(\w+)", ui_text(f"tabs/embeddings/{stem}.js"))
    used += re.findall(r'data-word="(\w+)"', ui_text(f"tabs/embeddings/{stem}.html"))
    assert used
    assert set(used) <= set(words)
    assert all(words.values())


@pytest.mark.parametrize("stem", ["maps", "filters"])
def test_templates_are_static_and_fetch_nothing_from_elsewhere(stem):
    html, script = ui_text(f"tabs/embeddings/{stem}.html"), ui_text(f"tabs/embeddings/{stem}.js")
    assert not re.search(r"\$\{|\{\{|`", html)
    assert "innerHTML" not in script


# ----------------------------------------------------------------------------------------------------------- positions


@pytest.mark.parametrize(("side", "travels"), [(48, False), (320, True), (1024, False)])
def test_every_positions_row_travels_where_the_tiles_leave_some_out(explainer, image, side, travels):
    """3×5: all have tiles; 20×33: the whole matrix comes as a file; 48×80 of 64×107: too many."""
    value, _, grid = embeddings.positions_view(explainer, image, HEAD, SizeChoice(side), "en")
    files = value["files"]
    assert set(files) == ({"all"} if travels else set())
    if travels:
        matrix = explainer.position_similarity(HEAD, SizeChoice(side), image).matrix
        sent = np.frombuffer(files["all"], np.uint8).reshape(grid.num_patches, grid.num_patches)
        low, high = value["data"]["low"], value["data"]["high"]
        assert np.abs(low + sent / 255 * (high - low) - matrix).max() <= (high - low) / 255


def test_structure_shows_offsets_around_their_centre_and_components_with_their_share(state):
    found = state.explainer.position_structure(HEAD, SizeChoice(), state.image, embeddings.COMPONENTS)
    offsets, *components = maps_of(embeddings.structure_view(state)[0])
    assert np.abs(decoded(offsets) - np.clip(found.by_offset, None, 1)).max() < 1e-4
    assert (offsets["first_row"], offsets["first_col"]) == (-2, -4)  # the centre of 5×9 is no step at all
    assert len(components) == embeddings.COMPONENTS
    for number, (one, values) in enumerate(zip(components, found.components, strict=True), 1):
        assert one["title"] == say("embeddings.position_component", number=number, share="5.0")
        assert np.abs(decoded(one) - values).max() < 1e-3
        assert one["table"] == "diverging"


def test_the_curves_along_rows_and_columns_are_the_axes_of_the_offsets(state):
    found = state.explainer.position_structure(HEAD, SizeChoice(), state.image, embeddings.COMPONENTS)
    html = embeddings.structure_view(state)[1]
    lines = re.findall(r'points="([^"]*)"', html)
    assert [len(points.split()) for points in lines] == [3, 5]  # 3 rows, 5 columns
    heights = [np.array([float(point.split(",")[1]) for point in points.split()]) for points in lines]
    for heights_of, values in zip(heights, (found.by_offset[2:, 4], found.by_offset[2, 4:]), strict=True):
        drawn = np.diff(heights_of) / np.diff(values)  # pixels down per cosine
        assert np.allclose(drawn, drawn[0], rtol=0.05)
        assert drawn[0] < 0


def test_rope_has_offsets_alone_and_says_that_they_are_everything(state):
    state.explainer.kind = "rope"
    value, _ = embeddings.structure_view(state)
    assert len(maps_of(value)) == 1
    assert value["data"]["words"]["hint"] == say("embeddings.hint_rope")


def test_a_model_without_positions_keeps_filters_and_input(state):
    state.explainer.errors["position_similarity"] = DemoError("embeddings.no_positions", title="Fake")
    updates, grid = embeddings.show(state, False, **STRETCHED)
    assert grid is None
    assert updates["embeddings_similarity"]["visible"] is False
    assert maps_of(updates["embeddings_structure"]) == []
    assert len(maps_of(updates["embeddings_input"])) == 4
    assert set(updates) == set(embeddings.TAB.outputs)


def test_the_whole_tab_fills_what_it_says(state):
    assert set(embeddings.show(state, False, **STRETCHED)[0]) == set(embeddings.TAB.outputs)


# ------------------------------------------------------------------------------------------------------------ rotation


def test_a_model_that_does_not_rotate_shows_nothing_of_it(state):
    assert maps_of(embeddings_rotation.rotation_view(state)) == []


@pytest.mark.parametrize("head", [None, 1])
def test_attention_with_and_without_rotation_shares_a_scale(explainer, examples, image, head):
    explainer.kind = "rope"
    selection = Selection(layer=2, head=head, token="1,3")
    state = PageState(explainer, examples, image, HEAD, SizeChoice(), selection, "en")
    found = explainer.rotation(image, HEAD, SizeChoice(), TokenQuery(None, 1, 3), 2, head or 0)
    turned, unturned, down, right = maps_of(embeddings_rotation.rotation_view(state))
    wanted = [maps.mean(axis=0) if head is None else maps[head] for maps in (found.turned, found.unturned)]
    assert np.abs(decoded(turned) - 100 * wanted[0]).max() < 0.01
    assert np.abs(decoded(unturned) - 100 * wanted[1]).max() < 0.01
    assert (turned["low"], turned["high"]) == (unturned["low"], unturned["high"]) == (0, 100 * np.max(wanted))
    assert "row 2, column 4, layer 3" in turned["title"]
    assert ("head 2" if head else "mean of all heads") in turned["title"]
    assert (down["rows"], down["cols"], right["rows"], right["cols"]) == (4, 3, 4, 5)
    assert "2.0 to 16 patches" in down["title"]


@pytest.mark.parametrize("token", ["cls", "reg2", "reg9", "40,2", "x,y", ""])
def test_what_has_no_place_gives_way_to_the_patch_in_the_middle(explainer, examples, image, token):
    explainer.kind = "rope"
    state = PageState(explainer, examples, image, FEATURES, SizeChoice(), Selection(token=token), "en")
    assert "row 2, column 3" in maps_of(embeddings_rotation.rotation_view(state))[0]["title"]


# ------------------------------------------------------------------------------------------------------- interpolation


STRETCHED = dict(rows=6, cols=10, component=0, first="own", second="google")


def test_the_table_is_shown_as_trained_and_by_every_convention_on_one_scale(state):
    updates = other_grid.redraw(state, **STRETCHED)
    assert state.explainer.calls[-1] == ("stretched_table", (HEAD, (6, 10), None, "google", 0))
    found = state.explainer.stretched_table(HEAD, (6, 10), None, "google", 0)
    native, *stretched, apart = maps_of(updates["embeddings_stretched"])
    assert (native["rows"], native["cols"], native["group"]) == (3, 5, "native")
    assert np.abs(decoded(native) - found.native_map).max() < 1e-3
    for one, values in zip(stretched, found.maps, strict=True):
        assert (one["rows"], one["cols"], one["group"]) == (6, 10, "patches")
        assert np.abs(decoded(one) - values).max() < 1e-3
        assert (one["low"], one["high"]) == (-1, 1)
    assert [one["title"].endswith(" *") for one in stretched] == [False, False, True, False, False]
    assert np.abs(decoded(apart) - 100 * found.positions).max() < 0.01
    cells = re.findall(r"<td>([^<]+)</td>", updates["embeddings_stretched_html"])
    assert cells == [f"{100 * value:.1f}" for value in found.apart.ravel()]


def test_another_picture_is_a_change_of_the_tables_value_which_its_effect_follows(state, tall):
    other = replace(state, image=tall, digest="another")
    values = [other_grid.redraw(one, **STRETCHED)["embeddings_stretched"] for one in (state, other)]
    assert values[0] != values[1]
    assert maps_of(values[0]) == maps_of(values[1])


def test_a_component_has_a_scale_around_zero_for_all_its_maps(state):
    found = state.explainer.stretched_table(HEAD, (6, 10), "dino", "timm", 3)
    chosen = {**STRETCHED, "component": 3, "first": "dino", "second": "timm"}
    maps = maps_of(other_grid.redraw(state, **chosen)["embeddings_stretched"])
    top = max(np.abs(found.native_map).max(), np.abs(found.maps).max())
    assert {(one["low"], one["high"]) for one in maps[:-1]} == {(-top, top)}


def test_the_picture_follows_on_the_same_grid(state):
    updates = other_grid.effect(state, **STRETCHED)
    assert state.explainer.calls[-1] == ("interpolation", (HEAD, SizeChoice(grid=(6, 10)), None, "google"))
    found = state.explainer.interpolation(state.image, HEAD, SizeChoice(grid=(6, 10)), None, "google")
    (features,) = maps_of(updates["embeddings_maps"])
    assert np.abs(decoded(features) - found.features).max() < 1e-4
    html = unescape(updates["embeddings_compare_html"])
    assert say("embeddings.moved", value="25.00") in html
    assert say("embeddings.class_apart", value="0.0123") in html
    assert re.findall(r"<td>([^<]+)</td>", html) == ["75.00 %", "50.00 %", "12.50 %", "25.00 %"]


def test_a_model_without_a_head_has_no_table_of_classes(explainer, examples, image):
    state = PageState(explainer, examples, image, FEATURES, SizeChoice(), Selection(), "en")
    assert (
        "<table>"
        not in other_grid.effect(state, rows=6, cols=10, component=0, first="dino", second="timm")[
            "embeddings_compare_html"
        ]
    )


def test_a_model_without_a_table_says_so_and_shows_no_maps(state):
    state.explainer.kind = "rope"
    updates = other_grid.redraw(state, **STRETCHED)
    assert maps_of(updates["embeddings_stretched"]) == []
    assert say("embeddings.no_table", title="Fake head") in updates["embeddings_stretched_html"]
    assert maps_of(other_grid.effect(state, **STRETCHED)["embeddings_maps"]) == []


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ((None, None, None, None, None), ((16, 24), 0, None, "google")),
        (("7", 9.4, 2, "timm", "dino"), ((7, 9), 2, "timm", "dino")),
        ((-3, 10**9, 99, "<script>", ["timm"]), ((1, 64), 4, None, "google")),
        ((float("nan"), float("inf"), "x", "own", ""), ((16, 24), 0, None, "google")),
    ],
)
def test_what_the_controls_of_the_stretched_table_say_is_checked(given, chosen):
    assert other_grid.chosen(*given) == chosen


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_names_of_the_conventions_follow_the_language(explainer, examples, image, language):
    state = PageState(explainer, examples, image, HEAD, SizeChoice(), Selection(), language)
    updates = other_grid.show(state, **STRETCHED)
    assert updates["embeddings_first"]["choices"][0] == (say("embeddings.rule_own", language), "own")
    assert (say("embeddings.rule_google", language), "google") in updates["embeddings_second"]["choices"]
    assert (say("embeddings.likeness", language), 0) in updates["embeddings_shown"]["choices"]


def test_labels_never_become_markup(state):
    state.explainer.labels = (SCRIPT, "b")
    assert SCRIPT not in other_grid.effect(state, **STRETCHED)["embeddings_compare_html"]


# ------------------------------------------------------------------------------------------------------ filters, input


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_component_has_its_share_of_variance(explainer, language):
    html, _ = embeddings.filters_view(explainer, HEAD, language)
    titles = re.findall(r"<title>(.*?)</title>", html)
    assert titles == [say("embeddings.one_share", language, number=i, share="1.8") for i in range(1, 29)]


@pytest.mark.parametrize("every", [False, True])
def test_filters_and_answers_reach_the_browser(state, every):
    value = embeddings.bank(state, every)["embeddings_bank"]
    found = state.explainer.filter_responses(*state.picture, None if every else 28)
    arrays = unpacked(value["files"]["bank"])
    data = value["data"]
    assert data["count"] == (192 if every else 28)
    assert data["kind"] == ("filter" if every else "component")
    assert (data["shares"] is None) == every
    assert np.abs(arrays["filters"] / 255 - found.filters).max() <= 0.5 / 255 + 1e-6
    answers = arrays["answers"] * arrays["steps"][:, None, None]
    tops = np.abs(found.responses).max(axis=(1, 2))
    assert np.all(np.abs(answers - found.responses).max(axis=(1, 2)) <= tops / 32767)


def test_a_filter_that_answers_nothing_is_all_zeros(state):
    from dataclasses import replace

    found = state.explainer.filter_responses(*state.picture, 3)
    silent = filters_value(replace(found, responses=np.zeros_like(found.responses)), None, "en")
    assert not unpacked(silent["files"]["bank"])["answers"].any()


def test_norms_share_a_scale_and_the_cosine_has_its_own(state):
    parts = state.explainer.input_parts(*state.picture)
    value, html = embeddings.input_view(state)
    *norms, cosine = maps_of(value)
    for one, values in zip(norms, (parts.content, parts.positions, parts.total), strict=True):
        assert np.abs(decoded(one) - values).max() < 1e-3
    assert len({(one["low"], one["high"]) for one in norms}) == 1
    assert (cosine["table"], cosine["low"]) == ("diverging", -cosine["high"])
    cells = re.findall(r"<td>([^<]+)</td>", html)
    assert cells[:8] == ["3.25", "0.50", "3.50", "−0.12", "2.00", "–", "2.00", "–"]
    assert cells[12] == f"{parts.content.mean():.2f}"


def test_without_a_table_there_are_no_norms_of_positions(state):
    state.explainer.kind = "rope"
    value, html = embeddings.input_view(state)
    assert [one["title"] for one in maps_of(value)] == [say("embeddings.norm_content"), say("embeddings.norm_total")]
    assert re.findall(r"<td>([^<]+)</td>", html)[-4:][1::2] == ["–", "–"]


# ---------------------------------------------------------------------------------------------------------- take away


def test_what_is_taken_away_are_the_numbers_shown(state):
    parcel = embeddings.download(state)
    arrays = np.load(io.BytesIO(parcel.files["what_embeddings_know.npz"]), allow_pickle=False)
    similarity = state.explainer.position_similarity(HEAD, SizeChoice(), state.image)
    assert np.array_equal(arrays["similarity"], similarity.matrix)
    assert np.array_equal(arrays["content_norm"], state.explainer.input_parts(*state.picture).content)
    assert str(arrays["axes_by_offset"]) == "rows down, columns right"
    assert parcel.files["patch_filters.png"].startswith(b"\x89PNG")
    assert parcel.files["position_similarity.png"].startswith(b"\x89PNG")
    compile(parcel.code, "code", "exec")


def test_a_model_without_positions_takes_its_filters_away(state):
    state.explainer.errors["position_similarity"] = DemoError("embeddings.no_positions", title="Fake")
    files = {"patch_filters.png", "patch_filters.pdf", "what_embeddings_know.npz"}
    assert set(embeddings.download(state).files) == files
    state.explainer.errors["position_similarity"] = ModelError("models.offline", name="x")
    with pytest.raises(ModelError):
        embeddings.download(state)
