// The mathematics of the explorer: pure functions, tested with Node against Python. Letters as in vit_demo/model:
// N tokens = p prefix tokens, then rows·cols patches; h heads of width d.

// value = integer · step, a step per head and channel: (h, N, d) integers and (h, d) steps to float32.
function fromSteps(integers, steps, heads, tokens, width) {
  const out = new Float32Array(integers.length);
  for (let h = 0, i = 0; h < heads; h++)
    for (let t = 0; t < tokens; t++)
      for (let c = 0; c < width; c++, i++) out[i] = integers[i] * steps[h * width + c];
  return out;
}

// The arrays of one layer's file (see ui/tabs/attention.py), ready to compute with.
function layerFrom(arrays) {
  const [heads, tokens, width] = arrays.queries.shape;
  return {
    heads, tokens, width,
    q: fromSteps(arrays.queries, arrays.query_steps, heads, tokens, width),
    k: fromSteps(arrays.keys, arrays.key_steps, heads, tokens, width),
    logSums: arrays.log_sums, features: arrays.features, channels: arrays.features.shape[1],
    distance: arrays.distance_px,
  };
}

// out[j] = a[at …]·b[j-th line of a head], for all tokens.
function dots(a, at, b, from, tokens, width, out) {
  for (let j = 0, i = from; j < tokens; j++) {
    let s0 = 0, s1 = 0, s2 = 0, s3 = 0, c = 0;
    for (; c + 3 < width; c += 4, i += 4) {
      s0 += a[at + c] * b[i]; s1 += a[at + c + 1] * b[i + 1];
      s2 += a[at + c + 2] * b[i + 2]; s3 += a[at + c + 3] * b[i + 3];
    }
    for (; c < width; c++, i++) s0 += a[at + c] * b[i];
    out[j] = s0 + s1 + s2 + s3;
  }
}

// Where `token` looks: softmax over all tokens j of q_token·k_j. (The 1/√d is in q already.) Sums to 1.
function rowOf(layer, head, token) {
  const { tokens, width } = layer, from = head * tokens * width, out = new Float32Array(tokens);
  dots(layer.q, from + token * width, layer.k, from, tokens, width, out);
  let top = -Infinity, sum = 0;
  for (let j = 0; j < tokens; j++) if (out[j] > top) top = out[j];
  for (let j = 0; j < tokens; j++) sum += out[j] = Math.exp(out[j] - top);
  for (let j = 0; j < tokens; j++) out[j] /= sum;
  return out;
}

// Who looks at `token`: A[i, token] = exp(q_i·k_token − logSum_i) for every token i. Does not sum to 1.
function columnOf(layer, head, token) {
  const { tokens, width } = layer, from = head * tokens * width, out = new Float32Array(tokens);
  dots(layer.k, from + token * width, layer.q, from, tokens, width, out);
  for (let i = 0; i < tokens; i++) out[i] = Math.exp(out[i] - layer.logSums[head * tokens + i]);
  return out;
}

// Cosine of the layer's output at `token` with that at every token, from int16 directions.
function cosinesOf(layer, token) {
  const { features, channels, tokens } = layer, out = new Float32Array(tokens), norms = new Float32Array(tokens);
  for (let t = 0, i = 0; t < tokens; t++) {
    let dot = 0, square = 0;
    for (let c = 0; c < channels; c++, i++) {
      dot += features[i] * features[token * channels + c];
      square += features[i] * features[i];
    }
    out[t] = dot;
    norms[t] = Math.sqrt(square) || 1;
  }
  for (let t = 0; t < tokens; t++) out[t] /= norms[t] * norms[token] || 1;
  return out;
}

// Several maps as one: "mean", "sum" or "max" at every token.
function fused(maps, how) {
  const out = Float32Array.from(maps[0]);
  for (const map of maps.slice(1))
    for (let i = 0; i < out.length; i++) out[i] = how === "max" ? Math.max(out[i], map[i]) : out[i] + map[i];
  if (how === "mean") for (let i = 0; i < out.length; i++) out[i] /= maps.length;
  return out;
}

// −Σ a·log2 a of a row that sums to 1.
function entropyBits(row) {
  let bits = 0;
  for (const a of row) if (a > 0) bits -= a * Math.log2(a);
  return bits;
}

function sumOf(values, from, to) {
  let sum = 0;
  for (let i = from; i < to; i++) sum += values[i];
  return sum;
}

// Σ_j a_j·distance(patch, j) in pixels over patches j, as ViT Fig. 7 right counts it: prefix tokens add nothing.
// NaN for a prefix token, which has no place.
function distancePx(row, token, prefix, cols, patchPx) {
  if (token < prefix) return NaN;
  const at = token - prefix, y = Math.floor(at / cols), x = at % cols;
  let sum = 0;
  for (let j = prefix; j < row.length; j++) {
    const dy = Math.floor((j - prefix) / cols) - y, dx = (j - prefix) % cols - x;
    sum += row[j] * Math.sqrt(dy * dy + dx * dx);
  }
  return sum * patchPx;
}

// Names of tokens, as TokenQuery writes them: a prefix token's own, "row,col" of a patch (from 0).
function tokenName(token, names, cols) {
  const at = token - names.length;
  return at < 0 ? names[token] : Math.floor(at / cols) + "," + at % cols;
}

// The inverse; −1 for a token that this grid does not have.
function tokenNumber(name, names, rows, cols) {
  const known = names.indexOf(name), place = /^(\d+),(\d+)$/.exec(name);
  if (known >= 0 || !place) return known;
  const row = Number(place[1]), col = Number(place[2]);
  return row < rows && col < cols ? names.length + row * cols + col : -1;
}

// All heads in one picture, each in its colour, as in Fig. 3 of the DINO paper (recipe: facebookresearch/dino issue 92):
// each map from 0 to 1, what is under 0.2 left out, the rest laid over with weight 0.5·√value. RGBA bytes.
function together(maps, colours) {
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

if (typeof module !== "undefined") {
  module.exports = { fromSteps, layerFrom, rowOf, columnOf, cosinesOf, fused, entropyBits, sumOf, distancePx, tokenName,
    tokenNumber, together };
}
