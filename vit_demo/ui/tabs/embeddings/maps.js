// Several maps side by side, each with its own scale. The cell pointed at is marked in all maps of the same shape, and its
// values stand beside their names. Everything is sent once.

import { make, paint, paintScale } from "../../kit/canvas.js";
import { TABLES } from "../../kit/colours.js";
import { bytesOf, coloursOf, mapOf } from "../../kit/maps.js";
import { makeStage, markCell, middleOf, shapeStage } from "../../kit/stage.js";
import { finder, follow } from "../../kit/view.js";
import { fill, signed } from "../../kit/words.js";

/**
 * @typedef {object} SentMap One map, as maps_value in maps.py gives it: values are 16-bit shares between low and high.
 * @property {string} title @property {string} values @property {number} rows @property {number} cols
 * @property {number} low @property {number} high @property {string} table @property {number} digits
 * @property {string} unit @property {string} group @property {number} first_row @property {number} first_col
 * @property {string} readout
 */
/** @typedef {SentMap & { numbers: Float32Array, mark: HTMLElement, read: HTMLElement }} Shown */

/** @param {import("../../kit/view.js").Host} host */
export function mount(host) {
  const find = finder(host.element), root = find(".vd-maps"), sheet = find(".vd-map-grid");
  /** @type {{ maps: SentMap[], words: Record<string, string> }} */
  let data = { maps: [], words: {} };
  /** @type {Shown[]} */
  let maps = [];
  /** @type {import("../../kit/maps.js").Place | null} */
  let at = null;
  let shape = "";

  follow(host, root, (value) => {
    if (!value.data.maps.length) { root.hidden = true; return false; }
    data = value.data;
    at = null;
    sheet.replaceChildren();
    maps = data.maps.map(figureOf);
    draw();
  });

  /** @param {SentMap} map @param {number} index @returns {Shown} */
  function figureOf(map, index) {
    const figure = make("figure", "vd-map", sheet);
    make("figcaption", "", figure, map.title);
    const box = make("div", "vd-map-box", figure), canvas = make("canvas", "", box), mark = make("div", "vd-cursor", box);
    box.tabIndex = 0;
    box.setAttribute("role", "application");
    shapeStage(box, map.rows, map.cols, fill(data.words.label, { ...map }));
    const bar = make("div", "vd-bar vd-bar-narrow", figure);
    make("span", "", bar, numberOf(map, map.low));
    const scale = make("canvas", "vd-scale", bar);
    make("span", "", bar, numberOf(map, map.high));
    const read = make("small", "", figure), shares = mapOf(bytesOf(map.values), 0, map.rows * map.cols, 1);
    const numbers = shares.map((share) => map.low + share * (map.high - map.low));
    paint(canvas, map.rows, map.cols, coloursOf(numbers, map.low, map.high, TABLES[map.table]));
    paintScale(scale, TABLES[map.table]);
    const shown = { ...map, numbers, mark, read };
    makeStage(box, {
      grid: () => map,
      at: () => (at && shape === shapeOf(map) ? at : middleOf(map)),
      point(place) { at = place; shape = shapeOf(map); draw(); showCell(shown, index); },
    });
    return shown;
  }

  /** @param {SentMap} map */
  function shapeOf(map) { return map.group + " " + map.rows + " " + map.cols; }

  /** @param {SentMap} map @param {number} value */
  function numberOf(map, value) { return signed(value.toFixed(map.digits)) + map.unit; }

  /**
   * What is known of the cell pointed at.
   * @param {Shown} map @param {number} index
   */
  function showCell(map, index) {
    if (!at) return;
    const value = numberOf(map, map.numbers[at.row * map.cols + at.col]);
    const row = signed(String(at.row + map.first_row)), col = signed(String(at.col + map.first_col));
    find(".vd-readout").textContent = fill(map.readout, { row, col, value, title: map.title });
    root.dataset.cell = at.row + "," + at.col;
    root.dataset.map = String(index);
  }

  function draw() {
    for (const map of maps) {
      const here = at && shapeOf(map) === shape ? at : null;
      markCell(map.mark, here, map.rows, map.cols);
      map.read.textContent = here ? numberOf(map, map.numbers[here.row * map.cols + here.col]) : " ";
    }
    if (!at) find(".vd-readout").textContent = data.words.hint;
  }
}
