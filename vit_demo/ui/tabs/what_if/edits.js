// What is changed inside a pass, as the page keeps it: the browser's side of vit_demo/edits.py. No page in here.

/** @typedef {[number, number]} Patch row and column, from 0 */
/** @typedef {{ layers: number[] | null, queries: (string | Patch)[] | null, keys: (string | Patch)[] | null }} Cut */
/**
 * @typedef {object} Edits Only what is changed has a field.
 * @property {Patch[]} [drop] @property {Patch[]} [hide] @property {string} [hide_with]
 * @property {boolean} [shuffle_patches] @property {string} [positions] @property {number} [position_scale]
 * @property {[[number, number], string][]} [heads] @property {[number, string][]} [skip] @property {Cut[]} [cut]
 * @property {number} [temperature] @property {[number, (string | Patch)[] | null, number | null][]} [patch_in]
 * @property {number} [seed]
 */
/** @typedef {{ kind: string, values: Record<string, string | number>, without: Edits }} Chip */

/** @type {Record<string, unknown>} Values that change nothing. */
const UNCHANGED = {
  hide_with: "mean", shuffle_patches: false, positions: "keep", position_scale: 1, temperature: 1, seed: 0,
};

/**
 * The same with some fields set; what changes nothing has no field.
 * @param {Edits} edits @param {Partial<Edits>} more @returns {Edits}
 */
export function changed(edits, more) {
  const all = Object.entries({ ...edits, ...more });
  return Object.fromEntries(all.filter(([name, value]) =>
    Array.isArray(value) ? value.length : value !== undefined && value !== UNCHANGED[name]));
}

/**
 * Which patches are taken away, as one number each, row by row.
 * @param {Edits} edits @param {number} cols @returns {Set<number>}
 */
export function hiddenOf(edits, cols) {
  return new Set([...(edits.drop ?? []), ...(edits.hide ?? [])].map(([row, col]) => row * cols + col));
}

/**
 * How patches are taken away: "drop", "mean" or "blur".
 * @param {Edits} edits @param {string} otherwise where none are
 */
export function fillingOf(edits, otherwise) {
  if (edits.drop) return "drop";
  return edits.hide ? edits.hide_with ?? "mean" : otherwise;
}

/**
 * The same with these patches taken away, and no others.
 * @param {Edits} edits @param {Iterable<number>} hidden @param {number} cols @param {string} filling @returns {Edits}
 */
export function withHidden(edits, hidden, cols, filling) {
  /** @type {Patch[]} */
  const patches = [...hidden].sort((a, b) => a - b).map((number) => [Math.floor(number / cols), number % cols]);
  const gone = filling === "drop";
  return changed(edits, {
    drop: gone ? patches : [], hide: gone ? [] : patches,
    hide_with: gone || !patches.length ? "mean" : filling,
  });
}

/**
 * The patches under a square brush that is drawn in a straight line from one patch to another; each may come twice.
 * @param {import("../../kit/maps.js").Place} from @param {import("../../kit/maps.js").Place} to
 * @param {number} side of the brush, an odd number of patches @param {number} rows @param {number} cols
 */
export function squaresAlong(from, to, side, rows, cols) {
  const steps = Math.max(Math.abs(to.row - from.row), Math.abs(to.col - from.col), 1), reach = (side - 1) / 2, patches = [];
  for (let step = 0; step <= steps; step++) {
    const row = Math.round(from.row + (to.row - from.row) * step / steps);
    const col = Math.round(from.col + (to.col - from.col) * step / steps);
    for (let r = Math.max(0, row - reach); r <= Math.min(rows - 1, row + reach); r++)
      for (let c = Math.max(0, col - reach); c <= Math.min(cols - 1, col + reach); c++) patches.push({ row: r, col: c });
  }
  return patches;
}

/** @param {Edits} edits @param {number} layer @param {number} head */
export function headIsOff(edits, layer, head) {
  return (edits.heads ?? []).some(([at]) => at[0] === layer && at[1] === head);
}

/**
 * A head switched off, or on again.
 * @param {Edits} edits @param {number} layer @param {number} head @param {string} how @returns {Edits}
 */
export function toggleHead(edits, layer, head, how) {
  const others = (edits.heads ?? []).filter(([at]) => at[0] !== layer || at[1] !== head);
  const heads = headIsOff(edits, layer, head) ? others : [...others, [[layer, head], how]];
  return changed(edits, { heads: /** @type {Edits["heads"]} */ (heads) });
}

/**
 * Every head that is off gives this from now on.
 * @param {Edits} edits @param {string} how @returns {Edits}
 */
export function withHow(edits, how) {
  return changed(edits, { heads: (edits.heads ?? []).map(([at]) => [at, how]) });
}

/** @param {Edits} edits @param {number} layer @param {string} part */
export function partIsOff(edits, layer, part) {
  return (edits.skip ?? []).some(([at, which]) => at === layer && which === part);
}

/** @param {Edits} edits @param {number} layer @param {string} part @returns {Edits} */
export function togglePart(edits, layer, part) {
  const others = (edits.skip ?? []).filter(([at, which]) => at !== layer || which !== part);
  return changed(edits, { skip: partIsOff(edits, layer, part) ? others : [...others, [layer, part]] });
}

/**
 * Prefix tokens that nobody looks at, in any layer.
 * @param {Edits} edits @returns {string[]}
 */
export function unseenOf(edits) {
  return (edits.cut ?? []).flatMap(({ layers, queries, keys }) =>
    layers || queries || !keys ? [] : /** @type {string[]} */ (keys.filter((key) => typeof key === "string")));
}

/**
 * The same with these prefix tokens seen by nobody; other cuts stay.
 * @param {Edits} edits @param {string[]} names @returns {Edits}
 */
export function withUnseen(edits, names) {
  const others = (edits.cut ?? []).filter(({ layers, queries, keys }) => layers || queries || !keys);
  return changed(edits, { cut: names.length ? [...others, { layers: null, queries: null, keys: names }] : others });
}

/** Tokens as people count them. @param {(string | Patch)[] | null} tokens */
function namesOf(tokens) {
  return (tokens ?? []).map((token) => (typeof token === "string" ? token : `${token[0] + 1},${token[1] + 1}`)).join("; ");
}

/**
 * Everything that is changed, a chip each, with what is left without it.
 * @param {Edits} edits @returns {Chip[]}
 */
export function chipsOf(edits) {
  /** @type {Chip[]} */
  const chips = [];
  /** @param {string} kind @param {Record<string, string | number>} values @param {Partial<Edits>} without */
  const add = (kind, values, without) => chips.push({ kind, values, without: changed(edits, without) });
  if (edits.drop) add("drop", { count: edits.drop.length }, { drop: [] });
  if (edits.hide) add("hide_" + (edits.hide_with ?? "mean"), { count: edits.hide.length }, { hide: [], hide_with: "mean" });
  if (edits.shuffle_patches) add("shuffle", {}, { shuffle_patches: false });
  if (edits.positions) add("positions", { how: edits.positions }, { positions: "keep" });
  if (edits.position_scale !== undefined) add("scale", { factor: edits.position_scale }, { position_scale: 1 });
  for (const [[layer, head], how] of edits.heads ?? [])
    add("head", { layer: layer + 1, head: head + 1, how }, { heads: toggleHead(edits, layer, head, how).heads ?? [] });
  for (const [layer, part] of edits.skip ?? [])
    add("skip_" + part, { layer: layer + 1 }, { skip: togglePart(edits, layer, part).skip ?? [] });
  if (edits.temperature !== undefined) add("temperature", { factor: edits.temperature }, { temperature: 1 });
  for (const cut of edits.cut ?? [])
    add(cut.layers || cut.queries ? "cut_some" : "cut", { tokens: namesOf(cut.keys) }, { cut: edits.cut?.filter((one) => one !== cut) });
  for (const one of edits.patch_in ?? [])
    add("states", { layer: one[0] + 1, what: one[1] ? namesOf(one[1]) : "" }, { patch_in: edits.patch_in?.filter((other) => other !== one) });
  return chips;
}

/** Edits as they followed one another: one goes back and forth. */
export class Steps {
  constructor() {
    /** @type {Edits[]} */
    this.all = [{}];
    this.at = 0;
  }

  get now() { return this.all[this.at]; }
  get canUndo() { return this.at > 0; }
  get canRedo() { return this.at < this.all.length - 1; }

  /** A new step; what was undone is forgotten. @param {Edits} edits */
  add(edits) {
    if (JSON.stringify(edits) === JSON.stringify(this.now)) return;
    this.all = [...this.all.slice(0, this.at + 1), edits];
    this.at++;
  }

  /** @param {number} by −1: back, 1: forth */
  go(by) { this.at = Math.min(this.all.length - 1, Math.max(0, this.at + by)); }
}
