// PCA as colour, and the similarity of the patch pointed at to all patches of all pictures: computed here.

import { make, paint, paintScale } from "../../kit/canvas.js";
import { TABLES } from "../../kit/colours.js";
import { fetchArrays } from "../../kit/files.js";
import { bestOf, coloursOf, dots, opaque, placeOf, rankOf, smallest, unitVectors } from "../../kit/maps.js";
import { makeStage, markCell, middleOf, shapeStage } from "../../kit/stage.js";
import { controlsOf, finder, follow } from "../../kit/view.js";
import { fill, signed, translate } from "../../kit/words.js";

/** @typedef {import("../../kit/maps.js").Place & { picture: number }} Patch A patch of one of the pictures. */
/** @typedef {{ src: string, rows: number, cols: number }} Sent One picture, as view_value in colours.py gives it. */
/** @typedef {{ stage: HTMLElement, canvas: HTMLCanvasElement, mark: HTMLElement, cursor: HTMLElement }} Panel */
/** @typedef {Sent & { like: Panel, colours: Panel, vectors: Float32Array }} Pair */

/** @param {import("../../kit/view.js").Host} host */
export function mount(host) {
  const find = finder(host.element), root = find(".vd-feat"), grid = find(".vd-feat-grid"), unpin = find(".vd-feat-unpin");
  const controls = controlsOf(host.element);
  /** @type {{ pictures: Sent[], width: number, at: Patch, words: Record<string, string> } | null} */
  let data = null;
  /** @type {Pair[]} */
  let pairs = [];
  /** @type {Patch | null} what is compared with all others */
  let at = null;
  /** @type {Patch | null} */
  let pinned = null;
  /** @type {Patch | null} under the pointer */
  let seen = null;

  follow(host, root, async (value, current) => {
    const arrays = await fetchArrays(value.files.features.url);
    if (!current() || !arrays) return false;
    const before = data ? data.pictures : [];
    data = /** @type {NonNullable<typeof data>} */ (value.data);
    const now = data.pictures;
    const same = before.length === now.length && before.every((p, i) => p.rows === now[i].rows && p.cols === now[i].cols);
    if (!same) at = pinned = null;
    seen = null;
    at = at || { ...data.at };
    translate(host.element, data.words);
    grid.replaceChildren();
    pairs = now.map((picture, index) => pairOf(picture, index, arrays));
    draw();
  });

  /** @param {Sent} picture @param {number} index @param {import("../../kit/files.js").Arrays} arrays @returns {Pair} */
  function pairOf(picture, index, arrays) {
    const box = make("div", "vd-feat-pair", grid), width = data ? data.width : 0;
    const like = panel(box, picture, index, "like"), colours = panel(box, picture, index, "pca");
    paint(colours.canvas, picture.rows, picture.cols, opaque(arrays["colours_" + index]));
    const vectors = unitVectors(arrays["vectors_" + index], width, arrays["steps_" + index]);
    return { ...picture, like, colours, vectors };
  }

  /** @param {HTMLElement} parent @param {Sent} picture @param {number} index @param {"like" | "pca"} kind @returns {Panel} */
  function panel(parent, picture, index, kind) {
    const words = /** @type {NonNullable<typeof data>} */ (data).words, box = make("figure", "", parent);
    const stage = make("div", "vd-stage vd-feat-" + kind, box);
    Object.assign(make("img", "vd-picture", stage), { src: picture.src, alt: "" });
    const canvas = make("canvas", "vd-overlay", stage), mark = make("div", "vd-token", stage), cursor = make("div", "vd-cursor", stage);
    make("figcaption", "", box, fill(kind === "like" ? words.like_caption : words.pca_caption, { number: index + 1 }));
    shapeStage(stage, picture.rows, picture.cols);
    if (kind === "like") {  // one of the two can be reached by the keyboard
      stage.tabIndex = 0;
      stage.setAttribute("role", "application");
      stage.setAttribute("aria-label", fill(words.stage_label, { number: index + 1, rows: picture.rows, cols: picture.cols }));
    }
    makeStage(stage, {
      grid: () => picture,
      at: () => [seen, at].find((place) => place && place.picture === index) || middleOf(picture),
      point: (place) => point({ ...place, picture: index }),
      pick: (place) => pin({ ...place, picture: index }),
      leave() { seen = null; draw(); },
      cancel() { pinned = null; draw(); },
    });
    return { stage, canvas, mark, cursor };
  }

  /** @param {Patch} place */
  function point(place) {
    seen = place;
    if (!pinned) at = place;
    draw();
  }

  /** @param {Patch} place held; once more, it is let go */
  function pin(place) {
    seen = at = place;
    pinned = pinned && same(pinned, place) ? null : place;
    draw();
  }

  function draw() {
    if (!data || !at) return;
    const started = performance.now(), { width, words } = data, here = at;
    const from = at.row * pairs[at.picture].cols + at.col, source = pairs[at.picture].vectors;
    const maps = pairs.map(({ vectors }) => dots(source, from * width, vectors, 0, vectors.length / width, width));
    const low = controls.fixed.checked ? 0 : Math.min(...maps.map(smallest)), table = TABLES[controls.table.value];
    root.classList.toggle("vd-smooth", controls.smooth.checked);
    pairs.forEach(({ rows, cols, like, colours }, i) => {
      paint(like.canvas, rows, cols, coloursOf(maps[i], low, 1, table));
      like.canvas.style.opacity = String(controls.opacity.value / 100);
      const best = i === here.picture ? null : placeOf(bestOf(maps[i], -1), cols);
      for (const { mark, cursor } of [like, colours]) {
        markCell(mark, i === here.picture ? here : null, rows, cols);
        markCell(cursor, pinned && seen && seen.picture === i ? seen : best, rows, cols);
      }
    });
    paintScale(/** @type {HTMLCanvasElement} */ (find(".vd-scale")), table);
    find(".vd-bar-name").textContent = words.scale;
    find(".vd-low").textContent = signed(low.toFixed(2));
    find(".vd-high").textContent = "1";
    unpin.hidden = !pinned;
    find(".vd-readout").textContent = readout(maps, from, at, words);
    root.dataset.at = at.picture + "," + at.row + "," + at.col;
    root.dataset.pinned = String(Boolean(pinned));
    root.dataset.ms = (performance.now() - started).toFixed(1);
  }

  /** @param {Float32Array[]} maps @param {number} from @param {Patch} at @param {Record<string, string>} words */
  function readout(maps, from, at, words) {
    const lines = [fill(words.from, { number: at.picture + 1, row: at.row + 1, col: at.col + 1 })];
    if (pinned && seen) {
      const values = maps[seen.picture], i = seen.row * pairs[seen.picture].cols + seen.col;
      lines.push(fill(words.to, { number: seen.picture + 1, row: seen.row + 1, col: seen.col + 1,
        value: number(values[i]), rank: rankOf(values, i), count: values.length }));
    } else {
      maps.forEach((values, i) => {
        const best = bestOf(values, i === at.picture ? from : -1);
        if (best < 0) return;
        const where = placeOf(best, pairs[i].cols);
        lines.push(fill(words.best, { number: i + 1, row: where.row + 1, col: where.col + 1, value: number(values[best]) }));
      });
    }
    return lines.join(" · ");
  }

  unpin.addEventListener("click", () => { pinned = null; draw(); });
  find(".vd-controls").addEventListener("input", draw);
}

/** @param {Patch} a @param {Patch} b */
function same(a, b) { return a.picture === b.picture && a.row === b.row && a.col === b.col; }

/** @param {number} value */
function number(value) { return signed(value.toFixed(2)); }
