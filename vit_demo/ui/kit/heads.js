// The buttons of all heads, each with its map: before them one for the mean of all.

import { make, paint } from "./canvas.js";

// Six colours of Okabe and Ito (2008) that colour-blind eyes can tell apart.
export const HEAD_COLOURS = [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [213, 94, 0], [204, 121, 167]];

/** @typedef {{ rgba: Uint8ClampedArray<ArrayBuffer>, beside: string }} Shown A head's map, and what is not on its patches. */

/**
 * @param {HTMLElement} box
 * @param {(head: number) => void} choose a head from 0, or −1 for all
 */
export function mountHeads(box, choose) {
  return {
    /** @param {number} count of heads; the buttons are one more */
    build(count) {
      while (box.children.length > count + 1) box.lastChild?.remove();
      while (box.children.length < count + 1) {
        const head = box.children.length - 1, button = make("button", "vd-head", box);
        button.type = "button";
        const maps = make("span", "vd-head-maps", button);
        maps.append(make("canvas", ""), make("canvas", ""));
        button.append(make("b", ""), make("small", ""));
        button.addEventListener("click", () => choose(head));
      }
    },
    /**
     * @param {number} head @param {{ rows: number, cols: number }} grid @param {Shown[]} shown one, or two that are compared
     * @param {{ name: string, pressed: boolean, swatch: boolean }} more `swatch`: in the colour that it has among all heads
     */
    paint(head, grid, shown, { name, pressed, swatch }) {
      const button = /** @type {HTMLElement} */ (box.children[head + 1]);
      const [maps, title, beside] = /** @type {HTMLElement[]} */ ([...button.children]);
      const canvases = /** @type {HTMLCanvasElement[]} */ ([...maps.children]);
      canvases[1].hidden = shown.length < 2;
      shown.forEach(({ rgba }, i) => {
        paint(canvases[i], grid.rows, grid.cols, rgba);
        canvases[i].style.aspectRatio = grid.cols + " / " + grid.rows;
      });
      title.textContent = name;
      beside.textContent = shown.map((one) => one.beside).join("\n");
      button.setAttribute("aria-pressed", String(pressed));
      const colour = HEAD_COLOURS[head % HEAD_COLOURS.length];
      button.style.setProperty("--swatch", swatch && head >= 0 ? "rgb(" + colour.join(",") + ")" : "transparent");
    },
  };
}
