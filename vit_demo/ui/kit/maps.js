// Arithmetic on maps: bytes to numbers, numbers to colours. No page in here, so Node tests it against numpy.

/** @typedef {{ row: number, col: number }} Place A patch, counted from 0. */
/** @typedef {Float32Array | Float64Array | Int8Array | Uint8Array | Int16Array | Uint16Array | number[]} Numbers */

/** @param {string} base64 */
export function bytesOf(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/**
 * Map number `index` of little-endian unsigned 16-bit numbers, as shares of `top`.
 * @param {Uint8Array} bytes @param {number} index @param {number} count @param {number} top
 */
export function mapOf(bytes, index, count, top) {
  const view = new DataView(bytes.buffer, bytes.byteOffset + 2 * index * count, 2 * count);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = view.getUint16(2 * i, true) / 65535 * top;
  return values;
}

/** @param {Numbers} values */
export function largest(values) {
  let top = -Infinity;
  for (const value of values) if (value > top) top = value;
  return top;
}

/** @param {Numbers} values */
export function smallest(values) {
  let low = Infinity;
  for (const value of values) if (value < low) low = value;
  return low;
}

/**
 * Index of the largest value; `but` is left out. −1 where there is none.
 * @param {Numbers} values @param {number} but
 */
export function bestOf(values, but) {
  let best = -1;
  for (let i = 0; i < values.length; i++) if (i !== but && (best < 0 || values[i] > values[best])) best = i;
  return best;
}

/**
 * 1 for the largest value.
 * @param {Numbers} values @param {number} index
 */
export function rankOf(values, index) {
  let rank = 1;
  for (const value of values) if (value > values[index]) rank++;
  return rank;
}

/**
 * DINO's threshold mask: the fewest strongest places that hold `share` of the mass (1 = kept).
 * @param {Numbers} values @param {number} share
 */
export function massMask(values, share) {
  const ordered = Float32Array.from(values).sort(), mask = new Uint8Array(values.length);
  let total = 0, held = 0, count = 0, at = ordered.length;
  for (const value of ordered) total += value;
  while (at > 0 && held < share * total) { held += ordered[--at]; count++; }
  if (!count) return mask;
  const least = ordered[at];
  for (let i = 0; i < values.length; i++) if (Math.fround(values[i]) > least) { mask[i] = 1; count--; }
  for (let i = 0; i < values.length && count > 0; i++) if (Math.fround(values[i]) === least) { mask[i] = 1; count--; }
  return mask;
}

/**
 * RGBA bytes of values between low and high; `mask` makes the rest transparent.
 * @param {Numbers} values @param {number} low @param {number} high @param {Numbers} table @param {Uint8Array | null} [mask]
 */
export function coloursOf(values, low, high, table, mask) {
  const out = new Uint8ClampedArray(4 * values.length), span = high > low ? high - low : 1;
  for (let i = 0; i < values.length; i++) {
    const t = Math.min(1, Math.max(0, (values[i] - low) / span)), k = 3 * Math.round(255 * t);
    out[4 * i] = table[k]; out[4 * i + 1] = table[k + 1]; out[4 * i + 2] = table[k + 2];
    out[4 * i + 3] = !mask || mask[i] ? 255 : 0;
  }
  return out;
}

/**
 * RGBA of colours given as bytes r, g, b.
 * @param {Numbers} rgb
 */
export function opaque(rgb) {
  const out = new Uint8ClampedArray(rgb.length / 3 * 4);
  for (let i = 0, k = 0; i < out.length; i += 4, k += 3) {
    out[i] = rgb[k]; out[i + 1] = rgb[k + 1]; out[i + 2] = rgb[k + 2]; out[i + 3] = 255;
  }
  return out;
}

/**
 * The place of a number in a grid, row by row.
 * @param {number} index @param {number} cols @returns {Place}
 */
export function placeOf(index, cols) {
  return { row: Math.floor(index / cols), col: index % cols };
}

/**
 * The patch under a point given as a share of width and height; points outside move to the nearest patch.
 * @param {number} x @param {number} y @param {number} rows @param {number} cols @returns {Place}
 */
export function patchAt(x, y, rows, cols) {
  /** @param {number} t @param {number} n */
  const inside = (t, n) => Math.min(n - 1, Math.max(0, Math.floor(t * n)));
  return { row: inside(y, rows), col: inside(x, cols) };
}

/**
 * Where an arrow key leads from a patch, or null for other keys.
 * @param {string} key @param {Place} at @param {number} rows @param {number} cols @returns {Place | null}
 */
export function stepOf(key, at, rows, cols) {
  const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
  if (!by) return null;
  return {
    row: Math.min(rows - 1, Math.max(0, at.row + by[0])),
    col: Math.min(cols - 1, Math.max(0, at.col + by[1])),
  };
}

/**
 * Unit vectors (n, width) as float32 from whole numbers and a step for each.
 * @param {Numbers} whole @param {number} width @param {Numbers} steps
 */
export function unitVectors(whole, width, steps) {
  const out = new Float32Array(whole.length);
  for (let i = 0, k = 0; k < whole.length; i++) for (let c = 0; c < width; c++, k++) out[k] = whole[k] * steps[i];
  return out;
}

/**
 * Dot products of one line of `a`, from index `at`, with `count` lines of `b` from index `from`, each `width` long.
 * Four sums at a time: the pointer waits for it.
 * @param {Numbers} a @param {number} at @param {Numbers} b @param {number} from @param {number} count
 * @param {number} width
 */
export function dots(a, at, b, from, count, width) {
  const out = new Float32Array(count), fours = width - width % 4;
  for (let j = 0, i = from; j < count; j++) {
    let s0 = 0, s1 = 0, s2 = 0, s3 = 0, c = 0;
    for (; c < fours; c += 4, i += 4) {
      s0 += a[at + c] * b[i]; s1 += a[at + c + 1] * b[i + 1];
      s2 += a[at + c + 2] * b[i + 2]; s3 += a[at + c + 3] * b[i + 3];
    }
    for (; c < width; c++, i++) s0 += a[at + c] * b[i];
    out[j] = s0 + s1 + s2 + s3;
  }
  return out;
}
