// The camera and its frames: the one that is on its way to the server, and the one whose answer is shown.


/** @typedef {{ rows: number, cols: number, patch_px: number, box: number[] }} Cut What of the camera's picture is seen. */
/** @typedef {{ rgba: Uint8ClampedArray, width: number, height: number }} Frame Its pixels. */

const WANTED = { width: { ideal: 640 }, height: { ideal: 480 } };

/**
 * What the browser says of a camera that it does not give, as a phrase's name.
 * @param {string} name of the error
 */
export function refusalOf(name) {
  if (name === "NotAllowedError" || name === "SecurityError") return "not_allowed";
  return name === "NotFoundError" || name === "OverconstrainedError" ? "no_camera" : "camera_failed";
}

/** @param {HTMLCanvasElement} canvas */
const contextOf = (canvas) =>
  /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));

/**
 * The pixels of a canvas as a frame.
 * @param {HTMLCanvasElement} canvas @returns {Frame}
 */
function frameOf(canvas) {
  const { width, height } = canvas;
  return { rgba: contextOf(canvas).getImageData(0, 0, width, height).data, width, height };
}

/**
 * Draws one canvas, or a part of it, on another, which gets that size first.
 * @param {CanvasImageSource} from @param {HTMLCanvasElement} to @param {number} width @param {number} height
 * @param {number[]} [box] top, left, bottom, right
 */
function copy(from, to, width, height, box) {
  if (to.width !== width || to.height !== height) Object.assign(to, { width, height });
  const context = contextOf(to);
  context.imageSmoothingQuality = "high";
  if (!box) { context.drawImage(from, 0, 0, width, height); return; }
  context.drawImage(from, box[1], box[0], box[3] - box[1], box[2] - box[0], 0, 0, width, height);
}

export class Camera {
  /**
   * @param {HTMLVideoElement} video @param {HTMLCanvasElement} shown gets the model's part of the frame that is shown
   * @param {() => void} ended the camera has stopped by itself
   */
  constructor(video, shown, ended) {
    this.video = video;
    this.shown = shown;
    this.ended = ended;
    /** @type {MediaStream | null} */
    this.stream = null;
    this.whole = document.createElement("canvas");  // of the frame that is on its way
    this.part = document.createElement("canvas");
    this.kept = document.createElement("canvas");  // of the one that is shown
    this.opening = 0;
  }

  get isOpen() { return this.stream !== null; }

  /** Width and height of its pictures; 0 before the first one. */
  get size() { return { width: this.video.videoWidth, height: this.video.videoHeight }; }

  /**
   * Opens a camera, or the browser's own choice. A phrase's name where there is none, null where it was closed again.
   * @param {string} [device] the camera's id @returns {Promise<string | null>} "" when it is open
   */
  async open(device) {
    const mine = ++this.opening;
    if (!navigator.mediaDevices) return "no_camera_here";
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { ...WANTED, ...(device && { deviceId: { exact: device } }) } });
    } catch (error) {
      return refusalOf(/** @type {DOMException} */ (error).name);
    }
    if (mine !== this.opening) {
      for (const track of stream.getTracks()) track.stop();
      return null;
    }
    this.release();
    this.stream = stream;
    stream.getVideoTracks()[0].addEventListener("ended", () => { if (this.stream === stream) this.ended(); });
    this.video.srcObject = stream;
    await this.video.play().catch(() => {});
    return "";
  }

  /** The id of the open camera, and all there are. */
  async all() {
    const found = (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "videoinput");
    return { current: this.stream?.getVideoTracks()[0].getSettings().deviceId, found };
  }

  /** Gives the camera back to the machine; its light goes out. */
  release() {
    for (const track of this.stream ? this.stream.getTracks() : []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
  }

  /** The same, and no frame is left. */
  close() {
    this.opening++;
    this.release();
    for (const canvas of [this.whole, this.part, this.kept, this.shown]) canvas.width = canvas.height = 0;
  }

  /**
   * What the camera sees now, at the model's size.
   * @param {Cut} cut @returns {Frame}
   */
  take({ box, rows, cols, patch_px }) {
    const { width, height } = this.size;
    copy(this.video, this.whole, width, height);
    copy(this.whole, this.part, cols * patch_px, rows * patch_px, box);
    return frameOf(this.part);
  }

  /** The answer to the frame that was taken is here: that frame is shown. */
  show() {
    copy(this.whole, this.kept, this.whole.width, this.whole.height);
    copy(this.part, this.shown, this.part.width, this.part.height);
  }

  /**
   * All of the frame that is shown, its longer side at most so long.
   * @param {number} most_px @returns {Frame}
   */
  frozen(most_px) {
    const { width, height } = this.kept, scale = Math.min(1, most_px / Math.max(width, height));
    const canvas = document.createElement("canvas");
    copy(this.kept, canvas, Math.round(width * scale), Math.round(height * scale));
    return frameOf(canvas);
  }
}
