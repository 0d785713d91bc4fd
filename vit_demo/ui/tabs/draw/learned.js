// What a model has learned at a moment of its training: maps of all heads, positions, filters. For drawings and for a
// training of one's own.

import { make, paint, paintScale } from "../../kit/canvas.js";
import { TABLES } from "../../kit/colours.js";
import { coloursOf } from "../../kit/maps.js";
import { finder } from "../../kit/view.js";
import { tilePicture } from "./ink.js";

/** @typedef {import("../../kit/files.js").Shaped} Shaped */
const FILTERS_ACROSS = 8;

/**
 * A figure for every head, a row for each layer.
 * @param {HTMLElement} box @param {number} layers @param {number} heads @param {number} rows @param {number} cols
 * @param {(index: number) => { map: import("../../kit/maps.js").Numbers, top: number, words: string, label: string }} shown
 */
export function paintHeads(box, layers, heads, rows, cols, shown) {
  if (box.children.length !== layers * heads) {
    box.style.setProperty("--heads", String(heads));
    box.replaceChildren(...Array.from({ length: layers * heads }, () => {
      const figure = make("figure", "");
      make("canvas", "", figure).setAttribute("role", "img");
      make("figcaption", "", figure);
      return figure;
    }));
  }
  [...box.children].forEach((figure, i) => {
    const { map, top, words, label } = shown(i), within = finder(/** @type {HTMLElement} */ (figure));
    const painted = /** @type {HTMLCanvasElement} */ (within("canvas"));
    paint(painted, rows, cols, coloursOf(map, 0, top, TABLES.viridis));
    painted.setAttribute("aria-label", label);
    within("figcaption").textContent = words;
  });
}

/**
 * Cosines of positions with every position at a moment, a tile for each of `tiles`; one scale for all moments.
 * @param {(selector: string) => HTMLElement} find @param {Shaped} similarity moments, tiles, positions; in 127 steps
 * @param {number} moment @param {number} rows @param {number} cols @param {number} limit
 * @param {{ rows: number, cols: number }} [tiles] all positions without it
 */
export function paintPositions(find, similarity, moment, rows, cols, limit, tiles = { rows, cols }) {
  const count = similarity.shape[1] * similarity.shape[2];
  const values = Float32Array.from(similarity.subarray(moment * count, (moment + 1) * count), (step) => step / 127);
  const picture = tilePicture(values, rows, cols, tiles);
  paint(/** @type {HTMLCanvasElement} */ (find(".vd-draw-positions")), picture.height, picture.width,
    coloursOf(picture.values, -limit, limit, TABLES.diverging, picture.mask));
  paintScale(/** @type {HTMLCanvasElement} */ (find(".vd-draw-positions-scale")), TABLES.diverging);
  find(".vd-draw-positions-low").textContent = "−" + limit.toFixed(1);
  find(".vd-draw-positions-high").textContent = limit.toFixed(1);
}

/**
 * Filters at a moment side by side: grey where they have one number a pixel, else red, green and blue.
 * @param {HTMLCanvasElement} canvas @param {Shaped} filters moments, filters, side, side, and 3 for colours
 * @param {number} moment
 */
export function paintFilters(canvas, filters, moment) {
  const [, count, side, , bands = 1] = filters.shape, cols = Math.min(FILTERS_ACROSS, count), rows = Math.ceil(count / cols);
  const width = cols * (side + 1) - 1, height = rows * (side + 1) - 1, rgba = new Uint8ClampedArray(4 * width * height);
  for (let f = 0; f < count; f++)
    for (let i = 0; i < side * side; i++) {
      const y = Math.floor(f / cols) * (side + 1) + Math.floor(i / side), x = (f % cols) * (side + 1) + i % side;
      const k = 4 * (y * width + x), from = ((moment * count + f) * side * side + i) * bands;
      for (let band = 0; band < 3; band++) rgba[k + band] = filters[from + (bands === 1 ? 0 : band)];
      rgba[k + 3] = 255;
    }
  paint(canvas, height, width, rgba);
}
