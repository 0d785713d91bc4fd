// What every view of ours does: find its elements, hide itself without a value, load a new one, count what it has shown.

/**
 * @typedef {object} Host What gradio's HTML component hands over.
 * @property {HTMLElement} element
 * @property {{ value: any }} props
 * @property {(name: string, data?: unknown) => void} trigger
 * @property {(name: string, run: () => void) => void} watch
 */

/**
 * The element of a selector within a view.
 * @param {HTMLElement} element
 * @returns {<E extends HTMLElement = HTMLElement>(selector: string) => E}
 */
export function finder(element) {
  return (selector) => {
    const found = element.querySelector(selector);
    if (!found) throw new Error("this view has no " + selector);
    return /** @type {any} */ (found);
  };
}

/**
 * The view's inputs by name; radio buttons apart.
 * @param {HTMLElement} element @returns {Record<string, any>}
 */
export function controlsOf(element) {
  /** @type {Record<string, any>} */
  const controls = {};
  for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (element.querySelectorAll("[name]")))
    if (input.type !== "radio") controls[input.name || input.getAttribute("name") || ""] = input;
  return controls;
}

/**
 * Runs `load` with the view's value now and whenever the server sends another. A later value overtakes a slower one:
 * `load` asks `current()` after each pause. The root element hides itself while there is nothing, and counts in
 * data-ready what it has shown.
 * @param {Host} host @param {HTMLElement} root
 * @param {(value: any, current: () => boolean) => (boolean | void | Promise<boolean | void>)} load false: nothing shown
 */
export function follow({ props, watch }, root, load) {
  let turn = 0;
  const run = async () => {
    const mine = ++turn, value = props.value;
    root.hidden = !value || !value.data;
    if (root.hidden) return;
    const shown = await load(value, () => mine === turn);
    if (shown !== false && mine === turn) root.dataset.ready = String(Number(root.dataset.ready) + 1);
  };
  watch("value", run);
  run();
}
