// The Draw tab: a pad, what the model makes of it, and how it learned to. A stroke asks the server once; the answer
// holds the readings of every kept moment, so the slider asks nobody.

import { make, paint, paintScale } from "../../kit/canvas.js";
import { TABLES } from "../../kit/colours.js";
import { fetchArrays } from "../../kit/files.js";
import { bytesOf, largest, mapOf } from "../../kit/maps.js";
import { cellsOf } from "../../kit/stage.js";
import { finder, follow } from "../../kit/view.js";
import { fill, percent, translate } from "../../kit/words.js";
import { rgbaOf } from "./ink.js";
import { mountCurves } from "./curves.js";
import { paintFilters, paintHeads, paintPositions } from "./learned.js";
import { makePad } from "./pad.js";

const PLAY_MS = 1100;

/** @typedef {import("../../kit/files.js").Arrays} Arrays */
/**
 * @typedef {object} Reading Every moment's reading of one drawing, as reading_data in tab.py gives it, its maps unpacked.
 * @property {number} side @property {string} picture @property {string[]} labels @property {number[][]} probabilities
 * @property {number[]} shape moments, layers, heads, rows, columns @property {Float32Array[]} maps @property {number} top
 * @property {number[][]} prefix @property {boolean} empty @property {number} ms
 */

/** @param {import("../../kit/view.js").Host} host */
export function mount(host) {
  const { element, trigger } = host, find = finder(element), root = find(".vd-draw");
  /** @param {string} selector */
  const canvas = (selector) => /** @type {HTMLCanvasElement} */ (find(selector));
  /** @param {string} name */
  const input = (name) => /** @type {HTMLInputElement} */ (find("[name=" + name + "]"));
  /** @type {Record<string, string> | null} */
  let words = null;
  /** @type {Arrays | null} curves, filters and positions: the same for every drawing */
  let still = null;
  /** @type {Reading | null} */
  let reading = null;
  let moment = 0, timer = 0, strokes = 0, stillUrl = "";

  const curves = mountCurves(find(".vd-draw-learned"));
  const pad = makePad(canvas(".vd-draw-pad"), {
    width: () => Number(input("width").value),
    changed: send,
    moved(x, y) { if (words) find(".vd-said").textContent = fill(words.cursor, { row: Math.round(y / 10), col: Math.round(x / 10) }); },
  });

  function send() {
    if (pad.ready) trigger("select", { ink: pad.ink, number: ++strokes });
  }

  follow(host, root, async ({ data, files }) => {
    if (data.words) translate(element, words = data.words);
    if (data.curves) curves.show(data.curves);
    if (data.pad) pad.resize(data.pad);
    if (data.ink && pad.drawn && !data.replace) send();  // one's own drawing stays: read it with what has changed
    else {
      if (data.ink) pad.put(data.ink, data.replace);
      if (data.reading && data.number && data.number < strokes) return false;  // a later stroke is on its way
      if (data.reading) reading = unpacked(data.reading);
    }
    await fetchStill(files && files.still ? files.still.url : "");
    show();
    return false;  // `show` counts
  });

  /** @param {string} url */
  async function fetchStill(url) {
    if (!url || url === stillUrl) return;
    const arrays = await fetchArrays(url);
    if (!arrays) return;
    still = arrays;
    stillUrl = url;
    moment = still.epochs.length - 1;
    input("moment").max = String(moment);
    input("moment").value = String(moment);
  }

  /** @param {any} sent @returns {Reading} */
  function unpacked(sent) {
    const bytes = bytesOf(sent.maps), [moments, layers, heads, rows, cols] = sent.shape;
    const maps = Array.from({ length: moments * layers * heads }, (_, i) => mapOf(bytes, i, rows * cols, sent.top));
    return { ...sent, maps };
  }

  // ------------------------------------------------------------------------------------------------ the answer

  function show() {
    if (!reading || !words) return;
    const last = reading.shape[0] - 1;
    moment = still ? Math.min(moment, last) : last;
    drawPicture(reading);
    drawBars(reading, words);
    drawHeads(reading, words);
    if (still) drawLearned(still, reading, words);
    root.dataset.moment = String(moment);
    root.dataset.asked = String(strokes);
    root.dataset.ready = String(Number(root.dataset.ready) + 1);
  }

  /** @param {Reading} reading */
  function drawPicture({ shape, side, picture }) {
    paint(canvas(".vd-draw-picture"), side, side, rgbaOf(picture));
    cellsOf(find(".vd-draw-lines"), shape[3], shape[4]);
    find(".vd-draw-lines").hidden = !input("grid").checked;
  }

  /** @param {Reading} reading @param {Record<string, string>} words */
  function drawBars(reading, words) {
    const shares = reading.probabilities[moment], best = shares.indexOf(Math.max(...shares)), list = find(".vd-draw-bars");
    list.replaceChildren(...shares.map((share, i) => {
      const row = make("li", i === best && !reading.empty ? "vd-draw-first" : "");
      make("b", "", row, reading.labels[i]);
      make("i", "", make("span", "", row)).style.width = (100 * share).toFixed(1) + "%";
      make("span", "", row, percent(share, 1) + " %");
      return row;
    }));
    const digits = shares[best] > 0.995 ? 1 : 0;
    const line = reading.empty ? words.nothing
      : fill(words.reads, { digit: reading.labels[best], share: percent(shares[best], digits) });
    find(".vd-draw-best").textContent = find(".vd-said").textContent = line;
    root.dataset.best = reading.empty ? "" : reading.labels[best];
    find(".vd-draw-time").textContent = fill(words.took, { server: reading.ms.toFixed(0) });
  }

  /** @param {Reading} reading @param {Record<string, string>} words */
  function drawHeads(reading, words) {
    const [, layers, heads, rows, cols] = reading.shape, own = input("own").checked, box = find(".vd-draw-heads");
    paintHeads(box, layers, heads, rows, cols, (i) => {
      const map = reading.maps[moment * layers * heads + i];
      const facts = { layer: Math.floor(i / heads) + 1, head: i % heads + 1, share: percent(reading.prefix[moment][i], 0) };
      return { map, top: own ? largest(map) : reading.top, words: fill(words.head, facts), label: fill(words.head_label, facts) };
    });
    paintScale(canvas(".vd-scale"), TABLES.viridis);
    find(".vd-high").textContent = own ? words.each_own : percent(reading.top, 1) + " %";
  }

  // ----------------------------------------------------------------------------------------- watch it learn

  /** @param {number} by */
  function step(by) {
    if (!still) return;
    moment = Math.min(still.epochs.length - 1, Math.max(0, moment + by));
    input("moment").value = String(moment);
    show();
  }

  function play() {
    const running = timer !== 0;
    find("button[name=play]").setAttribute("aria-pressed", String(!running));
    clearInterval(timer);
    timer = 0;
    if (running || !still) return;
    const last = still.epochs.length - 1;
    step(-last - 1);
    timer = window.setInterval(() => {
      if (!element.isConnected || moment >= last) play();
      else step(1);
    }, PLAY_MS);
  }

  /** @param {Arrays} still @param {Reading} reading @param {Record<string, string>} words */
  function drawLearned(still, reading, words) {
    const epoch = still.epochs[moment], epochs = still.loss.length;
    find(".vd-draw-epoch").textContent = fill(epoch === 0 ? words.at_start : words.after, { epoch, epochs });
    curves.mark(epoch, epochs);
    find(".vd-draw-reached").textContent = epoch === 0 ? words.untrained
      : fill(words.reached, { accuracy: percent(still.held_accuracy[epoch - 1], 1), count: still.held_out[0] });
    paintPositions(find, still.similarity, moment, reading.shape[3], reading.shape[4], still.position_limit[0]);
    paintFilters(canvas(".vd-draw-filters"), still.filters, moment);
  }

  // ------------------------------------------------------------------------------------------------- controls

  /** @param {boolean} erase */
  function tool(erase) {
    pad.tool(erase);
    find("[name=pen]").setAttribute("aria-pressed", String(!erase));
    find("[name=eraser]").setAttribute("aria-pressed", String(erase));
  }

  /** @type {Record<string, () => void>} */
  const clicks = {
    pen: () => tool(false),
    eraser: () => tool(true),
    undo: () => pad.undo(),
    clear: () => { tool(false); pad.clear(); },
    use: () => trigger("input", { ink: pad.ink }),
    back: () => step(-1),
    forward: () => step(1),
    play,
  };
  for (const [name, run] of Object.entries(clicks)) find("button[name=" + name + "]").addEventListener("click", run);
  input("moment").addEventListener("input", () => { moment = Number(input("moment").value); show(); });
  for (const name of ["own", "grid"]) input(name).addEventListener("change", show);
}
