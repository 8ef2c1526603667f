// What a box shows: which numbers of a block, in which moment, on which scale.
import { once } from "./canvas.js";
import { contributions, extent, spread } from "./record.js";

/** What the branches are called. */
export const WORDS = { space: "spatial", time: "temporal" };

/** What the levels of a block are called. */
export const levelNames = ({ levels }) => (
  Array.from({ length: levels }, (_, i) => (i < levels - 1 ? `level ${i + 1}` : "global")));

/** How far each level sees: [{kernel, sees}], in tokens or frames; null where it is not known. */
export function windowsOf({ record, view }) {
  const network = record.networks[view.network];
  const config = network.config ?? network.weights?.config;
  if (!config) return null;
  let sees = 1;
  return Array.from({ length: config.focal_levels }, (_, level) => {
    const kernel = config.focal_window + config.focal_factor * level;
    sees += kernel - 1;
    return { kernel, sees };
  });
}

/** Whether one of the change's `off` holds for the shown block. */
export const holdsHere = ({ stage, block }, state) => (
  stage === 0 || (stage === state.block.stage && block === state.block.block));

/** Whether a part of the shown block is switched off; see the change's `off`. */
export const isOff = (state, part, level = 0) => state.change.off.some((off) => (
  off.part === part && off.level === level && holdsHere(off, state)));

/** One number per token of a block of MAPS, (T, h, w). box: ["gate", "context" or "sum", branch,
 * level from 0], or ["q", "space", "time" or "product"], their distance from rest if `rest`. */
export function numbersOf(block, [kind, branch, level], rest = false) {
  if (!branch) return (rest && kind in block.rest ? block.rest : block)[kind];
  if (kind === "context") {
    const lengths = block.contexts[branch][level];
    return once(lengths, "spread", () => spread(lengths, branch, block.size));
  }
  const all = kind === "gate" ? block.gates[branch]
    : once(block, branch, () => contributions(block, branch));
  const n = block.q.length;
  return once(all, level, () => all.subarray(level * n, (level + 1) * n));
}

/** A change of these numbers below this is the rounding of the record, and none. */
export const grain = (before) => (
  once(before, "grain", () => 1e-3 * Math.max(...extent(before).map(Math.abs))));

// A box now, before, or what changed: {values, both: [before, now] or the change, least}.
function momentOf({ view, answer }, box, absolute) {
  const both = [answer.before, answer.now].map((maps) => {
    const values = numbersOf(maps.blocks[view.block], box, view.amount === "rest");
    return absolute ? once(values, "absolute", () => values.map(Math.abs)) : values;
  });
  if (view.moment !== "difference") return { values: both[view.moment === "now" ? 1 : 0], both };
  const least = grain(both[0]), values = once(both[1], "difference", () => (
    both[1].map((v, i) => (Math.abs(v - both[0][i]) < least ? 0 : v - both[0][i]))));
  return { values, both: [values], least };
}

/** The ends of one scale for several boxes, with zero on it, and never without a length;
 * `tight`: from the smallest number on, for lengths that are nowhere near zero. from, to: the
 * numbers of one frame, if not of all. */
export function rangeOf(boxes, signed, tight, from, to) {
  const far = (values) => extent(values, tight ? values[0] : 0);
  const found = boxes.flatMap(({ both }) => both.flatMap((values) => (
    to ? far(values.subarray(from, to)) : once(values, `extent ${tight}`, () => far(values)))));
  const low = Math.min(...found), high = Math.max(...found, boxes[0].least ?? 0);
  if (signed) {
    const side = Math.max(-low, high) || 1;
    return [-side, side];
  }
  return high > low ? [low, high] : [Math.min(low, 0), Math.max(high, 0) || 1];
}

/** Draws boxes that share a scale. `raw` numbers have a sign, unless the view takes it away. */
export function drawRow(state, { maps, scale, boxes, raw, words }, picture) {
  const { shared, signed, moment, overlay, frame, amount } = state.view;
  const [, h, w] = state.block.size, from = frame * h * w, to = from + h * w;
  const shown = boxes.map((box) => momentOf(state, box, raw && !signed));
  const both = moment === "difference" || (raw && signed);
  const tight = !both && !boxes[0][1] && amount === "length";
  const range = rangeOf(shown, both, tight, ...(shared ? [] : [from, to]));
  const lut = state.record.luts[both ? "signed" : "amount"];
  scale.show(range, lut);
  maps.forEach((map, i) => map.show({ values: shown[i].values.subarray(from, to), range, lut,
    overlay, frame: picture, words: words[i] }));
}
