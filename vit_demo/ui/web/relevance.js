// Maps of several methods over one picture: painted here from numbers sent once, one cursor in all of them.
const find = (selector) => element.querySelector(selector);
const view = find(".vd-rel"), place = find(".vd-rel-maps"), colours = find(".vd-rel-colours");
let data = null, tiles = [], at = null, address = null;

function made(kind, name, parent, words) {
  const one = document.createElement(kind);
  one.className = name;
  if (words !== undefined) one.textContent = words;
  parent.appendChild(one);
  return one;
}

function load() {
  const value = props.value;
  if (!value || !value.data) {
    view.hidden = true;
    return;
  }
  view.hidden = false;
  data = value.data;
  address = value.picture ? value.picture.url : null;
  view.style.setProperty("--rows", data.rows);
  view.style.setProperty("--cols", data.cols);
  if (at && (at.row >= data.rows || at.col >= data.cols)) at = null;
  for (const name of ["opacity", "smooth", "colours"]) find(".vd-rel-" + name + "-name").textContent = data.words[name];
  const table = colours.value || "viridis";
  colours.replaceChildren();
  for (const name of ["viridis", "cividis", "grey"]) made("option", "", colours, data.words[name]).value = name;
  colours.value = table;
  place.replaceChildren();
  tiles = data.maps.map(tileOf);
  draw();
  view.dataset.ready = String(Number(view.dataset.ready) + 1);
}

function tileOf(map) {
  const bytes = bytesOf(map.values), values = new Float32Array(bytes.buffer);
  const figure = made("figure", "vd-rel-map", place), stage = document.createElement("div");
  figure.dataset.method = map.method;
  made("figcaption", "", figure, map.title);
  stage.className = "vd-stage";
  stage.tabIndex = 0;
  stage.setAttribute("role", "application");
  stage.setAttribute("aria-label", fill(data.words.stage, { title: map.title, rows: data.rows, cols: data.cols }));
  stage.style.aspectRatio = data.cols + " / " + data.rows;
  figure.appendChild(stage);
  if (address) Object.assign(made("img", "vd-picture", stage), { src: address, alt: "" });
  const overlay = made("canvas", "vd-overlay", stage), cursor = made("div", "vd-cursor", stage);
  const bar = made("div", "vd-bar", figure);
  made("span", "", bar, number(map.low, map.unit));
  const scale = made("canvas", "vd-scale", bar);
  made("span", "", bar, number(map.high, map.unit));
  made("small", "vd-rel-unit", figure, map.unit_name);
  const here = made("small", "vd-rel-here", figure, "");
  if (map.note) made("small", "vd-rel-note", figure, map.note);
  if (map.fold.length) {
    const fold = made("details", "vd-rel-fold", figure);
    made("summary", "", fold, data.words.fold);
    for (const { kind, text } of map.fold) made("p", "vd-rel-" + kind, fold, text);
  }
  const point = (event) => {
    const area = stage.getBoundingClientRect();
    at = patchAt((event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height,
      data.rows, data.cols);
    mark();
  };
  stage.addEventListener("pointermove", point);
  stage.addEventListener("click", point);
  stage.addEventListener("keydown", (event) => {
    const next = stepOf(event.key, at || { row: 0, col: 0 }, data.rows, data.cols);
    if (!next) return;
    event.preventDefault();
    at = next;
    mark();
  });
  return { map, values, overlay, cursor, scale, here };
}

function number(value, unit) {
  if (unit === "share") return percent(value) + " %";
  const words = value === 0 ? "0" : Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(2)));
  return words.replace("-", "−");
}

function draw() {
  const opacity = find(".vd-rel-opacity").value;
  view.classList.toggle("vd-smooth", find(".vd-rel-smooth").checked);
  for (const { map, values, overlay, scale } of tiles) {
    const table = bytesOf(TABLES[map.signed ? "diverging" : colours.value]);
    paint(overlay, data.rows, data.cols, coloursOf(values, map.low, map.high, table));
    overlay.style.opacity = opacity;
    paintScale(scale, table);
  }
  mark();
}

function mark() {
  for (const { map, values, cursor, here } of tiles) {
    cursor.hidden = !at;
    if (!at) continue;
    cursor.style.left = 100 * at.col / data.cols + "%";
    cursor.style.top = 100 * at.row / data.rows + "%";
    const index = at.row * data.cols + at.col;
    here.textContent = fill(data.words.here,
      { value: number(values[index], map.unit), rank: rankOf(values, index), count: values.length });
  }
  const where = at ? { row: at.row + 1, col: at.col + 1 } : null;
  view.dataset.patch = at ? at.row + "," + at.col : "";
  find(".vd-readout").textContent = where ? fill(data.words.patch, where) : data.words.point;
}

for (const name of [".vd-rel-opacity", ".vd-rel-smooth", ".vd-rel-colours"]) {
  find(name).addEventListener("input", () => data && draw());
}
watch("value", load);
load();
