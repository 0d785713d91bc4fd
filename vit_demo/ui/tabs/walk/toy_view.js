// The toy beside a step: its tables, of which those that are given can be edited.

import { make } from "../../kit/canvas.js";
import { signed } from "../../kit/words.js";
import { compute, START, TABLES } from "./toy.js";

const TOKENS = ["CLS", "1", "2", "3", "4"];
// Matrices whose rows are tokens; of the patches alone
const OF_PATCHES = new Set(["patches", "tokens"]);
const OF_TOKENS = new Set(["sequence", "P", "placed", "normed", "q", "k", "v", "scores", "shares", "collected",
  "projected", "middle", "normed2", "hidden", "bent", "added", "out"]);
const BETWEEN_TOKENS = new Set(["scores", "shares"]);

/** The toy of one page: what was edited stays from step to step. */
export function makeToy() {
  /** @type {import("./toy.js").Toy} */
  let toy = structuredClone(START);

  /**
   * @param {HTMLElement} box @param {string} step @param {import("../../kit/words.js").Words} words
   */
  function draw(box, step, words) {
    const names = TABLES[step] ?? [], cells = /** @type {[string, number, number, HTMLElement][]} */ ([]);
    box.replaceChildren();
    if (!names.length) return;
    make("p", "vd-walk-note", box, words["toy_" + step]);
    const row = make("div", "vd-walk-toy-tables", box);
    for (const name of names) row.append(table(name, words, cells));
    const again = make("button", "", box, words.toy_reset);
    again.type = "button";
    again.addEventListener("click", () => {
      toy = structuredClone(START);
      draw(box, step, words);
    });
    fillIn(cells);
  }

  /**
   * @param {string} name @param {import("../../kit/words.js").Words} words @param {[string, number, number, HTMLElement][]} cells
   */
  function table(name, words, cells) {
    const figure = make("figure", name in START ? "vd-walk-given" : ""), values = compute(toy)[name];
    make("figcaption", "", figure, words["toy_m_" + name]);
    const body = make("tbody", "", make("table", "", figure));
    if (BETWEEN_TOKENS.has(name)) {
      const head = make("tr", "", body);
      make("td", "", head);
      for (const token of TOKENS) make("th", "", head, token).scope = "col";
    }
    values.forEach((line, i) => {
      const row = make("tr", "", body);
      if (OF_TOKENS.has(name)) make("th", "", row, TOKENS[i]).scope = "row";
      if (OF_PATCHES.has(name)) make("th", "", row, TOKENS[i + 1]).scope = "row";
      line.forEach((_, j) => {
        const cell = make("td", "", row);
        if (name in START) cell.append(input(name, i, j, words, cells));
        else cells.push([name, i, j, cell]);
      });
    });
    return figure;
  }

  /**
   * @param {string} name @param {number} i @param {number} j @param {import("../../kit/words.js").Words} words
   * @param {[string, number, number, HTMLElement][]} cells
   */
  function input(name, i, j, words, cells) {
    const field = make("input", "");
    field.type = "number";
    field.step = name === "picture" ? "1" : "0.5";
    field.value = String(toy[name][i][j]);
    field.setAttribute("aria-label", `${words["toy_m_" + name]} ${i + 1}, ${j + 1}`);
    field.addEventListener("input", () => {
      const value = Number(field.value);
      if (field.value === "" || !Number.isFinite(value)) return;
      toy[name][i][j] = value;
      fillIn(cells);
    });
    return field;
  }

  /** @param {[string, number, number, HTMLElement][]} cells */
  function fillIn(cells) {
    const found = compute(toy);
    for (const [name, i, j, cell] of cells) cell.textContent = signed(found[name][i][j].toFixed(BETWEEN_TOKENS.has(name) || name === "answer" ? 3 : 2));
  }

  return { draw };
}
