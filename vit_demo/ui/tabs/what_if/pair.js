// Where a token looks before and after a change, and the difference: three maps with one pointer.

import { make, paint, paintScale } from "../../kit/canvas.js";
import { TABLES } from "../../kit/colours.js";
import { bytesOf, coloursOf, largest, mapOf } from "../../kit/maps.js";
import { makeStage, markCell, middleOf, shapeStage } from "../../kit/stage.js";
import { fill, percent, signed } from "../../kit/words.js";

/** @typedef {import("../../kit/maps.js").Place} Place */
/** @typedef {{ values: string, top: number, prefix: number[] }} Maps */
/** @typedef {"before" | "after"} Which */

/**
 * One map of a head (−1: the mean of all); null where the token is not there.
 * @param {any} data the view's value @param {Which} which @param {number} head
 */
export function mapOfHead(data, which, head) {
  /** @type {Maps | null} */
  const maps = data[which];
  if (!maps) return null;
  const bytes = bytesOf(maps.values), count = data.rows * data.cols;
  if (head >= 0) return mapOf(bytes, Math.min(head, data.heads - 1), count, maps.top);
  const mean = new Float32Array(count);
  for (let h = 0; h < data.heads; h++) mapOf(bytes, h, count, maps.top).forEach((v, i) => { mean[i] += v / data.heads; });
  return mean;
}

/**
 * What the prefix tokens get. @param {any} data @param {Which} which @param {number} head
 */
export function prefixOfHead(data, which, head) {
  /** @type {Maps | null} */
  const maps = data[which];
  if (!maps) return 0;
  return head >= 0 ? maps.prefix[Math.min(head, data.heads - 1)] : maps.prefix.reduce((a, b) => a + b, 0) / data.heads;
}

/** A map over the picture, with its name and its scale. @param {HTMLElement} parent @param {string} name */
function figure(parent, name) {
  const made = make("figure", "", parent), stage = make("div", "vd-stage", made);
  made.dataset.map = name;
  stage.tabIndex = 0;
  stage.setAttribute("role", "application");
  make("img", "vd-picture", stage).alt = "";
  make("canvas", "vd-overlay", stage);
  for (const kind of ["vd-token", "vd-cursor"]) make("div", kind, stage).hidden = true;
  make("figcaption", "", made).dataset.word = "map_" + name;
  make("div", "vd-bar vd-bar-narrow", made);
  return made;
}

/**
 * @param {HTMLElement} element @param {(place: Place) => void} pick a patch is clicked
 */
export function mountMaps(element, pick) {
  const box = /** @type {HTMLElement} */ (element.querySelector(".vd-what-maps"));
  const figures = ["before", "after", "difference"].map((name) => figure(box, name));
  const here = /** @type {HTMLElement} */ (element.querySelector(".vd-what-here"));
  /** @type {any} */
  let data = null;
  /** @type {Float32Array | null} */
  let before = null;
  /** @type {Float32Array | null} */
  let after = null;
  let head = -1;
  /** @type {Place | null} */
  let pointed = null;
  /** @type {Uint8Array} which patches are there */
  let kept = new Uint8Array();

  for (const figure of figures) makeStage(/** @type {HTMLElement} */ (figure.querySelector(".vd-stage")), {
    grid: () => data,
    at: () => pointed || middleOf(data),
    point(place) { pointed = place; mark(); },
    pick,
    leave() { pointed = null; mark(); },
  });

  /** @param {HTMLElement} box @param {number} low @param {number} high @param {string} table */
  function scaleBar(box, low, high, table) {
    const canvas = make("canvas", "vd-scale");
    const text = (/** @type {number} */ value) => signed((value < 0 ? "-" : "") + percent(Math.abs(value)) + " %");
    box.replaceChildren(make("span", "", null, text(low)), canvas, make("span", "", null, text(high)));
    paintScale(canvas, TABLES[table]);
  }

  function mark() {
    if (!data) return;
    const { rows, cols, words, prefix } = data;
    for (const figure of figures)
      markCell(/** @type {HTMLElement} */ (figure.querySelector(".vd-cursor")), pointed, rows, cols);
    const names = prefix.map((/** @type {string} */ name) => name.toUpperCase()).join(", ");
    const [first, second] = ["before", "after"].map((which) =>
      percent(prefixOfHead(data, /** @type {Which} */ (which), head)) + " %");
    const shares = names && fill(words.prefix_share, { names, before: first, after: second });
    let line = words.map_point;
    if (!after) line = words.no_map;
    else if (pointed && before) {
      const number = pointed.row * cols + pointed.col;
      line = fill(words.map_here, { row: pointed.row + 1, col: pointed.col + 1, before: percent(before[number]) + " %",
        after: kept[number] ? percent(after[number]) + " %" : "–" });
    }
    here.textContent = [words.map_scale, line, shares].filter(Boolean).join(" · ");
  }

  return {
    /** @param {any} value the view's value @param {number} ofHead @param {Place | null} token */
    show(value, ofHead, token) {
      [data, head] = [value, ofHead];
      const { rows, cols, words } = data;
      before = mapOfHead(data, "before", head);
      after = mapOfHead(data, "after", head);
      kept = new Uint8Array(rows * cols).fill(1);
      for (const [row, col] of data.edits.drop ?? []) kept[row * cols + col] = 0;
      const top = Math.max(before ? largest(before) : 0, after ? largest(after) : 0) || 1;
      const [one, two] = [before, after];
      const apart = one && two ? Float32Array.from(two, (v, i) => (kept[i] ? v - one[i] : 0)) : null;
      const most = apart ? largest(apart.map(Math.abs)) : 0;
      /** @type {Record<string, [Float32Array | null, number, number, string, Uint8Array | null]>} */
      const shown = { before: [before, 0, top, "viridis", null], after: [after, 0, top, "viridis", kept],
        difference: [apart, -most, most, "diverging", kept] };
      for (const figure of figures) {
        const [map, low, high, table, mask] = shown[String(figure.dataset.map)];
        const canvas = /** @type {HTMLCanvasElement} */ (figure.querySelector(".vd-overlay"));
        const box = /** @type {HTMLElement} */ (figure.querySelector(".vd-stage"));
        shapeStage(box, rows, cols, words["map_" + figure.dataset.map]);
        canvas.hidden = !map;
        const flat = low === high;  // nothing differs: the middle of the table, not its end
        if (map) paint(canvas, rows, cols, coloursOf(map, flat ? -1 : low, flat ? 1 : high, TABLES[table], mask));
        scaleBar(/** @type {HTMLElement} */ (figure.querySelector(".vd-bar")), low, high, table);
        markCell(/** @type {HTMLElement} */ (figure.querySelector(".vd-token")), token, rows, cols);
      }
      mark();
    },
  };
}
