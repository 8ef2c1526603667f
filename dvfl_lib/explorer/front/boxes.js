// What a box shows: which numbers of a block, in which moment, on which scale.
import { blockOf, once } from "./canvas.js";
import { contributions, ends } from "./record.js";

/** How far each level sees: [{kernel, sees}], in tokens or frames; null where it is not known. */
export function windowsOf(record, state) {
  const network = record.networks[state.view.network];
  const config = network.config ?? network.weights?.config;
  if (!config) return null;
  let sees = 1;
  return [...Array(config.focal_levels).keys()].map((level) => {
    const kernel = config.focal_window + config.focal_factor * level;
    sees += kernel - 1;
    return { kernel, sees };
  });
}

/** Whether a part of the shown block is switched off; see the change's `off`. */
export function isOff(record, state, part, level = 0) {
  const { stage, block } = blockOf(record, state);
  return state.change.off.some((o) => o.part === part && o.level === level
    && (o.stage === 0 || (o.stage === stage && o.block === block)));
}

/** What a box shows: `part` takes its numbers from a block of MAPS, its frame begins at `offset`.
 * kind: "gate", "context" or "sum" of a branch and level (from 0); or a modulator's, or "q". */
export function boxOf({ size: [T, h, w], levels, rest }, view, kind, branch, level) {
  const n = h * w, all = { offset: view.frame * n, h, w, count: n };
  const each = { ...all, offset: (level * T + view.frame) * n };
  if (kind === "gate") return { part: (b) => b.gates[branch], ...each };
  if (kind === "sum") {
    return { part: (b) => once(b, branch, () => contributions(b, branch)), ...each };
  }
  if (kind === "context") {
    const part = (b) => b.contexts[branch][level];
    if (level < levels - 1) return { part, ...all };
    // The global one: one number per frame, or one per pixel.
    return branch === "time" ? { part, ...all, offset: 0 }
      : { part, offset: view.frame, h: 1, w: 1, count: 1 };
  }
  const away = view.amount === "rest" && kind in rest;
  return { part: (b) => (away ? b.rest : b)[kind], ...all };
}

/** Those numbers now, before, or what changed: {values, both: [before, now], signed}. */
export function momentOf(state, part, absolute = false) {
  const { network, block, moment } = state.view, answer = state.answers[network];
  const size = (v) => (absolute ? once(v, "absolute", () => v.map(Math.abs)) : v);
  const both = [answer.before, answer.now].map((maps) => size(part(maps.blocks[block])));
  if (moment !== "difference") return { values: both[moment === "now" ? 1 : 0], both };
  const least = grain(both[0]), values = once(both[1], "difference", () => (
    both[1].map((v, i) => (Math.abs(v - both[0][i]) < least ? 0 : v - both[0][i]))));
  return { values, both: [values], signed: true, least };
}

// Lowest and highest number, with zero between them.
function extent(values) {
  let low = 0, high = 0;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** A change of a part of `before` below this is the rounding of the record, and none. */
export const grain = (before) => (
  once(before, "grain", () => 1e-3 * Math.max(...extent(before).map(Math.abs))));

/** The ends of one scale for several boxes: of all frames, or of the shown one. */
export function rangeOf(boxes, shared, signed) {
  return ends(boxes.flatMap(({ both, offset, count, least }) => [...both.flatMap((v) => (
    shared ? once(v, "extent", () => extent(v)) : extent(v.subarray(offset, offset + count))
  )), least ?? 0]), signed);
}

/** The number of the chosen token, or of the one at `at`, in a box. */
export function numberAt({ offset, h, w }, values, { row, column }) {
  return values[offset + Math.min(row, h - 1) * w + Math.min(column, w - 1)];
}

/** Draws boxes that share a scale; `raw` numbers have a sign, and "absolute" takes it away. */
export function drawRow(record, state, { maps, scale, boxes, raw, words }, frame) {
  const { shared, signed, overlay } = state.view, { covered } = blockOf(record, state);
  const shown = boxes.map((box) => ({ ...box, ...momentOf(state, box.part, raw && !signed) }));
  const both = shown[0].signed || (raw && signed), range = rangeOf(shown, shared, both);
  const lut = record.luts[both ? "signed" : "amount"];
  scale.show(range, lut);
  maps.forEach((map, i) => map.show(
    { ...shown[i], range, lut, covered, overlay, frame, words: words[i] }));
}

