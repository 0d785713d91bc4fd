// The mathematics of the explorer: pure functions, tested with Node against Python. Letters as in vit_demo/model:
// N tokens = p prefix tokens, then rows·cols patches; h heads of width d.

import { dots } from "./maps.js";

/** @typedef {import("./files.js").Arrays} Arrays */
/** @typedef {import("./maps.js").Numbers} Numbers */
/**
 * @typedef {object} Layer One layer, ready to compute with.
 * @property {number} heads @property {number} tokens @property {number} width
 * @property {Float32Array} q @property {Float32Array} k @property {Numbers} logSums @property {Numbers} distance
 */

/**
 * value = number · step, a step per head and channel: (h, N, d) numbers and (h, d) steps to float32.
 * @param {Numbers} numbers @param {Numbers} steps @param {number} heads @param {number} tokens @param {number} width
 */
export function fromSteps(numbers, steps, heads, tokens, width) {
  const out = new Float32Array(numbers.length);
  for (let h = 0, i = 0; h < heads; h++)
    for (let t = 0; t < tokens; t++)
      for (let c = 0; c < width; c++, i++) out[i] = numbers[i] * steps[h * width + c];
  return out;
}

/**
 * The arrays of one layer's file (see layer_file in tab.py), ready to compute with.
 * @param {Arrays} arrays @returns {Layer}
 */
export function layerFrom(arrays) {
  const [heads, tokens, width] = arrays.queries.shape;
  return {
    heads, tokens, width,
    q: fromSteps(arrays.queries, arrays.query_steps, heads, tokens, width),
    k: fromSteps(arrays.keys, arrays.key_steps, heads, tokens, width),
    logSums: arrays.log_sums,
    distance: arrays.distance_px,
  };
}

/**
 * Where `token` looks: softmax over all tokens j of q_token·k_j. (The 1/√d is in q already.) Sums to 1.
 * @param {Layer} layer @param {number} head @param {number} token
 */
export function rowOf(layer, head, token) {
  const { tokens, width } = layer, from = head * tokens * width;
  const out = dots(layer.q, from + token * width, layer.k, from, tokens, width);
  let top = -Infinity, sum = 0;
  for (let j = 0; j < tokens; j++) if (out[j] > top) top = out[j];
  for (let j = 0; j < tokens; j++) sum += out[j] = Math.exp(out[j] - top);
  for (let j = 0; j < tokens; j++) out[j] /= sum;
  return out;
}

/**
 * Who looks at `token`: A[i, token] = exp(q_i·k_token − logSum_i) for every token i. Does not sum to 1.
 * @param {Layer} layer @param {number} head @param {number} token
 */
export function columnOf(layer, head, token) {
  const { tokens, width } = layer, from = head * tokens * width;
  const out = dots(layer.k, from + token * width, layer.q, from, tokens, width);
  for (let i = 0; i < tokens; i++) out[i] = Math.exp(out[i] - layer.logSums[head * tokens + i]);
  return out;
}

/**
 * Unit vectors (N, D) of a layer's output, from int16 directions.
 * @param {import("./files.js").Shaped} features
 */
export function directionsOf(features) {
  const [tokens, channels] = features.shape, out = new Float32Array(features.length);
  for (let t = 0, i = 0; t < tokens; t++) {
    let square = 0;
    for (let c = 0; c < channels; c++) square += features[i + c] * features[i + c];
    const length = Math.sqrt(square) || 1;
    for (let c = 0; c < channels; c++, i++) out[i] = features[i] / length;
  }
  return out;
}

/**
 * Cosine of the layer's output at `token` with that at every token.
 * @param {Float32Array} directions as `directionsOf` gives them @param {number} tokens @param {number} token
 */
export function cosinesOf(directions, tokens, token) {
  const channels = directions.length / tokens;
  return dots(directions, token * channels, directions, 0, tokens, channels);
}

/**
 * Several maps as one: "mean", "sum" or "max" at every token.
 * @param {Float32Array[]} maps @param {string} how
 */
export function fused(maps, how) {
  const out = Float32Array.from(maps[0]);
  for (const map of maps.slice(1))
    for (let i = 0; i < out.length; i++) out[i] = how === "max" ? Math.max(out[i], map[i]) : out[i] + map[i];
  if (how === "mean") for (let i = 0; i < out.length; i++) out[i] /= maps.length;
  return out;
}

/**
 * −Σ a·log2 a of a row that sums to 1.
 * @param {Numbers} row
 */
export function entropyBits(row) {
  let bits = 0;
  for (const a of row) if (a > 0) bits -= a * Math.log2(a);
  return bits;
}

/**
 * Σ of values from one index up to another, which is left out.
 * @param {Numbers} values @param {number} from @param {number} to
 */
export function sumOf(values, from, to) {
  let sum = 0;
  for (let i = from; i < to; i++) sum += values[i];
  return sum;
}

/**
 * Σ_j a_j·distance(patch, j) in pixels over patches j, as ViT Fig. 7 right counts it: prefix tokens add nothing.
 * NaN for a prefix token, which has no place.
 * @param {Numbers} row @param {number} token @param {number} prefix @param {number} cols @param {number} patchPx
 */
export function distancePx(row, token, prefix, cols, patchPx) {
  if (token < prefix) return NaN;
  const at = token - prefix, y = Math.floor(at / cols), x = at % cols;
  let sum = 0;
  for (let j = prefix; j < row.length; j++) {
    const dy = Math.floor((j - prefix) / cols) - y, dx = (j - prefix) % cols - x;
    sum += row[j] * Math.sqrt(dy * dy + dx * dx);
  }
  return sum * patchPx;
}

/**
 * Names of tokens, as TokenQuery writes them: a prefix token's own, "row,col" of a patch (from 0).
 * @param {number} token @param {string[]} names @param {number} cols
 */
export function tokenName(token, names, cols) {
  const at = token - names.length;
  return at < 0 ? names[token] : Math.floor(at / cols) + "," + at % cols;
}

/**
 * The inverse of `tokenName`; −1 for a token that this grid does not have.
 * @param {string} name @param {string[]} names @param {number} rows @param {number} cols
 */
export function tokenNumber(name, names, rows, cols) {
  const known = names.indexOf(name), place = /^(\d+),(\d+)$/.exec(name);
  if (known >= 0 || !place) return known;
  const row = Number(place[1]), col = Number(place[2]);
  return row < rows && col < cols ? names.length + row * cols + col : -1;
}

/**
 * All heads in one picture, each in its colour, as in Fig. 3 of the DINO paper (recipe: facebookresearch/dino issue 92):
 * each map from 0 to 1, what is under 0.2 left out, the rest laid over with weight 0.5·√value. RGBA bytes.
 * @param {Numbers[]} maps @param {number[][]} colours
 */
export function together(maps, colours) {
  const count = maps[0].length, out = new Uint8ClampedArray(4 * count), scaled = maps.map((map) => {
    let low = Infinity, high = -Infinity;
    for (const v of map) { if (v < low) low = v; if (v > high) high = v; }
    return { map, low, span: high - low || 1 };
  });
  for (let i = 0; i < count; i++) {
    let r = 0, g = 0, b = 0, alpha = 0;
    scaled.forEach(({ map, low, span }, h) => {
      const v = (map[i] - low) / span, w = v > 0.2 ? 0.5 * Math.sqrt(v) : 0, colour = colours[h % colours.length];
      r = r * (1 - w) + colour[0] * w; g = g * (1 - w) + colour[1] * w; b = b * (1 - w) + colour[2] * w;
      alpha = alpha * (1 - w) + w;
    });
    out[4 * i] = r / (alpha || 1); out[4 * i + 1] = g / (alpha || 1); out[4 * i + 2] = b / (alpha || 1);
    out[4 * i + 3] = 255 * alpha;
  }
  return out;
}
