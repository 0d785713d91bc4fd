// Words and numbers as people read them. No page in here but `translate`, which puts phrases where a template wants them.

/** @typedef {Record<string, string>} Words Phrases by name. */

/**
 * "row {row}" with values in place.
 * @param {string} phrase @param {Record<string, unknown>} values
 */
export function fill(phrase, values) {
  return phrase.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/**
 * A share in percent, with no more digits than it deserves; without the sign.
 * @param {number} value @param {number} [digits]
 */
export function percent(value, digits) {
  const p = 100 * value;
  if (digits !== undefined) return p.toFixed(digits);
  if (p > 0 && p < 0.0005) return "< 0.001";
  return p === 0 ? "0" : p >= 10 ? p.toFixed(0) : p >= 1 ? p.toFixed(1) : p >= 0.1 ? p.toFixed(2) : p.toFixed(3);
}

/**
 * A number's text with a real minus sign, and none before a zero.
 * @param {string} text
 */
export function signed(text) {
  return text.replace("-", "−").replace(/^−(0(\.0*)?)$/, "$1");
}

/**
 * Puts phrases on the elements that name them: data-word is read, data-label is read aloud.
 * @param {Element} element @param {Words} words
 */
export function translate(element, words) {
  for (const node of element.querySelectorAll("[data-word]"))
    node.textContent = words[/** @type {HTMLElement} */ (node).dataset.word ?? ""];
  for (const node of element.querySelectorAll("[data-label]"))
    node.setAttribute("aria-label", words[/** @type {HTMLElement} */ (node).dataset.label ?? ""]);
}
