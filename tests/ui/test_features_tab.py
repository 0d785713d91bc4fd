"""The Features tab: what the browser gets are the numbers that were answered, of the pictures that were chosen."""

from __future__ import annotations

import inspect
import io
import json
import re
import struct
import xml.etree.ElementTree as ET
from dataclasses import replace
from html import unescape
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from vit_demo.contract import DemoError, PictureError, SizeChoice
from vit_demo.text import phrases, say
from vit_demo.ui.kit.inputs import number_of
from vit_demo.ui.kit.pictures import PictureFiles, chosen_pictures, several
from vit_demo.ui.kit.static import ui_text
from vit_demo.ui.page import Page
from vit_demo.ui.state import PageState, Selection
from vit_demo.ui.tabs.features import colours
from vit_demo.ui.tabs.features import tab as features
from vit_demo.ui.tabs.features.choices import INPUTS, VIEWS, Choices
from vit_demo.ui.tabs.features.figures import segment_picture

HEAD, FEATURES = "fake/head", "fake/features"
DEFAULTS = dict(
    view="colours",
    facet="token",
    more=[],
    uploads=(),
    method="dinov2",
    foreground=True,
    flip=False,
    segmenter="kmeans",
    count=4,
    other_side=False,
    threshold=0,
    other="",
    lens=0,
    around=False,
    by="cls",
    plane="pca",
    own=(),
)


def given(**changes) -> dict:
    """Values of the tab's controls by the names of INPUTS."""
    values = DEFAULTS | changes
    assert set(values) == set(INPUTS)
    return values


@pytest.fixture
def state(explainer, examples, image):
    return PageState(explainer, examples, image, HEAD, SizeChoice(), Selection(), "en")


def unpacked(data: bytes) -> dict[str, np.ndarray]:
    """What web/unpack.js reads of a file, read by the layout that ui/binary.py documents."""
    (length,) = struct.unpack_from("<I", data)
    header, start = json.loads(data[4 : 4 + length]), 4 + length
    kinds = {"Int16Array": "<i2", "Uint8Array": "<u1", "Float32Array": "<f4"}
    return {
        name: np.frombuffer(data, kinds[one["kind"]], int(np.prod(one["shape"])), start + one["offset"]).reshape(
            one["shape"]
        )
        for name, one in header.items()
    }


def svgs(html: str) -> list[ET.Element]:
    return [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", html, re.S)]


# ------------------------------------------------------------------------------------------------ colours, similarity


def test_the_browser_gets_every_pictures_colours_and_cosines(state, explainer, tall):
    state = replace(state, size=SizeChoice(48, keep_shape=True))
    updates, info = features.show(state, **given(more=["kitten.jpg"], uploads=(tall,), facet="key"))
    value = updates["features_colours"]
    arrays, data = unpacked(value["files"]["features"]), value["data"]
    pictures = [state.image, *chosen_pictures(state, ["kitten.jpg"], (tall,))]
    assert [(p["rows"], p["cols"]) for p in data["pictures"]] == [(3, 5), (3, 4), (6, 3)]
    pca = explainer.pca(pictures, HEAD, state.size, 5, "key")
    for i, picture in enumerate(pictures):
        colours = pca.colours[i].reshape(-1, 3)
        assert np.abs(arrays[f"colours_{i}"] / 255 - colours).max() <= 0.5 / 255 + 1e-6
        vectors = arrays[f"vectors_{i}"] * arrays[f"steps_{i}"][:, None]
        exact = explainer.patch_features(picture, HEAD, state.size, 5, "key").vectors
        assert np.abs(vectors @ vectors.T - exact @ exact.T).max() < 5e-5
        assert np.diag(vectors @ vectors.T) == pytest.approx(1, abs=1e-6)
    assert data["width"] == 8
    assert info.grid.shape == (3, 5)


def test_a_vector_of_zeros_has_cosine_zero():
    whole, steps = colours.quantised(np.zeros((2, 4), np.float32))
    assert not whole.any()
    assert np.isfinite(steps).all()


def test_more_than_eight_pictures_are_refused(state, image):
    with pytest.raises(DemoError) as caught:
        features.redraw(state, **given(more=["kitten.jpg"], uploads=(image,) * 7))
    assert caught.value.key == "features.too_many_pictures"


def test_the_page_wide_layer_is_asked_for_and_shown(state, explainer):
    updates, _ = features.show(replace(state, selection=Selection(layer=2)), **given())
    asked_pca = next(args for question, args in explainer.calls if question == "pca")
    assert asked_pca[3:] == (2, "token", "dinov2", True, False)
    assert (updates["features_layer"]["value"], updates["features_layer"]["maximum"]) == (3, 6)


@pytest.mark.parametrize(
    ("slider", "layer"), [(1, 0), (5, 4), (6, None), (99, None), ("x", None), (float("nan"), None), (-3, 0), (2.6, 2)]
)
def test_a_layer_is_remembered_for_the_whole_page(state, slider, layer):
    before = replace(state, selection=Selection(layer=3, head=1, token="2,4"))
    told, shown = features.at_layer(before, slider, **given())
    assert told == {"selection": {"layer": layer, "head": 1, "token": "2,4"}}
    assert shown["features_colours"]
    depth = before.explainer.details(HEAD).depth
    shown = depth - 1 if layer is None else layer
    assert next(args for question, args in before.explainer.calls if question == "pca")[3] == shown


def test_a_view_that_fails_leaves_the_layer_that_was_chosen(state, explainer):
    explainer.errors["pca"] = DemoError("features.no_foreground")
    steps = features.at_layer(state, 3, **given())
    assert next(steps)["selection"]["layer"] == 2
    with pytest.raises(DemoError):
        next(steps)


# --------------------------------------------------------------------------------------------------------- other views


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("view", VIEWS)
def test_only_the_open_view_is_computed_and_has_no_open_placeholder(state, explainer, view, language, image):
    updates, info = features.show(
        replace(state, language=language), **given(view=view, uploads=(image,), own=(image, image))
    )
    shown = {name for name in updates if name in features.SHOWN}
    assert len(shown) == 1
    assert shown == {"features_colours" if view == "colours" else f"features_{view}_html"}
    assert set(updates) <= set(features.OUTPUTS)
    assert info.model_id == HEAD
    if view != "colours":
        html = unescape(updates[shown.pop()])
        assert not re.search(r"\{\w+\}", html)
        svgs(html)  # well-formed


def test_segments_are_overlaid_in_their_colours_with_their_shares(state, explainer):
    html = features.redraw(state, **given(view="segments", count=3))["features_segments_html"]
    assert ("segments", (HEAD, SizeChoice(), 5, "token", "kmeans", 3, False)) in explainer.calls
    assert [int(n) for n in re.findall(r"group \d+: (\d+) %", html)] == [33, 33, 33]
    found = explainer.segments(state.image, HEAD, SizeChoice(), 5, "token", "kmeans", 3)
    painted = segment_picture(found)[8::16, 8::16].reshape(-1, 3)  # a pixel of each patch
    groups = found.labels.ravel()
    assert len({tuple(colour) for colour in painted}) == 3
    assert all(len({tuple(c) for c in painted[groups == g]}) == 1 for g in range(3))


def test_a_cut_darkens_the_background(state, explainer):
    html = features.redraw(state, **given(view="segments", segmenter="ncut", other_side=True))["features_segments_html"]
    assert explainer.calls[-1] == ("segments", (HEAD, SizeChoice(), 5, "token", "ncut", 4, True))
    assert "foreground: 47 %" in html
    found = explainer.segments(state.image, HEAD, SizeChoice(), method="ncut")
    bright = segment_picture(found)[8::16, 8::16, 0] > 100
    assert np.array_equal(bright, found.labels == 1)


def test_outliers_are_outlined_where_they_are_and_counted(state, explainer):
    html = features.redraw(state, **given(view="norms"))["features_norms_html"]
    boxes = [box for svg in svgs(html) if svg.get("class") == "vd-feat-map" for box in svg.iter() if "rect" in box.tag]
    assert [(box.get("y"), box.get("x")) for box in boxes] == [("1", "2")]
    assert "1 of 15 patches (6.7 %) are longer than 50 (third quartile" in html
    assert html.count(" on patches") == 3  # CLS and two registers
    assert html.count("on average") == 3


def test_a_threshold_of_ones_own_is_used_and_nonsense_is_not(state, explainer):
    for value, used in [(42.5, 42.5), (0, None), (-3, None), (None, None), ("x", None), (float("inf"), None)]:
        features.redraw(state, **given(view="norms", threshold=value))
        assert explainer.calls[-1] == ("token_norms", (HEAD, SizeChoice(), 5, used))


def test_another_model_stands_beside_at_the_same_share_of_its_depth(state, explainer):
    shallow = replace(state, selection=Selection(layer=2))  # the third of 6 layers
    html = features.redraw(shallow, **given(view="norms", other=FEATURES))["features_norms_html"]
    layers = {args[0]: args[2] for question, args in explainer.calls if question == "token_norms"}
    assert layers == {HEAD: 2, FEATURES: 1}  # the second of 4
    assert [unescape(name) for name in re.findall(r'vd-subhead">(Fake \w+)<', html)] == ["Fake head", "Fake features"]


def test_a_model_that_becomes_the_pages_own_is_no_longer_beside_it(state, explainer, fake):
    known = explainer.statuses()
    explainer.statuses = lambda: tuple(replace(status, availability="on_disk") for status in known)
    updates, _ = features.show(state, **given(view="norms", other=FEATURES))
    assert updates["features_other"]["value"] == FEATURES
    updates, _ = features.show(replace(state, model=FEATURES), **given(view="norms", other=FEATURES))
    assert updates["features_other"]["value"] == ""
    assert FEATURES not in [value for _, value in updates["features_other"]["choices"]]


def test_the_lens_shows_the_chosen_class_and_none_for_a_model_without_a_head(state, explainer):
    explainer.labels = ("<tabby>", "lynx")
    updates = features.redraw(state, **given(view="evolution", lens=1))
    html = updates["features_evolution_html"]
    found = explainer.evolution(state.image, HEAD, SizeChoice())
    assert "Logit lens: lynx" in html
    assert "&lt;tabby&gt;" in html
    assert "<tabby>" not in html
    shares = [float(n) for n in re.findall(r"layer \d+: [^;]+; ([\d.e+]+) %<", unescape(html).replace("<tabby>", "t"))]
    assert shares == pytest.approx(100 * found.lens.picture[:, 1], rel=0.06)
    assert updates["features_lens"]["choices"] == [("<tabby>", 0), ("lynx", 1)]
    updates = features.redraw(replace(state, model=FEATURES), **given(view="evolution", lens=7))
    assert say("features.no_lens") in updates["features_evolution_html"]
    assert updates["features_lens"]["visible"] is False


def test_pairs_are_lines_between_the_middles_of_their_patches(state, explainer):
    html = features.redraw(state, **given(view="pairs", more=["kitten.jpg"]))["features_pairs_html"]
    (svg,) = svgs(html)
    images = [node for node in svg.iter() if node.tag.endswith("image")]
    lefts = [float(node.get("x")) for node in images]
    wide, tall = float(images[0].get("width")), float(images[0].get("height"))
    lines = [n.get("d") for n in svg.iter() if n.tag.endswith("path") and n.get("class") is None]
    ends = np.array([[float(n) for n in re.findall(r"[\d.]+", line)] for line in lines]).reshape(-1, 2, 2)
    places = np.array([[0, 0], [1, 3], [2, 4]])
    for side, expected in ((0, places), (1, places[::-1])):
        assert (ends[:, side, 0] - lefts[side]) / wide * 5 - 0.5 == pytest.approx(expected[:, 1], abs=0.01)
        assert ends[:, side, 1] / tall * 3 - 0.5 == pytest.approx(expected[:, 0], abs=0.01)
    assert "3 pairs, chosen among 7" in html
    assert "row 1, column 1 ↔ row 3, column 5: cosine 0.75" in html


def test_pairs_ask_for_a_second_picture(state, explainer):
    updates, _ = features.show(state, **given(view="pairs"))
    assert say("features.need_second") in updates["features_pairs_html"]
    assert "correspondences" not in explainer.questions


def test_alike_names_own_pictures_and_examples_and_places_all(state, explainer, image, tall):
    html = features.redraw(state, **given(view="alike", own=(image, tall), by="patches"))["features_alike_html"]
    assert explainer.calls[-1] == ("alike", (2, HEAD, "patches", "pca"))
    assert re.findall(r'vd-label">([^<]+)<', html) == ["your picture 1", "your picture 2", "kitten", "dog"]
    (svg,) = svgs(html)
    titles = [node.text for node in svg.iter() if node.tag.endswith("title")]
    assert titles == ["your picture 1", "your picture 2", "kitten", "dog", "this picture"]
    found = explainer.alike(state.image, (image, tall), HEAD)
    places = [(float(n.get("x")), -float(n.get("y"))) for n in svg.iter() if n.tag.endswith("image")]
    for axis in (0, 1):
        drawn, true = np.array(places)[:, axis], found.places[:, axis]
        assert np.corrcoef(drawn, true)[0, 1] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("planes", [("pca",), ("pca", "umap")])
def test_umap_is_offered_where_it_is_there_and_says_what_its_plane_means(state, explainer, planes):
    explainer.planes = planes
    updates = features.redraw(state, **given(view="alike", plane="umap"))
    assert updates["features_plane"]["visible"] == (len(planes) > 1)
    assert explainer.calls[-1][1][-1] == "umap"
    by_umap, by_pca = say("features.plane_umap"), say("features.plane", first="50", second="25")
    assert (by_umap if len(planes) > 1 else by_pca) in updates["features_alike_html"]
    assert by_pca in features.redraw(state, **given(view="alike", plane="pca"))["features_alike_html"]


# ----------------------------------------------------------------------------------------------------- from a browser


def test_what_makes_no_sense_becomes_a_default(state):
    odd = dict.fromkeys(DEFAULTS, "<nonsense>") | dict(uploads=(), own=(), more=[3, "../../etc/passwd", "dog.jpg.png"])
    controls = Choices.of(state, given(**odd))
    assert (controls.view, controls.facet, controls.more, controls.method) == ("colours", "token", (), "dinov2")
    assert (controls.segmenter, controls.count, controls.threshold, controls.lens) == ("kmeans", 4, None, 0)
    assert controls.by == "cls"


@pytest.mark.parametrize(("value", "number"), [("3", 3), (2.5, 2.5), (None, 1), ("", 1), ([], 1), (float("nan"), 1)])
def test_numbers_are_numbers(value, number):
    assert number_of(value, 1) == number


def test_what_is_wrong_with_an_upload_is_said_where_it_is_used_and_nowhere_else(state):
    broken = PictureError("picture.damaged")
    with pytest.raises(PictureError):
        features.redraw(state, **given(uploads=broken))
    with pytest.raises(PictureError):
        features.redraw(state, **given(view="alike", own=broken))
    assert features.redraw(state, **given(view="segments", uploads=broken, own=broken))


def files(tmp_path, *contents: bytes) -> SimpleNamespace:
    """A payload as gradio hands it over."""
    paths = []
    for i, content in enumerate(contents):
        path = tmp_path / f"{i}.bin"
        path.write_bytes(content)
        paths.append(SimpleNamespace(path=str(path)))
    return SimpleNamespace(root=paths)


def png(picture: np.ndarray, mode: str = "RGB") -> bytes:
    held = io.BytesIO()
    Image.fromarray(picture).convert(mode).save(held, "PNG")
    return held.getvalue()


def test_uploads_are_decoded_and_bounded(tmp_path, image):
    part = several(2)
    found = part.preprocess(files(tmp_path, png(image), png(image, "L")))
    assert np.array_equal(found[0], image)
    assert found[1].shape == image.shape
    assert not found[0].flags.writeable
    assert part.preprocess(None) == ()
    refused = part.preprocess(files(tmp_path, *[png(image)] * 3))
    assert (refused.key, refused.values) == ("features.too_many_pictures", {"count": 3, "most": 2})
    assert part.preprocess(files(tmp_path, b"hello")).key == "picture.not_a_picture"
    assert part.preprocess(SimpleNamespace(root=[SimpleNamespace(path="")])).key == "picture.not_a_picture"
    gone = SimpleNamespace(root=[SimpleNamespace(path=str(tmp_path / "gone"))])
    assert part.preprocess(gone).key == "picture.gone"
    assert several(2, 50).preprocess(files(tmp_path, png(image)))[0].shape == (30, 50, 3)
    assert PictureFiles.most == 8  # bounds of one component are not those of others


# -------------------------------------------------------------------------------------------------------- to take away


@pytest.mark.parametrize("view", VIEWS)
def test_what_is_taken_away_opens_and_the_lines_run(state, explainer, image, tall, view, tmp_path, monkeypatch):
    parcel = features.download(state, **given(view=view, uploads=(tall,), segmenter="ncut"))
    assert any(name.endswith(".npz") for name in parcel.files)
    for name, content in parcel.files.items():
        if name.endswith(".npz"):
            with np.load(io.BytesIO(content), allow_pickle=False) as numbers:
                arrays = {key for key in numbers.files if not key.startswith("axes_")}
                assert arrays
                for key in arrays:
                    axes = str(numbers[f"axes_{key}"]).split(",")
                    assert len(axes) == numbers[key].ndim, (key, axes)
        elif name.endswith(".pdf"):
            assert content.startswith(b"%PDF")
            assert name.replace(".pdf", ".png") in parcel.files
        else:
            with Image.open(io.BytesIO(content)) as picture:
                picture.load()
                assert min(picture.size) > 40
    Image.fromarray(image).save(tmp_path / "picture.png")
    Image.fromarray(tall).save(tmp_path / "second.jpg")
    monkeypatch.chdir(tmp_path)
    import vit_demo.explain

    class Arrays:
        """The fake engine, which takes arrays alone, in the place of the real one."""

        def __getattr__(self, question):
            plain = lambda value: np.asarray(value) if isinstance(value, Image.Image) else value  # noqa: E731
            each = lambda value: [plain(v) for v in value] if isinstance(value, list) else plain(value)  # noqa: E731
            return lambda *args, **more: getattr(explainer, question)(*map(each, args), **more)

    monkeypatch.setattr(vit_demo.explain, "Explainer", Arrays)
    before = len(explainer.calls)
    exec(parcel.code, {})
    (again,) = explainer.calls[before:]
    carried = next(call for call in explainer.calls[:before] if call[0] == again[0])
    assert len(again[1]) == len(carried[1])
    assert again[1][1:] == carried[1][1:]  # but for the number of pictures, the same question


def test_the_lines_are_the_engines_own_arguments(state):
    from vit_demo.explain import Explainer

    for view, question in zip(
        VIEWS, ("pca", "segments", "token_norms", "evolution", "correspondences", "alike"), strict=True
    ):
        code = features.download(state, **given(view=view, uploads=(state.image,))).code
        (call,) = re.findall(rf"explainer\.{question}\((.*)\)", code)
        names = re.findall(r"(\w+)=", call)
        assert set(names) <= set(inspect.signature(getattr(Explainer, question)).parameters)


def test_masks_are_white_where_the_segment_is(state, explainer):
    parcel = features.download(state, **given(view="segments", count=3))
    found = explainer.segments(state.image, HEAD, SizeChoice(), count=3)
    for label in range(3):
        with Image.open(io.BytesIO(parcel.files[f"features-mask-{label + 1}.png"])) as mask:
            pixels = np.asarray(mask)
        assert pixels.shape == (48, 80, 3)
        assert np.array_equal(pixels[8::16, 8::16, 0] == 255, found.labels == label)


# ------------------------------------------------------------------------------------------------------------- wiring


def test_every_control_is_laid_out_and_wired(explainer, examples):
    import gradio as gr

    page = Page(explainer, examples)
    with gr.Blocks():
        for name in ("image", "good_model", "side", "keep_shape", "language"):
            page.add(name, gr.State(None))
        page.add("selection", gr.State({}))
        features.layout(page)
        features.wire(page)
    assert set(INPUTS.values()) | set(features.OUTPUTS) <= set(page.parts)


def test_the_page_has_every_word_that_its_script_says():
    words = set(re.findall(r'data-word="(\w+)"', ui_text("tabs/features/view.html")))
    words |= set(re.findall(r"\bwords\.(\w+)", re.sub(r'".*?"', "", ui_text("tabs/features/view.js"))))
    have = {*colours.VIEW_WORDS, *colours.SEQUENTIAL, "pca_caption"}
    assert words <= have
    assert all(f"features.{name}" in phrases("zh") for name in colours.VIEW_WORDS)


# -------------------------------------------------------------------------------------------------------------- node

MODULES = ("kit/maps.js",)


@pytest.mark.parametrize("width", [8, 6, 3])
def test_the_browsers_cosines_are_numpys(node, width):
    noise = np.random.default_rng(0).normal(size=(15, width))
    unit = (noise / np.linalg.norm(noise, axis=1, keepdims=True)).astype(np.float32)
    whole, steps = colours.quantised(unit)
    cosines = "(() => { const v = js.unitVectors(given.whole, given.width, given.steps);"
    cosines += "return js.dots(v, 4 * given.width, v, 0, 15, given.width) })()"
    ours = node(cosines, MODULES, whole=whole.ravel().tolist(), steps=steps.tolist(), width=width)
    assert ours == pytest.approx(unit @ unit[4], abs=5e-5)
    assert ours[4] == pytest.approx(1, abs=1e-6)


def test_the_best_leaves_one_out_and_the_smallest_is_the_smallest(node):
    ask = lambda expression: node(expression, MODULES)  # noqa: E731
    assert ask("js.bestOf([0.2, 0.9, 0.5], -1)") == 1
    assert ask("js.bestOf([0.2, 0.9, 0.5], 1)") == 2
    assert ask("js.bestOf([], -1)") == -1
    assert ask("js.smallest([0.2, -0.9, 0.5])") == -0.9


def test_colours_become_opaque_pixels(node):
    assert node("js.opaque([1, 2, 3, 4, 5, 6])", MODULES) == [1, 2, 3, 255, 4, 5, 6, 255]
