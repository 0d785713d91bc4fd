// A picture, map or sheet of cells that can be pointed at: by mouse, finger and keyboard alike, in every view.

import { patchAt, stepOf } from "./maps.js";

/** @typedef {import("./maps.js").Place} Place */
/**
 * @typedef {object} Behaviour
 * @property {() => ({ rows: number, cols: number } | null)} grid How many cells there are; null while there are none.
 * @property {() => Place} at Where the keyboard goes on from.
 * @property {(place: Place, event: Event) => void} point A cell is pointed at: by a pointer over it, or an arrow key.
 * @property {(place: Place, event: Event) => void} [pick] A cell is clicked, tapped, or chosen by Enter or Space.
 * @property {() => void} [leave] The mouse has left. (A finger that is lifted leaves what it pointed at.)
 * @property {() => void} [cancel] Escape.
 */

/**
 * @param {HTMLElement} box @param {Behaviour} behaviour
 */
export function makeStage(box, { grid, at, point, pick, leave, cancel }) {
  /** @param {PointerEvent | MouseEvent} event */
  const under = (event) => {
    const cells = grid(), area = box.getBoundingClientRect();
    return cells && patchAt((event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height,
      cells.rows, cells.cols);
  };
  box.addEventListener("pointermove", (event) => {
    const place = under(event);
    if (place) point(place, event);
  });
  box.addEventListener("click", (event) => {
    const place = under(event);
    if (!place) return;
    if (pick) pick(place, event);
    else point(place, event);
  });
  box.addEventListener("pointerleave", (event) => { if (leave && event.pointerType !== "touch" && grid()) leave(); });
  box.addEventListener("keydown", (event) => {
    const cells = grid();
    if (!cells) return;
    const next = stepOf(event.key, at(), cells.rows, cells.cols);
    if (next) point(next, event);
    else if (pick && (event.key === "Enter" || event.key === " ")) pick(at(), event);
    else if (cancel && event.key === "Escape") cancel();
    else return;
    event.preventDefault();
  });
}

/**
 * The shape of a stage, and what its CSS needs to know of it.
 * @param {HTMLElement} box @param {number} rows @param {number} cols @param {string} [label] what is read aloud
 */
export function shapeStage(box, rows, cols, label) {
  box.style.aspectRatio = cols + " / " + rows;
  cellsOf(box, rows, cols);
  if (label !== undefined) box.setAttribute("aria-label", label);
}

/**
 * How many cells a box has, for the CSS of the marks in it.
 * @param {HTMLElement} box @param {number} rows @param {number} cols
 */
export function cellsOf(box, rows, cols) {
  box.style.setProperty("--rows", String(rows));
  box.style.setProperty("--cols", String(cols));
}

/**
 * Puts a mark on a cell; null hides it.
 * @param {HTMLElement} mark @param {Place | null} place @param {number} rows @param {number} cols
 */
export function markCell(mark, place, rows, cols) {
  mark.hidden = !place;
  if (!place) return;
  mark.style.left = 100 * place.col / cols + "%";
  mark.style.top = 100 * place.row / rows + "%";
}

/** @param {{ rows: number, cols: number }} grid @returns {Place} */
export function middleOf({ rows, cols }) {
  return { row: Math.floor(rows / 2), col: Math.floor(cols / 2) };
}
