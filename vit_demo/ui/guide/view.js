// What leads a visitor: the tour, terms, links into a state, a class that follows its teacher, the fold on a phone.

import { finder, follow } from "../kit/view.js";
import { makeClass } from "./class.js";
import { makeFold } from "./fold.js";
import { makeTips } from "./tips.js";
import { makeTour } from "./tour.js";

/** The language that the page speaks now. */
export function language() {
  const chosen = document.querySelector("#vd-language input:checked");
  return chosen instanceof HTMLInputElement && chosen.value === "zh" ? "zh" : "en";
}

/** @param {import("../kit/view.js").Host} host */
export function mount(host) {
  const find = finder(host.element), root = find(".vd-guide");
  /** @type {any} */
  let data = null;
  const words = () => data.words[language()];
  /** @param {Record<string, string>} query */
  const go = (query) => host.trigger("select", { go: query });
  const classroom = makeClass(find, words, host.trigger);

  follow(host, root, ({ data: sent }) => {
    if (!sent.words) return void classroom.pushed(sent);
    const first = !data;
    data = sent;
    if (!first) return;
    const parts = [makeTour(find, words, go), makeFold(find, words), classroom];
    const say = () => parts.forEach((part) => part.say());
    makeTips(find(".vd-tip"), (name, spoken) => data.words[spoken].terms[name]);
    document.getElementById("vd-language")?.addEventListener("change", () => setTimeout(say));
    if (data.classroom) classroom.open();
    say();
    // The language may be set by the server once the page stands
    new MutationObserver(say).observe(document.getElementById("vd-language") ?? document.body,
      { subtree: true, attributes: true, attributeFilter: ["class"] });
  });

  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a.vd-go") : null;
    if (!(link instanceof HTMLElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(JSON.parse(link.dataset.go ?? "{}"));
    document.getElementById("vd-tabs")?.scrollIntoView({ block: "start", behavior: "smooth" });
  });
}
