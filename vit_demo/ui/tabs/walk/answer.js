// The last step's shares, computed here from the model's scores: a temperature can slide without asking the server.

import { make } from "../../kit/canvas.js";
import { percent } from "../../kit/words.js";

/**
 * softmax(scores / temperature); with `each`, of a head whose classes are asked one by one, the sigmoid of each.
 * @param {number[]} scores @param {number} temperature @param {boolean} [each]
 */
export function sharesAt(scores, temperature, each = false) {
  if (each) return scores.map((score) => 1 / (1 + Math.exp(-score / temperature)));
  const top = Math.max(...scores), raised = scores.map((score) => Math.exp((score - top) / temperature));
  const total = raised.reduce((sum, one) => sum + one, 0);
  return raised.map((one) => one / total);
}

/**
 * @param {HTMLElement} box @param {{ scores: number[], shown: number[], names: string[], temperature: number, each: boolean }} answer
 */
export function drawAnswers(box, { scores, shown, names, temperature, each }) {
  const slider = /** @type {HTMLInputElement} */ (box.querySelector("[name=temperature]"));
  const list = /** @type {HTMLElement} */ (box.querySelector(".vd-walk-answers"));
  const read = /** @type {HTMLElement} */ (box.querySelector("output"));
  const rows = shown.map((_, i) => {
    const item = make("li", "", list);
    make("span", "vd-label", item, names[i]);
    return { bar: make("span", "vd-fill", make("span", "vd-track", item)), number: make("span", "vd-number", item) };
  });
  slider.value = String(Math.log10(temperature));  // the slider goes by powers of ten
  const draw = () => {
    const now = 10 ** Number(slider.value), shares = sharesAt(scores, now, each);
    read.textContent = now.toFixed(now < 0.1 ? 3 : 2);
    rows.forEach(({ bar, number }, i) => {
      bar.style.width = 100 * shares[shown[i]] + "%";
      number.textContent = percent(shares[shown[i]]) + " %";
    });
  };
  slider.addEventListener("input", draw);
  draw();
}
