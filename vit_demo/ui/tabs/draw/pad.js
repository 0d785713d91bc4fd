// The drawing pad: white strokes on black, by mouse, finger, pen and keyboard, with undo.

import { inkOf, rgbaOf } from "./ink.js";

const UNDO_MOST = 30, STEP_PX = 8, ERASER_WIDER = 1.6;
const ARROWS = /** @type {Record<string, [number, number]>} */ ({ ArrowUp: [0, -STEP_PX], ArrowDown: [0, STEP_PX], ArrowLeft: [-STEP_PX, 0], ArrowRight: [STEP_PX, 0] });

/**
 * @param {HTMLCanvasElement} canvas
 * @param {{ width: () => number, changed: () => void, moved: (x: number, y: number) => void }} behaviour `changed`: a
 * stroke has ended; `moved`: the keyboard's point is at x, y of the pad's pixels
 */
export function makePad(canvas, { width, changed, moved }) {
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  const small = document.createElement("canvas");  // the drawing as it travels
  const pixels = /** @type {CanvasRenderingContext2D} */ (small.getContext("2d", { willReadFrequently: true }));
  /** @type {ImageData[]} */
  const before = [];
  const cursor = /** @type {[number, number]} */ ([canvas.width / 2, canvas.height / 5]);
  /** @type {[number, number] | null} where the stroke is */
  let at = null;
  let drawn = false, erasing = false;

  function wipe() {
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, canvas.width, canvas.height);
  }

  function remember() {
    before.push(pen.getImageData(0, 0, canvas.width, canvas.height));
    if (before.length > UNDO_MOST) before.shift();
  }

  /** @param {PointerEvent} event @returns {[number, number]} */
  function placeOf(event) {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * canvas.width / box.width, (event.clientY - box.top) * canvas.height / box.height];
  }

  /** @param {[number, number]} from @param {[number, number]} to */
  function line(from, to) {
    pen.strokeStyle = erasing ? "#000" : "#fff";
    pen.lineWidth = width() * (erasing ? ERASER_WIDER : 1);
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(to[0] + 0.01, to[1]);
    pen.stroke();
  }

  function finished() {
    drawn = true;
    changed();
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    remember();
    at = placeOf(event);
    line(at, at);
  });
  canvas.addEventListener("pointermove", (event) => {
    const parts = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    for (const part of at ? (parts.length ? parts : [event]) : []) {
      const to = placeOf(part);
      line(/** @type {[number, number]} */ (at), to);
      at = to;
    }
  });
  for (const name of /** @type {const} */ (["pointerup", "pointercancel"]))
    canvas.addEventListener(name, () => { if (at) { at = null; finished(); } });

  // With the keyboard: arrows move a point over the pad, and draw while Shift is held.
  canvas.addEventListener("keydown", (event) => {
    const by = ARROWS[event.key];
    if (!by) return;
    event.preventDefault();
    const from = /** @type {[number, number]} */ ([...cursor]), most = canvas.width - STEP_PX;
    for (const axis of [0, 1]) cursor[axis] = Math.min(most, Math.max(STEP_PX, cursor[axis] + by[axis]));
    if (event.shiftKey) {
      if (!event.repeat) remember();
      line(from, cursor);
      drawn = true;
    }
    moved(cursor[0], cursor[1]);
  });
  canvas.addEventListener("keyup", (event) => { if (event.key === "Shift" && drawn) changed(); });

  wipe();
  return {
    /** Whether there is a drawing of the visitor's own. */
    get drawn() { return drawn; },
    get ready() { return small.width > 0; },
    /** @param {number} side pixels of a drawing as it travels */
    resize(side) { small.width = small.height = side; },
    /** @param {boolean} erase */
    tool(erase) { erasing = erase; },
    undo() {
      const last = before.pop();
      if (last) { pen.putImageData(last, 0, 0); finished(); }
    },
    clear() { remember(); wipe(); erasing = false; finished(); },
    /** @param {string} ink a drawing as it travels @param {boolean} own whether it counts as the visitor's */
    put(ink, own) {
      remember();
      drawn = own;
      pixels.putImageData(new ImageData(rgbaOf(ink), small.width, small.height), 0, 0);
      pen.imageSmoothingEnabled = true;
      pen.drawImage(small, 0, 0, canvas.width, canvas.height);
    },
    /** The drawing as it travels. */
    get ink() {
      pixels.drawImage(canvas, 0, 0, small.width, small.height);
      return inkOf(pixels.getImageData(0, 0, small.width, small.height).data);
    },
  };
}
