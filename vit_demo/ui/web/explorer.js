// The explorer: a layer's queries and keys come once, as a file; whatever follows the pointer is computed here.
const find = (selector) => element.querySelector(selector);
const view = find(".vd-explorer"), heads = find(".vd-heads"), wallBox = find(".vd-wall");
const panes = [...element.querySelectorAll(".vd-pane")].map((root) => ({
  root, stage: root.querySelector(".vd-stage"), picture: root.querySelector(".vd-picture"),
  overlay: root.querySelector(".vd-overlay"), token: root.querySelector(".vd-token"),
  cursor: root.querySelector(".vd-cursor"), name: root.querySelector(".vd-pane-name"),
}));
const controls = {};
for (const input of element.querySelectorAll("[name]")) if (input.type !== "radio") controls[input.name] = input;
const directions = [...element.querySelectorAll("[name=direction]")];
const tables = {};
for (const name of Object.keys(TABLES)) tables[name] = bytesOf(TABLES[name]);
// Six colours of Okabe and Ito (2008) that colour-blind eyes can tell apart.
const HEAD_COLOURS = [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [213, 94, 0], [204, 121, 167]];
const PLAY_MS = 700;

const KEPT_BYTES = 192e6, ASK_AGAIN_MS = 10000, TRIES = 2, LOOK_AHEAD_MS = 80;

let data = null, files = new Map(), layer = null, wall = null, playing = 0, asked = new Map(), notice = "";
let told = "", wallTable = "", heading = -1, looking = 0;  // at first the last layer is shown: the way leads back
const everTold = new Set();  // selections that were made here: when one comes back, it is older than what stands here
const chosen = { layer: -1, head: -1, resting: 0, pins: [], live: null, cursor: null, wallCursor: null };

// ------------------------------------------------------------------------------------------------ what comes from the server

function load() {
  const value = props.value;
  if (!value || !value.data) { view.hidden = true; data = null; stop(); return; }
  view.hidden = false;
  const fresh = !data || data.key !== value.data.key, before = data;
  data = value.data;
  if (value.picture) for (const pane of panes)
    if (pane.picture.getAttribute("src") !== value.picture.url) pane.picture.src = value.picture.url;
  const selection = data.selection || {}, elsewhere = !everTold.has(JSON.stringify(selection));
  if (fresh) begin(before, elsewhere ? selection : null);
  words();
  const sent = value.files || {};
  if (data.layer === null) { layer = null; draw(); return; }
  if (sent.wall && !wall) fetchArrays(sent.wall.url).then((arrays) => { if (arrays) { wall = arrays; drawWall(); } });
  if (sent.layer) keep(data.layer, sent.layer.url);
  if (!fresh && elsewhere) adopt(selection);
  else if (files.has(chosen.layer) || !sent.layer || data.layer !== chosen.layer) goTo(chosen.layer);
}

// A selection made in another view.
function adopt(selection) {
  everTold.add(told = JSON.stringify(selection));
  chosen.head = Number.isInteger(selection.head) && selection.head < data.heads ? selection.head : -1;
  goTo(Number.isInteger(selection.layer) ? selection.layer : data.depth - 1);
}

// Another picture, model or size: nothing of the one before is kept but what was chosen, where it still exists.
function begin(before, selection) {
  files = new Map();
  asked = new Map();
  layer = null;
  wall = null;
  stop();
  const own = before && before.key && !selection;
  const name = own ? tokenName(chosen.pins[0] ?? chosen.resting, before.prefix, before.cols)
    : (selection && selection.token) || "cls";
  const number = tokenNumber(name, data.prefix, data.rows, data.cols);
  const lost = number < 0 && data.layer !== null && before && before.key;
  const first = data.prefix.length ? 0 : Math.floor(data.rows / 2) * data.cols + Math.floor(data.cols / 2);
  chosen.pins = number >= data.prefix.length && number >= 0 ? [number] : [];
  chosen.resting = number >= 0 && number < data.prefix.length ? number : first;
  chosen.live = chosen.cursor = null;
  const last = before && chosen.layer === before.depth - 1;
  if (data.layer !== null) chosen.layer = own && !last && chosen.layer < data.depth ? chosen.layer : data.layer;
  const head = own ? chosen.head : selection && Number.isInteger(selection.head) ? selection.head : -1;
  chosen.head = head < data.heads ? head : -1;
  if (selection && data.layer !== null) everTold.add(told = JSON.stringify(selection));
  view.dataset.moved = lost ? name : "";
  notice = lost ? data.words.moved : "";
  find(".vd-said").textContent = notice;
}

// The arrays of a file; null where the server has let it go, or another picture has come meanwhile.
async function fetchArrays(url) {
  const key = data.key;
  const answer = await fetch(url).catch(() => null);
  const buffer = answer && answer.ok ? await answer.arrayBuffer().catch(() => null) : null;
  return buffer && data && data.key === key ? unpack(buffer) : null;
}

async function keep(number, url) {
  const key = data.key, arrays = await fetchArrays(url);
  if (!data || data.key !== key) return;
  if (arrays) {
    files.set(number, arrays);
    letGo();
    if (number === chosen.layer) activate();
  } else if (number === chosen.layer) request(number, true);
  else asked.delete(number);
}

// What is far from the chosen layer goes when all of it is too much for a browser.
function letGo() {
  const bytes = (arrays) => arrays.queries.byteLength + arrays.keys.byteLength + arrays.features.byteLength;
  const far = [...files.keys()].sort((a, b) => Math.abs(b - chosen.layer) - Math.abs(a - chosen.layer));
  while (files.size > 2 && [...files.values()].reduce((sum, one) => sum + bytes(one), 0) > KEPT_BYTES) files.delete(far.shift());
}

// Asks the server for a layer; not again while the answer may still come, and not for ever.
function request(number, lost) {
  const before = asked.get(number) || { at: -Infinity, tries: 0 }, now = performance.now();
  if (lost ? before.tries >= TRIES : now - before.at < ASK_AGAIN_MS) return;
  asked.set(number, { at: now, tries: before.tries + 1 });
  trigger("input", { layer: number, times: before.tries + 1 });
}

function activate() {
  layer = layerFrom(files.get(chosen.layer));
  view.classList.remove("vd-waiting");
  if (chosen.head >= layer.heads) chosen.head = -1;
  buildHeads();
  draw();
  view.dataset.ready = String(Number(view.dataset.ready) + 1);
  clearTimeout(looking);
  looking = setTimeout(lookAhead, LOOK_AHEAD_MS);
}

// The layer that one step further would ask for, so that it is here by then.
function lookAhead() {
  const next = chosen.layer + heading;
  if (data && layer && next >= 0 && next < data.depth && !files.has(next)) request(next);
}

function goTo(number) {
  if (!data || data.layer === null) return;
  const target = Math.min(data.depth - 1, Math.max(0, number));
  if (target !== chosen.layer) heading = target > chosen.layer ? 1 : -1;
  chosen.layer = target;
  controls.layer.value = chosen.layer + 1;
  find(".vd-layer-number").textContent = chosen.layer + 1 + " / " + data.depth;
  if (files.has(chosen.layer)) activate();
  else { view.classList.add("vd-waiting"); request(chosen.layer); }
  tell();
}

function stop() {
  clearInterval(playing);
  playing = 0;
  controls.play.textContent = "▶";
  controls.play.setAttribute("aria-pressed", "false");
}

function play() {
  if (playing) { stop(); return; }
  controls.play.textContent = "❚❚";
  controls.play.setAttribute("aria-pressed", "true");
  if (chosen.layer === data.depth - 1) goTo(0);
  playing = setInterval(() => {
    if (!files.has(chosen.layer)) return;  // still on its way
    if (chosen.layer === data.depth - 1) stop();
    else goTo(chosen.layer + 1);
  }, PLAY_MS);
}

// The rest of the page hears of a choice once it stands: of pins, layers and heads, not of every move of the pointer.
function tell() {
  const token = tokenName(chosen.pins[0] ?? chosen.resting, data.prefix, data.cols);
  const layer = chosen.layer === data.depth - 1 ? null : chosen.layer;  // null: the last one, of any model
  const selection = { layer, head: chosen.head < 0 ? null : chosen.head, token };
  const text = JSON.stringify(selection);
  if (text === told) return;
  everTold.add(told = text);
  trigger("select", selection);
  if (wall) markWall(find(".vd-wall-open"), chosen.layer, chosen.head);
}

// ------------------------------------------------------------------------------------------------------------ words

function words() {
  for (const node of element.querySelectorAll("[data-word]")) node.textContent = data.words[node.dataset.word];
  for (const node of element.querySelectorAll("[data-label]")) node.setAttribute("aria-label", data.words[node.dataset.label]);
  heads.setAttribute("aria-label", data.words.heads_label);
  controls.layer.max = data.depth;
  controls.layer.value = chosen.layer + 1;
  controls.row.max = data.rows;
  controls.col.max = data.cols;
  find(".vd-layer-number").textContent = chosen.layer + 1 + " / " + data.depth;
  find(".vd-wall-name").textContent = data.words.wall;
  for (const { stage } of panes) {
    stage.setAttribute("aria-label", fill(data.words.stage_label, data));
    stage.style.aspectRatio = data.cols + " / " + data.rows;
    stage.style.setProperty("--cols", data.cols);
    stage.style.setProperty("--rows", data.rows);
  }
  find(".vd-prefixes").replaceChildren(...data.prefix.map((name, number) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = data.prefix_labels[number];
    button.title = data.prefix_titles[number];
    button.addEventListener("click", () => choose(number));
    return button;
  }));
}

function titleOf(token) {
  const at = token - data.prefix.length;
  return at < 0 ? data.prefix_titles[token]
    : fill(data.words.token_patch, { row: Math.floor(at / data.cols) + 1, col: at % data.cols + 1 });
}

function direction() { return directions.find((radio) => radio.checked).value; }

function headName(index) {
  if (direction() === "like") return data.words.features_of_layer;
  if (index >= 0) return fill(data.words.head, { number: index + 1 });
  if (controls.fusion.value === "max") return data.words.max_of_heads;
  return direction() === "in" ? data.words.sum_of_heads : data.words.mean_of_heads;
}

// What of a map is not on the patches: a row's share of the prefix tokens; a column's sum, 1 being an even share.
function aside(map, token, index) {
  const p = data.prefix.length;
  if (direction() === "like") return "";
  if (direction() === "in") {
    const sum = sumOf(map, 0, map.length) / (index < 0 && controls.fusion.value !== "max" ? layer.heads : 1);
    return fill(data.words.receives, { sum: sum >= 10 ? sum.toFixed(0) : sum.toFixed(2) });
  }
  if (!p) return "";
  const parts = p <= 2 ? data.prefix_labels.map((label, t) => [label, map[t]])
    : [[data.prefix_labels[0], map[0]], [data.words.registers, sumOf(map, 1, p)]];
  return parts.map((part) => fill(data.words.prefix_share, { names: part[0], share: percent(part[1]) })).join(" · ");
}

// ------------------------------------------------------------------------------------------------------------- painting

function shownTokens() {
  if (chosen.pins.length) return chosen.pins;
  return [chosen.live === null ? chosen.resting : chosen.live];
}

// Every head's map of a token, and the one for the stage at index −1.
function mapsOf(token) {
  const how = direction();
  const maps = [];
  if (how === "like") {
    maps[-1] = cosinesOf(layer, token);
    return maps;
  }
  for (let h = 0; h < layer.heads; h++) maps.push((how === "in" ? columnOf : rowOf)(layer, h, token));
  maps[-1] = fused(maps, controls.fusion.value === "max" ? "max" : how === "in" ? "sum" : "mean");
  return maps;
}

function onPatches(map) { return map.subarray(data.prefix.length); }

function draw() {
  if (!data) return;
  const started = performance.now(), empty = !layer;
  view.classList.toggle("vd-smooth", controls.smooth.checked);
  view.classList.toggle("vd-grid", controls.grid.checked || empty);
  view.classList.toggle("vd-empty", empty);
  find(".vd-share").textContent = controls.share.value + " %";
  panes[1].root.hidden = chosen.pins.length < 2;
  view.classList.toggle("vd-compare", chosen.pins.length > 1);
  if (empty) {
    find(".vd-readout").textContent = data.note || "";
    for (const pane of panes) pane.token.hidden = pane.cursor.hidden = true;
    return;
  }
  const tokens = shownTokens(), all = tokens.map(mapsOf), like = direction() === "like";
  const table = tables[like ? "diverging" : controls.table.value];
  view.classList.toggle("vd-like", like);
  const tops = {};
  for (let h = -1; h < all[0].length; h++) tops[h] = Math.max(...all.map((maps) => largest(onPatches(maps[h]))));
  if (controls.shared.checked) {
    const most = Math.max(...all[0].map((_, h) => tops[h]));
    for (let h = 0; h < all[0].length; h++) tops[h] = most;
  }
  if (like) tops[-1] = 1;
  const low = like ? -1 : 0, head = like ? -1 : chosen.head;
  const colours = (map, h) => coloursOf(onPatches(map), low, tops[h], table, maskOf(onPatches(map), like));
  panes.forEach((pane, i) => {
    if (i >= tokens.length) return;
    const blended = controls.together.checked && !like;
    const rgba = blended ? together([...all[i]].map(onPatches), HEAD_COLOURS) : colours(all[i][head], head);
    paint(pane.overlay, data.rows, data.cols, rgba);
    pane.overlay.style.opacity = blended ? 1 : controls.opacity.value / 100;
    place(pane.token, placeOf(tokens[i]));
    place(pane.cursor, chosen.pins.length ? chosen.cursor : null);
    pane.name.textContent = (tokens.length > 1 ? "AB"[i] + " · " : "") + titleOf(tokens[i]);
  });
  if (!like) for (let h = 0; h < heads.children.length; h++) paintHead(heads.children[h], h - 1, all, colours, tokens);
  paintScale(find(".vd-scale"), table);
  find(".vd-low").textContent = like ? "−1" : "0";
  find(".vd-high").textContent = like ? "1" : percent(tops[head]) + " %";
  const kind = like ? data.words.cosine : direction() === "in" ? data.words.scale_in : data.words.scale;
  find(".vd-bar-name").textContent = controls.together.checked && !like ? data.words.together_scale : headName(head) + " · " + kind;
  facts(tokens, all, head);
  marks(tokens);
  view.dataset.ms = String(performance.now() - started);
}

function maskOf(map, like) {
  return controls.mask.checked && !like ? massMask(map, controls.share.value / 100) : null;
}

function paintHead(button, h, all, colours, tokens) {
  const two = all.length > 1;
  button.children[0].children[1].hidden = !two;
  all.forEach((maps, i) => {
    const canvas = button.children[0].children[i];
    paint(canvas, data.rows, data.cols, colours(maps[h], h));
    canvas.style.aspectRatio = data.cols + " / " + data.rows;
  });
  button.children[1].textContent = headName(h);
  button.children[2].textContent = all.map((maps, i) => (two ? "AB"[i] + " " : "") + aside(maps[h], tokens[i], h)).join("\n");
  button.setAttribute("aria-pressed", String(h === chosen.head));
  const colour = controls.together.checked && h >= 0 ? "rgb(" + HEAD_COLOURS[h % HEAD_COLOURS.length].join(",") + ")" : "";
  button.style.setProperty("--swatch", colour || "transparent");
}

function buildHeads() {
  const count = layer.heads + 1;
  while (heads.children.length > count) heads.lastChild.remove();
  while (heads.children.length < count) {
    const button = document.createElement("button"), index = heads.children.length - 1, maps = document.createElement("span");
    button.type = "button";
    button.className = "vd-head";
    maps.className = "vd-head-maps";
    maps.append(document.createElement("canvas"), document.createElement("canvas"));
    button.append(maps, document.createElement("b"), document.createElement("small"));
    button.addEventListener("click", () => { chosen.head = index; draw(); tell(); });
    heads.append(button);
  }
}

function placeOf(token) {
  const at = token - data.prefix.length;
  return at < 0 ? null : { row: Math.floor(at / data.cols), col: at % data.cols };
}

function place(box, at) {
  box.hidden = !at;
  if (!at) return;
  box.style.left = 100 * at.col / data.cols + "%";
  box.style.top = 100 * at.row / data.rows + "%";
}

// Value and rank under the pointer, and what the whole map amounts to.
function facts(tokens, all, head) {
  const like = direction() === "like", line = [], more = [], p = data.prefix.length;
  const at = chosen.cursor || (chosen.live === null ? null : placeOf(chosen.live));
  all.forEach((maps, i) => {
    const map = onPatches(maps[head]), mark = all.length > 1 ? "AB"[i] + ": " : "";
    if (at) {
      const number = at.row * data.cols + at.col, value = map[number];
      const shown = like ? value.toFixed(3).replace("-", "−") : percent(value) + " %";
      line.push(mark + fill(data.words.readout, { row: at.row + 1, col: at.col + 1, value: shown,
        rank: rankOf(map, number), count: map.length.toLocaleString("en") }));
    }
    if (like) return;
    const parts = [aside(maps[head], tokens[i], head)];
    if (direction() === "out" && (head >= 0 || controls.fusion.value === "mean")) {
      const most = Math.log2(layer.tokens).toFixed(1);
      parts.push(fill(data.words.entropy, { bits: entropyBits(maps[head]).toFixed(1), most }));
      const px = distancePx(maps[head], tokens[i], p, data.cols, data.patch_px);
      if (px === px) parts.push(fill(data.words.distance, { px: px.toFixed(0) }));
    }
    if (head >= 0) parts.push(fill(data.words.head_distance, { px: layer.distance[head].toFixed(0) }));
    more.push(mark + parts.filter(Boolean).join(" · "));
  });
  if (line.length) notice = "";
  find(".vd-readout").textContent = line.join("  ") || notice || data.words.point;
  find(".vd-facts").textContent = more.join("  ");
}

function marks(tokens) {
  [...find(".vd-prefixes").children].forEach((button, t) => button.setAttribute("aria-pressed", String(tokens.includes(t))));
  const at = placeOf(tokens[tokens.length - 1]);
  if (document.activeElement !== controls.row) controls.row.value = at ? at.row + 1 : "";
  if (document.activeElement !== controls.col) controls.col.value = at ? at.col + 1 : "";
  const pins = chosen.pins.join();
  if (find(".vd-pins").dataset.pins !== pins + data.key) {
    find(".vd-pins").dataset.pins = pins + data.key;
    find(".vd-pins").replaceChildren(...chosen.pins.map((token, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = (chosen.pins.length > 1 ? "AB"[i] + " · " : "") + titleOf(token) + " ×";
      button.setAttribute("aria-label", fill(data.words.unpin, { token: titleOf(token) }));
      button.addEventListener("click", () => { chosen.pins.splice(i, 1); draw(); tell(); });
      return button;
    }));
  }
  view.dataset.token = tokens.map((token) => tokenName(token, data.prefix, data.cols)).join(" ");
  view.dataset.layer = String(chosen.layer);
  view.dataset.head = String(chosen.head);
}

// ---------------------------------------------------------------------------------------------------------------- choosing

// A token asked for by name: it rests there, or joins what is pinned.
function choose(token) {
  if (!layer) return;
  if (chosen.pins.length) pin(token);
  else { chosen.resting = token; chosen.live = null; draw(); tell(); }
}

// The first pin holds a token, a second one is compared with it, further ones replace the second; pinned again, it goes.
function pin(token) {
  if (!layer) return;
  const at = chosen.pins.indexOf(token);
  if (at >= 0) chosen.pins.splice(at, 1);
  else chosen.pins = [...chosen.pins.slice(0, 1), token];
  chosen.live = null;
  draw();
  find(".vd-said").textContent = chosen.pins.map(titleOf).join(" · ");
  tell();
}

function tokenAt(at) { return data.prefix.length + at.row * data.cols + at.col; }

function pointAt(at) {
  chosen.cursor = at;
  if (!chosen.pins.length) chosen.live = tokenAt(at);
  requestDraw();
}

let frame = 0;
function requestDraw() {
  if (frame) return;
  frame = requestAnimationFrame(() => { frame = 0; draw(); });
}

function placeUnder(event, box) {
  const area = box.getBoundingClientRect();
  return patchAt((event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height, data.rows, data.cols);
}

for (const { stage } of panes) {
  stage.addEventListener("pointermove", (event) => { if (layer) pointAt(placeUnder(event, stage)); });
  stage.addEventListener("pointerleave", (event) => {
    if (!layer || event.pointerType === "touch") return;  // a finger that is lifted leaves what it pointed at
    chosen.live = chosen.cursor = null;
    requestDraw();
  });
  stage.addEventListener("click", (event) => {
    if (!layer) return;
    const at = placeUnder(event, stage);
    if (event.pointerType === "touch") pointAt(at);
    else pin(tokenAt(at));
  });
  stage.addEventListener("keydown", (event) => {
    if (!layer) return;
    const from = chosen.cursor || placeOf(shownTokens()[0]) || { row: Math.floor(data.rows / 2), col: Math.floor(data.cols / 2) };
    const next = stepOf(event.key, from, data.rows, data.cols);
    if (next) { pointAt(next); sayLater(); }
    else if (event.key === "Enter" || event.key === " ") pin(tokenAt(from));
    else if (event.key === "Escape") { chosen.pins.pop(); chosen.live = chosen.cursor = null; draw(); tell(); }
    else return;
    event.preventDefault();
  });
}

let saying = 0;
function sayLater() {
  clearTimeout(saying);
  saying = setTimeout(() => { find(".vd-said").textContent = find(".vd-readout").textContent; }, 150);
}

controls.back.addEventListener("click", () => { stop(); goTo(chosen.layer - 1); });
controls.forward.addEventListener("click", () => { stop(); goTo(chosen.layer + 1); });
controls.play.addEventListener("click", play);
controls.layer.addEventListener("input", () => { stop(); goTo(controls.layer.value - 1); });
controls.pin.addEventListener("click", () => { if (layer) pin(chosen.cursor ? tokenAt(chosen.cursor) : shownTokens()[0]); });
for (const radio of directions) radio.addEventListener("change", draw);
for (const box of [controls.row, controls.col]) box.addEventListener("change", () => {
  const row = Number(controls.row.value || 1) - 1, col = Number(controls.col.value || 1) - 1;
  const token = tokenNumber(row + "," + col, data.prefix, data.rows, data.cols);
  if (token < 0 || !layer) { draw(); return; }
  chosen.pins = [...chosen.pins.slice(0, -1), token];
  chosen.live = null;
  draw();
  tell();
});
find(".vd-controls").addEventListener("input", () => { draw(); if (controls.table.value !== wallTable) drawWall(); });
controls.link.addEventListener("click", () => {
  const query = new URLSearchParams({ ...data.link, layer: chosen.layer + 1,
    token: tokenName(shownTokens()[0], data.prefix, data.cols), ...(chosen.head < 0 ? {} : { head: chosen.head + 1 }) });
  controls.address.hidden = false;
  controls.address.value = location.origin + location.pathname + "?" + query;
  controls.address.select();
  find(".vd-link-note").textContent = data.link.example ? "" : data.words.link_own;
  if (navigator.clipboard) navigator.clipboard.writeText(controls.address.value).catch(() => {});
});

// ------------------------------------------------------------------------------------------------------------------ the wall

const GAP = 1;

function drawWall() {
  find(".vd-wall-box").hidden = !wall;
  if (!wall) return;
  wallTable = controls.table.value;
  const [depth, count, rows, cols] = wall.maps.shape, table = tables[controls.table.value], canvas = wallBox.querySelector("canvas");
  canvas.width = depth * (cols + GAP) - GAP;
  canvas.height = count * (rows + GAP) - GAP;
  const context = canvas.getContext("2d");
  for (let l = 0; l < depth; l++) for (let h = 0; h < count; h++) {
    const from = (l * count + h) * rows * cols, map = wall.maps.subarray(from, from + rows * cols);
    context.putImageData(new ImageData(coloursOf(map, 0, 255, table, null), cols, rows), l * (cols + GAP), h * (rows + GAP));
  }
  wallBox.style.setProperty("--layers", depth);
  wallBox.style.setProperty("--heads", count);
  wallBox.style.aspectRatio = canvas.width + " / " + canvas.height;
  const numbers = (n) => Array.from({ length: n }, (_, i) => {
    const span = document.createElement("span");
    span.textContent = i + 1;
    return span;
  });
  find(".vd-wall-layers").replaceChildren(...numbers(depth));
  find(".vd-wall-heads").replaceChildren(...numbers(count));
  markWall(find(".vd-wall-open"), chosen.layer, chosen.head);
  markWall(find(".vd-wall-cursor"), ...(chosen.wallCursor || [-1, -1]));
}

function markWall(box, l, h) {
  const [depth, count] = wall.maps.shape;
  box.hidden = l < 0;
  box.style.left = 100 * l / depth + "%";
  box.style.top = h < 0 ? "0" : 100 * h / count + "%";
  box.style.width = 100 / depth + "%";
  box.style.height = h < 0 ? "100%" : 100 / count + "%";
}

function wallPoint(at) {
  const [depth, count] = wall.maps.shape;
  chosen.wallCursor = at;
  markWall(find(".vd-wall-cursor"), ...at);
  const number = at[0] * count + at[1];
  find(".vd-wall-said").textContent = fill(data.words.wall_readout, { layer: at[0] + 1, depth, head: at[1] + 1,
    top: percent(wall.tops[number]), share: percent(wall.prefix[number]) });
}

function wallUnder(event) {
  const area = wallBox.getBoundingClientRect(), [depth, count] = wall.maps.shape;
  const at = patchAt((event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height, count, depth);
  return [at.col, at.row];
}

function openFromWall(at) {
  chosen.head = at[1];
  stop();
  goTo(at[0]);
  tell();
}

wallBox.addEventListener("pointermove", (event) => { if (wall) wallPoint(wallUnder(event)); });
wallBox.addEventListener("pointerleave", () => { chosen.wallCursor = null; if (wall) find(".vd-wall-cursor").hidden = true; });
wallBox.addEventListener("click", (event) => { if (wall) { wallPoint(wallUnder(event)); openFromWall(wallUnder(event)); } });
wallBox.addEventListener("keydown", (event) => {
  if (!wall) return;
  const [depth, count] = wall.maps.shape, from = chosen.wallCursor || [chosen.layer, Math.max(0, chosen.head)];
  const next = stepOf(event.key, { row: from[1], col: from[0] }, count, depth);
  if (next) wallPoint([next.col, next.row]);
  else if (event.key === "Enter" || event.key === " ") openFromWall(from);
  else return;
  event.preventDefault();
});

watch("value", load);
load();
