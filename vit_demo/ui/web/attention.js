// The Attention view: one row of attention for every head, painted here; the server is asked only for another token.
const find = (selector) => element.querySelector(selector);
const view = find(".vd-attention"), stage = find(".vd-stage"), heads = find(".vd-heads");
const controls = {};
for (const input of element.querySelectorAll("[name]")) controls[input.name] = input;
const tables = {};
for (const name of Object.keys(TABLES)) tables[name] = bytesOf(TABLES[name]);

let data = null, maps = [], mean = null, chosen = -1, cursor = null;

function load() {
  const value = props.value;
  view.hidden = !value || !value.picture;
  if (view.hidden) return;
  const before = data;
  data = value.data;
  const picture = find(".vd-picture");
  if (picture.getAttribute("src") !== value.picture.url) picture.src = value.picture.url;
  const count = data.rows * data.cols;
  maps = [];
  if (data.maps) {
    const bytes = bytesOf(data.maps);
    for (let h = 0; h < data.tops.length; h++) maps.push(mapOf(bytes, h, count, data.tops[h]));
  }
  mean = maps.length ? meanOf(maps) : null;
  if (chosen >= maps.length) chosen = -1;
  if (!before || before.rows !== data.rows || before.cols !== data.cols) cursor = null;
  words();
  buildHeads();
  draw();
  view.dataset.ready = String(Number(view.dataset.ready) + 1);
  view.dataset.token = data.token ? data.token.row + "," + data.token.col : data.prefix_token;
  view.dataset.layer = String(data.layer);
}

function words() {
  for (const node of element.querySelectorAll("[data-word]")) node.textContent = data.words[node.dataset.word];
  stage.setAttribute("aria-label", fill(data.words.stage_label, data));
  heads.setAttribute("aria-label", data.words.heads_label);
  stage.style.aspectRatio = data.cols + " / " + data.rows;
  stage.style.setProperty("--cols", data.cols);
  stage.style.setProperty("--rows", data.rows);
}

function nameOf(index) {
  return index < 0 ? data.words.mean_of_heads : fill(data.words.head, { number: index + 1 });
}

function shareText(index) {
  if (!data.prefix_labels.length) return "";
  const of = (h) => data.prefix[h];
  const sums = data.prefix_labels.map((_, p) =>
    index < 0 ? data.prefix.reduce((sum, row) => sum + row[p], 0) / data.prefix.length : of(index)[p]);
  const parts = data.prefix_labels.length <= 2 ? data.prefix_labels.map((label, p) => [label, sums[p]])
    : [[data.prefix_labels[0], sums[0]], [data.words.registers, sums.slice(1).reduce((a, b) => a + b, 0)]];
  return parts.map((part) => fill(data.words.prefix_share, { names: part[0], share: percent(part[1]) })).join(" · ");
}

function buildHeads() {
  const wanted = maps.length ? maps.length + 1 : 0;
  while (heads.children.length > wanted) heads.lastChild.remove();
  while (heads.children.length < wanted) {
    const button = document.createElement("button"), index = heads.children.length - 1;
    button.type = "button";
    button.className = "vd-head";
    button.append(document.createElement("canvas"), document.createElement("b"), document.createElement("small"));
    button.addEventListener("click", () => { chosen = index; draw(); });
    heads.append(button);
  }
}

function topOf(values, index) {
  return controls.shared.checked && index >= 0 ? Math.max(...data.tops) : largest(values);
}

function draw() {
  if (!data) return;
  const overlay = find(".vd-overlay"), table = tables[controls.table.value];
  view.classList.toggle("vd-smooth", controls.smooth.checked);
  view.classList.toggle("vd-grid", controls.grid.checked || !maps.length);
  view.classList.toggle("vd-empty", !maps.length);
  overlay.style.opacity = controls.opacity.value / 100;
  if (maps.length) {
    for (let h = -1; h < maps.length; h++) {
      const button = heads.children[h + 1], values = h < 0 ? mean : maps[h];
      const mask = controls.mask.checked ? massMask(values, controls.share.value / 100) : null;
      const colours = coloursOf(values, 0, topOf(values, h), table, mask);
      paint(button.children[0], data.rows, data.cols, colours);
      button.children[0].style.aspectRatio = data.cols + " / " + data.rows;
      button.children[1].textContent = nameOf(h);
      button.children[2].textContent = shareText(h);
      button.setAttribute("aria-pressed", String(h === chosen));
      if (h === chosen) {
        paint(overlay, data.rows, data.cols, colours);
        find(".vd-high").textContent = percent(topOf(values, h)) + " %";
      }
    }
    paintScale(find(".vd-scale"), table);
    find(".vd-low").textContent = "0";
    find(".vd-bar-name").textContent = nameOf(chosen) + " · " + data.words.scale;
  }
  place(find(".vd-token"), data.token);
  place(find(".vd-cursor"), cursor);
  readout();
}

function place(box, at) {
  box.hidden = !at;
  if (!at) return;
  box.style.left = 100 * at.col / data.cols + "%";
  box.style.top = 100 * at.row / data.rows + "%";
}

function readout() {
  const line = find(".vd-readout");
  if (!maps.length) { line.textContent = data.note || ""; return; }
  if (!cursor) { line.textContent = nameOf(chosen) + " · " + shareText(chosen); return; }
  const values = chosen < 0 ? mean : maps[chosen], i = cursor.row * data.cols + cursor.col;
  line.textContent = nameOf(chosen) + " · " + fill(data.words.readout, {
    row: cursor.row + 1, col: cursor.col + 1, value: percent(values[i]),
    rank: rankOf(values, i), count: values.length,
  });
}

function pointed(event) {
  const box = stage.getBoundingClientRect();
  return patchAt((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height, data.rows, data.cols);
}

function ask(at) {
  if (!maps.length) return;
  place(find(".vd-token"), at);
  trigger("select", { index: [at.row, at.col] });
}

stage.addEventListener("pointermove", (event) => {
  if (!data) return;
  cursor = pointed(event);
  place(find(".vd-cursor"), cursor);
  readout();
});
stage.addEventListener("pointerleave", () => { if (data && document.activeElement !== stage) { cursor = null; draw(); } });
stage.addEventListener("click", (event) => { if (data) { cursor = pointed(event); ask(cursor); } });
stage.addEventListener("keydown", (event) => {
  if (!data) return;
  const from = cursor || data.token || { row: Math.floor(data.rows / 2), col: Math.floor(data.cols / 2) };
  const next = stepOf(event.key, from, data.rows, data.cols);
  if (next) cursor = next;
  else if (event.key === "Enter" || event.key === " ") ask(from);
  else return;
  event.preventDefault();
  draw();
});
view.querySelector(".vd-controls").addEventListener("input", draw);
watch("value", load);
load();
