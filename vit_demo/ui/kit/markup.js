// Figures that our own server sends as HTML, with every word in them escaped (ui/kit/html.py), put into a view.

const NEVER = "script, iframe, object, embed, form, style, link, base, meta";

/**
 * Replaces what stands in an element. Nothing that could run is taken over, whatever the text says.
 * @param {Element} element @param {string} html
 */
export function setMarkup(element, html) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  for (const node of parsed.querySelectorAll(NEVER)) node.remove();
  for (const node of parsed.querySelectorAll("*"))
    for (const name of node.getAttributeNames())
      if (name.startsWith("on") || /^\s*javascript:/i.test(node.getAttribute(name) ?? "")) node.removeAttribute(name);
  element.replaceChildren(...parsed.body.childNodes);
}
