// Patches that are not there, hatched over the picture.

import { paint } from "../../kit/canvas.js";

const PX = 8, HOLE = [118, 118, 118, 235], STRIPE = [165, 165, 165, 235];

/**
 * @param {HTMLCanvasElement} canvas @param {Iterable<number>} hidden patches, row by row
 * @param {number} rows @param {number} cols
 */
export function paintHoles(canvas, hidden, rows, cols) {
  const wide = cols * PX, rgba = new Uint8ClampedArray(4 * rows * PX * wide);
  for (const number of hidden) {
    const top = Math.floor(number / cols) * PX, left = number % cols * PX;
    for (let r = 0; r < PX; r++) for (let c = 0; c < PX; c++)
      rgba.set((r + c) % PX < PX / 4 ? STRIPE : HOLE, 4 * ((top + r) * wide + left + c));
  }
  paint(canvas, rows * PX, wide, rgba);
}
