// Position similarity: a tile for every shown position, and the one pointed at in large. All from data sent once: the
// tiles with the value, every other position's row in a file.

import { make, paint, paintScale } from "../../kit/canvas.js";
import { TABLES } from "../../kit/colours.js";
import { fetchBytes } from "../../kit/files.js";
import { bytesOf, coloursOf } from "../../kit/maps.js";
import { cellsOf, makeStage, markCell } from "../../kit/stage.js";
import { finder, follow } from "../../kit/view.js";
import { fill, signed } from "../../kit/words.js";

/** @typedef {import("../../kit/maps.js").Place} Place */

const GAP = 2, TILE_PX = 44;

/** @param {import("../../kit/view.js").Host} host */
export function mount(host) {
  const find = finder(host.element), root = find(".vd-similarity"), tiles = find(".vd-tiles"), large = find(".vd-large");
  const sheet = /** @type {HTMLCanvasElement} */ (find(".vd-tiles-canvas"));
  /** @type {any} */
  let data = null;
  /** @type {Uint8Array} */
  let tileRows = new Uint8Array();
  /** @type {Uint8Array | null} */
  let all = null;
  /** @type {Place} */
  let at = { row: 0, col: 0 };

  follow(host, root, async (value, current) => {
    data = value.data;
    all = null;
    tileRows = bytesOf(data.matrix);
    /** @param {number[]} places */
    const middle = (places) => places[Math.floor(places.length / 2)];
    at = { row: middle(data.tile_rows), col: middle(data.tile_cols) };
    tiles.setAttribute("aria-label", data.words.tiles_label);
    large.setAttribute("aria-label", data.words.large_label);
    find(".vd-note").textContent = data.words.note;
    find(".vd-bar-name").textContent = data.words.scale;
    find(".vd-low").textContent = signed(data.low.toFixed(data.digits));
    find(".vd-high").textContent = data.high.toFixed(data.digits);
    paintScale(/** @type {HTMLCanvasElement} */ (find(".vd-scale")), TABLES[data.table]);
    drawTiles();
    draw();
    const file = value.files && value.files.all, bytes = file ? await fetchBytes(file.url) : null;
    if (bytes && current()) all = new Uint8Array(bytes);
  });

  /** @param {Uint8Array} bytes @param {number} index */
  function valuesOf(bytes, index) {
    const count = data.rows * data.cols, span = (data.high - data.low) / 255;
    return Float32Array.from(bytes.subarray(index * count, (index + 1) * count), (byte) => data.low + span * byte);
  }

  /**
   * The similarities of a position with all others: its tile's, or where there is none the file's.
   * @param {Place} place
   */
  function rowOf(place) {
    const i = data.tile_rows.indexOf(place.row), j = data.tile_cols.indexOf(place.col);
    if (i >= 0 && j >= 0) return valuesOf(tileRows, i * data.tile_cols.length + j);
    return valuesOf(/** @type {Uint8Array} */ (all), place.row * data.cols + place.col);
  }

  /** @param {number[]} places @param {number} x the index of the nearest */
  const nearest = (places, x) => places.reduce((a, b, i) => (Math.abs(b - x) < Math.abs(places[a] - x) ? i : a), 0);

  /**
   * The place itself where its row is at hand, else the nearest that has a tile.
   * @param {Place} place @returns {Place}
   */
  function reachable({ row, col }) {
    return all ? { row, col } : { row: data.tile_rows[nearest(data.tile_rows, row)], col: data.tile_cols[nearest(data.tile_cols, col)] };
  }

  function drawTiles() {
    const down = data.tile_rows.length, across = data.tile_cols.length;
    const zoom = Math.max(1, Math.ceil(TILE_PX / Math.max(data.rows, data.cols)));
    const height = data.rows * zoom, width = data.cols * zoom, scratch = make("canvas", ""), context = sheet.getContext("2d");
    sheet.width = across * (width + GAP) - GAP;
    sheet.height = down * (height + GAP) - GAP;
    tiles.style.aspectRatio = sheet.width + " / " + sheet.height;
    if (!context) return;
    context.imageSmoothingEnabled = false;
    for (let t = 0; t < down * across; t++) {
      paint(scratch, data.rows, data.cols, coloursOf(valuesOf(tileRows, t), data.low, data.high, TABLES[data.table]));
      context.drawImage(scratch, (t % across) * (width + GAP), Math.floor(t / across) * (height + GAP), width, height);
    }
  }

  function draw() {
    const canvas = /** @type {HTMLCanvasElement} */ (find(".vd-large-canvas"));
    paint(canvas, data.rows, data.cols, coloursOf(rowOf(at), data.low, data.high, TABLES[data.table]));
    large.style.aspectRatio = data.cols + " / " + data.rows;
    const tile = { row: data.tile_rows.indexOf(at.row), col: data.tile_cols.indexOf(at.col) };
    mark(tiles, tile.row < 0 || tile.col < 0 ? null : tile, data.tile_rows.length, data.tile_cols.length);
    mark(large, at, data.rows, data.cols);
    root.dataset.position = at.row + "," + at.col;
    find(".vd-readout").textContent = fill(data.words.large, { row: at.row + 1, col: at.col + 1 });
  }

  /** @param {HTMLElement} box @param {Place | null} place @param {number} rows @param {number} cols */
  function mark(box, place, rows, cols) {
    cellsOf(box, rows, cols);
    markCell(finder(box)(".vd-token"), place, rows, cols);
  }

  /** @param {Place} place */
  function go(place) {
    at = place;
    draw();
  }

  makeStage(tiles, {
    grid: () => data && { rows: data.tile_rows.length, cols: data.tile_cols.length },
    at: () => ({ row: nearest(data.tile_rows, at.row), col: nearest(data.tile_cols, at.col) }),
    point: (tile) => go({ row: data.tile_rows[tile.row], col: data.tile_cols[tile.col] }),
  });
  makeStage(large, { grid: () => data, at: () => at, point: (place) => go(reachable(place)) });
}
