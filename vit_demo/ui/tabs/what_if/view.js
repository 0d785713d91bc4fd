// The What-if view: a brush, the answer before and after, switches, chips, and maps before and after.

import { make } from "../../kit/canvas.js";
import { massMask, patchAt, stepOf } from "../../kit/maps.js";
import { markCell, middleOf, shapeStage } from "../../kit/stage.js";
import { controlsOf, finder, follow } from "../../kit/view.js";
import { fill, translate } from "../../kit/words.js";
import { showAnswer } from "./answer.js";
import { Steps, changed, chipsOf, fillingOf, headIsOff, hiddenOf, partIsOff, squaresAlong, toggleHead, togglePart,
  unseenOf, withHidden, withHow, withUnseen } from "./edits.js";
import { paintHoles } from "./holes.js";
import { mapOfHead, mountMaps } from "./pair.js";
import { mountSwitches } from "./switches.js";

/** @typedef {import("./edits.js").Edits} Edits */
/** @typedef {import("../../kit/maps.js").Place} Place */

const PARTS = ["attention", "mlp"];
const GIVE_UP_MS = 15_000; // after which an answer is no longer waited for
const DIM_AFTER_MS = 400; // an answer that comes sooner repaints once, not three times
const LOOKED_AT = 0.6; // of a head's attention on patches: what “where this head looks” takes away
export const CHANGE = "vd-what-if-change"; // what a scan asks for, on the document
export const ANSWER = "vd-what-if-answer"; // what came of it

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
  let sentAt = -Infinity, picture = "", dimming = 0;
  /** @type {Place | null} */
  let cursor = null;
  /** @type {boolean | null} whether the stroke under way takes away (true) or puts back */
  let stroke = null, pointer = -1;

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
      if (away) hidden.add(patchAtPlace(row, col)); else hidden.delete(patchAtPlace(row, col));
    if (hidden.size !== before) ask(withHidden(edits, hidden, data.cols, filling));
  }

  /** The patch that stands there: pixels are painted before patches are shuffled. @param {number} row @param {number} col */
  function patchAtPlace(row, col) {
    const number = row * data.cols + col;
    return data.order && filling !== "drop" ? data.order[number] : number;
  }

  /** @param {Place} place */
  function read(place) {
    cursor = place;
    const gone = hiddenOf(edits, data.cols).has(patchAtPlace(place.row, place.col));
    find(".vd-readout").textContent =
      fill(gone ? data.words.patch_gone : data.words.patch_kept, { row: place.row + 1, col: place.col + 1 });
    const mark = find(".vd-what-stage .vd-cursor"), reach = (Number(controls.width.value) - 1) / 2;
    const top = Math.max(0, place.row - reach), left = Math.max(0, place.col - reach);
    markCell(mark, { row: top, col: left }, data.rows, data.cols);
    mark.style.width = 100 * (Math.min(data.cols - 1, place.col + reach) - left + 1) / data.cols + "%";
    mark.style.height = 100 * (Math.min(data.rows - 1, place.row + reach) - top + 1) / data.rows + "%";
  }

  stage.addEventListener("pointerdown", (event) => {
    if (!data || event.button || stroke !== null) return;
    stage.setPointerCapture(event.pointerId);
    pointer = event.pointerId;
    stroke = [...brushes].find((radio) => radio.checked)?.value !== "show";
    brush(under(event), under(event), stroke);
    read(under(event));
  });
  stage.addEventListener("pointermove", (event) => {
    if (!data || (stroke !== null && event.pointerId !== pointer)) return;
    const from = cursor;
    if (stroke !== null) brush(from || under(event), under(event), stroke);
    read(under(event));
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, (event) => {
    if (/** @type {PointerEvent} */ (event).pointerId !== pointer) return;
    if (stroke !== null) steps.add(edits);
    stroke = null;
    draw();
  });
  stage.addEventListener("keydown", (event) => {
    if (!data) return;
    const at = cursor || middleOf(data), next = stepOf(event.key, at, data.rows, data.cols);
    if (next) read(next);
    else if (event.key === " " || event.key === "Enter") {
      brush(at, at, !hiddenOf(edits, data.cols).has(patchAtPlace(at.row, at.col)));
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
  controls.hide_relevant.addEventListener("click", () => ask(edits, { relevant: controls.method.value, filling }));
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
    const unread = at > data.layer_read ? "; " + fill(data.words.unread, { layer: data.layer_read + 1 }) : "";
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
    const at = token.split(",").map((part) => (/^\d+$/.test(part) ? Number(part) + 1 : part)).join(",");
    const query = { ...data.link, tab: "what_if", edits: JSON.stringify(edits), layer: layer + 1, token: at,
      ...(head < 0 ? {} : { head: head + 1 }) };
    controls.address.hidden = false;
    controls.address.value = location.origin + location.pathname + "?" + new URLSearchParams(query);
    controls.address.dataset.edits = JSON.stringify(edits);
    controls.address.select();
    const own = (data.link.example ? "" : data.words.link_own) + (edits.patch_in ? " " + data.words.link_second : "");
    find(".vd-link-note").textContent = own;
    if (navigator.clipboard) navigator.clipboard.writeText(controls.address.value).then(() => {
      find(".vd-link-note").textContent = data.words.copied + " " + own;
    }, () => {});
  });
  document.addEventListener(CHANGE, (event) => {
    const { kind, row, col, window: side, part, how } = /** @type {CustomEvent} */ (event).detail;
    if (!data || !host.element.isConnected) return;
    if (kind === "heads") set(toggleHead({}, col, row, how));
    else if (kind === "layers") set(togglePart({}, col, PARTS[row]));
    else if (kind === "states") set(changed({}, { patch_in: [[col, part, null]] }));
    else {
      const first = { row: Math.floor(row / side) * side, col: Math.floor(col / side) * side }, square = [];
      for (let r = first.row; r < Math.min(data.rows, first.row + side); r++)
        for (let c = first.col; c < Math.min(data.cols, first.col + side); c++) square.push(r * data.cols + c);
      set(withHidden({}, square, data.cols, "drop"));
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
    const nothing = !Object.keys(edits).length && !isWaiting();
    const sentence = showAnswer(host.element, data, nothing);
    document.dispatchEvent(new CustomEvent(ANSWER, { detail: sentence }));
    drawMaps();
  }

  /** What the visitor has changed, before the answer to it is there. */
  function drawChanges() {
    const { rows, cols, words } = data, waiting = isWaiting();
    window.clearTimeout(dimming);
    if (waiting) dimming = window.setTimeout(() => root.classList.toggle("vd-waiting", isWaiting()), DIM_AFTER_MS);
    else root.classList.remove("vd-waiting");
    root.dataset.waiting = String(waiting);
    const painted = filling !== "drop" && !isWaiting();  // then the picture itself shows them
    paintHoles(holes, painted ? [] : hiddenOf(edits, cols), rows, cols);
    if (cursor && cursor.row < rows && cursor.col < cols && find(".vd-what-stage + .vd-readout").textContent) read(cursor);
    if (controls.address.dataset.edits !== JSON.stringify(edits)) {
      controls.address.hidden = true;
      find(".vd-link-note").textContent = "";
    }
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

  function drawChips() {
    const { words } = data, chips = chipsOf(edits);
    const focused = find(".vd-what-chips").contains(document.activeElement);
    find(".vd-what-chips").replaceChildren(...chips.map(({ kind, values, without }) => {
      const said = { ...values };
      if (kind === "head") said.how = words["chip_how_" + values.how];
      if (kind === "states") said.what = values.what === "patches" ? words.patches : String(values.what).toUpperCase() || words.all_tokens;
      if (kind === "cut") said.tokens = String(values.tokens).toUpperCase();
      if (kind === "positions") said.how = words["positions_" + values.how];
      const what = fill(words["chip_" + kind], said), button = make("button", "", null, what + " ×");
      button.type = "button";
      button.setAttribute("aria-label", fill(words.take_back, { what }));
      button.addEventListener("click", () => set(without));
      return button;
    }));
    if (focused) {  // a chip was taken back by keyboard: to the next one, or to undo
      const next = /** @type {HTMLElement | null} */ (find(".vd-what-chips").querySelector("button"));
      (next ?? controls.undo).focus();
    }
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
    const shown = [words.unseen, ...groups.map(([title]) => title)].join("|");
    if (box.dataset.shown !== shown) {  // else a keyboard would lose its place
      box.dataset.shown = shown;
      box.replaceChildren(make("span", "", null, words.unseen + " "), ...groups.map(([title, names]) => {
        const label = make("label", ""), input = make("input", "", label);
        input.type = "checkbox";
        make("span", "", label, title);
        input.addEventListener("change", () => {
          const others = unseenOf(edits).filter((name) => !names.includes(name));
          set(withUnseen(edits, input.checked ? [...others, ...names] : others));
        });
        return label;
      }));
    }
    box.querySelectorAll("input").forEach((input, i) => { input.checked = groups[i][1].every((name) => unseen.includes(name)); });
  }

  function drawMaps() {
    const { words } = data;
    controls.layer.max = data.depth;
    controls.layer.value = String(layer + 1);
    find(".vd-layer-number").textContent = layer + 1 + " / " + data.depth;
    const options = [[-1, words.all_heads], ...Array.from({ length: data.heads }, (_, i) => [i, words.head + " " + (i + 1)])];
    const headsShown = options.map(([, name]) => name).join("|");
    if (controls.head.dataset.shown !== headsShown) {
      controls.head.dataset.shown = headsShown;
      controls.head.replaceChildren(...options.map(([value, name]) =>
        Object.assign(make("option", "", null, String(name)), { value: String(value) })));
    }
    controls.head.value = String(Math.min(head, data.heads - 1));
    const box = find(".vd-prefixes"), shown = data.prefix.join();
    if (box.dataset.shown !== shown) {
      box.dataset.shown = shown;
      box.replaceChildren(...data.prefix.map((/** @type {string} */ name) => {
        const button = make("button", "", null, name.toUpperCase());
        button.type = "button";
        button.addEventListener("click", () => { token = name; choose(); });
        return button;
      }));
    }
    [...box.children].forEach((button, i) => {
      button.setAttribute("title", data.prefix_titles[i]);
      button.setAttribute("aria-pressed", String(data.prefix[i] === token));
    });
    const [row, col] = token.split(",").map(Number);
    const at = token.includes(",") ? { row, col } : null;
    find(".vd-what-from").textContent = at ? fill(words.token_at, { row: row + 1, col: col + 1 }) : "";
    maps.show(data, head, at);
  }

  // Once everything is there that it draws on
  follow(host, root, (value) => {
    if (!value.data.words && (!data || value.data.question !== data.question)) return false;  // of what is not shown
    sentAt = -Infinity;
    data = { ...(value.data.error ? data : {}), ...value.data, words: value.data.words ?? data.words, examples: value.data.examples ?? data.examples };
    if (value.data.words) translate(host.element, data.words);
    if (value.data.error) {
      if (!wanted) {  // what was refused is taken back: nothing old stands under new changes
        if (JSON.stringify(steps.now) === JSON.stringify(edits)) steps.go(-1);
        edits = data.edits;
      }
      draw();
      find(".vd-what-verdict").textContent = value.data.error;
      send();
      return true;
    }
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
