// Drawings as bytes, and tiles of positions. No page in here, so Node tests it against numpy.

/** @typedef {import("../../kit/maps.js").Numbers} Numbers */

/**
 * Ink of a grid of pixels as base64, one byte each, from RGBA bytes of a black pad with white strokes.
 * @param {Numbers | Uint8ClampedArray} rgba
 */
export function inkOf(rgba) {
  let text = "";
  for (let i = 0; i < rgba.length; i += 4) text += String.fromCharCode(rgba[i]);
  return btoa(text);
}

/**
 * The reverse: RGBA bytes, grey and opaque.
 * @param {string} ink
 */
export function rgbaOf(ink) {
  const text = atob(ink), out = new Uint8ClampedArray(4 * text.length);
  for (let i = 0; i < text.length; i++) {
    out[4 * i] = out[4 * i + 1] = out[4 * i + 2] = text.charCodeAt(i);
    out[4 * i + 3] = 255;
  }
  return out;
}

/**
 * Similarity of positions as one picture: a tile for each of `tiles`, evenly chosen among the positions, of rows·cols
 * values, with gaps of one. Gives values and a mask that is 0 in the gaps.
 * @param {Numbers} matrix @param {number} rows @param {number} cols
 * @param {{ rows: number, cols: number }} [tiles] a tile for every position without it
 */
export function tilePicture(matrix, rows, cols, tiles = { rows, cols }) {
  const height = tiles.rows * (rows + 1) - 1, width = tiles.cols * (cols + 1) - 1, count = rows * cols;
  const values = new Float32Array(height * width), mask = new Uint8Array(height * width);
  for (let t = 0; t < tiles.rows * tiles.cols; t++)
    for (let i = 0; i < count; i++) {
      const y = Math.floor(t / tiles.cols) * (rows + 1) + Math.floor(i / cols), x = (t % tiles.cols) * (cols + 1) + i % cols;
      values[y * width + x] = matrix[t * count + i];
      mask[y * width + x] = 1;
    }
  return { values, mask, height, width };
}
