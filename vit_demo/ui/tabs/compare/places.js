// The same place in crops of one picture: grids of different sizes meet by place, not by number. No page in here.

/** @typedef {import("../../kit/maps.js").Place} Place */
/** @typedef {[number, number, number, number]} Box top, left, bottom, right of a crop, as shares of the picture */
/** @typedef {{ rows: number, cols: number, box: Box }} Crop */

/**
 * The middle of a patch as shares of the whole picture, (y, x).
 * @param {Place} place @param {Crop} crop @returns {[number, number]}
 */
export function pointOf({ row, col }, { rows, cols, box: [top, left, bottom, right] }) {
  return [top + (row + 0.5) / rows * (bottom - top), left + (col + 0.5) / cols * (right - left)];
}

/**
 * The patch of a crop at a point of the whole picture, or null where the crop does not reach.
 * @param {[number, number]} point @param {Crop} crop @returns {Place | null}
 */
export function patchOf([y, x], { rows, cols, box: [top, left, bottom, right] }) {
  const row = Math.floor((y - top) / (bottom - top) * rows), col = Math.floor((x - left) / (right - left) * cols);
  return row >= 0 && row < rows && col >= 0 && col < cols ? { row, col } : null;
}
