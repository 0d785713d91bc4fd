// A view in a file of its own: what it would ask a server for lies packed in the same file. No request is made.

/**
 * @typedef {object} Page What the file holds, as JSON.
 * @property {Record<string, Record<string, unknown>>} words By language: what the view's data says in it.
 * @property {string} language The one it begins with.
 * @property {string | null} picture A data URL.
 * @property {{ data: Record<string, any>, files: Record<string, string> }[]} values What a server would send, one after
 * the other: data, and the ids of packed files by name.
 * @property {number} first
 */

/**
 * The bytes of a packed file: base64 of gzip of its even bytes, then its odd ones (of 16-bit numbers the high bytes
 * pack far better apart).
 * @param {string} text @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function unpacked(text) {
  const packed = await (await fetch("data:application/gzip;base64," + text)).blob();
  const stream = packed.stream().pipeThrough(new DecompressionStream("gzip"));
  return interleaved(new Uint8Array(await new Response(stream).arrayBuffer()));
}

/**
 * The inverse of taking a file's bytes apart into even and odd ones.
 * @param {Uint8Array} planes
 */
export function interleaved(planes) {
  const out = new Uint8Array(planes.length), half = Math.ceil(planes.length / 2);
  for (let i = 0; i < half; i++) out[2 * i] = planes[i];
  for (let i = half; i < planes.length; i++) out[2 * (i - half) + 1] = planes[i];
  return out;
}

/**
 * Which of the values answers an event of the view, or −1: the wanted layer's, or where the file does not have it the
 * nearest one's.
 * @param {{ data: Record<string, any> }[]} values @param {string} name @param {any} data
 */
export function answerTo(values, name, data) {
  if (name !== "input" || !Number.isInteger(data?.layer)) return -1;
  const far = values.map((value) => Math.abs(value.data.layer - data.layer));
  return far.indexOf(Math.min(...far));
}

/**
 * @param {(host: import("./view.js").Host) => void} mount @param {HTMLElement} element
 */
export async function start(mount, element) {
  const read = (/** @type {string} */ id) => document.getElementById(id)?.textContent ?? "";
  /** @type {Page} */
  const page = JSON.parse(read("vd-page"));
  /** @type {{ value: any }} */
  const props = { value: null };
  /** @type {(() => void)[]} */
  const watchers = [];
  /** @type {Map<string, string>} */
  const urls = new Map();
  let language = page.language, now = page.first;

  /** @param {string} id */
  async function urlOf(id) {
    let url = urls.get(id);
    if (!url) {
      url = URL.createObjectURL(new Blob([await unpacked(read(id).trim())]));
      urls.set(id, url);
    }
    return { url };
  }

  /** @param {number} index @param {object} [more] */
  async function give(index, more = {}) {
    now = index;
    const { data, files } = page.values[index], names = Object.keys(files);
    const found = await Promise.all(names.map((name) => urlOf(files[name])));
    props.value = {
      picture: page.picture && { url: page.picture },
      files: Object.fromEntries(names.map((name, i) => [name, found[i]])),
      data: { ...data, ...page.words[language], ...more },
    };
    watchers.forEach((run) => run());
  }

  let times = 0;
  await give(page.first);
  mount({
    element,
    props,
    watch: (name, run) => { if (name === "value") watchers.push(run); },
    trigger: (name, data) => {
      const index = answerTo(page.values, name, data);
      if (index < 0) return;
      const layer = page.values[index].data.layer, asked = /** @type {any} */ (data).layer;
      // Another layer than was asked for: the view goes there
      give(index, { times: ++times, ...(layer === asked ? {} : { selection: { layer, head: null, token: "cls", times } }) });
    },
  });
  for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("[data-language]")))
    button.addEventListener("click", () => {
      language = button.dataset.language ?? language;
      document.documentElement.lang = language;
      for (const each of document.querySelectorAll("[data-language]")) each.setAttribute("aria-pressed", String(each === button));
      for (const node of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-said]")))
        node.hidden = node.dataset.said !== language;
      give(now, { times: ++times });
    });
}
