// What a score changes by, under each of many changes: one map on one scale, whose cells make their change above.

import { make, paint, paintScale } from "../../kit/canvas.js";
import { TABLES } from "../../kit/colours.js";
import { coloursOf } from "../../kit/maps.js";
import { makeStage, markCell, shapeStage } from "../../kit/stage.js";
import { finder, follow } from "../../kit/view.js";
import { fill, signed } from "../../kit/words.js";
import { ANSWER, CHANGE } from "./view.js";

/** @typedef {import("../../kit/maps.js").Place} Place */

const MOST = 5;

/** @param {import("../../kit/view.js").Host} host */
export function mount(host) {
  const find = finder(host.element), root = find(".vd-what-scan"), cells = find(".vd-what-cells");
  const canvas = /** @type {HTMLCanvasElement} */ (find(".vd-overlay"));
  /** @type {any} */
  let data = null;
  /** @type {Place} */
  let at = { row: 0, col: 0 };

  follow(host, root, (value) => {
    data = value.data;
    if (at.row >= data.rows || at.col >= data.cols) at = { row: 0, col: 0 };
    draw(value.picture ? value.picture.url : "");
  });

  /** @param {number | null} value */
  const text = (value) => (value === null ? data.words.not_yet : (value > 0 ? "+" : "") + signed(value.toFixed(3)));

  /** @param {Place} place */
  function say({ row, col }) {
    const { words, kind, prefix, layer_read: read } = data, value = data.values[row][col];
    const said = kind !== "patches" && col > read ? words.no_effect : text(value);
    if (kind === "patches") return fill(words.cell_patch, { row: row + 1, col: col + 1, value: said });
    if (kind === "heads") return fill(words.cell_head, { layer: col + 1, head: row + 1, value: said });
    const name = kind === "layers" ? ["cell_attention", "cell_mlp"][row] : ["cell_prefix", "cell_patches"][row];
    const tokens = prefix.join(", ").toUpperCase() || words.prefix_tokens;
    return fill(words[name], { layer: col + 1, value: said, tokens });
  }

  /** @param {Place} place */
  function pick({ row, col }) {
    const part = row === 0 ? data.prefix : ["patches"];
    document.dispatchEvent(new CustomEvent(CHANGE, { detail: { kind: data.kind, row, col, window: data.window, part, how: data.how } }));
  }

  document.addEventListener(ANSWER, (event) => {
    if (host.element.isConnected) find(".vd-what-result").textContent = /** @type {CustomEvent} */ (event).detail;
  });

  makeStage(cells, {
    grid: () => data,
    at: () => at,
    point(place) {
      at = place;
      markCell(find(".vd-cursor"), place, data.rows, data.cols);
      find(".vd-readout").textContent = say(place);
    },
    pick,
    leave() { find(".vd-cursor").hidden = true; },
  });

  /** @param {string} picture */
  function draw(picture) {
    const { words, rows, cols, kind, values, limit } = data, onPicture = kind === "patches";
    root.dataset.kind = kind;
    root.dataset.parts = (data.part ?? data.parts - 1) + 1 + "/" + data.parts;
    const flat = Float32Array.from(values.flat(), (/** @type {number | null} */ v) => v ?? 0);
    const known = Uint8Array.from(values.flat(), (/** @type {number | null} */ v) => (v === null ? 0 : 1));
    shapeStage(cells, rows, cols, words.scan_label);
    const image = /** @type {HTMLImageElement} */ (find(".vd-picture"));
    if (onPicture && picture) image.src = picture; else image.removeAttribute("src");
    paint(canvas, rows, cols, coloursOf(flat, -limit || -1, limit || 1, TABLES.diverging, known));
    canvas.style.opacity = onPicture ? "0.75" : "1";
    const box = find(".vd-what-map");
    box.style.setProperty("--cols", String(cols));
    box.style.setProperty("--rows", String(rows));
    const names = kind === "layers" ? [words.attention, words.mlp]
      : kind === "states" ? [data.prefix.join(", ").toUpperCase() || words.prefix_tokens, words.patches] : null;
    const number = (/** @type {number} */ count) => Array.from({ length: count }, (_, i) => String(i + 1));
    const labels = (/** @type {string[]} */ all) => all.map((name) => make("span", "", null, name));
    find(".vd-frame-rows").replaceChildren(...labels(onPicture ? [] : names ?? number(rows)));
    find(".vd-frame-cols").replaceChildren(...labels(onPicture ? [] : number(cols)));
    find(".vd-bar-name").textContent = data.unit + (data.window > 1 ? ". " + fill(words.window, { side: data.window }) : "");
    find(".vd-low").textContent = text(-limit);
    find(".vd-high").textContent = text(limit);
    paintScale(/** @type {HTMLCanvasElement} */ (find(".vd-scale")), TABLES.diverging);
    find(".vd-readout").textContent = words.scan_point;
    drawMost();
  }

  /** The largest changes, as buttons that make them. */
  function drawMost() {
    const { words, cols, window: side } = data;
    /** @type {[number, number][]} index and change */
    const order = data.values.flat().map((/** @type {number | null} */ value, /** @type {number} */ i) => [i, value ?? 0]);
    const first = order.filter(([i]) => data.kind !== "patches" || (Math.floor(i / cols) % side === 0 && i % cols % side === 0));
    first.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
    const shown = first.slice(0, MOST).filter(([, value]) => value !== 0);
    find(".vd-what-most h3").textContent = shown.length ? words.most : "";
    find(".vd-what-most div").replaceChildren(...shown.map(([i]) => {
      const place = { row: Math.floor(i / cols), col: i % cols }, button = make("button", "", null, say(place));
      button.type = "button";
      button.addEventListener("click", () => pick(place));
      return button;
    }));
    const other = data.score_of_other;
    find(".vd-what-most p").textContent = other === null ? ""
      : fill(words.of_other, { other: signed(other.toFixed(3)), own: signed(data.score.toFixed(3)) });
  }
}
