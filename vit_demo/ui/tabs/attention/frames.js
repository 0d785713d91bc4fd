// Frames of a camera as bytes, and how many of them are answered a second. No page in here, so that Node tests it.

const CHUNK = 0x8000;  // characters that a call can take as arguments

/**
 * The red, green and blue of RGBA pixels, and after them other bytes.
 * @param {Uint8ClampedArray} rgba @param {Uint8Array} [more]
 */
export function rgbOf(rgba, more = new Uint8Array(0)) {
  const count = rgba.length / 4 * 3, out = new Uint8Array(count + more.length);
  for (let i = 0, k = 0; i < rgba.length; i += 4, k += 3) {
    out[k] = rgba[i]; out[k + 1] = rgba[i + 1]; out[k + 2] = rgba[i + 2];
  }
  out.set(more, count);
  return out;
}

/**
 * Bytes as base64.
 * @param {Uint8Array} bytes
 */
export function textOf(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += CHUNK) text += String.fromCharCode(...bytes.subarray(i, i + CHUNK));
  return btoa(text);
}

/** @typedef {{ rate: number, total: number, compute: number, wait: number, rest: number }} Figures per second, and milliseconds */

/** How fast frames are answered: over those of the last seconds. */
export class Pace {
  /** @param {number} [overMs] */
  constructor(overMs = 3000) {
    this.overMs = overMs;
    /** @type {{ at: number, total: number, compute: number, wait: number }[]} */
    this.frames = [];
  }

  /**
   * A frame is shown.
   * @param {number} taken when the camera's picture was taken, in milliseconds @param {number} shown when it was drawn
   * @param {number} compute how long the server computed @param {number} wait how long it waited for others
   */
  add(taken, shown, compute, wait) {
    this.frames.push({ at: shown, total: shown - taken, compute, wait });
    while (this.frames.length > 2 && this.frames[0].at < shown - this.overMs) this.frames.shift();
  }

  /** @returns {Figures | null} null before the second frame */
  get figures() {
    const frames = this.frames, count = frames.length;
    if (count < 2) return null;
    /** @param {"total" | "compute" | "wait"} name */
    const mean = (name) => frames.reduce((sum, one) => sum + one[name], 0) / count;
    const total = mean("total"), compute = mean("compute"), wait = mean("wait");
    const rate = 1000 * (count - 1) / Math.max(1, frames[count - 1].at - frames[0].at);
    return { rate, total, compute, wait, rest: Math.max(0, total - compute - wait) };
  }
}
