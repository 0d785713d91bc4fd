// Files of numbers from the server: the browser's side of ui/kit/binary.py, and the one way in which they are fetched.

const TRY_AGAIN_MS = 1000;

/** @typedef {Int8Array | Uint8Array | Int16Array | Uint16Array | Float32Array} Typed */
/** @typedef {Typed & { shape: number[] }} Shaped Numbers row by row, with the lengths of their axes. */
/** @typedef {Record<string, Shaped>} Arrays */

/** @type {Record<string, new (buffer: ArrayBuffer, offset: number, count: number) => Typed>} */
const KINDS = { Int8Array, Uint8Array, Int16Array, Uint16Array, Float32Array };

/**
 * Typed arrays by name, each with its shape. Nothing is copied.
 * @param {ArrayBuffer} buffer @returns {Arrays}
 */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  /** @type {Arrays} */
  const arrays = {};
  for (const [name, { kind, shape, offset }] of Object.entries(header)) {
    const count = shape.reduce((/** @type {number} */ a, /** @type {number} */ b) => a * b, 1);
    arrays[name] = Object.assign(new KINDS[kind](buffer, 4 + length + offset, count), { shape });
  }
  return arrays;
}

/**
 * The bytes at an address. A request that the network or the server failed is tried once more after a second. null where
 * that did not help, or where the server has let the file go: the caller asks for it anew, or says so.
 * @param {string} url @param {(url: string) => Promise<Response>} [get] @returns {Promise<ArrayBuffer | null>}
 */
export async function fetchBytes(url, get = fetch) {
  for (let attempt = 0; ; attempt++) {
    const answer = await get(url).catch(() => null);
    const buffer = answer && answer.ok ? await answer.arrayBuffer().catch(() => null) : null;
    const gone = answer && answer.status >= 400 && answer.status < 500;
    if (buffer || gone || attempt) return buffer;
    await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN_MS));
  }
}

/**
 * The arrays of a file, or null: see `fetchBytes`.
 * @param {string} url @param {(url: string) => Promise<Response>} [get] @returns {Promise<Arrays | null>}
 */
export async function fetchArrays(url, get = fetch) {
  const buffer = await fetchBytes(url, get);
  return buffer && unpack(buffer);
}
