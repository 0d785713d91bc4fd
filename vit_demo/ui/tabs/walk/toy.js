// A Vision Transformer small enough to check by hand: 4×4 pixels, four patches, tokens of four numbers, one head, one
// layer, three classes. No page in here; a test computes everything anew in Python.

/** @typedef {number[][]} Matrix Row by row. */
/** @typedef {Record<string, Matrix>} Toy Matrices by name. */

/** @type {Toy} What can be edited. Tokens are rows, so a row times a matrix is a token's next list of numbers. */
export const START = {
  picture: [[9, 9, 1, 1], [9, 8, 1, 0], [1, 1, 8, 9], [0, 1, 9, 9]],
  mean: [[5]],
  spread: [[5]],
  E: [[1, 0, 0.5, 0], [0, 1, 0.5, 0], [0, 0.5, 0, 1], [1, 0, 0, -0.5]],
  cls: [[0.5, 0, 0, 0.5]],
  P: [[0, 0, 0, 0], [0.5, 0, 0, 0], [0, 0.5, 0, 0], [0, 0, 0.5, 0], [0, 0, 0, 0.5]],
  Wq: [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
  Wk: [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1]],
  Wv: [[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 2]],
  Wo: [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
  W1: [[1, -1, 0, 0], [0, 1, -1, 0], [0, 0, 1, -1], [-1, 0, 0, 1]],
  W2: [[0.5, 0, 0, 0], [0, 0.5, 0, 0], [0, 0, 0.5, 0], [0, 0, 0, 0.5]],
  H: [[1, 0, -1], [0, 1, 0], [-1, 0, 1], [0, -1, 1]],
};

/** Which matrices a step shows, in the order in which they are computed; the names of START can be edited. */
export const TABLES = /** @type {Record<string, string[]>} */ ({
  pixels: ["picture", "mean", "spread", "x"],
  patches: ["x", "patches"],
  embedding: ["patches", "E", "tokens"],
  prefix: ["tokens", "cls", "sequence"],
  positions: ["sequence", "P", "placed"],
  norm: ["placed", "normed"],
  qkv: ["normed", "Wq", "q", "Wk", "k", "Wv", "v"],
  scores: ["q", "k", "scores", "shares"],
  values: ["shares", "v", "collected", "Wo", "projected"],
  residual: ["placed", "projected", "middle"],
  mlp: ["normed2", "W1", "hidden", "bent", "W2", "added"],
  layers: ["middle", "added", "out"],
  answer: ["final", "H", "logits", "answer"],
});

const SIDE = 2;

/** @param {Matrix} a @param {Matrix} b @returns {Matrix} */
export function product(a, b) {
  return a.map((row) => b[0].map((_, j) => row.reduce((sum, value, i) => sum + value * b[i][j], 0)));
}

/** @param {Matrix} a @param {Matrix} b @returns {Matrix} */
const sum = (a, b) => a.map((row, i) => row.map((value, j) => value + b[i][j]));

/** @param {Matrix} a @returns {Matrix} */
const turned = (a) => a[0].map((_, j) => a.map((row) => row[j]));

/**
 * Each row less its mean, over its standard deviation; a row without any spread becomes 0.
 * @param {Matrix} a @returns {Matrix}
 */
export function normalised(a) {
  return a.map((row) => {
    const mean = row.reduce((all, value) => all + value, 0) / row.length;
    const spread = Math.sqrt(row.reduce((all, value) => all + (value - mean) ** 2, 0) / row.length);
    return row.map((value) => (spread > 1e-9 ? (value - mean) / spread : 0));
  });
}

/** @param {Matrix} a @returns {Matrix} each row as shares of 1 */
export function softmax(a) {
  return a.map((row) => {
    const top = Math.max(...row), raised = row.map((value) => Math.exp(value - top));
    const total = raised.reduce((all, value) => all + value, 0);
    return raised.map((value) => value / total);
  });
}

/**
 * Squares of 2×2 pixels, row by row, each as a row of its four pixels.
 * @param {Matrix} picture @returns {Matrix}
 */
export function patchesOf(picture) {
  /** @type {Matrix} */
  const found = [];
  for (let row = 0; row < picture.length; row += SIDE)
    for (let col = 0; col < picture[0].length; col += SIDE)
      found.push([0, 1, 2, 3].map((i) => picture[row + (i >> 1)][col + (i & 1)]));
  return found;
}

/**
 * Everything from the picture to the answer. The bend in the MLP is ReLU, which a hand can compute: what is below 0
 * becomes 0.
 * @param {Toy} toy @returns {Toy}
 */
export function compute(toy) {
  const spread = toy.spread[0][0] || 1;
  const x = toy.picture.map((row) => row.map((value) => (value - toy.mean[0][0]) / spread));
  const patches = patchesOf(x), tokens = product(patches, toy.E), sequence = [...toy.cls, ...tokens];
  const placed = sum(sequence, toy.P), normed = normalised(placed);
  const [q, k, v] = [toy.Wq, toy.Wk, toy.Wv].map((weight) => product(normed, weight));
  const scores = product(q, turned(k)).map((row) => row.map((value) => value / Math.sqrt(q[0].length)));
  const shares = softmax(scores), collected = product(shares, v), projected = product(collected, toy.Wo);
  const middle = sum(placed, projected), normed2 = normalised(middle), hidden = product(normed2, toy.W1);
  const bent = hidden.map((row) => row.map((value) => Math.max(0, value))), added = product(bent, toy.W2);
  const out = sum(middle, added), final = normalised(out.slice(0, 1)), logits = product(final, toy.H);
  const results = { x, patches, tokens, sequence, placed, normed, q, k, v, scores, shares, collected, projected, middle };
  return { ...toy, ...results, normed2, hidden, bent, added, out, final, logits, answer: softmax(logits) };
}
