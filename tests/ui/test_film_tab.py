"""The Film tab: parts as they come, films that are refused, and the files to take away."""

from __future__ import annotations

import base64
import io

import av
import numpy as np
import pytest
from PIL import Image

from vit_demo.contract import FilmError, SizeChoice
from vit_demo.film import RATES, film_bytes
from vit_demo.text import say
from vit_demo.ui.page import _with_state
from vit_demo.ui.state import Selection
from vit_demo.ui.tabs.film import tab as film
from vit_demo.ui.tabs.film.sheet import GAP_PX, Chosen, mass_mask, sheets

HEAD, FEATURES = "fake/head", "fake/features"
MODULES = ("kit/files.js", "tabs/film/numbers.js")


def pictures(count: int) -> list[np.ndarray]:
    return [np.full((60, 100, 3), 10 * i, np.uint8) for i in range(count)]


@pytest.fixture
def file(tmp_path) -> str:
    path = tmp_path / "film.mp4"
    path.write_bytes(film_bytes(pictures(10), 3))
    return str(path)


def run(tmp_path, state, file, rate=3) -> list[dict]:
    return list(film.look(str(tmp_path / "cache"), state, file, rate))


def arrays(path, ask) -> dict:
    """What the browser reads of a file."""
    return ask(
        "(() => { const b = Buffer.from(given.file, 'base64'); const n = new js.Numbers();"
        "n.add(js.unpack(b.buffer.slice(b.byteOffset, b.byteOffset + b.length)));"
        "return { count: n.count, heads: n.heads, patches: n.patches, map: [...n.map(1, 2)], mean: [...n.map(1, -1)],"
        "top: n.top(2), outside: n.outside(1, 2), cosines: [...n.cosines(1, { frame: 0, patch: 4 })],"
        "picture: Buffer.from(n.picture(1)).toString('base64') } })()",
        file=base64.b64encode(path.read_bytes()).decode(),
    )


@pytest.fixture
def ask(node):
    return lambda expression, **given: node(expression, MODULES, **given)


# ------------------------------------------------------------------------------------------------------- part by part


def test_a_film_comes_part_by_part_and_its_colours_last(state, explainer, file, tmp_path):
    updates = run(tmp_path, state(selection=Selection(layer=1)), file)
    values = [one["film"] for one in updates if "film" in one]
    assert [sorted(one["files"]) for one in values] == [
        ["part1"],
        ["part1", "part2"],
        ["part1", "part2", "part3"],
        ["colours", "part1", "part2", "part3"],
    ]
    first, last = values[0]["data"], values[-1]["data"]
    assert (last["rows"], last["cols"], last["count"], last["rate"]) == (3, 5, 10, 3)
    assert last["times"] == pytest.approx([i / 3 for i in range(10)], abs=0.01)
    assert (last["title"], last["side"], last["layer"], last["depth"]) == ("Fake head", 48, 2, 6)
    assert len({one["data"]["run"] for one in values}) == 1
    assert "words" not in first  # the view has them, in the language that is chosen by now
    assert say("film.progress", done=8, count=10) in updates[2]["film_progress"]
    asked = [args for name, args in explainer.calls if name == "film_part"]
    assert [args[0][0] for args in asked] == [4, 4, 2]
    assert {args[1:] for args in asked} == {(HEAD, SizeChoice(None), 1)}


def test_a_part_holds_what_the_browser_computes_with(state, explainer, file, tmp_path, ask):
    updates = run(tmp_path, state(), file)
    value = next(one["film"] for one in updates if "film" in one)
    found = arrays(value["files"]["part1"], ask)
    info, _ = explainer._run(pictures(1)[0], HEAD, SizeChoice())
    rows = explainer.rows(info, film_query(), info.depth - 1)
    assert (found["count"], found["heads"], found["patches"]) == (4, 3, 15)
    assert np.abs(np.array(found["map"]) - rows[2, 3:]).max() < rows[2, 3:].max() / 255
    assert np.abs(np.array(found["mean"]) - rows[:, 3:].mean(axis=0)).max() < rows[:, 3:].max() / 255
    assert found["top"] == pytest.approx(rows[2, 3:].max(), rel=1e-5)
    assert found["outside"] == pytest.approx(rows[2, :3].sum(), rel=1e-5)
    bright = [frame.mean() / 255 for frame in pictures(2)]
    wanted = np.cos(bright[1] + np.arange(15) - bright[0] - 4)
    assert np.abs(np.array(found["cosines"]) - wanted).max() < 0.02
    picture = Image.open(io.BytesIO(base64.b64decode(found["picture"])))
    assert picture.size == (80, 48)


def film_query():
    from vit_demo.contract import CLASS_TOKEN

    return CLASS_TOKEN


def test_our_own_film_needs_no_file(state, tmp_path):
    updates = list(film.look_at_example(str(tmp_path), state(), 2))
    last = updates[-1]["film"]["data"]
    assert last["count"] == film.EXAMPLE_S * 2 + 1
    made = film.example_film(state(), 2)
    assert made.frames.shape[1] == made.frames.shape[2]
    assert not np.array_equal(made.frames[0], made.frames[-1])


def test_what_is_shown_stays_when_the_tab_is_opened_again(state):
    updates, info = film.show(state())
    assert set(updates["film"]) == {"data"}
    assert set(updates["film"]["data"]) == {"words"}
    assert info is None


# ------------------------------------------------------------------------------------------------------------ refused


def test_without_a_film_one_is_asked_for(state, tmp_path):
    (said,) = run(tmp_path, state(), None)
    assert say("film.no_film") in said["film_progress"]


def test_a_file_that_is_gone_is_said(state, tmp_path):
    with pytest.raises(FilmError) as refused:
        run(tmp_path, state(), str(tmp_path / "nothing.mp4"))
    assert refused.value.key == "film.gone"


def test_a_file_that_is_no_film_is_said(state, tmp_path):
    (tmp_path / "text.mp4").write_text("no film")
    with pytest.raises(FilmError) as refused:
        run(tmp_path, state(), str(tmp_path / "text.mp4"))
    assert refused.value.key == "film.not_a_film"


def test_a_film_of_too_many_bytes_is_not_read(state, tmp_path, file, monkeypatch):
    monkeypatch.setattr(film, "MAX_BYTES", 100)
    with pytest.raises(FilmError) as refused:
        run(tmp_path, state(), file)
    assert refused.value.key == "film.too_many_bytes"


def test_more_numbers_than_a_browser_holds_are_refused(state, tmp_path, file, monkeypatch):
    monkeypatch.setattr(film, "MOST_NUMBERS", 10 * 15 * 4 - 1)
    with pytest.raises(FilmError) as refused:
        run(tmp_path, state(), file)
    assert refused.value.values == {"frames": 10, "patches": 15}


@pytest.mark.parametrize("rate", [None, 0, -1, "3", 7, 1e9, [1], True])
def test_a_rate_that_is_not_offered_is_the_usual_one(rate):
    assert film.rate_of(rate) in RATES


# --------------------------------------------------------------------------------------------------------- to take away


def test_the_files_show_the_four_pictures_of_every_frame(state, file, tmp_path):
    source = dict(source=file, rate=3, model=HEAD, size=SizeChoice(48), layer=None)
    updates = film.take(str(tmp_path), state(), {"head": 1, "patch": 4, "frame": 2, "share": 0.5}, source)
    paths = updates["film_files"]["value"]
    with av.open(paths[0]) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert float(container.streams.video[0].average_rate) == pytest.approx(3, abs=0.01)
    assert len(frames) == 10
    assert frames[0].shape[:2] == (48, 4 * 80 + 3 * GAP_PX)
    with Image.open(paths[1]) as animation:
        assert animation.n_frames >= 2  # GIF joins frames that are alike
        assert sum(_durations(animation)) == pytest.approx(10 * 333, abs=60)


def _durations(animation: Image.Image) -> list[int]:
    found = []
    for number in range(animation.n_frames):
        animation.seek(number)
        found.append(animation.info["duration"])
    return found


def test_the_four_pictures_are_the_map_the_mask_the_colours_and_the_likeness(state, explainer):
    part = explainer.film_part(np.stack(pictures(3)), HEAD, layer=5)
    colours = explainer.film_colours([part.features])
    made = list(sheets([part], colours, Chosen(head=1, share=0.5, frame=1, patch=7)))
    height, width = part.pictures.shape[1:3]
    panels = [made[1][:, i * (width + GAP_PX) :][:, :width] for i in range(4)]
    kept = panels[1][::16, ::16].reshape(3, 5, 3)[..., 0] == 127
    order = np.sort(part.maps[1, 1].ravel())[::-1]
    least = order[np.searchsorted(np.cumsum(order), 0.5 * order.sum())]
    assert np.array_equal(kept, part.maps[1, 1] >= least)
    assert np.array_equal(panels[2][8::16, 8::16].reshape(15, 3), colours[1])
    assert panels[3].shape == (height, width, 3)
    alike = panels[3][8::16, 8::16].reshape(15, 3).astype(float)
    itself = 0.4 * 127 + 0.6 * np.array([103, 0, 31])  # matplotlib's RdBu_r ends in (0.40, 0.00, 0.12)
    assert np.abs(alike[7] - itself).max() < 1.5
    assert (np.abs(alike - itself).max(axis=1) < 1.5).sum() == 1


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 1.0])
def test_a_mask_is_the_fewest_places_that_hold_the_share(share):
    values = np.random.default_rng(0).random((4, 7)).astype(np.float32)
    mask = mass_mask(values, share)
    assert values[mask].sum() >= share * values.sum() * (1 - 1e-5)
    weakest = values[mask].min()
    assert values[mask].sum() - weakest < share * values.sum()
    assert values[~mask].max(initial=0) <= weakest


def test_what_is_chosen_is_checked():
    assert Chosen.of({"head": 2, "share": 0.25, "frame": 1, "patch": 9}) == Chosen(2, 0.25, 1, 9)
    for wrong in (None, [], {"head": -1, "share": 7, "frame": "x", "patch": True}, {"share": float("nan")}):
        assert Chosen.of(wrong) == Chosen()
    assert film.remember({"head": 1, "more": "<b>"})["film_chosen"] == {
        "head": 1,
        "share": 0.6,
        "frame": 0,
        "patch": None,
    }


def test_a_patch_beyond_the_grid_is_its_last(state, explainer):
    part = explainer.film_part(np.stack(pictures(2)), HEAD, layer=5)
    colours = explainer.film_colours([part.features])
    assert len(list(sheets([part], colours, Chosen(head=99, frame=99, patch=99_999)))) == 2


def test_a_film_that_is_looked_at_anew_is_another_run(state, file, tmp_path):
    """Two films may begin alike: their first parts are the same file."""
    runs = {run(tmp_path, state(), file)[-1]["film"]["data"]["run"] for _ in range(2)}
    assert len(runs) == 2


def test_the_files_are_of_the_film_that_is_shown_whatever_was_chosen_since(state, explainer, file, tmp_path):
    shown = run(tmp_path, state(model=FEATURES, selection=Selection(layer=2)), file)
    source = next(one["film_source"] for one in shown if "film_source" in one)
    explainer.calls.clear()
    film.take(str(tmp_path), state(), {}, source)
    assert {args[1:] for name, args in explainer.calls if name == "film_part"} == {(FEATURES, SizeChoice(None), 2)}
    with pytest.raises(FilmError) as refused:
        film.take(str(tmp_path), state(), {}, None)
    assert refused.value.key == "film.no_film"


def test_a_film_needs_no_picture(explainer, examples, tmp_path, file):
    handler = lambda state, **values: state  # noqa: E731
    seen = _with_state(handler, explainer, examples, False, None, HEAD, 48, False, {}, "en")
    assert seen.image.shape == examples[0].picture().shape
    assert _with_state(handler, explainer, examples, True, None, HEAD, 48, False, {}, "en") == {}
    assert film.LONG["needs_picture"] is False


def test_a_refused_film_leaves_no_bar_behind(state, tmp_path):
    (tmp_path / "text.mp4").write_text("no film")
    said = []
    with pytest.raises(FilmError):
        said.extend(one["film_progress"] for one in film.look(str(tmp_path), state(), str(tmp_path / "text.mp4"), 3))
    steps = film.look(str(tmp_path), state(), str(tmp_path / "text.mp4"), 3)
    assert "progressbar" in next(steps)["film_progress"]
    assert next(steps)["film_progress"] == ""
