"""Where the time goes between a visitor's action and what is shown: browser, transport, queue, computing.

A script in the page notes when it asks and what comes back; Gradio's own messages say when a listener was called and
for how long it ran. Every moment of an action belongs to one part: computing before queue before transport, and what
is left is the browser's.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

PARTS = ("computing", "queue", "transport", "browser")  # the first that holds at a moment has it
QUIET_MS = 400  # without a change of what is watched, an action is over
# Notes each request, and of gradio's stream each message; a listener that is not queued says how long it ran in its
# answer. `watched` is the element whose changes count as what is shown.
SCRIPT = """
(() => {
  const marks = [], own = window.fetch;
  let watcher = null;
  window.clock = {
    begin(selector) {
      marks.length = 0;
      watcher?.disconnect();
      this.changed = this.from = performance.now();
      watcher = new MutationObserver(() => { this.changed = performance.now(); });
      const watched = document.querySelector(selector);
      if (watched) watcher.observe(watched, { subtree: true, childList: true, attributes: true, characterData: true });
      return this.from;
    },
    quiet(ms) {
      return marks.every((one) => one.got || one.kind === "stream") && performance.now() - this.changed > ms;
    },
    end() { return { from: this.from, to: this.changed, marks: marks.map((one) => ({ ...one })) }; },
  };
  const kinds = {
    "/queue/join": "join", "/queue/data": "stream", "/run/": "run", "file=": "file", "/upload": "upload",
    "/live": "run",
  };
  window.fetch = async (input, init) => {
    const url = String(input?.url ?? input), found = Object.keys(kinds).find((part) => url.includes(part));
    const mark = { kind: found ? kinds[found] : "other", sent: performance.now(), got: 0 };
    if (found) marks.push(mark);
    const response = await own(input, init).catch((error) => { mark.got = performance.now(); throw error; });
    const note = (how) => response.clone().json().then(how).catch(() => {});
    if (mark.kind === "join") note((said) => { mark.id = said.event_id; });
    if (mark.kind === "run") note((said) => { mark.ran = 1000 * (said.duration ?? 0); });
    if (mark.kind !== "stream" || !response.body) { mark.got = performance.now(); return response; }
    const [mine, theirs] = response.body.tee();
    read(mine);
    return new Response(theirs, { status: response.status, headers: response.headers });
  };
  async function read(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read().catch(() => ({ done: true }));
      if (done) return;
      text += value;
      const lines = text.split("\\n");
      text = lines.pop();
      for (const line of lines) {
        if (!line.startsWith("data:")) continue;
        const said = JSON.parse(line.slice(5));
        const ran = said.msg === "process_completed" ? 1000 * (said.output?.duration ?? 0) : 0;
        marks.push({ kind: said.msg, id: said.event_id, sent: performance.now(), got: performance.now(), ran });
      }
    }
  }
})();
"""


@dataclass(frozen=True)
class Taken:
    """Milliseconds of one action, and of them each part's; the parts add up to all."""

    total: float
    parts: dict[str, float]


def timed(page: Page, action: str, watched: str = "body", shown: str = "", argument: Any = None) -> Taken:
    """Runs JavaScript in the page (`action` is an expression that may use `argument`), and waits: until `shown` (an
    expression) holds, or without it until `watched` has not changed for a while; then the last change is the end."""
    page.evaluate(f"([selector, argument]) => {{ clock.begin(selector); {action}; }}", [watched, argument])
    if shown:
        page.wait_for_function(f"() => ({shown}) && (clock.shown ??= performance.now())", polling="raf")
        found = page.evaluate("() => { const to = clock.shown; clock.shown = null; return { ...clock.end(), to }; }")
    else:
        page.wait_for_function("(ms) => clock.quiet(ms)", arg=QUIET_MS, polling=50)
        found = page.evaluate("() => clock.end()")
    return taken(found["from"], found["to"], found["marks"])


def taken(start: float, end: float, marks: list[dict]) -> Taken:
    """The parts of the time from `start` to `end` by what the script noted, all in milliseconds."""
    spans = {part: spans_of(marks, part) for part in PARTS[:-1]}
    edges = sorted({start, end, *(edge for each in spans.values() for span in each for edge in span)})
    parts = dict.fromkeys(PARTS, 0.0)
    for left, right in pairwise(edges):
        if left < start or right > end:
            continue
        middle = (left + right) / 2
        part = next((p for p, each in spans.items() if any(a <= middle <= b for a, b in each)), PARTS[-1])
        parts[part] += right - left
    return Taken(end - start, parts)


def spans_of(marks: list[dict], part: str) -> list[tuple[float, float]]:
    """When a part of the way was under way: (from, to)."""
    if part == "computing":
        done = [one for one in marks if one["kind"] in ("process_completed", "run") and one.get("ran")]
        return [(one["got"] - one["ran"], one["got"]) for one in done]
    if part == "queue":
        joined = {one["id"]: one["got"] for one in marks if one["kind"] == "join" and one.get("id")}
        done = [one for one in marks if one["kind"] == "process_completed" and one.get("id") in joined]
        return [(joined[one["id"]], one["got"] - one.get("ran", 0.0)) for one in done]
    asked = [one for one in marks if one["kind"] in ("join", "file", "upload", "run")]
    return [(one["sent"], one["got"] or one["sent"]) for one in asked]
