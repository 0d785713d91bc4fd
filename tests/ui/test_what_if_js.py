"""What is changed, as the browser keeps it, in Node: the same form that vit_demo.edits reads."""

from __future__ import annotations

import itertools

import pytest

from vit_demo.edits import Edits


@pytest.fixture(scope="module")
def run(node):
    return lambda script: node(f"(() => {{ {script} }})()", ("tabs/what_if/edits.js",))


def test_every_change_is_one_that_python_reads(run):
    script = """let e = js.withHidden({}, [7, 3], 5, "drop");
      e = js.toggleHead(e, 2, 1, "zero"); e = js.togglePart(e, 0, "mlp"); e = js.withUnseen(e, ["reg1", "reg2"]);
      e = js.changed(e, { positions: "shuffled", temperature: 0.5, shuffle_patches: true });
      e = js.changed(e, { patch_in: [[1, ["cls"], null]] });
      return e"""
    edits = Edits.of_plain(run(script))
    assert edits.drop == ((0, 3), (1, 2))
    assert edits.head_edits == {(2, 1): "zero"}
    assert edits.skip == ((0, "mlp"),)
    assert edits.cut[0].keys == ("reg1", "reg2")
    assert (edits.positions, edits.temperature, edits.shuffle_patches) == ("shuffled", 0.5, True)
    assert edits.patch_in == ((1, ("cls",), None),)


def test_what_is_switched_back_leaves_nothing_behind(run):
    script = """let e = js.toggleHead({}, 2, 1, "zero"); e = js.toggleHead(e, 2, 1, "mean");
      e = js.togglePart(js.togglePart(e, 0, "mlp"), 0, "mlp"); e = js.withUnseen(js.withUnseen(e, ["cls"]), []);
      e = js.withHidden(js.withHidden(e, [1], 5, "blur"), [], 5, "blur");
      return js.changed(e, { positions: "keep", temperature: 1, position_scale: 1, shuffle_patches: false })"""
    assert run(script) == {}


def test_patches_change_their_filling_and_stay_the_same_patches(run):
    script = """const one = js.withHidden({}, [0, 6], 5, "blur");
      const two = js.withHidden(one, js.hiddenOf(one, 5), 5, "drop");
      return [one, two, js.fillingOf(one, "drop"), js.fillingOf(two, "blur"), js.fillingOf({}, "mean")]"""
    one, two, *fillings = run(script)
    assert one == {"hide": [[0, 0], [1, 1]], "hide_with": "blur"}
    assert two == {"drop": [[0, 0], [1, 1]]}
    assert fillings == ["blur", "drop", "mean"]


def test_every_chip_takes_back_its_own_change_alone(run):
    script = """let e = js.withHidden({}, [7, 3], 5, "mean");
      e = js.toggleHead(js.toggleHead(e, 2, 1, "zero"), 0, 0, "mean"); e = js.togglePart(e, 0, "mlp");
      e = js.withUnseen(e, ["cls"]); e = js.changed(e, { positions: "none", temperature: 2 });
      e = js.changed(e, { patch_in: [[1, null, null]] });
      return [e, js.chipsOf(e)]"""
    edits, chips = run(script)
    assert [chip["kind"] for chip in chips] == [
        "hide_mean", "positions", "head", "head", "skip_mlp", "temperature", "cut", "states",
    ]  # fmt: skip
    whole = Edits.of_plain(edits)
    for chip in chips:
        less = Edits.of_plain(chip["without"])
        differ = [name for name in vars(whole) if getattr(whole, name) != getattr(less, name)]
        assert len(differ) == 1 or set(differ) == {"hide", "hide_with"}


def test_how_a_head_is_replaced_changes_for_all_that_are_off(run):
    script = 'return js.withHow(js.toggleHead(js.toggleHead({}, 2, 1, "zero"), 0, 0, "mean"), "examples")'
    assert Edits.of_plain(run(script)).head_edits == {(2, 1): "examples", (0, 0): "examples"}


def test_steps_go_back_and_forth_and_forget_what_was_undone(run):
    script = """const s = new js.Steps();
      s.add({ temperature: 2 }); s.add({ temperature: 3 }); s.add({ temperature: 3 });
      s.go(-1); const back = s.now; s.go(1); const forth = s.now; s.go(-1); s.go(-1); s.go(-1); const first = s.now;
      s.add({ seed: 1 }); return [back, forth, first, s.now, s.canRedo, s.canUndo, s.all.length]"""
    assert run(script) == [{"temperature": 2}, {"temperature": 3}, {}, {"seed": 1}, False, True, 2]


def test_a_stroke_leaves_no_gap_and_stays_in_the_picture(run):
    script = """const at = (row, col) => ({ row, col });
      const of = (...args) => [...new Set(js.squaresAlong(...args).map(({ row, col }) => row + "," + col))];
      return [of(at(0, 0), at(2, 4), 1, 3, 5), of(at(2, 4), at(2, 4), 3, 3, 5)]"""
    line, corner = run(script)
    places = [tuple(map(int, place.split(","))) for place in line]
    assert places[0] == (0, 0)
    assert places[-1] == (2, 4)
    assert all(max(abs(a[0] - b[0]), abs(a[1] - b[1])) == 1 for a, b in itertools.pairwise(places))
    assert set(corner) == {"1,3", "1,4", "2,3", "2,4"}
