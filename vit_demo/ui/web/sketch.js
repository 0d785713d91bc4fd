// What the Draw tab computes: pure functions, tested with Node.

// Ink of a grid of pixels as base64, one byte each, from RGBA bytes of a black pad with white strokes.
function inkOf(rgba) {
  let text = "";
  for (let i = 0; i < rgba.length; i += 4) text += String.fromCharCode(rgba[i]);
  return btoa(text);
}

// The reverse: RGBA bytes, grey and opaque.
function rgbaOf(ink) {
  const text = atob(ink), out = new Uint8ClampedArray(4 * text.length);
  for (let i = 0; i < text.length; i++) {
    out[4 * i] = out[4 * i + 1] = out[4 * i + 2] = text.charCodeAt(i);
    out[4 * i + 3] = 255;
  }
  return out;
}

// A curve as SVG points "x,y x,y …": values over epochs 1 … n, in a box [left, top, width, height].
function curvePoints(values, low, high, epochs, box) {
  const [left, top, width, height] = box, points = [];
  for (let i = 0; i < values.length; i++) {
    const x = left + width * (i + 1) / epochs;
    const t = Math.min(1, Math.max(0, (values[i] - low) / (high - low || 1)));
    points.push(x.toFixed(1) + "," + (top + height * (1 - t)).toFixed(1));
  }
  return points.join(" ");
}

// Round numbers from low to high, about `count` of them.
function ticks(low, high, count) {
  const raw = (high - low) / count, power = Math.pow(10, Math.floor(Math.log10(raw)));
  const step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= raw * 0.999);
  const out = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9; i++) out.push(Number((i * step).toFixed(10)));
  return out;
}

// Similarity of every position as one picture: a tile for each, rows·cols tiles of rows·cols values with gaps of one.
// Gives values and a mask that is 0 in the gaps.
function tilePicture(matrix, rows, cols) {
  const height = rows * (rows + 1) - 1, width = cols * (cols + 1) - 1, count = rows * cols;
  const values = new Float32Array(height * width), mask = new Uint8Array(height * width);
  for (let t = 0; t < count; t++)
    for (let i = 0; i < count; i++) {
      const y = Math.floor(t / cols) * (rows + 1) + Math.floor(i / cols), x = (t % cols) * (cols + 1) + i % cols;
      values[y * width + x] = matrix[t * count + i];
      mask[y * width + x] = 1;
    }
  return { values, mask, height, width };
}

if (typeof module !== "undefined") module.exports = { inkOf, rgbaOf, curvePoints, ticks, tilePicture };
