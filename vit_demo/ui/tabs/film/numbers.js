// The numbers of a film's frames, as they come part by part: maps, directions, pictures. No page in here.

import { largest } from "../../kit/maps.js";

/** @typedef {import("../../kit/files.js").Arrays} Arrays */
/** @typedef {{ arrays: Arrays, first: number, starts: number[] }} Part `first` is its first frame's number. */

export const ALL_HEADS = -1;

export class Numbers {
  constructor() {
    /** @type {Part[]} */
    this.parts = [];
    /** @type {Map<number, number>} */
    this.tops = new Map();
    /** @type {Arrays | null} */
    this.colours = null;
  }

  /** How many frames are here. */
  get count() {
    const last = this.parts[this.parts.length - 1];
    return last ? last.first + last.arrays.maps.shape[0] : 0;
  }

  get heads() { return this.parts.length ? this.parts[0].arrays.maps.shape[1] : 0; }

  get patches() { return this.parts.length ? this.parts[0].arrays.maps.shape[2] : 0; }

  /**
   * The next part, in order.
   * @param {Arrays} arrays
   */
  add(arrays) {
    let at = 0;
    const starts = [...arrays.lengths].map((length) => (at += length) - length);
    this.parts.push({ arrays, first: this.count, starts });
    this.tops.clear();
  }

  /** @param {number} frame @returns {[Part, number]} its part, and its number in there */
  find(frame) {
    const part = this.parts.find((one) => frame < one.first + one.arrays.maps.shape[0]) ?? this.parts[this.parts.length - 1];
    return [part, Math.min(frame - part.first, part.arrays.maps.shape[0] - 1)];
  }

  /**
   * A head's map in a frame, or with −1 the mean of all.
   * @param {number} frame @param {number} head
   */
  map(frame, head) {
    const [{ arrays: { maps, tops } }, i] = this.find(frame), n = this.patches, h = this.heads, out = new Float32Array(n);
    for (let one = head < 0 ? 0 : head; one < (head < 0 ? h : head + 1); one++) {
      const from = (i * h + one) * n, step = tops[i * h + one] / 255 / (head < 0 ? h : 1);
      for (let k = 0; k < n; k++) out[k] += maps[from + k] * step;
    }
    return out;
  }

  /**
   * The share that a head, or the mean of all, gave to prefix tokens.
   * @param {number} frame @param {number} head
   */
  outside(frame, head) {
    const [{ arrays: { prefix } }, i] = this.find(frame), h = this.heads;
    if (head >= 0) return prefix[i * h + head];
    return [...prefix.subarray(i * h, (i + 1) * h)].reduce((sum, share) => sum + share, 0) / h;
  }

  /**
   * The largest value of a head's maps over the frames that are here: the film has one scale.
   * @param {number} head
   */
  top(head) {
    let top = this.tops.get(head);
    if (top === undefined) {
      top = 0;
      for (let frame = 0; frame < this.count; frame++) top = Math.max(top, largest(this.map(frame, head)));
      this.tops.set(head, top);
    }
    return top;
  }

  /**
   * Cosines of every patch of a frame with one patch of another.
   * @param {number} frame @param {{ frame: number, patch: number }} other
   */
  cosines(frame, other) {
    const [{ arrays: { features } }, i] = this.find(frame), [from, j] = this.find(other.frame);
    const n = this.patches, width = features.shape[2], start = (j * n + other.patch) * width;
    const query = from.arrays.features.subarray(start, start + width), out = new Float32Array(n);
    let length = 0;
    for (const value of query) length += value * value;
    for (let k = 0, at = i * n * width; k < n; k++) {
      let product = 0, own = 0;
      for (let c = 0; c < width; c++, at++) { product += features[at] * query[c]; own += features[at] * features[at]; }
      out[k] = product / (Math.sqrt(own * length) || 1);
    }
    return out;
  }

  /**
   * Red, green and blue of a frame's patches; null while they are not here.
   * @param {number} frame
   */
  rgb(frame) {
    const n = 3 * this.patches;
    return this.colours && this.colours.colours.subarray(frame * n, (frame + 1) * n);
  }

  /**
   * The picture that the model saw, as the bytes of a JPEG file.
   * @param {number} frame
   */
  picture(frame) {
    const [{ arrays: { pictures, lengths }, starts }, i] = this.find(frame);
    return /** @type {Uint8Array<ArrayBuffer>} */ (pictures.slice(starts[i], starts[i] + lengths[i]));
  }
}
