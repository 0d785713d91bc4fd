// The map of the whole model: every step with the shape of what leaves it, the current one lit.

import { make } from "../../kit/canvas.js";

/**
 * @param {HTMLElement} list @param {any} data @param {(name: string) => void} go
 */
export function drawMap(list, data, go) {
  list.replaceChildren();
  data.map.forEach((/** @type {any} */ step, /** @type {number} */ number) => {
    const item = make("li", step.layer ? "vd-walk-in-layer" : "", list), button = make("button", "", item);
    button.type = "button";
    if (step.name === data.step) button.setAttribute("aria-current", "step");
    make("b", "", button, number < data.map.length - 1 ? String(number + 1) : "✓");
    make("span", "", button, step.short);
    button.title = step.title;
    button.setAttribute("aria-label", step.title + (step.shape ? ", " + step.shape : ""));
    if (step.shape) make("small", "", button, step.shape);
    button.addEventListener("click", () => go(step.name));
  });
  // The current step stays in sight where the map is wider than the page
  const current = list.querySelector("[aria-current]");
  if (current instanceof HTMLElement) {
    const item = /** @type {HTMLElement} */ (current.parentElement);
    list.scrollLeft = item.offsetLeft - list.clientWidth / 2 + item.clientWidth / 2;
  }
}
