// Our pictures as buttons: each has a name, and tells its number when it is clicked.

import { make } from "./canvas.js";
import { finder, follow } from "./view.js";

/** @param {import("./view.js").Host} host */
export function mount(host) {
  const find = finder(host.element), root = find(".vd-examples"), strip = find(".vd-strip");

  follow(host, root, ({ data, files }) => {
    find(".vd-heading").textContent = data.heading;
    strip.setAttribute("aria-label", data.heading);
    /** @type {{ file: string, label: string, title: string }[]} */
    const pictures = data.pictures;
    strip.replaceChildren(...pictures.map((picture, index) => {
      const button = make("button", ""), image = make("img", "", button);
      button.type = "button";
      button.title = picture.title;
      image.src = files[picture.file].url;
      image.alt = picture.label;
      button.addEventListener("click", () => host.trigger("select", { index }));
      return button;
    }));
  });
}
