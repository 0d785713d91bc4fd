// Maps of several methods over one picture: painted here from numbers sent once, one cursor in all of them.

import { make, paint, paintScale } from "../../kit/canvas.js";
import { TABLES } from "../../kit/colours.js";
import { bytesOf, coloursOf, rankOf } from "../../kit/maps.js";
import { makeStage, markCell, shapeStage } from "../../kit/stage.js";
import { finder, follow } from "../../kit/view.js";
import { fill, percent, signed } from "../../kit/words.js";

/**
 * @typedef {object} MethodMap One method's map, as `tile` in figures.py gives it.
 * @property {string} method @property {string} title @property {string} values @property {number} low
 * @property {number} high @property {string} unit @property {string} unit_name @property {boolean} signed
 * @property {string} note @property {{ kind: string, text: string }[]} fold
 */

const SEQUENTIAL = ["viridis", "cividis", "grey"];

/** @param {import("../../kit/view.js").Host} host */
export function mount(host) {
  const find = finder(host.element), root = find(".vd-rel"), sheet = find(".vd-rel-maps");
  const colours = /** @type {HTMLSelectElement} */ (find(".vd-rel-colours"));
  const opacity = /** @type {HTMLInputElement} */ (find(".vd-rel-opacity"));
  const smooth = /** @type {HTMLInputElement} */ (find(".vd-rel-smooth"));
  /** @type {{ rows: number, cols: number, maps: MethodMap[], words: Record<string, string> }} */
  let data = { rows: 1, cols: 1, maps: [], words: {} };
  /** @type {ReturnType<typeof tileOf>[]} */
  let tiles = [];
  /** @type {import("../../kit/maps.js").Place | null} */
  let at = null;

  follow(host, root, (value) => {
    data = value.data;
    if (at && (at.row >= data.rows || at.col >= data.cols)) at = null;
    for (const name of ["opacity", "smooth", "colours"]) find(".vd-rel-" + name + "-name").textContent = data.words[name];
    const table = colours.value || SEQUENTIAL[0];
    colours.replaceChildren(...SEQUENTIAL.map((name) => Object.assign(make("option", "", null, data.words[name]), { value: name })));
    colours.value = table;
    sheet.replaceChildren();
    tiles = data.maps.map((map) => tileOf(map, value.picture ? value.picture.url : null));
    draw();
  });

  /** @param {MethodMap} map @param {string | null} picture */
  function tileOf(map, picture) {
    const figure = make("figure", "vd-rel-map", sheet);
    figure.dataset.method = map.method;
    make("figcaption", "", figure, map.title);
    const stage = make("div", "vd-stage", figure);
    stage.tabIndex = 0;
    stage.setAttribute("role", "application");
    shapeStage(stage, data.rows, data.cols, fill(data.words.stage, { title: map.title, rows: data.rows, cols: data.cols }));
    if (picture) Object.assign(make("img", "vd-picture", stage), { src: picture, alt: "" });
    const overlay = make("canvas", "vd-overlay", stage), cursor = make("div", "vd-cursor", stage);
    const bar = make("div", "vd-bar vd-bar-narrow", figure);
    make("span", "", bar, number(map.low, map.unit));
    const scale = make("canvas", "vd-scale", bar);
    make("span", "", bar, number(map.high, map.unit));
    make("small", "vd-rel-unit", figure, map.unit_name);
    const here = make("small", "vd-rel-here", figure, "");
    if (map.note) make("small", "vd-rel-note", figure, map.note);
    if (map.fold.length) {
      const fold = make("details", "vd-rel-fold", figure);
      make("summary", "", fold, data.words.fold);
      for (const { kind, text } of map.fold) make("p", "vd-rel-" + kind, fold, text);
    }
    makeStage(stage, { grid: () => data, at: () => at || { row: 0, col: 0 }, point(place) { at = place; mark(); } });
    return { map, values: new Float32Array(bytesOf(map.values).buffer), overlay, cursor, scale, here };
  }

  function draw() {
    root.classList.toggle("vd-smooth", smooth.checked);
    for (const { map, values, overlay, scale } of tiles) {
      const table = TABLES[map.signed ? "diverging" : colours.value];
      paint(overlay, data.rows, data.cols, coloursOf(values, map.low, map.high, table));
      overlay.style.opacity = opacity.value;
      paintScale(scale, table);
    }
    mark();
  }

  function mark() {
    for (const { map, values, cursor, here } of tiles) {
      markCell(cursor, at, data.rows, data.cols);
      if (!at) continue;
      const index = at.row * data.cols + at.col;
      here.textContent = fill(data.words.here,
        { value: number(values[index], map.unit), rank: rankOf(values, index), count: values.length });
    }
    root.dataset.patch = at ? at.row + "," + at.col : "";
    find(".vd-readout").textContent = at ? fill(data.words.patch, { row: at.row + 1, col: at.col + 1 }) : data.words.point;
  }

  for (const input of [opacity, smooth, colours]) input.addEventListener("input", draw);
}

/** @param {number} value @param {string} unit */
function number(value, unit) {
  if (unit === "share") return percent(value) + " %";
  return signed(value === 0 ? "0" : Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(2))));
}
