// On a phone picture, model and size fold into one line, so that a view begins within the first screen.

const WAIT_MS = 120;

/**
 * @param {<E extends HTMLElement = HTMLElement>(selector: string) => E} find @param {() => any} words
 */
export function makeFold(find, words) {
  const button = find(".vd-fold"), page = document.querySelector(".gradio-container");
  const picture = /** @type {HTMLImageElement} */ (find(".vd-fold img"));
  let timer = 0;

  function say() {
    const model = document.querySelector("#vd-model input"), side = document.querySelector("#vd-side input:checked");
    const title = model instanceof HTMLInputElement ? model.value.replace(/^[●↓…×]\s*/, "").split(" · ")[0] : "";
    const size = side?.closest("label")?.textContent?.trim() ?? "";
    find(".vd-fold span").textContent = [title, size].filter(Boolean).join(" · ") || words().fold;
    button.setAttribute("aria-label", words().fold + ": " + find(".vd-fold span").textContent);
    const shown = document.querySelector("#vd-image img");
    if (shown instanceof HTMLImageElement && picture.src !== shown.src) picture.src = shown.src;
  }

  button.addEventListener("click", () => {
    const open = page?.classList.toggle("vd-unfolded") ?? false;
    button.setAttribute("aria-expanded", String(open));
  });
  const inputs = document.getElementById("vd-inputs");
  if (inputs)
    new MutationObserver(() => {
      clearTimeout(timer);
      timer = setTimeout(say, WAIT_MS);
    }).observe(inputs, { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ["src"] });
  return { say };
}
