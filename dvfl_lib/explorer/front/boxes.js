// What a box shows: which numbers of a block, in which moment, on which scale.
import { blockOf, once } from "./canvas.js";
import { contributions, ends } from "./record.js";

/** How far each level sees: [{kernel, sees}], in tokens or frames; null where it is not known. */
export function windowsOf(record, state) {
  const network = record.networks[state.view.network];
  const config = network.config ?? network.weights?.config;
  if (!config) return null;
  let sees = 1;
  return Array.from({ length: config.focal_levels }, (_, level) => {
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

/** One number per token of a block of MAPS, (T, h, w). box: ["gate", "context" or "sum", branch,
 * level from 0], or ["q", "space", "time" or "product"], their distance from rest if `rest`. */
export function numbersOf(block, [kind, branch, level], rest = false) {
  const [T, h, w] = block.size, n = T * h * w;
  if (kind === "context") {
    const lengths = block.contexts[branch][level], frames = branch === "space";
    if (lengths.length === n) return lengths;
    return once(lengths, "spread", () => (  // the global one: one per frame, or one per pixel
      Float32Array.from({ length: n }, (_, i) => (
        lengths[frames ? Math.floor(i / (h * w)) : i % (h * w)]))));
  }
  if (!branch) return (rest && kind in block.rest ? block.rest : block)[kind];
  const all = kind === "gate" ? block.gates[branch]
    : once(block, branch, () => contributions(block, branch));
  return once(all, level, () => all.subarray(level * n, (level + 1) * n));
}

// Lowest and highest number, with `start` between them.
function extent(values, start) {
  let low = start, high = start;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** A change of these numbers below this is the rounding of the record, and none. */
export const grain = (before) => (
  once(before, "grain", () => 1e-3 * Math.max(...extent(before, 0).map(Math.abs))));

/** A box now, before, or what changed: {values, both: [before, now] or the change, least}. */
export function momentOf(state, box, absolute = false) {
  const { network, block, moment, amount } = state.view, answer = state.answers[network];
  const both = [answer.before, answer.now].map((maps) => {
    const values = numbersOf(maps.blocks[block], box, amount === "rest");
    return absolute ? once(values, "absolute", () => values.map(Math.abs)) : values;
  });
  if (moment !== "difference") return { values: both[moment === "now" ? 1 : 0], both, least: 0 };
  const least = grain(both[0]), values = once(both[1], "difference", () => (
    both[1].map((v, i) => (Math.abs(v - both[0][i]) < least ? 0 : v - both[0][i]))));
  return { values, both: [values], least };
}

/** The ends of one scale for several boxes, with zero on it; `tight`: from the smallest number on,
 * for lengths that are nowhere near zero. from, to: the numbers of one frame, if not of all. */
export function rangeOf(boxes, signed, tight, from, to) {
  const far = (values) => extent(values, tight ? values[0] : 0);
  const found = boxes.flatMap(({ both }) => both.flatMap((values) => (
    to ? far(values.subarray(from, to)) : once(values, `extent ${tight}`, () => far(values)))));
  const low = Math.min(...found), high = Math.max(...found);
  return tight && high > low ? [low, high] : ends([...found, boxes[0].least ?? 0], signed);
}

/** Draws boxes that share a scale. `raw` numbers have a sign, unless the view takes it away. */
export function drawRow(record, state, { maps, scale, boxes, raw, words }, picture) {
  const { shared, signed, moment, overlay, frame, amount } = state.view;
  const { size: [, h, w], covered } = blockOf(record, state);
  const from = frame * h * w, to = from + h * w;
  const shown = boxes.map((box) => momentOf(state, box, raw && !signed));
  const both = moment === "difference" || (raw && signed);
  const tight = !both && !boxes[0][1] && amount === "length";
  const range = rangeOf(shown, both, tight, ...(shared ? [] : [from, to]));
  const lut = record.luts[both ? "signed" : "amount"];
  scale.show(range, lut);
  maps.forEach((map, i) => map.show({ values: shown[i].values.subarray(from, to), h, w, range, lut,
    covered, overlay, frame: picture, words: words[i] }));
}
