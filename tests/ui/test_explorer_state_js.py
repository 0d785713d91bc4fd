"""The explorer's state in Node: what it asks the server for, keeps, lets go, and tells the rest of the page."""

from __future__ import annotations

import pytest

# A world without a page: what the state asks of it is listed. Pictures of 2 heads; files by address, or null.
SCENE = """(async () => {
  const asked = [], told = [], drawn = [], files = {}, soon = [];
  let clock = 0;
  const arrays = (rows, cols, prefix = 1) => {
    const tokens = prefix + rows * cols;
    const of = (...shape) => Object.assign(new Float32Array(shape.reduce((a, b) => a * b)).fill(0.5), { shape });
    return { queries: of(2, tokens, 4), keys: of(2, tokens, 4), query_steps: of(2, 4), key_steps: of(2, 4),
      log_sums: of(2, tokens), distance_px: of(2) };
  };
  const explorer = new js.Explorer({
    fetchArrays: async (url) => { asked.push(url); return url in files ? files[url] : null; },
    trigger: (name, data) => told.push([name, data]),
    changed: (what) => drawn.push(what), now: () => clock, later: (run) => soon.push(run),
  });
  const value = (layer, more = {}) => {
    const { key = "dog", rows = 3, cols = 5, depth = 6, heads = 2, selection = {}, gone = false } = more;
    const url = key + "/" + layer;
    if (!gone) files[url] = arrays(rows, cols);
    return { data: { key, layer, depth, heads, rows, cols, patch_px: 16, prefix: ["cls"], prefix_labels: ["CLS"],
      prefix_titles: ["class token"], selection, link: { model: "m" }, words: {} }, files: { layer: { url } } };
  };
  const pause = () => new Promise((done) => setTimeout(done));
  const open = async (layer, more) => { explorer.receive(value(layer, more)); await pause(); };
  const wanted = () => told.filter(([name]) => name === "input").map(([, data]) => data.layer);
  const chosen = () => told.filter(([name]) => name === "select").map(([, data]) => data);
  %s
})()"""


@pytest.fixture(scope="module")
def scene(node):
    return lambda script: node(SCENE % script, ("tabs/attention/state.js",))


def test_it_opens_with_the_last_layer_all_heads_and_the_class_token_and_fetches_the_layer_before(scene):
    answer = scene("await open(5); soon.forEach((run) => run());"
                   "return [explorer.chosen, explorer.tokens, explorer.waiting, wanted(), chosen()]")  # fmt: skip
    assert answer == [{"layer": 5, "head": -1}, [0], False, [4], []]


def test_a_layer_is_asked_for_once_while_its_answer_may_still_come(scene):
    script = """await open(5); explorer.goTo(2); explorer.goTo(3); explorer.goTo(2);
      const once = wanted(), waiting = explorer.waiting; clock += js.ASK_AGAIN_MS; explorer.goTo(2);
      await open(2); return [once, waiting, wanted(), explorer.waiting]"""
    assert scene(script) == [[2, 3], True, [2, 3, 2], False]


def test_a_layer_that_is_there_is_shown_without_a_request(scene):
    script = """await open(5); explorer.goTo(2); await open(2);
      const before = asked.length, all = wanted().length; explorer.goTo(5); explorer.goTo(2);
      return [asked.length - before, wanted().length - all, explorer.layer !== null]"""
    assert scene(script) == [0, 0, True]


def test_a_file_that_has_gone_is_asked_for_once_more_and_then_given_up(scene):
    script = """await open(5); explorer.goTo(2);
      for (let i = 0; i < 4; i++) await open(2, { gone: true });
      return [wanted(), asked.filter((url) => url === "dog/2").length, explorer.waiting]"""
    assert scene(script) == [[2, 2], 4, True]


def test_layers_far_from_the_chosen_one_are_let_go_when_all_are_too_much(scene):
    script = """await open(5);
      const part = (byteLength) => ({ byteLength });
      const heavy = (bytes) => ({ arrays: { queries: part(bytes), keys: part(bytes) }, directions: null });
      for (let layer = 0; layer < 6; layer++) explorer.files.set(layer, heavy(js.KEPT_BYTES / 8));
      explorer.chosen.layer = 1; explorer.letGo(); const some = [...explorer.files.keys()];
      for (const layer of some) explorer.files.set(layer, heavy(js.KEPT_BYTES)); explorer.letGo();
      return [some, [...explorer.files.keys()]]"""
    some, two = scene(script)
    assert sorted(some) == [0, 1, 2, 3]  # four quarters of what may be kept
    assert len(two) == 2  # however large they are: the chosen one and a neighbour
    assert 1 in two


def test_the_vectors_of_a_layer_count_towards_what_is_kept(scene):
    script = """await open(5);
      const light = { queries: { byteLength: 0 }, keys: { byteLength: 0 } };
      for (let layer = 0; layer < 4; layer++)
        explorer.files.set(layer, { arrays: light, directions: { byteLength: js.KEPT_BYTES / 2 } });
      explorer.files.delete(5); explorer.chosen.layer = 0; explorer.letGo(); return [...explorer.files.keys()].sort()"""
    assert scene(script) == [0, 1]


def test_two_tokens_are_held_a_third_replaces_the_second_and_one_held_again_goes(scene):
    script = """await open(5); const seen = [];
      for (const token of [7, 9, 11, 7]) { explorer.pin(token); seen.push(explorer.tokens); }
      explorer.unpin(); seen.push(explorer.tokens); return seen"""
    assert scene(script) == [[7], [7, 9], [7, 11], [11], [0]]


def test_the_pointer_moves_nothing_that_is_held_and_tells_nobody(scene):
    script = """await open(5); explorer.point({ row: 1, col: 2 }); const live = explorer.tokens; explorer.leave();
      const left = explorer.tokens; explorer.pin(3); explorer.point({ row: 1, col: 2 });
      return [live, left, explorer.tokens, chosen().length]"""
    assert scene(script) == [[8], [0], [3], 1]


def test_the_page_hears_of_a_choice_once_with_null_for_the_last_layer_and_all_heads(scene):
    script = """await open(5); explorer.chooseHead(1); explorer.chooseHead(1); explorer.pin(8); explorer.goTo(4);
      explorer.chooseHead(js.ALL_HEADS); return chosen()"""
    assert scene(script) == [
        {"layer": None, "head": 1, "token": "cls"},
        {"layer": None, "head": 1, "token": "1,2"},
        {"layer": 4, "head": 1, "token": "1,2"},
        {"layer": 4, "head": None, "token": "1,2"},
    ]


def test_a_choice_made_here_that_comes_back_changes_nothing_one_made_elsewhere_does(scene):
    script = """await open(5); explorer.chooseHead(1); const mine = chosen()[0]; explorer.chooseHead(0);
      await open(5, { selection: mine }); const kept = explorer.chosen.head;
      await open(5, { selection: { layer: 3, head: 1, token: "cls" } }); return [kept, explorer.chosen]"""
    assert scene(script) == [0, {"layer": 3, "head": 1}]


def test_what_was_chosen_stays_with_another_picture_and_goes_where_the_model_has_it_not(scene):
    script = """await open(5); explorer.goTo(2); await open(2); explorer.chooseHead(1); explorer.pin(8);
      await open(2, { key: "cat", selection: chosen().at(-1) });
      const cat = { ...explorer.chosen, tokens: explorer.tokens };
      await open(1, { key: "small", depth: 2, heads: 1, rows: 1, cols: 2, selection: chosen().at(-1) });
      return [cat, { ...explorer.chosen, tokens: explorer.tokens }, explorer.moved]"""
    kept, gone, moved = scene(script)
    assert kept == {"layer": 2, "head": 1, "tokens": [8]}
    assert gone == {"layer": 1, "head": -1, "tokens": [0]}
    assert moved == "1,2"


def test_the_last_layer_stays_the_last_in_a_deeper_model(scene):
    script = """await open(5); explorer.chooseHead(0);
      await open(11, { key: "deep", depth: 12, selection: chosen().at(-1) }); return explorer.chosen.layer"""
    assert scene(script) == 11


def test_a_file_of_the_picture_before_is_dropped_when_it_comes_late(scene):
    script = """await open(5); explorer.goTo(2); explorer.receive(value(2)); explorer.receive(value(5, { key: "cat" }));
      await pause(); return [[...explorer.files.keys()], explorer.data.key]"""
    assert scene(script) == [[5], "cat"]


def test_a_file_of_the_picture_before_that_comes_late_is_not_taken_for_a_lost_one(scene):
    script = """explorer.receive(value(5)); explorer.receive(value(5, { key: "cat" })); await pause();
      return wanted()"""
    assert scene(script) == []


def test_a_picture_that_is_gone_leaves_nothing_to_compute_with(scene):
    assert scene("await open(5); explorer.receive(null); return [explorer.layer, explorer.data, explorer.waiting]") == [
        None, None, False,
    ]  # fmt: skip


def test_a_link_counts_from_one(scene):
    script = """await open(5); const first = explorer.link; explorer.goTo(2); await open(2); explorer.chooseHead(1);
      explorer.pin(8); return [first, explorer.link]"""
    assert scene(script) == [
        {"model": "m", "layer": "6", "token": "cls"},
        {"model": "m", "layer": "3", "token": "2,3", "head": "2"},
    ]
