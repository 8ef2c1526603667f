// The record as the page holds it, and the numbers that follow from it. All functions are pure.

/** The record written by packing.py: `told` with each packed array in its place.
 * Returns {title, classes, label, standin, luts, frames: Uint8Array (T, H, W, 3),
 * size: [T, H, W], networks: [{name, about, colour, kernel, weights, before: MAPS}]}; a block
 * of `before` has `side`, too: the pixels per side of a token. */
export async function unpack(told, blob) {
  const record = filled(told, await inflate(blob));
  record.size = told.frames.shape.slice(0, 3);
  record.networks = record.networks.map(({ logits, blocks, ...network }) => {
    for (const block of blocks) block.side = block.covered[0] / block.size[1];
    return { ...network, before: { logits: Float32Array.from(logits), blocks } };
  });
  return record;
}

async function inflate(bytes) {
  if (typeof DecompressionStream === "undefined") {
    throw new Error("This browser is too old for the record (it has no DecompressionStream): "
      + "open it in a Firefox, Chrome, Edge or Safari of 2023 or later.");
  }
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  try {
    return await new Response(stream).arrayBuffer();
  } catch (error) {
    throw new Error(DAMAGED);
  }
}

const DAMAGED = "The record is damaged: a part of it is missing or changed. Write it once more.";

/** A copy of `tree` with a typed array for each {at, kind, shape, base, step} in it. */
export function filled(tree, blob) {
  // A message of a kernel brings a view that may begin at any byte of its buffer.
  const raw = blob.buffer?.slice(blob.byteOffset, blob.byteOffset + blob.byteLength) ?? blob;
  const fill = (node) => {
    if (Array.isArray(node)) return node.map(fill);
    if (node === null || typeof node !== "object") return node;
    if ("at" in node && "kind" in node) return numbers(node, raw);
    return Object.fromEntries(Object.entries(node).map(([key, part]) => [key, fill(part)]));
  };
  return fill(tree);
}

function numbers({ at, kind, shape, base, step }, raw) {
  const count = shape.reduce((a, b) => a * b, 1);
  const end = at + count * Number(kind[1]);
  if (end > raw.byteLength) throw new Error(DAMAGED);
  if (kind === "u1") return new Uint8Array(raw, at, count);
  if (kind === "f4") return new Float32Array(raw, at, count);
  return Float32Array.from(new Uint16Array(raw.slice(at, end)), (q) => q * step + base);
}

/** softmax(logits / T): an array of probabilities. */
export function softmax(logits, T) {
  const top = Math.max(...logits);
  const powers = Array.from(logits, (z) => Math.exp((z - top) / T));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / sum);
}

/** The place of the largest of some numbers. */
export const top = (values) => values.indexOf(values.reduce((a, b) => Math.max(a, b)));

/** The class that is followed: the true one, or the likeliest where none is known. */
export function followed({ classes, label }, { logits }) {
  const known = classes.indexOf(label);
  return known < 0 ? top(logits) : known;
}

/** The block at the same place of another network, or the last of its stage, or of all. */
export function twinOf({ stage, block }, blocks) {
  const same = blocks.filter((b) => b.stage === stage);
  return same.find((b) => b.block === block) ?? same.at(-1) ?? blocks.at(-1);
}

/** {frame, row, column} of number `at` of a map of T x h x w tokens. */
export const placeOf = (at, [, h, w]) => (
  { frame: Math.floor(at / (h * w)), row: Math.floor(at / w) % h, column: at % w });

/** [row, column] of the token of a block at, or nearest to, a point [y, x] of the picture. */
export const tokenOf = (point, { size, side }) => point.map((pixels, i) => (
  Math.max(0, Math.min(size[i + 1] - 1, Math.floor(pixels / side)))));

/** [top, left, bottom, right] in pixels of a block's tokens from one [row, column] to another. */
export const boxOf = ({ side }, [y0, x0], [y1, x1] = [y0, x0]) => (
  [Math.min(y0, y1), Math.min(x0, x1), Math.max(y0, y1) + 1, Math.max(x0, x1) + 1]
    .map((n) => n * side));

/** The context of one level for every token, (T, h, w): the global one is recorded once per
 * frame, or once per pixel. */
export function spread(lengths, branch, [T, h, w]) {
  if (lengths.length === T * h * w) return lengths;
  return Float32Array.from({ length: T * h * w }, (_, i) => (
    lengths[branch === "space" ? Math.floor(i / (h * w)) : i % (h * w)]));
}

/** gate * length of the context, with the gate's sign: (L + 1, T, h, w). */
export function contributions({ size, contexts, gates }, branch) {
  const lengths = contexts[branch].map((level) => spread(level, branch, size));
  const tokens = lengths[0].length;
  return gates[branch].map((gate, i) => gate * lengths[Math.floor(i / tokens)][i % tokens]);
}

/** The lowest and the highest of some numbers, with `start` between them. */
export function extent(values, start = 0) {
  let low = start, high = start;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** Spearman's rank correlation of two maps of sizes [T, h, w], the finer one averaged down.
 * Returns {value, reason}: the value is null where it is not defined, and the reason says why. */
export function rankCorrelation(a, sizeA, b, sizeB) {
  const swap = a.length < b.length;
  const mean = swap ? averaged(b, sizeB, sizeA) : averaged(a, sizeA, sizeB);
  const told = [sizeA, sizeB].map((size) => size.join(" x ")).join(" and ");
  if (!mean) return { value: null, reason: `maps of ${told} do not fit` };
  const p = ranks(mean), q = ranks(swap ? a : b), middle = (p.length - 1) / 2;
  let pq = 0, pp = 0, qq = 0;
  for (let i = 0; i < p.length; i++) {
    pq += (p[i] - middle) * (q[i] - middle);
    pp += (p[i] - middle) ** 2;
    qq += (q[i] - middle) ** 2;
  }
  if (pp * qq === 0) return { value: null, reason: "a map is the same everywhere" };
  return { value: pq / Math.sqrt(pp * qq), reason: "" };
}

// Means over equal boxes; null where the sizes `to` do not divide those of the map.
function averaged(map, [T, h, w], to) {
  const [a, b, c] = [T / to[0], h / to[1], w / to[2]];
  if (![a, b, c].every(Number.isInteger)) return null;
  const out = new Float64Array(to[0] * to[1] * to[2]);
  map.forEach((value, i) => {
    const t = Math.floor(i / (h * w) / a), y = Math.floor((Math.floor(i / w) % h) / b);
    out[(t * to[1] + y) * to[2] + Math.floor((i % w) / c)] += value / (a * b * c);
  });
  return out;
}

// From 0 for the smallest; equal values share the mean of their ranks.
function ranks(map) {
  const first = new Map(), last = new Map();
  Float64Array.from(map).sort().forEach((value, rank) => {
    if (!first.has(value)) first.set(value, rank);
    last.set(value, rank);
  });
  return Float64Array.from(map, (value) => (first.get(value) + last.get(value)) / 2);
}

/** A number in three digits. */
export function short(number) {
  return String(Number(number.toPrecision(3)));
}
