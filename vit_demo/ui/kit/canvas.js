// Maps and colour scales on canvases.

import { coloursOf } from "./maps.js";

/** @typedef {import("./maps.js").Numbers} Numbers */

/**
 * A canvas of exactly rows × cols pixels with these RGBA bytes; the browser enlarges it.
 * @param {HTMLCanvasElement} canvas @param {number} rows @param {number} cols @param {Uint8ClampedArray<ArrayBuffer>} rgba
 */
export function paint(canvas, rows, cols, rgba) {
  canvas.width = cols;
  canvas.height = rows;
  canvas.getContext("2d")?.putImageData(new ImageData(rgba, cols, rows), 0, 0);
}

/**
 * A colour table from its low to its high end.
 * @param {HTMLCanvasElement} canvas @param {Numbers} table
 */
export function paintScale(canvas, table) {
  const values = Float32Array.from({ length: 256 }, (_, i) => i);
  paint(canvas, 1, 256, coloursOf(values, 0, 255, table));
}

/**
 * An element with a class and, where given, words; added to a parent.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {string} name @param {Element | null} [parent] @param {string} [words]
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, name, parent, words) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (words !== undefined) made.textContent = words;
  parent?.append(made);
  return made;
}
