// The two-minute tour: offered once to a browser, and never again.

import { fill } from "../kit/words.js";

const KEPT = "vd-tour";

/**
 * @param {<E extends HTMLElement = HTMLElement>(selector: string) => E} find @param {() => any} words
 * @param {(query: Record<string, string>) => void} go
 */
export function makeTour(find, words, go) {
  const offer = find(".vd-tour-offer"), card = find(".vd-tour-card");
  /** @type {Element | null} */
  let lit = null;
  let number = -1;

  function keep() {
    offer.hidden = true;
    try { localStorage.setItem(KEPT, "1"); } catch { /* a browser that keeps nothing is asked again */ }
  }

  function seen() {
    try { return localStorage.getItem(KEPT) === "1"; } catch { return false; }
  }

  /** @param {number} at */
  function stop(at) {
    lit?.classList.remove("vd-tour-lit");
    const stops = words().tour;
    number = at < stops.length ? at : -1;
    card.hidden = number < 0;
    document.querySelector(".gradio-container")?.classList.toggle("vd-unfolded", number >= 0 && number < 2);
    if (number < 0) return;
    say();
    lit = document.querySelector(stops[number].at);
    lit?.classList.add("vd-tour-lit");
    lit?.scrollIntoView({ block: "center", behavior: "smooth" });
    find("[name=tour_next]").focus({ preventScroll: true });
  }

  function say() {
    const said = words();
    const offered = find(".vd-tour-offer span");
    offered.textContent = said.tour_offer;
    find("[name=start]").textContent = said.tour_start;
    find("[name=no]").textContent = said.tour_no;
    find("[name=tour_next]").textContent = number === said.tour.length - 1 ? said.tour_open : said.tour_next;
    find("[name=tour_end]").textContent = said.tour_end;
    card.setAttribute("aria-label", said.tour_start);
    if (number < 0) return;
    find(".vd-tour-step").textContent = fill(said.tour_step, { number: number + 1, count: said.tour.length });
    find(".vd-tour-words").textContent = said.tour[number].words;
  }

  offer.hidden = seen() || new URLSearchParams(location.search).has("room");
  find("[name=start]").addEventListener("click", () => { keep(); stop(0); });
  find("[name=no]").addEventListener("click", keep);
  find("[name=tour_next]").addEventListener("click", () => {
    if (number === words().tour.length - 1) go({ tab: "walk" });
    stop(number + 1);
  });
  find("[name=tour_end]").addEventListener("click", () => stop(Infinity));
  card.addEventListener("keydown", (event) => { if (event.key === "Escape") stop(Infinity); });
  return { say };
}
