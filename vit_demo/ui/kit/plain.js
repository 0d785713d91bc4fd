// The server's plain routes (ui/blocks.py), for bytes that gradio's events would bring too slowly.

/**
 * The address of a route beside the page.
 * @param {string} name @param {Record<string, string>} query
 */
export function plainAddress(name, query) {
  return new URL(name + "?" + new URLSearchParams(query), document.baseURI).href;
}

/**
 * Asks it, with what came with the page.
 * @param {string} address @param {RequestInit} [how]
 */
export function askPlain(address, how = {}) {
  const access = document.getElementById("vd-access")?.dataset.access ?? "";
  return fetch(address, { ...how, headers: { "X-Access": access } });
}
