// Models side by side: one pointer, one depth, one scale for all columns. Only another depth asks the server.

import { make, paint, paintScale } from "../../kit/canvas.js";
import { TABLES } from "../../kit/colours.js";
import { coloursOf } from "../../kit/maps.js";
import { cellsOf, makeStage, markCell } from "../../kit/stage.js";
import { controlsOf, finder, follow } from "../../kit/view.js";
import { fill, percent, signed, translate } from "../../kit/words.js";
import { makeColumn } from "./column.js";
import { patchOf, pointOf } from "./places.js";

/** @typedef {import("../../kit/maps.js").Place} Place */
/** @typedef {NonNullable<ReturnType<typeof makeColumn>>} Column */

/** @param {import("../../kit/view.js").Host} host */
export function mount(host) {
  const find = finder(host.element), root = find(".vd-cmp"), controls = controlsOf(host.element);
  const sources = /** @type {NodeListOf<HTMLInputElement>} */ (host.element.querySelectorAll('[name="from"]'));
  /** @type {any} */
  let data = null;
  /** @type {(Column | null)[]} */
  let columns = [];
  /** @type {[number, number] | null} the place pointed at, in the whole picture */
  let point = null;
  let times = 0, drawing = false, pointedIn = 0;

  follow(host, root, async (value, current) => {
    data = value.data;
    translate(host.element, data.words);
    times = Math.max(times, data.times);
    controls.depth.value = String(data.depth);
    sayDepth();
    const parts = make("div", "vd-cmp-columns");
    parts.style.setProperty("--columns", String(data.columns.length));
    /** @type {(Column | null)[]} */
    const made = data.columns.map((/** @type {any} */ column, /** @type {number} */ number) => {
      const urlOf = (/** @type {string} */ name) => {
        const [stem, end] = name.split("."), key = stem + number + (end === "bin" ? "" : "." + end);
        return value.files[key] ? value.files[key].url : null;
      };
      return makeColumn(parts, column, data.words, urlOf, (place) => {
        point = place && pointOf(place, column);
        pointedIn = number;
        redraw();
      });
    });
    await Promise.all(made.map((column) => column && column.load()));
    if (!current()) return false;
    columns = made;
    find(".vd-cmp-columns").replaceWith(parts);
    heads();
    drawAgreements();
    draw();
    root.dataset.columns = String(columns.length);
  });

  function heads() {
    const most = Math.max(0, ...columns.map((column) => (column ? column.data.heads : 0))), chosen = controls.head.value || "-1";
    const options = [[-1, data.words.all_heads], ...Array.from({ length: most }, (_, i) => [i, data.words.head + " " + (i + 1)])];
    controls.head.replaceChildren(...options.map(([value, name]) =>
      Object.assign(make("option", "", null, String(name)), { value: String(value) })));
    controls.head.value = Number(chosen) < most ? chosen : "-1";
  }

  function sayDepth() {
    find(".vd-cmp-depth").textContent = fill(data.words.depth_is, { percent: Math.round(100 * controls.depth.value) });
  }

  /** Once a frame, however fast the pointer moves. */
  function redraw() {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => { drawing = false; draw(); });
  }

  function draw() {
    if (!data) return;
    const choice = { head: Number(controls.head.value), mask: controls.mask.checked, share: Number(controls.share.value),
      shared: controls.shared.checked, table: controls.table.value,
      fromPatch: [...sources].find((radio) => radio.checked)?.value === "patch" };
    find(".vd-cmp-share").textContent = choice.share + " %";
    const at = point, source = columns[pointedIn], patch = at && source && patchOf(at, source.data);
    // One model's features mean the same in every picture; another model's do not
    const vector = source && patch ? source.vectorAt(patch) : null;
    const shown = columns.map((column) => {
      if (!column) return null;
      const place = at && patchOf(at, column.data), lost = at !== null && !place;
      const comparable = column.data.model === source?.data.model ? vector : null;
      return { column, place, maps: lost ? null : column.mapsAt(place, choice, comparable) };
    });
    const tops = shown.flatMap((one) => (one && one.maps ? [one.column.tops(one.maps)] : []));
    const scale = { attention: Math.max(0, ...tops.map((top) => top.attention)), low: Math.min(1, ...tops.map((top) => top.low)) };
    for (const one of shown) if (one) one.column.draw(one.maps, one.place, choice, scale);
    root.dataset.point = at ? at.map((share) => share.toFixed(4)).join(",") : "";
    find(".vd-readout").textContent = !at ? data.words.point : shown.flatMap((one) => {
      if (!one) return [];
      const { title } = one.column.data;
      if (!one.maps || !one.place) return [title + ": " + data.words.nothing_here];
      const number = one.place.row * one.column.data.cols + one.place.col;
      return [fill(data.words.at, { title, row: one.place.row + 1, col: one.place.col + 1,
        attention: percent(one.maps.attention[number]), likeness: signed(one.maps.likeness[number].toFixed(2)) })];
    }).join(" · ");
  }

  function drawAgreements() {
    const { words, agreements } = data;
    find(".vd-cmp-cka").hidden = !agreements.length;
    if (!agreements.length) return;
    const [rows, cols] = agreements[0].places;
    const chances = agreements.map((/** @type {any} */ one) => one.chance.toFixed(2)).join(", ");
    find(".vd-cmp-cka-help").textContent = fill(words.cka_help, { rows, cols, chance: chances });
    find(".vd-cmp-matrices").replaceChildren(...agreements.map((/** @type {any} */ one) => matrix(one)));
  }

  /** @param {{ rows: string, cols: string, values: number[][] }} agreement */
  function matrix({ rows, cols, values }) {
    const { words } = data, down = values.length, across = values[0].length, flat = values.flat();
    const figure = make("figure", "vd-cmp-matrix"), frame = make("div", "vd-frame", figure);
    const top = make("div", "vd-frame-cols", frame), side = make("div", "vd-frame-rows", frame);
    const box = make("div", "vd-stage vd-cmp-cells", frame), canvas = make("canvas", "vd-overlay", box);
    const cursor = make("div", "vd-cursor", box), bar = make("div", "vd-bar vd-bar-narrow", figure);
    cursor.hidden = true;
    figure.style.setProperty("--cols", String(across));
    figure.style.setProperty("--rows", String(down));
    for (let i = 0; i < across; i++) make("span", "", top, String(i + 1));
    for (let i = 0; i < down; i++) make("span", "", side, String(i + 1));
    box.tabIndex = 0;
    box.setAttribute("role", "application");
    box.setAttribute("aria-label", fill(words.cka_stage, { rows, cols }));
    cellsOf(box, down, across);
    paint(canvas, down, across, coloursOf(flat, 0, 1, TABLES.viridis));
    make("span", "", bar, "0");
    paintScale(make("canvas", "vd-scale", bar), TABLES.viridis);
    make("span", "", bar, "1");
    make("figcaption", "", figure, fill(words.cka_axes, { rows, cols }));
    const best = flat.indexOf(Math.max(...flat));
    const said = make("p", "vd-readout", figure, fill(words.cka_best,
      { row: Math.floor(best / across) + 1, col: best % across + 1, value: flat[best].toFixed(2) }));
    /** @type {Place} */
    let at = { row: 0, col: 0 };
    makeStage(box, {
      grid: () => ({ rows: down, cols: across }), at: () => at,
      point(place) {
        at = place;
        markCell(cursor, place, down, across);
        said.textContent = fill(words.cka_at, { row: place.row + 1, col: place.col + 1, value: values[place.row][place.col].toFixed(2) });
      },
      leave() { cursor.hidden = true; },
    });
    return figure;
  }

  for (const name of ["head", "mask", "share", "shared", "table"]) controls[name].addEventListener("input", draw);
  for (const radio of sources) radio.addEventListener("change", draw);
  controls.depth.addEventListener("input", sayDepth);
  controls.depth.addEventListener("change", () =>
    host.trigger("input", { depth: Number(controls.depth.value), times: ++times }));
}
