// A film frame by frame: four pictures under one pointer, and a timeline. Frames come part by part, as they are computed.

import { make, paint, paintScale } from "../../kit/canvas.js";
import { TABLES } from "../../kit/colours.js";
import { fetchArrays } from "../../kit/files.js";
import { bestOf, coloursOf, massMask, opaque, placeOf } from "../../kit/maps.js";
import { makeStage, markCell, middleOf, shapeStage } from "../../kit/stage.js";
import { controlsOf, finder, follow } from "../../kit/view.js";
import { fill, percent, signed, translate } from "../../kit/words.js";
import { mountHeads } from "../../kit/heads.js";
import { ALL_HEADS, Numbers } from "./numbers.js";

/** @typedef {import("../../kit/maps.js").Place} Place */
/**
 * @typedef {object} Data What the server says of a film (film_value in tab.py); the words alone before there is one.
 * @property {string} run @property {string} title @property {number} side @property {number} layer @property {number} depth
 * @property {number} rows @property {number} cols @property {number} count @property {number[]} times
 * @property {number} seconds @property {number} rate @property {boolean} has_class_token
 */
/** @typedef {{ stage: HTMLElement, frame: HTMLCanvasElement, overlay: HTMLCanvasElement, token: HTMLElement, best: HTMLElement, cursor: HTMLElement, title: HTMLElement, low: HTMLElement, high: HTMLElement, scale: HTMLCanvasElement, note: HTMLElement }} Panel */

const PANELS = /** @type {const} */ (["attention", "mask", "colours", "similarity"]), DIMMED = 0.85;

/** @param {import("../../kit/view.js").Host} host */
export function mount(host) {
  const { element, trigger } = host, find = finder(element), view = find(".vd-film"), said = find(".vd-film-said");
  const controls = controlsOf(element), chosen = { frame: 0, head: ALL_HEADS, at: /** @type {{ frame: number, patch: number } | null} */ (null) };
  const heads = mountHeads(find(".vd-heads"), (head) => { chosen.head = head; draw(); announce(); });
  const panels = Object.fromEntries(PANELS.map((name) => [name, panelOf(name)]));
  let numbers = new Numbers(), run = "", playing = 0, drawn = 0;
  /** @type {Record<string, string>} */
  let words = {};
  /** @type {Data | null} */
  let data = null;
  /** @type {Place | null} */
  let cursor = null;

  /** @param {string} name @returns {Panel} */
  function panelOf(name) {
    const figure = make("figure", "vd-film-" + name, find(".vd-film-panels"));
    const title = make("figcaption", "", figure), stage = make("div", "vd-stage", figure);
    const panel = {
      title, stage, frame: make("canvas", "vd-film-frame", stage), overlay: make("canvas", "vd-overlay", stage),
      token: make("div", "vd-token", stage), best: make("div", "vd-film-best", stage), cursor: make("div", "vd-cursor", stage),
    };
    const bar = make("div", "vd-bar vd-bar-narrow", figure);
    const low = make("span", "", bar), scale = make("canvas", "vd-scale", bar), high = make("span", "", bar);
    panel.token.hidden = panel.best.hidden = panel.cursor.hidden = true;
    bar.style.visibility = name === "attention" || name === "similarity" ? "" : "hidden";
    stage.tabIndex = 0;
    stage.setAttribute("role", "application");
    makeStage(stage, {
      grid: () => data,
      at: () => cursor || (chosen.at && placeOf(chosen.at.patch, data ? data.cols : 1)) || middleOf(/** @type {Data} */ (data)),
      point: (place) => { cursor = place; draw(); },
      pick: ({ row, col }) => {
        chosen.at = { frame: chosen.frame, patch: row * /** @type {Data} */ (data).cols + col };
        draw();
        announce();
      },
      leave: () => { cursor = null; draw(); },
      cancel: () => { chosen.at = null; draw(); announce(); },
    });
    return { ...panel, low, scale, high, note: make("p", "", figure) };
  }

  // -------------------------------------------------------------------------------------------- from the server

  follow(host, view, async (value, current) => {
    if (value.data.words) {
      words = value.data.words;
      translate(element, words);
    }
    if (!value.files || !value.files.part1) { show(); return true; }
    if (value.data.run !== run) begin(value.data.run);
    data = value.data;
    const names = Object.keys(value.files).filter((name) => name.startsWith("part")).length, mine = numbers;
    for (let part = mine.parts.length + 1; part <= names; part++) {
      const arrays = await fetchArrays(value.files["part" + part].url);
      if (mine !== numbers) return false;
      if (!arrays) { say(words.lost); return false; }
      if (mine.parts.length === part - 1) mine.add(arrays);
    }
    if (value.files.colours && !mine.colours) mine.colours = await fetchArrays(value.files.colours.url);
    if (!current()) return false;
    say("");
    show();
    return true;
  });

  /** @param {string} name of another film, or of this one under another model */
  function begin(name) {
    stop();
    run = name;
    numbers = new Numbers();
    Object.assign(chosen, { frame: 0, at: null });
    cursor = null;
  }

  function show() {
    if (!data) return;
    find(".vd-film-box").hidden = false;
    const { count, seconds } = data, about = fill(words.about, { ...data, seconds: seconds.toFixed(1) });
    const more = numbers.colours ? "" : fill(words.about_so_far, { done: numbers.count, count });
    find(".vd-film-about").textContent = about + " " + more;
    controls.frame.max = numbers.count;
    heads.build(numbers.heads);
    for (const name of PANELS) {
      const panel = panels[name], diverging = name === "similarity";
      shapeStage(panel.stage, data.rows, data.cols);
      paintScale(panel.scale, TABLES[diverging ? "diverging" : "viridis"]);
    }
    view.dataset.count = String(numbers.count);
    view.dataset.coloured = String(Boolean(numbers.colours));
    draw();
  }

  /** @param {string} sentence */
  function say(sentence) { said.textContent = sentence; }

  // -------------------------------------------------------------------------------------------------- what is drawn

  /** @param {number} head */
  const nameOf = (head) => (head < 0 ? words.mean : fill(words.head, { number: head + 1 }));

  function draw() {
    if (!data || !numbers.count) return;
    chosen.frame = Math.min(chosen.frame, numbers.count - 1);
    const { rows, cols } = data, { frame } = chosen, head = chosen.head < numbers.heads ? chosen.head : ALL_HEADS;
    const map = numbers.map(frame, head), top = numbers.top(head), share = controls.share.value / 100;
    controls.frame.value = frame + 1;
    find(".vd-film-share").textContent = controls.share.value + " %";
    find(".vd-film-time").textContent = fill(words.time, { time: (data.times[frame] ?? 0).toFixed(2), number: frame + 1, count: data.count });
    titles(head, top);
    const opacity = String(controls.opacity.value / 100), mask = massMask(map, share);
    paint(panels.attention.overlay, rows, cols, coloursOf(map, 0, top, TABLES.viridis));
    paint(panels.mask.overlay, rows, cols, dark(mask));
    panels.attention.overlay.style.opacity = opacity;
    const rgb = numbers.rgb(frame);
    panels.colours.overlay.hidden = !rgb;
    if (rgb) paint(panels.colours.overlay, rows, cols, opaque(rgb));
    similar(opacity);
    for (const name of PANELS) markCell(panels[name].cursor, cursor, rows, cols);
    for (let h = ALL_HEADS; h < numbers.heads; h++) {
      const rgba = coloursOf(numbers.map(frame, h), 0, numbers.top(h), TABLES.viridis);
      const beside = data.has_class_token ? fill(words.beside, { share: percent(numbers.outside(frame, h)) }) : "";
      heads.paint(h, data, [{ rgba, beside }], { name: nameOf(h), pressed: h === head, swatch: false });
    }
    pictures(frame);
    view.dataset.frame = String(frame);
  }

  /** @param {number} head @param {number} top */
  function titles(head, top) {
    const { rows, cols, has_class_token } = /** @type {Data} */ (data);
    const what = {
      attention: (has_class_token ? words.attention : words.attention_average) + " · " + nameOf(head),
      mask: fill(words.mask, { share: controls.share.value }), colours: words.colours, similarity: words.similarity,
    };
    for (const name of PANELS) {
      panels[name].title.textContent = what[name];
      panels[name].stage.setAttribute("aria-label", fill(words.stage_label, { what: what[name], rows, cols }));
    }
    panels.attention.low.textContent = "0";
    panels.attention.high.textContent = percent(top) + " %";
    panels.attention.note.textContent = words.scale;
    panels.colours.note.textContent = words.colours_note;
    panels.similarity.low.textContent = "−1";
    panels.similarity.high.textContent = "1 " + words.cosine;
  }

  /**
   * What is not under a mask, darkened.
   * @param {Uint8Array} mask
   */
  function dark(mask) {
    const rgba = new Uint8ClampedArray(4 * mask.length);
    for (let i = 0; i < mask.length; i++) rgba[4 * i + 3] = mask[i] ? 0 : 255 * DIMMED;
    return rgba;
  }

  /** @param {string} opacity */
  function similar(opacity) {
    const { rows, cols } = /** @type {Data} */ (data), { stage, overlay, best, note } = panels.similarity, at = chosen.at;
    overlay.hidden = best.hidden = !at;
    for (const name of PANELS) markCell(panels[name].token, at && at.frame === chosen.frame ? placeOf(at.patch, cols) : null, rows, cols);
    if (!at) { note.textContent = words.choose; return; }
    const cosines = numbers.cosines(chosen.frame, at), number = bestOf(cosines, -1), place = placeOf(number, cols), from = placeOf(at.patch, cols);
    paint(overlay, rows, cols, coloursOf(cosines, -1, 1, TABLES.diverging));
    overlay.style.opacity = opacity;
    markCell(best, at.frame === chosen.frame ? null : place, rows, cols);
    note.textContent = fill(words.chosen, { number: at.frame + 1, row: from.row + 1, col: from.col + 1,
      best_row: place.row + 1, best_col: place.col + 1, value: signed(cosines[number].toFixed(2)) });
    stage.dataset.best = place.row + "," + place.col;
  }

  /** @param {number} frame */
  async function pictures(frame) {
    const mine = ++drawn, blob = new Blob([numbers.picture(frame)], { type: "image/jpeg" });
    const bitmap = await createImageBitmap(blob);
    if (mine === drawn) for (const name of PANELS) {
      const canvas = panels[name].frame;
      Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
      canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
    }
    bitmap.close();
  }

  // ---------------------------------------------------------------------------------------------------- choosing

  function announce() {
    trigger("select", { head: chosen.head < 0 ? null : chosen.head, share: controls.share.value / 100,
      frame: chosen.at ? chosen.at.frame : 0, patch: chosen.at ? chosen.at.patch : null });
  }

  /** @param {number} frame */
  function goTo(frame) {
    if (!numbers.count) return;
    chosen.frame = (frame + numbers.count) % numbers.count;
    draw();
  }

  function stop() {
    clearTimeout(playing);
    playing = 0;
    controls.play.textContent = "▶";
    controls.play.setAttribute("aria-pressed", "false");
  }

  function play() {
    if (playing) { stop(); return; }
    controls.play.textContent = "❚❚";
    controls.play.setAttribute("aria-pressed", "true");
    later();
  }

  /** The next frame when it is due: as long after this one as in the film. */
  function later() {
    if (!data) return;
    const { times, seconds } = data, next = chosen.frame + 1 < numbers.count ? times[chosen.frame + 1] : seconds;
    playing = window.setTimeout(() => {
      if (!view.isConnected || view.offsetParent === null) { stop(); return; }
      goTo(chosen.frame + 1);
      later();
    }, 1000 * Math.max(0.05, next - times[chosen.frame]));
  }

  controls.play.addEventListener("click", play);
  controls.back.addEventListener("click", () => { stop(); goTo(chosen.frame - 1); });
  controls.forward.addEventListener("click", () => { stop(); goTo(chosen.frame + 1); });
  controls.frame.addEventListener("input", () => { stop(); goTo(controls.frame.value - 1); });
  controls.opacity.addEventListener("input", draw);
  controls.share.addEventListener("input", draw);
  controls.share.addEventListener("change", announce);
}
