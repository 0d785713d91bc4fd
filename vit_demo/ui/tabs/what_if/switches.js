// A sheet of switches: a cell each, layers from left to right; pointed at and switched by mouse, finger and keys.

import { make } from "../../kit/canvas.js";
import { cellsOf, makeStage, markCell } from "../../kit/stage.js";

/** @typedef {import("../../kit/maps.js").Place} Place */

/**
 * @param {HTMLElement} box with a .vd-what-sheet and a .vd-what-said in it
 * @param {{ off: (place: Place) => boolean, unread: (place: Place) => boolean, say: (place: Place) => string,
 *   toggle: (place: Place) => void }} behaviour
 */
export function mountSwitches(box, { off, unread, say, toggle }) {
  const sheet = /** @type {HTMLElement} */ (box.querySelector(".vd-what-sheet"));
  const said = /** @type {HTMLElement} */ (box.querySelector(".vd-what-said"));
  const cursor = make("div", "vd-cursor");
  cursor.hidden = true;
  let rows = 0, cols = 0;
  /** @type {HTMLElement[]} */
  let cells = [];
  /** @type {Place} */
  let at = { row: 0, col: 0 };

  const draw = () => cells.forEach((cell, i) => {
    const place = { row: Math.floor(i / cols), col: i % cols };
    cell.className = [off(place) && "vd-off", unread(place) && "vd-unread"].filter(Boolean).join(" ");
    cell.textContent = off(place) ? "×" : "";
    if (said.textContent && place.row === at.row && place.col === at.col) said.textContent = say(place);
  });

  makeStage(sheet, {
    grid: () => (rows ? { rows, cols } : null),
    at: () => at,
    point(place) {
      at = place;
      markCell(cursor, place, rows, cols);
      said.textContent = say(place);
    },
    pick(place) {
      at = place;
      toggle(place);
      said.textContent = say(place);
    },
    leave() { cursor.hidden = true; },
  });

  return {
    /** @param {number} newRows @param {number} newCols @param {string[]} [names] of the rows; numbers without */
    show(newRows, newCols, names) {
      if (newRows !== rows || newCols !== cols) {
        [rows, cols] = [newRows, newCols];
        cells = Array.from({ length: rows * cols }, () => make("span", ""));
        sheet.replaceChildren(...cells, cursor);
        cellsOf(sheet, rows, cols);
        at = { row: 0, col: 0 };
        cursor.hidden = true;
      }
      box.style.setProperty("--cols", String(cols));
      box.style.setProperty("--rows", String(rows));
      const side = box.querySelector(".vd-frame-rows"), top = box.querySelector(".vd-frame-cols");
      side?.replaceChildren(...Array.from({ length: rows }, (_, i) => make("span", "", null, names ? names[i] : String(i + 1))));
      top?.replaceChildren(...Array.from({ length: cols }, (_, i) => make("span", "", null, String(i + 1))));
      draw();
    },
    draw,
  };
}
