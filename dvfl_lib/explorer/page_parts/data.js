// The record's arrays, and what is computed from them.
const $ = (id) => document.getElementById(id);
let told, raw, frames;
const state = { t: 0, net: 0, place: 0, y: 0, x: 0, timer: 0 };
const net = () => told.networks[state.net];
const block = () => net().blocks[state.place];
const short = (v) => (v === 0 ? "0" : Number(v.toPrecision(3)).toString());
const numbers = new Map(), ranges = new WeakMap();
function get(p) {
  if (numbers.has(p)) return numbers.get(p);
  const n = p.shape.reduce((a, b) => a * b, 1);
  let v = p.kind === "u1" ? new Uint8Array(raw, p.at, n) : new Uint16Array(raw, p.at, n);
  if (p.kind === "u2") v = Float32Array.from(v, (q) => q * p.step + p.base);
  numbers.set(p, v);
  return v;
}
async function unpack() {
  told = JSON.parse($("told").textContent);
  const bytes = Uint8Array.from(atob($("blob").textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  raw = await new Response(stream).arrayBuffer();
  frames = get(told.frames);
}
// The ends of a scale: zero is always on it, and it always has a length.
function ends(v, signed) {
  let low = 0, high = 0;
  for (const a of v) { if (a < low) low = a; if (a > high) high = a; }
  if (signed) { const far = Math.max(-low, high) || 1; return [-far, far]; }
  return [low, high > low ? high : 1];
}
function scaled(v, at, n, signed) {
  if (!$("shared").checked) return ends(v.subarray(at, at + n), signed);
  const key = `${v.byteOffset} ${v.length} ${signed}`;
  if (!ranges.has(v.buffer)) ranges.set(v.buffer, new Map());
  const kept = ranges.get(v.buffer);
  if (!kept.has(key)) kept.set(key, ends(v, signed));
  return kept.get(key);
}
function lastOf(n, stage) {
  const found = n.blocks.filter((b) => b.stage === stage);
  return found.length ? found[found.length - 1] : n.blocks[n.blocks.length - 1];
}
function averaged(v, from, to) {
  const f = from.map((n, i) => n / to[i]);
  if (f.some((n) => n !== Math.floor(n))) return null;
  const out = new Float64Array(to[0] * to[1] * to[2]);
  for (let t = 0, i = 0; t < from[0]; t++) for (let y = 0; y < from[1]; y++) for (let x = 0; x < from[2]; x++, i++)
    out[(Math.floor(t / f[0]) * to[1] + Math.floor(y / f[1])) * to[2] + Math.floor(x / f[2])] += v[i] / (f[0] * f[1] * f[2]);
  return out;
}
function ranks(v) {
  const order = Array.from(v.keys()).sort((a, b) => v[a] - v[b]), out = new Float64Array(v.length);
  for (let i = 0; i < order.length;) {
    let j = i; while (j < order.length && v[order[j]] === v[order[i]]) j++;
    for (let k = i; k < j; k++) out[order[k]] = (i + j + 1) / 2;
    i = j;
  }
  return out;
}
// Spearman's rank correlation of two blocks' products, in words.
const known = new Map();
function alike(a, b) {
  if (a.covered.join() !== b.covered.join()) return "none (the maps cover other pixels)";
  return spearman(a.product, b.product, a.size, b.size);
}
function spearman(a, b, from, to) {
  const key = `${a.at} ${b.at}`;
  if (!known.has(key)) known.set(key, correlated(get(a), get(b), from, to));
  return known.get(key);
}
function correlated(p, q, from, to) {
  const sizes = `${from[1]} x ${from[2]} and ${to[1]} x ${to[2]}`;
  if (p.length < q.length) { [p, q] = [q, p]; [from, to] = [to, from]; }
  p = averaged(p, from, to);
  if (!p) return `none (maps of ${sizes} do not fit)`;
  p = ranks(p); q = ranks(q);
  const m = (p.length + 1) / 2; let pq = 0, pp = 0, qq = 0;
  for (let i = 0; i < p.length; i++) { pq += (p[i] - m) * (q[i] - m); pp += (p[i] - m) ** 2; qq += (q[i] - m) ** 2; }
  if (pp === 0 || qq === 0) return "none (a map is the same everywhere)";
  return (pq / Math.sqrt(pp * qq)).toFixed(2);
}
function softmax(z, T) {
  const top = Math.max(...z), e = z.map((a) => Math.exp((a - top) / T)), s = e.reduce((a, b) => a + b, 0);
  return e.map((a) => a / s);
}
// Which classes a group of tables shows: all if few, else the likeliest of the first,
// the likeliest of each other, and the true one.
const FEW = 12, LIKELIEST = 10;
function classesShown(answers) {
  const all = [...told.classes.keys()], first = answers[0];
  if (all.length <= FEW) return all;
  const shown = all.slice().sort((a, b) => first[b] - first[a] || a - b).slice(0, LIKELIEST);
  for (const p of answers) shown.push(p.indexOf(Math.max(...p)));
  const truth = told.classes.indexOf(told.label);
  if (truth >= 0) shown.push(truth);
  return [...new Set(shown)];
}
