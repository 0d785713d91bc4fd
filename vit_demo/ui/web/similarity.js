// Position similarity: a tile for every shown position, and the one pointed at in large. All from data sent once.
const find = (selector) => element.querySelector(selector);
const view = find(".vd-similarity"), tiles = find(".vd-tiles"), tilesCanvas = find(".vd-tiles-canvas");
const GAP = 2;
let data = null, values = null, table = null, at = null;

function load() {
  const value = props.value;
  if (!value || !value.data) return;
  data = value.data;
  table = bytesOf(TABLES[data.table]);
  const bytes = bytesOf(data.matrix), count = data.rows * data.cols;
  values = [];
  for (let t = 0; t < data.tile_rows.length * data.tile_cols.length; t++) {
    const tile = new Float32Array(count);
    for (let i = 0; i < count; i++) tile[i] = data.low + (data.high - data.low) * bytes[t * count + i] / 255;
    values.push(tile);
  }
  at = { row: Math.floor(data.tile_rows.length / 2), col: Math.floor(data.tile_cols.length / 2) };
  tiles.setAttribute("aria-label", data.words.tiles_label);
  find(".vd-note").textContent = data.words.note;
  find(".vd-bar-name").textContent = data.words.scale;
  find(".vd-low").textContent = data.low.toFixed(data.digits);
  find(".vd-high").textContent = data.high.toFixed(data.digits);
  paintScale(find(".vd-scale"), table);
  drawTiles();
  draw();
  view.dataset.ready = String(Number(view.dataset.ready) + 1);
}

function drawTiles() {
  const down = data.tile_rows.length, across = data.tile_cols.length;
  const zoom = Math.max(1, Math.ceil(44 / Math.max(data.rows, data.cols)));
  const height = data.rows * zoom, width = data.cols * zoom, scratch = document.createElement("canvas");
  tilesCanvas.width = across * (width + GAP) - GAP;
  tilesCanvas.height = down * (height + GAP) - GAP;
  tiles.style.aspectRatio = tilesCanvas.width + " / " + tilesCanvas.height;
  const context = tilesCanvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  for (let t = 0; t < values.length; t++) {
    paint(scratch, data.rows, data.cols, coloursOf(values[t], data.low, data.high, table));
    context.drawImage(scratch, (t % across) * (width + GAP), Math.floor(t / across) * (height + GAP), width, height);
  }
}

function draw() {
  const down = data.tile_rows.length, across = data.tile_cols.length;
  const large = find(".vd-large"), canvas = find(".vd-large-canvas");
  const row = data.tile_rows[at.row], col = data.tile_cols[at.col];
  paint(canvas, data.rows, data.cols, coloursOf(values[at.row * across + at.col], data.low, data.high, table));
  large.style.aspectRatio = data.cols + " / " + data.rows;
  box(tiles, at.row, at.col, down, across);
  box(large, row, col, data.rows, data.cols);
  view.dataset.position = row + "," + col;
  find(".vd-readout").textContent = fill(data.words.large, { row: row + 1, col: col + 1 });
}

function box(parent, row, col, rows, cols) {
  const mark = parent.querySelector(".vd-token");
  mark.hidden = false;
  parent.style.setProperty("--cols", cols);
  parent.style.setProperty("--rows", rows);
  mark.style.left = 100 * col / cols + "%";
  mark.style.top = 100 * row / rows + "%";
}

function point(event) {
  if (!data) return;
  const area = tiles.getBoundingClientRect();
  at = patchAt((event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height,
    data.tile_rows.length, data.tile_cols.length);
  draw();
}

tiles.addEventListener("pointermove", point);
tiles.addEventListener("click", point);
tiles.addEventListener("keydown", (event) => {
  const next = data && stepOf(event.key, at, data.tile_rows.length, data.tile_cols.length);
  if (!next) return;
  event.preventDefault();
  at = next;
  draw();
});
watch("value", load);
load();
