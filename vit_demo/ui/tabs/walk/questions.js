// Say first, then look: the questions of a step, and a score that stays in this browser.

import { make } from "../../kit/canvas.js";
import { fill } from "../../kit/words.js";

const KEPT = "vd-walk-answers";

/** @typedef {Record<string, boolean>} Answers Whether a question, by its name, was answered rightly the first time. */

/** @returns {Answers} */
function kept() {
  try {
    const found = JSON.parse(localStorage.getItem(KEPT) ?? "{}");
    return found && typeof found === "object" ? found : {};
  } catch {
    return {};
  }
}

/** @param {Answers} answers */
function keep(answers) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(answers));
  } catch { /* a browser that keeps nothing: the score lasts as long as the page */ }
}

/**
 * How many were right, of how many.
 * @param {Answers} answers
 */
export function scoreOf(answers) {
  const all = Object.values(answers);
  return { right: all.filter(Boolean).length, asked: all.length };
}

/**
 * @param {HTMLElement} box @param {any} data @param {() => void} answered once every question of the step was answered
 */
export function drawQuestions(box, { questions, words }, answered) {
  box.replaceChildren();
  box.hidden = !questions.length;
  box.closest(".vd-walk")?.classList.toggle("vd-walk-answered", !questions.length);
  if (!questions.length) return;
  make("h3", "vd-walk-heading", box, words.questions);
  let open = questions.length;
  const score = make("p", "vd-walk-score");
  for (const one of questions) {
    const group = make("fieldset", "", box);
    make("legend", "", group, one.text);
    const choices = make("div", "vd-walk-options", group), said = make("p", "vd-walk-said", group);
    said.setAttribute("role", "status");
    one.options.forEach((/** @type {string} */ option, /** @type {number} */ i) => {
      const button = make("button", "", choices, option);
      button.type = "button";
      button.addEventListener("click", () => {
        const first = !group.dataset.answered, right = i === one.right;
        button.dataset.right = String(right);
        button.setAttribute("aria-pressed", "true");
        said.textContent = (right ? words.right : fill(words.wrong, { right: one.options[one.right] })) + " " + one.why;
        group.dataset.answered = String(right);
        const answers = kept();
        if (first && !(one.key in answers)) keep({ ...answers, [one.key]: right });
        sayScore(score, words);
        if (first && --open === 0) answered();
      });
    });
  }
  box.append(score);
  sayScore(score, words);
}

/** @param {HTMLElement} line @param {import("../../kit/words.js").Words} words */
function sayScore(line, words) {
  const score = scoreOf(kept());
  line.replaceChildren();
  if (!score.asked) return;
  line.append(fill(words.score, score) + " · " + words.score_kept + " ");
  const again = make("button", "vd-walk-again", line, words.score_reset);
  again.type = "button";
  again.addEventListener("click", () => {
    keep({});
    sayScore(line, words);
  });
}
