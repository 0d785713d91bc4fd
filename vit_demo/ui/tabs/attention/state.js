// What the explorer knows and what has been chosen in it: its state, without a page, so that Node can test it.

import { directionsOf, layerFrom, tokenName, tokenNumber } from "../../kit/explore.js";

/** @typedef {import("../../kit/files.js").Arrays} Arrays */
/** @typedef {import("../../kit/maps.js").Place} Place */
/** @typedef {import("../../kit/explore.js").Layer} Layer */
/** @typedef {{ layer: number | null, head: number | null, token: string }} Selection null: the last layer, all heads. */
/**
 * @typedef {object} Data What the server says of a picture under a model (layer_value in tab.py). `key` names the pass.
 * @property {string | null} key @property {number | null} layer @property {number} depth @property {number} heads
 * @property {number} rows @property {number} cols @property {number} patch_px @property {string[]} prefix
 * @property {string[]} prefix_labels @property {string[]} prefix_titles @property {Partial<Selection>} selection
 * @property {Record<string, string>} link @property {Record<string, string>} words @property {string} [note]
 * @property {Record<string, string>} [ask] What the server's plain route wants to know for a layer of this pass.
 */
/** @typedef {{ url: string }} File */
/** @typedef {{ data: Data, files?: { layer?: File, features?: File, wall?: File } }} Value */
/** @typedef {{ arrays: Arrays, features: string | null, directions: Float32Array | null }} Kept One layer's numbers. */
/**
 * @typedef {object} World
 * @property {(url: string) => Promise<Arrays | null>} fetchArrays
 * @property {(data: Data, layer: number, part: "layer" | "features") => string} [addressOf] Where a layer's numbers are had
 * without asking the page; "" where they are not.
 * @property {(name: string, data: unknown) => void} trigger Tells the page: "select" a Selection, "input" a wanted layer.
 * @property {(what: "layer" | "choice" | "wall") => void} changed What has to be drawn again.
 * @property {() => number} [now] milliseconds
 * @property {(run: () => void, ms: number) => unknown} [later]
 */

export const KEPT_BYTES = 192e6;  // of layers, in the browser
export const ASK_AGAIN_MS = 10000;
export const TRIES = 2;
export const LOOK_AHEAD_MS = 80;
export const ALL_HEADS = -1;

export class Explorer {
  /** @param {World} world */
  constructor({ fetchArrays, addressOf = () => "", trigger, changed, now = () => performance.now(), later = (run, ms) => setTimeout(run, ms) }) {
    this.fetchArrays = fetchArrays;
    this.addressOf = addressOf;
    this.trigger = trigger;
    this.changed = changed;
    this.now = now;
    this.later = later;
    /** @type {Data | null} */
    this.data = null;
    /** @type {Map<number, Kept>} */
    this.files = new Map();
    /** @type {Layer | null} the chosen layer, ready to compute with */
    this.layer = null;
    /** @type {Arrays | null} */
    this.wall = null;
    this.chosen = { layer: -1, head: ALL_HEADS };
    /** @type {number[]} at most two tokens that are held */
    this.pins = [];
    this.resting = 0;  // the token shown while none is held or pointed at
    /** @type {number | null} the token under the pointer */
    this.live = null;
    /** @type {Place | null} */
    this.cursor = null;
    this.moved = "";  // the token that the new grid does not have
    this.direction = -1;  // of the last step through the layers: at first the last one is shown, and the way leads back
    /** @type {Map<number, { at: number, tries: number }>} */
    this.requested = new Map();
    this.announced = "";
    /** @type {Set<string>} selections made here: when one comes back from the server, it is older than what stands here */
    this.madeHere = new Set();
  }

  // ------------------------------------------------------------------------------------------- from the server

  /** @param {Value | null} value */
  receive(value) {
    if (!value || !value.data) { this.data = null; this.layer = null; return; }
    const before = this.data, data = value.data, fresh = !before || before.key !== data.key;
    this.data = data;
    const selection = data.selection || {}, elsewhere = !this.madeHere.has(JSON.stringify(selection));
    if (fresh) this.begin(before, elsewhere ? selection : null);
    if (data.layer === null) { this.layer = null; this.changed("choice"); return; }
    const files = value.files || {};
    if (files.wall && !this.wall) this.fetchWall(files.wall.url);
    if (files.layer) this.keep(data.layer, files.layer.url, files.features ? files.features.url : null);
    if (!fresh && elsewhere) this.adopt(selection);
    else if (this.files.has(this.chosen.layer) || !files.layer || data.layer !== this.chosen.layer) this.goTo(this.chosen.layer);
  }

  /**
   * Another picture, model or size: nothing of the one before is kept but what was chosen, where it still exists.
   * @param {Data | null} before @param {Partial<Selection> | null} selection
   */
  begin(before, selection) {
    const data = /** @type {Data} */ (this.data);
    this.files = new Map();
    this.requested = new Map();
    this.layer = this.wall = null;
    const own = before !== null && before.key !== null && !selection;
    const name = own ? this.nameOf(this.pins[0] ?? this.resting, before) : (selection && selection.token) || "cls";
    const number = tokenNumber(name, data.prefix, data.rows, data.cols);
    this.moved = number < 0 && data.layer !== null && before && before.key ? name : "";
    const first = data.prefix.length ? 0 : Math.floor(data.rows / 2) * data.cols + Math.floor(data.cols / 2);
    this.pins = number >= data.prefix.length ? [number] : [];
    this.resting = number >= 0 && number < data.prefix.length ? number : first;
    this.live = this.cursor = null;
    const last = before !== null && this.chosen.layer === before.depth - 1;
    if (data.layer !== null) this.chosen.layer = own && !last && this.chosen.layer < data.depth ? this.chosen.layer : data.layer;
    const head = own ? this.chosen.head : selection && Number.isInteger(selection.head) ? Number(selection.head) : ALL_HEADS;
    this.chosen.head = head < data.heads ? head : ALL_HEADS;
    if (selection && data.layer !== null) this.remember(JSON.stringify(selection));
  }

  /**
   * A selection made in another view.
   * @param {Partial<Selection>} selection
   */
  adopt(selection) {
    const data = /** @type {Data} */ (this.data);
    this.remember(JSON.stringify(selection));
    this.chosen.head = Number.isInteger(selection.head) && Number(selection.head) < data.heads ? Number(selection.head) : ALL_HEADS;
    this.goTo(Number.isInteger(selection.layer) ? Number(selection.layer) : data.depth - 1);
  }

  /** @param {string} text */
  remember(text) {
    this.announced = text;
    this.madeHere.add(text);
  }

  /**
   * The arrays of a file; null where the server has let it go, or another picture has come meanwhile.
   * @param {string} url
   */
  async fetch(url) {
    const key = this.data && this.data.key, arrays = await this.fetchArrays(url);
    return arrays && this.data && this.data.key === key ? arrays : null;
  }

  /** @param {string} url */
  async fetchWall(url) {
    const arrays = await this.fetch(url);
    if (!arrays) return;
    this.wall = arrays;
    this.changed("wall");
  }

  /**
   * Fetches a layer's file and keeps it; what has gone from the server is asked for once more.
   * @param {number} number @param {string} url @param {string | null} features
   */
  async keep(number, url, features) {
    const key = this.data && this.data.key, arrays = await this.fetch(url);
    if (!this.data || this.data.key !== key) return;
    if (arrays) this.have(number, arrays, features);
    else if (number === this.chosen.layer) this.request(number, true);
    else this.requested.delete(number);
  }

  /** Layers far from the chosen one go when all of them are too much for a browser; two are always kept. */
  letGo() {
    const bytes = () => [...this.files.values()].reduce((sum, one) => sum + bytesOfLayer(one), 0);
    const far = [...this.files.keys()].sort((a, b) => Math.abs(b - this.chosen.layer) - Math.abs(a - this.chosen.layer));
    while (this.files.size > 2 && bytes() > KEPT_BYTES) this.files.delete(/** @type {number} */ (far.shift()));
  }

  /**
   * Asks the server for a layer; not again while the answer may still come, and not for ever.
   * @param {number} number @param {boolean} [lost] its file came too late and had gone
   */
  request(number, lost = false) {
    const before = this.requested.get(number) || { at: -Infinity, tries: 0 }, now = this.now();
    if (lost ? before.tries >= TRIES : now - before.at < ASK_AGAIN_MS) return;
    const tries = before.tries + 1, address = this.data && this.addressOf(this.data, number, "layer");
    this.requested.set(number, { at: now, tries });
    if (!address || lost) this.trigger("input", { layer: number, times: tries });
    else this.ask(number, address, tries);
  }

  /**
   * A layer from the server's plain route; what it does not have is asked of the page.
   * @param {number} number @param {string} address @param {number} tries
   */
  async ask(number, address, tries) {
    const data = /** @type {Data} */ (this.data), arrays = await this.fetch(address);
    if (!this.data || this.data.key !== data.key) return;
    if (arrays) this.have(number, arrays, this.addressOf(data, number, "features"));
    else this.trigger("input", { layer: number, times: tries });
  }

  /**
   * A layer's numbers are here.
   * @param {number} number @param {Arrays} arrays @param {string | null} features
   */
  have(number, arrays, features) {
    this.files.set(number, { arrays, features, directions: null });
    this.letGo();
    if (number === this.chosen.layer) this.activate();
  }

  /** The chosen layer's numbers are here: they are made ready, and the next layer is fetched ahead. */
  activate() {
    const kept = this.files.get(this.chosen.layer);
    if (!kept) return;
    this.layer = layerFrom(kept.arrays);
    if (this.chosen.head >= this.layer.heads) this.chosen.head = ALL_HEADS;
    this.changed("layer");
    this.later(() => this.lookAhead(), LOOK_AHEAD_MS);
  }

  lookAhead() {
    const next = this.chosen.layer + this.direction;
    if (this.data && this.layer && next >= 0 && next < this.data.depth && !this.files.has(next)) this.request(next);
  }

  /** The chosen layer's output as unit vectors; null while they are on their way: they come only when asked for. */
  directions() {
    const kept = this.files.get(this.chosen.layer);
    if (!kept) return null;
    if (!kept.directions && kept.features) {
      const url = kept.features;
      kept.features = null;
      this.fetch(url).then((arrays) => {
        if (arrays) kept.directions = directionsOf(arrays.features);
        else kept.features = url;
        if (arrays) this.changed("choice");
      });
    }
    return kept.directions;
  }

  // ------------------------------------------------------------------------------------------------- choices

  /** Whether the numbers of the chosen layer are still on their way. */
  get waiting() { return this.data !== null && this.data.layer !== null && !this.files.has(this.chosen.layer); }

  /** @param {number} number a layer from 0; what is outside is moved to the end */
  goTo(number) {
    if (!this.data || this.data.layer === null) return;
    const target = Math.min(this.data.depth - 1, Math.max(0, number));
    if (target !== this.chosen.layer) this.direction = target > this.chosen.layer ? 1 : -1;
    this.chosen.layer = target;
    if (this.files.has(target)) this.activate();
    else { this.request(target); this.changed("choice"); }
    this.announce();
  }

  /** @param {number} head */
  chooseHead(head) {
    this.chosen.head = head;
    this.changed("choice");
    this.announce();
  }

  /** The tokens that are shown: those held, or the one under the pointer, or the one that rests. */
  get tokens() {
    return this.pins.length ? this.pins : [this.live === null ? this.resting : this.live];
  }

  /**
   * A token asked for by name: it rests there, or joins what is held.
   * @param {number} token
   */
  choose(token) {
    if (!this.layer) return;
    if (this.pins.length) { this.pin(token); return; }
    this.resting = token;
    this.live = null;
    this.changed("choice");
    this.announce();
  }

  /**
   * The first pin holds a token, a second one is compared with it, further ones replace the second; pinned again, it goes.
   * @param {number} token
   */
  pin(token) {
    if (!this.layer) return;
    const at = this.pins.indexOf(token);
    this.pins = at >= 0 ? this.pins.filter((one) => one !== token) : [...this.pins.slice(0, 1), token];
    this.live = null;
    this.changed("choice");
    this.announce();
  }

  /**
   * The last pin becomes this token.
   * @param {number} token
   */
  replacePin(token) {
    this.pins = [...this.pins.slice(0, -1), token];
    this.live = null;
    this.changed("choice");
    this.announce();
  }

  unpin() {
    this.pins = this.pins.slice(0, -1);
    this.leave();
    this.announce();
  }

  /** @param {Place} place */
  point(place) {
    this.cursor = place;
    if (!this.pins.length) this.live = this.tokenAt(place);
    this.changed("choice");
  }

  leave() {
    this.live = this.cursor = null;
    this.changed("choice");
  }

  /** The rest of the page hears of a choice once it stands: of pins, layers and heads, not of every move of the pointer. */
  announce() {
    const data = /** @type {Data} */ (this.data);
    const layer = this.chosen.layer === data.depth - 1 ? null : this.chosen.layer;
    const head = this.chosen.head === ALL_HEADS ? null : this.chosen.head;
    const selection = { layer, head, token: this.nameOf(this.pins[0] ?? this.resting) }, text = JSON.stringify(selection);
    if (text === this.announced) return;
    this.remember(text);
    this.trigger("select", selection);
  }

  // -------------------------------------------------------------------------------------------------- tokens

  /** @param {Place} place */
  tokenAt({ row, col }) {
    const data = /** @type {Data} */ (this.data);
    return data.prefix.length + row * data.cols + col;
  }

  /**
   * A token's name, from 0, as the rest of the page knows it.
   * @param {number} token @param {Data | null} [data]
   */
  nameOf(token, data = this.data) {
    return tokenName(token, /** @type {Data} */ (data).prefix, /** @type {Data} */ (data).cols);
  }

  /**
   * The patch of a token, null for one that has no place.
   * @param {number} token @returns {Place | null}
   */
  placeOf(token) {
    const data = /** @type {Data} */ (this.data), at = token - data.prefix.length;
    return at < 0 ? null : { row: Math.floor(at / data.cols), col: at % data.cols };
  }

  /** The address of what is shown, counted from 1 as on the screen. */
  get link() {
    const data = /** @type {Data} */ (this.data), token = this.tokens[0], place = this.placeOf(token);
    return {
      ...data.link,
      layer: String(this.chosen.layer + 1),
      token: place ? place.row + 1 + "," + (place.col + 1) : data.prefix[token],
      ...(this.chosen.head === ALL_HEADS ? {} : { head: String(this.chosen.head + 1) }),
    };
  }
}

/** @param {Kept} kept */
function bytesOfLayer({ arrays, directions }) {
  return arrays.queries.byteLength + arrays.keys.byteLength + (directions ? directions.byteLength : 0);
}
