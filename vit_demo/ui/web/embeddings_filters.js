// Filters of the patch embedding, and what the one pointed at answers in every patch of the picture.
const find = (selector) => element.querySelector(selector);
const view = find(".vd-bank"), sheet = find(".vd-bank-sheet"), stage = find(".vd-stage"), opacity = find("[name=opacity]");
const table = bytesOf(TABLES.diverging), GAP = 1;
let data = null, bank = null, chosen = 0, cell = null, turn = 0;

async function load() {
  const value = props.value;
  view.hidden = !value || !value.files || !value.files.bank;
  if (view.hidden) return;
  const mine = ++turn;
  const answer = await fetch(value.files.bank.url);
  if (!answer.ok) return;
  const arrays = unpack(await answer.arrayBuffer());
  if (mine !== turn) return;
  if (!data || data.kind !== value.data.kind) chosen = 0;
  data = value.data;
  bank = arrays;
  chosen = Math.min(chosen, data.count - 1);
  cell = null;
  for (const node of element.querySelectorAll("[data-word]")) node.textContent = data.words[node.dataset.word];
  sheet.setAttribute("aria-label", fill(data.words.sheet_label, data));
  find(".vd-note").textContent = data.words.note;
  find(".vd-picture").src = value.picture.url;
  find(".vd-picture").alt = data.words.picture_alt;
  stage.style.aspectRatio = data.cols + " / " + data.rows;
  stage.style.setProperty("--cols", data.cols);
  stage.style.setProperty("--rows", data.rows);
  paintScale(find(".vd-scale"), table);
  drawSheet();
  draw();
  view.dataset.ready = String(Number(view.dataset.ready) + 1);
}

const across = () => (data.count <= 49 ? 7 : 24);
const down = () => Math.ceil(data.count / across());

function drawSheet() {
  const canvas = sheet.querySelector("canvas"), P = data.patch_px, cellPx = P + GAP;
  canvas.width = across() * cellPx - GAP;
  canvas.height = down() * cellPx - GAP;
  sheet.style.aspectRatio = canvas.width + " / " + canvas.height;
  sheet.style.setProperty("--cols", across());
  sheet.style.setProperty("--rows", down());
  const context = canvas.getContext("2d");
  for (let k = 0; k < data.count; k++) {
    const rgba = new Uint8ClampedArray(4 * P * P);
    for (let i = 0; i < P * P; i++) {
      for (let c = 0; c < 3; c++) rgba[4 * i + c] = bank.filters[3 * (k * P * P + i) + c];
      rgba[4 * i + 3] = 255;
    }
    context.putImageData(new ImageData(rgba, P, P), (k % across()) * cellPx, Math.floor(k / across()) * cellPx);
  }
}

function answers() {
  const count = data.rows * data.cols, values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = bank.answers[chosen * count + i] * bank.steps[chosen];
  return values;
}

const signed = (value) => value.toPrecision(3).replace("-", "−");

function draw() {
  const values = answers(), top = Math.max(1e-9, ...values.map(Math.abs)), overlay = find(".vd-overlay");
  paint(overlay, data.rows, data.cols, coloursOf(values, -top, top, table));
  overlay.style.opacity = opacity.value / 100;
  find(".vd-low").textContent = signed(-top);
  find(".vd-high").textContent = signed(top);
  find(".vd-bar-name").textContent = data.words.answer_scale;
  const mark = sheet.querySelector(".vd-token");
  mark.hidden = false;
  mark.style.left = 100 * (chosen % across()) / across() + "%";
  mark.style.top = 100 * Math.floor(chosen / across()) / down() + "%";
  const name = fill(data.words.filter, { number: chosen + 1, share: data.shares ? percent(data.shares[chosen]) : "" });
  const where = cell && { row: cell.row + 1, col: cell.col + 1, value: signed(values[cell.row * data.cols + cell.col]) };
  find(".vd-readout").textContent = name + (where ? " · " + fill(data.words.answer_cell, where) : "");
  const cursor = find(".vd-cursor");
  cursor.hidden = !cell;
  if (cell) { cursor.style.left = 100 * cell.col / data.cols + "%"; cursor.style.top = 100 * cell.row / data.rows + "%"; }
  view.dataset.filter = String(chosen);
}

function pointed(event, area, rows, cols) {
  const inside = area.getBoundingClientRect();
  return patchAt((event.clientX - inside.left) / inside.width, (event.clientY - inside.top) / inside.height, rows, cols);
}

function choose(place) {
  const index = place.row * across() + place.col;
  if (index >= data.count || index === chosen) return;
  chosen = index;
  draw();
}

const pointSheet = (event) => { if (data) choose(pointed(event, sheet, down(), across())); };
sheet.addEventListener("pointermove", pointSheet);
sheet.addEventListener("click", pointSheet);
sheet.addEventListener("keydown", (event) => {
  const from = data && { row: Math.floor(chosen / across()), col: chosen % across() };
  const next = data && stepOf(event.key, from, down(), across());
  if (!next) return;
  event.preventDefault();
  choose(next);
});
stage.addEventListener("pointermove", (event) => { if (data) { cell = pointed(event, stage, data.rows, data.cols); draw(); } });
stage.addEventListener("pointerleave", () => { if (data) { cell = null; draw(); } });
opacity.addEventListener("input", () => { if (data) draw(); });
watch("value", load);
load();
