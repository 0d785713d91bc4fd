// Filters of the patch embedding, and what the one pointed at answers in every patch of the picture.

import { paint, paintScale } from "../../kit/canvas.js";
import { TABLES } from "../../kit/colours.js";
import { fetchArrays } from "../../kit/files.js";
import { coloursOf, placeOf } from "../../kit/maps.js";
import { cellsOf, makeStage, markCell, middleOf, shapeStage } from "../../kit/stage.js";
import { controlsOf, finder, follow } from "../../kit/view.js";
import { fill, percent, signed, translate } from "../../kit/words.js";

const GAP = 1, FEW = 49, ACROSS_FEW = 7, ACROSS_MANY = 24;

/** @param {import("../../kit/view.js").Host} host */
export function mount(host) {
  const find = finder(host.element), root = find(".vd-bank"), sheet = find(".vd-bank-sheet"), stage = find(".vd-stage");
  const { opacity } = controlsOf(host.element), table = TABLES.diverging;
  /** @type {any} */
  let data = null;
  /** @type {import("../../kit/files.js").Arrays | null} */
  let bank = null;
  let chosen = 0;
  /** @type {import("../../kit/maps.js").Place | null} */
  let cell = null;

  follow(host, root, async (value, current) => {
    if (!value.files || !value.files.bank) { root.hidden = true; return false; }
    const arrays = await fetchArrays(value.files.bank.url);
    if (!current() || !arrays) return false;
    if (!data || data.kind !== value.data.kind) chosen = 0;
    data = value.data;
    bank = arrays;
    chosen = Math.min(chosen, data.count - 1);
    cell = null;
    translate(host.element, data.words);
    sheet.setAttribute("aria-label", fill(data.words.sheet_label, data));
    find(".vd-note").textContent = data.words.note;
    Object.assign(find(".vd-picture"), { src: value.picture.url, alt: data.words.picture_alt });
    shapeStage(stage, data.rows, data.cols);
    paintScale(/** @type {HTMLCanvasElement} */ (find(".vd-scale")), table);
    drawSheet();
    draw();
  });

  /** How the filters lie on their sheet. */
  function layout() {
    const cols = data.count <= FEW ? ACROSS_FEW : ACROSS_MANY;
    return { rows: Math.ceil(data.count / cols), cols };
  }

  function drawSheet() {
    if (!bank) return;
    const canvas = /** @type {HTMLCanvasElement} */ (finder(sheet)("canvas")), P = data.patch_px, cellPx = P + GAP;
    const { rows, cols } = layout(), context = canvas.getContext("2d");
    canvas.width = cols * cellPx - GAP;
    canvas.height = rows * cellPx - GAP;
    sheet.style.aspectRatio = canvas.width + " / " + canvas.height;
    cellsOf(sheet, rows, cols);
    for (let k = 0; k < data.count; k++) {
      const rgba = new Uint8ClampedArray(4 * P * P);
      for (let i = 0; i < P * P; i++) {
        for (let c = 0; c < 3; c++) rgba[4 * i + c] = bank.filters[3 * (k * P * P + i) + c];
        rgba[4 * i + 3] = 255;
      }
      context?.putImageData(new ImageData(rgba, P, P), (k % cols) * cellPx, Math.floor(k / cols) * cellPx);
    }
  }

  function draw() {
    if (!bank) return;
    const count = data.rows * data.cols, step = bank.steps[chosen];
    const values = Float32Array.from(bank.answers.subarray(chosen * count, (chosen + 1) * count), (whole) => whole * step);
    const top = Math.max(1e-9, ...values.map(Math.abs)), overlay = /** @type {HTMLCanvasElement} */ (find(".vd-overlay"));
    paint(overlay, data.rows, data.cols, coloursOf(values, -top, top, table));
    overlay.style.opacity = String(opacity.value / 100);
    find(".vd-low").textContent = number(-top);
    find(".vd-high").textContent = number(top);
    find(".vd-bar-name").textContent = data.words.answer_scale;
    const { rows, cols } = layout();
    markCell(finder(sheet)(".vd-token"), placeOf(chosen, cols), rows, cols);
    markCell(find(".vd-cursor"), cell, data.rows, data.cols);
    const name = fill(data.words.filter, { number: chosen + 1, share: data.shares ? percent(data.shares[chosen]) : "" });
    const where = cell && { row: cell.row + 1, col: cell.col + 1, value: number(values[cell.row * data.cols + cell.col]) };
    find(".vd-readout").textContent = name + (where ? " · " + fill(data.words.answer_cell, where) : "");
    root.dataset.filter = String(chosen);
  }

  makeStage(sheet, {
    grid: () => data && layout(),
    at: () => placeOf(chosen, layout().cols),
    point({ row, col }) {
      const index = row * layout().cols + col;
      if (index >= data.count || index === chosen) return;
      chosen = index;
      draw();
    },
  });
  makeStage(stage, {
    grid: () => data,
    at: () => cell || middleOf(data),
    point(place) { cell = place; draw(); },
    leave() { cell = null; draw(); },
  });
  opacity.addEventListener("input", draw);
}

/** @param {number} value */
function number(value) { return signed(value.toPrecision(3)); }
