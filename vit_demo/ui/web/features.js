// PCA as colour, and the similarity of the patch pointed at to all patches of all pictures: computed here.
const find = (selector) => element.querySelector(selector);
const view = find(".vd-feat"), grid = find(".vd-feat-grid"), unpin = find(".vd-feat-unpin");
const controls = {};
for (const input of element.querySelectorAll("[name]")) controls[input.name] = input;
const tables = {};
for (const name of Object.keys(TABLES)) tables[name] = bytesOf(TABLES[name]);

let data = null, arrays = null, pairs = [], at = null, pinned = null, seen = null, turn = 0;

async function load() {
  const value = props.value;
  view.hidden = !value || !value.data;
  if (view.hidden) return;
  const mine = ++turn, answer = await fetch(value.files.features.url);
  const buffer = await answer.arrayBuffer();
  if (mine !== turn) return; // another picture came in between
  const before = data;
  data = value.data;
  arrays = unpack(buffer);
  const same = before && before.pictures.length === data.pictures.length
    && before.pictures.every((p, i) => p.rows === data.pictures[i].rows && p.cols === data.pictures[i].cols);
  if (!same) { at = pinned = null; }
  seen = null;
  if (!at) at = { ...data.at };
  for (const node of element.querySelectorAll("[data-word]")) node.textContent = data.words[node.dataset.word];
  build();
  draw();
  view.dataset.ready = String(Number(view.dataset.ready) + 1);
}

function build() {
  grid.replaceChildren();
  pairs = data.pictures.map((picture, index) => {
    const pair = document.createElement("div");
    pair.className = "vd-feat-pair";
    const like = stage(picture, index, "like"), colours = stage(picture, index, "pca");
    for (const one of [like, colours]) pair.append(one.box);
    paint(colours.canvas, picture.rows, picture.cols, opaque(arrays["colours_" + index]));
    grid.append(pair);
    return { like, colours, ...picture };
  });
}

function stage(picture, index, kind) {
  const box = document.createElement("figure"), stand = document.createElement("div");
  const caption = document.createElement("figcaption"), canvas = document.createElement("canvas");
  const image = document.createElement("img"), mark = document.createElement("div"), cursor = document.createElement("div");
  stand.className = "vd-stage vd-feat-" + kind;
  stand.style.aspectRatio = picture.cols + " / " + picture.rows;
  stand.style.setProperty("--cols", picture.cols);
  stand.style.setProperty("--rows", picture.rows);
  image.className = "vd-picture";
  image.src = picture.src;
  image.alt = "";
  canvas.className = "vd-overlay";
  mark.className = "vd-token";
  cursor.className = "vd-cursor";
  mark.hidden = cursor.hidden = true;
  stand.append(image, canvas, mark, cursor);
  caption.textContent = fill(kind === "like" ? data.words.like_caption : data.words.pca_caption, { number: index + 1 });
  if (kind === "like") { // one of the two can be reached by the keyboard
    stand.tabIndex = 0;
    stand.setAttribute("role", "application");
    stand.setAttribute("aria-label", fill(data.words.stage_label, { number: index + 1, rows: picture.rows, cols: picture.cols }));
    stand.addEventListener("keydown", (event) => pressed(event, index));
  }
  stand.addEventListener("pointermove", (event) => moved(event, index, stand));
  stand.addEventListener("click", (event) => { moved(event, index, stand); pin(index); });
  stand.addEventListener("pointerleave", () => { seen = null; draw(); });
  box.append(stand, caption);
  return { box, stand, canvas, mark, cursor };
}

function moved(event, index, stand) {
  if (!data) return;
  const area = stand.getBoundingClientRect(), picture = data.pictures[index];
  const place = patchAt((event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height,
    picture.rows, picture.cols);
  point({ picture: index, ...place });
}

function point(place) {
  seen = place;
  if (!pinned) at = place;
  draw();
}

function pin(index) {
  pinned = pinned && seen && pinned.picture === seen.picture && pinned.row === seen.row && pinned.col === seen.col
    ? null : seen || { ...at, picture: index };
  if (pinned) at = pinned;
  draw();
}

function pressed(event, index) {
  const picture = data.pictures[index];
  const from = seen && seen.picture === index ? seen : at.picture === index ? at
    : { row: Math.floor(picture.rows / 2), col: Math.floor(picture.cols / 2) };
  const next = stepOf(event.key, from, picture.rows, picture.cols);
  if (next) point({ picture: index, ...next });
  else if (event.key === "Enter" || event.key === " ") { seen = { ...from, picture: index }; pin(index); }
  else if (event.key === "Escape") { pinned = null; draw(); }
  else return;
  event.preventDefault();
}

function draw() {
  if (!data) return;
  const started = performance.now();
  const width = data.width, from = at.row * data.pictures[at.picture].cols + at.col;
  const query = arrays["vectors_" + at.picture].subarray(from * width, (from + 1) * width);
  const step = arrays["steps_" + at.picture][from];
  const maps = pairs.map((_, i) => cosinesFrom(query, step, arrays["vectors_" + i], arrays["steps_" + i]));
  const low = controls.fixed.checked ? 0 : Math.min(...maps.map(smallest)), table = tables[controls.table.value];
  view.classList.toggle("vd-smooth", controls.smooth.checked);
  pairs.forEach((pair, i) => {
    paint(pair.like.canvas, pair.rows, pair.cols, coloursOf(maps[i], low, 1, table));
    pair.like.canvas.style.opacity = controls.opacity.value / 100;
    const best = i === at.picture ? null : placeOf(bestOf(maps[i], -1), pair.cols);
    for (const one of [pair.like, pair.colours]) {
      place(one.mark, i === at.picture ? at : null, pair);
      place(one.cursor, seen && seen.picture === i && pinned ? seen : best, pair);
    }
  });
  paintScale(find(".vd-scale"), table);
  find(".vd-bar-name").textContent = data.words.scale;
  find(".vd-low").textContent = low.toFixed(2).replace("-", "−");
  find(".vd-high").textContent = "1";
  unpin.hidden = !pinned;
  find(".vd-readout").textContent = readout(maps, from);
  view.dataset.at = at.picture + "," + at.row + "," + at.col;
  view.dataset.pinned = String(Boolean(pinned));
  view.dataset.ms = (performance.now() - started).toFixed(1);
}

const placeOf = (index, cols) => ({ row: Math.floor(index / cols), col: index % cols });
const number = (value) => value.toFixed(2).replace("-", "−");

function place(box, where, picture) {
  box.hidden = !where;
  if (!where) return;
  box.style.left = 100 * where.col / picture.cols + "%";
  box.style.top = 100 * where.row / picture.rows + "%";
}

function readout(maps, from) {
  const words = data.words, said = [fill(words.from, { number: at.picture + 1, row: at.row + 1, col: at.col + 1 })];
  if (pinned && seen) {
    const values = maps[seen.picture], i = seen.row * data.pictures[seen.picture].cols + seen.col;
    said.push(fill(words.to, { number: seen.picture + 1, row: seen.row + 1, col: seen.col + 1,
      value: number(values[i]), rank: rankOf(values, i), count: values.length }));
  } else {
    maps.forEach((values, i) => {
      const best = bestOf(values, i === at.picture ? from : -1);
      if (best < 0) return;
      const where = placeOf(best, data.pictures[i].cols);
      said.push(fill(words.best, { number: i + 1, row: where.row + 1, col: where.col + 1, value: number(values[best]) }));
    });
  }
  return said.join(" · ");
}

unpin.addEventListener("click", () => { pinned = null; draw(); });
view.querySelector(".vd-controls").addEventListener("input", draw);
watch("value", load);
load();
