// The walk: a map of the model, one step a screen, and what a visitor answers. The server sends a step as HTML and numbers.

import { make } from "../../kit/canvas.js";
import { bytesOf } from "../../kit/maps.js";
import { setMarkup } from "../../kit/markup.js";
import { makeStage, markCell, shapeStage } from "../../kit/stage.js";
import { controlsOf, finder, follow } from "../../kit/view.js";
import { fill, signed, translate } from "../../kit/words.js";
import { drawAnswers } from "./answer.js";
import { drawMap } from "./map.js";
import { drawQuestions } from "./questions.js";
import { presenter } from "./present.js";
import { makeSequence } from "./sequence.js";
import { makeToy } from "./toy_view.js";

/** @typedef {import("../../kit/maps.js").Place} Place */

/** @param {import("../../kit/view.js").Host} host */
export function mount(host) {
  const find = finder(host.element), root = find(".vd-walk"), controls = controlsOf(host.element);
  const stage = find(".vd-stage"), picture = /** @type {HTMLImageElement} */ (find(".vd-picture"));
  /** @type {any} */
  let data = null;
  let times = 0, asked = "";
  /** @type {{ point: (place: Place | null) => void } | null} */
  let sequence = null;
  const toy = makeToy();

  /** @param {Partial<{ step: string, token: string, layer: number, head: number }>} [change] */
  function ask(change = {}) {
    if (!data) return;
    // What was not chosen is left to the server, and to the other tabs
    const wanted = { step: data.step, token: data.chosen, layer: data.chosen_layer, head: data.chosen_head, ...change };
    asked = JSON.stringify(wanted);
    root.classList.add("vd-waiting");
    find(".vd-walk-wait").textContent = data.words.loading;
    host.trigger("input", { ...wanted, times: ++times });
  }

  /** @param {number} by */
  function go(by) {
    const names = data.map.map((/** @type {any} */ step) => step.name), next = names[names.indexOf(data.step) + by];
    if (next) ask({ step: next });
  }

  // --------------------------------------------------------------------------------------------------------- pointing

  makeStage(stage, {
    grid: () => data && { rows: data.rows, cols: data.cols },
    at: () => placeOf(data.token) ?? { row: data.rows >> 1, col: data.cols >> 1 },
    point: (place, event) => (event.type === "keydown" ? ask({ token: place.row + "," + place.col }) : pointAt(place)),
    pick: (place) => ask({ token: place.row + "," + place.col }),
    leave: () => pointAt(null),
  });

  /** @param {Place | null} place */
  function pointAt(place) {
    markCell(find(".vd-cursor"), place, data.rows, data.cols);
    sequence?.point(place ?? placeOf(data.token));
  }

  // What a map says under the pointer: the number itself
  find(".vd-walk-figure").addEventListener("pointermove", (event) => {
    const cells = /** @type {HTMLElement} */ (event.target).closest?.(".vd-walk-cells");
    find(".vd-walk-readout").textContent = cells instanceof HTMLElement ? numberUnder(cells, event) : "";
  });
  find(".vd-walk-figure").addEventListener("pointerleave", () => { find(".vd-walk-readout").textContent = ""; });

  for (const [name, change] of /** @type {[string, (value: string) => object][]} */ ([
    ["layer", (value) => ({ layer: Number(value) - 1 })], ["head", (value) => ({ head: Number(value) })]]))
    controls[name].addEventListener("change", () => ask(change(controls[name].value)));
  controls.layer.addEventListener("input", sayLayer);
  root.addEventListener("vd-step", (event) => ask(/** @type {CustomEvent} */ (event).detail));  // a class is led
  controls.back.addEventListener("click", () => go(-1));
  controls.next.addEventListener("click", () => go(1));
  controls.handout.addEventListener("click", () => host.trigger("select", {}));
  const present = presenter(root, controls.present, () => data?.words);
  find(".vd-walk-figure").addEventListener("click", (event) => {  // a link leads away from the whole screen
    if (/** @type {HTMLElement} */ (event.target).closest(".vd-go")) present.end();
  });

  function sayLayer() {
    const layer = { layer: controls.layer.value, depth: data.depth };
    find(".vd-walk-layer output").textContent = fill(data.words.layer_of, layer);
  }

  // ------------------------------------------------------------------------------------------------------------- keys

  root.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (!data || event.ctrlKey || event.metaKey || event.altKey) return;
    if (present.key(event.key)) return event.preventDefault();
    if (target.closest(".vd-stage, input, select, textarea, [role=tablist]")) return;
    const by = { ArrowRight: 1, ArrowLeft: -1, PageDown: 1, PageUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    go(by);
  });
  let from = { x: 0, y: 0 };
  root.addEventListener("touchstart", (event) => { from = { x: event.touches[0].clientX, y: event.touches[0].clientY }; },
    { passive: true });
  root.addEventListener("touchend", (event) => {
    const to = event.changedTouches[0], x = to.clientX - from.x, y = to.clientY - from.y;
    const sideways = Math.abs(x) > 70 && Math.abs(x) > 3 * Math.abs(y);
    const scrolls = /** @type {HTMLElement} */ (event.target).closest(".vd-stage, .vd-table, pre, input, .vd-walk-map");
    if (data && sideways && !scrolls) go(x < 0 ? 1 : -1);
  });

  // ------------------------------------------------------------------------------------------------------------- a step

  follow(host, root, (value) => {
    const sent = value.data;
    if (sent.making || sent.handout) return void made(value, sent);
    if (!sent.words && (!data || sent.question !== data.question)) return false;  // of what is not shown
    const moved = !data || sent.step !== data.step, before = data;
    data = { ...sent, words: sent.words ?? data.words, prefix_titles: sent.prefix_titles ?? data.prefix_titles };
    times = Math.max(times, data.times);
    if (sent.words) translate(host.element, data.words);
    if (value.picture && picture.src !== value.picture.url) picture.src = value.picture.url;
    root.classList.remove("vd-waiting");
    find(".vd-walk-wait").textContent = "";
    draw();
    root.dataset.step = data.step;
    if (asked) root.dispatchEvent(new Event("vd-stepped", { bubbles: true }));
    // Reading begins at the new step's title, also for those who hear the page
    if (before && moved && asked) {
      const title = find(".vd-walk-title");
      title.focus({ preventScroll: true });
      if (title.getBoundingClientRect().top < 0) root.scrollIntoView({ block: "start" });
    }
  });

  /** @param {any} value @param {any} sent */
  function made(value, sent) {
    find(".vd-walk-wait").textContent = sent.making ?? "";
    if (!sent.handout) return;
    const link = make("a", "");
    link.href = value.files["handout.html"].url;
    link.download = "vision-transformer-handout.html";
    link.click();
    root.dataset.handout = link.href;
  }

  function draw() {
    const { words } = data, number = data.map.findIndex((/** @type {any} */ step) => step.name === data.step);
    const steps = data.map.length - 1, end = number === steps;
    drawMap(find(".vd-walk-map ol"), data, (name) => ask({ step: name }));
    find(".vd-walk-legend span").textContent = fill(words.per_layer, { depth: data.depth });
    find(".vd-walk-map").setAttribute("aria-label", words.map);
    find(".vd-walk-count").textContent = end ? "" : fill(words.step_of, { number: number + 1, count: steps });
    find(".vd-walk-title").textContent = data.title;
    setMarkup(find(".vd-walk-idea"), data.idea);
    setMarkup(find(".vd-walk-figure"), data.figure);
    shapeStage(stage, data.rows, data.cols);
    find(".vd-walk-side").hidden = end;
    markCell(find(".vd-token"), placeOf(data.token), data.rows, data.cols);
    markCell(find(".vd-cursor"), null, data.rows, data.cols);
    find(".vd-walk-followed").textContent = data.followed;
    drawChoices();
    drawFacts();
    const canvas = host.element.querySelector(".vd-walk-sequence");
    sequence = canvas instanceof HTMLCanvasElement ? makeSequence(canvas, picture, data, pointAt) : null;
    sequence?.point(placeOf(data.token));
    if (data.answer) drawAnswers(find(".vd-walk-figure"), data.answer);
    drawQuestions(find(".vd-walk-questions"), data, () => root.classList.add("vd-walk-answered"));
    toy.draw(find(".vd-walk-toy"), data.step, words);
    find(".vd-walk-toy-fold").hidden = end || data.step === "dino";
    controls.back.disabled = number === 0;
    controls.next.disabled = end;
    present.shown();
  }

  function drawChoices() {
    const box = find(".vd-walk-prefixes");
    box.replaceChildren(...data.prefix.map((/** @type {string} */ name, /** @type {number} */ i) => {
      const button = make("button", "", null, name.toUpperCase());
      button.type = "button";
      button.title = data.prefix_titles[i];
      button.setAttribute("aria-pressed", String(name === data.token));
      button.addEventListener("click", () => ask({ token: name }));
      return button;
    }));
    find(".vd-walk-layer").hidden = !data.uses_layer;
    find(".vd-walk-head-choice").hidden = !data.uses_head;
    controls.layer.max = String(data.depth);
    controls.layer.value = String(data.layer + 1);
    sayLayer();
    controls.head.replaceChildren(...Array.from({ length: data.heads }, (_, i) => new Option(String(i + 1), String(i))));
    controls.head.value = String(data.head);
  }

  function drawFacts() {
    const box = find(".vd-walk-facts"), { words } = data;
    box.replaceChildren();
    /** @param {string} name @param {string} kind @param {string} text */
    const fact = (name, kind, text) => {
      if (!text) return;
      make("dt", "", box, name);
      make("dd", kind, box, text);
    };
    fact(words.shape, "vd-walk-shape", data.shapes);
    fact(words.formula, "vd-walk-formula", data.formula);
    if (data.code.length) make("dt", "", box, words.code);
    for (const { place, code } of data.code) {
      const entry = make("dd", "", box);
      make("span", "vd-walk-place", entry, place);
      make("pre", "", entry, code).tabIndex = 0;
    }
    const differs = find(".vd-walk-differs");
    differs.hidden = !data.differs.length;
    differs.replaceChildren();
    if (!data.differs.length) return;
    make("p", "vd-walk-heading", differs, words.differs);
    for (const one of data.differs) setMarkup(make("p", "", differs), one);
  }
}

/**
 * The patch of a token's name; null for a prefix token.
 * @param {string} token @returns {Place | null}
 */
function placeOf(token) {
  const [row, col] = token.split(",").map(Number);
  return token.includes(",") ? { row, col } : null;
}

/**
 * The number of a map's cell under the pointer, with where it is.
 * @param {HTMLElement} cells @param {PointerEvent} event
 */
function numberUnder(cells, event) {
  const rows = Number(cells.dataset.rows), cols = Number(cells.dataset.cols), area = cells.getBoundingClientRect();
  const row = Math.min(rows - 1, Math.max(0, Math.floor((event.clientY - area.top) / area.height * rows)));
  const col = Math.min(cols - 1, Math.max(0, Math.floor((event.clientX - area.left) / area.width * cols)));
  const values = new Float32Array(bytesOf(cells.dataset.values ?? "").buffer);
  return `${row + 1}, ${col + 1}: ${signed(values[row * cols + col].toPrecision(3))}`;
}
