// Our pictures as buttons: each has a name, and tells its number when it is clicked.

import { make } from "./canvas.js";
import { finder, follow } from "./view.js";

/** @param {import("./view.js").Host} host */
export function mount(host) {
  const find = finder(host.element), root = find(".vd-examples"), strip = find(".vd-strip");

  follow(host, root, ({ data }) => {
    find(".vd-heading").textContent = data.heading;
    strip.setAttribute("aria-label", data.heading);
    strip.replaceChildren(...data.pictures.map((/** @type {{ src: string, label: string, title: string }} */ picture, /** @type {number} */ index) => {
      const button = make("button", ""), image = make("img", "", button);
      button.type = "button";
      button.title = picture.title;
      image.src = picture.src;
      image.alt = picture.label;
      button.addEventListener("click", () => host.trigger("select", { index }));
      return button;
    }));
  });
}
