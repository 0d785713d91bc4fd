// A live camera: a frame goes out when the answer to the one before has come, and is drawn with its own answer.

import { make, paint, paintScale } from "../../kit/canvas.js";
import { TABLES } from "../../kit/colours.js";
import { bytesOf, coloursOf, opaque } from "../../kit/maps.js";
import { askPlain, plainAddress } from "../../kit/plain.js";
import { makeStage, markCell, middleOf, shapeStage } from "../../kit/stage.js";
import { controlsOf, finder, follow } from "../../kit/view.js";
import { fill, percent, signed, translate } from "../../kit/words.js";
import { Camera } from "./camera.js";
import { Pace, rgbOf, textOf } from "./frames.js";
import { mountHeads } from "../../kit/heads.js";
import { ALL_HEADS } from "./state.js";

/** @typedef {import("../../kit/maps.js").Place} Place */
/** @typedef {import("./camera.js").Cut} Cut */
/**
 * @typedef {object} Setup What the server says before a camera is opened (live_value in live.py).
 * @property {Record<string, string>} words @property {string} language @property {string} key @property {string} model @property {number} side
 * @property {{ side: number, rows: number, cols: number }[]} sizes @property {number} depth @property {number} most_px
 * @property {string[]} prefix @property {string[]} prefix_titles
 * @property {number} layer @property {number | null} head @property {string} token
 */
/**
 * @typedef {object} Answer What a frame shows (frame_data in live.py).
 * @property {number} rows @property {number} cols @property {string} maps @property {number[]} tops @property {number[]} outside
 * @property {string} colours @property {string} basis @property {{ name: string, value: number }[]} best
 * @property {boolean} neighbours @property {string} token
 * @property {number} compute_ms @property {number} wait_ms
 */

/** @param {number} ms @returns {Promise<void>} */
const later = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

const LATE_MS = 15000, AFTER_REFUSAL_MS = 2000, LOOK_MS = 500;

/** @param {number[]} values */
const meanOf = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * The patch of a token's name, null for a prefix token.
 * @param {string} token @returns {Place | null}
 */
function placeOf(token) {
  const found = token.match(/^(\d+),(\d+)$/);
  return found && { row: Number(found[1]), col: Number(found[2]) };
}

/** @param {import("../../kit/view.js").Host} host */
export function mount(host) {
  const { element, trigger } = host, find = finder(element), view = find(".vd-live");
  const controls = controlsOf(element), stage = find(".vd-stage"), said = find(".vd-live-said");
  const overlay = /** @type {HTMLCanvasElement} */ (find(".vd-overlay"));
  const chosen = { layer: 0, head: ALL_HEADS, token: "cls" };
  const heads = mountHeads(find(".vd-heads"), (head) => { chosen.head = head; draw(); announce(); });
  /** @type {Record<string, string>} */
  let words = {};
  const camera = new Camera(
    /** @type {HTMLVideoElement} */ (find("video")), /** @type {HTMLCanvasElement} */ (find(".vd-live-frame")), () => close(words.ended));
  /** @type {Setup | null} */
  let setup = null;
  /** @type {Cut | null} */
  let cut = null;
  /** @type {Answer | null} */
  let answer = null;
  /** @type {Place | null} */
  let cursor = null;
  let pace = new Pace(), basis = new Uint8Array(0), running = 0, looking = 0, seen = "", froze = false;
  const visitor = String(Math.random()).slice(2);  // among those who wait; nothing else knows it

  const isHidden = () => document.hidden || !view.isConnected || view.offsetParent === null;

  // ------------------------------------------------------------------------------------------------ the server

  follow(host, view, (value) => begin(value.data));

  /** @param {Setup} data */
  function begin(data) {
    const before = setup;
    setup = data;
    words = data.words;
    translate(element, words);
    Object.assign(chosen, { layer: data.layer, head: data.head ?? ALL_HEADS, token: data.token });
    controls.layer.max = data.depth;
    controls.size.replaceChildren(...data.sizes.map((size) => {
      const option = make("option", "", null, fill(words.size_of, { ...size }));
      option.value = String(size.side);
      return option;
    }));
    if (!before || before.model !== data.model) seen = String(data.side);
    controls.size.value = seen;
    find(".vd-prefixes").replaceChildren(...data.prefix.map((name, i) => {
      const button = make("button", "", null, name.toUpperCase());
      button.type = "button";
      button.title = data.prefix_titles[i];
      button.addEventListener("click", () => choose(name));
      return button;
    }));
    if (before && before.key !== data.key && camera.isOpen && !froze) close();  // one looks at another picture or model
    froze = false;
    paintScale(/** @type {HTMLCanvasElement} */ (find(".vd-scale")), TABLES.viridis);
  }

  /**
   * What the server says to a question; with a body, to a frame. A sentence in `error` where it refuses.
   * @param {Record<string, unknown>} question @param {Uint8Array} [body]
   * @returns {Promise<Cut & Answer & { error?: string }>}
   */
  async function ask(question, body = new Uint8Array(0)) {
    const { model, language } = /** @type {Setup} */ (setup);
    const told = Object.fromEntries(Object.entries(question).map(([name, value]) => [name, String(value)]));
    const address = plainAddress("live", { visitor, model, lang: language, ...told });
    const refused = (/** @type {string} */ error) => /** @type {any} */ ({ error });
    try {
      const bytes = /** @type {Uint8Array<ArrayBuffer>} */ (body);
      const answer = await askPlain(address, { method: "POST", body: bytes, signal: AbortSignal.timeout(LATE_MS) });
      if (answer.status === 403 || answer.status === 404) return refused(words.reload);
      return answer.ok ? await answer.json() : refused(words.unexpected);
    } catch (error) {
      const late = /** @type {DOMException} */ (error).name === "TimeoutError";
      return refused(late ? fill(words.late, { seconds: LATE_MS / 1000 }) : words.no_server);
    }
  }

  /** Frame after frame, each once the answer to the one before is drawn, while this run's camera is open. */
  async function run() {
    const mine = ++running;
    while (camera.isOpen && mine === running) {
      const { width, height } = camera.size;
      if (!width) { await later(LOOK_MS); continue; }
      const took = performance.now(), frame = cut && camera.take(cut), side = seen;
      const question = { layer: chosen.layer, token: chosen.token, width: frame?.width, height: frame?.height };
      const data = frame ? await ask(question, rgbOf(frame.rgba, basis)) : await ask({ width, height, side });
      if (!camera.isOpen || mine !== running) return;
      if (data.error) {
        say(data.error);
        await later(AFTER_REFUSAL_MS);
      } else if (!frame) cut = side === seen ? data : null;  // another size was chosen meanwhile: it is asked for
      else if (data.maps) drawOrSay(data, took);
    }
  }

  /**
   * A fault in drawing is said, and must not end the loop with the camera on.
   * @param {Answer} data @param {number} took
   */
  function drawOrSay(data, took) {
    try {
      shown(data, took);
    } catch (error) {
      console.error(error);
      say(words.unexpected);
    }
  }

  /** @param {Answer} data @param {number} took when its frame was taken */
  function shown(data, took) {
    answer = data;
    if (data.basis) basis = bytesOf(data.basis);
    camera.show();
    draw();
    pace.add(took, performance.now(), data.compute_ms, data.wait_ms);
    tell();
    view.dataset.frames = String(Number(view.dataset.frames) + 1);
  }

  // ------------------------------------------------------------------------------------------------ the camera

  /** @param {string} [device] */
  async function open(device) {
    say(words.opening);
    const refused = await camera.open(device);
    if (refused === null) return;
    if (refused) { say(words[refused]); return; }
    cut = answer = null;
    pace = new Pace();
    find(".vd-live-box").hidden = false;
    find(".vd-live-closed").hidden = true;
    view.classList.add("vd-live-open");
    say(words.waiting);
    looking = looking || window.setInterval(() => { if (camera.isOpen && isHidden()) close(words.hidden); }, LOOK_MS);
    const { current, found } = await camera.all();
    find(".vd-live-cameras").hidden = found.length < 2;
    controls.camera.replaceChildren(...found.map((one, i) => {
      const option = make("option", "", null, one.label || fill(words.camera_number, { number: i + 1 }));
      option.value = one.deviceId;
      option.selected = one.deviceId === current;
      return option;
    }));
    run();
  }

  /** @param {string} [why] */
  function close(why = "") {
    running++;
    camera.close();
    answer = cut = null;
    clearInterval(looking);
    looking = 0;
    basis = new Uint8Array(0);
    overlay.width = overlay.height = 0;
    find(".vd-live-box").hidden = true;
    find(".vd-live-closed").hidden = false;
    view.classList.remove("vd-live-open");
    say(why);
  }

  document.addEventListener("visibilitychange", () => { if (camera.isOpen && document.hidden) close(words.hidden); });
  window.addEventListener("pagehide", () => camera.release());

  function freeze() {
    if (!setup || !answer) return;
    const { rgba, width, height } = camera.frozen(setup.most_px);
    trigger("submit", { frame: textOf(rgbOf(rgba)), width, height });
    froze = true;  // the picture that comes is this one: a camera that was opened again stays open
    close(words.frozen);
  }

  // ----------------------------------------------------------------------------------------------- what is drawn

  /** @param {string} sentence */
  function say(sentence) {
    said.textContent = sentence;
    said.hidden = !sentence;
  }

  function tell() {
    const figures = pace.figures;
    if (!said.hidden) say("");
    if (!figures) return;
    const whole = Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, value.toFixed(0)]));
    find(".vd-live-rate").textContent = fill(words.rate, { ...whole, rate: figures.rate.toFixed(1) });
    Object.assign(view.dataset, { rate: figures.rate.toFixed(2), total: whole.total, compute: whole.compute, wait: whole.wait });
  }

  function draw() {
    if (!answer || !setup || !camera.isOpen) return;
    const { rows, cols, tops, outside } = answer, count = rows * cols, bytes = bytesOf(answer.maps);
    const maps = tops.map((top, h) => Float32Array.from(bytes.subarray(h * count, (h + 1) * count), (byte) => byte / 255 * top));
    const mean = Float32Array.from({ length: count }, (_, i) => meanOf(maps.map((map) => map[i])));
    const head = chosen.head < maps.length ? chosen.head : ALL_HEADS;
    /** @param {number} h */
    const shownOf = (h) => {
      const map = h < 0 ? mean : maps[h], top = h < 0 ? mean.reduce((a, b) => Math.max(a, b), 0) : tops[h];
      const share = percent(h < 0 ? meanOf(outside) : outside[h]);
      return { top, rgba: coloursOf(map, 0, top, TABLES.viridis), name: h < 0 ? words.mean : fill(words.head, { number: h + 1 }),
        beside: setup && setup.prefix.length ? fill(words.beside, { share }) : "" };
    };
    heads.build(maps.length);
    for (let h = ALL_HEADS; h < maps.length; h++) {
      const one = shownOf(h);
      heads.paint(h, answer, [one], { name: one.name, pressed: h === head, swatch: false });
      if (h !== head) continue;
      paint(overlay, rows, cols, one.rgba);
      find(".vd-bar-name").textContent = one.name + " · " + words.scale;
      find(".vd-high").textContent = percent(one.top) + " %";
    }
    shapeStage(stage, rows, cols, fill(words.stage_label, { rows, cols }));
    overlay.style.opacity = String(controls.opacity.value / 100);
    const place = placeOf(answer.token);
    markCell(find(".vd-token"), place, rows, cols);
    markCell(find(".vd-cursor"), cursor, rows, cols);
    find(".vd-live-token").textContent = place ? fill(words.token_patch, { row: place.row + 1, col: place.col + 1 }) : "";
    for (const [i, button] of [...find(".vd-prefixes").children].entries())
      button.setAttribute("aria-pressed", String(setup.prefix[i] === answer.token));
    find(".vd-layer-number").textContent = chosen.layer + 1 + " / " + setup.depth;
    controls.layer.value = chosen.layer + 1;
    const colours = /** @type {HTMLCanvasElement} */ (find(".vd-live-colours canvas"));
    paint(colours, rows, cols, opaque(bytesOf(answer.colours)));
    colours.style.aspectRatio = cols + " / " + rows;
    bars(answer);
  }

  /** @param {Answer} shown */
  function bars({ best, neighbours }) {
    find(".vd-live-kind").textContent = neighbours ? words.neighbours : words.classes;
    const list = find(".vd-bars");
    while (list.children.length > best.length) list.lastChild?.remove();
    while (list.children.length < best.length) {
      const line = make("li", "", list);
      make("span", "vd-label", line);
      make("span", "vd-fill", make("span", "vd-track", line));
      make("span", "vd-number", line);
    }
    best.forEach(({ name, value }, i) => {
      const [label, track, number] = /** @type {HTMLElement[]} */ ([...list.children[i].children]);
      label.textContent = name;
      /** @type {HTMLElement} */ (track.firstChild).style.width = 100 * Math.max(0, Math.min(1, value)) + "%";
      number.textContent = neighbours ? signed(value.toFixed(2)) : percent(value) + " %";
    });
  }

  // ---------------------------------------------------------------------------------------------------- choosing

  function announce() {
    if (!setup) return;
    trigger("select", { layer: chosen.layer === setup.depth - 1 ? null : chosen.layer,
      head: chosen.head === ALL_HEADS ? null : chosen.head, token: chosen.token });
  }

  /** @param {string} token */
  function choose(token) {
    chosen.token = token;
    announce();
  }

  makeStage(stage, {
    grid: () => answer,
    at: () => cursor || (answer && placeOf(answer.token)) || middleOf(/** @type {Answer} */ (answer)),
    point: (place) => { cursor = place; draw(); },
    pick: ({ row, col }) => choose(row + "," + col),
    leave: () => { cursor = null; draw(); },
    cancel: () => choose(setup && setup.prefix[0] || ""),
  });
  controls.open.addEventListener("click", () => open());
  controls.stop.addEventListener("click", () => close());
  controls.freeze.addEventListener("click", freeze);
  controls.recolour.addEventListener("click", () => { basis = new Uint8Array(0); });
  controls.opacity.addEventListener("input", draw);
  controls.layer.addEventListener("input", () => { chosen.layer = controls.layer.value - 1; draw(); });
  controls.layer.addEventListener("change", announce);
  controls.size.addEventListener("change", () => { seen = controls.size.value; cut = null; });
  controls.camera.addEventListener("change", () => open(controls.camera.value));
}
