// Several maps side by side, each with its own scale. The cell pointed at is marked in all maps of the same shape, and its
// values stand beside their names. Everything is sent once.
const find = (selector) => element.querySelector(selector);
const view = find(".vd-maps"), sheet = find(".vd-map-grid");
let data = null, maps = [], at = null, shape = "";

function load() {
  const value = props.value;
  view.hidden = !value || !value.data || !value.data.maps.length;
  if (view.hidden) return;
  data = value.data;
  at = null;
  maps = data.maps.map((map) => ({ ...map, numbers: numbersOf(map) }));
  sheet.replaceChildren(...maps.map(figureOf));
  draw();
  view.dataset.ready = String(Number(view.dataset.ready) + 1);
}

function numbersOf(map) {
  const steps = mapOf(bytesOf(map.values), 0, map.rows * map.cols, 1);
  return steps.map((share) => map.low + share * (map.high - map.low));
}

function figureOf(map, index) {
  const figure = document.createElement("figure"), name = document.createElement("figcaption");
  const box = document.createElement("div"), canvas = document.createElement("canvas"), mark = document.createElement("div");
  const bar = document.createElement("div"), low = document.createElement("span"), high = document.createElement("span");
  const scale = document.createElement("canvas"), read = document.createElement("small"), table = bytesOf(TABLES[map.table]);
  figure.className = "vd-map";
  name.textContent = map.title;
  box.className = "vd-map-box";
  box.tabIndex = 0;
  box.setAttribute("role", "application");
  box.setAttribute("aria-label", fill(data.words.label, map));
  box.style.aspectRatio = map.cols + " / " + map.rows;
  box.style.setProperty("--cols", map.cols);
  box.style.setProperty("--rows", map.rows);
  mark.className = "vd-cursor";
  mark.hidden = true;
  box.append(canvas, mark);
  bar.className = "vd-bar";
  scale.className = "vd-scale";
  low.textContent = say(map, map.low);
  high.textContent = say(map, map.high);
  bar.append(low, scale, high);
  paint(canvas, map.rows, map.cols, coloursOf(map.numbers, map.low, map.high, table));
  paintScale(scale, table);
  figure.append(name, box, bar, read);
  const point = (event) => {
    const inside = box.getBoundingClientRect();
    const x = (event.clientX - inside.left) / inside.width, y = (event.clientY - inside.top) / inside.height;
    go(map, patchAt(x, y, map.rows, map.cols), index);
  };
  box.addEventListener("pointermove", point);
  box.addEventListener("click", point);
  box.addEventListener("keydown", (event) => {
    const middle = { row: Math.floor(map.rows / 2), col: Math.floor(map.cols / 2) };
    const next = stepOf(event.key, shape === shapeOf(map) && at ? at : middle, map.rows, map.cols);
    if (!next) return;
    event.preventDefault();
    go(map, next, index);
  });
  return figure;
}

const shapeOf = (map) => map.group + " " + map.rows + " " + map.cols;

function say(map, value) {
  return value.toFixed(map.digits).replace("-", "−").replace(/^−(0(\.0*)?)$/, "$1") + map.unit;
}

function go(map, place, index) {
  at = place;
  shape = shapeOf(map);
  draw();
  const value = say(map, map.numbers[at.row * map.cols + at.col]);
  const signed = (number) => String(number).replace("-", "−");
  const cell = { row: signed(at.row + map.first_row), col: signed(at.col + map.first_col), value, title: map.title };
  find(".vd-readout").textContent = fill(map.readout, cell);
  view.dataset.cell = at.row + "," + at.col;
  view.dataset.map = String(index);
}

function draw() {
  maps.forEach((map, index) => {
    const figure = sheet.children[index], mark = figure.querySelector(".vd-cursor");
    const shown = at && shapeOf(map) === shape;
    mark.hidden = !shown;
    figure.querySelector("small").textContent = shown ? say(map, map.numbers[at.row * map.cols + at.col]) : " ";
    if (!shown) return;
    mark.style.left = 100 * at.col / map.cols + "%";
    mark.style.top = 100 * at.row / map.rows + "%";
  });
  if (!at) find(".vd-readout").textContent = data.words.hint;
}

watch("value", load);
load();
