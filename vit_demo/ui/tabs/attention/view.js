// The explorer: a layer's queries and keys come once, as a file; whatever follows the pointer is computed here.

import { make, paint, paintScale } from "../../kit/canvas.js";
import { TABLES } from "../../kit/colours.js";
import { fetchArrays } from "../../kit/files.js";
import { coloursOf, largest, massMask, rankOf } from "../../kit/maps.js";
import { askPlain, plainAddress } from "../../kit/plain.js";
import { makeStage, markCell, middleOf, shapeStage } from "../../kit/stage.js";
import { controlsOf, finder } from "../../kit/view.js";
import { fill, percent, signed, translate } from "../../kit/words.js";
import { columnOf, cosinesOf, distancePx, entropyBits, fused, rowOf, sumOf, together, tokenNumber } from "../../kit/explore.js";
import { HEAD_COLOURS, mountHeads } from "../../kit/heads.js";
import { ALL_HEADS, Explorer } from "./state.js";
import { mountWall } from "./wall.js";

/** @typedef {import("../../kit/maps.js").Place} Place */
/** @typedef {Float32Array[] & { [ALL_HEADS]?: Float32Array }} HeadMaps Each head's map; at −1 that of all heads. */

const PLAY_MS = 700, READ_ALOUD_MS = 150, PANES = ["A", "B"];

/** @param {import("../../kit/view.js").Host} host */
export function mount({ element, props, trigger, watch }) {
  const find = finder(element), view = find(".vd-explorer");
  const panes = [...element.querySelectorAll(".vd-pane")].map((pane) => {
    const root = /** @type {HTMLElement} */ (pane), within = finder(root);
    return {
      root, stage: within(".vd-stage"), picture: /** @type {HTMLImageElement} */ (within(".vd-picture")),
      overlay: /** @type {HTMLCanvasElement} */ (within(".vd-overlay")),
      token: within(".vd-token"), cursor: within(".vd-cursor"), name: within(".vd-pane-name"),
    };
  });
  const controls = controlsOf(element);
  const directions = /** @type {HTMLInputElement[]} */ ([...element.querySelectorAll("[name=direction]")]);
  let notice = "", playing = 0, frame = 0, speaking = 0;

  const explorer = new Explorer({
    fetchArrays: (url) => fetchArrays(url, askPlain),
    addressOf: ({ ask }, layer, part) => (ask ? plainAddress("layer", { ...ask, layer: String(layer), part }) : ""),
    trigger, changed,
  });
  const heads = mountHeads(find(".vd-heads"), (head) => explorer.chooseHead(head));
  const wall = mountWall(find(".vd-wall-box"), {
    open(layer, head) { stop(); explorer.chosen.head = head; explorer.goTo(layer); },
    table: () => controls.table.value,
  });

  /** @param {"layer" | "choice" | "wall"} what */
  function changed(what) {
    if (what === "wall") { wall.show(explorer.wall, explorer.data, explorer.chosen); return; }
    if (what === "layer") heads.build(explorer.layer ? explorer.layer.heads : 0);
    view.classList.toggle("vd-waiting", explorer.waiting);
    requestDraw();
    if (what === "layer") view.dataset.ready = String(Number(view.dataset.ready) + 1);
  }

  function load() {
    const value = props.value;
    if (!value || !value.data) { empty(); return; }
    const fresh = !explorer.data || explorer.data.key !== value.data.key;
    view.classList.remove("vd-no-picture");
    if (value.picture) for (const { picture } of panes)
      if (picture.getAttribute("src") !== value.picture.url) picture.src = value.picture.url;
    if (fresh) { stop(); notice = ""; }
    explorer.receive(value);
    if (fresh) {
      notice = explorer.moved && value.data.words.moved;
      view.dataset.moved = explorer.moved;
      find(".vd-said").textContent = notice;
    }
    wall.show(explorer.wall, explorer.data, explorer.chosen);
    words();
    draw();
  }

  /** Without a picture: an empty stage, and nothing of the picture before. */
  function empty() {
    stop();
    explorer.receive(null);
    view.classList.add("vd-empty", "vd-no-picture");
    for (const { overlay, token, cursor } of panes) {
      overlay.width = overlay.height = 0;
      token.hidden = cursor.hidden = true;
    }
    for (const words of [".vd-readout", ".vd-facts", ".vd-pane-name"]) find(words).textContent = "";
    wall.show(null, null, explorer.chosen);
  }

  // --------------------------------------------------------------------------------------------------- playing

  function stop() {
    clearInterval(playing);
    playing = 0;
    controls.play.textContent = "▶";
    controls.play.setAttribute("aria-pressed", "false");
  }

  function play() {
    if (playing) { stop(); return; }
    if (!explorer.data) return;
    const last = explorer.data.depth - 1;
    controls.play.textContent = "❚❚";
    controls.play.setAttribute("aria-pressed", "true");
    if (explorer.chosen.layer === last) explorer.goTo(0);
    playing = window.setInterval(() => {
      if (explorer.waiting) return;
      if (explorer.chosen.layer === last) stop();
      else explorer.goTo(explorer.chosen.layer + 1);
    }, PLAY_MS);
  }

  // ----------------------------------------------------------------------------------------------------- words

  function words() {
    const data = explorer.data;
    if (!data) return;
    translate(element, data.words);
    find(".vd-heads").setAttribute("aria-label", data.words.heads_label);
    controls.layer.max = data.depth;
    controls.row.max = data.rows;
    controls.col.max = data.cols;
    for (const { stage } of panes) shapeStage(stage, data.rows, data.cols, fill(data.words.stage_label, { ...data }));
    find(".vd-prefixes").replaceChildren(...data.prefix.map((_, number) => {
      const button = make("button", "", null, data.prefix_labels[number]);
      button.type = "button";
      button.title = data.prefix_titles[number];
      button.addEventListener("click", () => explorer.choose(number));
      return button;
    }));
  }

  /** @param {number} token */
  function titleOf(token) {
    const data = /** @type {import("./state.js").Data} */ (explorer.data), place = explorer.placeOf(token);
    return place ? fill(data.words.token_patch, { row: place.row + 1, col: place.col + 1 }) : data.prefix_titles[token];
  }

  const direction = () => directions.find((radio) => radio.checked)?.value ?? "out";

  /** @param {number} head */
  function headName(head) {
    const words = /** @type {import("./state.js").Data} */ (explorer.data).words;
    if (direction() === "like") return words.features_of_layer;
    if (head >= 0) return fill(words.head, { number: head + 1 });
    if (controls.fusion.value === "max") return words.max_of_heads;
    return direction() === "in" ? words.sum_of_heads : words.mean_of_heads;
  }

  /**
   * What of a map is not on the patches: a row's share of the prefix tokens; a column's sum, 1 being an even share.
   * @param {Float32Array} map @param {number} head
   */
  function besidePatches(map, head) {
    const data = /** @type {import("./state.js").Data} */ (explorer.data), p = data.prefix.length;
    if (direction() === "like") return "";
    if (direction() === "in") {
      const of = head === ALL_HEADS && controls.fusion.value !== "max" ? /** @type {any} */ (explorer.layer).heads : 1;
      const sum = sumOf(map, 0, map.length) / of;
      return fill(data.words.receives, { sum: sum >= 10 ? sum.toFixed(0) : sum.toFixed(2) });
    }
    if (!p) return "";
    const parts = p <= 2 ? data.prefix_labels.map((label, t) => /** @type {const} */ ([label, map[t]]))
      : [/** @type {const} */ ([data.prefix_labels[0], map[0]]), /** @type {const} */ ([data.words.registers, sumOf(map, 1, p)])];
    return parts.map(([names, share]) => fill(data.words.prefix_share, { names, share: percent(share) })).join(" · ");
  }

  // -------------------------------------------------------------------------------------------------- painting

  /**
   * Every head's map of a token, and that of all heads at −1.
   * @param {import("../../kit/explore.js").Layer} layer @param {number} token @param {string} how @returns {HeadMaps}
   */
  function mapsOf(layer, token, how) {
    /** @type {HeadMaps} */
    const maps = [];
    if (how === "like") {
      const directions = explorer.directions();
      maps[ALL_HEADS] = directions ? cosinesOf(directions, layer.tokens, token) : new Float32Array(layer.tokens);
      return maps;
    }
    for (let h = 0; h < layer.heads; h++) maps.push((how === "in" ? columnOf : rowOf)(layer, h, token));
    maps[ALL_HEADS] = fused(maps, controls.fusion.value === "max" ? "max" : how === "in" ? "sum" : "mean");
    return maps;
  }

  function requestDraw() {
    if (!frame) frame = requestAnimationFrame(() => { frame = 0; draw(); });
  }

  function draw() {
    const { data, layer } = explorer;
    if (!data) return;
    const started = performance.now();
    view.classList.toggle("vd-smooth", controls.smooth.checked);
    view.classList.toggle("vd-grid", controls.grid.checked || !layer);
    view.classList.toggle("vd-empty", !layer);
    view.classList.toggle("vd-compare", explorer.pins.length > 1);
    find(".vd-share").textContent = controls.share.value + " %";
    find(".vd-layer-number").textContent = explorer.chosen.layer + 1 + " / " + data.depth;
    controls.layer.value = explorer.chosen.layer + 1;
    panes[1].root.hidden = explorer.pins.length < 2;
    if (!layer) {
      find(".vd-readout").textContent = data.note || "";
      for (const pane of panes) pane.token.hidden = pane.cursor.hidden = true;
      return;
    }
    const tokens = explorer.tokens, how = direction(), like = how === "like", p = data.prefix.length;
    const all = tokens.map((token) => mapsOf(layer, token, how));
    /** @param {Float32Array} map */
    const onPatches = (map) => map.subarray(p);
    const tops = scaleEnds(all, p, like), head = like ? ALL_HEADS : explorer.chosen.head;
    const table = TABLES[like ? "diverging" : controls.table.value], low = like ? -1 : 0;
    view.classList.toggle("vd-like", like);
    /** @param {Float32Array} map @param {number} h */
    const colours = (map, h) => {
      const values = onPatches(map), masked = controls.mask.checked && !like;
      return coloursOf(values, low, tops[h], table, masked ? massMask(values, controls.share.value / 100) : null);
    };
    const blended = controls.together.checked && !like;
    panes.slice(0, tokens.length).forEach((pane, i) => {
      const map = /** @type {Float32Array} */ (all[i][head]);
      const rgba = blended ? together([...all[i]].map(onPatches), HEAD_COLOURS) : colours(map, head);
      paint(pane.overlay, data.rows, data.cols, rgba);
      pane.overlay.style.opacity = String(blended ? 1 : controls.opacity.value / 100);
      markCell(pane.token, explorer.placeOf(tokens[i]), data.rows, data.cols);
      markCell(pane.cursor, explorer.pins.length ? explorer.cursor : null, data.rows, data.cols);
      pane.name.textContent = (tokens.length > 1 ? PANES[i] + " · " : "") + titleOf(tokens[i]);
    });
    for (let h = ALL_HEADS; !like && h < layer.heads; h++)
      heads.paint(h, data, all.map((maps, i) => {
        const map = /** @type {Float32Array} */ (maps[h]);
        return { rgba: colours(map, h), beside: (all.length > 1 ? PANES[i] + " " : "") + besidePatches(map, h) };
      }), { name: headName(h), pressed: h === explorer.chosen.head, swatch: blended });
    paintScale(/** @type {HTMLCanvasElement} */ (find(".vd-scale")), table);
    find(".vd-low").textContent = like ? "−1" : "0";
    find(".vd-high").textContent = like ? "1" : percent(tops[head]) + " %";
    const kind = like ? data.words.cosine : how === "in" ? data.words.scale_in : data.words.scale;
    find(".vd-bar-name").textContent = blended ? data.words.together_scale : headName(head) + " · " + kind;
    facts(tokens, all, head);
    marks(tokens);
    wall.mark(explorer.chosen);
    view.dataset.ms = String(performance.now() - started);
  }

  /**
   * The high end of each head's scale, and of all heads' at −1; maps that are compared share them.
   * @param {HeadMaps[]} all @param {number} p @param {boolean} like
   */
  function scaleEnds(all, p, like) {
    /** @type {Record<number, number>} */
    const tops = {};
    for (let h = ALL_HEADS; h < all[0].length; h++)
      tops[h] = Math.max(...all.map((maps) => largest(/** @type {Float32Array} */ (maps[h]).subarray(p))));
    if (controls.shared.checked) {
      const most = Math.max(...all[0].map((_, h) => tops[h]));
      all[0].forEach((_, h) => { tops[h] = most; });
    }
    if (like) tops[ALL_HEADS] = 1;
    return tops;
  }

  /**
   * Value and rank under the pointer, and what the whole map amounts to.
   * @param {number[]} tokens @param {HeadMaps[]} all @param {number} head
   */
  function facts(tokens, all, head) {
    const data = /** @type {import("./state.js").Data} */ (explorer.data);
    const layer = /** @type {import("../../kit/explore.js").Layer} */ (explorer.layer);
    const like = direction() === "like", line = /** @type {string[]} */ ([]), more = /** @type {string[]} */ ([]);
    const at = explorer.cursor || (explorer.live === null ? null : explorer.placeOf(explorer.live));
    all.forEach((maps, i) => {
      const whole = /** @type {Float32Array} */ (maps[head]), map = whole.subarray(data.prefix.length);
      const mark = all.length > 1 ? PANES[i] + ": " : "";
      if (at) {
        const number = at.row * data.cols + at.col, value = map[number];
        const shown = like ? signed(value.toFixed(3)) : percent(value) + " %";
        line.push(mark + fill(data.words.readout, { row: at.row + 1, col: at.col + 1, value: shown,
          rank: rankOf(map, number), count: map.length.toLocaleString("en") }));
      }
      if (like) return;
      const parts = [besidePatches(whole, head)];
      if (direction() === "out" && (head >= 0 || controls.fusion.value === "mean")) {
        const most = Math.log2(layer.tokens).toFixed(1);
        parts.push(fill(data.words.entropy, { bits: entropyBits(whole).toFixed(1), most }));
        const px = distancePx(whole, tokens[i], data.prefix.length, data.cols, data.patch_px);
        if (px === px) parts.push(fill(data.words.distance, { px: px.toFixed(0) }));
      }
      if (head >= 0) parts.push(fill(data.words.head_distance, { px: layer.distance[head].toFixed(0) }));
      more.push(mark + parts.filter(Boolean).join(" · "));
    });
    if (line.length) notice = "";
    find(".vd-readout").textContent = line.join("  ") || notice || data.words.point;
    find(".vd-facts").textContent = more.join("  ");
  }

  /** @param {number[]} tokens */
  function marks(tokens) {
    const data = /** @type {import("./state.js").Data} */ (explorer.data), pins = explorer.pins;
    [...find(".vd-prefixes").children].forEach((button, t) => button.setAttribute("aria-pressed", String(tokens.includes(t))));
    const at = explorer.placeOf(tokens[tokens.length - 1]);
    if (document.activeElement !== controls.row) controls.row.value = at ? at.row + 1 : "";
    if (document.activeElement !== controls.col) controls.col.value = at ? at.col + 1 : "";
    const box = find(".vd-pins"), shown = pins.join() + data.key;
    if (box.dataset.pins !== shown) {
      box.dataset.pins = shown;
      box.replaceChildren(...pins.map((token, i) => {
        const button = make("button", "", null, (pins.length > 1 ? PANES[i] + " · " : "") + titleOf(token) + " ×");
        button.type = "button";
        button.setAttribute("aria-label", fill(data.words.unpin, { token: titleOf(token) }));
        button.addEventListener("click", () => explorer.pin(token));
        return button;
      }));
    }
    view.dataset.token = tokens.map((token) => explorer.nameOf(token)).join(" ");
    view.dataset.layer = String(explorer.chosen.layer);
    view.dataset.head = String(explorer.chosen.head);
  }

  // -------------------------------------------------------------------------------------------------- choosing

  function readAloud() {
    clearTimeout(speaking);
    speaking = window.setTimeout(() => { find(".vd-said").textContent = find(".vd-readout").textContent; }, READ_ALOUD_MS);
  }

  /** @param {number} token */
  function pin(token) {
    explorer.pin(token);
    find(".vd-said").textContent = explorer.pins.map(titleOf).join(" · ");
  }

  for (const { stage } of panes) makeStage(stage, {
    grid: () => (explorer.layer ? explorer.data : null),
    at: () => explorer.cursor || explorer.placeOf(explorer.tokens[0]) || middleOf(/** @type {any} */ (explorer.data)),
    point(place, event) { explorer.point(place); if (event instanceof KeyboardEvent) readAloud(); },
    pick(place, event) {
      const touched = event instanceof PointerEvent && event.pointerType === "touch";
      if (touched) explorer.point(place);  // a finger cannot hover
      else pin(explorer.tokenAt(place));
    },
    leave: () => explorer.leave(),
    cancel: () => explorer.unpin(),
  });

  /** A row and a column typed; what is not in the grid is said, and nothing is moved. */
  function typed() {
    const { data, layer } = explorer;
    if (!data || !layer) return;
    const row = Number(controls.row.value || 1), col = Number(controls.col.value || 1);
    const token = tokenNumber(row - 1 + "," + (col - 1), data.prefix, data.rows, data.cols);
    if (token >= 0) { explorer.replacePin(token); return; }
    notice = fill(data.words.outside_grid, { row: controls.row.value || 1, col: controls.col.value || 1, rows: data.rows, cols: data.cols });
    explorer.leave();
    find(".vd-said").textContent = notice;
  }

  controls.back.addEventListener("click", () => { stop(); explorer.goTo(explorer.chosen.layer - 1); });
  controls.forward.addEventListener("click", () => { stop(); explorer.goTo(explorer.chosen.layer + 1); });
  controls.play.addEventListener("click", play);
  controls.layer.addEventListener("input", () => { stop(); explorer.goTo(controls.layer.value - 1); });
  controls.pin.addEventListener("click", () => {
    if (explorer.layer) pin(explorer.cursor ? explorer.tokenAt(explorer.cursor) : explorer.tokens[0]);
  });
  for (const radio of directions) radio.addEventListener("change", draw);
  for (const box of [controls.row, controls.col]) box.addEventListener("change", typed);
  find(".vd-controls").addEventListener("input", () => { draw(); wall.repaint(); });
  controls.link.addEventListener("click", () => {
    if (!explorer.data) return;
    controls.address.hidden = false;
    controls.address.value = location.origin + location.pathname + "?" + new URLSearchParams(explorer.link);
    controls.address.select();
    find(".vd-link-note").textContent = explorer.data.link.example ? "" : explorer.data.words.link_own;
    if (navigator.clipboard) navigator.clipboard.writeText(controls.address.value).catch(() => {});
  });

  watch("value", load);
  load();
}
