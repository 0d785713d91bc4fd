"""Handlers as functions: what is computed, what the controls become, and what a visitor reads when something fails."""

from __future__ import annotations

import contextvars
import threading
from dataclasses import replace
from functools import partial
from html import unescape
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest

from vit_demo.contract import DemoError, ModelError, ModelStatus, PictureError, SizeChoice, TokenQuery
from vit_demo.preprocess import input_size
from vit_demo.text import say
from vit_demo.ui import captions, events, page
from vit_demo.ui.build import build_demo
from vit_demo.ui.kit.reader import Picture
from vit_demo.ui.tabs import GROUPS, TABS
from vit_demo.ui.tabs.relevance.tab import begin_anew
from vit_demo.ui.visitors import Visitors

HEAD, FEATURES, BROKEN = "fake/head", "fake/features", "fake/broken"
BY_NAME = {tab.name: tab for tab in TABS}
ATTENTION = BY_NAME["attention"]
REQUEST = dict(
    image=None, model=HEAD, side=48, keep_shape=False, selection={}, language="en", shown={}
)  # fmt: skip


def picture(image) -> Picture | None:
    """A picture as it comes in; what is none stays as it is."""
    return Picture(image, f"digest of {image.shape}") if isinstance(image, np.ndarray) else image


@pytest.fixture
def show(explainer, examples, image):
    """`events.show` with everything but what a test is about left as the page opens."""

    def ask(tab="attention", **changes):
        values = {**REQUEST, "image": image, **changes}
        values["image"] = picture(values["image"])
        inputs = dict.fromkeys(BY_NAME[tab].inputs) | values.pop("inputs", {})
        return events.show(BY_NAME[tab], explainer, examples, **values, **inputs)

    return ask


@pytest.fixture
def choose(explainer, image):
    def ask(**changes):
        values = dict(
            image=picture(image), model=HEAD, good_model="", side=None, keep_shape=False, language="en",
            progress=lambda *_, **__: None,
        )  # fmt: skip
        return events.choose_model(explainer, **{**values, **changes})

    return ask


@pytest.fixture
def notices(monkeypatch):
    """What gr.Info and gr.Warning were asked to show."""
    said = []
    monkeypatch.setattr(gr, "Info", lambda message, **_: said.append(("info", message)))
    monkeypatch.setattr(gr, "Warning", lambda message, **_: said.append(("warning", message)))
    return said


# -------------------------------------------------------------------------------------------------------------- show


@pytest.mark.parametrize(
    ("tab", "computed", "updated"),
    [
        (
            "attention",
            {"attention_layer", "attention_wall"},
            {*BY_NAME["attention"].outputs, "status", "shown", "message"},
        ),
        ("predict", {"predict"}, {"predict_html", "predict_help", "predict_why", "status", "shown", "message"}),
        (
            "embeddings",
            {
                "position_similarity",
                "position_structure",
                "filters",
                "filter_responses",
                "input_parts",
                "rotation",
                "stretched_table",
            },
            {*BY_NAME["embeddings"].outputs, *BY_NAME["embeddings"].cleared, "status", "shown", "message"},
        ),
    ],
)
def test_only_the_open_tab_is_computed(show, explainer, tab, computed, updated):
    updates = show(tab=tab)
    assert set(explainer.questions) - {"details"} == computed
    assert set(updates) <= updated
    assert set(updates) >= {"status", "shown", "message"}


@pytest.mark.parametrize("tab", BY_NAME)
@pytest.mark.parametrize("model", [HEAD, FEATURES])
def test_a_tab_whose_controls_hold_nothing_shows_its_default(show, tab, model):
    """As when a page has outlived the server's session, and what it chose is no longer offered."""
    updates = show(tab, model=model)
    assert updates["status"]
    assert len(updates) > 1


def test_a_page_without_a_model_computes_nothing(show, explainer):
    assert show(model="") == {}
    assert explainer.calls == []


def test_a_page_without_a_model_yet_has_no_size_note(explainer, image):
    names = ("image", "good_model", "side", "keep_shape", "language")
    handler = page.with_messages(partial(events.resized, explainer), names, ("size_note",))
    handler(None, picture(image), "", None, False, "en")  # a picture may change before the first model is there


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_picture_is_said_and_computes_nothing(show, explainer, language):
    assert say("page.no_picture", language) in show(image=None, language=language)["message"]["value"]
    assert explainer.calls == []


@pytest.mark.parametrize("image", [None, PictureError("picture.damaged")])
@pytest.mark.parametrize("tab", BY_NAME)
def test_without_a_picture_or_with_a_refused_one_what_came_of_another_goes(show, explainer, tab, image):
    """Old results never stand under a new picture, and the sentence stands above where they stood."""
    updates = show(tab, image=image, shown={tab: {"question": "before", "status": "before"}})
    key = "page.no_picture" if image is None else "picture.damaged"
    assert say(key) in unescape(updates["message"]["value"])
    assert updates["message"]["visible"] is True
    assert set(BY_NAME[tab].cleared) <= set(updates)
    assert (updates["status"], updates["shown"]) == ("", {})
    assert explainer.calls == []


def test_what_shows_the_model_alone_stays_without_a_picture():
    assert "embeddings_similarity" not in BY_NAME["embeddings"].cleared  # the position table needs no picture
    for name in ("predict", "attention", "relevance", "depth", "features"):
        shown = [output for output in BY_NAME[name].outputs if output.endswith(("_html", "_view", name, "_colours"))]
        assert set(shown) <= set(BY_NAME[name].cleared)


def test_a_sound_picture_takes_the_sentence_away(show):
    assert show()["message"] == gr.update(visible=False)


def test_a_tab_that_keeps_its_state_is_computed_once_and_again_for_another_question(show, explainer, tall):
    first = show("depth")
    assert first["depth_html"]
    explainer.calls.clear()
    again = {name: first[name] for name in ("status", "shown", "message")}
    assert show("depth", shown=first["shown"]) == again
    assert explainer.calls == []
    assert show("depth", shown=first["shown"], selection={"layer": 1}) == again  # its figures show all layers
    for changes in ({"image": tall}, {"model": FEATURES}, {"side": 96}, {"keep_shape": True}, {"language": "zh"}):
        assert show("depth", shown=first["shown"], **changes)["depth_html"]


def test_a_detour_forgets_what_it_stopped(show, tall):
    first = show("depth")["shown"]
    away = show("predict", image=tall, shown=first)["shown"]
    assert away == {}
    assert show("depth", shown=away)["depth_html"]


def test_see_why_begins_relevance_anew_and_leaves_depth_alone():
    one = {"question": "a", "status": ""}
    assert begin_anew({"relevance": one, "depth": one}) == {"relevance_chosen": None, "shown": {"depth": one}}
    assert begin_anew(None) == {"relevance_chosen": None, "shown": {}}


@pytest.mark.parametrize("shown", [None, [], "depth", {"depth": "another"}, {"depth": 7}, {"depth": {}}])
def test_what_was_never_shown_is_computed(show, shown):
    assert show("depth", shown=shown)["depth_html"]


def test_a_tab_that_keeps_no_state_is_computed_whenever_it_is_opened(show, explainer):
    shown = show(tab="predict").get("shown", {})
    explainer.calls.clear()
    assert show(tab="predict", shown=shown)["predict_html"]
    assert "predict" in explainer.questions


def test_the_status_line_counts_rows_by_columns_and_all_tokens(show):
    status = show()["status"]
    assert "3×5 patches of 16 px" in status
    assert "18 tokens" in status  # 15 patches, a class token and two registers


def test_the_status_line_says_when_the_forward_pass_was_kept(show, explainer):
    explainer.cached = True
    assert "forward pass 12 ms, kept" in show()["status"]


@pytest.mark.parametrize(("layer", "index"), [(0, 0), (5, 5), (6, 5), (999, 5), (None, 5)])
def test_layers_outside_the_model_are_moved_into_it(show, explainer, layer, index):
    assert show(selection={"layer": layer})["attention"]["data"]["layer"] == index
    assert next(args for question, args in explainer.calls if question == "attention_layer")[2] == index


@pytest.mark.parametrize("layer", ["", "last", [1], {}, float("nan"), float("inf"), -1, True, 2.0])
def test_a_layer_that_is_no_number_is_the_last(show, layer):
    assert show(selection={"layer": layer})["attention"]["data"]["layer"] == 5


@pytest.mark.parametrize("selection", [None, "cls", [1], 7, {"token": {"a": 1}}, {"token": "x" * 10**6}])
def test_a_selection_of_another_shape_does_no_harm(show, selection):
    data = show(selection=selection)["attention"]["data"]
    assert data["layer"] == 5
    assert len(data["selection"]["token"]) <= 40


@pytest.mark.parametrize("side", [1, 0, -5, 100_000, "big", "48.5", [224], {}, float("inf"), float("nan")])
def test_sizes_out_of_range_are_refused_in_a_sentence(show, examples, side):
    with pytest.raises(DemoError) as caught:
        show(side=side)
    assert caught.value.key == "page.size_out_of_range"


@pytest.mark.parametrize("side", [None, "", "native", 48, "48"])
def test_native_and_empty_sizes_are_the_models_own(show, side):
    data = show(side=side)["attention"]["data"]
    assert (data["rows"], data["cols"]) == (3, 5)


def test_keeping_the_shape_gives_the_pictures_grid(show, tall):
    data = show(image=tall, keep_shape=True)["attention"]["data"]
    assert (data["rows"], data["cols"]) == (6, 3)


def test_a_model_without_positions_hides_the_tiles_and_keeps_the_filters(show, explainer):
    explainer.errors["position_similarity"] = DemoError("embeddings.no_positions", title="Fake")
    updates = show(tab="embeddings")
    assert updates["embeddings_similarity"]["visible"] is False
    assert updates["embeddings_positions_help"] == say("embeddings.no_positions", title="Fake")
    assert "<svg" in updates["embeddings_filters_html"]
    assert updates["embeddings_bank"]["files"]


def test_other_failures_of_the_embeddings_are_raised(show, explainer):
    explainer.errors["position_similarity"] = ModelError("models.offline", name="x")
    with pytest.raises(ModelError):
        show(tab="embeddings")


@pytest.mark.parametrize(("model", "key"), [(HEAD, "predict.help"), (FEATURES, "predict.help_neighbours")])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_help_of_predict_tells_classes_from_neighbours(show, model, key, language):
    assert show(tab="predict", model=model, language=language)["predict_help"] == say(key, language)


@pytest.mark.parametrize("language", [None, "", "de", "EN", ["zh"], {"a": 1}, 3])
def test_an_unknown_language_is_english(show, language):
    assert "tokens" in show(language=language)["status"]


# ---------------------------------------------------------------------------------------------------------- the edge


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "error",
    [PictureError("picture.too_many_bytes", size=21, limit=20), ModelError("models.gated", name="a/b")],
)
def test_a_failure_is_said_in_the_visitors_language(show, explainer, language, error):
    explainer.errors["attention_layer"] = error

    def handler(language):
        return show(language=language)

    with pytest.raises(gr.Error) as caught:
        page.with_messages(handler, ("language",), ("attention",))(None, language)
    assert unescape(caught.value.message) == say(error.key, language, **error.values)
    assert caught.value.print_exception is False


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("error", [RuntimeError("/home/teacher/secret"), KeyError("secret"), MemoryError()])
def test_an_unexpected_failure_is_one_sentence_without_insides(show, explainer, language, error, caplog):
    explainer.errors["attention_layer"] = error
    with pytest.raises(gr.Error) as caught:
        page.with_messages(lambda language: show(language=language), ("language",), ("attention",))(None, language)
    assert caught.value.message == say("page.unexpected", language)
    assert caught.value.__suppress_context__
    assert any(record.exc_info for record in caplog.records)  # kept for the one who runs the app


def test_what_a_visitor_typed_is_escaped_in_a_failure(explainer, image):
    def handler(language):
        raise ModelError("models.not_on_hub", name="<img src=x onerror=alert(1)>")

    with pytest.raises(gr.Error) as caught:
        page.with_messages(handler, ("language",), ("model",))(None, "en")
    assert "<" not in caught.value.message
    assert "&lt;img" in caught.value.message


def test_updates_come_in_the_order_of_names_and_the_rest_stays():
    run = page.with_messages(lambda language: {"b": 2}, ("language",), ("a", "b", "c"))
    assert run(None, "en") == (gr.skip(), 2, gr.skip())


def test_a_single_update_is_a_value_and_no_tuple():
    assert page.with_messages(lambda language: {"a": 1}, ("language",), ("a",))(None, "en") == 1


def test_an_update_of_what_is_no_output_is_not_lost_in_silence(caplog):
    with pytest.raises(gr.Error):
        page.with_messages(lambda language: {"b": 2}, ("language",), ("a",))(None, "en")
    assert "no output" in caplog.text


# -------------------------------------------------------------------------------------------------------- the model


def test_choosing_a_model_fits_the_controls_to_it(choose):
    updates = choose()
    assert updates["good_model"] == HEAD
    assert updates["side"]["choices"] == [("48 (own size)", 48), ("96", 96)]
    assert updates["side"]["value"] == 48
    assert "Apache-2.0" in updates["card"]


def test_a_chosen_size_is_kept_where_the_next_model_has_it(choose):
    assert choose(good_model=FEATURES, side=96)["side"]["value"] == 96
    assert choose(good_model=FEATURES, side=512)["side"]["value"] == 48


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_model_that_cannot_be_had_leaves_the_last_good_one(choose, notices, language):
    assert choose(model=BROKEN, good_model=HEAD, language=language) == {"model": gr.update(value=HEAD)}
    ((kind, message),) = notices
    assert (kind, unescape(message)) == ("warning", say("models.unreachable", language, name=BROKEN))


def test_the_warning_about_a_model_escapes_its_name(choose, notices):
    choose(model="<script>alert(1)</script>", good_model=HEAD)
    assert "<" not in notices[0][1]


def test_a_page_whose_first_model_cannot_be_had_opens_with_the_best_on_this_machine(choose, notices):
    updates = choose(model=BROKEN)
    assert (updates["good_model"], updates["model"]) == (HEAD, gr.update(value=HEAD))
    assert "Apache-2.0" in updates["card"]
    ((kind, message),) = notices
    assert (kind, unescape(message)) == ("warning", say("models.unreachable", name=BROKEN))


def test_a_download_in_another_thread_moves_the_progress_of_this_event(choose, explainer, monkeypatch):
    event, seen, details = contextvars.ContextVar("event", default="no event"), [], explainer.details

    def elsewhere(model, progress=None):
        other = threading.Thread(target=progress, args=(5_000_000, 20_000_000))
        other.start()
        other.join()
        return details(model)

    monkeypatch.setattr(explainer, "details", elsewhere)
    token = event.set("this event")
    choose(progress=lambda now, unit, desc: seen.append((event.get(), now, unit)))
    event.reset(token)
    assert seen == [("this event", (5.0, 20.0), "MB")]


def test_where_the_best_on_this_machine_fails_too_the_failure_is_raised(choose, explainer, monkeypatch):
    monkeypatch.setattr(explainer, "default_model", lambda download=True: BROKEN)
    with pytest.raises(ModelError):
        choose(model=BROKEN)


def test_the_good_model_failing_again_is_raised(choose):
    with pytest.raises(ModelError):
        choose(model=BROKEN, good_model=BROKEN)


def test_a_typed_name_is_loaded_and_one_of_the_list_left_to_its_own_event(explainer, image):
    rest = dict(image=picture(image), good_model=HEAD, side=None, keep_shape=False, language="en")
    assert events.choose_typed_model(explainer, model=FEATURES, **rest) == {}
    assert "details" not in explainer.questions
    explainer._require = lambda model: None  # the engine now opens any name
    assert events.choose_typed_model(explainer, model="./my-model", **rest)["good_model"] == "./my-model"


def test_downloading_is_reported_in_megabytes(choose):
    seen = []
    choose(progress=lambda done, **words: seen.append((done, words["unit"])))
    assert seen == [((11.0, 22.0), "MB")]


def test_models_that_are_here_stand_first_with_their_marks(explainer):
    choices = events.refresh_models(explainer, HEAD, "en")["model"]["choices"]
    assert choices[0] == ("● Fake head · classes", HEAD)
    assert ("↓ Fake features · features · 22 MB to download", FEATURES) in choices
    assert ("× Fake broken · features · out of reach", BROKEN) in choices


def test_the_card_escapes_what_a_model_says_of_itself(fake):
    html = captions.card_html(fake.card(HEAD, family="<script>x</script>", licence="<b>mine</b>"), "en")
    assert "<script>" not in html
    assert "<b>" not in html


@pytest.mark.parametrize("url", ["javascript:alert(1)", "http://a.example", "", 'https://a.example/"onclick="x'])
def test_only_https_licences_are_links_and_quotes_cannot_leave_them(fake, url):
    html = captions.card_html(fake.card(HEAD, licence_url=url), "en")
    assert ("<a " in html) == url.startswith("https://")
    assert '"onclick=' not in html
    assert "javascript:" not in html


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_position_kind_and_resampling_has_words(fake, explainer, language, image):

    info = explainer.attention(image, HEAD, SizeChoice(), TokenQuery(), 0).info
    for kind in ("table", "rope", "table_rope", "none"):
        assert say(f"page.position_{kind}", language) in captions.position_words(replace(info, position=kind), language)
    resampled = captions.position_words(replace(info, position="<timm>", resampled=True), language)
    assert "<timm>" in resampled
    assert "<timm>" not in captions.status_html(replace(info, position="<timm>", resampled=True), 1.0, language)


def test_the_size_note_counts_patches_tokens_and_work(explainer, image, tall):
    note = partial(events.resized, explainer)
    assert "48 px: 3×5 patches, 18 tokens" in note(picture(image), HEAD, 48, False, "en")["size_note"]
    assert "96 px: 6×10 patches, 63 tokens" in note(picture(image), HEAD, 96, False, "en")["size_note"]
    assert "6×3 patches, 21 tokens" in note(picture(tall), HEAD, 48, True, "en")["size_note"]
    assert note(picture(image), HEAD, 7, False, "en")["size_note"] == ""


def test_the_size_note_follows_the_picture_where_the_checkpoint_does_not_crop(explainer, tall):
    details = explainer.details(HEAD)
    spec = replace(details.preprocess, size=(48, 48), resized=(48, 48), crop="none")
    note = captions.size_note(replace(details, preprocess=spec), 48, False, picture(tall), "en")
    rows, cols = (
        side // details.patch_px for side in input_size(spec, details.patch_px, SizeChoice(), *tall.shape[:2])
    )
    assert rows > cols
    assert f"{rows}×{cols} patches" in note


def test_a_refused_picture_has_a_size_note_all_the_same(explainer):
    assert "48 px" in events.resized(explainer, PictureError("picture.empty"), HEAD, 48, True, "en")["size_note"]


# --------------------------------------------------------------------------------------------------------- first look


def request(address: dict | None = None, **headers: str) -> SimpleNamespace:
    return SimpleNamespace(query_params=address or {}, headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.parametrize(
    ("address", "language"),
    [
        (None, "en"),
        (request(), "en"),
        (request(accept_language="zh-CN,zh;q=0.9,en;q=0.8"), "zh"),
        (request(accept_language="en-GB,zh;q=0.9"), "en"),
        (request(accept_language="ZH-tw"), "zh"),
        (request(accept_language="de"), "en"),
        (request({"lang": "zh"}, accept_language="en"), "zh"),
        (request({"lang": "en"}, accept_language="zh"), "en"),
        (request({"lang": "<script>"}), "en"),
    ],
)
def test_the_language_is_the_addresss_then_the_browsers(address, language):
    assert events.language_of_request(address) == language


def test_the_first_look_needs_no_model(explainer, examples):
    updates = events.first_look(
        BY_NAME["attention"], GROUPS, explainer, examples, Visitors(), request(accept_language="zh")
    )
    assert "details" not in explainer.questions
    assert updates["language"] == "zh"
    assert updates["model"]["value"] == HEAD
    data = updates["attention"]["data"]
    assert data["layer"] is None
    assert (data["rows"], data["cols"]) == (3, 5)
    assert updates["attention"]["picture"].shape == (48, 80, 3)
    assert say("page.loading", "zh", title="Fake head") in updates["status"]


def test_a_link_opens_model_example_size_layer_head_and_token(explainer, examples):
    link = {"model": FEATURES, "example": "koala", "side": "96", "keep": "1", "layer": "2", "head": "1", "token": "1,3"}
    updates = events.first_look(ATTENTION, GROUPS, explainer, examples, Visitors(), request(link))
    assert updates["model"]["value"] == FEATURES
    assert updates["image"].endswith("koala.jpg")
    assert updates["side"]["value"] == 96
    assert updates["keep_shape"] is True
    assert updates["selection"] == {"layer": 1, "head": 0, "token": "0,2"}  # a link counts from 1


def test_a_model_of_digits_opens_on_a_drawing(explainer, examples, fake, monkeypatch):
    own = fake.card(HEAD, source="own", native_size=(28, 28), patch_px=4)
    monkeypatch.setattr(explainer, "statuses", lambda: (ModelStatus(own, "on_disk"),))
    updates = events.first_look(ATTENTION, GROUPS, explainer, examples, Visitors(), request())
    assert updates["image"].shape == (28, 28, 3)
    assert updates["image"].max() > 200
    assert (updates["attention"]["data"]["rows"], updates["attention"]["data"]["cols"]) == (7, 7)
    assert events.first_look(
        BY_NAME["attention"], GROUPS, explainer, examples, Visitors(), request({"example": "koala"})
    )["image"].endswith("koala.jpg")


@pytest.mark.parametrize(
    "link",
    [
        {"model": "stranger/model", "example": "../../etc/passwd", "side": "-1", "layer": "x", "head": "-2"},
        {"model": "", "example": "", "side": "1e9", "layer": "0", "head": "99999", "token": "x" * 500},
    ],
)
def test_what_a_link_asks_for_in_vain_is_left_out(explainer, examples, link):
    updates = events.first_look(ATTENTION, GROUPS, explainer, examples, Visitors(), request(link))
    assert updates["model"]["value"] == HEAD
    assert "image" not in updates
    assert "side" not in updates
    assert updates["selection"]["layer"] is updates["selection"]["head"] is None
    assert len(updates["selection"]["token"]) <= 40


# ----------------------------------------------------------------------------------------------------------- examples


@pytest.mark.parametrize("language", ["en", "zh"])
def test_examples_card_and_sizes_change_their_language(explainer, examples, language):
    updates = events.relabelled(explainer, examples, HEAD, language)
    data = updates["examples"]["data"]
    assert [picture["label"] for picture in data["pictures"]] == [example.labels[language] for example in examples]
    assert data["heading"] == say("page.examples", language)
    assert say("page.card_head", language) in updates["card"]
    assert updates["side"]["choices"][0] == (say("page.size_native", language, side=48), 48)
    assert "value" not in updates["side"]  # the chosen size stays


def test_before_a_model_is_there_the_examples_change_their_language_alone(explainer, examples):
    assert set(events.relabelled(explainer, examples, "", "zh")) == {"examples"}
    assert explainer.calls == []


def test_an_example_is_cut_to_the_models_shape(examples, fake):
    assert events.square_of(examples[0], fake.card(HEAD)).shape == (48, 80, 3)


def test_the_card_tells_what_became_of_the_tensors_once_they_are_loaded(explainer):
    report = {"renamed": 150, "fused": 24, "split": 0, "reshaped": 0, "dropped": 2, "filled": 1}
    card = explainer.statuses()[0].card
    assert "150" not in captions.card_html(card, "en")
    assert "150 tensors" in captions.card_html(card, "en", report)
    assert "2 left out" in captions.card_html(card, "en", report)


def test_a_full_page_asks_to_come_back_in_the_visitors_language(explainer, examples):
    visitors = Visitors(1)
    first, second = (request(accept_language="zh") for _ in range(2))
    first.session_hash, second.session_hash = "one", "two"
    look = partial(events.first_look, ATTENTION, GROUPS, explainer, examples, visitors)
    assert look(first)["language"] == "zh"
    assert look(first)  # the same page again is no other visitor
    with pytest.raises(gr.Error) as caught:
        look(second)
    assert caught.value.message == say("page.full", "zh", most=1)
    visitors.leave("one")
    assert look(second)["language"] == "zh"


def test_no_handler_sets_what_holds_other_components(explainer, examples):
    """Gradio's front end copies the values of everything inside a handler's output for each later event of the page."""
    demo = build_demo(explainer, examples)
    holders = {key for key, one in demo.blocks.items() if getattr(one, "children", None)}
    for listener in demo.config["dependencies"]:
        if listener["backend_fn"]:
            assert not holders & set(listener["outputs"]), listener
