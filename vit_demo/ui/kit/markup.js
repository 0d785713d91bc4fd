// Figures that our own server sends as HTML, with every word in them escaped (ui/kit/html.py), put into a view.

const NEVER = "script, iframe, object, embed, form, style, link, base, meta";

const ADDRESSES = ["href", "src", "xlink:href", "action", "formaction", "srcdoc", "srcset"];
const PROTOCOLS = ["http:", "https:", "data:", "blob:"];

/**
 * Whether an address leads to a page or a file, as the browser itself reads it.
 * @param {string} address @param {string} base of the page
 */
export function isSafe(address, base) {
  try {
    return PROTOCOLS.includes(new URL(address, base).protocol);
  } catch {
    return false;
  }
}

/**
 * Replaces what stands in an element. Nothing that could run is taken over, whatever the text says.
 * @param {Element} element @param {string} html
 */
export function setMarkup(element, html) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  for (const node of parsed.querySelectorAll(NEVER)) node.remove();
  for (const node of parsed.querySelectorAll("*"))
    for (const name of node.getAttributeNames())
      if (name.startsWith("on") || (ADDRESSES.includes(name) && !isSafe(node.getAttribute(name) ?? "", document.baseURI)))
        node.removeAttribute(name);
  element.replaceChildren(...parsed.body.childNodes);
}
