// A class: students' pages follow the teacher's. The room tells by server-sent events; only the teacher's key can show.

import { fill } from "../kit/words.js";

const AGAIN_MS = 5000;
const AFTER_MS = 250;  // a teacher's click is shown once the page has taken it

/**
 * Whether another state is only another step of the walk, which the open walk can ask for by itself.
 * @param {{ base: string, query: Record<string, string> } | null} before
 * @param {{ base: string, query: Record<string, string> }} now @param {string | undefined} open the tab that is open here
 */
export function isStep(before, now, open) {
  return before !== null && before.base === now.base && now.query.tab === "walk" && open === "walk";
}

/** @param {Record<string, string>} query what the walk's view asks for, counted from 0 */
export function stepOf(query) {
  const place = /^(\d+),(\d+)$/.exec(query.token ?? "");
  const token = place ? `${Number(place[1]) - 1},${Number(place[2]) - 1}` : query.token === "cls" ? "" : query.token ?? "";
  /** @type {Record<string, string | number>} */
  const wanted = { step: query.step ?? "pixels", token };
  if (query.layer) wanted.layer = Number(query.layer) - 1;
  if (query.head) wanted.head = Number(query.head) - 1;
  return wanted;
}

/** The tab that is open on this page. */
function openTab() {
  /** @param {string} box */
  const open = (box) => document.querySelector(`${box} [role=tab][aria-selected=true]`)?.getAttribute("data-tab-id");
  const group = open("#vd-tabs");
  return open("#vd-tabs-" + group) ?? group ?? "";
}

/**
 * The teacher's key: behind the # of the address, which no browser sends on; then it is kept by this window alone.
 * @param {string} code
 */
function keyOf(code) {
  const kept = "vd-teach-" + code, given = new URLSearchParams(location.hash.slice(1)).get("teach");
  try {
    if (given) sessionStorage.setItem(kept, given);
    if (given) history.replaceState(null, "", location.pathname + location.search);
    return sessionStorage.getItem(kept) ?? given ?? "";
  } catch {
    return given ?? "";
  }
}

/**
 * @param {<E extends HTMLElement = HTMLElement>(selector: string) => E} find @param {() => any} words
 * @param {(name: string, data?: unknown) => void} trigger
 */
export function makeClass(find, words, trigger) {
  const code = (new URLSearchParams(location.search).get("room") ?? "").toUpperCase(), key = keyOf(code);
  const bar = find(".vd-class"), follow = find("[name=follow]");
  const auto = /** @type {HTMLInputElement} */ (find("[name=auto]"));
  /** @type {{ version: number, base: string, query: Record<string, string> } | null} */
  let last = null;
  let following = true, problem = "", refused = "", known = "", followers = 0, timer = 0;

  function say() {
    const said = words();
    find(".vd-class-said").textContent = refused ? refused : problem ? fill(said[problem], { code })
      : key ? fill(said.class_teacher, { code, count: followers }) : following ? said.class_following : said.class_left;
    follow.textContent = following ? said.class_leave : said.class_back;
    find(".vd-class-teacher span").textContent = said.class_auto;
    find("[name=push]").textContent = said.class_push;
    find("[name=address]").textContent = find(".vd-class-address").hidden ? said.class_address : said.class_hide;
    bar.setAttribute("aria-label", fill(said.class_teacher, { code, count: followers }));
  }

  /** @param {{ version: number, base: string, query: Record<string, string> }} now */
  function take(now) {
    if (last && now.version === last.version) return;  // the stream was cut and is there again
    const adopts = key && !last;  // a teacher's page that is opened anew goes on where the class is
    if ((key && !adopts) || !following || !now.version) { last = now; return; }
    const walk = document.querySelector(".vd-walk");
    if (walk && isStep(last, now, openTab())) walk.dispatchEvent(new CustomEvent("vd-step", { detail: stepOf(now.query) }));
    else trigger("select", { follow: code, version: now.version });
    last = now;
    bar.dataset.version = String(now.version);
  }

  function show() {
    trigger("input", { key, tab: openTab() });
  }

  function open() {
    if (!code) return;
    bar.hidden = false;
    follow.hidden = Boolean(key);
    find(".vd-class-teacher").hidden = !key;
    listen();
    // A browser has few connections to one server: a window that nobody sees gives its own back
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) stop();
      else listen();
    });
    follow.addEventListener("click", () => {
      following = !following;
      if (following && last) { const now = last; last = null; take(now); }
      say();
    });
    if (key) openTeacher();
  }

  /** @type {EventSource | null} */
  let stream = null;
  let again = 0;

  function stop() {
    clearTimeout(again);
    stream?.close();
    stream = null;
  }

  function listen() {
    stop();
    const address = new URL(`classroom/${encodeURIComponent(code)}/events`, document.baseURI);
    const opened = stream = new EventSource(address);
    opened.onmessage = (event) => {
      const now = JSON.parse(event.data);
      problem = "";
      count(now.followers);
      take(now);
      say();
    };
    opened.addEventListener("followers", (event) => {
      problem = "";
      count(Number(/** @type {MessageEvent} */ (event).data));
      say();
    });
    opened.onerror = async () => {
      problem = "class_lost";
      if (opened.readyState === EventSource.CLOSED && stream === opened) {  // it was refused: why?
        const gone = new AbortController(), answer = await fetch(address, { signal: gone.signal }).catch(() => null);
        problem = answer?.status === 404 ? "class_no_room" : answer?.status === 503 ? "class_full" : "class_lost";
        gone.abort();
        if (problem !== "class_no_room") again = window.setTimeout(listen, AGAIN_MS);
      }
      say();
    };
  }

  /** @param {number} streams the teacher's own is one of them */
  function count(streams) {
    followers = Math.max(0, streams - 1);
  }

  function openTeacher() {
    find("[name=push]").addEventListener("click", show);
    const box = find(".vd-class-address"), button = find("[name=address]");
    button.addEventListener("click", () => {
      if (!known) show();  // the server answers with the address that others reach it by
      box.hidden = !box.hidden;
      button.setAttribute("aria-expanded", String(!box.hidden));
      say();
    });
    const soon = (/** @type {Event} */ event) => {
      if (!event.isTrusted && event.type !== "vd-stepped") return;  // what the page does by itself shows nothing
      if (!auto.checked || (event.target instanceof Node && bar.contains(event.target))) return;
      clearTimeout(timer);
      timer = setTimeout(show, event.type === "vd-stepped" ? 0 : AFTER_MS);  // a step has been taken already
    };
    for (const name of ["click", "change", "keyup", "vd-stepped"]) document.addEventListener(name, soon, true);
  }

  function drawAddress() {
    const image = /** @type {HTMLImageElement} */ (find(".vd-class-address img"));
    const local = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
    const address = (local && known) || new URL(`?room=${code}`, document.baseURI).href;
    image.onerror = () => { image.hidden = true; };
    image.src = new URL(`classroom/${code}/qr.svg?address=${encodeURIComponent(address)}`, document.baseURI).href;
    const link = /** @type {HTMLAnchorElement} */ (find(".vd-class-address a"));
    link.href = link.textContent = address;
  }

  return {
    say,
    open,
    /** @param {{ followers?: number, address?: string, refused?: string }} sent what the server says of what was shown */
    pushed: (sent) => {
      refused = sent.refused ?? "";
      count(sent.followers ?? followers + 1);
      known = sent.address ?? known;
      drawAddress();
      say();
    },
  };
}
