// The curves of a training: charts that the server drew, with a mark that the slider moves.

const SVG = "http://www.w3.org/2000/svg";

/** @param {HTMLElement} box */
export function mountCurves(box) {
  /** @type {SVGElement[]} */
  let charts = [];

  /** @param {number} share of the way along the curves */
  function markAt(share) {
    for (const chart of charts) {
      const [left, top, width, height] = (chart.dataset.plot || "0 0 0 0").split(" ").map(Number);
      const x = String(left + width * Math.max(0, share));
      const line = chart.querySelector(".vd-chart-now") || chart.appendChild(document.createElementNS(SVG, "line"));
      for (const [name, value] of Object.entries({ class: "vd-chart-now", x1: x, x2: x, y1: top, y2: top + height }))
        line.setAttribute(name, String(value));
    }
  }

  return {
    markAt,
    /** @param {Record<string, string>} drawn charts by the name of their place, as render/charts.py draws them */
    show(drawn) {
      charts = Object.entries(drawn).map(([name, text]) => {
        const chart = /** @type {SVGElement} */ (/** @type {unknown} */ (
          document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true)));
        [...box.querySelectorAll("[data-curve]")].find((one) => /** @type {HTMLElement} */ (one).dataset.curve === name)?.replaceChildren(chart);
        return chart;
      });
    },
    /** @param {number} epoch 0 is before the first @param {number} epochs */
    mark(epoch, epochs) { markAt((epoch - 1) / Math.max(1, epochs - 1)); },
  };
}
