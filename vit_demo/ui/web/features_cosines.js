// Pure functions of the Features view. No page in here, so Node can test them.

// Cosines of one patch with all patches of a picture, both as int16 vectors times a step that makes them unit vectors.
// Four sums at a time: the pointer waits for it. (Sums of products of int16 are whole numbers below 2^53: exact.)
function cosinesFrom(query, queryStep, vectors, steps) {
  const out = new Float32Array(steps.length), width = query.length, fours = width - width % 4;
  const q = Float64Array.from(query);
  for (let i = 0, k = 0; i < out.length; i++) {
    let s0 = 0, s1 = 0, s2 = 0, s3 = 0, d = 0;
    for (; d < fours; d += 4, k += 4) {
      s0 += q[d] * vectors[k];
      s1 += q[d + 1] * vectors[k + 1];
      s2 += q[d + 2] * vectors[k + 2];
      s3 += q[d + 3] * vectors[k + 3];
    }
    for (; d < width; d++, k++) s0 += q[d] * vectors[k];
    out[i] = (s0 + s1 + s2 + s3) * queryStep * steps[i];
  }
  return out;
}

// Index of the largest value; `but` is left out.
function bestOf(values, but) {
  let best = -1;
  for (let i = 0; i < values.length; i++) if (i !== but && (best < 0 || values[i] > values[best])) best = i;
  return best;
}

function smallest(values) {
  let low = Infinity;
  for (const value of values) if (value < low) low = value;
  return low;
}

// RGBA of colours given as bytes r, g, b.
function opaque(rgb) {
  const out = new Uint8ClampedArray(rgb.length / 3 * 4);
  for (let i = 0, k = 0; i < out.length; i += 4, k += 3) {
    out[i] = rgb[k]; out[i + 1] = rgb[k + 1]; out[i + 2] = rgb[k + 2]; out[i + 3] = 255;
  }
  return out;
}

if (typeof module !== "undefined") module.exports = { cosinesFrom, bestOf, smallest, opaque };
