// The answer before and after: a sentence, and two bars for every answer that is told.

import { make } from "../../kit/canvas.js";
import { finder } from "../../kit/view.js";
import { fill, percent, signed } from "../../kit/words.js";

/** @typedef {{ label: string, example: string, before: number, after: number }} Answer */

/**
 * @param {HTMLElement} element of the view @param {any} data its value @param {boolean} nothing is changed
 * @returns {string} the sentence
 */
export function showAnswer(element, data, nothing) {
  const find = finder(element), root = find(".vd-what"), { words } = data, example = data.kind === "example";
  /** @type {Answer[]} */
  const answers = data.rows_of_answers;
  const before = answers[data.best_before], after = answers[data.best_after];
  const values = { name: before.label, before: before.label, after: after.label,
    from: number(before.before, example), to: number(before.after, example) };
  const sentence = nothing ? words.unchanged
    : fill(words[before === after ? (example ? "like_stays" : "answer_stays") : (example ? "like_changes" : "answer_changes")], values);
  find(".vd-what-verdict").textContent = sentence;
  root.dataset.answer = after.label;
  root.dataset.changed = String(before !== after);
  find(".vd-what-bars").replaceChildren(...answers.map((answer) => bar(answer, data)));
  find(".vd-what-likeness").textContent = fill(words.likeness, { value: signed(data.likeness.toFixed(3)) });
  find(".vd-what-like").textContent = example ? fill(words.like, { layer: data.layer_read + 1, depth: data.depth }) : "";
  find(".vd-what-left-out").hidden = !data.left_out;
  return sentence;
}

/** A cosine, or a probability. @param {number} value @param {boolean} example */
function number(value, example) {
  return example ? signed(value.toFixed(3)) : percent(value) + " %";
}

/** @param {Answer} answer @param {any} data */
function bar(answer, data) {
  const line = make("li", ""), example = data.kind === "example";
  if (answer.example) Object.assign(make("img", "", line), { src: data.examples[answer.example], alt: "" });
  make("span", "vd-label", line, answer.label);
  const tracks = make("span", "vd-what-tracks", line);
  for (const [name, value] of [["before", answer.before], ["after", answer.after]]) {
    const track = make("span", "vd-track", tracks), filled = make("span", "vd-fill vd-what-" + name, track);
    filled.style.width = 100 * Math.max(0, Number(value)) + "%";
  }
  const difference = answer.after - answer.before;
  const points = example ? difference.toFixed(3) : (100 * difference).toFixed(1);
  make("span", "vd-number", line, number(answer.before, example) + " → " + number(answer.after, example));
  const plus = Number(points) > 0 ? "+" : "";
  const by = make("span", "vd-number vd-what-by", line, Number(points) ? plus + signed(points) : "±0");
  if (!example) by.title = data.words.percent_points;
  return line;
}
