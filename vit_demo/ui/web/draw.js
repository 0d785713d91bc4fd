// The Draw tab: a pad, what the model makes of it, and how it learned to. A stroke asks the server once; the answer
// holds the readings of every kept moment, so the slider asks nobody.
const find = (selector) => element.querySelector(selector);
const view = find(".vd-draw"), pad = find(".vd-draw-pad"), pen = pad.getContext("2d", { willReadFrequently: true });
const small = document.createElement("canvas");
const SVG = "http://www.w3.org/2000/svg", BOX = [38, 10, 270, 124], UNDO_MOST = 30;
let words = null, still = null, reading = null, moment = 0, drawn = false, erasing = false, at = null, timer = 0;
let asked = 0, waiting = 0, stillUrl = "", sentAt = 0;
const before = [];

function load() {
  const value = props.value;
  if (!value || !value.data) return;
  const data = value.data;
  if (data.words) say(data.words);
  if (data.pad) small.width = small.height = data.pad;
  if (data.ink) {
    if (!drawn || data.replace) { remember(); drawn = data.replace; paintInk(data.ink); }
    else { send(); return fetchStill(value); }  // one's own drawing stays: read it with what has changed
  }
  if (data.reading) {
    if (data.asked && data.asked < asked) return;  // a later stroke is on its way
    showReading(data.reading);
  }
  fetchStill(value);
}

// The curves, filters and positions: the same for every drawing, fetched once.
async function fetchStill(value) {
  const file = value.files && value.files.still;
  if (!file || file.url === stillUrl) return show();
  stillUrl = file.url;
  still = unpack(await (await fetch(file.url)).arrayBuffer());
  const slider = find("[name=moment]");
  slider.max = still.epochs.length - 1;
  slider.value = moment = still.epochs.length - 1;
  show();
}

function say(phrases) {
  words = phrases;
  for (const one of element.querySelectorAll("[data-word]")) one.textContent = words[one.dataset.word];
  for (const one of element.querySelectorAll("[data-label]")) one.setAttribute("aria-label", words[one.dataset.label]);
}

// ------------------------------------------------------------------------------------------------------------ the pad

function wipe() {
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, pad.width, pad.height);
}

function paintInk(ink) {
  small.getContext("2d", { willReadFrequently: true }).putImageData(new ImageData(rgbaOf(ink), small.width, small.height), 0, 0);
  pen.imageSmoothingEnabled = true;
  pen.drawImage(small, 0, 0, pad.width, pad.height);
}

function remember() {
  before.push(pen.getImageData(0, 0, pad.width, pad.height));
  if (before.length > UNDO_MOST) before.shift();
}

function placeOf(event) {
  const box = pad.getBoundingClientRect();
  return [(event.clientX - box.left) * pad.width / box.width, (event.clientY - box.top) * pad.height / box.height];
}

function lineTo(to) {
  pen.strokeStyle = pen.fillStyle = erasing ? "#000" : "#fff";
  pen.lineWidth = Number(find("[name=width]").value) * (erasing ? 1.6 : 1);
  pen.lineCap = pen.lineJoin = "round";
  pen.beginPath();
  pen.moveTo(at[0], at[1]);
  pen.lineTo(to[0] + 0.01, to[1]);
  pen.stroke();
  at = to;
}

pad.addEventListener("pointerdown", (event) => {
  if (event.button > 0) return;
  event.preventDefault();
  pad.focus({ preventScroll: true });
  pad.setPointerCapture(event.pointerId);
  remember();
  at = placeOf(event);
  lineTo(at);
});
pad.addEventListener("pointermove", (event) => {
  if (!at) return;
  const parts = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
  for (const part of parts.length ? parts : [event]) lineTo(placeOf(part));
});
for (const name of ["pointerup", "pointercancel"])
  pad.addEventListener(name, () => { if (at) { at = null; drawn = true; send(); } });

// With the keyboard: arrows move a point over the pad, and draw while Space or Shift is held.
const cursor = [140, 60];
pad.addEventListener("keydown", (event) => {
  const by = { ArrowUp: [0, -8], ArrowDown: [0, 8], ArrowLeft: [-8, 0], ArrowRight: [8, 0] }[event.key];
  if (!by) return;
  event.preventDefault();
  const to = [0, 1].map((axis) => Math.min(pad.width - 8, Math.max(8, cursor[axis] + by[axis])));
  if (event.shiftKey) {
    if (!event.repeat) remember();
    at = [...cursor];
    lineTo(to);
    at = null;
    drawn = true;
  }
  [cursor[0], cursor[1]] = to;
  find(".vd-said").textContent = fill(words.cursor, { row: Math.round(to[1] / 10), col: Math.round(to[0] / 10) });
});
pad.addEventListener("keyup", (event) => { if (event.key === "Shift" && drawn) send(); });

function tool(erase) {
  erasing = erase;
  find("[name=pen]").setAttribute("aria-pressed", String(!erase));
  find("[name=eraser]").setAttribute("aria-pressed", String(erase));
}

const clicks = {
  pen: () => tool(false),
  eraser: () => tool(true),
  undo: () => { if (before.length) { pen.putImageData(before.pop(), 0, 0); drawn = true; send(); } },
  clear: () => { remember(); wipe(); drawn = true; tool(false); send(); },
  use: () => trigger("input", { ink: inkOfPad() }),
  back: () => step(-1),
  forward: () => step(1),
  play: () => play(),
};
for (const [name, run] of Object.entries(clicks)) find("button[name=" + name + "]").addEventListener("click", run);
find("[name=moment]").addEventListener("input", (event) => { moment = Number(event.target.value); show(); });
for (const name of ["own", "grid"]) find("[name=" + name + "]").addEventListener("change", show);

function inkOfPad() {
  const context = small.getContext("2d", { willReadFrequently: true });
  context.drawImage(pad, 0, 0, small.width, small.height);
  return inkOf(context.getImageData(0, 0, small.width, small.height).data);
}

function send() {
  if (!small.width) return;
  sentAt = performance.now();
  trigger("select", { ink: inkOfPad(), asked: ++asked });
}

// ---------------------------------------------------------------------------------------------------------- the answer

function showReading(data) {
  const bytes = bytesOf(data.maps), [moments, layers, heads, rows, cols] = data.shape, maps = [];
  for (let i = 0; i < moments * layers * heads; i++) maps.push(mapOf(bytes, i, rows * cols, data.top));
  reading = { ...data, maps };
  if (sentAt) reading.round = performance.now() - sentAt;
  sentAt = 0;
  show();
}

function show() {
  if (!reading || !words) return;
  moment = Math.min(moment, reading.shape[0] - 1);
  if (!still) moment = reading.shape[0] - 1;
  drawPicture();
  drawBars();
  drawHeads();
  if (still) drawLearned();
  view.dataset.moment = String(moment);
  view.dataset.asked = String(asked);
  view.dataset.ready = String(Number(view.dataset.ready) + 1);
}

function drawPicture() {
  const [, , , rows, cols] = reading.shape, grid = find("[name=grid]").checked;
  const canvas = find(".vd-draw-picture"), lines = find(".vd-draw-lines");
  paint(canvas, reading.side, reading.side, rgbaOf(reading.picture));
  lines.style.setProperty("--rows", rows);
  lines.style.setProperty("--cols", cols);
  lines.hidden = !grid;
}

function drawBars() {
  const shares = reading.probabilities[moment], best = shares.indexOf(Math.max(...shares));
  const list = find(".vd-draw-bars");
  if (list.children.length !== shares.length)
    list.replaceChildren(...shares.map((_, i) => {
      const row = document.createElement("li"), track = document.createElement("span"), bar = document.createElement("i");
      row.append(Object.assign(document.createElement("b"), { textContent: reading.labels[i] }), track,
        document.createElement("span"));
      track.append(bar);
      return row;
    }));
  shares.forEach((share, i) => {
    const row = list.children[i];
    row.className = i === best && !reading.empty ? "vd-draw-first" : "";
    row.querySelector("i").style.width = (100 * share).toFixed(1) + "%";
    row.lastChild.textContent = percent(share, 1) + " %";
  });
  const line = reading.empty ? words.nothing
    : fill(words.reads, { digit: reading.labels[best], share: percent(shares[best], share(shares[best])) });
  find(".vd-draw-best").textContent = line;
  view.dataset.best = reading.empty ? "" : reading.labels[best];
  find(".vd-said").textContent = line;
  find(".vd-draw-time").textContent = fill(words.took, { server: reading.ms.toFixed(0) });
}

// Digits after the point that a share deserves.
function share(value) { return value > 0.995 ? 1 : 0; }

function drawHeads() {
  const [, layers, heads, rows, cols] = reading.shape, own = find("[name=own]").checked;
  const box = find(".vd-draw-heads"), table = bytesOf(TABLES.viridis);
  if (box.children.length !== layers * heads) {
    box.style.setProperty("--heads", heads);
    box.replaceChildren(...Array.from({ length: layers * heads }, () => {
      const figure = document.createElement("figure"), canvas = document.createElement("canvas");
      canvas.setAttribute("role", "img");
      figure.append(canvas, document.createElement("figcaption"));
      return figure;
    }));
  }
  for (let i = 0; i < layers * heads; i++) {
    const figure = box.children[i], map = reading.maps[moment * layers * heads + i];
    const high = own ? largest(map) : reading.top;
    paint(figure.firstChild, rows, cols, coloursOf(map, 0, high, table));
    const facts = { layer: Math.floor(i / heads) + 1, head: i % heads + 1, share: percent(reading.prefix[moment][i], 0) };
    figure.lastChild.textContent = fill(words.head, facts);
    figure.firstChild.setAttribute("aria-label", fill(words.head_label, facts));
  }
  paintScale(find(".vd-scale"), table);
  find(".vd-high").textContent = own ? words.each_own : percent(reading.top, 1) + " %";
}

// ------------------------------------------------------------------------------------------------------ watch it learn

function step(by) {
  if (!still) return;
  moment = Math.min(still.epochs.length - 1, Math.max(0, moment + by));
  find("[name=moment]").value = moment;
  show();
}

function play() {
  const button = find("[name=play]"), running = timer !== 0;
  button.setAttribute("aria-pressed", String(!running));
  if (running) { clearInterval(timer); timer = 0; return; }
  moment = -1;
  step(1);
  timer = setInterval(() => {
    if (!element.isConnected || moment >= still.epochs.length - 1) return play();
    step(1);
  }, 1100);
}

function drawLearned() {
  const epoch = still.epochs[moment], last = still.loss.length;
  find(".vd-draw-epoch").textContent = fill(epoch === 0 ? words.at_start : words.after, { epoch, epochs: last });
  const top = Math.ceil(Math.max(largest(still.loss), largest(still.held_loss)) * 2) / 2;
  drawCurve("loss", [still.loss, still.held_loss], 0, top, epoch, (v) => String(v));
  drawCurve("accuracy", [still.held_accuracy], 0, 1, epoch, (v) => Math.round(100 * v) + " %");
  find(".vd-draw-key").textContent = words.curve_key;
  const now = epoch === 0 ? null : still.held_accuracy[epoch - 1];
  find(".vd-draw-reached").textContent = now === null ? words.untrained
    : fill(words.reached, { accuracy: percent(now, 1), count: still.held_out[0] });
  drawPositions();
  drawFilters();
}

function drawCurve(name, series, low, high, epoch, label) {
  const svg = find("svg[name=" + name + "]"), [left, top, width, height] = BOX, epochs = still.loss.length;
  const add = (tag, attributes, text) => {
    const made = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    svg.append(made);
  };
  svg.replaceChildren();
  svg.setAttribute("role", "img");  // with its name, and not before it is one
  svg.setAttribute("aria-label", words["curve_" + name]);
  for (const value of ticks(low, high, 4)) {
    const y = top + height * (1 - (value - low) / (high - low));
    add("line", { x1: left, x2: left + width, y1: y, y2: y, class: "vd-draw-rule" });
    add("text", { x: left - 5, y: y + 4, "text-anchor": "end" }, label(value));
  }
  for (const value of ticks(0, epochs, 5))
    add("text", { x: left + width * value / epochs, y: top + height + 16, "text-anchor": "middle" }, value);
  add("text", { x: left + width / 2, y: top + height + 31, "text-anchor": "middle" }, words.epochs);
  series.forEach((values, i) =>
    add("polyline", { points: curvePoints(values, low, high, epochs, BOX), class: "vd-draw-line vd-draw-line-" + i }));
  const x = left + width * epoch / epochs;
  add("line", { x1: x, x2: x, y1: top, y2: top + height, class: "vd-draw-now" });
  if (epoch > 0)
    series.forEach((values, i) => {
      const [cx, cy] = curvePoints(values, low, high, epochs, BOX).split(" ")[epoch - 1].split(",");
      add("circle", { cx, cy, r: 4, class: "vd-draw-dot vd-draw-line-" + i });
    });
}

function drawPositions() {
  const [, count] = still.similarity.shape, [, , , rows, cols] = reading.shape, values = new Float32Array(count * count);
  for (let i = 0; i < values.length; i++) values[i] = still.similarity[moment * values.length + i] / 127;
  const tiles = tilePicture(values, rows, cols), limit = still.position_limit[0];  // one scale for all moments
  paint(find(".vd-draw-positions"), tiles.height, tiles.width,
    coloursOf(tiles.values, -limit, limit, bytesOf(TABLES.diverging), tiles.mask));
  paintScale(find(".vd-draw-positions-scale"), bytesOf(TABLES.diverging));
  find(".vd-draw-positions-low").textContent = "−" + limit.toFixed(1);
  find(".vd-draw-positions-high").textContent = limit.toFixed(1);
}

function drawFilters() {
  const [, count, side] = still.filters.shape, cols = Math.min(8, count), rows = Math.ceil(count / cols);
  const width = cols * (side + 1) - 1, height = rows * (side + 1) - 1, rgba = new Uint8ClampedArray(4 * width * height);
  for (let f = 0; f < count; f++)
    for (let i = 0; i < side * side; i++) {
      const y = Math.floor(f / cols) * (side + 1) + Math.floor(i / side), x = (f % cols) * (side + 1) + i % side;
      const k = 4 * (y * width + x);
      rgba[k] = rgba[k + 1] = rgba[k + 2] = still.filters[(moment * count + f) * side * side + i];
      rgba[k + 3] = 255;
    }
  paint(find(".vd-draw-filters"), height, width, rgba);
}

wipe();
watch("value", load);
load();
