// The What-if view: a brush, the answer before and after, switches, chips, and maps before and after.

import { make, paint } from "../../kit/canvas.js";
import { massMask, patchAt, stepOf } from "../../kit/maps.js";
import { markCell, middleOf, shapeStage } from "../../kit/stage.js";
import { controlsOf, finder, follow } from "../../kit/view.js";
import { fill, percent, signed, translate } from "../../kit/words.js";
import { Steps, changed, chipsOf, fillingOf, headIsOff, hiddenOf, partIsOff, squaresAlong, toggleHead, togglePart,
  unseenOf, withHidden, withHow, withUnseen } from "./edits.js";
import { mapOfHead, mountMaps } from "./pair.js";
import { mountSwitches } from "./switches.js";

/** @typedef {import("./edits.js").Edits} Edits */
/** @typedef {import("../../kit/maps.js").Place} Place */

const PARTS = ["attention", "mlp"];
const GIVE_UP_MS = 15_000; // after which an answer is no longer waited for
const LOOKED_AT = 0.6; // of a head's attention on patches: what “where this head looks” takes away
const HOLE = [118, 118, 118, 235], STRIPE = [165, 165, 165, 235];
export const CHANGE = "vd-what-if-change"; // what a scan asks for, on the document

/** @param {import("../../kit/view.js").Host} host */
export function mount(host) {
  const find = finder(host.element), root = find(".vd-what"), stage = find(".vd-what-stage");
  const controls = controlsOf(host.element), steps = new Steps();
  const holes = /** @type {HTMLCanvasElement} */ (find(".vd-what-holes"));
  const brushes = /** @type {NodeListOf<HTMLInputElement>} */ (host.element.querySelectorAll('[name="brush"]'));
  /** @type {any} */
  let data = null;
  /** @type {Edits} what the picture shows while the pointer draws */
  let edits = {};
  let layer = 0, head = -1, token = "cls", times = 0, filling = "drop";
  /** @type {Record<string, unknown> | null} what is to be asked once the answer under way is there */
  let wanted = null;
  let sentAt = -Infinity, picture = "";
  /** @type {Place | null} */
  let cursor = null;
  /** @type {boolean | null} whether the stroke under way takes away (true) or puts back */
  let stroke = null;

  // ------------------------------------------------------------------------------------------------------ asking

  /**
   * Asks for the answer under these edits: one answer at a time, the last change wins.
   * @param {Edits} next @param {Record<string, unknown>} [more]
   */
  function ask(next, more = {}) {
    if (!data) return;
    edits = next;
    wanted = { edits, layer, head: head < 0 ? null : head, token, times: ++times, ...more };
    if (performance.now() - sentAt > GIVE_UP_MS) send();
    else window.setTimeout(() => { if (performance.now() - sentAt > GIVE_UP_MS) send(); }, GIVE_UP_MS);
    drawChanges();
  }

  function send() {
    if (!wanted) return;
    sentAt = performance.now();
    host.trigger("input", wanted);
    wanted = null;
  }

  /** A change that can be undone. @param {Edits} next */
  function set(next) {
    steps.add(next);
    ask(steps.now);
  }

  /** Tells the whole page what was chosen, and asks for its maps. */
  function choose() {
    host.trigger("select", { layer, head: head < 0 ? null : head, token });
    ask(edits);
  }

  const isWaiting = () => Boolean(wanted) || sentAt > -Infinity;

  // ------------------------------------------------------------------------------------------------------- brush

  /** @param {PointerEvent} event @returns {Place} */
  function under(event) {
    const area = stage.getBoundingClientRect();
    return patchAt((event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height, data.rows, data.cols);
  }

  /**
   * A stroke from one patch to another.
   * @param {Place} from @param {Place} to @param {boolean} away
   */
  function brush(from, to, away) {
    const hidden = hiddenOf(edits, data.cols), before = hidden.size, side = Number(controls.width.value);
    for (const { row, col } of squaresAlong(from, to, side, data.rows, data.cols))
      if (away) hidden.add(row * data.cols + col); else hidden.delete(row * data.cols + col);
    if (hidden.size !== before) ask(withHidden(edits, hidden, data.cols, filling));
  }

  /** @param {Place} place */
  function read(place) {
    cursor = place;
    const gone = hiddenOf(edits, data.cols).has(place.row * data.cols + place.col);
    find(".vd-readout").textContent =
      fill(gone ? data.words.patch_gone : data.words.patch_kept, { row: place.row + 1, col: place.col + 1 });
    markCell(find(".vd-what-stage .vd-cursor"), place, data.rows, data.cols);
  }

  stage.addEventListener("pointerdown", (event) => {
    if (!data || event.button) return;
    stage.setPointerCapture(event.pointerId);
    stroke = [...brushes].find((radio) => radio.checked)?.value !== "show";
    brush(under(event), under(event), stroke);
    read(under(event));
  });
  stage.addEventListener("pointermove", (event) => {
    if (!data) return;
    const from = cursor;
    if (stroke !== null) brush(from || under(event), under(event), stroke);
    read(under(event));
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => {
    if (stroke !== null) steps.add(edits);
    stroke = null;
    draw();
  });
  stage.addEventListener("keydown", (event) => {
    if (!data) return;
    const at = cursor || middleOf(data), next = stepOf(event.key, at, data.rows, data.cols);
    if (next) read(next);
    else if (event.key === " " || event.key === "Enter") {
      brush(at, at, !hiddenOf(edits, data.cols).has(at.row * data.cols + at.col));
      steps.add(edits);
      read(at);
      draw();
    } else return;
    event.preventDefault();
  });

  controls.invert.addEventListener("click", () => {
    const hidden = hiddenOf(edits, data.cols), all = [...Array(data.rows * data.cols).keys()];
    set(withHidden(edits, all.filter((number) => !hidden.has(number)), data.cols, filling));
  });
  controls.show_all.addEventListener("click", () => set(withHidden(edits, [], data.cols, filling)));
  controls.hide_head.addEventListener("click", () => {
    const map = mapOfHead(data, "before", head);
    if (!map) return;
    const looked = massMask(map, LOOKED_AT), hidden = hiddenOf(edits, data.cols);
    looked.forEach((is, number) => { if (is) hidden.add(number); });
    set(withHidden(edits, hidden, data.cols, filling));
  });
  controls.hide_relevant.addEventListener("click", () => ask(edits, { relevant: controls.method.value }));
  controls.filling.addEventListener("change", () => {
    filling = controls.filling.value;
    set(withHidden(edits, hiddenOf(edits, data.cols), data.cols, filling));
  });

  // --------------------------------------------------------------------------------------------------- switches

  const heads = mountSwitches(find(".vd-what-heads"), {
    off: ({ row, col }) => headIsOff(edits, col, row),
    unread: ({ col }) => col > data.layer_read,
    say: ({ row, col }) => fill(data.words.head_at, { layer: col + 1, head: row + 1,
      state: state(headIsOff(edits, col, row), col) }),
    toggle: ({ row, col }) => set(toggleHead(edits, col, row, controls.how.value)),
  });
  const parts = mountSwitches(find(".vd-what-parts"), {
    off: ({ row, col }) => partIsOff(edits, col, PARTS[row]),
    unread: ({ col }) => col > data.layer_read,
    say: ({ row, col }) => fill(data.words.part_at, { layer: col + 1, part: data.words[PARTS[row]],
      state: state(partIsOff(edits, col, PARTS[row]), col) }),
    toggle: ({ row, col }) => set(togglePart(edits, col, PARTS[row])),
  });

  /** @param {boolean} off @param {number} at a layer */
  function state(off, at) {
    const unread = at > data.layer_read ? "; " + data.words.unread : "";
    return (off ? data.words.is_off : data.words.is_on) + unread;
  }

  controls.how.addEventListener("change", () => { if (edits.heads) set(withHow(edits, controls.how.value)); });
  controls.positions.addEventListener("change", () => set(changed(edits, { positions: controls.positions.value })));
  controls.shuffle.addEventListener("change", () => set(changed(edits, { shuffle_patches: controls.shuffle.checked })));
  for (const [name, field] of [["temperature", "temperature"], ["scale", "position_scale"]]) {
    controls[name].addEventListener("input", () => ask(changed(edits, { [field]: Number(controls[name].value) })));
    controls[name].addEventListener("change", () => steps.add(edits));
  }
  controls.undo.addEventListener("click", () => { steps.go(-1); ask(steps.now); });
  controls.redo.addEventListener("click", () => { steps.go(1); ask(steps.now); });
  controls.reset.addEventListener("click", () => set({}));
  controls.link.addEventListener("click", () => {
    if (!data) return;
    const query = { ...data.link, tab: "what_if", edits: JSON.stringify(edits) };
    controls.address.hidden = false;
    controls.address.value = location.origin + location.pathname + "?" + new URLSearchParams(query);
    controls.address.select();
    find(".vd-link-note").textContent = data.link.example ? "" : data.words.link_own;
    if (navigator.clipboard) navigator.clipboard.writeText(controls.address.value).catch(() => {});
  });
  document.addEventListener(CHANGE, (event) => {
    const { kind, row, col, window: side, part } = /** @type {CustomEvent} */ (event).detail;
    if (!data || !host.element.isConnected) return;
    if (kind === "heads") set(toggleHead(edits, col, row, controls.how.value));
    else if (kind === "layers") set(togglePart(edits, col, PARTS[row]));
    else if (kind === "states") set(changed(edits, { patch_in: [[col, part, null]] }));
    else {
      const hidden = hiddenOf(edits, data.cols), first = [Math.floor(row / side) * side, Math.floor(col / side) * side];
      const gone = hidden.has(row * data.cols + col);
      for (let r = first[0]; r < Math.min(data.rows, first[0] + side); r++)
        for (let c = first[1]; c < Math.min(data.cols, first[1] + side); c++)
          if (gone) hidden.delete(r * data.cols + c); else hidden.add(r * data.cols + c);
      set(withHidden(edits, hidden, data.cols, filling));
    }
  });

  // ------------------------------------------------------------------------------------------------------- maps

  controls.layer.addEventListener("input", () => { layer = controls.layer.value - 1; choose(); });
  controls.head.addEventListener("change", () => { head = Number(controls.head.value); choose(); });
  const maps = mountMaps(host.element, (place) => { token = place.row + "," + place.col; choose(); });

  // ------------------------------------------------------------------------------------------------------ drawing

  function draw() {
    if (!data) return;
    const { rows, cols, words } = data;
    shapeStage(stage, rows, cols, fill(words.stage, { rows, cols }));
    find(".vd-what-positions").hidden = !data.has_positions;
    find(".vd-what-scale").hidden = !data.has_rope;
    heads.show(data.heads, data.depth);
    parts.show(2, data.depth, PARTS.map((part) => words[part]));
    drawChanges();
    drawAnswer();
    drawMaps();
  }

  /** What the visitor has changed, before the answer to it is there. */
  function drawChanges() {
    const { rows, cols, words } = data, waiting = isWaiting();
    root.classList.toggle("vd-waiting", waiting);
    root.dataset.waiting = String(waiting);
    drawHoles(holes, 8);
    find(".vd-what-counted").textContent = fill(words.counted, { hidden: hiddenOf(edits, cols).size, all: rows * cols,
      tokens: data.tokens, all_tokens: data.all_tokens, ms: data.after_ms });
    controls.filling.value = filling;
    controls.positions.value = edits.positions ?? "keep";
    controls.shuffle.checked = Boolean(edits.shuffle_patches);
    controls.temperature.value = String(edits.temperature ?? 1);
    controls.scale.value = String(edits.position_scale ?? 1);
    for (const name of ["temperature", "scale"]) controls[name].nextElementSibling.textContent = controls[name].value;
    heads.draw();
    parts.draw();
    drawChips();
    drawUnseen();
  }

  /** Patches that are gone, hatched; those that are painted over show in the picture itself. */
  function drawHoles(/** @type {HTMLCanvasElement} */ canvas, /** @type {number} */ px) {
    const { rows, cols } = data, hidden = hiddenOf(edits, cols), rgba = new Uint8ClampedArray(4 * rows * cols * px * px);
    const painted = filling !== "drop" && !isWaiting();
    for (const number of painted ? [] : hidden) {
      const top = Math.floor(number / cols) * px, left = number % cols * px;
      for (let r = 0; r < px; r++) for (let c = 0; c < px; c++)
        rgba.set((r + c) % px < px / 4 ? STRIPE : HOLE, 4 * ((top + r) * cols * px + left + c));
    }
    paint(canvas, rows * px, cols * px, rgba);
  }

  function drawAnswer() {
    const { words, rows_of_answers: answers } = data, before = answers[data.best_before], after = answers[data.best_after];
    const nothing = !Object.keys(edits).length && !isWaiting();
    const sentence = nothing ? words.unchanged
      : before === after ? fill(words.stays, { name: before.label })
      : fill(words.changes, { before: before.label, after: after.label });
    find(".vd-what-verdict").textContent = sentence;
    root.dataset.answer = after.label;
    root.dataset.changed = String(before !== after);
    find(".vd-what-bars").replaceChildren(...answers.map((/** @type {any} */ answer) => bar(answer)));
    const example = data.kind === "example";
    find(".vd-what-likeness").textContent = fill(words.likeness, { value: signed(data.likeness.toFixed(3)) });
    find(".vd-what-like").textContent = example ? fill(words.like, { layer: data.layer_read + 1, depth: data.depth }) : "";
    find(".vd-what-left-out").hidden = !data.left_out;
  }

  /** @param {{ label: string, example: string, before: number, after: number }} answer */
  function bar(answer) {
    const line = make("li", ""), share = data.kind === "class";
    if (answer.example) Object.assign(make("img", "", line), { src: data.examples[answer.example], alt: "" });
    make("span", "vd-label", line, answer.label);
    const tracks = make("span", "vd-what-tracks", line);
    for (const [name, value] of [["before", answer.before], ["after", answer.after]]) {
      const track = make("span", "vd-track", tracks), filled = make("span", "vd-fill vd-what-" + name, track);
      filled.style.width = 100 * Math.max(0, Number(value)) + "%";
    }
    /** @param {number} value */
    const text = (value) => (share ? percent(value) + " %" : signed(value.toFixed(2)));
    const difference = answer.after - answer.before;
    const points = share ? (100 * difference).toFixed(1) : difference.toFixed(2);
    make("span", "vd-number", line, text(answer.before) + " → " + text(answer.after));
    const plus = Number(points) > 0 ? "+" : "";
    const by = make("span", "vd-number vd-what-by", line, Number(points) ? plus + signed(points) : "±0");
    if (share) by.title = data.words.percent_points;
    return line;
  }

  function drawChips() {
    const { words } = data, chips = chipsOf(edits);
    find(".vd-what-chips").replaceChildren(...chips.map(({ kind, values, without }) => {
      const said = { ...values };
      if (kind === "head") said.how = words["chip_how_" + values.how];
      if (kind === "positions") said.how = words["positions_" + values.how];
      const what = fill(words["chip_" + kind], said), button = make("button", "", null, what + " ×");
      button.type = "button";
      button.setAttribute("aria-label", fill(words.take_back, { what }));
      button.addEventListener("click", () => set(without));
      return button;
    }));
    controls.undo.disabled = !steps.canUndo;
    controls.redo.disabled = !steps.canRedo;
    controls.reset.disabled = !chips.length;
  }

  function drawUnseen() {
    const box = find(".vd-what-unseen"), { words, prefix, prefix_titles: titles } = data, unseen = unseenOf(edits);
    /** @type {[string, string[]][]} */
    const groups = prefix.filter((/** @type {string} */ name) => !name.startsWith("reg"))
      .map((/** @type {string} */ name) => [titles[prefix.indexOf(name)], [name]]);
    const registers = prefix.filter((/** @type {string} */ name) => name.startsWith("reg"));
    if (registers.length) groups.push([words.registers, registers]);
    box.hidden = !groups.length;
    box.replaceChildren(make("span", "", null, words.unseen + " "), ...groups.map(([title, names]) => {
      const label = make("label", ""), input = make("input", "", label);
      input.type = "checkbox";
      input.checked = names.every((name) => unseen.includes(name));
      make("span", "", label, title);
      input.addEventListener("change", () => {
        const others = unseen.filter((name) => !names.includes(name));
        set(withUnseen(edits, input.checked ? [...others, ...names] : others));
      });
      return label;
    }));
  }

  function drawMaps() {
    const { words } = data;
    controls.layer.max = data.depth;
    controls.layer.value = String(layer + 1);
    find(".vd-layer-number").textContent = layer + 1 + " / " + data.depth;
    const options = [[-1, words.all_heads], ...Array.from({ length: data.heads }, (_, i) => [i, words.head + " " + (i + 1)])];
    controls.head.replaceChildren(...options.map(([value, name]) =>
      Object.assign(make("option", "", null, String(name)), { value: String(value) })));
    controls.head.value = String(Math.min(head, data.heads - 1));
    find(".vd-prefixes").replaceChildren(...data.prefix.map((/** @type {string} */ name, /** @type {number} */ i) => {
      const button = make("button", "", null, name.toUpperCase());
      button.type = "button";
      button.title = data.prefix_titles[i];
      button.setAttribute("aria-pressed", String(name === token));
      button.addEventListener("click", () => { token = name; choose(); });
      return button;
    }));
    const [row, col] = token.split(",").map(Number);
    const at = token.includes(",") ? { row, col } : null;
    find(".vd-what-from").textContent = at ? fill(words.token_at, { row: row + 1, col: col + 1 }) : "";
    maps.show(data, head, at);
  }

  // Once everything is there that it draws on
  follow(host, root, (value) => {
    if (!value.data.words && !data) return false;  // a part of what has not come yet
    data = { ...value.data, words: value.data.words ?? data.words, examples: value.data.examples ?? data.examples };
    if (value.data.words) translate(host.element, data.words);
    sentAt = -Infinity;
    if (value.picture) picture = value.picture.url;
    if ((data.adopt || data.left_out) && !wanted) {
      steps.add(data.edits);
      edits = steps.now;
      times = Math.max(times, data.times);
      layer = data.layer;
      head = data.head ?? -1;
    }
    token = data.token;
    filling = fillingOf(edits, filling);
    root.dataset.edits = JSON.stringify(data.edits);
    for (const image of /** @type {NodeListOf<HTMLImageElement>} */ (host.element.querySelectorAll(".vd-picture"))) {
      const shown = image.closest("figure") ? picture : data.seen || picture;
      if (shown && image.src !== shown) image.src = shown;
    }
    send();
    draw();
  });
}
