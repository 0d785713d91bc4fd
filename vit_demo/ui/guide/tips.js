// What a term means, beside the term: under the pointer, at a tap, or while it has the keyboard's focus.

/**
 * @param {HTMLElement} tip @param {(name: string, language: string) => [string, string] | undefined} meaning
 */
export function makeTips(tip, meaning) {
  /** @param {EventTarget | null} target */
  const termOf = (target) => (target instanceof Element ? target.closest(".vd-term") : null);

  /** @param {HTMLElement} term */
  const nameOf = (term) => [...term.classList].find((name) => name.startsWith("term-"))?.slice(5) ?? "";

  /** @param {Element | null} term */
  function show(term) {
    const found = term instanceof HTMLElement ? meaning(nameOf(term), term.lang === "zh" ? "zh" : "en") : undefined;
    tip.hidden = !found;
    if (!found || !term) return;
    const name = document.createElement("b");
    name.textContent = found[0];
    tip.replaceChildren(name, " " + found[1]);
    // On the whole screen only what is inside the presented element is drawn
    const home = document.fullscreenElement ?? document.querySelector(".gradio-container");
    if (home && tip.parentElement !== home) home.append(tip);
    const at = term.getBoundingClientRect(), box = tip.getBoundingClientRect();
    tip.style.left = Math.max(8, Math.min(innerWidth - box.width - 8, at.left)) + "px";
    const below = at.bottom + 6 + box.height < innerHeight;
    tip.style.top = (below ? at.bottom + 6 : at.top - box.height - 6) + "px";
    term.setAttribute("aria-describedby", tip.id);
  }

  document.addEventListener("pointerover", (event) => { if (termOf(event.target)) show(termOf(event.target)); });
  document.addEventListener("pointerout", (event) => { if (termOf(event.target)) show(null); });
  document.addEventListener("focusin", (event) => show(termOf(event.target)));
  document.addEventListener("click", (event) => { if (termOf(event.target)) show(termOf(event.target)); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") show(null); });
  document.addEventListener("scroll", () => show(null), { capture: true, passive: true });
}
