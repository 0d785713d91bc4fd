// Position similarity: a tile for every shown position, and the one pointed at in large. All from data sent once: the
// tiles with the value, every other position's row in a file.
const find = (selector) => element.querySelector(selector);
const view = find(".vd-similarity"), tiles = find(".vd-tiles"), tilesCanvas = find(".vd-tiles-canvas");
const large = find(".vd-large");
const GAP = 2;
let data = null, tileRows = null, all = null, table = null, at = null, turn = 0;

async function load() {
  const value = props.value;
  if (!value || !value.data) return;
  const mine = ++turn;
  data = value.data;
  all = null;
  table = bytesOf(TABLES[data.table]);
  tileRows = bytesOf(data.matrix);
  const middle = (places) => places[Math.floor(places.length / 2)];
  at = { row: middle(data.tile_rows), col: middle(data.tile_cols) };
  tiles.setAttribute("aria-label", data.words.tiles_label);
  large.setAttribute("aria-label", data.words.large_label);
  find(".vd-note").textContent = data.words.note;
  find(".vd-bar-name").textContent = data.words.scale;
  find(".vd-low").textContent = data.low.toFixed(data.digits).replace("-", "−");
  find(".vd-high").textContent = data.high.toFixed(data.digits);
  paintScale(find(".vd-scale"), table);
  drawTiles();
  draw();
  const file = value.files && value.files.all;
  if (file) {
    const answer = await fetch(file.url);
    if (answer.ok) {
      const bytes = new Uint8Array(await answer.arrayBuffer());
      if (mine !== turn) return;
      all = bytes;
    }
  }
  view.dataset.ready = String(Number(view.dataset.ready) + 1);
}

function valuesOf(bytes, index) {
  const count = data.rows * data.cols, values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = data.low + (data.high - data.low) * bytes[index * count + i] / 255;
  return values;
}

// The similarities of a position with all others: its tile's, or where there is none the file's.
function rowOf(place) {
  const i = data.tile_rows.indexOf(place.row), j = data.tile_cols.indexOf(place.col);
  if (i >= 0 && j >= 0) return valuesOf(tileRows, i * data.tile_cols.length + j);
  return valuesOf(all, place.row * data.cols + place.col);
}

// The place itself where its row is at hand, else the nearest that has a tile.
function reachable(place) {
  const nearest = (places, x) => places.reduce((a, b) => (Math.abs(b - x) < Math.abs(a - x) ? b : a));
  return all ? place : { row: nearest(data.tile_rows, place.row), col: nearest(data.tile_cols, place.col) };
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
  for (let t = 0; t < down * across; t++) {
    paint(scratch, data.rows, data.cols, coloursOf(valuesOf(tileRows, t), data.low, data.high, table));
    context.drawImage(scratch, (t % across) * (width + GAP), Math.floor(t / across) * (height + GAP), width, height);
  }
}

function draw() {
  paint(find(".vd-large-canvas"), data.rows, data.cols, coloursOf(rowOf(at), data.low, data.high, table));
  large.style.aspectRatio = data.cols + " / " + data.rows;
  const i = data.tile_rows.indexOf(at.row), j = data.tile_cols.indexOf(at.col);
  box(tiles, i, j, data.tile_rows.length, data.tile_cols.length);
  box(large, at.row, at.col, data.rows, data.cols);
  view.dataset.position = at.row + "," + at.col;
  find(".vd-readout").textContent = fill(data.words.large, { row: at.row + 1, col: at.col + 1 });
}

function box(parent, row, col, rows, cols) {
  const mark = parent.querySelector(".vd-token");
  mark.hidden = row < 0 || col < 0;
  parent.style.setProperty("--cols", cols);
  parent.style.setProperty("--rows", rows);
  mark.style.left = 100 * col / cols + "%";
  mark.style.top = 100 * row / rows + "%";
}

function pointed(event, area, rows, cols) {
  const inside = area.getBoundingClientRect();
  return patchAt((event.clientX - inside.left) / inside.width, (event.clientY - inside.top) / inside.height, rows, cols);
}

function go(place) {
  at = place;
  draw();
}

function pointTile(event) {
  if (!data) return;
  const tile = pointed(event, tiles, data.tile_rows.length, data.tile_cols.length);
  go({ row: data.tile_rows[tile.row], col: data.tile_cols[tile.col] });
}

tiles.addEventListener("pointermove", pointTile);
tiles.addEventListener("click", pointTile);
tiles.addEventListener("keydown", (event) => {
  if (!data) return;
  const nearest = (places, x) => places.reduce((a, b, i) => (Math.abs(places[i] - x) < Math.abs(places[a] - x) ? i : a), 0);
  const from = { row: nearest(data.tile_rows, at.row), col: nearest(data.tile_cols, at.col) };
  const next = stepOf(event.key, from, data.tile_rows.length, data.tile_cols.length);
  if (!next) return;
  event.preventDefault();
  go({ row: data.tile_rows[next.row], col: data.tile_cols[next.col] });
});
const pointLarge = (event) => { if (data) go(reachable(pointed(event, large, data.rows, data.cols))); };
large.addEventListener("pointermove", pointLarge);
large.addEventListener("click", pointLarge);
large.addEventListener("keydown", (event) => {
  const next = data && all && stepOf(event.key, at, data.rows, data.cols);
  if (!next) return;
  event.preventDefault();
  go(next);
});
watch("value", load);
load();
