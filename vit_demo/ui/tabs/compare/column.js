// One column of a comparison: its pictures, what it answers, and the maps of one place.

import { make, paint, paintScale } from "../../kit/canvas.js";
import { TABLES } from "../../kit/colours.js";
import { cosinesOf, directionsOf, fused, layerFrom, rowOf } from "../../kit/explore.js";
import { fetchArrays } from "../../kit/files.js";
import { coloursOf, dots, largest, massMask, opaque, smallest } from "../../kit/maps.js";
import { makeStage, markCell, middleOf, shapeStage } from "../../kit/stage.js";
import { fill, percent, signed } from "../../kit/words.js";

/** @typedef {import("../../kit/maps.js").Place} Place */
/** @typedef {{ head: number, fromPatch: boolean, mask: boolean, share: number, shared: boolean, table: string }} Choice */
/** @typedef {{ attention: Float32Array, likeness: Float32Array }} Maps */

const ROWS = ["attention", "similarity", "components"];

/**
 * @param {HTMLElement} parent @param {any} data of the column @param {Record<string, string>} words
 * @param {(name: string) => string | null} urlOf the address of one of this column's files
 * @param {(place: Place | null) => void} pointed a patch of this column is pointed at
 */
export function makeColumn(parent, data, words, urlOf, pointed) {
  const section = make("section", "vd-cmp-column", parent);
  make("h2", "", section, data.title);
  if (!data.ready) {
    make("p", data.problem ? "vd-cmp-problem" : "vd-note", section, data.problem || "…");
    return null;
  }
  /** @type {import("../../kit/explore.js").Layer | null} */
  let layer = null;
  /** @type {Float32Array | null} */
  let directions = null;
  /** @type {Place | null} */
  let here = null;
  const answers = make("ol", "vd-bars vd-cmp-answers", section);
  for (const { label, value } of data.answers) {
    const line = make("li", "", answers);
    make("span", "vd-label", line, label);
    make("span", "vd-fill", make("span", "vd-track", line)).style.width = 100 * Math.max(0, value) + "%";
    make("span", "vd-number", line, data.classes ? percent(value) + " %" : signed(value.toFixed(2)));
  }
  const rows = ROWS.map((name) => {
    const figure = make("figure", "", section), box = make("div", "vd-stage", figure);
    box.tabIndex = 0;
    box.setAttribute("role", "application");
    const picture = urlOf("picture.jpg");
    if (picture) Object.assign(make("img", "vd-picture", box), { src: picture, alt: "" });
    const canvas = make("canvas", "vd-overlay", box), cursor = make("div", "vd-cursor", box);
    cursor.hidden = true;
    shapeStage(box, data.rows, data.cols, fill(words.stage, { title: data.title, rows: data.rows, cols: data.cols }));
    make("figcaption", "", figure, fill(words[name], { layer: data.layer + 1, depth: data.depth }));
    const bar = make("div", "vd-bar vd-bar-narrow", figure), note = make("small", "vd-cmp-note", figure, "");
    makeStage(box, { grid: () => data, at: () => here || middleOf(data), point: pointed, leave: () => pointed(null) });
    return { name, canvas, cursor, bar, note };
  });
  async function load() {
    const [q, f, c] = await Promise.all(["layer.bin", "features.bin", "colours.bin"].map((name) => {
      const url = urlOf(name);
      return url ? fetchArrays(url) : null;
    }));
    if (q) layer = layerFrom(q);
    if (f) directions = directionsOf(f.features);
    const components = rows[2];
    components.note.textContent = !c ? words.no_colours
      : data.shared > 1 ? fill(words.basis_shared, { count: data.shared }) : words.basis_own;
    if (c) paint(components.canvas, data.rows, data.cols, opaque(c.colours));
    return Boolean(layer && directions);
  }

  /** The direction of a patch's features. @param {Place} place */
  function vectorAt({ row, col }) {
    if (!layer || !directions) return null;
    const channels = directions.length / layer.tokens, token = data.prefix.length + row * data.cols + col;
    return directions.subarray(token * channels, (token + 1) * channels);
  }

  /**
   * @param {Place | null} place @param {Choice} choice
   * @param {Float32Array | null} vector what the patches are compared with: null for the patch at this place
   * @returns {Maps | null}
   */
  function mapsAt(place, { head, fromPatch }, vector) {
    if (!layer || !directions) return null;
    const prefix = data.prefix.length, at = place || middleOf(data), token = prefix + at.row * data.cols + at.col;
    const from = fromPatch || !prefix ? token : 0, known = layer;
    const heads = head < 0 ? [...Array(known.heads).keys()] : [Math.min(head, known.heads - 1)];
    const attention = fused(heads.map((h) => rowOf(known, h, from)), "mean").subarray(prefix);
    const channels = directions.length / known.tokens;
    const cosines = vector && vector.length === channels ? dots(vector, 0, directions, 0, known.tokens, channels)
      : cosinesOf(directions, known.tokens, token);
    return { attention, likeness: cosines.subarray(prefix) };
  }

  /** @param {HTMLElement} box @param {string} low @param {string} high @param {string} table */
  function bar(box, low, high, table) {
    const canvas = make("canvas", "vd-scale");
    box.replaceChildren(make("span", "", null, low), canvas, make("span", "", null, high));
    paintScale(canvas, TABLES[table]);
  }

  return {
    data, load, mapsAt, vectorAt,
    tops: (/** @type {Maps} */ maps) => ({ attention: largest(maps.attention), low: smallest(maps.likeness) }),
    /**
     * @param {Maps | null} maps @param {Place | null} place @param {Choice} choice
     * @param {{ attention: number, low: number }} scale shared by all columns, where that is wanted
     */
    draw(maps, place, choice, scale) {
      here = place;
      for (const { cursor } of rows) markCell(cursor, place, data.rows, data.cols);
      if (!maps) return;
      const [attention, similarity] = rows, table = TABLES[choice.table];
      const top = choice.shared ? scale.attention : largest(maps.attention);
      const low = choice.shared ? scale.low : smallest(maps.likeness);
      const mask = choice.mask ? massMask(maps.attention, choice.share / 100) : null;
      paint(attention.canvas, data.rows, data.cols, coloursOf(maps.attention, 0, top, table, mask));
      paint(similarity.canvas, data.rows, data.cols, coloursOf(maps.likeness, low, 1, table));
      bar(attention.bar, "0 %", percent(top) + " %", choice.table);
      bar(similarity.bar, signed(low.toFixed(2)), "1", choice.table);
      similarity.note.textContent = place ? "" : words.middle;
      attention.note.textContent = !data.prefix.length && !choice.fromPatch ? words.no_class_token : "";
    },
  };
}
