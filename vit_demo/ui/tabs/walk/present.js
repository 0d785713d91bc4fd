// The presenter view: large type on the whole screen, by keyboard alone, with a spotlight on one part of the step.

const LIT = ".vd-walk-lit-part";

/**
 * @param {HTMLElement} root @param {HTMLButtonElement} button
 * @param {() => (import("../../kit/words.js").Words | undefined)} words
 */
export function presenter(root, button, words) {
  let lit = -1;

  /** @param {boolean} on */
  function set(on) {
    root.classList.toggle("vd-presenting", on);
    button.setAttribute("aria-pressed", String(on));
    const said = words();
    if (said) button.textContent = on ? said.present_end : said.present;
    light(-1);
    if (on) {
      // Where a browser refuses the whole screen, the page itself is filled
      root.requestFullscreen?.().catch(() => {});
      root.focus({ preventScroll: true });
    } else if (document.fullscreenElement === root) document.exitFullscreen().catch(() => {});
  }

  /** @param {number} which */
  function light(which) {
    const parts = [...root.querySelectorAll(LIT)].filter((part) => part.clientHeight > 0);
    lit = which < parts.length ? which : -1;
    root.classList.toggle("vd-walk-spot", lit >= 0);
    parts.forEach((part, i) => part.classList.toggle("vd-walk-lit", i === lit));
    if (lit < 0) return;
    const part = parts[lit];
    if (part instanceof HTMLDetailsElement) part.open = true;
    part.scrollIntoView({ block: part.clientHeight > innerHeight / 2 ? "start" : "nearest" });
  }

  button.addEventListener("click", () => set(!root.classList.contains("vd-presenting")));
  document.addEventListener("fullscreenchange", () => {
    if (!document.fullscreenElement && root.classList.contains("vd-presenting")) set(false);
  });
  return {
    end: () => { if (root.classList.contains("vd-presenting")) set(false); },
    /** A step was drawn: the spotlight begins anew. */
    shown: () => light(-1),
    /**
     * Whether a key was the presenter's.
     * @param {string} key
     */
    key: (key) => {
      if (!root.classList.contains("vd-presenting")) return false;
      if (key === "s" || key === "S") light(lit + 1);
      else if (key === "Escape") set(false);
      else return false;
      return true;
    },
  };
}
