// Pure functions that the views share: bytes to numbers, numbers to colours. No page in here, so Node can test them.

function bytesOf(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

// Little-endian unsigned 16-bit numbers of one map, as shares of `top`.
function mapOf(bytes, index, count, top) {
  const view = new DataView(bytes.buffer, bytes.byteOffset + 2 * index * count, 2 * count);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = view.getUint16(2 * i, true) / 65535 * top;
  return values;
}

function largest(values) {
  let top = -Infinity;
  for (const value of values) if (value > top) top = value;
  return top;
}

// DINO's threshold mask: the fewest strongest places that hold `share` of the mass (1 = kept).
function massMask(values, share) {
  const ordered = Float32Array.from(values).sort(), mask = new Uint8Array(values.length);
  let total = 0, held = 0, count = 0, at = ordered.length;
  for (const value of ordered) total += value;
  while (at > 0 && held < share * total) { held += ordered[--at]; count++; }
  if (!count) return mask;
  const least = ordered[at], same = (value) => Math.fround(value) === least;
  for (let i = 0; i < values.length; i++) if (Math.fround(values[i]) > least) { mask[i] = 1; count--; }
  for (let i = 0; i < values.length && count > 0; i++) if (same(values[i])) { mask[i] = 1; count--; }
  return mask;
}

// RGBA bytes of values between low and high; `mask` makes the rest transparent.
function coloursOf(values, low, high, table, mask) {
  const out = new Uint8ClampedArray(4 * values.length), span = high > low ? high - low : 1;
  for (let i = 0; i < values.length; i++) {
    const t = Math.min(1, Math.max(0, (values[i] - low) / span)), k = 3 * Math.round(255 * t);
    out[4 * i] = table[k]; out[4 * i + 1] = table[k + 1]; out[4 * i + 2] = table[k + 2];
    out[4 * i + 3] = !mask || mask[i] ? 255 : 0;
  }
  return out;
}

// 1 for the largest value.
function rankOf(values, index) {
  let rank = 1;
  for (const value of values) if (value > values[index]) rank++;
  return rank;
}

// The patch under a point given as a share of width and height; points outside move to the nearest patch.
function patchAt(x, y, rows, cols) {
  const inside = (t, n) => Math.min(n - 1, Math.max(0, Math.floor(t * n)));
  return { row: inside(y, rows), col: inside(x, cols) };
}

// Where an arrow key leads from a patch, or null for other keys.
function stepOf(key, at, rows, cols) {
  const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
  if (!by) return null;
  return {
    row: Math.min(rows - 1, Math.max(0, at.row + by[0])),
    col: Math.min(cols - 1, Math.max(0, at.col + by[1])),
  };
}

function percent(value, digits) {
  const p = 100 * value;
  if (digits !== undefined) return p.toFixed(digits);
  if (p > 0 && p < 0.0005) return "< 0.001";
  return p === 0 ? "0" : p >= 10 ? p.toFixed(0) : p >= 1 ? p.toFixed(1) : p >= 0.1 ? p.toFixed(2) : p.toFixed(3);
}

// "row {row}" with values in place.
function fill(phrase, values) {
  return phrase.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

function paint(canvas, rows, cols, rgba) {
  canvas.width = cols;
  canvas.height = rows;
  canvas.getContext("2d").putImageData(new ImageData(rgba, cols, rows), 0, 0);
}

function paintScale(canvas, table) {
  const values = new Float32Array(256);
  for (let i = 0; i < 256; i++) values[i] = i;
  paint(canvas, 1, 256, coloursOf(values, 0, 255, table));
}

if (typeof module !== "undefined") {
  module.exports = { bytesOf, mapOf, largest, massMask, coloursOf, rankOf, patchAt, stepOf, percent, fill };
}
