// Watch anybody's model learn: what it makes of a picture at some moments of its training, with a slider.

import { make, paintScale } from "../../kit/canvas.js";
import { TABLES } from "../../kit/colours.js";
import { fetchArrays } from "../../kit/files.js";
import { largest } from "../../kit/maps.js";
import { controlsOf, finder, follow } from "../../kit/view.js";
import { fill, percent, translate } from "../../kit/words.js";
import { mountCurves } from "./curves.js";
import { paintFilters, paintHeads, paintPositions } from "./learned.js";

/**
 * @typedef {object} Data As training_file in file.py gives it.
 * @property {Record<string, string>} words @property {number[]} steps @property {number} layers @property {number} heads
 * @property {number} rows @property {number} cols @property {number} top @property {{ rows: number, cols: number }} tiles
 * @property {number} limit @property {string[]} names @property {number[][]} shares @property {Record<string, string>} curves
 * @property {number[]} places where each moment stands along the curves, 0 to 1 @property {string} picture
 */

const PLAY_MS = 900;

/** @param {import("../../kit/view.js").Host} host */
export function mount(host) {
  const { element } = host, find = finder(element), root = find(".vd-learn"), controls = controlsOf(element);
  const curves = mountCurves(find(".vd-learn-curves"));
  /** @type {Data | null} */
  let data = null;
  /** @type {import("../../kit/files.js").Arrays | null} */
  let arrays = null;
  let moment = 0, playing = 0;

  follow(host, root, async (value, current) => {
    const found = await fetchArrays(value.files.moments.url), before = data;
    if (!current() || !found) return false;
    data = /** @type {Data} */ (value.data);
    arrays = found;
    if (!before) moment = data.steps.length - 1;
    controls.moment.max = data.steps.length - 1;
    translate(element, data.words);
    const picture = /** @type {HTMLImageElement} */ (find(".vd-learn-picture"));
    picture.src = data.picture;
    find(".vd-learn-curves").replaceChildren(...Object.keys(data.curves).map((name) => {
      const figure = make("figure", "");
      make("figcaption", "", figure, name);
      make("div", "", figure).dataset.curve = name;
      return figure;
    }));
    curves.show(data.curves);
    draw();
    return true;
  });

  function draw() {
    if (!data || !arrays) return;
    const { words, steps, layers, heads, rows, cols, top, tiles, limit } = data, n = rows * cols, all = layers * heads;
    const { maps, prefix } = arrays;
    controls.moment.value = moment;
    find(".vd-draw-epoch").textContent = fill(words.step, { step: steps[moment], number: moment + 1, count: steps.length });
    paintHeads(find(".vd-draw-heads"), layers, heads, rows, cols, (i) => {
      const from = (moment * all + i) * n, facts = { layer: Math.floor(i / heads) + 1, head: i % heads + 1,
        share: percent(prefix[moment * all + i], 0) };
      const map = maps.subarray(from, from + n);
      return { map, top: controls.own.checked ? largest(map) : 255, words: fill(words.head, facts), label: fill(words.head_label, facts) };
    });
    paintScale(/** @type {HTMLCanvasElement} */ (find(".vd-scale")), TABLES.viridis);
    find(".vd-high").textContent = controls.own.checked ? words.each_own : percent(top) + " %";
    find(".vd-learn-positions").hidden = !arrays.similarity;
    if (arrays.similarity) paintPositions(find, arrays.similarity, moment, rows, cols, limit, tiles);
    paintFilters(/** @type {HTMLCanvasElement} */ (find(".vd-draw-filters")), arrays.filters, moment);
    curves.markAt(data.places[moment]);
    bars(data);
    root.dataset.moment = String(moment);
  }

  /** @param {Data} data */
  function bars({ names, shares }) {
    find(".vd-bars").replaceChildren(...names.map((name, i) => {
      const line = make("li", ""), share = shares[moment][i];
      make("span", "vd-label", line, name);
      make("span", "vd-fill", make("span", "vd-track", line)).style.width = 100 * share + "%";
      make("span", "vd-number", line, percent(share) + " %");
      return line;
    }));
  }

  /** @param {number} to */
  function goTo(to) {
    if (!data) return;
    moment = Math.min(data.steps.length - 1, Math.max(0, to));
    draw();
  }

  function stop() {
    clearInterval(playing);
    playing = 0;
    controls.play.setAttribute("aria-pressed", "false");
  }

  controls.back.addEventListener("click", () => { stop(); goTo(moment - 1); });
  controls.forward.addEventListener("click", () => { stop(); goTo(moment + 1); });
  controls.moment.addEventListener("input", () => { stop(); goTo(Number(controls.moment.value)); });
  controls.own.addEventListener("change", draw);
  controls.play.addEventListener("click", () => {
    if (playing) { stop(); return; }
    controls.play.setAttribute("aria-pressed", "true");
    goTo(0);
    playing = window.setInterval(() => {
      if (!data || moment >= data.steps.length - 1) stop();
      else goTo(moment + 1);
    }, PLAY_MS);
  });
}
