// The wall: a thumbnail of every layer (left to right) and head (top to bottom).

import { make } from "../../kit/canvas.js";
import { TABLES } from "../../kit/colours.js";
import { coloursOf } from "../../kit/maps.js";
import { makeStage } from "../../kit/stage.js";
import { finder } from "../../kit/view.js";
import { fill, percent } from "../../kit/words.js";

const GAP = 1;

/** @typedef {{ layer: number, head: number }} Chosen head −1: all heads */

/**
 * @param {HTMLElement} box
 * @param {{ open: (layer: number, head: number) => void, table: () => string }} behaviour
 */
export function mountWall(box, { open, table }) {
  const find = finder(box), sheet = find(".vd-wall"), opened = find(".vd-wall-open"), pointed = find(".vd-wall-cursor");
  const canvas = /** @type {HTMLCanvasElement} */ (find("canvas"));
  /** @type {import("../../kit/files.js").Arrays | null} */
  let wall = null;
  /** @type {Record<string, string>} */
  let words = {};
  /** @type {Chosen} */
  let chosen = { layer: -1, head: -1 };
  /** @type {import("../../kit/maps.js").Place | null} row: head, col: layer */
  let cursor = null;
  let painted = "";

  /** @param {HTMLElement} frame @param {number} layer @param {number} head */
  function outline(frame, layer, head) {
    frame.hidden = !wall || layer < 0;
    if (!wall || layer < 0) return;
    const [depth, count] = wall.maps.shape;
    frame.style.left = 100 * layer / depth + "%";
    frame.style.top = head < 0 ? "0" : 100 * head / count + "%";
    frame.style.width = 100 / depth + "%";
    frame.style.height = head < 0 ? "100%" : 100 / count + "%";
  }

  /** @param {number} count */
  const numbers = (count) => Array.from({ length: count }, (_, i) => make("span", "", null, String(i + 1)));

  function paintAll() {
    if (!wall) return;
    painted = table();
    const [depth, count, rows, cols] = wall.maps.shape, context = canvas.getContext("2d");
    canvas.width = depth * (cols + GAP) - GAP;
    canvas.height = count * (rows + GAP) - GAP;
    for (let l = 0; l < depth; l++) for (let h = 0; h < count; h++) {
      const from = (l * count + h) * rows * cols, map = wall.maps.subarray(from, from + rows * cols);
      const rgba = coloursOf(map, 0, 255, TABLES[painted]);
      context?.putImageData(new ImageData(rgba, cols, rows), l * (cols + GAP), h * (rows + GAP));
    }
    sheet.style.aspectRatio = canvas.width + " / " + canvas.height;
  }

  makeStage(sheet, {
    grid: () => wall && { rows: wall.maps.shape[1], cols: wall.maps.shape[0] },
    at: () => cursor || { row: Math.max(0, chosen.head), col: Math.max(0, chosen.layer) },
    point(place) {
      if (!wall) return;
      cursor = place;
      outline(pointed, place.col, place.row);
      const [depth, count] = wall.maps.shape, number = place.col * count + place.row;
      find(".vd-wall-said").textContent = fill(words.wall_readout, { layer: place.col + 1, depth, head: place.row + 1,
        top: percent(wall.tops[number]), share: percent(wall.prefix[number]) });
    },
    pick(place) { open(place.col, place.row); },
    leave() { cursor = null; pointed.hidden = true; },
  });

  return {
    /**
     * @param {import("../../kit/files.js").Arrays | null} arrays @param {import("./state.js").Data | null} data
     * @param {Chosen} now
     */
    show(arrays, data, now) {
      wall = arrays;
      words = data ? data.words : {};
      box.hidden = !wall;
      if (!wall) return;
      find(".vd-wall-name").textContent = words.wall;
      const [depth, count] = wall.maps.shape;
      sheet.style.setProperty("--layers", String(depth));
      sheet.style.setProperty("--heads", String(count));
      find(".vd-wall-layers").replaceChildren(...numbers(depth));
      find(".vd-wall-heads").replaceChildren(...numbers(count));
      paintAll();
      this.mark(now);
      outline(pointed, cursor ? cursor.col : -1, cursor ? cursor.row : -1);
    },
    /** @param {Chosen} now */
    mark(now) {
      chosen = { ...now };
      outline(opened, now.layer, now.head);
    },
    /** After a change of colours. */
    repaint() { if (table() !== painted) paintAll(); },
  };
}
