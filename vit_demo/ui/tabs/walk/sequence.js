// The patches of the picture in a line that is broken where the page ends. Pointing here points in the picture.

import { placeOf } from "../../kit/maps.js";

/** @typedef {import("../../kit/maps.js").Place} Place */

const GAP = 1;

/**
 * Where a patch stands in the line: its column and row there.
 * @param {number} index @param {number} across
 */
export function tileOf(index, across) {
  return { x: index % across, y: Math.floor(index / across) };
}

/**
 * The patch under a place of the canvas, from 0; −1 where there is none.
 * @param {number} x @param {number} y @param {number} side @param {number} across @param {number} count
 */
export function indexAt(x, y, side, across, count) {
  const col = Math.floor(x / side), row = Math.floor(y / side), index = row * across + col;
  return col >= 0 && col < across && row >= 0 && index < count ? index : -1;
}

/**
 * @param {HTMLCanvasElement} canvas @param {HTMLImageElement} picture @param {any} data
 * @param {(place: Place | null) => void} pointed
 */
export function makeSequence(canvas, picture, data, pointed) {
  const { rows, cols } = data, count = rows * cols;
  const width = Math.max(280, canvas.parentElement?.clientWidth ?? 600);
  const side = Math.max(8, Math.min(36, Math.floor(Math.sqrt(width * 360 / count)))), across = Math.floor(width / side);
  canvas.width = across * side;
  canvas.height = Math.ceil(count / across) * side;
  const context = canvas.getContext("2d");
  /** @type {Place | null} */
  let now = null;

  function draw() {
    if (!context || !picture.naturalWidth) return;
    const tall = picture.naturalHeight / rows, wide = picture.naturalWidth / cols;
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < count; i++) {
      const from = placeOf(i, cols), to = tileOf(i, across);
      context.drawImage(picture, from.col * wide, from.row * tall, wide, tall,
        to.x * side, to.y * side, side - GAP, side - GAP);
    }
    if (!now) return;
    const at = tileOf(now.row * cols + now.col, across);
    for (const [colour, wide] of /** @type {[string, number][]} */ ([["#d6246e", 5], ["#fff", 2]])) {
      context.strokeStyle = colour;
      context.lineWidth = wide;
      context.strokeRect(at.x * side, at.y * side, side - GAP, side - GAP);
    }
  }

  canvas.onpointermove = (event) => {
    const area = canvas.getBoundingClientRect(), by = canvas.width / area.width;
    const index = indexAt((event.clientX - area.left) * by, (event.clientY - area.top) * by, side, across, count);
    pointed(index < 0 ? null : placeOf(index, cols));
  };
  canvas.onpointerleave = () => pointed(null);
  picture.addEventListener("load", draw, { once: true });
  draw();
  return {
    point: (/** @type {Place | null} */ place) => {
      now = place;
      canvas.dataset.patch = place ? String(place.row * cols + place.col) : "";
      draw();
    },
  };
}
